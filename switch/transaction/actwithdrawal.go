package transaction

import (
	"onecard/ledger"
	"onecard/ledger/money"
)

// bankWithdrawal holds what a holder wants back on his bank account, with the fee of his class, and has the bank asked to pay it.
func bankWithdrawal(a *act) bool {
	h, ok := a.holder()
	if !ok || !a.open(h) {
		return false
	}
	switch {
	case h.BankAccount == 0:
		return a.refuse("holder", "signed_not", "持卡人未签约银行卡,请先签约", "the holder has not signed with the bank: sign first")
	case a.op.Account != "" && !a.bound(h):
		return false
	case a.terms == nil || a.terms.Takes == nil || !a.terms.Takes(h.BankAccount):
		return a.refuse("holder", "bank_withdrawals", "该账户的银行不办理提现", "the bank of this account takes no withdrawals")
	case h.Owes:
		return a.refuse("holder", "debt", "持卡人有欠款 %[1]s,还清后再提现", "the holder owes %[1]s: it is paid first", a.state.Debt(h))
	}
	if a.op.All {
		a.op.Amount = a.state.withdrawable(h, a.available(h.Main), 1, a.now)
	}
	if !a.amount(maxOperation) || !a.withinTerms() {
		return false
	}
	held := a.op.Amount + a.state.withdrawalFee(h, a.op.Amount, a.now)
	if !a.affords(h.Main, held) {
		return false
	}
	a.record.card = a.state.cardToName(a.record.holder - 1)
	a.record.bank.account, a.record.bank.before = h.BankAccount, h.BankAccount
	a.entry.Hold = ledger.HoldAction{Op: ledger.HoldOpen, From: h.Main, To: AccountLoadInTransit, Amount: held}
	a.alone = a.terms.TwoPersons == 0 || a.op.Amount <= a.terms.TwoPersons
	return true
}

// withinTerms says whether the amount is within the site's bounds.
func (a *act) withinTerms() bool {
	today := a.state.withdrawals.on(a.local, a.record.holder-1)
	switch t := a.terms; {
	case t.Single > 0 && a.op.Amount > t.Single:
		return a.refuse("amount", "limit_single", "提现 %[1]s 超过单笔限额 %[2]s", "a withdrawal of %[1]s is above the limit of one, %[2]s", a.op.Amount, t.Single)
	case t.Day > 0 && today+a.op.Amount > t.Day:
		return a.refuse("amount", "limit_day", "今日已提现 %[1]s,再提 %[2]s 超过单日限额 %[3]s", "%[1]s was withdrawn today, with %[2]s it is above the limit of a day, %[3]s", today, a.op.Amount, t.Day)
	}
	return true
}

// cardToName is the card (row + 1) that the bank is told of a holder: his newest that is not closed, else his newest; 0 none.
func (s *State) cardToName(holder uint32) (newest uint32) {
	for i := s.cards.Len(); i > 0; i-- {
		if c := s.cards.At(i - 1); c.Holder == holder {
			if c.State != CardClosed {
				return i
			}
			newest = max(newest, i)
		}
	}
	return newest
}

// chargeWithdrawal books what the bank's file says that it has paid: a withdrawal that was given up, or one that had ended otherwise. What the
// purse does not have any more the holder owes.
func chargeWithdrawal(a *act) bool {
	h, e, ok := a.movementOf(KindBankWithdrawal)
	if !ok {
		return false
	}
	if open, ok := a.state.withdrawals.open[a.op.Original]; ok {
		switch {
		case open.state != withdrawalManual:
			return a.withdrawalUnderWay()
		case a.op.Amount > open.order.Amount:
			return a.refuse("amount", "withdrawal_exceeds", "补扣 %[1]s 超过提现金额 %[2]s,多付的部分向银行追索", "%[1]s is more than the withdrawal of %[2]s: claim the rest from the bank", a.op.Amount, open.order.Amount)
		}
		a.entry.Hold = ledger.HoldAction{Op: ledger.HoldPost, ID: a.op.Original}
		a.leg(h.Main, -(a.op.Amount + open.held - open.order.Amount))
		a.leg(a.state.site(ledger.CodeManagementFee), open.held-open.order.Amount)
		return a.give(AccountLoadInTransit)
	}
	if e.Outcome == KindWithdrawalPaid || e.Outcome == KindWithdrawalCharged {
		return a.refuse("original", "withdrawal_paid", "提现 %[1]s 已扣款,不能补扣", "withdrawal %[1]s was posted: there is nothing to charge", ReferenceOf(a.op.Original))
	}
	return a.withinWithdrawal(e) && a.takeOrOwe(h) && a.give(AccountLoadInTransit)
}

// returnWithdrawal gives back what the bank's file says that it has not paid: the hold of one that was given up, or the money of one that was
// posted.
func returnWithdrawal(a *act) bool {
	h, e, ok := a.movementOf(KindBankWithdrawal)
	if !ok {
		return false
	}
	if open, ok := a.state.withdrawals.open[a.op.Original]; ok {
		if open.state != withdrawalManual {
			return a.withdrawalUnderWay()
		}
		if a.op.Amount != open.order.Amount {
			return a.refuse("amount", "withdrawal_whole", "未了结的提现须整笔退还 %[1]s;银行付了一部分的,按所付金额补扣", "an open withdrawal is returned whole, %[1]s; of one that was paid in part, charge what was paid", open.order.Amount)
		}
		a.entry.Hold = ledger.HoldAction{Op: ledger.HoldVoid, ID: a.op.Original}
		return true
	}
	if e.Outcome != KindWithdrawalPaid && e.Outcome != KindWithdrawalCharged {
		return a.refuse("original", "withdrawal_not_paid", "提现 %[1]s 未扣款,没有可退还的", "withdrawal %[1]s was not posted: there is nothing to return", ReferenceOf(a.op.Original))
	}
	if !a.withinWithdrawal(e) {
		return false
	}
	a.leg(AccountLoadInTransit, -a.op.Amount)
	a.credit(h, a.op.Amount)
	return true
}

func (a *act) withdrawalUnderWay() bool {
	return a.refuse("original", "withdrawal_under_way", "提现 %[1]s 仍在等银行答复,不能手工处理;转人工后再办", "withdrawal %[1]s still waits for the bank: it can be settled by hand when it has been given up", ReferenceOf(a.op.Original))
}

// withinWithdrawal says whether what has been put right of an ended withdrawal stays within it.
func (a *act) withinWithdrawal(e *Evidence) bool {
	if e.Outcome == 0 {
		return a.refuse("original", "withdrawal_outcome", "记录 %[1]d 不是已了结的提现", "record %[1]d is not a withdrawal that has ended", a.op.Original)
	}
	if done := a.state.refunds.sum(a.op.Original); done+a.op.Amount > e.Amount {
		return a.refuse("amount", "withdrawal_exceeds", "提现 %[3]s,已更正 %[1]s,再更正 %[2]s 即超过", "the withdrawal is %[3]s: %[1]s of it was put right, with %[2]s it would be exceeded", done, a.op.Amount, e.Amount)
	}
	return true
}

// applyWithdrawalByHand does what an operation on a withdrawal does besides moving money. What of an open one was never charged can never be
// returned.
func (s *State) applyWithdrawalByHand(kind Kind, of uint64, amount money.Fen) {
	if w, ok := s.withdrawals.open[of]; ok {
		s.endWithdrawal(&w, kind == KindWithdrawalCharged)
		if rest := w.order.Amount - amount; rest > 0 {
			s.refunds.add(of, rest)
		}
		return
	}
	s.refunds.add(of, amount)
}
