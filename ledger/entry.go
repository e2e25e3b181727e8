package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"onecard/ledger/money"
)

// Kind says who reads an entry's payload. The ledger gives it no meaning; transaction lists the kinds.
type Kind uint8

// Entry is one decision with its effects on the books. Slices are the caller's and may be reused after Add or Apply returns.
type Entry struct {
	Kind    Kind
	Time    int64 // microseconds since 1970; never smaller than that of the entry before
	Legs    []Leg // at most maxLegs; sum is zero
	Hold    HoldAction
	Opens   []Opening // accounts to open, numbered consecutively after the last account
	States  []StateChange
	Payload []byte
}

// StateChange moves an account to another state.
type StateChange struct {
	Account AccountID
	State   AccountState
}

// maxLegs bounds the legs of one entry: the shape byte has four bits for them.
const maxLegs = 15

// Shape byte of an encoded entry: low four bits the number of legs, then what else follows.
const (
	shapeHold   = 0x10
	shapeOpens  = 0x20
	shapeStates = 0x40
)

// appendEntry writes an entry without its length prefix:
//
//	kind u8 | shape u8 | time - previous time, uvarint | legs: account uvarint, amount varint ... |
//	[hold: op u8, id uvarint or (from, to uvarint, amount uvarint, expires varint)] |
//	[opens: n uvarint, (code uvarint, flags low and set high nibble u8) ...] | [states: n uvarint, (account uvarint, state u8) ...] | payload
//
// A plain purchase is about 40 bytes.
func appendEntry(dst []byte, e *Entry, previous int64) []byte {
	shape := byte(len(e.Legs))
	if e.Hold.Op != HoldNone {
		shape |= shapeHold
	}
	if len(e.Opens) > 0 {
		shape |= shapeOpens
	}
	if len(e.States) > 0 {
		shape |= shapeStates
	}
	room := len(dst)
	dst = slices.Grow(dst, len(Room{}))
	b := (*Room)(dst[room : room+len(Room{})]) // two bytes, a time and fifteen legs have 237 at most
	b[0], b[1] = byte(e.Kind), shape
	at := b.PutUvarint(2, uint64(e.Time-previous))
	for i := range e.Legs {
		leg := &e.Legs[i]
		at = b.PutUvarint(at, uint64(leg.Account))
		at = b.PutUvarint(at, uint64(leg.Amount)<<1^uint64(leg.Amount>>63))
	}
	dst = dst[:room+int(at)]
	if e.Hold.Op != HoldNone {
		dst = appendHold(dst, &e.Hold)
	}
	if len(e.Opens) > 0 {
		dst = binary.AppendUvarint(dst, uint64(len(e.Opens)))
		for _, o := range e.Opens {
			dst = binary.AppendUvarint(dst, uint64(o.Code))
			dst = append(dst, byte(o.Flags)|byte(o.Set)<<4)
		}
	}
	if len(e.States) > 0 {
		dst = binary.AppendUvarint(dst, uint64(len(e.States)))
		for _, s := range e.States {
			dst = binary.AppendUvarint(dst, uint64(s.Account))
			dst = append(dst, byte(s.State))
		}
	}
	return append(dst, e.Payload...)
}

func appendHold(dst []byte, h *HoldAction) []byte {
	dst = append(dst, byte(h.Op))
	if h.Op != HoldOpen {
		return binary.AppendUvarint(dst, h.ID)
	}
	dst = binary.AppendUvarint(dst, uint64(h.From))
	dst = binary.AppendUvarint(dst, uint64(h.To))
	dst = binary.AppendUvarint(dst, uint64(h.Amount))
	return binary.AppendVarint(dst, h.Expires)
}

// Room is a place for numbers written one behind the other, which has room for what is written into it without being asked each time: its places
// are bytes, and none lies outside.
type Room [256]byte

// PutUvarint writes a uvarint at a place and returns the place behind it. REQUIRES: there is room.
func (b *Room) PutUvarint(at uint8, v uint64) (next uint8) {
	for v >= 0x80 {
		b[at] = byte(v) | 0x80
		v >>= 7
		at++
	}
	b[at] = byte(v)
	return at + 1
}

// ErrMalformed says that stored bytes are not what this package writes.
var ErrMalformed = errors.New("malformed ledger bytes")

// reader takes fields off the front of b; the first fault sticks.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
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

// Uvarint reads a uvarint at a place and returns the place behind it: behind the end of b when it is not whole. It is quick with those of one to
// three bytes, which nearly all are.
func Uvarint(b []byte, at int) (v uint64, next int) {
	if at < len(b) && b[at] < 0x80 {
		return uint64(b[at]), at + 1
	}
	if len(b)-at >= 3 {
		v = uint64(b[at]&0x7F) | uint64(b[at+1])<<7
		if v < 0x80<<7 {
			return v, at + 2
		}
		v = v&(0x80<<7-1) | uint64(b[at+2])<<14
		if v < 0x80<<14 {
			return v, at + 3
		}
	}
	if at < len(b) {
		if v, n := binary.Uvarint(b[at:]); n > 0 {
			return v, at + n
		}
	}
	return 0, len(b) + 1
}

// decode reads what appendEntry wrote into e, reusing its slices; Payload aliases src.
func (e *Entry) decode(src []byte, previous int64) error {
	if len(src) < 2 {
		return fmt.Errorf("entry of %d bytes: %w", len(src), ErrMalformed)
	}
	shape := src[1]
	step, at := Uvarint(src, 2)
	e.Kind, e.Time = Kind(src[0]), previous+int64(step)
	e.Legs, e.Opens, e.States, e.Hold = e.Legs[:0], e.Opens[:0], e.States[:0], HoldAction{}
	for range shape & maxLegs {
		var account, amount uint64
		account, at = Uvarint(src, at)
		amount, at = Uvarint(src, at)
		e.Legs = append(e.Legs, Leg{AccountID(account), money.Fen(amount>>1) ^ -money.Fen(amount&1)})
	}
	if at > len(src) {
		return fmt.Errorf("entry of %d bytes: %w", len(src), ErrMalformed)
	}
	if e.Payload = src[at:]; shape > maxLegs {
		return e.decodeRest(src, shape)
	}
	return nil
}

// decodeRest reads what stands between the legs and the payload of an entry that is more than legs.
func (e *Entry) decodeRest(src []byte, shape byte) error {
	r := reader{b: e.Payload}
	if shape&shapeHold != 0 {
		e.Hold.Op = HoldOp(r.byte())
		if e.Hold.Op == HoldOpen {
			e.Hold.From, e.Hold.To = AccountID(r.uvarint()), AccountID(r.uvarint())
			e.Hold.Amount, e.Hold.Expires = money.Fen(r.uvarint()), r.varint()
		} else {
			e.Hold.ID = r.uvarint()
		}
	}
	if shape&shapeOpens != 0 {
		for n := r.uvarint(); n > 0 && !r.bad; n-- {
			o := Opening{Code: AccountCode(r.uvarint())}
			both := r.byte()
			o.Flags, o.Set = AccountFlags(both&0x0F), AccountSet(both>>4)
			e.Opens = append(e.Opens, o)
		}
	}
	if shape&shapeStates != 0 {
		for n := r.uvarint(); n > 0 && !r.bad; n-- {
			e.States = append(e.States, StateChange{AccountID(r.uvarint()), AccountState(r.byte())})
		}
	}
	if r.bad || shape&0x80 != 0 || e.Hold.Op > HoldExpire {
		return fmt.Errorf("entry of %d bytes: %w", len(src), ErrMalformed)
	}
	e.Payload = r.b
	return nil
}
