package command

import (
	"context"
	"errors"
	"math"
)

// The reading of verify. One goroutine reads blocks ahead, the auditor takes them, and behind him another goroutine counts them for the index: a
// passage of some blocks goes from hand to hand and comes back to be filled again. Each has what he owns to himself, so that the auditor's
// books are kept by one goroutine and by nobody else's code.

const (
	passageBytes = 256 << 10
	passages     = 6
)

// passage is some stored blocks, one behind the other, and what could not be read between them.
type passage struct {
	raw    []byte
	blocks []placed
}

// placed is one block in a passage, or a run of blocks that is missing.
type placed struct {
	key  uint64
	end  int    // of its bytes; they begin where those before end
	upTo uint64 // of what is missing
	why  error  // nil: it is a block
}

func (p *passage) each(visit func(raw []byte, b placed)) {
	from := 0
	for _, b := range p.blocks {
		visit(p.raw[from:b.end], b)
		from = b.end
	}
}

var errRangeRead = errors.New("the range is read")

// replay reads the blocks once.
func (v *verification) replay(ctx context.Context) error {
	full, audited, empty := make(chan *passage, passages), make(chan *passage, passages), make(chan *passage, passages)
	for range passages {
		empty <- new(passage)
	}
	var failed error
	go func() {
		defer close(full)
		failed = v.read(ctx, full, empty)
	}()
	counted := make(chan struct{})
	go func() {
		defer close(counted)
		for p := range audited {
			v.count(p)
			p.raw, p.blocks = p.raw[:0], p.blocks[:0]
			empty <- p
		}
	}()
	for p := range full {
		p.each(func(raw []byte, b placed) {
			if b.why != nil {
				v.auditor.Missing(b.key, b.upTo, oneLine(b.why))
				return
			}
			v.auditor.Block(b.key, raw)
			v.compareCheckpoint()
			v.tell(b.key)
		})
		audited <- p
	}
	close(audited)
	<-counted
	if errors.Is(failed, errRangeRead) {
		return nil
	}
	return failed
}

// read fills passages until the range is read.
func (v *verification) read(ctx context.Context, full chan<- *passage, empty <-chan *passage) error {
	upTo := v.upTo
	if upTo == 0 {
		upTo = math.MaxUint64
	}
	p := <-empty
	err := v.store.RawBlocks(ctx, max(v.from, 1), func(key uint64, raw []byte) error {
		if key > upTo {
			return errRangeRead
		}
		p.raw = append(p.raw, raw...)
		p.blocks = append(p.blocks, placed{key: key, end: len(p.raw)})
		if len(p.raw) >= passageBytes {
			full <- p
			p = <-empty
		}
		return nil
	}, func(from, upTo uint64, why error) {
		p.blocks = append(p.blocks, placed{key: from, end: len(p.raw), upTo: upTo, why: why})
	})
	full <- p
	return err
}

// count takes a passage into the tally of the index.
func (v *verification) count(p *passage) {
	if v.index == nil {
		return
	}
	p.each(func(raw []byte, b placed) {
		if b.why == nil {
			v.index.add(raw)
		}
	})
}
