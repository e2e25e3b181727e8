package banksim

import (
	"fmt"
	"time"

	"onecard/ledger/money"
)

// State is where a load stands in the bank's books.
type State uint8

const (
	Debited  State = iota + 1
	Reversed       // debited and given back
	Declined
	Refused // its reversal came first: it was, or will be, refused
	Paid    // a withdrawal: credited
)

var stateNames = [...]string{"", "debited", "reversed", "declined", "refused", "paid"}

func (s State) String() string { return stateNames[s] }

// Record is one load in the bank's books, or one withdrawal.
type Record struct {
	Reference string // DE 37
	Trace     uint64 // DE 11
	Account   string
	Campus    string // campus account, DE 103
	Amount    money.Fen
	State     State
	Code      string  // what the load was answered
	Requests  int     // 0200s that came
	Reversals int     // 0420s and 0421s that came
	Debit     Posting // of Debited and Reversed, and the credit of Paid
	Return    Posting // of Reversed
	Credit    bool    // a withdrawal
	held      func()  // an answer kept until the reversal has been answered
}

// Posting is when the bank booked a movement, and under which number.
type Posting struct {
	Sequence uint64    // the bank's own number
	Day      uint32    // the bank's settlement date, days since 1970; 0: nothing was booked
	Moment   time.Time // on the bank's clock, which is written as UTC
}

// Count is how many and how much.
type Count struct {
	Count int       `json:"count"`
	Sum   money.Fen `json:"sum_fen"`
}

func (c *Count) add(amount money.Fen) { c.Count++; c.Sum += amount }

// Stats counts since the start. What the bank holds of the campus is Debited less Reversed.
type Stats struct {
	Loads        int   `json:"loads"`       // 0200s
	Repeats      int   `json:"repeats"`     // 0200s of a load known before
	Withdrawals  int   `json:"withdrawals"` // 0200s and 0201s
	Reversals    int   `json:"reversals"`   // 0420s and 0421s
	Debited      Count `json:"debited"`
	Declined     Count `json:"declined"`
	Reversed     Count `json:"reversed"`
	Paid         Count `json:"paid"`      // withdrawals
	Refused      Count `json:"refused"`   // originals that came after their reversal
	NotFound     int   `json:"not_found"` // reversals answered 25
	SignOns      int   `json:"sign_ons"`
	SignOffs     int   `json:"sign_offs"`
	Echoes       int   `json:"echoes"`
	KeyChanges   int   `json:"key_changes"`   // new MAC keys in force
	TotalsAgreed int   `json:"totals_agreed"` // the campus has said that it has the same
	BadInbound   int   `json:"bad_inbound"`   // messages with a wrong MAC, or none at all
	Links        int   `json:"links"`         // connected now
}

// Response codes the bank gives.
const (
	codeApproved  = "00"
	codeInvalid   = "12"
	codeNotFound  = "25"
	codeFormat    = "30"
	codeUnknown   = "40"
	codeFunds     = "51"
	codeAmount    = "64"
	codeDuplicate = "94"
	codeUnsigned  = "C1"
	codeBadMAC    = "A0"
)

// loadKey is what a load is known by.
type loadKey struct {
	trace     uint64
	reference string
}

// books are the bank's. They are never wrong.
type books struct {
	opening  money.Fen
	accounts map[string]money.Fen
	records  map[loadKey]*Record
	named    map[string][]*Record // by reference
	stats    Stats
	posted   uint64         // the last Posting.Sequence
	now      func() Posting // day and moment of what is booked now
}

// post numbers a movement.
func (b *books) post() Posting {
	b.posted++
	p := b.now()
	p.Sequence = b.posted
	return p
}

// load debits an account, once. decline is a code to decline a new one with, or "".
func (b *books) load(key loadKey, account, campus string, amount money.Fen, decline string) (code string, r *Record) {
	b.stats.Loads++
	r, known := b.records[key]
	if !known {
		r = &Record{Reference: key.reference, Trace: key.trace, Account: account, Campus: campus, Amount: amount, Requests: 1}
		b.add(key, r)
		r.Code = b.debit(r, decline)
		return r.Code, r
	}
	if r.Requests++; r.Requests > 1 {
		b.stats.Repeats++
	}
	switch {
	case r.State == Refused || r.State == Reversed:
		b.stats.Refused.add(amount)
		return codeInvalid, r
	case r.Account != account || r.Amount != amount:
		return codeDuplicate, r
	}
	return r.Code, r
}

