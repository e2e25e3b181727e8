package demo

import (
	"time"

	"onecard/ledger/money"
)

// Model is everything that a frame or a line shows, as values: drawing it is a pure function. Its slices belong to it.
type Model struct {
	Clock   time.Duration // on campus, since midnight
	Round   int           // how often this lunch has been replayed, from 1
	Speed   float64       // campus seconds in a real one
	Elapsed time.Duration // since the traffic began
	Phase   string        // "", or what is being done to close the day

	Places    Places
	Traffic   TrafficView
	Canteens  []Canteen
	Bank      BankView
	Switch    SwitchView
	Terminals TerminalsView
	Books     BooksView
	Notices   []Event // what the keys have done lately, newest first
	Events    []Event // what happens all the time, newest first
}

// Places are the addresses of everything that listens.
type Places struct {
	Terminals, Bank, Metrics, Status, Control, Data string
}

// TrafficView is what terminals have been told.
type TrafficView struct {
	Rate               float64 // requests per second, over the last two seconds
	Requests, Approved uint64
	Waiting            int // at terminals, sent or not, without an answer
	Refused            []Refusal
	Latest, Total      Quantiles
	Rates              []float64       // one a second, oldest first
	Tails              []time.Duration // p99 of each second, oldest first
}

// Refusal is how often a request was refused with a response code (DE 39).
type Refusal struct {
	Code, ZH, EN string
	Count        uint64
}

// Quantiles of the time from the tap to the answer.
type Quantiles struct{ P50, P99, P999 time.Duration }

// Canteen is one merchant.
type Canteen struct {
	Name     string
	Turnover money.Fen
	Sold     uint64
	Queue    int // customers without an answer now
}

// BankView is the bank, its line, and what is on its way there.
type BankView struct {
	Known                                   bool // the switch has said how its links are
	Cut                                     bool // by key b
	CutFor                                  time.Duration
	LinksUp, Links                          int
	InFlight                                int // loads that wait for the bank
	Reversals                               int // loads to be taken back
	OldestReversal                          time.Duration
	Credited, Declined, Unreachable, Silent uint64 // loads, as kiosks were told
	CreditedFen                             money.Fen
	DebitedAtBank, ReversedAtBank           uint64
}

// SwitchView is the child process and its journal.
type SwitchView struct {
	Up                bool
	PID               int
	Down              time.Duration // since it was killed
	Kills             int
	Recovery          time.Duration // of the last kill: until the first answer after it
	LedgerRecovery    time.Duration // of that, opening the ledger
	Sequence          uint64
	Group             float64 // entries in a block, mean of the last seconds
	Sync, SyncLongest time.Duration
	LedgerKnown       bool
	DiskLow           bool
}

// TerminalsView is the fleet.
type TerminalsView struct {
	SignedOn, Total int
	Repeated        int64 // requests sent again after a broken link
	GivenUp         int64 // taken back for want of an answer
}

// BooksView is the balance: what the switch says of its ledger.
type BooksView struct {
	Debits, Credits, Difference money.Fen
	Stale                       bool // the switch is not there to be asked
}

// tone says how an event is meant.
type tone uint8

const (
	toneApproved tone = iota
	toneRefused
	toneTrick   // what a key has done
	toneTrouble // what nobody wanted
)

// Event is one line of the feed.
type Event struct {
	Clock  time.Duration
	Tone   tone
	Where  string
	Card   uint64
	Name   string
	What   string // 消费, 圈存 ...
	Amount money.Fen
	Text   string // the answer, or the whole line of a trick
}

// mask hides the middle of a card number: six digits, stars, four digits.
func mask(card uint64) string {
	if card < 1e15 {
		return ""
	}
	var b [16]byte
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + card%10)
		card /= 10
		if i >= 6 && i < 12 {
			b[i] = '*'
		}
	}
	return string(b[:])
}
