package iso8583

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"

	moov "github.com/moov-io/iso8583"
	"github.com/moov-io/iso8583/field"
)

// BankMessage is a message of the bank link. Absent fields are never created by reading them (wire handbook 2.4, pitfall 1).
type BankMessage struct {
	message *moov.Message
	profile *BankProfile
	fault   error // the first error of Set
	set     fieldSet
	stale   fieldSet // left over from the message before: see Restart
}

// fieldSet is a set of field numbers, 0 to 128.
type fieldSet [3]uint64

func (s *fieldSet) add(n int)      { s[n>>6] |= 1 << (n & 63) }
func (s *fieldSet) has(n int) bool { return n <= fieldsMax && s[n>>6]&(1<<(n&63)) != 0 }

// NewBankMessage starts a message.
func NewBankMessage(profile *BankProfile, mti string) *BankMessage {
	b := &BankMessage{message: moov.NewMessage(profile.spec), profile: profile}
	b.message.MTI(mti)
	return b
}

// Restart begins another message in place of this one. It keeps the fields' objects, which cost more than what is written into them; who
// writes the same kind of message again and again does so in one BankMessage.
func (b *BankMessage) Restart(mti string) *BankMessage {
	for i, set := range b.set {
		b.stale[i] |= set
	}
	b.set, b.fault = fieldSet{}, nil
	b.message.MTI(mti)
	return b
}

// Set writes a field; an empty value leaves it out. The first error is reported by Pack.
func (b *BankMessage) Set(n int, value string) *BankMessage {
	if value == "" || b.fault != nil {
		return b
	}
	f, ok := b.profile.field(n)
	if !ok {
		b.fault = fmt.Errorf("bank field %d is not in the profile", n)
		return b
	}
	if f.digits == 0 && len(value) != f.length {
		b.fault = fmt.Errorf("bank field %d: %d bytes, %d expected", n, len(value), f.length)
		return b
	}
	b.set.add(n)
	if text, ok := b.message.GetField(n).(*field.String); ok {
		text.SetValue(value)
		return b
	}
	b.fault = b.message.BinaryField(n, []byte(value))
	return b
}

// SetNumber writes a fixed numeric field, zero filled.
func (b *BankMessage) SetNumber(n int, value uint64) *BankMessage {
	f, _ := b.profile.field(n)
	var room [numberDigitsMax]byte
	digits := strconv.AppendUint(room[:0], value, 10)
	if f.length <= len(digits) || f.length > len(room) {
		return b.Set(n, string(digits))
	}
	filled := room[:f.length]
	copy(filled[f.length-len(digits):], digits)
	for i := range f.length - len(digits) {
		filled[i] = '0'
	}
	return b.Set(n, string(filled))
}

// numberDigitsMax is the longest fixed number that SetNumber fills: F90 has 42 digits.
const numberDigitsMax = 64

// MTI returns the message type, such as "0210".
func (b *BankMessage) MTI() string {
	mti, err := b.message.GetMTI()
	if err != nil {
		return ""
	}
	return mti
}

// Has says whether a field is there.
func (b *BankMessage) Has(n int) bool {
	return n > 1 && (!b.stale.has(n) || b.set.has(n)) && b.message.GetField(n) != nil
}

// String returns a field, "" when absent.
func (b *BankMessage) String(n int) string {
	if n < 2 || b.stale.has(n) && !b.set.has(n) {
		return ""
	}
	if text, ok := b.message.GetField(n).(*field.String); ok {
		return text.Value()
	}
	value, err := b.message.GetBytes(n)
	if err != nil {
		return ""
	}
	return string(value)
}

// Number returns a numeric field; ok is false when it is absent or not digits only.
func (b *BankMessage) Number(n int) (value uint64, ok bool) {
	text := b.String(n)
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
	}
	value, err := strconv.ParseUint(text, 10, 64)
	return value, err == nil
}

