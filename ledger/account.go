package ledger

import "onecard/ledger/money"

// AccountID is the number of an account in the book: dense, from 1; 0 is no account.
type AccountID uint32

// AccountCode is the account's place in the chart of accounts (handbook 3.11), such as 2001 for a main purse.
type AccountCode uint16

// The chart of accounts of the domain handbook, section 3.11. Assets have a debit (negative) balance here, liabilities and income a
// credit (positive) one, so that all balances together are always zero.
const (
	CodeCash              AccountCode = 1001 // 库存现金, one per desk besides the site's own
	CodeBankCustody       AccountCode = 1002 // 银行存款(代管)
	CodeLoadInTransit     AccountCode = 1011 // 圈存在途
	CodeThirdPartyTransit AccountCode = 1012 // 第三方在途
	CodeSubsidyReceivable AccountCode = 1131 // 应收补贴, one per provider besides the school's own
	CodeHolderDebt        AccountCode = 1133 // 持卡人欠款, one per holder who owes besides the site's own
	CodeMainPurse         AccountCode = 2001 // 主钱包
	CodeSubsidyPurse      AccountCode = 2002 // 补贴钱包
	CodeWaterPurse        AccountCode = 2003 // 水控钱包
	CodeElectronicAccount AccountCode = 2004 // 电子账户
	CodeCountPurse        AccountCode = 2005 // 计次钱包
	CodeMerchantPayable   AccountCode = 2101 // 应付商户
	CodeDeposits          AccountCode = 2201 // 卡押金
	CodeManagementFee     AccountCode = 2301 // 管理费
	CodeSuspense          AccountCode = 2901 // 待查
	CodeUnclaimed         AccountCode = 2902 // 无人认领
	CodeCardIncome        AccountCode = 5001 // 卡工本费收入
	CodeServiceIncome     AccountCode = 5002 // 服务费收入
	CodeDeductionIncome   AccountCode = 5003 // 商户代扣(房租、水电、违约金)
	CodeLostCardLoss      AccountCode = 6001 // 挂失卡损失
	CodeSchoolDiscount    AccountCode = 6002 // 学校承担优惠
)

// AccountSet is a set of books that balances alone (帐套): the legs of an entry sum to zero in each. Set 0 is the campus card fund; a set may
// count something else than fen, such as meal tickets.
type AccountSet uint8

// maxSets bounds the account sets of a ledger: four bits of an opening.
const maxSets = 16

// AccountState says what may be posted.
type AccountState uint8

const (
	AccountOpen   AccountState = iota // everything
	AccountFrozen                     // credits only; money can still come back, and what was on hold before can still be posted
	AccountClosed                     // nothing; balance and holds are zero
	// AccountRetained (保留) is an account whose holder has gone: late records and refunds are still posted, nothing else is decided on it.
	AccountRetained
)

// AccountFlags are set when the account is opened and never change.
type AccountFlags uint8

// MustNotOverdraw refuses legs that would take the available balance below zero (every holder's purse, handbook I2).
const MustNotOverdraw AccountFlags = 1

// Account is one row of the book, 24 bytes.
type Account struct {
	Balance money.Fen // credits - debits posted
	Held    money.Fen // part of Balance promised away by open holds; 0 <= Held
	Code    AccountCode
	State   AccountState
	Flags   AccountFlags
	Set     AccountSet
	control uint16 // row of its control account in the book
}

// Available is what may still be spent: balance less what is held.
func (a *Account) Available() money.Fen { return a.Balance - a.Held }

// Leg moves Amount into (positive, credit) or out of (negative, debit) an account. The legs of an entry sum to zero in each account set.
type Leg struct {
	Account AccountID
	Amount  money.Fen
}

// Opening asks for a new account; its number is the next free one.
type Opening struct {
	Code  AccountCode
	Flags AccountFlags
	Set   AccountSet // < 16
}

// HoldOp is what an entry does to a hold.
type HoldOp uint8

const (
	HoldNone   HoldOp = iota
	HoldOpen          // promise Amount from From to To; the hold's number is the entry's sequence
	HoldPost          // the entry's legs fulfil the hold, in full or in part; the rest is released
	HoldVoid          // release without posting, on evidence
	HoldExpire        // release because Expires has passed
)

// HoldAction is the at most one hold operation of an entry.
type HoldAction struct {
	Op      HoldOp
	ID      uint64    // the hold, for post, void and expire
	From    AccountID // open only
	To      AccountID // open only
	Amount  money.Fen // open only, > 0
	Expires int64     // open only: microseconds since 1970, 0 never
}

// Hold is an open promise: pending money that is in nobody's hands yet.
type Hold struct {
	ID       uint64 // sequence of the entry that opened it
	From, To AccountID
	Amount   money.Fen
	Expires  int64
}
