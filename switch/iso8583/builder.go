package iso8583

import (
	"encoding/binary"
	"math/bits"

	"onecard/ledger/invariant"
)

// Builder writes one frame into a caller's buffer without allocating. Fields are added in ascending order.
type Builder struct {
	dst    []byte
	from   int // where the frame begins in dst
	bitmap uint64
	last   int
}

// Request starts a frame behind dst.
func (b *Builder) Request(dst []byte, tpdu [5]byte, header [6]byte, mti MTI) {
	b.from, b.bitmap, b.last = len(dst), 0, 1
	b.dst = append(dst, make([]byte, PrefixSize+fieldsAt)...)
	payload := b.dst[b.from+PrefixSize:]
	*(*[tpduSize]byte)(payload) = tpdu
	*(*[headerSize]byte)(payload[tpduSize:]) = header
	binary.BigEndian.PutUint16(payload[mtiAt:], uint16(mti))
}

// Reply starts the answer to a request: the TPDU's addresses change places, the header is echoed with the 处理要求 nibble set to
// processing (0 none, 3 sign on again).
func (b *Builder) Reply(dst []byte, request *Message, mti MTI, processing byte) {
	b.answer(dst, request.TPDU(), request.Header(), mti, processing)
}

func (b *Builder) answer(dst, t, h []byte, mti MTI, processing byte) {
	b.Request(dst, [5]byte{t[0], t[3], t[4], t[1], t[2]}, [6]byte(h), mti)
	at := b.from + PrefixSize + tpduSize + 2
	b.dst[at] = b.dst[at]&0xF0 | processing&0x0F
}

// Answer is Reply to a request of which the echo was kept.
func (b *Builder) Answer(dst []byte, e *Echo, mti MTI, processing byte) {
	b.answer(dst, e.head[:tpduSize], e.head[tpduSize:], mti, processing)
}

// Echo repeats a run of fields; nothing where the request had none.
func (b *Builder) Echo(e *Echo, run EchoRun) {
	have := e.bitmap & echoFields[run]
	if have == 0 {
		return
	}
	first, last := bits.LeadingZeros64(have)+1, 64-bits.TrailingZeros64(have)
	if first <= b.last {
		invariant.Fail("field %d repeated after field %d", first, b.last)
	}
	b.last = last
	b.bitmap |= have
	b.dst = append(b.dst, e.run(run)...)
}

// Wire writes a field from its bytes on the wire, its length prefix among them.
func (b *Builder) Wire(n int, wire []byte) {
	b.field(n)
	b.dst = append(b.dst, wire...)
}

// WireOf returns a numeric or track field as Digits writes it.
func WireOf(n int, digits string) []byte {
	var b Builder
	b.Digits(n, digits)
	return b.dst
}

func (b *Builder) field(n int) *layout {
	if n <= b.last || n > 64 {
		invariant.Fail("field %d added after field %d", n, b.last)
	}
	b.last = n
	b.bitmap |= 1 << (64 - n)
	return &fields[n]
}

// Copy echoes a field as it came, pad nibbles included; nothing when it is absent.
func (b *Builder) Copy(request *Message, n int) {
	b.echo(n, request.Wire(n))
}

func (b *Builder) echo(n int, wire []byte) {
	if wire != nil {
		b.Wire(n, wire)
	}
}

// Number writes a numeric field of fixed length. REQUIRES: the value fits.
func (b *Builder) Number(n int, value uint64) {
	f := b.field(n)
	size := (f.length + 1) / 2
	at := b.zeros(size)
	if f.format == number && f.length%2 == 1 {
		value *= 10 // left-aligned: the pad nibble stands behind
	}
	for i := size - 1; i >= 0; i-- {
		b.dst[at+i] = byte(value%10) | byte(value/10%10)<<4
		value /= 100
	}
	if value != 0 {
		invariant.Fail("value does not fit field %d", n)
	}
}

// Variable writes a numeric field with LL or LLL from a value and its number of digits. REQUIRES: the value fits.
func (b *Builder) Variable(n int, value uint64, digits int) {
	b.prefix(b.field(n), digits)
	at := b.zeros((digits + 1) / 2)
	for i := digits - 1; i >= 0; i-- { // digit by digit: a number of nineteen has no room for its pad nibble
		b.dst[at+i/2] |= byte(value%10) << (4 * (1 - i%2))
		value /= 10
	}
	if value != 0 {
		invariant.Fail("value does not fit %d digits of field %d", digits, n)
	}
}

// zeros makes room and returns where it begins.
func (b *Builder) zeros(size int) (at int) {
	at = len(b.dst)
	for range size {
		b.dst = append(b.dst, 0)
	}
	return at
}

// Digits writes a numeric or track field from ASCII digits ('=' or 'D' separate a track). REQUIRES: as many as a fixed field has.
func (b *Builder) Digits(n int, digits string) {
	f := b.field(n)
	b.prefix(f, len(digits))
	if f.prefixSize() == 0 && len(digits) != f.length {
		invariant.Fail("%d digits for field %d, which has %d", len(digits), n, f.length)
	}
	before := 0
	if f.format == numberRight {
		before = len(digits) % 2
	}
	at := b.zeros((len(digits) + 1) / 2)
	for i := range len(digits) {
		b.dst[at+(i+before)/2] |= digitNibble(digits[i]) << (4 * (1 - (i+before)%2))
	}
}

func digitNibble(c byte) byte {
	if c == '=' || c == 'D' {
		return 0x0D
	}
	return (c - '0') & 0x0F
}

func (b *Builder) prefix(f *layout, length int) {
	if length > f.length {
		invariant.Fail("length %d above %d", length, f.length)
	}
	switch f.format {
	case numberLL, track, textLL:
		b.dst = append(b.dst, byte(length/10<<4|length%10))
	case numberLLL, trackLLL, textLLL:
		b.dst = append(b.dst, byte(length/100), byte(length/10%10<<4|length%10))
	}
}

// Text writes a text or binary field, padding fixed text with spaces.
func (b *Builder) Text(n int, value string) {
	f := b.field(n)
	b.prefix(f, len(value))
	b.dst = append(b.dst, value...)
	b.pad(f, len(value))
}

// Bytes is Text for a slice.
func (b *Builder) Bytes(n int, value []byte) {
	f := b.field(n)
	b.prefix(f, len(value))
	b.dst = append(b.dst, value...)
	b.pad(f, len(value))
}

func (b *Builder) pad(f *layout, have int) {
	if f.format != text {
		return
	}
	for ; have < f.length; have++ {
		b.dst = append(b.dst, ' ')
	}
}

// Finish writes bitmap and length and, with a MAC, F64. requestMAC is F64 of the request that a reply answers (see MAC.Sum); nil for
// requests. It returns the caller's buffer with the frame behind what was in it.
func (b *Builder) Finish(mac *MAC, requestMAC []byte) []byte {
	if mac != nil {
		b.bitmap |= 1
	}
	payload := b.dst[b.from+PrefixSize:]
	binary.BigEndian.PutUint64(payload[bitmapAt:], b.bitmap)
	if mac != nil {
		sum := mac.Sum(requestMAC, payload[mtiAt:])
		b.dst = append(b.dst, sum[:]...)
	}
	binary.BigEndian.PutUint16(b.dst[b.from:], uint16(len(b.dst)-b.from-PrefixSize))
	return b.dst
}
