package transaction

import (
	"fmt"

	"onecard/ledger"
	"onecard/ledger/money"
)

// Directory is what an import brings: rows that are new to the site. It is applied all or nothing; Check says everything that is wrong
// with it before anything is written.
//
// Names of people are not here: entries in the ledger are for ever, names must be erasable, so they live in directory rows beside it.
type Directory struct {
	Classes   []ClassRow
	Merchants []MerchantRow
	Doors     []DoorRow
	Terminals []TerminalRow
	Holders   []HolderRow
	Cards     []CardRow

	Sets       []AccountSetRow
	Terms      []MerchantTerms
	Programmes []ProgrammeRow
	Desks      []DeskRow
}

// ClassRow is a holder class (身份类别) with its limits; 0 means no limit (handbook 3.1, 3.2). Amounts in fen.
type ClassRow struct {
	Code          string // at most 16 bytes
	PINSingle     money.Fen
	PINDay        money.Fen
	DayAmount     money.Fen
	DayCount      uint32
	PurseCap      money.Fen
	LoadSingle    money.Fen
	LoadDay       money.Fen
	RefusePartial bool // a subsidy smaller than the amount is left alone (handbook 3.4: partial_subsidy off)
}

// MerchantRow is a charging merchant (商户).
type MerchantRow struct {
	Code          MerchantCode
	Closed        bool
	Opens, Closes uint16 // minutes after midnight; Opens == Closes: always open; Closes < Opens: over midnight
}

// DoorRow is a door or gate with who may pass when (handbook 3.12).
type DoorRow struct {
	Code   string // at most 16 bytes
	Grants []Grant
}

// Grant lets one permission group through on some weekdays between two times.
type Grant struct {
	Group    uint8  // 0..63
	Weekdays uint8  // bit 0 Monday .. bit 6 Sunday
	From, To uint16 // minutes after midnight; From == To: all day; To < From: over midnight, into the day after
}

// TerminalType says what a terminal may ask for.
type TerminalType uint8

const (
	TerminalPOS   TerminalType = iota + 1 // purchase, balance, reversal
	TerminalGate                          // passage
	TerminalKiosk                         // balance, load, reversal
)

// TerminalRow is a registered terminal.
type TerminalRow struct {
	Code      TerminalCode
	Merchant  MerchantCode
	Type      TerminalType
	Suspended bool
	MACMode   uint8  // iso8583.MACMode
	SealedKey []byte // master key sealed under the site key
	Door      string // gates only
}

// HolderState is the person's registration (学籍/在职).
type HolderState uint8

const (
	HolderActive    HolderState = iota
	HolderSuspended             // 休学/停职
	HolderLeft                  // 离校
)

// HolderRow is a card holder; his purses are opened with it.
type HolderRow struct {
	Number         string // 学号/工号, at most 20 bytes
	Class          string
	State          HolderState
	Groups         uint64 // permission groups, bit per group
	BankAccount    uint64 // signed account for loads; 0 none
	OpeningMain    money.Fen
	OpeningSubsidy money.Fen
}

// CardState is where a card is in its life (handbook 2.2).
type CardState uint8

const (
	CardActive CardState = iota
	CardLost             // 挂失
	CardFrozen           // 冻结
	CardClosed           // 注销
)

var cardStateNames = [...]string{"active", "lost", "frozen", "closed"}

func (s CardState) String() string { return cardStateNames[s] }

// ParseCardState reads what String prints.
func ParseCardState(name string) (CardState, error) {
	for s, n := range cardStateNames {
		if n == name {
			return CardState(s), nil
		}
	}
	return 0, fmt.Errorf("card state %q: write active, lost, frozen or closed", name)
}

// CardRow is a card in a holder's hands.
type CardRow struct {
	Number    CardNumber
	Holder    string
	State     CardState
	ExpiryDay uint32 // last valid day, days since 1970; 0 never
	PINValue  uint64 // verification value; 0: no PIN set
}

// Fault is one thing wrong with one row of a directory.
type Fault struct {
	Table  string // "holders"
	Row    int    // from 0
	Column string // as in the import files; "" the row as a whole
	Text   string // what is wrong and what to do
}

// CardStateChange moves a card to another state; the holder or an operator asks for it.
type CardStateChange struct {
	Card     CardNumber
	To       CardState
	Operator string // who asked, at most 32 bytes; stored
}

// OpeningKind marks the entry that books a holder's opening balance.
const OpeningKind ledger.Kind = 4
