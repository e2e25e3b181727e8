package transaction

import (
	"onecard/ledger"
	"onecard/ledger/money"
)

// Operations at the cash desk, and of the money that holders bring and take.

// receive books cash into the drawer of the desk; pay books it out.
func (a *act) receive(desk *Desk, amount money.Fen) { a.leg(desk.Cash, -amount) }

func (a *act) payCash(desk *Desk, amount money.Fen) bool {
	if has := desk.Expected(); has < amount {
		return a.refuse("amount", "drawer_funds", "钱箱内只有 %[1]s,不足 %[2]s", "the drawer holds %[1]s, %[2]s is needed", has, amount)
	}
	a.leg(desk.Cash, amount)
	return true
}

// cashDeposit: cash comes into the drawer; the fee of the holder's class is taken; what he owes is paid first (handbook 3.3, 3.7).
func cashDeposit(a *act) bool {
	h, ok := a.holder()
	if !ok || !a.amount(maxOperation) {
		return false
	}
	desk, ok := a.drawer()
	if !ok || !a.open(h) {
		return false
	}
	a.receive(desk, a.op.Amount)
	return a.deposit(h, a.op.Amount)
}

// deposit brings money to the purse that the operation names, less the fee of the holder's class.
func (a *act) deposit(h *Holder, amount money.Fen) bool {
	fee := a.state.depositFee(h, amount, a.now)
	a.leg(a.state.site(ledger.CodeManagementFee), fee)
	amount -= fee
	if a.op.Purse == "" || a.op.Purse == purseMain {
		if !a.fits(h, amount) {
			return false
		}
		a.credit(h, amount)
		return true
	}
	account, ok := a.purse("purse", a.op.Purse, a.record.holder, &a.record.purse, true)
	if !ok || !a.own(account) {
		return false
	}
	a.leg(account, amount)
	return true
}

// own says whether a purse holds the holder's own money: cash is never mixed with a provider's subsidy.
func (a *act) own(account ledger.AccountID) bool {
	code := a.codeOf(account)
	if code == ledger.CodeMainPurse || code == ledger.CodeWaterPurse || code == ledger.CodeElectronicAccount {
		return true
	}
	return a.refuse("purse", "purse_own", "该钱包不是持卡人自有资金", "that purse does not hold the holder's own money: main, water and electronic accounts do")
}

// codeOf is the code of an account, one that is still to be opened included.
func (a *act) codeOf(account ledger.AccountID) ledger.AccountCode {
	if opening, ok := a.opening(account); ok {
		return opening.Code
	}
	return a.state.book.Account(account).Code
}

// open says whether a holder's accounts take part in everything.
func (a *act) open(h *Holder) bool {
	if a.state.book.Account(h.Main).State != ledger.AccountOpen {
		return a.refuse("holder", "account_open", "持卡人账户已冻结或保留", "the holder's account is frozen or retained")
	}
	return true
}

// withdrawal pays in the unit that the desk pays in: everything is rounded down to it, and the rest stays (handbook 2.3).
func withdrawal(a *act) bool {
	h, ok := a.holder()
	if !ok || !a.open(h) {
		return false
	}
	desk, ok := a.drawer()
	if !ok {
		return false
	}
	account, ok := a.purse("purse", a.op.Purse, a.record.holder, &a.record.purse, false)
	if !ok || !a.own(account) {
		return false
	}
	unit := max(1, a.op.Unit)
	if unit != 1 && unit != 10 && unit != 100 {
		return a.refuse("unit", "unit", "取整单位须为 0.01、0.10 或 1.00", "the unit must be 0.01, 0.10 or 1.00")
	}
	if a.op.All {
		a.op.Amount = a.state.withdrawable(h, a.available(account), unit, a.now)
	}
	if !a.amount(maxOperation) {
		return false
	}
	fee := a.state.withdrawalFee(h, a.op.Amount, a.now)
	if !a.affords(account, a.op.Amount+fee) {
		return false
	}
	if a.op.Amount%unit != 0 {
		return a.refuse("amount", "unit", "金额 %[1]s 不是 %[2]s 的整数倍", "the amount %[1]s is not a multiple of %[2]s", a.op.Amount, unit)
	}
	a.leg(account, -(a.op.Amount + fee))
	a.leg(a.state.site(ledger.CodeManagementFee), fee)
	return a.payCash(desk, a.op.Amount)
}

func fundDeposit(a *act) bool {
	h, ok := a.holder()
	if !ok || !a.open(h) || !a.amount(maxOperation) {
		return false
	}
	a.leg(a.state.site(ledger.CodeBankCustody), -a.op.Amount)
	return a.deposit(h, a.op.Amount)
}

func thirdPartyLoad(a *act) bool {
	h, ok := a.holder()
	if !ok || !a.open(h) || !a.amount(maxOperation) {
		return false
	}
	a.leg(a.state.site(ledger.CodeThirdPartyTransit), -a.op.Amount)
	return a.deposit(h, a.op.Amount)
}

// thirdPartyRefund takes from the main purse what a channel is about to pay back to whoever paid it. A fee that was taken from the load stays
// taken; what the holder has spent cannot be refunded.
func thirdPartyRefund(a *act) bool {
	h, ok := a.holder()
	if !ok || !a.open(h) || !a.amount(maxOperation) || !a.affords(h.Main, a.op.Amount) {
		return false
	}
	a.move(h.Main, a.state.site(ledger.CodeThirdPartyTransit), a.op.Amount)
	return true
}

