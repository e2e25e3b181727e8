package dayend

import (
	"onecard/ledger"
	"onecard/switch/transaction"
)

// Line is one line of the equation of a day (handbook 3.11). Values are not stored; the statement names lines by their keys.
type Line uint8

// What comes into purses, in the order of the handbook, and what goes out of them.
const (
	BroughtIn Line = iota
	CashDeposits
	FundDeposits
	BankLoads
	ThirdPartyLoads
	SubsidyIssued
	TransfersIn
	Refunds
	Reversals
	AdjustmentsUp
	DebtAdvanced
	OtherIn

	Consumption
	LateOffline
	Deductions
	ManagementFee
	Withdrawals
	BankWithdrawals
	AccountsClosed
	CardFees
	SubsidyCleared
	TransfersOut
	TakenBack
	AdjustmentsDown
	DebtRepaid
	Unclaimed
	OtherOut

	lineCount
	firstOut = Consumption
)

type lineName struct{ key, zh, en string }

var lineNames = [lineCount]lineName{
	BroughtIn:       {"brought_in", "期初导入", "balances brought in"},
	CashDeposits:    {"cash_deposits", "现金存款", "cash deposits"},
	FundDeposits:    {"fund_deposits", "支票与经费本存款", "cheque and fund-book deposits"},
	BankLoads:       {"bank_loads", "银行圈存", "bank loads"},
	ThirdPartyLoads: {"third_party_loads", "第三方充值", "third-party loads"},
	SubsidyIssued:   {"subsidy_issued", "补贴发放", "subsidy issued"},
	TransfersIn:     {"transfers_in", "转入", "transfers in"},
	Refunds:         {"refunds", "退货", "refunds"},
	Reversals:       {"reversals", "冲正", "reversals"},
	AdjustmentsUp:   {"adjustments_up", "调账增", "adjustments +"},
	DebtAdvanced:    {"debt_advanced", "欠款垫付", "advanced as debt"},
	OtherIn:         {"other_in", "其他增", "other +"},

	Consumption:     {"consumption", "消费", "consumption"},
	LateOffline:     {"late_offline", "往日脱机消费补录", "late offline of prior days"},
	Deductions:      {"deductions", "扣款", "deductions"},
	ManagementFee:   {"management_fee", "管理费", "management fee"},
	Withdrawals:     {"withdrawals", "取款", "withdrawals"},
	BankWithdrawals: {"bank_withdrawals", "提现到银行卡", "withdrawals to bank accounts"},
	AccountsClosed:  {"accounts_closed", "销户", "accounts closed"},
	CardFees:        {"card_fees", "卡工本费", "card fees"},
	SubsidyCleared:  {"subsidy_cleared", "补贴清退", "subsidies cleared"},
	TransfersOut:    {"transfers_out", "转出", "transfers out"},
	TakenBack:       {"taken_back", "存款与圈存冲正", "deposits and loads taken back"},
	AdjustmentsDown: {"adjustments_down", "调账减", "adjustments −"},
	DebtRepaid:      {"debt_repaid", "还欠款", "debt repaid"},
	Unclaimed:       {"unclaimed", "转无人认领", "to unclaimed"},
	OtherOut:        {"other_out", "其他减", "other −"},
}

// sides are the lines of a kind of entry: where its credits of purses stand, and where its debits.
type sides struct{ in, out Line }

var purseLines = map[transaction.Kind]sides{
	transaction.OpeningKind:             {BroughtIn, OtherOut},
	transaction.KindPurchase:            {OtherIn, Consumption},
	transaction.KindReversal:            {Reversals, TakenBack},
	transaction.KindLoadConfirmed:       {BankLoads, OtherOut},
	transaction.KindLoadMadeUp:          {BankLoads, OtherOut},
	transaction.KindLoadClaimed:         {OtherIn, TakenBack},
	transaction.KindCashDeposit:         {CashDeposits, OtherOut},
	transaction.KindDepositReversed:     {Reversals, TakenBack},
	transaction.KindWithdrawal:          {OtherIn, Withdrawals},
	transaction.KindWithdrawalPaid:      {OtherIn, BankWithdrawals},
	transaction.KindWithdrawalCharged:   {OtherIn, BankWithdrawals},
	transaction.KindWithdrawalReturned:  {Reversals, OtherOut},
	transaction.KindFundDeposit:         {FundDeposits, OtherOut},
	transaction.KindSubsidyIssued:       {SubsidyIssued, SubsidyCleared}, // clear-then-set takes the rest first
	transaction.KindSubsidyReturned:     {OtherIn, SubsidyCleared},
	transaction.KindDeduction:           {OtherIn, Deductions},
	transaction.KindTransfer:            {TransfersIn, TransfersOut},
	transaction.KindAdjustment:          {AdjustmentsUp, AdjustmentsDown},
	transaction.KindCardFee:             {OtherIn, CardFees},
	transaction.KindHoldSettled:         {OtherIn, Consumption},
	transaction.KindRefund:              {Refunds, OtherOut},
	transaction.KindOfflineSale:         {OtherIn, Consumption},
	transaction.KindAccountClosed:       {OtherIn, AccountsClosed},
	transaction.KindThirdPartyLoad:      {ThirdPartyLoads, OtherOut},
	transaction.KindThirdPartyRefunded:  {OtherIn, TakenBack},
	transaction.KindMeterSettled:        {OtherIn, Consumption},
	transaction.KindCountsIssued:        {SubsidyIssued, SubsidyCleared},
	transaction.KindCountSale:           {OtherIn, Consumption},
	transaction.KindUnclaimed:           {OtherIn, Unclaimed},
	transaction.KindMerchantPayout:      {OtherIn, OtherOut},
	transaction.KindDepartmentTransfer:  {OtherIn, OtherOut},
	transaction.KindCardDeposit:         {OtherIn, OtherOut},
	transaction.KindCardDepositReturned: {OtherIn, OtherOut},
}

