package transaction

import (
	"fmt"

	"onecard/ledger"
	"onecard/ledger/money"
)

// act is one operation on the table: what is asked, and the entry in the making. Nothing is written before all of it is known to be possible.
type act struct {
	state   *State
	op      *Operation
	now     int64
	day     uint32 // business day
	local   uint32 // calendar day at the site: expiry goes by it
	record  operationRecord
	entry   ledger.Entry
	opens   []purseNeeded // purses to be opened before the entry
	refusal *Refused
	terms   *WithdrawalTerms // nil where no bank pays withdrawals
	alone   bool             // of a kind that asks for a second person: this one needs none
}

// purseNeeded is a purse that does not exist yet. Legs name it by an account number behind all others until it has its own.
type purseNeeded struct {
	holder    uint32
	programme uint16
	stand     ledger.AccountID
}

// maxOperation bounds one operation: one million yuan; payouts to merchants and transfers of the house may be a thousand times as much.
const (
	maxOperation      money.Fen = 100_000_000
	maxHouseOperation           = 1000 * maxOperation
)

// refuse keeps the first refusal.
func (a *act) refuse(field, rule, chinese, english string, args ...any) bool {
	if a.refusal == nil {
		a.refusal = &Refused{Field: field, Rule: rule, Chinese: fmt.Sprintf(chinese, args...), English: fmt.Sprintf(english, args...)}
	}
	return false
}

func (a *act) leg(account ledger.AccountID, amount money.Fen) {
	if amount != 0 {
		a.entry.Legs = append(a.entry.Legs, ledger.Leg{Account: account, Amount: amount})
	}
}

// move takes an amount from one account to another.
func (a *act) move(from, to ledger.AccountID, amount money.Fen) {
	a.leg(from, -amount)
	a.leg(to, amount)
}

// amount says whether the amount is within bounds.
func (a *act) amount(most money.Fen) bool {
	switch amount := a.op.Amount; {
	case amount <= 0:
		return a.refuse("amount", "amount_positive", "金额须大于零", "the amount must be above zero")
	case amount > most:
		return a.refuse("amount", "amount_bound", "金额 %[1]s 超过上限 %[2]s", "the amount %[1]s is above the bound %[2]s", amount, most)
	}
	a.record.amount = a.op.Amount
	return true
}

// holder finds the holder that the operation names, and says whether his accounts take part in anything any more.
func (a *act) holder() (*Holder, bool) {
	i, ok := a.state.holderRow([]byte(a.op.Holder))
	if !ok {
		return nil, a.refuse("holder", "holder_known", "持卡人 %[1]q 未登记,请核对学号/工号", "holder %[1]q is not registered: check the number", a.op.Holder)
	}
	a.record.holder = i + 1
	h := a.state.holders.At(i)
	if a.state.book.Account(h.Main).State == ledger.AccountClosed {
		return nil, a.refuse("holder", "account_closed", "持卡人 %[1]s 已销户", "the account of holder %[1]s is closed", a.op.Holder)
	}
	return h, true
}

func (a *act) otherHolder() (*Holder, bool) {
	i, ok := a.state.holderRow([]byte(a.op.OtherHolder))
	if !ok {
		return nil, a.refuse("other_holder", "holder_known", "持卡人 %[1]q 未登记,请核对学号/工号", "holder %[1]q is not registered: check the number", a.op.OtherHolder)
	}
	a.record.otherHolder = i + 1
	h := a.state.holders.At(i)
	if a.state.book.Account(h.Main).State != ledger.AccountOpen {
		return nil, a.refuse("other_holder", "account_open", "持卡人 %[1]s 的账户未开放", "the account of holder %[1]s is not open", a.op.OtherHolder)
	}
	return h, true
}

// merchantNamed finds a merchant by its code.
func (a *act) merchantNamed(field, code string, number *uint32) (*Merchant, bool) {
	i, ok := a.state.MerchantByCode(code)
	if !ok {
		return nil, a.refuse(field, "merchant_known", "商户 %[1]q 未登记,请核对 15 位商户号", "merchant %[1]q is not registered: check the code of 15 characters", code)
	}
	*number = i + 1
	return &a.state.merchants[i], true
}

func (a *act) merchant() (*Merchant, bool) {
	return a.merchantNamed("merchant", a.op.Merchant, &a.record.merchant)
}

// drawer finds the operator's open drawer at the desk.
func (a *act) drawer() (*Desk, bool) {
	desk, ok := a.desk()
	if !ok {
		return nil, false
	}
	if desk.Operator != a.record.operator {
		return nil, a.refuse("desk", "drawer_open", "收银台 %[1]s 的钱箱不是由 %[2]s 开启的,请先开箱", "the drawer of desk %[1]s was not opened by %[2]s: open it first", desk.Code, a.op.Operator)
	}
	return desk, true
}

func (a *act) desk() (*Desk, bool) {
	i, ok := a.state.deskByCode[a.op.Desk]
	if !ok {
		return nil, a.refuse("desk", "desk_known", "收银台 %[1]q 未登记", "desk %[1]q is not registered", a.op.Desk)
	}
	a.record.desk = i + 1
	return &a.state.desks[i], true
}

