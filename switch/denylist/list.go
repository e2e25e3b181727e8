package denylist

import "sort"

// Entry is the last change of one card.
type Entry struct {
	Version uint64 `json:"version"`
	Card    uint64 `json:"card"`
	Denied  bool   `json:"denied"` // false: taken off the list
}

// KeptDefault is how many cards that were taken off are remembered.
const KeptDefault = 1 << 16

// List is the deny list with its changes. New makes one. It has one owner; what Freeze returns may be read by anybody.
type List struct {
	entries []Entry           // ascending by version; written once: a change appends, and what it outdates stays until sweep
	newest  map[uint64]uint32 // by card: its index in entries
	head    uint64            // newest version
	oldest  uint64            // who knows the list as of this version or a later one can be told what has changed
	denied  int
	keep    int // how many that were taken off are remembered
}

// New makes an empty list.
func New(keep int) *List { return &List{newest: map[uint64]uint32{}, keep: keep} }

// Change puts a card on the list or takes it off, at a version above all before. What changes nothing is no change. It returns whether it was.
func (l *List) Change(version, card uint64, denied bool) bool {
	if i, known := l.newest[card]; known && l.entries[i].Denied == denied || !known && !denied {
		return false
	}
	l.put(Entry{version, card, denied})
	l.sweep()
	return true
}

func (l *List) put(e Entry) {
	if i, known := l.newest[e.Card]; known && l.entries[i].Denied {
		l.denied--
	}
	if e.Denied {
		l.denied++
	}
	l.newest[e.Card] = uint32(len(l.entries))
	l.entries = append(l.entries, e)
	l.head = max(l.head, e.Version)
}

// sweep drops what is outdated once it is more than half, and the oldest of those who were taken off when there are more than twice as many as
// are kept. Both in bulk: a change costs the same on average however long the list is.
func (l *List) sweep() {
	off := len(l.newest) - l.denied
	if len(l.entries) <= 2*len(l.newest)+64 && off <= 2*l.keep {
		return
	}
	forget := 0
	if off > 2*l.keep {
		forget = off - l.keep
	}
	kept := make([]Entry, 0, len(l.newest)-forget)
	for i, e := range l.entries {
		switch {
		case l.newest[e.Card] != uint32(i):
			continue
		case !e.Denied && forget > 0:
			forget--
			l.oldest = e.Version
			delete(l.newest, e.Card)
			continue
		}
		l.newest[e.Card] = uint32(len(kept))
		kept = append(kept, e)
	}
	l.entries = kept
}

// Head is the version of the list: that of its newest change.
func (l *List) Head() uint64 { return l.head }

// Oldest is the oldest version from which changes can be told.
func (l *List) Oldest() uint64 { return l.oldest }

// Len is how many cards are denied.
func (l *List) Len() int { return l.denied }

// Denies says whether a card is on the list.
func (l *List) Denies(card uint64) bool {
	i, known := l.newest[card]
	return known && l.entries[i].Denied
}

// after is the index of the first entry above a version.
func (l *List) after(version uint64) int {
	return sort.Search(len(l.entries), func(i int) bool { return l.entries[i].Version > version })
}

func (l *List) outdated(i int) bool {
	n, known := l.newest[l.entries[i].Card]
	return !known || n != uint32(i)
}

// Keep is how many cards that were taken off are remembered at least, of twice as many at most.
func (l *List) Keep() int { return l.keep }