func (b *books) add(key loadKey, r *Record) {
	b.records[key] = r
	b.named[key.reference] = append(b.named[key.reference], r)
}

func (b *books) debit(r *Record, decline string) string {
	balance := b.balance(r.Account)
	if decline == "" && balance < r.Amount {
		decline = codeFunds
	}
	if decline != "" {
		r.State = Declined
		b.stats.Declined.add(r.Amount)
		return decline
	}
	b.accounts[r.Account] = balance - r.Amount
	r.State, r.Debit = Debited, b.post()
	b.stats.Debited.add(r.Amount)
	return codeApproved
}

// redeem debits a load that was declined, after all.
func (b *books) redeem(r *Record) string {
	b.stats.Declined.Count--
	b.stats.Declined.Sum -= r.Amount
	if r.Credit {
		r.Code = b.pay(r, "")
	} else {
		r.Code = b.debit(r, "")
	}
	return r.Code
}

// withdraw credits an account, once: whatever a request was answered, its repeats are answered the same.
func (b *books) withdraw(key loadKey, account, campus string, amount money.Fen, decline string) (code string, r *Record) {
	b.stats.Withdrawals++
	r, known := b.records[key]
	if !known {
		r = &Record{Reference: key.reference, Trace: key.trace, Account: account, Campus: campus, Amount: amount, Requests: 1, Credit: true}
		b.add(key, r)
		r.Code = b.pay(r, decline)
		return r.Code, r
	}
	r.Requests++
	b.stats.Repeats++
	if !r.Credit || r.Account != account || r.Amount != amount {
		return codeDuplicate, r
	}
	return r.Code, r
}

func (b *books) pay(r *Record, decline string) string {
	balance := b.balance(r.Account)
	if decline != "" {
		r.State = Declined
		b.stats.Declined.add(r.Amount)
		return decline
	}
	b.accounts[r.Account] = balance + r.Amount
	r.State, r.Debit = Paid, b.post()
	b.stats.Paid.add(r.Amount)
	return codeApproved
}

// reverse gives a load back, once.
func (b *books) reverse(key loadKey, account string, amount money.Fen) (code string, r *Record) {
	b.stats.Reversals++
	r, known := b.records[key]
	if !known {
		r = &Record{Reference: key.reference, Trace: key.trace, Account: account, Amount: amount, State: Refused}
		b.add(key, r)
	}
	r.Reversals++
	switch {
	case r.State == Refused || r.State == Declined || r.Credit: // a credit is not taken back
		b.stats.NotFound++
		return codeNotFound, r
	case r.Amount != amount || r.Account != account:
		return codeAmount, r
	case r.State == Debited:
		b.accounts[account] += amount
		r.State, r.Return = Reversed, b.post()
		b.stats.Reversed.add(amount)
	}
	return codeApproved, r
}

func (b *books) balance(account string) money.Fen {
	balance, known := b.accounts[account]
	if !known {
		balance = b.opening
		b.accounts[account] = balance
	}
	return balance
}

// check proves that accounts, records and counts say the same.
func (b *books) check() error {
	missing := make(map[string]money.Fen)
	var held, paid money.Fen
	for _, r := range b.records {
		switch r.State {
		case Debited:
			missing[r.Account] += r.Amount
			held += r.Amount
		case Paid:
			missing[r.Account] -= r.Amount
			paid += r.Amount
		}
	}
	for account, balance := range b.accounts {
		if b.opening-balance != missing[account] {
			return fmt.Errorf("bank account: %s is missing, its records say %s", b.opening-balance, missing[account])
		}
	}
	if counted := b.stats.Debited.Sum - b.stats.Reversed.Sum; counted != held {
		return fmt.Errorf("bank: debited less reversed is %s, the records say %s", counted, held)
	}
	if paid != b.stats.Paid.Sum {
		return fmt.Errorf("bank: %s was paid out, the records say %s", b.stats.Paid.Sum, paid)
	}
	return nil
}
