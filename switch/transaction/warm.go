package transaction

import (
	"onecard/ledger"
	"onecard/ledger/money"
)

// warmRequests are brought near together: more of them than can wait for memory at once, and few enough that what was brought first is still
// in the nearest caches when the last is decided. A whole group of 800 was half a megabyte, and pushed itself out again.
const warmRequests = 64

// warm brings the rows that requests will need into the processor's cache. Deciding waits for memory most of its time, one row after
// another, because each decision rests on the one before. Here each kind of row is read for all requests before the next kind, which rests on
// it: reads of one kind rest on nothing and overlap. REQUIRES: at most warmRequests of them.
func (s *State) warm(requests []Request) {
	var sink money.Fen
	var seen uint32
	for i := range requests {
		r := &requests[i]
		if p := s.cardIndex.seek(hashNumber(r.Card)); len(p.slots) > 0 {
			seen += p.slots[p.at]
		}
		if r.Terminal != 0 && uint32(r.Terminal) <= s.terminals.Len() {
			sink += s.answers.At(s.rowOf(r.Terminal, r.Trace, false)).amount
		}
	}
	var rows, subsidies [warmRequests]uint32
	n := 0
	for i := range requests {
		if row, ok := s.cardRow(requests[i].Card); ok {
			requests[i].cardRow = row + 1
			rows[n] = s.cards.At(row).Holder
			n++
		}
	}
	for i, holder := range rows[:n] {
		h := s.holders.At(holder)
		rows[i], subsidies[i] = uint32(h.Main), uint32(h.Subsidy)
	}
	for i, main := range rows[:n] {
		sink += s.book.Account(ledger.AccountID(main)).Balance + s.book.Account(ledger.AccountID(subsidies[i])).Balance
	}
	s.warmth = sink + money.Fen(seen) // so that the reads are not left out
}
