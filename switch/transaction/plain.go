package transaction

import (
	"encoding/binary"
	"math/bits"

	"onecard/ledger"
	"onecard/switch/rules"
)

// plainSale is what statements and totals ask of the record of an approved purchase with a registered card and a price. It is read once for both,
// and what they do not ask for is passed over.
type plainSale struct {
	sequence            uint64 // whose record it is; 0: none
	understood          bool   // false: record.decode reads it, or says what is wrong with it
	terminal            TerminalID
	card                uint32 // index + 1
	meal, class         uint8
	bySchool            bool
	list, discount, fee uint64
}

// read reads a record, whose layout stands at record and priced.
func (s *plainSale) read(sequence uint64, b []byte) {
	*s = plainSale{sequence: sequence}
	const fixed = 3 // flags, reason, purse
	if len(b) < fixed || b[0]&(flagPriced|flagCard|flagCode|flagNumbers) != flagPriced|flagCard || Reason(b[1]) != ReasonNone {
		return
	}
	between := 1 + bits.OnesCount8(b[0]&flagBalance) + 2*bits.OnesCount8(b[0]&flagParts) // amount, balance, parts
	terminal, at := ledger.Uvarint(b, fixed)
	at = pass(b, at, 2) // batch, trace
	card, at := ledger.Uvarint(b, at)
	if at = pass(b, at, between); at+2 > len(b) {
		return
	}
	s.terminal, s.card, s.class, s.meal = TerminalID(terminal), uint32(card), b[at], b[at+1]
	at = pass(b, at+2, 1) // version
	s.list, at = ledger.Uvarint(b, at)
	s.discount, at = ledger.Uvarint(b, at)
	s.fee, at = ledger.Uvarint(b, at)
	if s.understood = at+1 == len(b); s.understood {
		s.bySchool = rules.How(b[at])&rules.SchoolBears != 0
	}
}

// pass passes over so many uvarints, at least one, by eight bytes at a time: a branch for each byte is guessed wrong too often.
func pass(b []byte, at, numbers int) (next int) {
	const tops = 0x8080808080808080
	for ; at+8 <= len(b); at += 8 {
		last := ^binary.LittleEndian.Uint64(b[at:]) & tops // the last byte of a number has no top bit
		if n := bits.OnesCount64(last); n < numbers {
			numbers -= n
			continue
		}
		for ; numbers > 1; numbers-- {
			last &= last - 1
		}
		return at + bits.TrailingZeros64(last)/8 + 1
	}
	for ; at < len(b); at++ {
		if b[at] >= 0x80 {
			continue
		}
		if numbers--; numbers == 0 {
			return at + 1
		}
	}
	return len(b) + 1
}
