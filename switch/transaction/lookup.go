package transaction

// How people and cards are found: by the numbers that stand in their rows.

// cardRow finds a card's row.
func (s *State) cardRow(number CardNumber) (row uint32, ok bool) {
	p := s.cardIndex.seek(hashNumber(number))
	for row, ok = p.next(); ok && s.cards.At(row).Number != number; row, ok = p.next() {
	}
	return row, ok
}

// holderRow finds a holder's row.
func (s *State) holderRow(number []byte) (row uint32, ok bool) {
	p := s.holderIndex.seek(hashText(number))
	for row, ok = p.next(); ok && string(s.numbers.at(row)) != string(number); row, ok = p.next() {
	}
	return row, ok
}

// addCardRow appends a card. REQUIRES: its number is new.
func (s *State) addCardRow(c Card) {
	s.cardIndex.add(hashNumber(c.Number), s.cards.Append(c), s.hashOfCard)
}

// addHolderRow appends a holder. REQUIRES: his number is new.
func (s *State) addHolderRow(number []byte, h Holder) {
	s.numbers.add(number)
	s.holderIndex.add(hashText(number), s.holders.Append(h), s.hashOfHolder)
}

func (s *State) hashOfCard(row uint32) uint64 { return hashNumber(s.cards.At(row).Number) }

func (s *State) hashOfHolder(row uint32) uint64 { return hashText(s.numbers.at(row)) }

// indexCards builds the index of a restored table.
func (s *State) indexCards() {
	s.cardIndex.reserve(s.cards.Len())
	for row := range s.cards.Len() {
		s.cardIndex.add(s.hashOfCard(row), row, s.hashOfCard)
	}
}

// indexHolders builds the index of restored numbers.
func (s *State) indexHolders() {
	s.holderIndex.reserve(s.numbers.rows)
	row := uint32(0)
	s.numbers.each(func(number []byte) {
		s.holderIndex.add(hashText(number), row, s.hashOfHolder)
		row++
	})
}
