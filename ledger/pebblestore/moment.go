package pebblestore

import (
	"errors"
	"fmt"
	"sort"

	"onecard/ledger"
)

// EntryAt is the first durable entry at a moment (microseconds since 1970) or after it; one behind the newest when there is none. Time never
// goes back, so it is found by halving, without an index of its own.
func (s *Store) EntryAt(moment int64) (uint64, error) {
	first, err := s.firstBlock(func(b ledger.Block) bool { return b.Time() >= moment })
	if err != nil || first == 1 {
		return first, err
	}
	// The entry may stand in the block before, whose first entry is earlier.
	it, err := s.blocks()
	if err != nil {
		return 0, err
	}
	defer it.Close()
	b, err := blockWith(it, first-1)
	if err != nil {
		return 0, err
	}
	found := errors.New("found")
	at := first
	err = b.Each(func(sequence uint64, e *ledger.Entry) error {
		if e.Time >= moment {
			at = sequence
			return found
		}
		return nil
	})
	if errors.Is(err, found) {
		err = nil
	}
	return at, err
}

// EntryOfDay is the first durable entry of a business day or of a later one; one behind the newest when there is none.
func (s *Store) EntryOfDay(day uint32) (uint64, error) {
	return s.firstBlock(func(b ledger.Block) bool { return b.Day() >= day })
}

// firstBlock is the first entry of the first durable block that satisfies, as all blocks behind it do.
func (s *Store) firstBlock(satisfies func(ledger.Block) bool) (uint64, error) {
	end := s.durable.Load()
	it, err := s.blocks()
	if err != nil {
		return 0, err
	}
	defer it.Close()
	low := s.searchFrom(it, end, func(b ledger.Block) bool { return !satisfies(b) })
	at := low + uint64(sort.Search(int(end+1-low), func(i int) bool {
		b, fault := blockWith(it, low+uint64(i))
		err = errors.Join(err, fault)
		return fault != nil || satisfies(b)
	}))
	if err != nil {
		return 0, fmt.Errorf("looking for a moment: %w", err)
	}
	return at, nil
}
