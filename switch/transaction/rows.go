package transaction

import (
	"encoding/binary"

	"onecard/ledger"
	"onecard/ledger/money"
)

// How the rows of the core's tables stand in a checkpoint: fixed fields, big-endian, in the order of the struct.

func encodeTerminalRow(dst []byte, t *Terminal) []byte {
	dst = append(dst, t.Code[:]...)
	dst = binary.BigEndian.AppendUint32(dst, t.Merchant)
	dst = appendFlag(append(dst, byte(t.Type), t.MACMode), t.Suspended)
	dst = binary.BigEndian.AppendUint32(dst, t.Door)
	dst = binary.BigEndian.AppendUint32(dst, t.Batch)
	return appendText(dst, string(t.SealedKey))
}

func decodeTerminalRow(src []byte, t *Terminal) ([]byte, error) {
	p := payloadReader{b: src}
	*t = Terminal{Code: TerminalCode(p.take(8)), Merchant: p.u32(), Type: TerminalType(p.byte()), MACMode: p.byte(), Suspended: p.byte() == 1, Door: p.u32(), Batch: p.u32()}
	t.SealedKey = []byte(p.string())
	return p.rest()
}

func encodeHolderRow(dst []byte, h *Holder) []byte {
	for _, v := range []uint64{h.Groups, h.BankAccount, uint64(h.DayAmount), uint64(h.DayLoaded), uint64(h.Loading)} {
		dst = binary.BigEndian.AppendUint64(dst, v)
	}
	for _, v := range []uint32{uint32(h.Main), uint32(h.Subsidy), uint32(h.CounterDay)} {
		dst = binary.BigEndian.AppendUint32(dst, v)
	}
	dst = binary.BigEndian.AppendUint16(dst, h.DayCount)
	return append(dst, h.Class, byte(h.State), h.PINTries)
}

func decodeHolderRow(src []byte, h *Holder) ([]byte, error) {
	p := payloadReader{b: src}
	*h = Holder{Groups: p.u64(), BankAccount: p.u64(), DayAmount: plus(0, money.Fen(p.u64())), DayLoaded: plus(0, money.Fen(p.u64())), Loading: plus(0, money.Fen(p.u64()))}
	h.Main, h.Subsidy, h.CounterDay = ledger.AccountID(p.u32()), ledger.AccountID(p.u32()), uint16(p.u32())
	h.DayCount = binary.BigEndian.Uint16(p.take(2))
	h.Class, h.State, h.PINTries = p.byte(), HolderState(p.byte()), p.byte()
	return p.rest()
}

func encodeCardRow(dst []byte, c *Card) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(c.Number))
	dst = binary.BigEndian.AppendUint64(dst, c.PINValue)
	dst = binary.BigEndian.AppendUint32(dst, c.Holder)
	dst = binary.BigEndian.AppendUint32(dst, uint32(c.Expiry))
	return append(dst, byte(c.State))
}

func decodeCardRow(src []byte, c *Card) ([]byte, error) {
	p := payloadReader{b: src}
	*c = Card{Number: CardNumber(p.u64()), PINValue: p.u64(), Holder: p.u32(), Expiry: cardExpiry(uint64(p.u32())), State: CardState(p.byte())}
	return p.rest()
}

// encodeAnswered writes one byte for an empty row: most rows of a young ledger are.
func encodeAnswered(dst []byte, a *answered) []byte {
	dst = append(dst, byte(a.kind))
	if a.kind == 0 {
		return dst
	}
	dst = binary.BigEndian.AppendUint32(dst, a.batch)
	dst = binary.BigEndian.AppendUint32(dst, a.trace)
	for _, v := range []uint64{uint64(a.number), uint64(a.amount), uint64(a.balance), uint64(a.numbers[0]), uint64(a.numbers[1]), uint64(a.numbers[2]), a.sequence, uint64(a.time)} {
		dst = binary.BigEndian.AppendUint64(dst, v)
	}
	dst = binary.BigEndian.AppendUint32(dst, a.day)
	dst = binary.BigEndian.AppendUint32(dst, a.card)
	dst = append(dst, a.code[0], a.code[1], byte(a.reason), byte(a.purse), byte(a.direction), byte(a.phase))
	if a.kind == KindLoad {
		dst = binary.BigEndian.AppendUint64(dst, uint64(a.asked))
	}
	var last byte // bit 0: has a balance; bit 1: a price follows
	if a.hasBalance {
		last = 1
	}
	if a.kind == KindPurchase && a.asked != 0 {
		return binary.BigEndian.AppendUint64(append(dst, last|2), uint64(a.asked))
	}
	return append(dst, last)
}

func decodeAnswered(src []byte, a *answered) ([]byte, error) {
	p := payloadReader{b: src}
	*a = answered{kind: Kind(p.byte())}
	if a.kind == 0 {
		return p.rest()
	}
	a.batch, a.trace = p.u32(), p.u32()
	a.number, a.amount, a.balance = CardNumber(p.u64()), money.Fen(p.u64()), money.Fen(p.u64())
	for i := range a.numbers {
		a.numbers[i] = money.Fen(p.u64())
	}
	a.sequence, a.time = p.u64(), int64(p.u64())
	a.day, a.card = p.u32(), p.u32()
	a.code = ResponseCode(p.take(2))
	a.reason, a.purse, a.direction, a.phase = Reason(p.byte()), Purse(p.byte()), Direction(p.byte()), phase(p.byte())
	if a.kind == KindLoad {
		a.asked = int64(p.u64())
	}
	last := p.byte()
	if a.hasBalance = last&1 != 0; last&2 != 0 {
		a.asked = int64(p.u64())
	}
	if a.reason >= reasonCount {
		p.bad = true
	}
	return p.rest()
}

func (p *payloadReader) u32() uint32 { return binary.BigEndian.Uint32(p.take(4)) }

// rest returns what is left for the next row.
func (p *payloadReader) rest() ([]byte, error) {
	if p.bad {
		return nil, ledger.ErrMalformed
	}
	return p.b, nil
}

// encodeCounters writes what encodeHolderRow does not: the counters of the meal, and the total before the PIN. One byte for who has none.
func encodeCounters(dst []byte, h *Holder) []byte {
	if h.BeforePIN == 0 && h.MealAmount == 0 && h.Meal == 0 && h.MealCount == 0 && h.Privileged == 0 {
		return append(dst, 0)
	}
	dst = binary.BigEndian.AppendUint32(append(dst, 1), h.BeforePIN)
	dst = binary.BigEndian.AppendUint32(dst, h.MealAmount)
	return append(dst, h.Meal, h.MealCount, h.Privileged)
}

// counterReader reads the parts of the section one after another into the rows that are there already.
func (s *State) counterReader() func(part []byte) error {
	next := uint32(0)
	return func(part []byte) error {
		p := payloadReader{b: part}
		for len(p.b) > 0 && !p.bad {
			if next >= s.holders.Len() {
				return ledger.ErrMalformed
			}
			if p.byte() != 0 {
				h := s.holders.Edit(next)
				h.BeforePIN, h.MealAmount, h.Meal, h.MealCount, h.Privileged = p.u32(), p.u32(), p.byte(), p.byte(), p.byte()
			}
			next++
		}
		return p.done(KindDirectory)
	}
}