// Seal packs the message with its MAC in its last field: F128, or F64 where the bank has it there and no field above 64 is in the message.
func (b *BankMessage) Seal(mac *MAC) ([]byte, error) {
	b.Set(b.macField(), noMAC)
	if b.fault != nil {
		return nil, b.fault
	}
	for i := range b.stale {
		for left := b.stale[i] &^ b.set[i]; left != 0; left &= left - 1 {
			b.message.UnsetField(i<<6 + bits.TrailingZeros64(left))
		}
	}
	b.stale = fieldSet{}
	raw, err := b.message.Pack()
	if err != nil {
		return nil, fmt.Errorf("packing a bank message %s: %w", b.MTI(), err)
	}
	sum := mac.Sum(nil, raw[:len(raw)-MACSize])
	copy(raw[len(raw)-MACSize:], sum[:])
	return raw, nil
}

// noMAC holds the place until the MAC is computed.
const noMAC = "\x00\x00\x00\x00\x00\x00\x00\x00"

func (b *BankMessage) macField() int {
	if b.profile.macField == fieldsMax {
		return fieldsMax
	}
	for n := b.profile.macField + 1; n < fieldsMax; n++ {
		if b.set.has(n) {
			return fieldsMax
		}
	}
	return b.profile.macField
}

// ErrBankMAC says that a bank message does not carry the MAC of its bytes.
var ErrBankMAC = errors.New("wrong MAC")

// OpenBankMessage reads a message after checking its MAC over the raw bytes, and that nothing stands behind its last field. Its errors never
// hold the message, as moov's own do (pitfall 10).
func OpenBankMessage(profile *BankProfile, raw []byte, mac *MAC) (*BankMessage, error) {
	if !profile.carriesMAC(raw) {
		return nil, fmt.Errorf("bank message of %d bytes without a MAC field: %w", len(raw), ErrBankMAC)
	}
	if !mac.Verify(nil, raw[:len(raw)-MACSize], raw[len(raw)-MACSize:]) {
		return nil, ErrBankMAC
	}
	b, err := readBank(profile, raw)
	if err != nil {
		return nil, fmt.Errorf("bank message cannot be read: %w", err)
	}
	return b, nil
}

// carriesMAC says whether the bitmap has the MAC for its last field, and there is room for it.
func (p *BankProfile) carriesMAC(raw []byte) bool {
	if len(raw) < 4+8+MACSize || raw[4]&0x80 == 0 {
		return p.macField < fieldsMax && len(raw) >= 4+8+MACSize && raw[4+7]&1 != 0
	}
	return len(raw) >= 4+16+MACSize && raw[4+15]&1 != 0
}

// readBank reads a message whatever its MAC. The error is a *ParseError; what stood before the fault can be asked for.
func readBank(profile *BankProfile, raw []byte) (*BankMessage, error) {
	b := &BankMessage{message: moov.NewMessage(profile.spec), profile: profile}
	switch {
	case len(raw) < 4+8 || raw[4]&0x80 != 0 && len(raw) < 4+16:
		return b, &ParseError{1, FaultTruncated}
	case raw[4]&0x80 != 0 && raw[4+8]&0x80 != 0:
		return b, &ParseError{65, FaultUndefined} // moov would read a third bitmap
	}
	if err := b.message.Unpack(raw); err != nil {
		return b, unpackFault(err)
	}
	// What moov does not look at: bytes behind the last field, or a secondary bitmap with nothing in it. To pack what was read and compare
	// says the same at a third of the cost of the message.
	if raw[4]&0x80 != 0 && [8]byte(raw[4+8:4+16]) == [8]byte{} || profile.end(raw) != len(raw) {
		return b, &ParseError{128, FaultTrailing}
	}
	return b, nil
}

// end is where the last field of a message ends. REQUIRES: every field has been read from raw without a fault.
func (p *BankProfile) end(raw []byte) int {
	position, fields := 4+8, fieldsMax/2
	if raw[4]&0x80 != 0 {
		position, fields = 4+16, fieldsMax
	}
	for n := 2; n <= fields; n++ {
		if raw[4+(n-1)/8]&(0x80>>((n-1)%8)) == 0 || n == 65 {
			continue
		}
		f, length := &p.fields[n], p.fields[n].length
		if f.digits > 0 {
			length = 0
			for _, c := range raw[position : position+f.digits] {
				length = length*10 + int(c-'0')
			}
			position += f.digits
		}
		position += f.bytes(length)
	}
	return position
}
