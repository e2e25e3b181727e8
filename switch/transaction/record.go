package transaction

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"onecard/ledger"
	"onecard/ledger/money"
)

// record is the payload of an entry that came from a terminal's request: who asked, what was decided, what the answer said.
//
//	flags u8, the highest of an automatic load | reason u8 | purse low and direction high nibble u8 | terminal, batch, trace uvarint |
//	card index + 1 uvarint, or card number u64 when unknown | amount uvarint |
//	[code 2 bytes] [balance varint] [three numbers uvarint] | [main, subsidy uvarint] | [price, see priced] | original uvarint (reversals only)
//
// The code is written only when it is not the reason's own (a bank's answer).
type record struct {
	terminal     TerminalID
	batch, trace uint32
	card         uint32 // index + 1
	number       CardNumber
	amount       money.Fen
	reason       Reason
	code         ResponseCode
	purse        Purse
	direction    Direction
	hasBalance   bool
	pinVerified  bool
	balance      money.Fen
	numbers      Numbers // of a refusal
	main         money.Fen
	subsidy      money.Fen
	price        priced
	original     uint64 // reversals: sequence of the original, 0 unknown
	automatic    bool   // a load that nobody asked for: terminal, batch and trace are 0
}

const (
	flagCard = 1 << iota
	flagPINVerified
	flagBalance
	flagCode
	flagNumbers
	flagParts
	flagPriced
	flagAutomatic
)

func (r *record) flags() byte {
	var f byte
	if r.card != 0 {
		f |= flagCard
	}
	if r.pinVerified {
		f |= flagPINVerified
	}
	if r.hasBalance {
		f |= flagBalance
	}
	if r.code != r.reason.Code() {
		f |= flagCode
	}
	if r.numbers != (Numbers{}) {
		f |= flagNumbers
	}
	if r.main != 0 || r.subsidy != 0 {
		f |= flagParts
	}
	if r.price.set {
		f |= flagPriced
	}
	if r.automatic {
		f |= flagAutomatic
	}
	return f
}

// append writes the record: 138 bytes at most.
func (r *record) append(dst []byte, kind Kind) []byte {
	flags, room := r.flags(), len(dst)
	dst = slices.Grow(dst, len(ledger.Room{}))
	b := (*ledger.Room)(dst[room : room+len(ledger.Room{})])
	b[0], b[1], b[2] = flags, byte(r.reason), byte(r.purse)|byte(r.direction)<<4
	at := b.PutUvarint(3, uint64(r.terminal))
	at = b.PutUvarint(at, uint64(r.batch))
	at = b.PutUvarint(at, uint64(r.trace))
	if r.card != 0 {
		at = b.PutUvarint(at, uint64(r.card))
	} else {
		binary.BigEndian.PutUint64(b[at:], uint64(r.number))
		at += 8
	}
	at = b.PutUvarint(at, uint64(r.amount))
	if flags&flagCode != 0 {
		b[at], b[at+1] = r.code[0], r.code[1]
		at += 2
	}
	if flags&flagBalance != 0 {
		at = b.PutUvarint(at, zigzag(r.balance))
	}
	if flags&flagNumbers != 0 {
		for _, n := range r.numbers {
			at = b.PutUvarint(at, zigzag(n))
		}
	}
	if flags&flagParts != 0 {
		at = b.PutUvarint(at, uint64(r.main))
		at = b.PutUvarint(at, uint64(r.subsidy))
	}
	if r.price.set {
		at = r.price.put(b, at)
	}
	if kind == KindReversal {
		at = b.PutUvarint(at, r.original)
	}
	return dst[:room+int(at)]
}

// zigzag is an amount as varints have it.
func zigzag(amount money.Fen) uint64 { return uint64(amount)<<1 ^ uint64(amount>>63) }

// payloadReader takes fields off the front; the first fault sticks.
type payloadReader struct {
	b   []byte
	bad bool
}

func (p *payloadReader) uvarint() uint64 {
	v, next := ledger.Uvarint(p.b, 0)
	if next > len(p.b) {
		p.bad, p.b = true, nil
		return 0
	}
	p.b = p.b[next:]
	return v
}

func (p *payloadReader) varint() int64 {
	v, n := binary.Varint(p.b)
	if n <= 0 {
		p.bad, p.b = true, nil
		return 0
	}
	p.b = p.b[n:]
	return v
}

func (p *payloadReader) take(n int) []byte {
	if len(p.b) < n {
		p.bad, p.b = true, nil
		return make([]byte, n)
	}
	v := p.b[:n]
	p.b = p.b[n:]
	return v
}