// lineOf is where a movement of a purse of a code stands. Kinds that have no business with purses stand under other, and fail the first check.
func lineOf(kind transaction.Kind, code ledger.AccountCode, amount int64, late bool) Line {
	of, ok := purseLines[kind]
	if !ok {
		of = sides{OtherIn, OtherOut}
	}
	switch {
	case amount > 0:
		return of.in
	case of.out == Consumption && late:
		return LateOffline
	case of.out == AccountsClosed && code == ledger.CodeSubsidyPurse:
		return SubsidyCleared // what a holder who leaves has left of a subsidy goes back to its provider
	}
	return of.out
}

// Share is one line of what a merchant is owed.
type Share uint8

// What makes a merchant's account go up and down.
const (
	Sales Share = iota
	LateSales
	SalesReversed
	SalesRefunded
	DepartmentTransfers
	Payouts
	MerchantDeductions
	ServiceFees
	SheetsSettled
	OtherShares
	shareCount
)

var shareNames = [shareCount]lineName{
	Sales:               {"sales", "当日消费", "sales of the day"},
	LateSales:           {"late_sales", "往日脱机消费补录", "late offline of prior days"},
	SalesReversed:       {"reversed", "冲正", "reversals"},
	SalesRefunded:       {"refunded", "退货", "refunds"},
	DepartmentTransfers: {"transfers", "部门转账", "transfers between departments"},
	Payouts:             {"payouts", "解款", "payouts"},
	MerchantDeductions:  {"deductions", "代扣", "deductions"},
	ServiceFees:         {"service_fees", "服务费", "service fees"},
	SheetsSettled:       {"sheets", "结算单", "settlement sheets"},
	OtherShares:         {"other", "其他", "other"},
}

var merchantShares = map[transaction.Kind]Share{
	transaction.KindPurchase: Sales, transaction.KindOfflineSale: Sales, transaction.KindDeduction: Sales, transaction.KindHoldSettled: Sales,
	transaction.KindMeterSettled: Sales, transaction.KindCountSale: Sales, transaction.KindReversal: SalesReversed, transaction.KindRefund: SalesRefunded,
	transaction.KindDepartmentTransfer: DepartmentTransfers, transaction.KindMerchantPayout: Payouts,
	transaction.KindMerchantDeduction: MerchantDeductions, transaction.KindServiceFee: ServiceFees,
	transaction.KindSheetMoved: SheetsSettled,
}

func shareOf(kind transaction.Kind, late bool) Share {
	share, ok := merchantShares[kind]
	switch {
	case !ok:
		return OtherShares
	case share == Sales && late:
		return LateSales
	}
	return share
}

type codeName struct {
	code   ledger.AccountCode
	zh, en string
}

// chart is the chart of accounts of the handbook, 3.11.
var chart = [...]codeName{
	{ledger.CodeCash, "库存现金", "cash on hand"},
	{ledger.CodeBankCustody, "银行存款(代管)", "bank, in custody"},
	{ledger.CodeLoadInTransit, "圈存在途", "bank load in transit"},
	{ledger.CodeThirdPartyTransit, "第三方在途", "third-party in transit"},
	{ledger.CodeSubsidyReceivable, "应收补贴", "subsidy receivable"},
	{ledger.CodeHolderDebt, "持卡人欠款", "holder debt"},
	{ledger.CodeMainPurse, "主钱包", "main purses"},
	{ledger.CodeSubsidyPurse, "补贴钱包", "subsidy purses"},
	{ledger.CodeWaterPurse, "水控钱包", "water purses"},
	{ledger.CodeElectronicAccount, "电子账户", "electronic accounts"},
	{ledger.CodeCountPurse, "计次钱包", "count purses"},
	{ledger.CodeMerchantPayable, "应付商户", "merchants payable"},
	{ledger.CodeDeposits, "卡押金", "card deposits"},
	{ledger.CodeManagementFee, "管理费基金", "management-fee fund"},
	{ledger.CodeSuspense, "待查", "suspense"},
	{ledger.CodeUnclaimed, "无人认领", "unclaimed balances"},
	{ledger.CodeCardIncome, "卡工本费收入", "card-cost income"},
	{ledger.CodeServiceIncome, "服务费收入", "service-fee income"},
	{ledger.CodeDeductionIncome, "商户代扣收入", "deductions from merchants"},
	{ledger.CodeLostCardLoss, "挂失卡损失", "loss on lost cards"},
	{ledger.CodeSchoolDiscount, "学校承担优惠", "school-borne discounts"},
}

func nameOf(code ledger.AccountCode) (zh, en string) {
	for _, c := range chart {
		if c.code == code {
			return c.zh, c.en
		}
	}
	return "其他", "other"
}

// isPurse says whether accounts of a code are holders' purses.
func isPurse(code ledger.AccountCode) bool {
	switch code {
	case ledger.CodeMainPurse, ledger.CodeSubsidyPurse, ledger.CodeWaterPurse, ledger.CodeElectronicAccount, ledger.CodeCountPurse:
		return true
	}
	return false
}
