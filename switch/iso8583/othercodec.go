package iso8583

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	moov "github.com/moov-io/iso8583"
	moovfault "github.com/moov-io/iso8583/errors"
)

// OtherCodec reads and writes messages of the terminal link whatever their MTI: settlement 0500, batch upload 0320, authorisation 0100
// and all that a vendor may send. They are rare, so moov does the work; the hot codec's strictness is kept around it (wire handbook 2.4).
// It holds specifications only and may be used by several goroutines.
type OtherCodec struct {
	short, long *moov.MessageSpec // F52 of 8 and of 16 bytes
}

// NewOtherCodec makes the specifications.
func NewOtherCodec() *OtherCodec { return &OtherCodec{TerminalSpec(8), TerminalSpec(16)} }

// OtherMessage is a message of the terminal link in moov's hands. What Read returns shares the payload: it is good while that is.
type OtherMessage struct {
	message    *moov.Message
	tpdu       [tpduSize]byte
	header     [headerSize]byte
	mti        MTI
	raw        []byte // nil when it was not read
	start, end [65]uint16
	fault      error // the first error of Set
}

// Read reads a payload. The length of F52 is not known outside a session, so 8 bytes are tried before 16. The error is a *ParseError and
// never holds the message, as moov's own does (pitfall 10).
func (c *OtherCodec) Read(payload []byte) (*OtherMessage, error) {
	m, err := readOther(c.short, payload)
	if err != nil && len(payload) >= MinPayload && binary.BigEndian.Uint64(payload[bitmapAt:])&(1<<(64-52)) != 0 {
		if other, again := readOther(c.long, payload); again == nil {
			return other, nil
		}
	}
	return m, err
}

func readOther(spec *moov.MessageSpec, payload []byte) (*OtherMessage, error) {
	switch {
	case len(payload) < MinPayload || len(payload) > MaxPayload:
		return nil, parseErrors[0][FaultLength]
	case payload[0] != 0x60:
		return nil, parseErrors[0][FaultTPDU]
	case !isBCD(payload[mtiAt]) || !isBCD(payload[mtiAt+1]):
		return nil, parseErrors[0][FaultMTI]
	case payload[bitmapAt]&0x80 != 0:
		return nil, parseErrors[1][FaultBit1] // moov would take the second bitmap for F2 (pitfall 4)
	}
	m := &OtherMessage{
		message: moov.NewMessage(spec), raw: payload, tpdu: [tpduSize]byte(payload), header: [headerSize]byte(payload[tpduSize:]),
		mti: MTI(binary.BigEndian.Uint16(payload[mtiAt:])),
	}
	if err := m.message.Unpack(payload[mtiAt:]); err != nil {
		return nil, unpackFault(err)
	}
	if !m.locate() {
		return nil, parseErrors[64][FaultTrailing] // moov does not look (pitfall 3)
	}
	return m, nil
}

// unpackFault keeps field and fault of a moov error and drops the rest, which holds the whole message.
func unpackFault(err error) error {
	field := 0
	if u := new(moovfault.UnpackError); errors.As(err, &u) {
		field, _ = strconv.Atoi(u.FieldID)
	}
	fault := FaultOf(err)
	if fault == FaultNone {
		fault = FaultUndefined // the only error that is not of our encoders: the specification lacks the field
	}
	if field >= len(parseErrors) {
		return &ParseError{field, fault} // of the bank link
	}
	return parseErrors[field][fault]
}

// locate finds where each field stands, from the lengths of what was read: moov does not say. It is false when something stands behind the
// last field.
func (m *OtherMessage) locate() bool {
	position := fieldsAt
	for rest := binary.BigEndian.Uint64(m.raw[bitmapAt:]); rest != 0; {
		n := bits.LeadingZeros64(rest) + 1
		rest &^= 1 << (64 - n)
		f := &fields[n]
		size := len(m.Value(n))
		if f.packed() {
			size = (size + 1) / 2
		}
		m.start[n] = uint16(position)
		position += f.prefixSize() + size
		m.end[n] = uint16(position)
	}
	return position == len(m.raw)
}