// Names of the purses that every holder has.
const (
	purseMain    = "main"
	purseSubsidy = "subsidy"
)

// purse finds a purse of a holder (his row from 1) by name. One of a programme that he does not have yet is opened with the entry when create is set.
func (a *act) purse(field, name string, who uint32, number *uint16, create bool) (ledger.AccountID, bool) {
	h := a.state.holders.At(who - 1)
	switch name {
	case "", purseMain:
		return h.Main, true
	case purseSubsidy:
		*number = 1
		return h.Subsidy, true
	}
	n, ok := a.state.programmeByCode[name]
	if !ok {
		return 0, a.refuse(field, "purse_known", "没有钱包或补贴项目 %[1]q", "there is no purse or programme %[1]q", name)
	}
	*number = n + 2
	return a.programmePurse(field, who, n, create)
}

func (a *act) programmePurse(field string, who uint32, programme uint16, create bool) (ledger.AccountID, bool) {
	if i, there := a.state.purse(a.state.holders.At(who-1), programme); there {
		return a.state.purses.At(i).Account, true
	}
	if !create {
		return 0, a.refuse(field, "purse_there", "持卡人没有这个钱包", "the holder has no such purse")
	}
	stand := ledger.AccountID(a.state.book.Accounts()) + 1 + ledger.AccountID(len(a.opens))
	a.opens = append(a.opens, purseNeeded{who - 1, programme, stand})
	return stand, true
}

// opening is how an account comes to be that the operation needs and that is not there yet.
func (a *act) opening(account ledger.AccountID) (ledger.Opening, bool) {
	for _, n := range a.opens {
		if n.stand == account {
			return a.state.purseOpening(n.programme), true
		}
	}
	return ledger.Opening{}, false
}

// available is what a purse can give; what does not exist yet gives nothing.
func (a *act) available(account ledger.AccountID) money.Fen {
	if !a.state.book.Known(account) {
		return 0
	}
	return a.state.book.Account(account).Available()
}

// affords says whether a purse can give an amount.
func (a *act) affords(account ledger.AccountID, amount money.Fen) bool {
	if has := a.available(account); has < amount {
		return a.refuse("amount", "funds", "可用余额 %[1]s,不足 %[2]s", "%[1]s is available, %[2]s is needed", has, amount)
	}
	return true
}

// fits says whether what a holder gets stays within the cap of his main purse.
func (a *act) fits(h *Holder, amount money.Fen) bool {
	limit := a.state.purseCap(h, a.now)
	if has := a.available(h.Main) + money.Fen(h.Loading); limit > 0 && has+amount > limit {
		return a.refuse("amount", "purse_cap", "余额 %[1]s 加 %[2]s 超过钱包上限 %[3]s", "the balance %[1]s with %[2]s would exceed the purse cap %[3]s", has, amount, limit)
	}
	return true
}

// purseCap is the most a main purse may hold; 0 no limit.
func (s *State) purseCap(h *Holder, now int64) money.Fen {
	compiled, _ := s.rulesAt(now)
	return compiled.Limit(h.Class, uint8(PurseMain)).PurseCap
}

// credit brings money to a holder's main purse; what he owes is paid first.
func (a *act) credit(h *Holder, amount money.Fen) {
	if owed := a.state.Debt(h); owed > 0 {
		i, _ := a.state.purse(h, debtProgramme)
		paid := min(owed, amount)
		a.leg(a.state.purses.At(i).Account, paid)
		amount -= paid
	}
	a.leg(h.Main, amount)
}

// evidence is the original that the operation names, which must be of one of the kinds.
func (a *act) evidence(kinds ...Kind) (*Evidence, bool) {
	e := a.op.Evidence
	if a.op.Original == 0 || e == nil {
		return nil, a.refuse("original", "original_known", "须给出原交易的记录号", "give the number of the original's record")
	}
	a.record.original = a.op.Original
	for _, kind := range kinds {
		if e.Kind == kind {
			return e, true
		}
	}
	return nil, a.refuse("original", "original_kind", "记录 %[1]d 不是可以这样处理的交易", "record %[1]d is not a transaction that this can be done to", a.op.Original)
}

// identify says whether the operator may ask for this at all.
func (a *act) identify(row *CatalogueRow) bool {
	n, roles := a.state.serving(a.op.Operator)
	if n == 0 {
		return a.refuse("operator", "operator_known", "操作员 %[1]q 未登记或已停用", "operator %[1]q is not registered or is suspended", a.op.Operator)
	}
	if roles&row.Roles == 0 {
		return a.refuse("operator", "role", "操作员 %[1]s 没有办理“%[2]s”的角色,须有 %[3]s 之一", "operator %[1]s may not do this: it needs one of the roles %[3]s", a.op.Operator, row.Chinese, row.Roles)
	}
	a.record.operator = n
	return true
}
