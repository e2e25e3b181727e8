package reconcile

import "onecard/ledger/money"

// Case of a load: how the two sides stand to each other (domain handbook 2.7 and 3.8).
type Case uint8

// Cases. Equal and Nothing are counted; all others are also listed.
const (
	CaseEqual          Case = iota + 1 // both have it, alike
	CaseNothing                        // neither has money in it
	CaseBankOnly                       // 长款: the bank took it, the holder was not credited
	CaseCampusOnly                     // 短款: the holder was credited, the bank did not debit
	CaseAmountDiffers                  // both have it, with other amounts
	CaseDateCut                        // near the cut of the day: expected in the next file
	CaseStatusDiffers                  // reversed on one side only
	CaseAccountDiffers                 // the money agrees, the holder does not
	CaseNothingTaken                   // we did not know, and the file says that the bank kept nothing
	CaseSettled                        // an item of an earlier day has come right
	caseCount
)

var (
	caseNames = [caseCount]string{
		"", "equal", "nothing", "bank_only", "campus_only", "amount_differs", "date_cut", "status_differs", "account_differs", "nothing_taken", "settled",
	}
	caseZh = [caseCount]string{"", "相符", "双方均无", "长款", "短款", "金额不符", "跨日", "状态不符", "账户不符", "银行未扣", "往日已平"}
)

func (c Case) String() string { return caseNames[c%caseCount] }

// Chinese is the case as the operator reads it.
func (c Case) Chinese() string { return caseZh[c%caseCount] }

// MarshalText is String.
func (c Case) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads a name.
func (c *Case) UnmarshalText(text []byte) error {
	return named(text, caseNames[:], func(i int) { *c = Case(i) })
}

// Action that is proposed.
type Action uint8

// Actions.
const (
	ActionIgnore Action = iota + 1 // nothing is to be done
	ActionDefer                    // wait for the next file
	ActionMakeUp                   // 补账: credit the holder, dated today, and tell him
	ActionClaim                    // ask the bank; hold the amount if it is unspent, else it is a receivable
	ActionManual                   // suspense, and two persons
	ActionCharge                   // 补扣: take from the purse what the bank has paid of a withdrawal
	ActionReturn                   // 退还: give back what the bank has not paid of a withdrawal
	actionCount
)

var (
	actionNames = [actionCount]string{"", "ignore", "defer", "make_up", "claim", "manual", "charge", "return"}
	actionZh    = [actionCount]string{"", "无需处理", "挂起", "补账", "追索", "人工", "补扣", "退还"}
)

func (a Action) String() string { return actionNames[a%actionCount] }

// MarshalText is String.
func (a Action) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads a name.
func (a *Action) UnmarshalText(text []byte) error {
	return named(text, actionNames[:], func(i int) { *a = Action(i) })
}

// Item is a load whose sides do not agree, or one of an earlier day that has come right.
type Item struct {
	Sequence uint64  `json:"sequence"`
	Day      Day     `json:"day"`   // our settlement date; the file's when we have no record
	First    Day     `json:"first"` // the day reconciled when it was first seen
	Age      int     `json:"age_days"`
	Case     Case    `json:"case"`
	Action   Action  `json:"action"`
	State    State   `json:"state"` // ours
	Account  Account `json:"account"`

	Ours       money.Fen `json:"ours_fen"` // credited, up to now
	Bank       money.Fen `json:"bank_fen"` // kept by the bank, up to now
	Difference money.Fen `json:"difference_fen"`
	// Change is what this day has added to Difference. Of an item that is new it is all of it.
	Change money.Fen `json:"change_fen"`

	Moment       Moment `json:"moment,omitempty"` // ours, on the site's clock; the bank's when we have no record
	BankSequence uint64 `json:"bank_sequence,omitempty"`
	FileLine     uint32 `json:"file_line,omitempty"`
	BankReversed bool   `json:"bank_reversed,omitempty"` // the bank has given it back
	// Withdrawal: the money goes to the holder's account. Ours is what was taken from his purse, the bank's what it has paid.
	Withdrawal bool      `json:"withdrawal,omitempty"`
	Held       money.Fen `json:"held_fen,omitzero"` // what is on hold in the purse for a withdrawal

	Chinese string `json:"zh"`
	English string `json:"en"`
	// Open items are carried into the next day's run: until both sides are alike, and of a withdrawal until its money is on hold no more.
	Open bool `json:"open"`
}

// verdict on one load.
type verdict struct {
	what   Case
	action Action
	zh, en string
}