func (p *payloadReader) byte() byte     { return p.take(1)[0] }
func (p *payloadReader) u64() uint64    { return binary.BigEndian.Uint64(p.take(8)) }
func (p *payloadReader) string() string { return string(p.text()) }

// text aliases the payload.
func (p *payloadReader) text() []byte { return p.take(int(min(p.uvarint(), uint64(len(p.b))))) }

func (p *payloadReader) done(kind Kind) error {
	if p.bad || len(p.b) != 0 {
		return fmt.Errorf("payload of an entry of kind %d: %w", kind, ledger.ErrMalformed)
	}
	return nil
}

func (r *record) decode(src []byte, kind Kind) error {
	p := payloadReader{b: src}
	flags := p.byte()
	*r = record{reason: Reason(p.byte())}
	if r.reason >= reasonCount {
		return fmt.Errorf("reason %d: %w", r.reason, ledger.ErrMalformed)
	}
	route := p.byte()
	r.purse, r.direction = Purse(route&0x0F), Direction(route>>4)
	r.terminal, r.batch, r.trace = TerminalID(p.uvarint()), uint32(p.uvarint()), uint32(p.uvarint())
	if flags&flagCard != 0 {
		r.card = uint32(p.uvarint())
	} else {
		r.number = CardNumber(p.u64())
	}
	r.amount, r.code = money.Fen(p.uvarint()), r.reason.Code()
	if flags&flagCode != 0 {
		r.code = ResponseCode(p.take(2))
	}
	if r.hasBalance = flags&flagBalance != 0; r.hasBalance {
		r.balance = money.Fen(p.varint())
	}
	if flags&flagNumbers != 0 {
		for i := range r.numbers {
			r.numbers[i] = money.Fen(p.varint())
		}
	}
	if flags&flagParts != 0 {
		r.main, r.subsidy = money.Fen(p.uvarint()), money.Fen(p.uvarint())
	}
	if flags&flagPriced != 0 {
		r.price = p.price()
	}
	r.pinVerified, r.automatic = flags&flagPINVerified != 0, flags&flagAutomatic != 0
	if kind == KindReversal {
		r.original = p.uvarint()
	}
	return p.done(kind)
}

// refused says whether the record of a request is of one that was not approved.
func refused(payload []byte) bool { return len(payload) > 1 && Reason(payload[1]) != ReasonNone }

// owners reads only whose a record is: its terminal, and its card's index + 1 or 0. It is the whole work of the statement index for nearly
// every entry.
func owners(payload []byte) (terminal TerminalID, card uint32, ok bool) {
	terminal, _, card, ok = identityOf(payload)
	return terminal, card, ok
}

// identityOf is owners with the trace.
func identityOf(payload []byte) (terminal TerminalID, trace, card uint32, ok bool) {
	p := payloadReader{b: payload}
	flags := p.byte()
	p.take(2)
	terminal = TerminalID(p.uvarint())
	p.uvarint() // batch
	trace = uint32(p.uvarint())
	if flags&flagCard != 0 {
		card = uint32(p.uvarint())
	}
	return terminal, trace, card, !p.bad
}

// loadRecord is the payload of what the bank says about a load:
//
//	load uvarint | code 2 bytes | bank's reference 12 bytes | balance varint | [bank's settlement date uvarint]
//
// The date is written only when the bank has said it; before there was such a field it never was.
type loadRecord struct {
	load    uint64
	code    ResponseCode
	bank    [12]byte
	balance money.Fen
	bankDay uint32 // days since 1970; 0: not said
}

func (r *loadRecord) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, r.load)
	dst = append(dst, r.code[:]...)
	dst = append(dst, r.bank[:]...)
	dst = binary.AppendVarint(dst, int64(r.balance))
	if r.bankDay != 0 {
		dst = binary.AppendUvarint(dst, uint64(r.bankDay))
	}
	return dst
}

func (r *loadRecord) decode(src []byte, kind Kind) error {
	p := payloadReader{b: src}
	*r = loadRecord{load: p.uvarint(), code: ResponseCode(p.take(2)), bank: [12]byte(p.take(12)), balance: money.Fen(p.varint())}
	if len(p.b) > 0 {
		day := p.uvarint()
		r.bankDay = uint32(day)
		p.bad = p.bad || day == 0 || day > math.MaxUint32 // there is one way to write a record
	}
	return p.done(kind)
}