// NewMessage starts a message.
func (c *OtherCodec) NewMessage(tpdu [5]byte, header [6]byte, mti MTI) *OtherMessage {
	m := &OtherMessage{message: moov.NewMessage(c.short), tpdu: tpdu, header: header, mti: mti}
	m.message.MTI(fmt.Sprintf("%04X", uint16(mti)))
	return m
}

// Set writes a field: digits for numbers (D or = between those of a track), bytes for others. Fixed text is filled with spaces, numbers
// of fixed length come with their zeros. The first error is reported by Pack.
func (m *OtherMessage) Set(n int, value string) *OtherMessage {
	if m.fault != nil {
		return m
	}
	if n < 2 || n > 64 || fields[n].format == absent {
		m.fault = fmt.Errorf("field %d is not in the profile", n)
		return m
	}
	if f := &fields[n]; f.format == text {
		value += strings.Repeat(" ", max(0, f.length-len(value)))
	}
	m.fault = m.message.BinaryField(n, []byte(value))
	return m
}

// Pack returns the frame, length prefix included. A message that was read is packed with pad nibbles 0, whatever it came with.
func (m *OtherMessage) Pack() ([]byte, error) {
	if m.fault != nil {
		return nil, m.fault
	}
	packed, err := m.message.Pack()
	if err != nil {
		return nil, fmt.Errorf("packing a message %04X: %w", uint16(m.mti), err)
	}
	length := tpduSize + headerSize + len(packed)
	if length > MaxPayload {
		return nil, fmt.Errorf("packing a message %04X: %d bytes, at most %d", uint16(m.mti), length, MaxPayload)
	}
	frame := binary.BigEndian.AppendUint16(make([]byte, 0, PrefixSize+length), uint16(length))
	return append(append(append(frame, m.tpdu[:]...), m.header[:]...), packed...), nil
}

// MTI returns the message type.
func (m *OtherMessage) MTI() MTI { return m.mti }

// Has says whether a field is there.
func (m *OtherMessage) Has(n int) bool { return n > 1 && m.message.GetField(n) != nil }

// Value returns a field as Set takes it, nil when absent.
func (m *OtherMessage) Value(n int) []byte {
	if !m.Has(n) {
		return nil // before moov v0.26.1 asking for a field made it (pitfall 1)
	}
	value, err := m.message.GetBytes(n)
	if err != nil {
		return nil
	}
	return value
}

// Wire returns a field as it came, length prefix and pad nibble included; nil when it is absent or the message was not read.
func (m *OtherMessage) Wire(n int) []byte {
	if m.raw == nil || !m.Has(n) {
		return nil
	}
	return m.raw[m.start[n]:m.end[n]]
}

// Declined is how a message outside the hot codec is answered.
type Declined struct {
	Code         [2]byte
	Reference    [12]byte
	HHMMSS, MMDD uint64
}

// A message that cannot be answered.
var (
	ErrNamesNobody = errors.New("the message does not say who asked: F11 or F41 is missing")
	ErrIsReply     = errors.New("the message is itself a reply")
)

// Decline reads a message and builds the whole frame of its refusal: addresses of the TPDU changed over, header echoed with nothing to
// do, what identifies the request echoed as it came, no MAC. The error is a *ParseError, ErrNamesNobody or ErrIsReply.
func (c *OtherCodec) Decline(payload []byte, d Declined) (frame []byte, err error) {
	m, err := c.Read(payload)
	switch {
	case err != nil:
		return nil, err
	case m.mti&mtiReplyBit != 0:
		return nil, ErrIsReply
	case !m.Has(11) || !m.Has(41):
		return nil, ErrNamesNobody
	}
	var b Builder
	b.answer(make([]byte, 0, PrefixSize+len(payload)+2*headerSize+len(d.Reference)), m.tpdu[:], m.header[:], m.mti.Reply(), 0)
	b.echo(3, m.Wire(3))
	b.echo(4, m.Wire(4))
	b.echo(11, m.Wire(11))
	b.Number(12, d.HHMMSS)
	b.Number(13, d.MMDD)
	b.echo(25, m.Wire(25))
	b.Bytes(37, d.Reference[:])
	b.Bytes(39, d.Code[:])
	for _, n := range [...]int{41, 42, 49, 60} {
		b.echo(n, m.Wire(n))
	}
	return b.Finish(nil, nil), nil
}
