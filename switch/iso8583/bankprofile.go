package iso8583

import (
	"fmt"
	"strconv"
	"strings"
)

// NewBankProfile is "Bank-8583 v1" with what is different at one bank: fields in the notation of the standard, and where the MAC is.
//
//	n12       12 digits                   an8, ans8   8 printable characters         b8    8 bytes
//	n..19     up to 19 digits, LL before  ans..120    up to 120 characters, LLL before    -     the bank does not know the field
//	n12 bcd   digits packed two a byte
//
// macField is 128, or 64: then a message without fields above 64 has one bitmap and its MAC in F64, as the standard has it. All faults are
// reported, each by its field; a fault of macField by 0.
func NewBankProfile(fields map[int]string, macField int) (*BankProfile, map[int]error) {
	p, faults := BankSpec(), map[int]error{}
	for n, notation := range fields {
		if n < 2 || n > fieldsMax || n == 64 || n == 65 || n == fieldsMax {
			faults[n] = fmt.Errorf("域号须为 2 至 127,且不是 64、65 / the field must be 2 to 127, and neither 64 nor 65")
			continue
		}
		f, err := parseBankField(p.fields[n], notation)
		if err != nil {
			faults[n] = err
			continue
		}
		p.fields[n] = f
	}
	switch macField {
	case fieldsMax:
	case fieldsMax / 2:
		p.macField = macField
		p.fields[macField] = bankFields[fieldsMax]
	default:
		faults[0] = fmt.Errorf("须为 64 或 128 / must be 64 or 128, is %d", macField)
	}
	p.makeSpec()
	return p, faults
}

// parseBankField reads the notation over what the profile has.
func parseBankField(f bankField, notation string) (bankField, error) {
	wrong := fmt.Errorf("须如 n12、n..19、ans8、ans..120、b8、n12 bcd 或 - / must be like n12, n..19, ans8, ans..120, b8, n12 bcd or -, is %q", notation)
	if notation == "-" {
		return bankField{}, nil
	}
	words := strings.Fields(notation)
	if len(words) == 0 || len(words) > 2 || len(words) == 2 && words[1] != "bcd" {
		return f, wrong
	}
	kind, size := words[0], ""
	if at := strings.IndexAny(kind, ".0123456789"); at > 0 {
		kind, size = kind[:at], kind[at:]
	}
	switch kind {
	case "n":
		f.kind = bankNumber
	case "an", "ans":
		f.kind = bankText
	case "b":
		f.kind = bankBytes
	default:
		return f, wrong
	}
	if len(words) == 2 {
		if f.kind != bankNumber {
			return f, wrong
		}
		f.kind = bankPacked
	}
	length, variable := strings.CutPrefix(size, "..")
	n, err := strconv.ParseUint(length, 10, 16)
	if err != nil || n < 1 || n > 999 {
		return f, wrong
	}
	f.length, f.digits = int(n), 0
	switch {
	case variable && n > 99:
		f.digits = 3
	case variable:
		f.digits = 2
	}
	if f.zh == "" {
		f.zh, f.en = "银行自定义", "private to the bank"
		f.secret = true // what it holds is not known here, so it is not shown
	}
	return f, nil
}

// FieldShape is what a field takes.
type FieldShape struct {
	Digits bool // digits only
	Text   bool // printable ASCII, or digits
	Fixed  bool // always Length of them
	Length int
}

// Shape is what a bank's field takes; false: the bank does not know it.
func (p *BankProfile) Shape(n int) (FieldShape, bool) {
	f, ok := p.field(n)
	return FieldShape{f.kind == bankNumber || f.kind == bankPacked, f.kind != bankBytes, f.digits == 0, f.length}, ok
}
