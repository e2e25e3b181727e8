package transaction

import (
	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/rules/tariff"
)

// Operations of the house with merchants, bank and providers; holds; refunds of sales.

// departmentTransfer moves what one department is owed to another.
func departmentTransfer(a *act) bool {
	from, ok := a.merchant()
	if !ok || !a.amount(maxHouseOperation) {
		return false
	}
	to, ok := a.merchantNamed("other_merchant", a.op.OtherMerchant, &a.record.otherMerchant)
	if !ok {
		return false
	}
	for _, n := range []uint32{a.record.merchant, a.record.otherMerchant} {
		if !a.state.Terms(n - 1).Department {
			return a.refuse("merchant", "department", "商户 %[1]s 不是校内部门,请用解款", "merchant %[1]s is not a department of the school: pay it out", a.state.merchants[n-1].Code)
		}
	}
	if from == to {
		return a.refuse("other_merchant", "merchant_other", "转出与转入是同一部门", "the money would go where it is")
	}
	if !a.owed(from, a.op.Amount) {
		return false
	}
	a.move(from.Payable, to.Payable, a.op.Amount)
	return true
}

// owed says whether a merchant is owed an amount.
func (a *act) owed(m *Merchant, amount money.Fen) bool {
	if owed := a.available(m.Payable); owed < amount {
		return a.refuse("amount", "payable", "应付商户 %[1]s,不足 %[2]s", "the merchant is owed %[1]s, not %[2]s", owed, amount)
	}
	return true
}

// fromMerchant takes an amount that a merchant is owed to one of the site's accounts.
func (a *act) fromMerchant(to ledger.AccountID) bool {
	m, ok := a.merchant()
	if !ok || !a.amount(maxHouseOperation) || !a.owed(m, a.op.Amount) {
		return false
	}
	a.record.original = a.op.Original
	a.move(m.Payable, to, a.op.Amount)
	return true
}

func payout(a *act) bool            { return a.fromMerchant(AccountBankCustody) }
func merchantDeduction(a *act) bool { return a.fromMerchant(a.state.site(ledger.CodeDeductionIncome)) }

func serviceFee(a *act) bool { return a.fromMerchant(a.state.site(ledger.CodeServiceIncome)) }

// arrive moves money between two of the site's asset accounts: what leaves one on its credit side comes to the other's debit side.
func (a *act) arrive(at, from ledger.AccountID) bool {
	if !a.amount(maxHouseOperation) {
		return false
	}
	if there := -a.state.book.Account(from).Balance; there < a.op.Amount {
		return a.refuse("amount", "account_funds", "账上只有 %[1]s,不足 %[2]s", "the account has %[1]s, not %[2]s", there, a.op.Amount)
	}
	a.move(at, from, a.op.Amount)
	return true
}

func cashToBank(a *act) bool        { return a.arrive(AccountBankCustody, AccountCash) }
func transitSettled(a *act) bool    { return a.arrive(AccountBankCustody, AccountLoadInTransit) }
func thirdPartySettled(a *act) bool { return a.arrive(AccountBankCustody, AccountThirdPartyTransit) }

// subsidyReceived books that a provider has paid for a programme, or the school for the general subsidy.
func subsidyReceived(a *act) bool {
	if a.op.Purse != purseSubsidy {
		n, ok := a.state.programmeByCode[a.op.Purse]
		if !ok || a.state.programmes[n].Set != 0 {
			return a.refuse("purse", "purse_known", "没有补贴项目 %[1]q", "there is no programme %[1]q of money", a.op.Purse)
		}
		a.record.purse = n + 2
	} else {
		a.record.purse = 1
	}
	return a.arrive(AccountBankCustody, a.provider())
}

// bankStatement keeps what the bank says is on the custody account at the end of a day: a figure for the day-end, no money.
func bankStatement(a *act) bool {
	if a.op.Amount < 0 || a.op.Amount > 1000*maxHouseOperation {
		return a.refuse("amount", "amount_bound", "余额不合理", "that balance is out of bounds")
	}
	a.record.amount = a.op.Amount
	return true
}

// holdFunds promises part of a purse to a merchant.
func holdFunds(a *act) bool {
	m, ok := a.merchant()
	return ok && a.hold(m)
}

