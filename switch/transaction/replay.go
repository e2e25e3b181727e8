package transaction

import (
	"context"
	"fmt"
	"math"

	"onecard/ledger"
	"onecard/ledger/money"
)

// How the state comes back: the newest checkpoint that can be read, then every block after it.

func (e *Engine) restore() error {
	if e.config.Checkpoints == nil {
		e.state = newState(ledger.NewBook())
		return nil
	}
	var failed error
	for before := uint64(math.MaxUint64); ; {
		stored, err := e.config.Checkpoints.CheckpointBefore(before)
		if err != nil {
			return err
		}
		if stored == nil {
			e.state, e.head = newState(ledger.NewBook()), ledger.Head{}
			return nil // a checkpoint is an optimisation: without one, everything is replayed
		}
		if e.state, err = restoreState(stored); err == nil {
			e.head, e.restored = stored.Head(), stored.Head().Sequence
			return nil
		}
		failed, before = fmt.Errorf("checkpoint at %d: %w", stored.Head().Sequence, err), stored.Head().Sequence
		if e.config.Events.CheckpointSkipped != nil {
			e.config.Events.CheckpointSkipped(failed)
		}
	}
}

// Bounds of the reading ahead.
const (
	replayBytes  = 256 << 10 // of blocks handed over together
	replayAhead  = 4         // times that much is read before it is applied
	replayWindow = 64        // entries whose rows are brought near before the first of them is applied
)

// passage is some blocks, one behind the other.
type passage struct {
	raw  []byte
	ends []int
}

func (p *passage) add(b ledger.Block) {
	p.raw = append(p.raw, b.Bytes()...)
	p.ends = append(p.ends, len(p.raw))
}

// replay applies the blocks after the checkpoint. Reading them, and proving hash and chain, goes on ahead on a goroutine of its own; applying
// is the owner's, and most of it is waiting for memory, so the rows of some entries are asked for at once. One after another on one goroutine
// it took twice as long.
func (e *Engine) replay(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	full, empty := make(chan *passage, replayAhead), make(chan *passage, replayAhead+1)
	var reading error
	go func() {
		defer close(full)
		reading = e.readAhead(ctx, full, empty)
	}()
	var applying error
	window := make([]ledger.Entry, replayWindow)
	for p := range full {
		if applying == nil {
			if applying = e.applyPassage(p, window); applying != nil {
				stop()
			}
		}
		p.raw, p.ends = p.raw[:0], p.ends[:0]
		empty <- p // there are no more of them than it holds
	}
	stop()
	if applying == nil {
		applying = reading
	}
	if applying != nil {
		return fmt.Errorf("replaying the journal after %d: %w", e.state.book.Sequence(), applying)
	}
	if e.head != e.journal.Head() {
		return fmt.Errorf("the journal's head is %d but its blocks end at %d: %w", e.journal.Head().Sequence, e.head.Sequence, ledger.ErrMalformed)
	}
	return nil
}

// readAhead fills passages with the blocks after the head until there are no more or ctx ends.
func (e *Engine) readAhead(ctx context.Context, full chan<- *passage, empty chan *passage) error {
	for range cap(empty) {
		empty <- new(passage)
	}
	head := e.head
	p := <-empty
	err := e.journal.Replay(ctx, head.Sequence, func(b ledger.Block) error {
		if err := b.Follows(head); err != nil {
			return err
		}
		head = b.Head()
		if p.add(b); len(p.raw) >= replayBytes {
			full <- p
			p = <-empty
		}
		return ctx.Err()
	})
	if err == nil {
		full <- p
	}
	return err
}

func (e *Engine) applyPassage(p *passage, window []ledger.Entry) error {
	from := 0
	for _, end := range p.ends {
		b, err := ledger.SkimBlock(p.raw[from:end]) // its hash was proved when it was read
		if err != nil {
			return err
		}
		day := b.Day()
		err = b.EachAhead(window, e.state.warmEntries, func(sequence uint64, entry *ledger.Entry) error {
			e.state.apply(sequence, day, entry)
			return nil
		})
		if err != nil {
			return err
		}
		e.head, from = b.Head(), end
	}
	return nil
}

// warmEntries is warm for entries that will be applied.
func (s *State) warmEntries(entries []ledger.Entry) {
	var sink money.Fen
	var cards [replayWindow]uint32
	n := 0
	for i := range entries {
		e := &entries[i]
		for j := range e.Legs {
			if s.book.Known(e.Legs[j].Account) {
				sink += s.book.Account(e.Legs[j].Account).Balance
			}
		}
		switch e.Kind {
		case KindPurchase, KindBalance, KindPassage, KindLoad, KindReversal:
		default:
			continue
		}
		terminal, trace, card, ok := identityOf(e.Payload)
		if !ok || uint32(terminal)-1 >= s.terminals.Len() {
			continue
		}
		sink += s.answers.At(s.rowOf(terminal, trace, e.Kind == KindReversal)).amount
		if card-1 < s.cards.Len() {
			cards[n] = s.cards.At(card - 1).Holder
			n++
		}
	}
	for _, holder := range cards[:n] { // once their cards are here
		if holder < s.holders.Len() {
			sink += money.Fen(s.holders.At(holder).DayAmount)
		}
	}
	s.warmth = sink
}