// cardFee is paid in cash at a desk, or from the main purse.
func cardFee(a *act) bool {
	h, ok := a.holder()
	if !ok || !a.amount(maxOperation) {
		return false
	}
	if a.op.Desk != "" {
		desk, ok := a.drawer()
		if !ok {
			return false
		}
		a.receive(desk, a.op.Amount)
	} else {
		if !a.open(h) || !a.affords(h.Main, a.op.Amount) {
			return false
		}
		a.leg(h.Main, -a.op.Amount)
	}
	a.leg(a.state.site(ledger.CodeCardIncome), a.op.Amount)
	return true
}

func cardDeposit(a *act) bool {
	if a.op.Holder != "" {
		if _, ok := a.holder(); !ok {
			return false
		}
	}
	desk, ok := a.drawer()
	if !ok || !a.amount(maxOperation) {
		return false
	}
	a.receive(desk, a.op.Amount)
	a.leg(a.state.site(ledger.CodeDeposits), a.op.Amount)
	return true
}

// returnCardDeposit gives back a deposit, once.
func returnCardDeposit(a *act) bool {
	e, ok := a.evidence(KindCardDeposit)
	if !ok || !a.whole() {
		return false
	}
	desk, ok := a.drawer()
	if !ok {
		return false
	}
	taken := e.into(a.state.site(ledger.CodeDeposits))
	a.op.Amount, a.record.amount = taken, taken
	a.leg(a.state.site(ledger.CodeDeposits), -taken)
	return a.payCash(desk, taken)
}

// whole says whether nothing of the original has been given back yet.
func (a *act) whole() bool {
	if back := a.state.refunds.sum(a.op.Original); back > 0 {
		return a.refuse("original", "already_returned", "记录 %[1]d 已退回 %[2]s", "record %[1]d has had %[2]s given back already", a.op.Original, back)
	}
	return true
}

// into is what an original brought into an account.
func (e *Evidence) into(account ledger.AccountID) (sum money.Fen) { return legsInto(e.Legs, account) }

func legsInto(legs []ledger.Leg, account ledger.AccountID) (sum money.Fen) {
	for _, l := range legs {
		if l.Account == account {
			sum += l.Amount
		}
	}
	return sum
}

// reverseOperation takes back a deposit, a load from a third party, a fee: every leg turned round, once, and only while the money is there.
// Cash goes back through the drawer that it came from.
func reverseOperation(a *act) bool {
	e, ok := a.evidence(KindCashDeposit, KindFundDeposit, KindThirdPartyLoad, KindCardFee, KindCardDeposit, KindWithdrawal, KindCashHandedIn, KindTransfer, KindThirdPartyRefunded)
	if !ok || !a.whole() {
		return false
	}
	for _, l := range e.Legs {
		a.leg(l.Account, -l.Amount)
		if l.Amount > 0 {
			a.op.Amount += l.Amount
		}
		if desk, ok := a.deskOf(l.Account); ok {
			if a.op.Desk != desk.Code {
				return a.refuse("desk", "desk_same", "现金须由收取它的收银台 %[1]s 退回", "cash goes back at the desk that took it, %[1]s", desk.Code)
			}
			if _, ok := a.drawer(); !ok {
				return false
			}
			if has := desk.Expected(); l.Amount < 0 && has < -l.Amount {
				return a.refuse("amount", "drawer_funds", "钱箱内只有 %[1]s,不足 %[2]s", "the drawer holds %[1]s, %[2]s is needed", has, -l.Amount)
			}
		}
	}
	a.record.amount = a.op.Amount
	a.record.holder = e.Holder
	return true
}

// deskOf finds the desk whose cash an account is.
func (a *act) deskOf(account ledger.AccountID) (*Desk, bool) {
	for i := range a.state.desks {
		if a.state.desks[i].Cash == account {
			return &a.state.desks[i], true
		}
	}
	return nil, false
}

// openDrawer begins an operator's turn at a desk: the float comes from the site's cash.
func openDrawer(a *act) bool {
	desk, ok := a.desk()
	if !ok {
		return false
	}
	if desk.Operator != 0 {
		return a.refuse("desk", "drawer_open", "收银台 %[1]s 的钱箱已由 %[2]s 开启", "the drawer of desk %[1]s has been opened by %[2]s", desk.Code, a.state.operators[desk.Operator-1].Code)
	}
	if a.op.Amount < 0 || a.op.Amount > maxOperation {
		return a.refuse("amount", "amount_bound", "备用金须在 0 至 %[1]s", "the float must be 0 to %[1]s", maxOperation)
	}
	a.record.amount = a.op.Amount
	a.move(desk.Cash, AccountCash, a.op.Amount) // an asset grows on its debit side
	return true
}

// closeDrawer ends the turn: what was counted goes to the site's cash, what differs from what must be there is in suspense until it is
// explained.
func closeDrawer(a *act) bool {
	desk, ok := a.drawer()
	if !ok {
		return false
	}
	counted := a.op.Amount
	if counted < 0 || counted > maxHouseOperation {
		return a.refuse("amount", "amount_bound", "清点金额须在 0 至 %[1]s", "the amount counted must be 0 to %[1]s", maxHouseOperation)
	}
	a.record.amount = counted
	expected := desk.Expected()
	a.leg(AccountCash, -counted)
	a.leg(desk.Cash, expected)
	a.leg(a.state.site(ledger.CodeSuspense), counted-expected)
	a.record.flags |= recordBalance
	a.record.balance = expected
	return true
}
