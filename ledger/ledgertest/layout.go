package ledgertest

import "encoding/binary"

// The layouts, as documented in ledger/block.go, ledger/entry.go and switch/transaction/record.go, written down here a second time on
// purpose.
const (
	blockHeaderSize = 96
	entryLegsMax    = 15
	shapeHold       = 0x10
	shapeOpens      = 0x20
	shapeStates     = 0x40
	shapeUnknown    = 0x80
)

// Kinds of entries.
const (
	kindGenesis       = 1
	kindDirectory     = 2
	kindCardState     = 3
	kindOpening       = 4
	kindRules         = 5
	kindDaySwitch     = 6
	kindDayEnd        = 7
	kindBalance       = 12
	kindPurchase      = 13
	kindLoad          = 14
	kindReversal      = 15
	kindPassage       = 16
	kindLoadConfirmed = 20
	kindLoadDeclined  = 21
	kindLoadUnknown   = 22
	kindLoadReversed  = 23
	kindLoadLate      = 24
	kindLoadManual    = 25
)

// Hold operations.
const (
	holdNone = iota
	holdOpen
	holdPost
	holdVoid
	holdExpire
)

// reader takes fields off the front of b; the first fault sticks.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uvarint() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 { // most fields are one byte
		v := r.b[0]
		r.b = r.b[1:]
		return uint64(v)
	}
	if len(r.b) > 2 { // nearly all others two or three
		if r.b[1] < 0x80 {
			v := uint64(r.b[0]&0x7F) | uint64(r.b[1])<<7
			r.b = r.b[2:]
			return v
		}
		if r.b[2] < 0x80 {
			v := uint64(r.b[0]&0x7F) | uint64(r.b[1]&0x7F)<<7 | uint64(r.b[2])<<14
			r.b = r.b[3:]
			return v
		}
	}
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// u32 reads a number that must fit in 32 bits.
func (r *reader) u32() uint32 {
	v := r.uvarint()
	if v > 1<<32-1 {
		r.bad = true
	}
	return uint32(v)
}

// fen reads an amount that must not be negative.
func (r *reader) fen() int64 {
	v := r.uvarint()
	if v > 1<<63-1 {
		r.bad = true
	}
	return int64(v)
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) take(n int) []byte {
	if n < 0 || len(r.b) < n {
		r.bad, r.b = true, nil
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) fixed32() uint32 {
	if v := r.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if v := r.take(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

func (r *reader) text() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	return r.take(int(n))
}

// done says whether everything was read and nothing is left.
func (r *reader) done() bool { return !r.bad && len(r.b) == 0 }

// leg moves amount into (positive) or out of (negative) an account.
type leg struct {
	account uint32
	amount  int64
}

type holdAction struct {
	op       byte
	id       uint64
	from, to uint32
	amount   int64
	expires  int64
}

type opening struct {
	code  uint16
	flags byte
}

type stateChange struct {
	account uint32
	state   byte
}

// entry is one decoded entry; its slices are reused from entry to entry.
type entry struct {
	sequence uint64
	day      uint32 // business day of its block
	before   uint32 // and of the block before
	kind     byte
	time     int64
	legs     []leg
	hold     holdAction
	opens    []opening
	states   []stateChange
	payload  []byte
}

// read decodes one entry; false when the bytes are not an entry.
//
//	kind u8 | shape u8 | time - previous time, uvarint | legs: account uvarint, amount varint ... |
//	[hold: op u8, id uvarint or (from, to uvarint, amount uvarint, expires varint)] |
//	[opens: n uvarint, (code uvarint, flags low and set high nibble u8) ...] | [states: n uvarint, (account uvarint, state u8) ...] | payload
func (e *entry) read(src []byte, previous int64) bool {
	r := reader{b: src}
	e.kind = r.byte()
	shape := r.byte()
	step := r.fen()
	if e.time = previous + step; e.time < previous {
		r.bad = true
	}
	e.legs, e.opens, e.states, e.hold = e.legs[:0], e.opens[:0], e.states[:0], holdAction{}
	for range shape & entryLegsMax {
		e.legs = append(e.legs, leg{r.u32(), r.varint()})
	}
	if shape&shapeHold != 0 {
		e.readHold(&r)
	}
	if shape&shapeOpens != 0 {
		for n := r.uvarint(); n > 0 && !r.bad; n-- {
			code := r.u32()
			r.bad = r.bad || code > 1<<16-1
			e.opens = append(e.opens, opening{uint16(code), r.byte()})
		}
	}
	if shape&shapeStates != 0 {
		for n := r.uvarint(); n > 0 && !r.bad; n-- {
			e.states = append(e.states, stateChange{r.u32(), r.byte()})
		}
	}
	e.payload = r.b
	return !r.bad && shape&shapeUnknown == 0
}

func (e *entry) readHold(r *reader) {
	e.hold.op = r.byte()
	if e.hold.op == holdOpen {
		e.hold.from, e.hold.to = r.u32(), r.u32()
		e.hold.amount, e.hold.expires = r.fen(), r.varint()
		return
	}
	if e.hold.op == holdNone || e.hold.op > holdExpire {
		r.bad = true
	}
	e.hold.id = r.uvarint()
}
