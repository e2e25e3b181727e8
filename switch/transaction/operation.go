package transaction

import (
	"onecard/ledger"
	"onecard/ledger/money"
)

// Kinds of operations of the settlement centre (handbook 3.14). Values are stored: never renumber.
const (
	KindCashDeposit         Kind = 30 // 现金存款
	KindDepositReversed     Kind = 31 // 存款冲正
	KindWithdrawal          Kind = 32 // 取款
	KindFundDeposit         Kind = 33 // 支票、经费本存款: money came to the custody account
	KindSubsidyIssued       Kind = 34 // 补贴发放
	KindSubsidyReturned     Kind = 35 // 补贴清退: expired or cleared, back to its provider
	KindDeduction           Kind = 36 // 扣款
	KindTransfer            Kind = 37 // 转账: between purses or holders
	KindAdjustment          Kind = 38 // 调账
	KindCardFee             Kind = 39 // 卡工本费
	KindCardDeposit         Kind = 40 // 收押金
	KindCardDepositReturned Kind = 41 // 退押金
	KindFundsHeld           Kind = 42 // 冻结资金
	KindHoldReleased        Kind = 43 // 解冻资金
	KindHoldSettled         Kind = 44 // 冻结资金入账
	KindRefund              Kind = 45 // 退货
	KindOfflineSale         Kind = 46 // 脱机消费补录
	KindDepartmentTransfer  Kind = 47 // 部门转账
	KindMerchantPayout      Kind = 48 // 商户解款
	KindMerchantDeduction   Kind = 49 // 商户代扣: rent, water, power, penalties
	KindServiceFee          Kind = 50 // 商户服务费
	KindAccountClosed       Kind = 51 // 销户
	KindThirdPartyLoad      Kind = 52 // 第三方充值
	KindCashHandedIn        Kind = 53 // 现金缴存银行
	KindTransitSettled      Kind = 54 // 圈存款到账: from transit to the custody account
	KindSubsidyReceived     Kind = 55 // 补贴拨款到账
	KindDrawerOpened        Kind = 56 // 钱箱开启
	KindDrawerClosed        Kind = 57 // 钱箱清点
	KindBankStatement       Kind = 58 // 银行对账单余额: a figure, no money
	KindMeterStarted        Kind = 59 // 计量开始: a hold
	KindMeterSettled        Kind = 60 // 计量结算
	KindMeterCancelled      Kind = 61 // 计量取消
	KindAccountState        Kind = 62 // 账户冻结、解冻、保留
	KindCountsIssued        Kind = 63 // 计次发放
	KindCountSale           Kind = 64 // 计次消费
	KindUnclaimed           Kind = 65 // 转无人认领
	KindThirdPartySettled   Kind = 66 // 第三方款到账: from transit to the custody account
	KindThirdPartyRefunded  Kind = 74 // 第三方退款: from the main purse to transit, before the channel pays it out
)

// Key makes an operation happen once: the same key again gets the first receipt. The caller derives it from what the client calls its
// Idempotency-Key and from who it is; the zero Key is refused.
type Key [16]byte

