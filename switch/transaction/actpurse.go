package transaction

import (
	"onecard/ledger"
)

// Operations on purses: subsidies, deductions, transfers, adjustments, closing.

// issueSubsidy credits a programme's purse, or the general subsidy, from what its provider owes.
func issueSubsidy(a *act) bool {
	h, ok := a.holder()
	if !ok || !a.open(h) || !a.amount(maxOperation) {
		return false
	}
	account, ok := a.purse("purse", a.op.Purse, a.record.holder, &a.record.purse, true)
	if !ok || !a.provided(account) {
		return false
	}
	if counts := a.record.purse >= 2 && a.state.programmes[a.record.purse-2].Set == CountSet; counts != (a.op.Kind == KindCountsIssued) {
		return a.refuse("purse", "purse_kind", "计次与金额不能混发", "counts are issued to count purses, money to others")
	}
	if a.op.Expiry != 0 && a.op.Expiry < a.local {
		return a.refuse("expiry", "expiry_past", "失效日已过", "the money would have expired already")
	}
	a.record.expiry = a.op.Expiry
	a.sendBackExpired(h, account)
	a.move(a.provider(), account, a.op.Amount)
	return true
}

// sendBackExpired gives what is left of a purse's expired money to its provider before new money comes: it does not come to life again.
func (a *act) sendBackExpired(h *Holder, account ledger.AccountID) {
	i, ok := a.state.purseOf(h, account)
	if !ok {
		return
	}
	if p := a.state.purses.At(i); p.Expiry != 0 && a.local > p.Expiry {
		if left := a.available(account); left > 0 {
			a.move(account, a.provider(), left)
		}
	}
}

// provided says whether a purse holds a provider's money.
func (a *act) provided(account ledger.AccountID) bool {
	if code := a.codeOf(account); code == ledger.CodeSubsidyPurse || code == ledger.CodeCountPurse {
		return true
	}
	return a.refuse("purse", "purse_provided", "该钱包不是补贴钱包", "that purse does not hold a subsidy")
}

// provider is where the money of the purse on the table comes from.
func (a *act) provider() ledger.AccountID {
	if a.record.purse >= 2 {
		return a.state.programmes[a.record.purse-2].Receivable
	}
	return AccountSubsidyReceivable
}

// returnSubsidy gives a subsidy back to its provider: all of it, or an amount.
func returnSubsidy(a *act) bool {
	if _, ok := a.holder(); !ok {
		return false
	}
	account, ok := a.purse("purse", a.op.Purse, a.record.holder, &a.record.purse, false)
	if !ok || !a.provided(account) {
		return false
	}
	if a.op.All {
		a.op.Amount = a.available(account)
	}
	if !a.amount(maxOperation) || !a.affords(account, a.op.Amount) {
		return false
	}
	a.move(account, a.provider(), a.op.Amount)
	return true
}

func deduction(a *act) bool {
	if _, ok := a.holder(); !ok || !a.amount(maxOperation) {
		return false
	}
	m, ok := a.merchant()
	if !ok {
		return false
	}
	account, ok := a.purse("purse", a.op.Purse, a.record.holder, &a.record.purse, false)
	if !ok || !a.own(account) || !a.affords(account, a.op.Amount) {
		return false
	}
	a.move(account, m.Payable, a.op.Amount)
	return true
}

// transfer moves a holder's own money between his purses, or to another holder.
func transfer(a *act) bool {
	h, ok := a.holder()
	if !ok || !a.open(h) || !a.amount(maxOperation) {
		return false
	}
	from, ok := a.purse("purse", a.op.Purse, a.record.holder, &a.record.purse, false)
	if !ok || !a.own(from) {
		return false
	}
	other, whose := h, a.record.holder
	if a.op.OtherHolder != "" {
		if other, ok = a.otherHolder(); !ok {
			return false
		}
		whose = a.record.otherHolder
	}
	to, ok := a.purse("other_purse", a.op.OtherPurse, whose, &a.record.otherPurse, true)
	if !ok || !a.own(to) || !a.affords(from, a.op.Amount) {
		return false
	}
	if from == to {
		return a.refuse("other_purse", "purse_other", "转出与转入是同一钱包", "the money would go where it is")
	}
	if to == other.Main && !a.fits(other, a.op.Amount) {
		return false
	}
	a.move(from, to, a.op.Amount)
	return true
}

