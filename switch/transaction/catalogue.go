package transaction

import (
	"maps"
	"slices"
)

// CatalogueRow describes a kind of operation for whoever asks for it, by hand or by program.
type CatalogueRow struct {
	Kind       Kind
	Label      string // "cash_deposit": as in commands, metrics and exports
	Chinese    string
	English    string
	Roles      Role     // one of these may ask
	TwoPersons bool     // a second person with the role approver decides; the first is never him. Of bank_withdrawal: above the site's bound
	Needs      []string // fields of Operation, by their JSON names, that must be given
	May        []string // fields that may be
	act        func(*act) bool
}

// both are the fields that every operation has.
var commonFields = []string{"kind", "key", "operator", "document", "reason"}

// catalogue is the list of operations (handbook 3.14), in the order of their kinds.
var catalogue = [...]CatalogueRow{
	{KindCashDeposit, "cash_deposit", "现金存款", "cash deposit", RoleCashier, false, []string{"desk", "holder", "amount"}, []string{"purse"}, cashDeposit},
	{KindDepositReversed, "reversal", "冲正", "reversal of an operation", RoleCashier | RoleAccountant, false, []string{"original", "evidence", "reason"}, []string{"desk"}, reverseOperation},
	{KindWithdrawal, "withdrawal", "取款", "withdrawal", RoleCashier, false, []string{"desk", "holder"}, []string{"amount", "all", "unit", "purse"}, withdrawal},
	{KindFundDeposit, "fund_deposit", "支票/经费本存款", "cheque or fund-book deposit", RoleAccountant, false, []string{"holder", "amount", "document"}, []string{"purse"}, fundDeposit},
	{KindSubsidyIssued, "subsidy", "补贴发放", "subsidy", RoleAccountant, true, []string{"holder", "purse", "amount", "reason"}, []string{"expiry"}, issueSubsidy},
	{KindSubsidyReturned, "subsidy_return", "补贴清退", "subsidy back to its provider", RoleAccountant, true, []string{"holder", "purse", "reason"}, []string{"amount", "all"}, returnSubsidy},
	{KindDeduction, "deduction", "扣款", "deduction", RoleAccountant, true, []string{"holder", "merchant", "amount", "reason"}, []string{"purse"}, deduction},
	{KindTransfer, "transfer", "转账", "transfer", RoleCashier | RoleAccountant, false, []string{"holder", "amount", "reason"}, []string{"other_holder", "purse", "other_purse"}, transfer},
	{KindAdjustment, "adjustment", "调账", "adjustment", RoleAccountant, true, []string{"holder", "amount", "reason"}, []string{"purse"}, adjustment},
	{KindCardFee, "card_fee", "卡工本费", "card fee", RoleCashier | RoleCards, false, []string{"holder", "amount"}, []string{"desk"}, cardFee},
	{KindCardDeposit, "card_deposit", "收押金", "deposit for a card", RoleCashier | RoleCards, false, []string{"desk", "amount"}, []string{"holder"}, cardDeposit},
	{KindCardDepositReturned, "card_deposit_return", "退押金", "deposit for a card returned", RoleCashier | RoleCards, false, []string{"desk", "original", "evidence"}, []string{"holder"}, returnCardDeposit},
	{KindFundsHeld, "hold", "冻结资金", "hold of funds", RoleAccountant, false, []string{"holder", "merchant", "amount", "reason"}, []string{"purse", "until"}, holdFunds},
	{KindHoldReleased, "hold_release", "解冻资金", "release of a hold", RoleAccountant, false, []string{"original", "reason"}, nil, releaseHold},
	{KindHoldSettled, "hold_settle", "冻结资金入账", "settlement of a hold", RoleAccountant, false, []string{"original", "amount"}, nil, settleHold},
	{KindRefund, "refund", "退货", "refund", RoleCashier | RoleAccountant, false, []string{"original", "evidence", "amount", "reason"}, nil, refundSale},
	{KindOfflineSale, "offline_sale", "脱机消费补录", "offline sale", RoleAccountant, true, []string{"holder", "terminal", "amount", "occurred", "reason"}, nil, offlineSale},
	{KindDepartmentTransfer, "department_transfer", "部门转账", "transfer between departments", RoleAccountant, true, []string{"merchant", "other_merchant", "amount", "reason"}, nil, departmentTransfer},
	{KindMerchantPayout, "payout", "商户解款", "payout to a merchant", RoleAccountant, true, []string{"merchant", "amount", "document"}, []string{"original"}, payout},
	{KindMerchantDeduction, "merchant_deduction", "商户代扣", "deduction from a merchant", RoleAccountant, true, []string{"merchant", "amount", "reason"}, []string{"original"}, merchantDeduction},
	{KindServiceFee, "service_fee", "商户服务费", "service fee of a merchant", RoleAccountant, true, []string{"merchant", "amount"}, []string{"original"}, serviceFee},
	{KindAccountClosed, "close", "销户", "closing of an account", RoleCards | RoleCashier, false, []string{"holder", "reason"}, []string{"desk"}, closeAccount},
	{KindThirdPartyLoad, "third_party_load", "第三方充值", "third-party load", RoleCashier | RoleAccountant, false, []string{"holder", "amount", "document"}, nil, thirdPartyLoad},
	{KindCashHandedIn, "cash_to_bank", "现金缴存银行", "cash handed to the bank", RoleAccountant, false, []string{"amount", "document"}, nil, cashToBank},
	{KindTransitSettled, "transit_settled", "圈存款到账", "bank loads arrived", RoleAccountant, true, []string{"amount", "document"}, nil, transitSettled},
	{KindSubsidyReceived, "subsidy_received", "补贴拨款到账", "subsidy money arrived", RoleAccountant, true, []string{"purse", "amount", "document"}, nil, subsidyReceived},
	{KindDrawerOpened, "drawer_open", "钱箱开启", "drawer opened", RoleCashier, false, []string{"desk"}, []string{"amount"}, openDrawer},
	{KindDrawerClosed, "drawer_close", "钱箱清点", "drawer counted and closed", RoleCashier, false, []string{"desk"}, []string{"amount"}, closeDrawer},
	{KindBankStatement, "bank_statement", "银行对账单余额", "bank statement balance", RoleAccountant, false, []string{"amount", "document"}, nil, bankStatement},
	{KindMeterStarted, "meter_start", "计量开始", "metered use started", RoleCashier, false, []string{"holder", "terminal", "amount"}, []string{"purse", "until"}, startMeter},
	{KindMeterSettled, "meter_settle", "计量结算", "metered use settled", RoleCashier, false, []string{"original"}, []string{"amount", "tariff", "reading"}, settleMeter},
	{KindMeterCancelled, "meter_cancel", "计量取消", "metered use cancelled", RoleCashier, false, []string{"original"}, nil, releaseHold},
	{KindAccountState, "account_state", "账户状态", "state of a holder's accounts", RoleCards, false, []string{"holder", "state", "reason"}, nil, changeAccounts},
	{KindCountsIssued, "counts", "计次发放", "counts issued", RoleAccountant, true, []string{"holder", "purse", "amount", "reason"}, []string{"expiry"}, issueSubsidy},
	{KindCountSale, "count_sale", "计次消费", "count sale", RoleCashier, false, []string{"holder", "purse", "terminal", "amount"}, nil, countSale},
	{KindUnclaimed, "unclaimed", "转无人认领", "balance to unclaimed", RoleAccountant, true, []string{"holder", "reason"}, nil, toUnclaimed},
	{KindThirdPartySettled, "third_party_settled", "第三方款到账", "third-party money arrived", RoleAccountant, true, []string{"amount", "document"}, nil, thirdPartySettled},
	{KindBankSigned, "bank_sign", "银行卡签约", "bank account signed", RoleCards | RoleCashier, false, []string{"holder", "account", "identity", "signed", "document"}, []string{"single_limit", "day_limit", "purse_limit", "threshold", "amount"}, bankSign},
	{KindBankUnsigned, "bank_unsign", "银行卡解约", "bank account released", RoleCards | RoleCashier, false, []string{"holder", "account", "reason"}, nil, bankUnsign},
	{KindBankChanged, "bank_change", "银行卡换卡", "bank account changed", RoleCards | RoleCashier, false, []string{"holder", "account", "other_account", "identity", "signed", "document"}, nil, bankChange},
	{KindBankWithdrawal, "bank_withdrawal", "提现到银行卡", "withdrawal to the bank account", RoleCashier | RoleAccountant, true, []string{"holder"}, []string{"amount", "all", "account"}, bankWithdrawal},
	{KindWithdrawalCharged, "withdrawal_charge", "提现补扣", "withdrawal charged", RoleAccountant, true, []string{"original", "evidence", "amount", "document", "reason"}, nil, chargeWithdrawal},
	{KindWithdrawalReturned, "withdrawal_return", "提现退还", "withdrawal returned", RoleAccountant, true, []string{"original", "evidence", "amount", "document", "reason"}, nil, returnWithdrawal},
	{KindThirdPartyRefunded, "third_party_refund", "第三方退款", "third-party refund", RoleCashier | RoleAccountant, false, []string{"holder", "amount", "document"}, nil, thirdPartyRefund},
	{KindAutomaticLoad, "auto_load", "自动圈存设置", "automatic loads set", RoleCards | RoleCashier, false, []string{"holder", "threshold"}, []string{"amount", "single_limit", "day_limit", "purse_limit"}, setAutomatic},
	{KindLoadMadeUp, "load_make_up", "圈存补账", "load made up", RoleAccountant, true, []string{"original", "evidence", "amount", "document", "reason"}, nil, makeUpLoad},
	{KindLoadClaimed, "load_claim", "圈存追回", "load taken back", RoleAccountant, true, []string{"original", "evidence", "amount", "document", "reason"}, nil, claimLoad},
	{KindLoadClosed, "load_close", "圈存了结", "load closed", RoleAccountant, true, []string{"original", "reason"}, []string{"document"}, closeLoad},
}

