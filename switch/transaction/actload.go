package transaction

import (
	"onecard/ledger"
	"onecard/ledger/money"
)

// What two persons do to a load by the bank's file, when messages have not settled it (domain handbook 3.8): the bank took the money and the
// holder has not got it (bank only, 长款), he has it and the bank did not take it (campus only, 短款), or it was given up with its reversal
// unanswered.
//
// A load that is open is settled by what it holds. One that has ended can still be wrong, because a bank's file is later than its messages:
// how much of it has been put right is counted, so that no two acts put right more than the load.

// Kinds of what settles a load by hand. Values are stored: never renumber.
const (
	KindLoadMadeUp  Kind = 77 // 补账: the bank took it, the holder gets it
	KindLoadClaimed Kind = 78 // 追回: the bank did not take it, the holder gives it back
	KindLoadClosed  Kind = 79 // 圈存了结: given up, and the bank's file has nothing: what was on hold is free
)

// byHand says whether an operation settles a load.
func byHand(kind Kind) bool { return kind >= KindLoadMadeUp && kind <= KindLoadClosed }

// LoadOutcome is how a load, or a withdrawal, has ended, from the kinds of what is listed under it, newest first; 0 when it has not. What was
// put right after its end is no other end.
func LoadOutcome(newestFirst []Kind) (outcome Kind) {
	for _, kind := range newestFirst {
		switch kind {
		case KindLoadConfirmed, KindLoadDeclined, KindLoadReversed, KindLoadClosed, KindWithdrawalPaid, KindWithdrawalDeclined:
			return kind
		case KindLoadMadeUp, KindWithdrawalCharged, KindWithdrawalReturned:
			outcome = kind // the oldest of them, when nothing else did, has ended it
		}
	}
	return outcome
}

// makeUpLoad credits what the bank took.
func makeUpLoad(a *act) bool {
	h, e, ok := a.movementOf(KindLoad)
	if !ok {
		return false
	}
	if open, ok := a.state.loads[a.op.Original]; ok {
		if open.state != loadManual {
			return a.loadUnderWay(&open)
		}
		if a.op.Amount > open.order.Amount {
			return a.refuse("amount", "load_exceeds", "补账 %[1]s 超过圈存金额 %[2]s,多出的部分向银行追索", "%[1]s is more than the load of %[2]s: claim the rest from the bank", a.op.Amount, open.order.Amount)
		}
		a.entry.Hold = ledger.HoldAction{Op: ledger.HoldPost, ID: a.op.Original}
	} else if e.credited() {
		return a.refuse("original", "load_credited", "圈存 %[1]s 已入账,不能补账", "load %[1]s was credited: there is nothing to make up", ReferenceOf(a.op.Original))
	} else if !a.putRight(e) {
		return false
	}
	a.move(AccountLoadInTransit, h.Main, a.op.Amount)
	return true
}

// claimLoad takes back what was credited and the bank did not take; what the purse does not have any more the holder owes.
func claimLoad(a *act) bool {
	h, e, ok := a.movementOf(KindLoad)
	if !ok {
		return false
	}
	if open, ok := a.state.loads[a.op.Original]; ok && open.state < loadManual {
		return a.loadUnderWay(&open)
	} else if ok || !e.credited() {
		return a.refuse("original", "load_not_credited", "圈存 %[1]s 未入账,没有可追回的", "load %[1]s was not credited: there is nothing to take back", ReferenceOf(a.op.Original))
	}
	return a.putRight(e) && a.takeOrOwe(h) && a.give(AccountLoadInTransit)
}

// closeLoad ends a load that was given up: nothing was taken, or the bank has given it back.
func closeLoad(a *act) bool {
	open, ok := a.state.loads[a.op.Original]
	if !ok {
		return a.refuse("original", "load_open", "没有编号 %[1]s 的未了结圈存", "there is no open load %[1]s", ReferenceOf(a.op.Original))
	}
	if open.state != loadManual && open.state != loadManualReturning {
		return a.loadUnderWay(&open)
	}
	a.record.original, a.record.holder = a.op.Original, open.holder+1
	if open.held() {
		a.record.amount = open.order.Amount
		a.entry.Hold = ledger.HoldAction{Op: ledger.HoldVoid, ID: a.op.Original}
	}
	return true
}

// loadUnderWay refuses what would race with the bank's own answer.
func (a *act) loadUnderWay(open *load) bool {
	if open.state == loadManualReturning {
		return a.refuse("original", "load_returned", "圈存 %[1]s 已由终端退回,只能了结", "load %[1]s was given back at its terminal: it can only be closed", ReferenceOf(a.op.Original))
	}
	return a.refuse("original", "load_under_way", "圈存 %[1]s 仍在等银行答复,不能手工处理;转人工后再办", "load %[1]s still waits for the bank: it can be settled by hand when it has been given up", ReferenceOf(a.op.Original))
}

// movementOf finds the load or withdrawal that the operation names, and whose it is.
func (a *act) movementOf(kind Kind) (*Holder, *Evidence, bool) {
	e, ok := a.evidence(kind)
	if !ok || !a.amount(maxOperation) {
		return nil, nil, false
	}
	h, ok := a.evidenceHolder(e)
	if ok && a.state.book.Account(h.Main).State == ledger.AccountClosed {
		return nil, nil, a.refuse("original", "account_closed", "持卡人已销户,请转待查或无人认领", "the holder's account is closed: post it to suspense or unclaimed")
	}
	return h, e, ok
}

// credited says whether the holder has got the money of a load that has ended.
func (e *Evidence) credited() bool {
	return e.Outcome == KindLoadConfirmed || e.Outcome == KindLoadMadeUp
}

// putRight says whether what has been put right of an ended load stays within it.
func (a *act) putRight(e *Evidence) bool {
	if e.Outcome == 0 {
		return a.refuse("original", "load_outcome", "记录 %[1]d 不是已了结的圈存", "record %[1]d is not a load that has ended", a.op.Original)
	}
	if done := a.state.refunds.sum(a.op.Original); done+a.op.Amount > e.Amount {
		return a.refuse("amount", "load_exceeds", "圈存 %[3]s,已更正 %[1]s,再更正 %[2]s 即超过", "the load is %[3]s: %[1]s of it was put right, with %[2]s it would be exceeded", done, a.op.Amount, e.Amount)
	}
	return true
}

// takeOrOwe takes the amount from the main purse, and what it does not have from the account of what he owes.
func (a *act) takeOrOwe(h *Holder) bool {
	paid := min(max(0, a.available(h.Main)), a.op.Amount)
	if a.state.book.Account(h.Main).State == ledger.AccountFrozen {
		paid = 0
	}
	a.leg(h.Main, -paid)
	if owed := a.op.Amount - paid; owed > 0 {
		account, ok := a.programmePurse("holder", a.record.holder, debtProgramme, true)
		if !ok {
			return false
		}
		a.leg(account, -owed)
	}
	return true
}

func (a *act) give(to ledger.AccountID) bool {
	a.leg(to, a.op.Amount)
	return true
}

// applyLoadByHand does what an operation on a load does besides moving money.
func (s *State) applyLoadByHand(kind Kind, load uint64, amount money.Fen) {
	if open, ok := s.loads[load]; ok {
		s.endLoad(&open, kind == KindLoadMadeUp)
		return
	}
	s.refunds.add(load, amount)
}
