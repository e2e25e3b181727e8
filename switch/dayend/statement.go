package dayend

import (
	"onecard/ledger/money"
	"onecard/switch/proof"
)

// Format names the layout of a statement.
const Format = "onecard day-end v1"

// Statement is what the site says about a closed business day. Amounts are in fen; those of an equation's lines are positive on their side.
// In the double entry a balance is credits less debits, as everywhere in the ledger: assets are negative. Counts stand where a set counts.
type Statement struct {
	Format string    `json:"format"`
	Day    proof.Day `json:"day"`
	Next   proof.Day `json:"next_day"` // that the day switch opened
	Opened string    `json:"opened"`   // moment of the day's first entry, RFC 3339 at the site
	Closed string    `json:"closed"`   // moment of the day switch
	Passed bool      `json:"passed"`

	First     uint64     `json:"first_entry"`
	Last      uint64     `json:"last_entry"`
	Entries   uint64     `json:"entries"`
	Blocks    uint64     `json:"blocks"`
	Root      proof.Root `json:"root"` // Merkle root over the day's entries, with the hash of its last block, signed
	DayBefore *DayBefore `json:"day_before"`

	Accounts uint32    `json:"accounts"`
	Balances proof.Hex `json:"balances_digest"` // SHA-256 over the closing balances of all accounts

	Checks      []Check       `json:"checks"`
	Equation    Equation      `json:"equation"` // of all personal purses in fen
	ByPurse     []Equation    `json:"by_purse"`
	ByClass     []Equation    `json:"by_class"`
	Areas       []Payable     `json:"areas"`
	Merchants   []Payable     `json:"merchants"`
	DoubleEntry []Posted      `json:"double_entry"`
	Terminals   []Terminal    `json:"terminals"`
	Open        []OpenItem    `json:"open_items"`
	Drawers     []Drawer      `json:"drawers"`
	Bank        []BankBalance `json:"bank"`
}

// DayBefore is how the statement hangs on the one before.
type DayBefore struct {
	Day       proof.Day `json:"day"`
	Last      uint64    `json:"last_entry"`
	LastBlock proof.Hex `json:"last_block"`
	Balances  proof.Hex `json:"balances_digest"`
	Statement proof.Hex `json:"statement_sha256"`
}

// Result is what became of a check.
type Result string

// What can become of a check.
const (
	Passed Result = "passed"
	Failed Result = "failed"
	Listed Result = "listed" // nothing was given to compare with: what there is stands in the statement
)

// Check is one of the eight checks of handbook 3.11.
type Check struct {
	Number   int       `json:"number"`
	NameZh   string    `json:"name_zh"`
	NameEn   string    `json:"name_en"`
	Result   Result    `json:"result"`
	Says     string    `json:"says"`
	Faults   uint64    `json:"faults,omitempty"` // all of them; findings keeps the first
	Findings []Finding `json:"findings,omitempty"`
}

// Finding is one thing that does not agree: the account, when it is one account's, and by how much.
type Finding struct {
	Account uint32    `json:"account,omitempty"`
	Code    uint16    `json:"code,omitempty"`
	Amount  money.Fen `json:"amount_fen"`
	Text    string    `json:"text"`
}

// Amount is one line of an equation.
type Amount struct {
	Line   string    `json:"line"`
	NameZh string    `json:"name_zh"`
	NameEn string    `json:"name_en"`
	Amount money.Fen `json:"amount_fen"`
}

// Equation is opening + in − out = closing of some purses. Opening is from the log, closing from the owner's memory.
type Equation struct {
	Of       string    `json:"of"`
	Set      uint8     `json:"set"`
	Opening  money.Fen `json:"opening_fen"`
	In       []Amount  `json:"in"`
	TotalIn  money.Fen `json:"total_in_fen"`
	Out      []Amount  `json:"out"`
	TotalOut money.Fen `json:"total_out_fen"`
	Closing  money.Fen `json:"closing_fen"`
}

// Payable is opening + lines = closing of what a merchant, or all merchants of an area, are owed. Lines carry their sign.
type Payable struct {
	Of      string    `json:"of"`
	Opening money.Fen `json:"opening_fen"`
	Lines   []Amount  `json:"lines"`
	Closing money.Fen `json:"closing_fen"`
}

// Posted is the double entry of a code in an account set: opening − debits + credits = closing.
type Posted struct {
	Set      uint8     `json:"set"`
	Code     uint16    `json:"code"`
	NameZh   string    `json:"name_zh"`
	NameEn   string    `json:"name_en"`
	Accounts uint32    `json:"accounts"`
	Opening  money.Fen `json:"opening_fen"`
	Debits   money.Fen `json:"debits_fen"`
	Credits  money.Fen `json:"credits_fen"`
	Closing  money.Fen `json:"closing_fen"`
	Moves    []Move    `json:"moves"`
}

// Move is what the entries of one kind did to a code.
type Move struct {
	Kind    uint8     `json:"kind"`
	NameZh  string    `json:"name_zh"`
	NameEn  string    `json:"name_en"`
	Debits  money.Fen `json:"debits_fen"`
	Credits money.Fen `json:"credits_fen"`
}

// Terminal is what a terminal sold, by our books and by its own totals where it has sent them.
type Terminal struct {
	Code           string          `json:"terminal"`
	Sales          uint32          `json:"sales"`
	SalesAmount    money.Fen       `json:"sales_fen"`
	Reversals      uint32          `json:"reversals"`
	ReversalAmount money.Fen       `json:"reversals_fen"`
	Own            *TerminalTotals `json:"own"` // null: it has sent none
}

// TerminalTotals are a terminal's own.
type TerminalTotals struct {
	Sales          uint32    `json:"sales"`
	SalesAmount    money.Fen `json:"sales_fen"`
	Reversals      uint32    `json:"reversals"`
	ReversalAmount money.Fen `json:"reversals_fen"`
}

// OpenItem is something that the day leaves behind: a load without an end at the bank, money on hold, a proposal that waits for a second
// person, records of a terminal that have not come.
type OpenItem struct {
	What   string    `json:"what"` // "load", "withdrawal", "hold", "proposal", "gap", "offline_review"
	Entry  uint64    `json:"entry"`
	Since  string    `json:"since"` // RFC 3339 at the site
	Amount money.Fen `json:"amount_fen"`
	Says   string    `json:"says"`
}

// Drawer is an operator's cash sheet: opening + receipts − payments = counted.
type Drawer struct {
	Desk     string    `json:"desk"`
	Operator string    `json:"operator"`
	Closed   uint64    `json:"closed_entry"` // 0: the drawer is still open
	Expected money.Fen `json:"expected_fen"`
	Counted  money.Fen `json:"counted_fen"`
}

// BankBalance is what the bank says of an account that it keeps for us, beside our books.
type BankBalance struct {
	Account  uint32     `json:"account"`
	Code     uint16     `json:"code"`
	Books    money.Fen  `json:"books_fen"` // as the bank would say it: what is there is positive
	Bank     *money.Fen `json:"bank_fen"`  // null: nobody gave a figure
	Document string     `json:"document,omitempty"`
}
