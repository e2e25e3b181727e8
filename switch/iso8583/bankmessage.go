package iso8583

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	moov "github.com/moov-io/iso8583"
)

// BankMessage is a message of the bank link. Absent fields are never created by reading them (wire handbook 2.4, pitfall 1).
type BankMessage struct {
	message *moov.Message
	fault   error // the first error of Set
}

// NewBankMessage starts a message.
func NewBankMessage(spec *moov.MessageSpec, mti string) *BankMessage {
	m := moov.NewMessage(spec)
	m.MTI(mti)
	return &BankMessage{message: m}
}

// Set writes a field; an empty value leaves it out. The first error is reported by Pack.
func (b *BankMessage) Set(n int, value string) *BankMessage {
	if value == "" || b.fault != nil {
		return b
	}
	f, ok := bankFields[n]
	if !ok {
		b.fault = fmt.Errorf("bank field %d is not in the profile", n)
		return b
	}
	if f.digits == 0 && len(value) != f.length {
		b.fault = fmt.Errorf("bank field %d: %d bytes, %d expected", n, len(value), f.length)
		return b
	}
	b.fault = b.message.BinaryField(n, []byte(value))
	return b
}

// SetNumber writes a fixed numeric field, zero filled.
func (b *BankMessage) SetNumber(n int, value uint64) *BankMessage {
	return b.Set(n, fmt.Sprintf("%0*d", bankFields[n].length, value))
}

// MTI returns the message type, such as "0210".
func (b *BankMessage) MTI() string {
	mti, err := b.message.GetMTI()
	if err != nil {
		return ""
	}
	return mti
}

// Has says whether a field is there.
func (b *BankMessage) Has(n int) bool { return n > 1 && b.message.GetField(n) != nil }

// String returns a field, "" when absent.
func (b *BankMessage) String(n int) string {
	if !b.Has(n) {
		return ""
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

// Seal packs the message with its MAC in F128.
func (b *BankMessage) Seal(mac *MAC) ([]byte, error) {
	b.Set(128, string(make([]byte, MACSize)))
	if b.fault != nil {
		return nil, b.fault
	}
	raw, err := b.message.Pack()
	if err != nil {
		return nil, fmt.Errorf("packing a bank message %s: %w", b.MTI(), err)
	}
	sum := mac.Sum(nil, raw[:len(raw)-MACSize])
	copy(raw[len(raw)-MACSize:], sum[:])
	return raw, nil
}

// ErrBankMAC says that a bank message does not carry the MAC of its bytes.
var ErrBankMAC = errors.New("wrong MAC")

// OpenBankMessage reads a message after checking its MAC over the raw bytes, and that nothing stands behind its last field. Its errors never
// hold the message, as moov's own do (pitfall 10).
func OpenBankMessage(spec *moov.MessageSpec, raw []byte, mac *MAC) (*BankMessage, error) {
	if len(raw) < 4+16+MACSize || raw[4]&0x80 == 0 || raw[4+15]&1 == 0 {
		return nil, fmt.Errorf("bank message of %d bytes without a MAC field: %w", len(raw), ErrBankMAC)
	}
	if !mac.Verify(nil, raw[:len(raw)-MACSize], raw[len(raw)-MACSize:]) {
		return nil, ErrBankMAC
	}
	b, err := readBank(spec, raw)
	if err != nil {
		return nil, fmt.Errorf("bank message cannot be read: %w", err)
	}
	return b, nil
}

// readBank reads a message whatever its MAC. The error is a *ParseError; what stood before the fault can be asked for.
func readBank(spec *moov.MessageSpec, raw []byte) (*BankMessage, error) {
	b := &BankMessage{message: moov.NewMessage(spec)}
	switch {
	case len(raw) < 4+8 || raw[4]&0x80 != 0 && len(raw) < 4+16:
		return b, &ParseError{1, FaultTruncated}
	case raw[4]&0x80 != 0 && raw[4+8]&0x80 != 0:
		return b, &ParseError{65, FaultUndefined} // moov would read a third bitmap
	}
	if err := b.message.Unpack(raw); err != nil {
		return b, unpackFault(err)
	}
	// What was read packs to the same bytes, and reading has made no field; a difference is what moov does not look at: bytes behind the
	// last field, or a secondary bitmap with nothing in it.
	if again, err := b.message.Pack(); err != nil || !bytes.Equal(again, raw) {
		return b, &ParseError{128, FaultTrailing}
	}
	return b, nil
}
