package transaction

import (
	"encoding/json"
	"maps"
	"slices"

	"onecard/ledger"
	"onecard/ledger/invariant"
	"onecard/ledger/money"
)

// holding is whose an open hold of an operation is: rows from 1.
type holding struct {
	holder, merchant uint32
}

// BankFigure is what the bank said was on the custody account.
type BankFigure struct {
	Sequence uint64
	Day      uint32 // business day it was entered on
	Amount   money.Fen
	Document string
}

// applyOperation does what an operation's entry does besides moving money.
func (s *State) applyOperation(sequence uint64, day uint32, e *ledger.Entry) {
	var r operationRecord
	invariant.Hold(r.decode(e.Payload, e.Kind) == nil, "operation %d cannot be read", sequence)
	s.keys.remember(r.key, keyed{sequence, r.contents, day})
	delete(s.proposals, r.proposal)
	s.applyDrawer(sequence, e, &r)
	switch e.Kind {
	case KindRefund, KindDepositReversed, KindCardDepositReturned:
		s.refunds.add(r.original, r.amount)
	case KindFundsHeld, KindMeterStarted:
		s.holdings[sequence] = holding{r.holder, r.merchant}
	case KindHoldReleased, KindHoldSettled, KindMeterSettled, KindMeterCancelled:
		delete(s.holdings, r.original)
	case KindSubsidyIssued, KindCountsIssued:
		s.applyExpiry(&r)
	case KindAccountClosed:
		s.holders.Edit(r.holder - 1).State = HolderLeft
	case KindLoadMadeUp, KindLoadClaimed, KindLoadClosed:
		s.applyLoadByHand(e.Kind, r.original, r.amount)
	case KindBankWithdrawal:
		s.applyWithdrawal(sequence, day, e, &r)
	case KindWithdrawalCharged, KindWithdrawalReturned:
		s.applyWithdrawalByHand(e.Kind, r.original, r.amount)
	case KindBankSigned, KindBankUnsigned, KindBankChanged, KindAutomaticLoad:
		s.applyAgreement(e.Kind, &r)
	case KindBankStatement:
		s.bankFigure = BankFigure{sequence, day, r.amount, r.document}
	}
	for _, n := range []uint32{r.holder, r.otherHolder} {
		s.applyDebt(n)
	}
	if r.batch != 0 {
		s.batches.done(s, r.batch, r.line, r.amount)
	}
}

// applyDrawer keeps what went through the drawers.
func (s *State) applyDrawer(sequence uint64, e *ledger.Entry, r *operationRecord) {
	if r.desk == 0 {
		return
	}
	desk := &s.desks[r.desk-1]
	switch e.Kind {
	case KindDrawerOpened:
		*desk = Desk{Code: desk.Code, Cash: desk.Cash, Operator: r.operator, Opened: sequence, Float: r.amount}
		return
	case KindDrawerClosed:
		*desk = Desk{Code: desk.Code, Cash: desk.Cash}
		return
	}
	desk.Acts++
	for _, l := range e.Legs {
		if l.Account == desk.Cash && l.Amount < 0 {
			desk.Receipts -= l.Amount
		} else if l.Account == desk.Cash {
			desk.Payments += l.Amount
		}
	}
}

// applyExpiry: money that is added to a purse keeps the later of both ends; no end is the latest.
func (s *State) applyExpiry(r *operationRecord) {
	if r.purse < 2 {
		return
	}
	i, ok := s.purse(s.holders.At(r.holder-1), r.purse-2)
	invariant.Hold(ok, "a subsidy for a purse that is not there")
	p := s.purses.Edit(i)
	p.Expiry = p.expiryWith(s.book.Account(p.Account).Balance, r)
}

// expiryWith is the end of a purse's money when a subsidy has come to it and it has a balance.
func (p *ProgrammePurse) expiryWith(balance money.Fen, r *operationRecord) uint32 {
	if alone := balance == r.amount; alone || p.Expiry != 0 && (r.expiry == 0 || r.expiry > p.Expiry) {
		return r.expiry
	}
	return p.Expiry
}

// applyDebt: whether a holder owes is kept in his row, where a purchase looks.
func (s *State) applyDebt(n uint32) {
	if n == 0 {
		return
	}
	i, ok := s.purse(s.holders.At(n-1), debtProgramme)
	if !ok {
		return
	}
	if owes := s.book.Account(s.purses.At(i).Account).Balance < 0; owes != s.holders.At(n-1).Owes {
		s.holders.Edit(n - 1).Owes = owes
	}
}

// applyProposal keeps an operation for a second person.
func (s *State) applyProposal(sequence uint64, day uint32, e *ledger.Entry) {
	p := payloadReader{b: e.Payload}
	p.uvarint() // operator
	key, contents := Key(p.take(16)), p.u64()
	proposal := Proposal{Number: sequence, Time: e.Time, Day: day}
	invariant.Hold(!p.bad && json.Unmarshal(p.b, &proposal.Operation) == nil, "proposal %d cannot be read", sequence)
	s.proposals[sequence] = proposal
	s.keys.remember(key, keyed{sequence, contents, day})
}

func (s *State) applyProposalClosed(e *ledger.Entry) {
	p := payloadReader{b: e.Payload}
	delete(s.proposals, p.uvarint())
}

// Proposals lists what waits for a second person, oldest first.
func (s *State) Proposals() []Proposal {
	list := slices.Collect(maps.Values(s.proposals))
	slices.SortFunc(list, func(a, b Proposal) int { return int(a.Number) - int(b.Number) })
	return list
}

// BankFigure is the newest balance that the bank has stated.
func (s *State) BankFigure() BankFigure { return s.bankFigure }

// Refunded is how much of an original has been given back.
func (s *State) Refunded(original uint64) money.Fen { return s.refunds.sum(original) }

// keepLegs remembers the legs of an original that main and general subsidy did not pay alone: its reversal must give each of them back. They
// live as long as the row of the duplicate table does.
func (s *State) keepLegs(row uint32, h *Holder, e *ledger.Entry) (split bool) {
	plain := true
	for i := range e.Legs {
		l := &e.Legs[i]
		if l.Amount < 0 && l.Account != h.Main && l.Account != h.Subsidy && s.book.Account(l.Account).Code != ledger.CodeSchoolDiscount {
			plain = false // what the school and the fee fund take part with is in the row's price
		}
	}
	if !plain {
		s.splits[row] = append(s.splits[row][:0], e.Legs...)
	} else if len(s.splits) > 0 {
		delete(s.splits, row)
	}
	return !plain
}
