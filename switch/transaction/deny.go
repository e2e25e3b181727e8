package transaction

import (
	"onecard/ledger"
	"onecard/switch/denylist"
)

// The deny list (handbook 3.5) follows the states of cards: what is not active is denied. Its versions are the numbers of the entries.

// deny tells the list of a card's state. REQUIRES: the books stand at the entry that set it.
func (s *State) deny(c *Card) {
	s.denied.Change(s.book.Sequence(), uint64(c.Number), c.State != CardActive)
}

// DenyList reads on in the list of denied cards, at most so many entries.
func (s *State) DenyList(from denylist.Cursor, most int) denylist.Page {
	return s.denied.Page(from, most)
}

// DeniedCards is how many cards are denied, and the version of their list.
func (s *State) DeniedCards() (cards int, version uint64) { return s.denied.Len(), s.denied.Head() }

func (s *State) denySection() ledger.Section {
	frozen := s.denied.Freeze()
	return ledger.Section{Name: sectionDenied, Parts: frozen.Parts(), Encode: frozen.Append}
}

// beginDenied makes the list of a checkpoint that was written before there was one: all cards that are not active, as of the checkpoint. Who
// has an older version is sent the whole list.
func (s *State) beginDenied() {
	if s.denied.Head() != 0 {
		return
	}
	var cards []uint64
	for row := range s.cards.Len() {
		if c := s.cards.At(row); c.State != CardActive {
			cards = append(cards, uint64(c.Number))
		}
	}
	if len(cards) > 0 {
		s.denied.Begin(s.book.Sequence(), cards)
	}
}