// Catalogue calls visit with every kind of operation.
func Catalogue(visit func(CatalogueRow)) {
	for _, row := range catalogue {
		visit(row)
	}
}

// CatalogueOf finds a kind's row; false for what nobody can ask for.
func CatalogueOf(kind Kind) (CatalogueRow, bool) {
	i := slices.IndexFunc(catalogue[:], func(row CatalogueRow) bool { return row.Kind == kind })
	if i < 0 {
		return CatalogueRow{}, false
	}
	return catalogue[i], true
}

// given says which fields of an operation are not zero.
func (o *Operation) given() map[string]bool {
	return map[string]bool{
		"desk": o.Desk != "", "holder": o.Holder != "", "other_holder": o.OtherHolder != "", "merchant": o.Merchant != "", "other_merchant": o.OtherMerchant != "",
		"purse": o.Purse != "", "other_purse": o.OtherPurse != "", "terminal": o.Terminal != "", "amount": o.Amount != 0, "all": o.All, "unit": o.Unit != 0,
		"original": o.Original != 0, "evidence": o.Evidence != nil, "occurred": o.Occurred != 0, "until": o.Until != 0, "expiry": o.Expiry != 0,
		"tariff": o.Tariff != "", "reading": o.Reading != 0, "state": o.State != "", "document": o.Document != "", "reason": o.Reason != "",
		"account": o.Account != "", "other_account": o.OtherAccount != "", "identity": o.Identity != "", "signed": o.Signed != 0,
		"single_limit": o.SingleLimit != 0, "day_limit": o.DayLimit != 0, "purse_limit": o.PurseLimit != 0, "threshold": o.Threshold != nil,
	}
}

