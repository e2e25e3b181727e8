package iso8583

import (
	"encoding/binary"
	"math/bits"
)

// Bounds of a payload, without its two length bytes.
const (
	MinPayload = 21 // TPDU, header, MTI and bitmap
	MaxPayload = 2048
	// PrefixSize is the length prefix of a frame on the terminal link.
	PrefixSize = 2
)

const (
	tpduSize   = 5
	headerSize = 6
	mtiAt      = tpduSize + headerSize
	bitmapAt   = mtiAt + 2
	fieldsAt   = bitmapAt + 8
)

// FrameLength reads the length prefix. ok is false while fewer than two bytes are there.
func FrameLength(b []byte) (payload int, ok bool, err error) {
	if len(b) < PrefixSize {
		return 0, false, nil
	}
	n := int(binary.BigEndian.Uint16(b))
	if n < MinPayload || n > MaxPayload {
		return 0, false, parseErrors[0][FaultLength]
	}
	return n, true, nil
}

// MTI is the message type as it stands on the wire: 0x0200.
type MTI uint16

// The messages of the hot codec.
const (
	MTIFinancial       MTI = 0x0200
	MTIFinancialReply  MTI = 0x0210
	MTIAdvice          MTI = 0x0220
	MTIAdviceReply     MTI = 0x0230
	MTIReversal        MTI = 0x0400
	MTIReversalReply   MTI = 0x0410
	MTISignOn          MTI = 0x0800
	MTISignOnReply     MTI = 0x0810
	MTIManagement      MTI = 0x0820
	MTIManagementReply MTI = 0x0830
	mtiReplyBit        MTI = 0x0010
)

// Reply is the MTI of the answer: 0200 -> 0210.
func (m MTI) Reply() MTI { return m | mtiReplyBit }

// hot says whether the hot codec takes the message.
func (m MTI) hot() bool {
	switch m &^ mtiReplyBit {
	case MTIFinancial, MTIAdvice, MTIReversal, MTISignOn, MTIManagement:
		return true
	}
	return false
}

// Message is an offset table over a payload. It keeps the payload, not a copy: it is good while the payload is.
type Message struct {
	raw     []byte
	bitmap  uint64
	mti     MTI
	alike   bool   // it has the shape that is remembered, and its fields stand where those did
	full    places // of the last message that was read field by field
	shape   shape
	foreign uint64 // bitmap of the last message, when it was good and had another shape
}

// span is where a field stands in the payload.
type span struct {
	start  uint16 // where its length prefix begins
	at     uint16 // where its value begins
	end    uint16
	digits uint16 // of number and track fields
}

// Parse reads a payload (TPDU, header, MTI, bitmap, fields). pinBlockLength is the length of F52 in this session: 8 or 16. The error is
// always a *ParseError and is not allocated; what stood before the fault can be asked for, what stands behind it is absent.
func (m *Message) Parse(payload []byte, pinBlockLength int) error {
	m.raw, m.bitmap, m.mti, m.alike = payload, 0, 0, false
	switch {
	case len(payload) < MinPayload || len(payload) > MaxPayload:
		return parseErrors[0][FaultLength]
	case payload[0] != 0x60:
		return parseErrors[0][FaultTPDU]
	}
	m.mti = MTI(binary.BigEndian.Uint16(payload[mtiAt:]))
	if !m.mti.hot() {
		if !isBCD(payload[mtiAt]) || !isBCD(payload[mtiAt+1]) {
			m.mti = 0
			return parseErrors[0][FaultMTI]
		}
		return parseErrors[0][FaultOtherMTI]
	}
	return m.parseFields(pinBlockLength)
}

// parseAny is Parse without the list of hot messages: for people, and for comparing the codecs.
func (m *Message) parseAny(payload []byte, pinBlockLength int) error {
	err := m.Parse(payload, pinBlockLength)
	if FaultOf(err) == FaultOtherMTI {
		return m.parseFields(pinBlockLength)
	}
	return err
}

// parseFields remembers the shape of the second of two messages in a row that have the same fields: one that comes now and then does not drive
// out what comes by the thousand.
func (m *Message) parseFields(pinBlockLength int) error {
	if m.alike = m.shape.fits(m.raw, pinBlockLength); m.alike {
		m.bitmap, m.foreign = m.shape.bitmap, 0
		return nil
	}
	if err := m.parseEach(pinBlockLength); err != nil {
		return err
	}
	if m.bitmap == m.foreign {
		m.shape.learn(m, pinBlockLength)
	}
	m.foreign = m.bitmap
	return nil
}

