package transaction

import (
	"slices"
	"strconv"

	"onecard/ledger/money"
)

// Operations on agreements with the bank. They move no money: who asks for money later finds account and bounds as they are left here.

// Kinds of operations on agreements.
const (
	KindBankSigned    Kind = 68 // 签约: a bank account is bound to a holder
	KindBankUnsigned  Kind = 69 // 解约
	KindBankChanged   Kind = 70 // 换卡: another account in its place
	KindAutomaticLoad Kind = 75 // 自动圈存设置: threshold, amount and the holder's own bounds
)

// IsAgreement says whether a kind is of agreements with the bank.
func IsAgreement(kind Kind) bool {
	return kind >= KindBankSigned && kind <= KindBankChanged || kind == KindAutomaticLoad
}

// A bank account has 8 to 19 digits. Whether its last one proves the others is the bank's to say: not every account is a card.
const (
	bankAccountLeast = 8
	bankAccountMost  = 19
)

// account reads a bank account of the operation. Accounts are numbers here, as the bank link has them: none begins with 0.
func (a *act) account(field, text string) (uint64, bool) {
	account, err := strconv.ParseUint(text, 10, 64)
	if err != nil || len(text) < bankAccountLeast || len(text) > bankAccountMost || text[0] == '0' || text[0] == '+' {
		return 0, a.refuse(field, "account_digits", "银行账号须为 %[1]d 至 %[2]d 位数字,首位不为 0", "a bank account has %[1]d to %[2]d digits and does not begin with 0", bankAccountLeast, bankAccountMost)
	}
	return account, true
}

// consent takes how the holder was known and when he signed: not tomorrow.
func (a *act) consent() bool {
	terms := &a.record.bank
	terms.identity = byte(slices.Index(identityChecks[:], a.op.Identity) + 1)
	if terms.identity == 0 {
		return a.refuse("identity", "identity_known", "身份核验方式须为 id_card、passport、records 或 guardian", "identity is checked by id_card, passport, records or guardian")
	}
	if a.op.Signed > a.local {
		return a.refuse("signed", "signed_future", "协议日期不能晚于今天", "the agreement cannot have been signed after today")
	}
	terms.signed, terms.reference = a.op.Signed, a.op.BankReference
	if len(terms.reference) > maxDocument {
		return a.refuse("bank_reference", "length", "银行参考号最多 %[1]d 字节", "the bank's reference has at most %[1]d bytes", maxDocument)
	}
	return true
}

// free says whether an account is bound to nobody but, perhaps, the holder himself by an import.
func (a *act) free(field string, account uint64, h *Holder) bool {
	bound := a.state.holdersBound(account)
	if h.BankAccount == account {
		bound--
	}
	if bound > 0 {
		return a.refuse(field, "account_bound", "该银行账户已与另一持卡人签约,须先解约", "that bank account is bound to another holder: it must be released first")
	}
	return true
}

// bankSign binds a bank account to a holder (签约).
func bankSign(a *act) bool {
	h, ok := a.holder()
	if !ok || !a.open(h) {
		return false
	}
	account, ok := a.account("account", a.op.Account)
	switch {
	case !ok:
		return false
	case a.state.signed(a.record.holder-1) != nil:
		return a.refuse("holder", "signed_already", "持卡人已签约,更换银行卡请用换卡", "the holder has signed already: to use another card, change it")
	case h.BankAccount != 0 && h.BankAccount != account:
		return a.refuse("account", "account_other", "持卡人已登记另一银行账户,请用换卡", "the holder has another bank account: change it")
	case !a.free("account", account, h) || !a.consent():
		return false
	}
	a.record.bank.account, a.record.bank.before = account, h.BankAccount
	return a.bounds(h) && a.automatic()
}

// bankUnsign ends an agreement (解约). What is on its way at the bank may have to be given back there: the account stays until it is settled.
func bankUnsign(a *act) bool {
	h, ok := a.holder()
	if !ok || !a.bound(h) || !a.settled(h) {
		return false
	}
	if len(a.op.BankReference) > maxDocument {
		return a.refuse("bank_reference", "length", "银行参考号最多 %[1]d 字节", "the bank's reference has at most %[1]d bytes", maxDocument)
	}
	a.record.bank.before, a.record.bank.reference = h.BankAccount, a.op.BankReference
	return true
}

// bankChange puts another account in the place of the one that is bound (换卡); bounds and automatic loads stay.
func bankChange(a *act) bool {
	h, ok := a.holder()
	if !ok || !a.open(h) || !a.bound(h) || !a.settled(h) {
		return false
	}
	account, ok := a.account("other_account", a.op.OtherAccount)
	switch {
	case !ok:
		return false
	case account == h.BankAccount:
		return a.refuse("other_account", "account_same", "新旧银行账户相同", "the new account is the old one")
	case !a.free("other_account", account, h) || !a.consent():
		return false
	}
	a.keepTerms()
	a.record.bank.account, a.record.bank.before = account, h.BankAccount
	return true
}

