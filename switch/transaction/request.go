package transaction

import (
	"fmt"

	"onecard/ledger"
	"onecard/ledger/money"
)

// Kind says what a request asks for and what an entry in the ledger records. Values are stored: never renumber.
type Kind = ledger.Kind

const (
	KindGenesis        Kind = 1  // opens the site's own accounts
	KindDirectory      Kind = 2  // import of classes, merchants, terminals, doors, holders, cards
	KindCardState      Kind = 3  // an operator or a holder changes a card's state
	KindRules          Kind = 5  // publishes a version of the rules
	KindDaySwitch      Kind = 6  // closes the open business day and opens the next
	KindDayEnd         Kind = 7  // the signed day-end of a closed business day
	KindProposal       Kind = 8  // an operation that waits for a second person
	KindPurse          Kind = 9  // opens a holder's purse of a programme, or the account of what he owes
	KindSignOn         Kind = 10 // 0800
	KindSignOff        Kind = 11 // 0820 code 002
	KindBalance        Kind = 12 // 0200 310000
	KindPurchase       Kind = 13 // 0200 000000
	KindLoad           Kind = 14 // 0200 600000: asks the bank
	KindReversal       Kind = 15 // 0400
	KindPassage        Kind = 16 // 0200 amount 0, F59 C5
	KindEcho           Kind = 17 // 0820 code 301; never stored
	KindLoadConfirmed  Kind = 20 // the bank approved in time
	KindLoadDeclined   Kind = 21 // the bank declined, or the request never left
	KindLoadUnknown    Kind = 22 // no answer in time: a reversal is due
	KindLoadReversed   Kind = 23 // the bank took the reversal
	KindLoadLate       Kind = 24 // an answer after the reversal was queued: reported, never credited
	KindLoadManual     Kind = 25 // the reversal is given up: two persons settle the load by the bank's file
	KindProposalClosed Kind = 85 // a proposal that was rejected or withdrawn
)

// CardNumber is the number of a campus card, 16 to 19 digits, first digit not 0. It prints masked.
type CardNumber uint64

// String prints the first six and the last four digits.
func (c CardNumber) String() string {
	s := fmt.Sprintf("%d", uint64(c))
	if len(s) < 12 {
		return "****"
	}
	masked := []byte(s)
	for i := 6; i < len(s)-4; i++ {
		masked[i] = '*'
	}
	return string(masked)
}

// GoString keeps %#v masked too.
func (c CardNumber) GoString() string { return c.String() }

// MarshalText keeps JSON and YAML masked.
func (c CardNumber) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// TerminalCode is DE 41, eight characters.
type TerminalCode [8]byte

func (t TerminalCode) String() string { return string(t[:]) }

// MerchantCode is DE 42, fifteen characters.
type MerchantCode [15]byte

func (m MerchantCode) String() string { return string(m[:]) }

// TerminalID is the number of a registered terminal, from 1; 0 is none.
type TerminalID uint32

// Origin is how the edge finds the asker again. The core carries it and gives it no meaning; 0 is nobody.
type Origin uint64

// Purse is one of a holder's purses.
type Purse uint8

const (
	PurseAuto    Purse = iota // debit order of the rules
	PurseMain                 // 主钱包
	PurseSubsidy              // 补贴钱包
)

// Direction is the way through a gate.
type Direction uint8

const (
	DirectionNone Direction = iota
	DirectionIn
	DirectionOut
)

// Request is one thing asked of the core. It is a value: it holds no pointer into a read buffer.
type Request struct {
	Kind     Kind
	Origin   Origin
	Received int64 // microseconds since 1970, stamped where it came in

	Terminal     TerminalID   // of the signed-on session; 0 before sign-on
	TerminalCode TerminalCode // DE 41 as sent
	MerchantCode MerchantCode // DE 42 as sent
	Batch        uint32       // DE 60.2
	Trace        uint32       // DE 11

	Card      CardNumber // DE 2
	Amount    money.Fen  // DE 4
	EntryMode uint16     // DE 22, three digits: how the card was read
	Purse     Purse      // DE 59 C1
	Direction Direction  // DE 59 C5
	PINValue  uint64     // verification value of the PIN that came in DE 52; 0 when none came
	Cause     [2]byte    // DE 39 of a reversal: 98, 96, A0, 06

	Load      uint64       // loads: sequence of the KindLoad entry; withdrawals: of the KindBankWithdrawal entry
	BankCode  ResponseCode // loads: the bank's answer
	BankTrace [12]byte     // loads: the bank's reference, DE 37 or 38 as it sent it
	BankDay   uint32       // loads: the bank's settlement date, DE 15 of its answer, in days since 1970; 0: it has not said

	cardRow uint32 // row of Card + 1, when the core has found it before; a card never moves
}
