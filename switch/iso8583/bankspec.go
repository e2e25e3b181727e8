package iso8583

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	moov "github.com/moov-io/iso8583"
	"github.com/moov-io/iso8583/encoding"
	"github.com/moov-io/iso8583/field"
	"github.com/moov-io/iso8583/prefix"
)

// bankFields is the table of the bank link "Bank-8583 v1" (wire handbook 5.2): ASCII numerics and lengths, MAC in F128. length is the most
// for variable fields.
var bankFields = map[int]bankField{
	2: {19, 2, false}, 3: {6, 0, false}, 4: {12, 0, false}, 7: {10, 0, false}, 11: {6, 0, false}, 12: {6, 0, false}, 13: {4, 0, false}, 15: {4, 0, false},
	18: {4, 0, false}, 22: {3, 0, false}, 25: {2, 0, false}, 32: {11, 2, false}, 33: {11, 2, false}, 37: {12, 0, false}, 38: {6, 0, false}, 39: {2, 0, false},
	41: {8, 0, false}, 42: {15, 0, false}, 44: {25, 2, true}, 48: {512, 3, true}, 49: {3, 0, false}, 50: {3, 0, false}, 52: {8, 0, true}, 53: {16, 0, false},
	54: {120, 3, false}, 60: {30, 3, false}, 61: {200, 3, true}, 66: {1, 0, false}, 70: {3, 0, false}, 74: {10, 0, false}, 75: {10, 0, false}, 76: {10, 0, false},
	77: {10, 0, false}, 86: {16, 0, false}, 87: {16, 0, false}, 88: {16, 0, false}, 89: {16, 0, false}, 90: {42, 0, false}, 96: {8, 0, true}, 97: {17, 0, false},
	100: {11, 2, false}, 101: {17, 2, false}, 102: {28, 2, false}, 103: {28, 2, false}, 128: {8, 0, true},
}

type bankField struct {
	length int
	digits int  // of the length prefix, 0 fixed
	binary bool // bytes, GBK text included
}

// BankSpec is the moov specification of the bank link. It is made once per gateway or simulator and shared.
func BankSpec() *moov.MessageSpec {
	fields := map[int]field.Field{
		0: field.NewString(&field.Spec{Length: 4, Description: "MTI", Enc: encoding.ASCII, Pref: prefix.ASCII.Fixed}),
		1: field.NewBitmap(&field.Spec{Description: "bitmap", Enc: encoding.Binary, Pref: prefix.Binary.Fixed}),
	}
	for n, f := range bankFields {
		spec := &field.Spec{Length: f.length, Description: "F" + strconv.Itoa(n), Enc: encoding.ASCII, Pref: prefix.ASCII.Fixed}
		switch f.digits {
		case 2:
			spec.Pref = prefix.ASCII.LL
		case 3:
			spec.Pref = prefix.ASCII.LLL
		}
		if f.binary {
			spec.Enc = encoding.Binary
			fields[n] = field.NewBinary(spec)
		} else {
			fields[n] = field.NewString(spec)
		}
	}
	return &moov.MessageSpec{Name: "Bank-8583 v1", Fields: fields}
}

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
	f := bankFields[n]
	if f.digits == 0 && len(value) != f.length {
		b.fault = fmt.Errorf("bank field %d: %d bytes, %d expected", n, len(value), f.length)
		return b
	}
	if f.binary {
		b.fault = b.message.BinaryField(n, []byte(value))
	} else {
		b.fault = b.message.Field(n, value)
	}
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
func (b *BankMessage) Has(n int) bool { return b.message.Bitmap().IsSet(n) }

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

// OpenBankMessage reads a message, checks that nothing stands behind its last field, and checks its MAC over the raw bytes.
func OpenBankMessage(spec *moov.MessageSpec, raw []byte, mac *MAC) (*BankMessage, error) {
	b := &BankMessage{message: moov.NewMessage(spec)}
	if len(raw) < 4+16+MACSize || raw[4]&0x80 == 0 || raw[4+15]&1 == 0 {
		return nil, fmt.Errorf("bank message of %d bytes without a MAC field: %w", len(raw), ErrBankMAC)
	}
	if !mac.Verify(nil, raw[:len(raw)-MACSize], raw[len(raw)-MACSize:]) {
		return nil, ErrBankMAC
	}
	if err := b.message.Unpack(raw); err != nil {
		return nil, errors.New("bank message cannot be read") // moov's error holds the message: never log it (pitfall 10)
	}
	again, err := b.message.Pack()
	if err != nil || len(again) != len(raw) {
		return nil, errors.New("bank message has bytes behind its last field")
	}
	return b, nil
}

// BankFraming is how messages follow each other on a bank's line.
type BankFraming string

// Framings: four ASCII digits or two bytes, of the length that follows.
const (
	FramingASCII4  BankFraming = "ascii4"
	FramingBinary2 BankFraming = "binary2"
)

// maxBankFrame bounds a message of the bank link.
const maxBankFrame = 4096

// AppendBankFrame puts the length before a payload.
func AppendBankFrame(dst []byte, framing BankFraming, payload []byte) []byte {
	if framing == FramingBinary2 {
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(payload)))
	} else {
		dst = fmt.Appendf(dst, "%04d", len(payload))
	}
	return append(dst, payload...)
}

// ReadBankFrame reads one payload. Length 0 is a heartbeat that some banks send and is returned as an empty payload.
func ReadBankFrame(r *bufio.Reader, framing BankFraming) ([]byte, error) {
	var prefix [4]byte
	size := 4
	if framing == FramingBinary2 {
		size = 2
	}
	if _, err := io.ReadFull(r, prefix[:size]); err != nil {
		return nil, err
	}
	length := 0
	if framing == FramingBinary2 {
		length = int(binary.BigEndian.Uint16(prefix[:]))
	} else {
		n, err := strconv.ParseUint(string(prefix[:]), 10, 16)
		if err != nil {
			return nil, fmt.Errorf("bank frame length %q is not four digits", prefix)
		}
		length = int(n)
	}
	if length > maxBankFrame {
		return nil, fmt.Errorf("bank frame of %d bytes, at most %d", length, maxBankFrame)
	}
	payload := make([]byte, length)
	_, err := io.ReadFull(r, payload)
	return payload, err
}