// adjustment corrects a purse against suspense, either way.
func adjustment(a *act) bool {
	if _, ok := a.holder(); !ok {
		return false
	}
	amount := a.op.Amount
	if amount > maxOperation || amount < -maxOperation {
		return a.refuse("amount", "amount_bound", "金额绝对值不能超过 %[1]s", "the amount must be within %[1]s either way", maxOperation)
	}
	account, ok := a.purse("purse", a.op.Purse, a.record.holder, &a.record.purse, false)
	if !ok || amount < 0 && !a.affords(account, -amount) {
		return false
	}
	if a.state.book.Account(account).Set != 0 {
		return a.refuse("purse", "purse_kind", "计次钱包不能调账", "a count purse cannot be adjusted: issue or return counts")
	}
	a.record.amount = amount
	a.move(a.state.site(ledger.CodeSuspense), account, amount)
	return true
}

func toUnclaimed(a *act) bool {
	h, ok := a.holder()
	if !ok {
		return false
	}
	a.op.Amount = a.available(h.Main)
	if !a.amount(maxOperation) {
		return false
	}
	a.move(h.Main, a.state.site(ledger.CodeUnclaimed), a.op.Amount)
	return true
}

// closeAccount empties every purse: the holder's own money to the cash desk or, without one, through the refund file of the bank; subsidies
// back to their providers; then all accounts are closed (handbook 2.2).
func closeAccount(a *act) bool {
	h, ok := a.holder()
	if !ok {
		return false
	}
	if !a.settled(h) {
		return false
	}
	if a.state.signed(a.record.holder-1) != nil {
		return a.refuse("holder", "bank_signed", "持卡人银行卡仍在签约,须先解约", "the holder's bank account is still signed: release it first")
	}
	own := a.state.book.Account(h.Main).Balance
	if owed := a.state.Debt(h); owed > own {
		return a.refuse("holder", "debt", "欠款 %[1]s 大于余额 %[2]s,须先还清", "he owes %[1]s and has %[2]s: the debt comes first", owed, own)
	}
	a.closing(h.Main, 0)
	a.closing(h.Subsidy, AccountSubsidyReceivable)
	for n := h.Purses; n != 0; n = a.state.purses.At(n - 1).Next {
		p := a.state.purses.At(n - 1)
		account := a.state.book.Account(p.Account)
		switch {
		case p.Programme == debtProgramme:
			a.leg(p.Account, -account.Balance)
			own += account.Balance
			a.close(p.Account)
		case account.Code == ledger.CodeSubsidyPurse || account.Code == ledger.CodeCountPurse:
			a.closing(p.Account, a.state.programmes[p.Programme].Receivable)
		default:
			own += account.Balance
			a.closing(p.Account, 0)
		}
	}
	if len(a.entry.Legs) > 14 {
		return a.refuse("holder", "purses_many", "钱包太多,请先清退部分补贴", "too many purses for one closing: return some subsidies first")
	}
	a.op.Amount, a.record.amount = own, own
	if own == 0 {
		return true
	}
	if a.op.Desk == "" {
		a.leg(AccountBankCustody, own)
		return true
	}
	desk, ok := a.drawer()
	return ok && a.payCash(desk, own)
}

// closing empties an account and closes it. What is in it goes to an account, or is gathered by the caller.
func (a *act) closing(account, to ledger.AccountID) {
	balance := a.state.book.Account(account).Balance
	a.leg(account, -balance)
	if to != 0 {
		a.leg(to, balance)
	}
	a.close(account)
}