func (a *act) hold(m *Merchant) bool {
	h, ok := a.holder()
	if !ok || !a.open(h) || !a.amount(maxOperation) {
		return false
	}
	account, ok := a.purse("purse", a.op.Purse, a.record.holder, &a.record.purse, false)
	if !ok || !a.affords(account, a.op.Amount) {
		return false
	}
	if a.state.book.Account(account).Set != 0 {
		return a.refuse("purse", "purse_kind", "计次钱包不能冻结", "counts cannot be held")
	}
	if a.op.Until != 0 && a.op.Until <= a.now {
		return a.refuse("until", "until_past", "冻结期限已过", "the hold would have ended already")
	}
	a.entry.Hold = ledger.HoldAction{Op: ledger.HoldOpen, From: account, To: m.Payable, Amount: a.op.Amount, Expires: a.op.Until}
	return true
}

// meterHours bounds a metered session: the hold ends by itself then (handbook 3.9).
const meterHours = 2

// startMeter holds the pre-deduction of a metered use.
func startMeter(a *act) bool {
	m, ok := a.terminalMerchant()
	if !ok {
		return false
	}
	if a.op.Until == 0 {
		a.op.Until = a.now + meterHours*3600*microsPerSecond
	}
	return a.hold(m)
}

// held finds the hold that the operation names: one that an operation opened, not a load's.
func (a *act) held() (ledger.Hold, bool) {
	hold, ok := a.state.book.Hold(a.op.Original)
	owner, known := a.state.holdings[a.op.Original]
	if !ok || !known {
		return hold, a.refuse("original", "hold_known", "没有编号 %[1]d 的未了结冻结", "there is no open hold with number %[1]d", a.op.Original)
	}
	a.record.original, a.record.holder, a.record.merchant = a.op.Original, owner.holder, owner.merchant
	return hold, true
}

func releaseHold(a *act) bool {
	hold, ok := a.held()
	if !ok {
		return false
	}
	a.record.amount = hold.Amount
	a.entry.Hold = ledger.HoldAction{Op: ledger.HoldVoid, ID: a.op.Original}
	return true
}

// settleHold posts what was used, at most what was held; the rest is free again.
func settleHold(a *act) bool {
	hold, ok := a.held()
	if !ok || !a.amount(maxOperation) {
		return false
	}
	if a.op.Amount > hold.Amount {
		return a.refuse("amount", "hold_exceeded", "入账 %[1]s 超过冻结 %[2]s", "%[1]s is more than the %[2]s that are held", a.op.Amount, hold.Amount)
	}
	if a.state.book.Account(hold.From).State == ledger.AccountFrozen {
		return a.refuse("holder", "account_open", "账户已冻结、保留或关闭", "an account is frozen, retained or closed")
	}
	a.move(hold.From, hold.To, a.op.Amount)
	a.entry.Hold = ledger.HoldAction{Op: ledger.HoldPost, ID: a.op.Original}
	return true
}

// settleMeter is settleHold; nothing used is a release. A reading is priced here, by the tariff in force.
func settleMeter(a *act) bool {
	if (a.op.Tariff != "" || a.op.Reading != 0) && !a.meter() {
		return false
	}
	if a.op.Amount == 0 {
		released := releaseHold(a)
		a.record.amount = 0 // of what was used: the whole hold is free again
		return released
	}
	return settleHold(a)
}

// meter works the amount out of a reading: at most what is held, for the valve closes there (handbook 3.9).
func (a *act) meter() bool {
	switch {
	case a.op.Tariff == "":
		return a.refuse("tariff", "required", "给出读数时须给出费率代码 tariff", "a reading needs the code of its tariff")
	case a.op.Amount != 0:
		return a.refuse("amount", "amount_or_reading", "金额与读数只能给一个", "give an amount or a reading, not both")
	case a.op.Reading > tariff.MaxReading:
		return a.refuse("reading", "reading_bound", "读数 %[1]d 超出量程 %[2]d", "the reading %[1]d is above %[2]d", a.op.Reading, tariff.MaxReading)
	}
	hold, ok := a.held()
	if !ok {
		return false
	}
	compiled, version := a.state.rulesAt(a.now)
	t, known := compiled.Tariff(a.op.Tariff)
	if !known {
		return a.refuse("tariff", "tariff_known", "现行规则(版本 %[2]d)中没有费率 %[1]q", "the rules in force (version %[2]d) have no tariff %[1]q", a.op.Tariff, version)
	}
	a.op.Amount = min(t.Charge(a.op.Reading, 0).Amount, hold.Amount)
	a.record.tariff, a.record.reading, a.record.per, a.record.version = t.Code, a.op.Reading, t.Per, version
	return true
}