// fields says whether everything is given that the operation needs, and nothing that it would not heed.
func (a *act) fields(row *CatalogueRow) bool {
	given := a.op.given()
	for _, name := range row.Needs {
		if !given[name] && name == "evidence" {
			return a.refuse("original", "original_known", "没有记录 %[1]d,或它不是可以这样处理的交易", "there is no record %[1]d, or it is not a transaction that this can be done to", a.op.Original)
		}
		if !given[name] {
			return a.refuse(name, "required", "“%[1]s”须给出 %[2]s", "%[3]s needs %[2]s", row.Chinese, name, row.English)
		}
		delete(given, name)
	}
	for _, name := range append(commonFields, row.May...) {
		delete(given, name)
	}
	for _, name := range slices.Sorted(maps.Keys(given)) { // the same refusal every time
		if given[name] {
			return a.refuse(name, "not_heeded", "“%[1]s”不使用 %[2]s,请去掉", "%[3]s does not use %[2]s: leave it out", row.Chinese, name, row.English)
		}
	}
	if len(a.op.Document) > maxDocument || len(a.op.Reason) > maxReason {
		return a.refuse("reason", "length", "单据号最多 %[1]d 字节,事由最多 %[2]d 字节", "the document has at most %[1]d bytes, the reason %[2]d", maxDocument, maxReason)
	}
	a.record.document, a.record.reason = a.op.Document, a.op.Reason
	return true
}

// Bounds of the texts of an operation, in bytes.
const (
	maxDocument = 40
	maxReason   = 200
)
