package transaction

import (
	"context"
	"encoding/binary"
	"slices"

	"onecard/ledger"
)

// do runs job on the owner goroutine between two groups and waits for it.
func (e *Engine) do(ctx context.Context, job func()) error {
	done := make(chan struct{})
	select {
	case e.jobs <- func() { job(); close(done) }:
		e.door.Wake()
	case <-ctx.Done():
		return ctx.Err()
	case <-e.stopped:
		return ErrStopped
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-e.stopped:
	}
	select {
	case <-done: // the last thing it did
		return nil
	default:
		return ErrStopped
	}
}

// Look lets the caller read the state on the owner goroutine. look must be quick and must not keep the pointer.
func (e *Engine) Look(ctx context.Context, look func(*State)) error {
	return e.do(ctx, func() { look(e.state) })
}

// LookDurable is Look that returns when all that look has seen is on disk, and so in every index behind it. A state that is looked at by itself is
// ahead of the ledger by what was decided in the last milliseconds: whoever holds the two against each other would take the newest version of a thing
// for an old one.
func (e *Engine) LookDurable(ctx context.Context, look func(*State)) error {
	return e.command(ctx, func() error { look(e.state); return nil })
}

// State returns the state before Run has started; afterwards use Look.
func (e *Engine) State() *State { return e.state }

// SetDiskLow says whether the journal is short of space: new work is then refused with 96 while reversals, and what the bank says, pass.
func (e *Engine) SetDiskLow(ctx context.Context, low bool) error {
	return e.do(ctx, func() { e.decider.diskLow = low })
}

// Snapshot shares the state at a durable head. It holds up the owner for one sync; what is returned may be written at leisure by another goroutine,
// which comes back to the owner for each part: some 0.1 ms. Whoever takes one ends its Sharing.
func (e *Engine) Snapshot(ctx context.Context) (ledger.Snapshot, error) {
	how := ledger.NewSharing(e.own)
	var s ledger.Snapshot
	var failed error
	err := e.do(ctx, func() { s, failed = e.snapshot(how) })
	if err == nil {
		err = failed
	}
	if err != nil { // the owner may still come to it: s is his
		how.End()
		return ledger.Snapshot{}, err
	}
	s.Gentle = true
	return s, nil
}

// own runs job on the owner, or here when there is no owner any more.
func (e *Engine) own(job func()) {
	if e.do(context.Background(), job) != nil {
		e.late.Lock()
		defer e.late.Unlock()
		job()
	}
}

// SnapshotBeforeRun is Snapshot for a ledger that nobody serves yet, or any more. It can be read in any order until something is decided, and need not be
// ended.
func (e *Engine) SnapshotBeforeRun() (ledger.Snapshot, error) { return e.snapshot(nil) }

func (e *Engine) snapshot(how *ledger.Sharing) (ledger.Snapshot, error) {
	if err := e.settle(); err != nil {
		return ledger.Snapshot{}, err
	}
	return ledger.Snapshot{Head: e.head, Sections: e.state.sections(how), Sharing: how}, nil
}

// Head is the newest block handed to the journal. Owner: call it inside Look.
func (e *Engine) Head() ledger.Head { return e.head }

// ChangeCard moves a card to another state, durably. The next request with the card sees it.
func (e *Engine) ChangeCard(ctx context.Context, change CardStateChange, now int64) error {
	return e.command(ctx, func() error {
		if err := e.state.checkCardState(&change); err != nil {
			return err
		}
		if err := e.prepare(now); err != nil {
			return err
		}
		row, _ := e.state.cardRow(change.Card)
		e.add(&ledger.Entry{Kind: KindCardState, Time: e.decider.now, Payload: encodeCardState(row, &change)})
		return nil
	})
}

// prepare opens a group for entries that no request brings.
func (e *Engine) prepare(now int64) error {
	if err := e.setClock(now); err != nil {
		return err
	}
	if !e.open.begun {
		e.beginGroup(e.state.business.day)
	}
	return nil
}

// command runs job on the owner and, unless it fails, waits until everything that the owner has written is durable.
func (e *Engine) command(ctx context.Context, job func() error) error {
	durable := make(chan error, 1)
	var failed error
	err := e.do(ctx, func() {
		if failed = job(); failed == nil {
			e.whenDurable(durable)
		}
	})
	if err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	select {
	case err := <-durable:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-e.stopped:
	}
	select {
	case err := <-durable:
		return err
	default:
		return ErrStopped
	}
}

// signOn decides a 0800. Nothing is written: a sign-on proves nothing until the first message with a good MAC, and an entry for each
// would let anybody who can connect fill the disk.
//
// It opens a batch (safety handbook 1.8): the one after the newest that has a record. A terminal that has lost its memory, and begins its
// traces again, must not meet its own old numbers: in the same batch an old trace with the same card and amount would be given its old
// approval, and nobody would have paid. What was asked in the batch before can still be repeated and reversed in it. A batch that was
// granted and never used is granted again.
func (d *decider) signOn(r *Request, out *Decision) result {
	s := d.state
	id, ok := s.terminalByCode[r.TerminalCode]
	if !ok {
		return d.answer(out, ReasonTerminalUnknown)
	}
	t := s.Terminal(id)
	switch {
	case s.merchants[t.Merchant].Code != r.MerchantCode:
		return d.answer(out, ReasonMerchantMismatch)
	case t.Suspended:
		return d.answer(out, ReasonTerminalSuspended)
	}
	out.Terminal, out.Batch = id, t.Batch%numberSpace+1
	out.SignOn = &SignOnGrant{Terminal: id, Batch: out.Batch, SealedKey: t.SealedKey, MACMode: t.MACMode}
	return d.answer(out, ReasonNone)
}

// openLoads returns the open loads, oldest first.
func (s *State) openLoads() []uint64 {
	ids := make([]uint64, 0, len(s.loads))
	for id := range s.loads {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func encodeLoads(s *State) []byte {
	var p []byte
	for _, id := range s.openLoads() {
		l := s.loads[id]
		p = binary.BigEndian.AppendUint64(p, id)
		p = binary.AppendVarint(p, l.order.Time)
		for _, v := range []uint64{
			uint64(l.order.Day), uint64(l.order.Amount), uint64(l.order.Card), l.order.BankAccount,
			uint64(l.holder), uint64(l.terminal), uint64(l.batch), uint64(l.trace), uint64(l.state),
		} {
			p = binary.AppendUvarint(p, v)
		}
	}
	return p
}