// Operation is what an operator asks for. Which fields an operation needs is said by its row of the catalogue; one that is given without
// being needed is refused, so that nobody believes it was heeded. It is kept in proposals as JSON: names of fields are stored, too.
type Operation struct {
	Kind          Kind         `json:"kind"`
	Key           Key          `json:"key"`
	Operator      string       `json:"operator"`
	Desk          string       `json:"desk,omitempty"`
	Holder        string       `json:"holder,omitempty"` // 学号/工号
	OtherHolder   string       `json:"other_holder,omitempty"`
	Merchant      string       `json:"merchant,omitempty"`
	OtherMerchant string       `json:"other_merchant,omitempty"`
	Purse         string       `json:"purse,omitempty"` // "main", "subsidy" or a programme's code; "" is main
	OtherPurse    string       `json:"other_purse,omitempty"`
	Terminal      string       `json:"terminal,omitempty"` // offline sales, meters
	Amount        money.Fen    `json:"amount,omitempty"`   // > 0; adjustments may be negative
	All           bool         `json:"all,omitempty"`      // what there is, in place of an amount
	Unit          money.Fen    `json:"unit,omitempty"`     // withdrawals: what cash is paid in: 1, 10 or 100 fen; All is rounded down to it
	Original      uint64       `json:"original,omitempty"` // the entry that is refunded, reversed, settled or released
	Evidence      *Evidence    `json:"evidence,omitempty"` // of the original, read from the ledger by whoever asks
	Occurred      int64        `json:"occurred,omitempty"` // offline sales: when it was, microseconds since 1970
	Until         int64        `json:"until,omitempty"`    // holds: when they end by themselves, microseconds since 1970
	Tariff        string       `json:"tariff,omitempty"`   // meters: code of the price list in force, in place of an amount
	Reading       uint64       `json:"reading,omitempty"`  // meters: what was used, in the smallest unit of the tariff's kind: millilitres, seconds, watt hours, uses
	Expiry        uint32       `json:"expiry,omitempty"`   // subsidies: last day the money can be used, days since 1970
	State         AccountState `json:"state,omitempty"`    // account states only

	// Agreements with the bank.
	Account       string        `json:"account,omitempty"`       // bank account, 8 to 19 digits: that is bound, or that he has
	OtherAccount  string        `json:"other_account,omitempty"` // that takes its place
	Identity      IdentityCheck `json:"identity,omitempty"`      // how the holder was known
	Signed        uint32        `json:"signed,omitempty"`        // day of the agreement, days since 1970
	SingleLimit   money.Fen     `json:"single_limit,omitempty"`  // the holder's own bounds, at most his class's
	DayLimit      money.Fen     `json:"day_limit,omitempty"`
	PurseLimit    money.Fen     `json:"purse_limit,omitempty"`
	Threshold     *money.Fen    `json:"threshold,omitempty"`      // automatic loads of Amount begin below it; 0 ends them
	BankReference string        `json:"bank_reference,omitempty"` // of the bank's consent, put in by whoever asked it; "": it was not asked

	Document string `json:"document,omitempty"` // number of the paper behind it, at most 40 bytes
	Reason   string `json:"reason,omitempty"`   // in words, at most 200 bytes
}

// AccountState is what a holder's accounts may do.
type AccountState string

const (
	AccountsOpen     AccountState = "open"
	AccountsFrozen   AccountState = "frozen"   // money may come, none may go
	AccountsRetained AccountState = "retained" // 保留: the card is gone, late records are still expected
)

// Evidence is an entry as it stands in the ledger. The core keeps no old entries; it checks what can be checked, and remembers how much of
// an original has been given back.
type Evidence struct {
	Kind   Kind         `json:"kind"`
	Time   int64        `json:"time"`
	Day    uint32       `json:"day"`
	Card   uint32       `json:"card,omitempty"`   // row from 1, of a sale at a terminal
	Holder uint32       `json:"holder,omitempty"` // row from 1, of an operation
	Legs   []ledger.Leg `json:"legs"`

	Amount  money.Fen `json:"amount,omitempty"`  // of a load: what was asked for
	Outcome Kind      `json:"outcome,omitempty"` // of a load: the entry that ended it; 0 none
}

// Receipt says what became of an operation.
type Receipt struct {
	Sequence uint64 // the entry; of a proposal: its number
	Kind     Kind
	Time     int64  // microseconds since 1970
	Day      uint32 // business day
	Pending  bool   // it waits for a second person: nothing has been moved
	Repeated bool   // the key was seen before: this is the first receipt once more
	Amount   money.Fen
	Balance  money.Fen // what the holder can spend afterwards
	Legs     []ledger.Leg
}

// Refused says why an operation is not possible: which field, which rule, what to do. Nothing has been written.
type Refused struct {
	Field   string // as in the JSON of Operation; "" the operation as a whole
	Rule    string // machine code: "amount_positive", "funds", "drawer_closed" ...
	Chinese string
	English string
}

func (r *Refused) Error() string { return r.Chinese + " / " + r.English }
