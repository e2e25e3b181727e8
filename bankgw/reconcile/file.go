package reconcile

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"strconv"

	"onecard/ledger/money"
)

const (
	// LinesMax bounds the details of a file, and our own list.
	LinesMax = 5_000_000
	// AmountMax is the largest amount of one load, DE 4 in twelve digits. LinesMax of them fit into money.Fen.
	AmountMax money.Fen = 999_999_999_999
	// SequenceMax is the largest sequence, DE 37 in twelve digits.
	SequenceMax uint64 = 999_999_999_999

	accountDigits = 19
	cardDigits    = 19
)

// Format of a bank's file; the package comment draws both.
type Format uint8

// Formats.
const (
	FormatA Format = iota + 1 // fields between bars
	FormatB                   // 71 bytes a line
)

// Kind of a detail.
type Kind uint8

// Kinds, as they stand in a file.
const (
	KindLoad     Kind = 1 // 圈存
	KindReversal Kind = 2 // 圈存冲正
	KindCredit   Kind = 3 // 提现: the bank has paid an account
)

// Account is a campus account, at most 19 digits; 0: not known. It prints masked and is a string of all its digits in JSON, since whoever
// makes a credit up needs it.
type Account uint64

// String prints the first six and the last four digits.
func (a Account) String() string {
	digits := strconv.FormatUint(uint64(a), 10)
	if a == 0 {
		return "-"
	}
	if len(digits) <= 10 {
		return "******"
	}
	return digits[:6] + "******" + digits[len(digits)-4:]
}

// MarshalJSON writes the digits as a string: a number of 19 digits does not survive every reader of JSON.
func (a Account) MarshalJSON() ([]byte, error) {
	return []byte(`"` + strconv.FormatUint(uint64(a), 10) + `"`), nil
}

// UnmarshalJSON reads what MarshalJSON has written.
func (a *Account) UnmarshalJSON(text []byte) error {
	digits, err := strconv.Unquote(string(text))
	if err != nil {
		return fmt.Errorf("账户应为数字串 / an account is a string of digits")
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return fmt.Errorf("账户应为数字串 / an account is a string of digits")
	}
	*a = Account(n)
	return nil
}

// accountSpaceB is what a campus account is counted in once format B has cut it.
const accountSpaceB Account = 1_000_000_000_000_000_000

// sameHolder compares two accounts as far as both are known, in the digits that both formats carry.
func sameHolder(a, b Account) bool {
	return a == 0 || b == 0 || a%accountSpaceB == b%accountSpaceB
}

// MaskedCard is a bank card of which at most ten digits are shown, such as 621700******5678, filled with zero bytes.
type MaskedCard [cardDigits]byte

// String is the card as it stands in the file.
func (c MaskedCard) String() string {
	n := 0
	for n < len(c) && c[n] != 0 {
		n++
	}
	return string(c[:n])
}

// MarshalText is String.
func (c MaskedCard) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Code is a response code, DE 39.
type Code [2]byte

// Approved is the code of a line that moved money.
var Approved = Code{'0', '0'}

func (c Code) String() string { return string(c[:]) }

// MarshalText is String.
func (c Code) MarshalText() ([]byte, error) { return c[:], nil }

// Line is one detail of a bank's file. It is laid out for millions: 72 bytes, no pointer.
type Line struct {
	Sequence     uint64 // ours, DE 37, 1..SequenceMax
	BankSequence uint64
	Account      Account
	Amount       money.Fen // 1..AmountMax; also of a reversal
	Moment       Moment    // on the bank's clock
	Number       uint32    // line of the file, the header is 1
	Kind         Kind
	Code         Code
	Card         MaskedCard // format A
}

// kept is what the bank keeps of the holder's money by this line: a load adds, a reversal or a withdrawal gives back, a refusal does neither.
func (l *Line) kept() money.Fen {
	switch {
	case l == nil || l.Code != Approved:
		return 0
	case l.Kind == KindReversal || l.Kind == KindCredit:
		return -l.Amount
	}
	return l.Amount
}

// compareLines is the order of File.Lines. Two lines of one sequence and kind are a duplicate: the date of all is the file's.
func compareLines(a, b Line) int {
	return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.Kind, b.Kind))
}

// Digest is a SHA-256.
type Digest [32]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText is String.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads 64 hex digits.
func (d *Digest) UnmarshalText(text []byte) error {
	if n, err := hex.Decode(d[:], text[:min(len(text), 2*len(d))]); err != nil || n != len(d) || len(text) != 2*len(d) {
		return fmt.Errorf("摘要应为 64 位十六进制 / a digest is 64 hex digits")
	}
	return nil
}

// Identity of a file. The same identity is the same file, whatever it is called.
type Identity struct {
	Bank   string `json:"bank"` // institution, digits
	Day    Day    `json:"day"`
	SHA256 Digest `json:"sha256"` // of all its bytes
}

// Count is how many and how much.
type Count struct {
	Count int       `json:"count"`
	Sum   money.Fen `json:"sum_fen"`
}

func (c *Count) add(amount money.Fen) { c.Count++; c.Sum += amount }

// File is a bank's file of one day, read whole.
type File struct {
	Identity
	Name   string
	School string
	Lines  []Line // by sequence and kind, no two alike

	// What moved money, added up line by line as the file was read.
	Loads, Reversals, Withdrawals Count
	// Refused is how many lines moved nothing.
	Refused int
}

// tally adds a line up.
func (f *File) tally(l *Line) {
	switch {
	case l.Code != Approved:
		f.Refused++
	case l.Kind == KindReversal:
		f.Reversals.add(l.Amount)
	case l.Kind == KindCredit:
		f.Withdrawals.add(l.Amount)
	default:
		f.Loads.add(l.Amount)
	}
}