func (m *Message) parseEach(pinBlockLength int) error {
	m.bitmap = binary.BigEndian.Uint64(m.raw[bitmapAt:])
	if m.bitmap>>63 != 0 {
		m.bitmap = 0
		return parseErrors[1][FaultBit1]
	}
	position := fieldsAt
	for rest := m.bitmap; rest != 0; {
		n := bits.LeadingZeros64(rest) + 1
		rest &^= 1 << (64 - n)
		next, fault := m.parseField(n, position, pinBlockLength)
		if fault != FaultNone {
			m.keepBefore(n, fault)
			return parseErrors[n][fault]
		}
		position = next
	}
	if position != len(m.raw) {
		return parseErrors[64][FaultTrailing]
	}
	return nil
}

// keepBefore forgets field n and those behind it, which were not read: their places would be an older message's. A field with a bad digit
// is kept, since its place is known.
func (m *Message) keepBefore(n int, fault Fault) {
	if fault == FaultNibble {
		n++
	}
	m.bitmap &^= 1<<(65-n) - 1
}

// parseField checks one field and returns where the next begins.
func (m *Message) parseField(n, position, pinBlockLength int) (next int, fault Fault) {
	f, raw, place := &fields[n], m.raw, &m.full.spans[n]
	place.start = uint16(position)
	length := f.length
	switch {
	case f.format == absent:
		return 0, FaultUndefined
	case f.prefixSize() > 0:
		if length, position, fault = variableLength(raw, position, f.prefixSize()); fault != FaultNone {
			return 0, fault
		}
		if length > f.length {
			return 0, FaultTooLong
		}
	case f.format == pinBlock:
		length = pinBlockLength
	}
	end := position + length
	if f.format <= trackLLL {
		end = position + (length+1)/2
	}
	if end > len(raw) {
		return 0, FaultTruncated
	}
	place.at, place.end, place.digits = uint16(position), uint16(end), uint16(length)
	if f.format > trackLLL {
		return end, FaultNone
	}
	return end, checkDigits(f.format, raw[position:end], length)
}

// variableLength reads one or two BCD length bytes.
func variableLength(raw []byte, position, prefix int) (length, next int, fault Fault) {
	if position+prefix > len(raw) {
		return 0, 0, FaultTruncated
	}
	for _, b := range raw[position : position+prefix] {
		if !isBCD(b) {
			return 0, 0, FaultLengthField
		}
		length = length*100 + int(b>>4)*10 + int(b&0x0F)
	}
	return length, position + prefix, FaultNone
}

func isBCD(b byte) bool { return b>>4 <= 9 && b&0x0F <= 9 }

// checkDigits refuses nibbles that are no digits. The pad nibble of an odd length may be 0 or F: vendors differ.
func checkDigits(f format, value []byte, digits int) Fault {
	switch f {
	case track, trackLLL:
		return checkTrack(value, digits)
	case numberRight:
		if digits%2 == 1 && value[0]>>4 != 0 {
			return FaultNibble
		}
	default:
		if digits%2 == 1 {
			last := value[len(value)-1]
			if pad := last & 0x0F; last>>4 > 9 || pad != 0 && pad != 0x0F {
				return FaultNibble
			}
			value = value[:len(value)-1]
		}
	}
	return allBCD(value)
}

// allBCD takes eight bytes at a time.
func allBCD(value []byte) Fault {
	var wrong uint64
	for ; len(value) >= 8; value = value[8:] {
		wrong |= aboveNine(binary.BigEndian.Uint64(value))
	}
	var x uint64
	for _, b := range value {
		x = x<<8 | uint64(b)
	}
	if (wrong|aboveNine(x))&0x1111_1111_1111_1111 != 0 {
		return FaultNibble
	}
	return FaultNone
}

// checkTrack: digits and the separator D; the pad nibble is 0 or F.
func checkTrack(value []byte, digits int) Fault {
	for i := range len(value) * 2 {
		nibble := value[i/2] >> 4
		if i%2 == 1 {
			nibble = value[i/2] & 0x0F
		}
		switch {
		case i == digits && (nibble == 0 || nibble == 0x0F):
		case i < digits && (nibble <= 9 || nibble == 0x0D):
		default:
			return FaultNibble
		}
	}
	return FaultNone
}

// MTI returns the message type.
func (m *Message) MTI() MTI { return m.mti }

// Bitmap returns the primary bitmap, bit 1 in the highest place.
func (m *Message) Bitmap() uint64 { return m.bitmap }

// TPDU returns the five bytes of addressing.
func (m *Message) TPDU() []byte { return m.raw[:tpduSize] }

// Header returns the six bytes of application header.
func (m *Message) Header() []byte { return m.raw[tpduSize:mtiAt] }

// Has says whether a field is there.
func (m *Message) Has(n int) bool { return m.bitmap&(1<<(64-n)) != 0 }

