package transaction

import (
	"math"

	"onecard/ledger"
	"onecard/ledger/money"
)

// The core's tables. Rows are read by subsystems and changed only by applying entries; a checkpoint writes them field by field.

// Class is a holder class with its limits; 0 means no limit.
type Class struct {
	Code          string
	PINSingle     money.Fen // a purchase above this needs the PIN
	PINDay        money.Fen // a day's total above this needs the PIN
	DayAmount     money.Fen
	DayCount      uint32
	PurseCap      money.Fen
	LoadSingle    money.Fen
	LoadDay       money.Fen
	RefusePartial bool
}

// Merchant is a charging merchant and the account it is owed on.
type Merchant struct {
	Code          MerchantCode
	Payable       ledger.AccountID
	Closed        bool
	Group         uint8  // 0..63, see MerchantTerms
	Opens, Closes uint16 // minutes after midnight
	Others        []SetPayable
}

// Entrance is a door or gate with who may pass when.
type Entrance struct {
	Code   string
	Grants []Grant
}

// Terminal is a registered terminal.
type Terminal struct {
	Code      TerminalCode
	Merchant  uint32 // index
	Type      TerminalType
	Suspended bool
	MACMode   uint8
	Door      uint32 // index + 1; 0 none
	Batch     uint32 // newest batch seen
	SealedKey []byte
}

// Holder is a person with his purses and the day's counters: 64 bytes, a line of the processor's cache.
type Holder struct {
	Groups      uint64
	BankAccount uint64
	Main        ledger.AccountID
	Subsidy     ledger.AccountID
	Loading     uint32 // fen pending at the bank, any day; at most MaxLoading
	DayAmount   uint32 // fen paid on CounterDay, refunds of the same day taken off
	DayLoaded   uint32 // fen loaded or on its way on CounterDay
	BeforePIN   uint32 // of DayAmount, up to the last purchase with a right PIN
	MealAmount  uint32 // fen paid in the meal
	Purses      uint32 // his newest programme purse: index + 1; 0 none
	Claims      uint32 // his oldest batch line that is still to be posted: index + 1; 0 none
	CounterDay  uint16 // days since 1970, see calendarDay
	DayCount    uint16
	Class       uint8
	State       HolderState
	PINTries    uint8 // wrong ones in a row
	Owes        bool  // he has a debt: nothing more is sold to him until it is paid
	Meal        uint8 // the meal of the last purchase, see counters.go
	MealCount   uint8
	Privileged  uint8 // of MealCount: took a privilege with a bound
}

// MaxLoading bounds what a holder may have pending at the bank.
const MaxLoading money.Fen = math.MaxUint32

// Card is a card in a holder's hands.
type Card struct {
	Number   CardNumber
	PINValue uint64 // verification value, bound to the card's number; 0: no PIN set
	Holder   uint32 // index
	Expiry   uint16 // last valid day, days since 1970; 0 never
	State    CardState
}

// cardExpiry is a day as a card's row holds it: what lies behind the middle of the next century is its last day there. It makes a row one of
// 24 bytes in place of 32.
func cardExpiry(day uint64) uint16 { return uint16(min(day, math.MaxUint16)) }

// answered is one remembered answer of one terminal: a row of the duplicate table, 96 bytes. A terminal has a window of originals and
// one of reversals, each addressed by trace number modulo the window (see window.go).
type answered struct {
	batch, trace uint32
	number       CardNumber // as sent
	amount       money.Fen  // as sent
	balance      money.Fen
	numbers      Numbers // of a refusal; of an approval: main, subsidy; of a load besides, third: the bank account that it was asked from
	sequence     uint64
	time         int64  // of the answer
	asked        int64  // loads: when the bank was asked; its reversal must carry the same moment. Approved purchases: packedPrice
	day          uint32 // business day; counters go by the date of time, a load's by that of asked
	card         uint32 // index + 1; 0 unknown
	code         ResponseCode
	kind         Kind // 0: the row is empty
	reason       Reason
	purse        Purse
	direction    Direction
	phase        phase
	hasBalance   bool
}

// phase is where an original stands.
type phase uint8

const (
	phaseAnswered  phase = iota
	phaseOpen            // a load that still waits for the bank: no answer yet
	phaseReversed        // given back, or cancelled before it counted
	phaseTombstone       // the reversal came first; the original is refused when it comes
)

// load is an open load; finished ones live in the ledger only. The zero phase of a load's money is a hold from the account "load in
// transit" to the purse.
type load struct {
	order    LoadOrder
	holder   uint32
	terminal TerminalID
	batch    uint32
	trace    uint32
	state    loadState
}

// held says whether the load's money is a hold. What a terminal has given back is in transit again.
func (l *load) held() bool { return l.state != loadReturning && l.state != loadManualReturning }

// loadState follows a load at the bank (wire handbook 4.2). CONFIRMED, DECLINED and REVERSED are ends: the row is gone. MANUAL ends by an
// operation (actload.go), or by the bank's answer to the reversal after all.
type loadState uint8

const (
	loadSent            loadState = iota + 1 // pending, on disk before it leaves
	loadReversing                            // outcome unknown: a reversal is on disk and repeated until answered; the hold stays
	loadReturning                            // credited, then reversed by the terminal: the money is back in transit, the bank must still be told
	loadManual                               // reversing, given up: the hold stays until two persons say what the bank's file says
	loadManualReturning                      // returning, given up
)