func (a *act) close(account ledger.AccountID) {
	a.entry.States = append(a.entry.States, ledger.StateChange{Account: account, State: ledger.AccountClosed})
}

// changeAccounts freezes, opens or retains all accounts of a holder.
func changeAccounts(a *act) bool {
	h, ok := a.holder()
	if !ok {
		return false
	}
	states := map[AccountState]ledger.AccountState{AccountsOpen: ledger.AccountOpen, AccountsFrozen: ledger.AccountFrozen, AccountsRetained: ledger.AccountRetained}
	to, known := states[a.op.State]
	if !known {
		return a.refuse("state", "state_known", "账户状态须为 open、frozen 或 retained", "the state must be open, frozen or retained")
	}
	if a.state.book.Account(h.Main).State == to {
		return a.refuse("state", "state_same", "账户已是此状态", "the accounts are in that state already")
	}
	accounts := []ledger.AccountID{h.Main, h.Subsidy}
	for n := h.Purses; n != 0; n = a.state.purses.At(n - 1).Next {
		if p := a.state.purses.At(n - 1); p.Programme != debtProgramme {
			accounts = append(accounts, p.Account)
		}
	}
	for _, account := range accounts {
		a.entry.States = append(a.entry.States, ledger.StateChange{Account: account, State: to})
	}
	a.record.state = byte(to) + 1
	return true
}

// countSale takes counts from a count purse.
func countSale(a *act) bool {
	h, ok := a.holder()
	if !ok || !a.open(h) || !a.amount(1000) {
		return false
	}
	m, ok := a.terminalMerchant()
	if !ok {
		return false
	}
	account, ok := a.purse("purse", a.op.Purse, a.record.holder, &a.record.purse, false)
	if !ok {
		return false
	}
	if a.codeOf(account) != ledger.CodeCountPurse {
		return a.refuse("purse", "purse_kind", "计次消费须用计次钱包", "a count sale needs a count purse")
	}
	payable := m.PayableIn(CountSet)
	if payable == 0 {
		return a.refuse("terminal", "merchant_counts", "商户不参加计次", "the merchant takes no counts: give it account set 1 in its terms")
	}
	if !a.affords(account, a.op.Amount) {
		return false
	}
	if i, there := a.state.purseOf(h, account); there {
		if p := a.state.purses.At(i); p.Expiry != 0 && a.local > p.Expiry {
			return a.refuse("purse", "purse_expired", "计次已过期", "the counts have expired")
		}
	}
	a.move(account, payable, a.op.Amount)
	return true
}

// terminalMerchant finds the merchant of the terminal that the operation names.
func (a *act) terminalMerchant() (*Merchant, bool) {
	if len(a.op.Terminal) == len(TerminalCode{}) {
		if id, ok := a.state.terminalByCode[TerminalCode([]byte(a.op.Terminal))]; ok {
			a.record.terminal = id
			t := a.state.Terminal(id)
			a.record.merchant = t.Merchant + 1
			return &a.state.merchants[t.Merchant], true
		}
	}
	return nil, a.refuse("terminal", "terminal_known", "终端 %[1]q 未登记,请核对 8 位终端号", "terminal %[1]q is not registered: check its 8 characters", a.op.Terminal)
}

// offlineSale posts what was sold while the terminal could not ask: from the purse as far as it goes, the rest is owed (handbook 3.7, 13).
func offlineSale(a *act) bool {
	h, ok := a.holder()
	if !ok || !a.amount(maxOperation) {
		return false
	}
	m, ok := a.terminalMerchant()
	if !ok {
		return false
	}
	const lead = 5 * 60 * microsPerSecond
	if a.op.Occurred <= 0 || a.op.Occurred > a.now+lead {
		return a.refuse("occurred", "occurred_future", "交易时间不能晚于现在 5 分钟以上", "the time of the sale cannot be more than 5 minutes ahead")
	}
	a.record.occurred = a.op.Occurred
	return a.takeOrOwe(h) && a.give(m.Payable)
}
