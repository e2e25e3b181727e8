package query

import (
	"context"
	"errors"
	"fmt"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// Store is what is asked of the ledger's store.
type Store interface {
	ReadTo() (uint64, error)
	Statement(space byte, id, from, to uint64, limit int, newestFirst bool) ([]uint64, error)
	Entry(sequence uint64) (ledger.Entry, uint32, error)
	EntryAt(moment int64) (uint64, error)
	EntryOfDay(day uint32) (uint64, error)
	Cells(ranges []ledger.CellRange, visit func(ledger.CellKey, *ledger.Sums) error) (upTo uint64, err error)
	Replay(ctx context.Context, after uint64, visit func(ledger.Block) error) error
}

// Config is what a reader is made of.
type Config struct {
	Store Store
	// Look lets the state be read on the goroutine that owns it.
	Look func(context.Context, func(*transaction.State)) error
	// Name is what a thing of a table ("holder", "merchant") is called; "" when it has no name or it was erased. Nil: nothing has.
	Name func(table, code string) string
	// Now is the time, microseconds since 1970: whether a purse has expired depends on it.
	Now func() int64
}

// Subject says whose statement or balance is asked for: exactly one of its fields.
type Subject struct {
	Holder   string           `json:"holder,omitempty"` // 学号/工号
	Card     uint64           `json:"card,omitempty"`
	Merchant string           `json:"merchant,omitempty"` // DE 42
	Terminal string           `json:"terminal,omitempty"` // DE 41
	Operator string           `json:"operator,omitempty"`
	Account  ledger.AccountID `json:"account,omitempty"`
	Record   uint64           `json:"record,omitempty"` // one entry by its number; statements only
}

// StatementQuestion asks for a page of a statement. Moments are written as "2026-11-26", "2026-11-26 12:30", with seconds, at the site, or as
// RFC 3339; a To that is a date means the end of that day.
type StatementQuestion struct {
	Subject
	From        string `json:"from,omitempty"`  // "" from the beginning
	To          string `json:"to,omitempty"`    // "" to the end
	Limit       int    `json:"limit,omitempty"` // 1 to 1000; 0: 50
	After       uint64 `json:"after,omitempty"` // Next of the page before
	UpTo        uint64 `json:"up_to,omitempty"` // of the first page, so that the pages stay what they were; 0: the newest entry
	OldestFirst bool   `json:"oldest_first,omitempty"`
}

// Statement is a page.
type Statement struct {
	About About  `json:"about"`
	Lines []Line `json:"lines"`
	Next  uint64 `json:"next,omitempty"` // After of the page that follows; 0: there is none
	UpTo  uint64 `json:"up_to"`          // the newest entry that was looked at
}

// About is whose statement it is, as things are now. What is not known of its kind is left out.
type About struct {
	Kind         string     `json:"kind"` // holder, card, merchant, terminal, operator, account, record
	Code         string     `json:"code"` // card numbers masked
	Name         string     `json:"name,omitempty"`
	State        string     `json:"state,omitempty"`
	Holder       string     `json:"holder,omitempty"`
	HolderName   string     `json:"holder_name,omitempty"`
	Merchant     string     `json:"merchant,omitempty"`
	MerchantName string     `json:"merchant_name,omitempty"`
	Balance      *money.Fen `json:"balance_fen,omitempty"` // of a holder: what he can spend
	Purses       []Purse    `json:"purses,omitempty"`
}

// Purse is one of a holder's purses, or what he owes.
type Purse struct {
	Name    string             `json:"name"` // "main", "subsidy", "debt" or a programme's code
	Account ledger.AccountID   `json:"account"`
	Code    ledger.AccountCode `json:"code"`
	Set     ledger.AccountSet  `json:"set,omitempty"`
	Balance money.Fen          `json:"balance_fen"`
	Expires string             `json:"expires,omitempty"` // its last day
}

// Line is one entry on a statement. What a load or a withdrawal to a bank account has come to is told on its own line. What an entry of its kind does not say is left out.
type Line struct {
	Sequence   uint64     `json:"sequence"`
	Reference  string     `json:"reference"` // DE 37
	Time       string     `json:"time"`      // at the site
	Micros     int64      `json:"time_us"`   // since 1970
	Day        string     `json:"day"`       // business day
	Kind       string     `json:"kind"`
	Direction  string     `json:"direction,omitempty"` // of a passage
	Terminal   string     `json:"terminal,omitempty"`
	Merchant   string     `json:"merchant,omitempty"`
	Batch      uint32     `json:"batch,omitempty"`
	Trace      uint32     `json:"trace,omitempty"`
	Card       string     `json:"card,omitempty"` // masked
	Holder     string     `json:"holder,omitempty"`
	HolderName string     `json:"holder_name,omitempty"`
	Amount     money.Fen  `json:"amount_fen,omitempty"`
	Change     money.Fen  `json:"change_fen,omitempty"` // of what the statement is about: the holder's purses, the account
	Balance    *money.Fen `json:"balance_fen,omitempty"`
	Code       string     `json:"code,omitempty"` // DE 39
	Reason     string     `json:"reason,omitempty"`
	Chinese    string     `json:"reason_zh,omitempty"`
	English    string     `json:"reason_en,omitempty"`
	Original   uint64     `json:"original,omitempty"` // of a reversal
	State      string     `json:"state,omitempty"`    // of a card from now on
	Operator   string     `json:"operator,omitempty"`
	Approver   string     `json:"approver,omitempty"`
	Desk       string     `json:"desk,omitempty"`
	Purse      string     `json:"purse,omitempty"` // of an operation
	Other      string     `json:"other_holder,omitempty"`
	OfBatch    uint64     `json:"of_batch,omitempty"`
	Occurred   string     `json:"occurred,omitempty"` // a late sale: when it was
	Document   string     `json:"document,omitempty"`
	Words      string     `json:"words,omitempty"`    // why, as the operator has written it
	Outcomes   []Outcome  `json:"outcomes,omitempty"` // of a load or a withdrawal, oldest first
	Legs       []Leg      `json:"legs,omitempty"`
}

// Outcome is what the bank said about a load or a withdrawal.
type Outcome struct {
	Sequence uint64 `json:"sequence"`
	Time     string `json:"time"`
	Kind     string `json:"kind"`
	Code     string `json:"code"`
	Reason   string `json:"reason,omitempty"`
	Chinese  string `json:"reason_zh,omitempty"`
	English  string `json:"reason_en,omitempty"`
}

// Leg is what an entry moved on one account.
type Leg struct {
	Account ledger.AccountID   `json:"account"`
	Code    ledger.AccountCode `json:"code"`
	Amount  money.Fen          `json:"amount_fen"`
}

// TotalsQuestion asks for totals of business days or months.
type TotalsQuestion struct {
	Unit     string `json:"unit,omitempty"` // "day" or "month"; "" day
	From     string `json:"from"`           // "2026-11-26" or "2026-11"
	To       string `json:"to,omitempty"`   // inclusive; "" the same as From
	Merchant string `json:"merchant,omitempty"`
	// By is what the rows are: merchant, terminal, meal, class, period (sales); purse, kind (flows on holders' purses); account (turnover of
	// accounts that are no purse). "" merchant, or terminal when a merchant is given.
	By string `json:"by,omitempty"`
}

// Totals are rows and their sum, as they stood after an entry.
type Totals struct {
	Unit     string `json:"unit"`
	From     string `json:"from"`
	To       string `json:"to"`
	Merchant string `json:"merchant,omitempty"`
	By       string `json:"by"`
	UpTo     uint64 `json:"up_to"`
	Rows     []Row  `json:"rows"`
	Total    Row    `json:"total"`
}

// Row is a row of totals: sales or a flow.
type Row struct {
	Key   string `json:"key"`
	Name  string `json:"name,omitempty"`
	Sales *Sales `json:"sales,omitempty"`
	Flow  *Flow  `json:"flow,omitempty"`
}

// Sales are what merchants have sold. Amounts in fen.
type Sales struct {
	Count            int64     `json:"count"`
	List             money.Fen `json:"list_fen"`
	MerchantDiscount money.Fen `json:"merchant_discount_fen"`
	SchoolDiscount   money.Fen `json:"school_discount_fen"`
	Fee              money.Fen `json:"fee_fen"`
	Main             money.Fen `json:"main_fen"`
	Subsidy          money.Fen `json:"subsidy_fen"`
	Water            money.Fen `json:"water_fen"`
	Electronic       money.Fen `json:"electronic_fen"`
	Tickets          int64     `json:"tickets"`
	Reversals        int64     `json:"reversals"`
	Reversed         money.Fen `json:"reversed_fen"`
	Refunds          int64     `json:"refunds"`
	Refunded         money.Fen `json:"refunded_fen"`
	Late             int64     `json:"late"`
	LateGross        money.Fen `json:"late_gross_fen"`
	Net              money.Fen `json:"net_fen"` // what merchants are owed for it: list less their discounts, reversals and refunds
}

// Flow is what moved: credits in, debits out, in fen, or in the unit of the account's set.
type Flow struct {
	Count int64     `json:"count"`
	In    money.Fen `json:"in_fen"`
	Out   money.Fen `json:"out_fen"`
	Net   money.Fen `json:"net_fen"`
}

// BalanceQuestion asks for a balance as it was after the last entry at or before a moment.
type BalanceQuestion struct {
	Subject
	All bool   `json:"all,omitempty"` // the trial balance
	At  string `json:"at,omitempty"`  // a moment; a date is the end of that day; "" now
	// Entry asks for the balance after one entry, in place of a moment.
	Entry uint64 `json:"entry,omitempty"`
}

// Balance is a balance at a moment: of each account that was asked for, and their sum.
type Balance struct {
	Of       string           `json:"of"`
	Entry    uint64           `json:"entry"` // the last one that counts
	Time     string           `json:"time"`  // of that entry
	Accounts []AccountBalance `json:"accounts"`
	Sum      money.Fen        `json:"sum_fen"` // of account set 0; zero for a trial balance
}

// AccountBalance is the balance of an account; of all holders' purses of a code together in a trial balance, which has no number.
type AccountBalance struct {
	Account ledger.AccountID   `json:"account,omitempty"`
	Code    ledger.AccountCode `json:"code"`
	Set     ledger.AccountSet  `json:"set,omitempty"`
	Name    string             `json:"name,omitempty"`
	Balance money.Fen          `json:"balance_fen"`
}

// Wrong says that a question cannot be answered as it was put: which field, and what to do.
type Wrong struct {
	Field, Text string
}

func (w *Wrong) Error() string { return w.Text }

func wrong(field, format string, values ...any) error {
	return &Wrong{field, fmt.Sprintf(format, values...)}
}

// IsWrong says whether an error is about the question and not about the ledger.
func IsWrong(err error) bool {
	var w *Wrong
	return errors.As(err, &w)
}
