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
// it: reads of one kind rest on nothing and overlap. What is asked of a row that is not there yet, as whether its number is the card's, waits for
// the next stage: a processor looks some hundred instructions ahead, and a guess that a late row proves wrong costs it all that it has begun.
// REQUIRES: at most warmRequests of them.
func (s *State) warm(requests []Request) {
	var hashes [warmRequests]uint64
	var rows, subsidies, purses [warmRequests]uint32
	var sink money.Fen
	var seen uint32
	for i := range requests {
		hashes[i] = hashNumber(requests[i].Card)
		if p := s.cardIndex.seek(hashes[i]); len(p.slots) > 0 {
			seen += p.slots[p.at]
		}
	}
	sink += s.warmAnswers(requests)
	n := 0
	for i := range requests {
		p := s.cardIndex.seek(hashes[i])
		if row, ok := p.next(); ok { // nearly always the card's
			rows[n] = row
			n++
		}
	}
	for _, row := range rows[:n] {
		seen += s.cards.At(row).Holder
	}
	n = 0
	for i := range requests {
		if row, ok := s.cardRow(requests[i].Card); ok {
			requests[i].cardRow = row + 1
			rows[n] = s.cards.At(row).Holder
			n++
		}
	}
	for i, holder := range rows[:n] {
		h := s.holders.At(holder)
		rows[i], subsidies[i], purses[i] = uint32(h.Main), uint32(h.Subsidy), h.Purses
	}
	for i, main := range rows[:n] {
		sink += s.book.Account(ledger.AccountID(main)).Balance + s.book.Account(ledger.AccountID(subsidies[i])).Balance
	}
	sink += s.warmPurses(purses[:n])
	s.warmth = sink + money.Fen(seen) // so that the reads are not left out
}

// warmAnswers reads the rows in which the answers will be remembered: two lines each.
func (s *State) warmAnswers(requests []Request) (sink money.Fen) {
	for i := range requests {
		if r := &requests[i]; r.Terminal != 0 && uint32(r.Terminal) <= s.terminals.Len() {
			row := s.answers.At(s.rowOf(r.Terminal, r.Trace, false))
			sink += row.amount + money.Fen(row.kind)
		}
	}
	return sink
}

// warmPurses reads the newest purse of a programme of those who have one, and its account.
func (s *State) warmPurses(newest []uint32) (sink money.Fen) {
	n := 0
	for _, purse := range newest {
		if purse != 0 {
			newest[n] = purse
			n++
		}
	}
	newest = newest[:n]
	for i, purse := range newest {
		newest[i] = uint32(s.purses.At(purse - 1).Account)
	}
	for _, account := range newest {
		sink += s.book.Account(ledger.AccountID(account)).Balance
	}
	return sink
}