// setAutomatic changes when money is asked for without the holder, and his own bounds. Bounds that are not given stay.
func setAutomatic(a *act) bool {
	h, ok := a.holder()
	if !ok || !a.open(h) {
		return false
	}
	if a.state.signed(a.record.holder-1) == nil {
		return a.refuse("holder", "signed_not", "持卡人未签约银行卡,请先签约", "the holder has not signed with the bank: sign first")
	}
	a.keepTerms()
	a.record.bank.account, a.record.bank.before = h.BankAccount, h.BankAccount
	return a.bounds(h) && a.automatic()
}

// bound says whether the holder has the bank account that the operator names: nobody ends or changes another agreement than he means.
func (a *act) bound(h *Holder) bool {
	account, ok := a.account("account", a.op.Account)
	if !ok {
		return false
	}
	if h.BankAccount == 0 || h.BankAccount != account {
		return a.refuse("account", "account_not_bound", "持卡人没有签约该银行账户,请核对账号", "the holder is not bound to that bank account: check its digits")
	}
	return true
}

// settled says whether nothing is on its way at the bank.
func (a *act) settled(h *Holder) bool {
	if h.Loading > 0 {
		return a.refuse("holder", "load_pending", "有 %[1]s 圈存尚无结果,须待银行答复", "a bank load of %[1]s has no outcome yet: wait for the bank", money.Fen(h.Loading))
	}
	if sum := a.state.withdrawing(a.record.holder - 1); sum > 0 {
		return a.refuse("holder", "withdrawal_pending", "有 %[1]s 提现尚无结果,须待银行答复", "a withdrawal of %[1]s to the bank has no outcome yet: wait for the bank", sum)
	}
	return true
}

// keepTerms begins with what was agreed before.
func (a *act) keepTerms() {
	row := a.state.signed(a.record.holder - 1)
	if row == nil { // bound by an import: he had no bounds of his own
		return
	}
	t := &a.record.bank
	t.single, t.day, t.purse = money.Fen(row.Single), money.Fen(row.Day), money.Fen(row.Purse)
	t.threshold, t.automatic = money.Fen(row.Threshold), money.Fen(row.Automatic)
}

// bounds takes the holder's own: each is at most what his class may.
func (a *act) bounds(h *Holder) bool {
	compiled, _ := a.state.rulesAt(a.now)
	class, t := compiled.Limit(h.Class, uint8(PurseMain)), &a.record.bank
	for _, b := range []struct {
		field       string
		asked, most money.Fen
		into        *money.Fen
	}{
		{"single_limit", a.op.SingleLimit, class.LoadSingle, &t.single},
		{"day_limit", a.op.DayLimit, class.LoadDay, &t.day},
		{"purse_limit", a.op.PurseLimit, class.PurseCap, &t.purse},
	} {
		switch {
		case b.asked == 0:
		case b.asked < 0 || b.asked > maxOperation:
			return a.refuse(b.field, "amount_bound", "金额须在 0.01 至 %[1]s", "the amount must be 0.01 to %[1]s", maxOperation)
		case b.most > 0 && b.asked > b.most:
			return a.refuse(b.field, "limit_class", "本人限额 %[1]s 不能高于所属类别的 %[2]s", "his own limit of %[1]s cannot be above %[2]s of his class", b.asked, b.most)
		default:
			*b.into = b.asked
		}
	}
	return true
}

// automatic takes threshold and amount of automatic loads; a threshold of zero ends them. An amount that no load may have is refused here and
// not every night.
func (a *act) automatic() bool {
	t := &a.record.bank
	if a.op.Threshold != nil {
		t.threshold, t.automatic = *a.op.Threshold, a.op.Amount
	} else if a.op.Amount != 0 {
		return a.refuse("threshold", "required", "自动圈存须同时给出起充额与金额", "an automatic load needs a threshold with its amount")
	}
	if t.threshold == 0 && t.automatic == 0 {
		return true
	}
	h := a.state.holders.At(a.record.holder - 1)
	compiled, _ := a.state.rulesAt(a.now)
	limit := boundsWithin(compiled.Limit(h.Class, uint8(PurseMain)), LoadBounds{t.single, t.day, t.purse})
	switch {
	case t.threshold <= 0 || t.automatic <= 0 || t.threshold > maxOperation || t.automatic > maxOperation:
		return a.refuse("threshold", "amount_bound", "起充额与金额须同在 0.01 至 %[1]s;停用只给起充额 0", "threshold and amount must both be 0.01 to %[1]s; a threshold of 0 alone ends automatic loads", maxOperation)
	case limit.Single > 0 && t.automatic > limit.Single:
		return a.refuse("amount", "limit_single", "自动圈存金额 %[1]s 超过单笔限额 %[2]s", "an automatic load of %[1]s is above the limit of one load, %[2]s", t.automatic, limit.Single)
	case limit.Day > 0 && t.automatic > limit.Day:
		return a.refuse("amount", "limit_day", "自动圈存金额 %[1]s 超过单日限额 %[2]s", "an automatic load of %[1]s is above the limit of a day, %[2]s", t.automatic, limit.Day)
	case limit.Purse > 0 && t.automatic > limit.Purse:
		return a.refuse("amount", "limit_purse", "自动圈存金额 %[1]s 超过钱包上限 %[2]s", "an automatic load of %[1]s is above the purse cap, %[2]s", t.automatic, limit.Purse)
	}
	return true
}
