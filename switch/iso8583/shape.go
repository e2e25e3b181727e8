package iso8583

import (
	"encoding/binary"
	"math/bits"
)

// A terminal asks for the same thing again and again: the same fields in the same places, and other digits in them. So what a message looked
// like is remembered, and the next one is held against it eight bytes at a time: lengths and pads must be as they were, digits must be digits,
// and text and binary fields may be anything. If that is so the fields stand where they stood, and reading them one by one would say the same.
// If it is not, they are read one by one, and that alone says what is wrong.

// shape is a message that was read, without what it said.
type shape struct {
	places
	payload        int // bytes; 0: nothing is remembered
	bitmap         uint64
	pinBlockLength int
	count          int
	demands        [maxDemands]demand
}

// maxDemands is enough for every request and reply about money with a PIN; what needs more is not remembered.
const maxDemands = 12

// demand is what eight bytes of a payload must be.
type demand struct {
	at     int
	exact  uint64 // bits that must be as in want
	want   uint64
	digits uint64 // the lowest bit of every nibble that must be a digit
}

// places is where fields stand, and what follows from that alone.
type places struct {
	spans [65]span
	echo  echoPlan
}

// fits says whether a payload that begins like a message has this shape.
func (s *shape) fits(payload []byte, pinBlockLength int) bool {
	if len(payload) != s.payload || pinBlockLength != s.pinBlockLength || binary.BigEndian.Uint64(payload[bitmapAt:]) != s.bitmap {
		return false
	}
	wrong := uint64(0)
	for i := range s.demands[:s.count] {
		d := &s.demands[i]
		x := binary.LittleEndian.Uint64(payload[d.at:])
		wrong |= (x^d.want)&d.exact | aboveNine(x)&d.digits
	}
	return wrong == 0
}

// aboveNine has the lowest bit set of every nibble that is no digit: one above 9 has its bit 3 and bit 2 or bit 1.
func aboveNine(x uint64) uint64 { return x >> 3 & (x>>2 | x>>1) }

// learn remembers a message that was read and found good. Those with a track are not: the separator has no place of its own.
func (s *shape) learn(m *Message, pinBlockLength int) {
	s.payload, s.count = 0, 0
	for rest := m.bitmap; rest != 0; {
		n := bits.LeadingZeros64(rest) + 1
		rest &^= 1 << (64 - n)
		if f := fields[n].format; f == track || f == trackLLL || !s.demandField(m.raw, f, &m.full.spans[n]) {
			return
		}
	}
	s.places, s.bitmap, s.payload, s.pinBlockLength = m.full, m.bitmap, len(m.raw), pinBlockLength
	s.echo = planEcho(s.bitmap, &s.spans)
}

func (s *shape) demandField(raw []byte, f format, place *span) bool {
	for at := place.start; at < place.end; at++ {
		exact, digits := byte(0), byte(0)
		switch pad := place.digits%2 == 1; {
		case at < place.at:
			exact = 0xFF
		case f > numberLLL:
			return true // anything
		case pad && f == numberRight && at == place.at:
			exact, digits = 0xF0, 0x01
		case pad && f != numberRight && at == place.end-1:
			exact, digits = 0x0F, 0x10
		default:
			digits = 0x11
		}
		if !s.demandByte(raw, int(at), exact, digits) {
			return false
		}
	}
	return true
}

func (s *shape) demandByte(raw []byte, at int, exact, digits byte) bool {
	if s.count == 0 || at >= s.demands[s.count-1].at+8 {
		if s.count == maxDemands {
			return false
		}
		s.demands[s.count] = demand{at: min(at, len(raw)-8)}
		s.count++
	}
	d := &s.demands[s.count-1]
	shift := 8 * (at - d.at)
	d.exact |= uint64(exact) << shift
	d.want |= uint64(raw[at]&exact) << shift
	d.digits |= uint64(digits) << shift
	return true
}
