package denylist

// Cursor is where a reader of pages stands. A terminal that knows the list as of a version begins at Since(version) and asks on with what the
// page before said.
type Cursor struct {
	Version  uint64 `json:"version"`            // all changes up to here are known
	Snapshot uint64 `json:"snapshot,omitempty"` // in a snapshot: its id; 0 in a delta
	Begun    bool   `json:"begun,omitempty"`    // a page has been read
}

// Since begins at a version; 0 is a terminal that knows nothing.
func Since(version uint64) Cursor { return Cursor{Version: version} }

// Page is some of the entries that a reader lacks. They are to be kept aside until the last page has come, and then to be applied together, to
// the list as it was or, of a snapshot, to an empty one; the terminal's version is then Head. One that loses a page begins again at its version.
type Page struct {
	Snapshot uint64  `json:"snapshot,omitempty"` // the snapshot's id: its entries are the whole list. 0: a delta
	Restart  bool    `json:"restart,omitempty"`  // this is the first page: what was kept aside of others is to be dropped
	Entries  []Entry `json:"entries"`            // ascending by version, at most one a card within a page
	Next     Cursor  `json:"next"`
	Last     bool    `json:"last"`
	Head     uint64  `json:"head"` // of the last page: the version that the terminal then has
}

// Page reads on from a cursor, at most so many entries. REQUIRES: most > 0.
func (l *List) Page(from Cursor, most int) Page {
	switch {
	case from.Begun && from.Snapshot != 0 && from.Snapshot >= l.oldest:
	case from.Begun && from.Snapshot == 0 && from.Version >= l.oldest && from.Version <= l.head:
	case !l.tells(from.Version): // begins, or begins again: what it stood on is forgotten
		from = Cursor{Snapshot: max(l.head, 1)}
	default:
		from = Since(from.Version)
	}
	p := Page{Snapshot: from.Snapshot, Restart: !from.Begun, Entries: []Entry{}, Next: from, Last: true, Head: l.head}
	p.Next.Begun = true
	for i := l.after(from.Version); i < len(l.entries); i++ {
		e := l.entries[i]
		if l.outdated(i) || from.Snapshot != 0 && !e.Denied && e.Version <= from.Snapshot {
			continue // a snapshot tells of those taken off only when it may have told of them before
		}
		if len(p.Entries) == most {
			p.Last = false
			break
		}
		p.Entries = append(p.Entries, e)
		p.Next.Version = e.Version
	}
	if p.Last {
		p.Next = Since(l.head)
	}
	return p
}

// tells says whether what has changed since a version is known and no more than the whole list.
func (l *List) tells(version uint64) bool {
	if version < l.oldest || version > l.head || version == 0 && l.head > 0 {
		return false
	}
	changes := 0
	for i := l.after(version); i < len(l.entries); i++ {
		if !l.outdated(i) {
			if changes++; changes > l.denied {
				return false
			}
		}
	}
	return true
}