// refundSale gives back part of a sale or all of it, to the legs it came from, in reverse order (handbook 3.4). Fee and discount go back in
// proportion; what is given back in all is worked out each time, so that parts add up to the whole to the fen.
func refundSale(a *act) bool {
	e, ok := a.evidence(KindPurchase, KindOfflineSale, KindCountSale, KindMeterSettled, KindHoldSettled, KindDeduction)
	if !ok || !a.amount(maxOperation) {
		return false
	}
	h, ok := a.evidenceHolder(e)
	if !ok {
		return false
	}
	total := e.paid(a.state)
	before := a.state.refunds.sum(a.op.Original)
	if before+a.op.Amount > total {
		return a.refuse("amount", "refund_exceeds", "已退 %[1]s,再退 %[2]s 超过原额 %[3]s", "%[1]s was given back, with %[2]s it would exceed the original %[3]s", before, a.op.Amount, total)
	}
	after := before + a.op.Amount
	left := [2]money.Fen{before, after}
	for i := len(e.Legs) - 1; i >= 0; i-- {
		l := e.Legs[i]
		if l.Amount < 0 && a.state.isHolders(l.Account) {
			a.giveBack(h, l.Account, fill(&left[1], -l.Amount)-fill(&left[0], -l.Amount))
		}
	}
	var others money.Fen
	payable := ledger.AccountID(0)
	for _, l := range e.Legs {
		switch {
		case a.state.isHolders(l.Account):
		case a.state.book.Account(l.Account).Code == ledger.CodeMerchantPayable:
			payable = l.Account
		default:
			share := proportion(l.Amount, after, total) - proportion(l.Amount, before, total)
			a.leg(l.Account, -share)
			others += share
		}
	}
	if payable == 0 {
		return a.refuse("original", "original_kind", "原交易没有商户", "the original has no merchant")
	}
	a.leg(payable, -(a.op.Amount - others))
	return true
}

// giveBack returns part of a sale to where it came from. What was owed then and has been paid since goes to the main purse: nothing but a debt
// stands on the account of debts, and nobody could spend it there.
func (a *act) giveBack(h *Holder, account ledger.AccountID, amount money.Fen) {
	if i, ok := a.state.purseOf(h, account); ok && a.state.purses.At(i).Programme == debtProgramme {
		owed := min(amount, max(0, a.state.Debt(h)))
		a.leg(account, owed)
		a.leg(h.Main, amount-owed)
		return
	}
	a.leg(a.state.returnsTo(h, account, a.local), amount)
}

// fill takes at most room from left.
func fill(left *money.Fen, room money.Fen) money.Fen {
	part := min(*left, room)
	*left -= part
	return part
}

// proportion is part/total of an amount, half up.
func proportion(amount, part, total money.Fen) money.Fen {
	if amount < 0 {
		return -proportion(-amount, part, total)
	}
	return (2*amount*part + total) / (2 * total)
}

// paid is what the holder paid in a sale.
func (e *Evidence) paid(s *State) (sum money.Fen) {
	for _, l := range e.Legs {
		if l.Amount < 0 && s.isHolders(l.Account) {
			sum -= l.Amount
		}
	}
	return sum
}

// isHolders says whether an account is a holder's: a purse, or what he owes.
func (s *State) isHolders(account ledger.AccountID) bool {
	if !s.book.Known(account) {
		return false
	}
	switch code := s.book.Account(account).Code; code {
	case ledger.CodeMainPurse, ledger.CodeSubsidyPurse, ledger.CodeWaterPurse, ledger.CodeElectronicAccount, ledger.CodeCountPurse:
		return true
	case ledger.CodeHolderDebt:
		return account != AccountHolderDebt
	}
	return false
}

// evidenceHolder finds whose sale it was.
func (a *act) evidenceHolder(e *Evidence) (*Holder, bool) {
	n := e.Holder
	if e.Card != 0 && e.Card <= a.state.cards.Len() {
		n = a.state.cards.At(e.Card-1).Holder + 1
	}
	if n == 0 || n > a.state.holders.Len() {
		return nil, a.refuse("original", "original_holder", "原交易没有持卡人", "the original names no holder")
	}
	a.record.holder = n
	return a.state.holders.At(n - 1), true
}