// place is where a field stands that is there.
func (m *Message) place(n int) *span {
	if m.alike {
		return &m.shape.spans[n]
	}
	return &m.full.spans[n]
}

// Wire returns a field as it came, length prefix included; nil when absent.
func (m *Message) Wire(n int) []byte {
	if !m.Has(n) {
		return nil
	}
	p := m.place(n)
	return m.raw[p.start:p.end]
}

// Value returns a field without its length prefix, BCD still packed; nil when absent.
func (m *Message) Value(n int) []byte {
	if !m.Has(n) {
		return nil
	}
	p := m.place(n)
	return m.raw[p.at:p.end]
}

// Digits is the number of digits of a numeric field; 0 when absent.
func (m *Message) Digits(n int) int {
	if !m.Has(n) {
		return 0
	}
	return int(m.place(n).digits)
}

// Number returns the decimal value of a numeric field of at most 19 digits.
func (m *Message) Number(n int) (value uint64, ok bool) {
	digits := m.Digits(n)
	f := fields[n].format
	if digits == 0 || digits > 19 || f < number || f > numberLLL {
		return 0, false
	}
	p := m.place(n)
	size := int(p.end - p.at)
	low := binary.BigEndian.Uint64(m.raw[p.end-8:]) // no field begins before the eighth byte
	low &= ^uint64(0) >> (64 - 8*min(size, 8))
	scale := uint64(1e16)
	if digits%2 == 1 && f != numberRight { // a pad nibble behind; the one before is 0
		low, scale = low>>4, 1e15
	}
	value = fromBCD(low)
	if size > 8 {
		value += fromBCD(uint64(binary.BigEndian.Uint16(m.raw[p.end-10:]))&(^uint64(0)>>(64-8*(size-8)))) * scale
	}
	return value, true
}

// fromBCD is the value of sixteen packed digits: pairs of them, then fours, then eights, all at once.
func fromBCD(x uint64) uint64 {
	x -= 6 * (x >> 4 & 0x0F0F_0F0F_0F0F_0F0F)
	x = x&0x00FF_00FF_00FF_00FF + 100*(x>>8&0x00FF_00FF_00FF_00FF)
	x = x&0x0000_FFFF_0000_FFFF + 10_000*(x>>16&0x0000_FFFF_0000_FFFF)
	return x&0xFFFF_FFFF + 100_000_000*(x>>32)
}

func nibble(packed []byte, i int) byte {
	if i%2 == 0 {
		return packed[i/2] >> 4
	}
	return packed[i/2] & 0x0F
}

// CardNumber returns F2.
func (m *Message) CardNumber() (value uint64, digits int, ok bool) {
	value, ok = m.Number(2)
	return value, m.Digits(2), ok
}

// Network returns F60.1 message type, F60.2 batch and F60.3 network code; what the field is too short for is 0. ok is false when not even
// the batch is there.
func (m *Message) Network() (messageType uint8, batch uint32, code uint16, ok bool) {
	return network(m.Value(60), m.Digits(60))
}

func network(packed []byte, digits int) (messageType uint8, batch uint32, code uint16, ok bool) {
	if digits < 8 {
		return 0, 0, 0, false
	}
	both := uint32(fromBCD(uint64(binary.BigEndian.Uint32(packed))))
	if digits >= 11 {
		code = uint16(fromBCD(uint64(binary.BigEndian.Uint16(packed[4:]) >> 4)))
	}
	return uint8(both / 1e6), both % 1e6, code, true
}

// MAB is what the MAC is over: MTI to the byte before F64. Nil when there is no F64.
func (m *Message) MAB() []byte {
	if !m.Has(64) {
		return nil
	}
	return m.raw[mtiAt:m.place(64).start]
}

// MAC returns F64; nil when absent.
func (m *Message) MAC() []byte { return m.Value(64) }

// TLV finds a tag in a list of tag (2 characters), length (3 digits), value: the shape of F59.
func TLV(list []byte, tag string) (value []byte, ok bool) {
	for len(list) >= 5 {
		n := 0
		for _, c := range list[2:5] {
			if c < '0' || c > '9' {
				return nil, false
			}
			n = n*10 + int(c-'0')
		}
		if n > len(list)-5 {
			return nil, false
		}
		if string(list[:2]) == tag {
			return list[5 : 5+n], true
		}
		list = list[5+n:]
	}
	return nil, false
}

// AppendTLV writes one tag. REQUIRES: tag has 2 characters, value at most 999 bytes.
func AppendTLV(dst []byte, tag, value string) []byte {
	n := len(value)
	dst = append(append(dst, tag...), byte('0'+n/100), byte('0'+n/10%10), byte('0'+n%10))
	return append(dst, value...)
}
