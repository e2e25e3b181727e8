package query

import (
	"context"
	"sync"
	"time"

	"onecard/switch/transaction"
)

// Reader answers questions. It may be asked by many goroutines at once.
type Reader struct {
	Config
	mu    sync.Mutex
	first []uint32 // guarded by mu; by holder: his newest card's row + 1, 0 none
	older []uint32 // guarded by mu; by card: the row + 1 of the holder's card before it, 0 none
	zone  *time.Location
}

// New makes a reader. Zone is the site's, seconds east of UTC.
func New(c Config, zoneSeconds int32) *Reader {
	if c.Name == nil {
		c.Name = func(string, string) string { return "" }
	}
	return &Reader{Config: c, zone: time.FixedZone("", int(zoneSeconds))}
}

// rowsPerLook are read of the state at once: some 50 us of its owner's time.
const rowsPerLook = 4096

// cardsOf returns the rows of a holder's cards, newest first. Entries name cards, and the state finds a card's holder, not a holder's cards:
// who holds what never changes, so it is read once.
func (r *Reader) cardsOf(ctx context.Context, holder uint32) ([]uint32, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for all := false; !all; {
		err := r.Look(ctx, func(s *transaction.State) {
			if n := int(s.Holders()) - len(r.first); n > 0 {
				r.first = append(r.first, make([]uint32, n)...)
			}
			for range min(rowsPerLook, int(s.Cards())-len(r.older)) {
				row := uint32(len(r.older))
				owner := &r.first[s.Card(row).Holder]
				r.older = append(r.older, *owner)
				*owner = row + 1
			}
			all = len(r.older) == int(s.Cards())
		})
		if err != nil {
			return nil, err
		}
	}
	var cards []uint32
	if int(holder) < len(r.first) {
		for row := r.first[holder]; row != 0; row = r.older[row-1] {
			cards = append(cards, row-1)
		}
	}
	return cards, nil
}
