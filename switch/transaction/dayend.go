package transaction

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"onecard/ledger"
	"onecard/ledger/invariant"
)

// DayEnd is the payload of an entry of KindDayEnd: a closed business day was balanced and its statement signed (handbook 3.11). It stands in
// the open day, so that the ledger itself says which statement was made when; a day that is ended again has another.
//
//	day u32 | last entry of the day u64 | hash of its block 32 | Merkle root of the day 32 | SHA-256 of the statement 32 | passed u8
type DayEnd struct {
	Day       uint32
	Last      uint64
	Block     ledger.Hash
	Root      [32]byte
	Statement [32]byte
	Passed    bool
}

func (d *DayEnd) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(dst, d.Day), d.Last)
	dst = append(append(append(dst, d.Block[:]...), d.Root[:]...), d.Statement[:]...)
	return appendFlag(dst, d.Passed)
}

// ReadDayEnd reads the payload of an entry of KindDayEnd.
func ReadDayEnd(payload []byte) (DayEnd, error) {
	p := payloadReader{b: payload}
	d := DayEnd{Day: p.u32(), Last: p.u64(), Block: ledger.Hash(p.take(32)), Root: [32]byte(p.take(32)), Statement: [32]byte(p.take(32)), Passed: p.byte() == 1}
	return d, p.done(KindDayEnd)
}

// ErrDayOpen says that a business day cannot be ended before it is closed.
var ErrDayOpen = errors.New("会计日尚未日切 / the business day has not been switched")

// RecordDayEnd writes durably that a closed day was balanced.
func (e *Engine) RecordDayEnd(ctx context.Context, d DayEnd, now int64) (sequence uint64, err error) {
	err = e.command(ctx, func() error {
		if err := e.prepare(now); err != nil {
			return err
		}
		if d.Day >= e.state.business.day {
			return fmt.Errorf("%s: %w", ledger.DateOf(d.Day), ErrDayOpen)
		}
		sequence = e.add(&ledger.Entry{Kind: KindDayEnd, Time: e.decider.now, Payload: d.append(nil)})
		return nil
	})
	return sequence, err
}

func (s *State) applyDayEnd(sequence uint64, e *ledger.Entry) {
	d, err := ReadDayEnd(e.Payload)
	if err != nil || d.Day >= s.business.day {
		invariant.Fail("entry %d ends business day %d, open is %d", sequence, d.Day, s.business.day)
	}
	s.business.ended = max(s.business.ended, d.Day)
}

// EndedDay is the newest business day that has a day-end; 0 when none has.
func (s *State) EndedDay() uint32 { return s.business.ended }

// Accounts shares all accounts as they are after the returned sequence, and returns when that is durable. REQUIRES: the caller reads them to the end,
// which gives back what is kept for him.
func (e *Engine) Accounts(ctx context.Context) (*ledger.Moment[ledger.Account], uint64, error) {
	how := ledger.NewSharing(e.own)
	var accounts *ledger.Moment[ledger.Account]
	var sequence uint64
	err := e.command(ctx, func() error {
		accounts, sequence = e.state.book.Balances(how), e.state.book.Sequence()
		return nil
	})
	if err != nil { // the owner may still come to it: both are his
		how.End()
		return nil, 0, err
	}
	return accounts, sequence, nil
}

// EachPurse visits the accounts of one holder's purses, and that of what he owes. REQUIRES: holder < Holders().
func (s *State) EachPurse(holder uint32, visit func(ledger.AccountID)) {
	h := s.holders.At(holder)
	visit(h.Main)
	visit(h.Subsidy)
	for n := h.Purses; n != 0; n = s.purses.At(n - 1).Next {
		visit(s.purses.At(n - 1).Account)
	}
}

// Classes lists the identity classes, in the order of Holder.Class.
func (s *State) Classes() []Class { return s.classes }

// ReadProposal reads what waits for a second person, or did.
func ReadProposal(sequence uint64, day uint32, e *ledger.Entry) (Proposal, bool) {
	p := payloadReader{b: e.Payload}
	p.uvarint() // operator
	p.take(24)  // key and contents
	proposal := Proposal{Number: sequence, Time: e.Time, Day: day}
	return proposal, e.Kind == KindProposal && !p.bad && json.Unmarshal(p.b, &proposal.Operation) == nil
}

// ReadProposalClosed reads which proposal was rejected or withdrawn.
func ReadProposalClosed(e *ledger.Entry) (number uint64, ok bool) {
	p := payloadReader{b: e.Payload}
	number = p.uvarint()
	return number, e.Kind == KindProposalClosed && !p.bad
}

// ReturningLoads are the open loads whose money a terminal has given back already: nothing is held for them, and the bank has not yet said
// that it took the reversal.
func (s *State) ReturningLoads() []uint64 {
	var ids []uint64
	for _, id := range s.openLoads() {
		if l := s.loads[id]; !l.held() {
			ids = append(ids, id)
		}
	}
	return ids
}
