package denylist

import (
	"encoding/binary"
	"errors"
)

// ErrMalformed says that stored bytes are not what this package writes.
var ErrMalformed = errors.New("malformed deny list")

// Frozen is a list at one moment, to be written down by any goroutine.
type Frozen struct {
	entries      []Entry
	oldest, head uint64
}

// Freeze costs nothing: entries are never changed where they stand.
func (l *List) Freeze() Frozen {
	return Frozen{l.entries[:len(l.entries):len(l.entries)], l.oldest, l.head}
}

const (
	partEntries = 4096
	headBytes   = 16
	entryBytes  = 17
)

// Rows is the number of entries to be written, Parts that of the parts they come in.
func (f Frozen) Rows() uint32 { return uint32(len(f.entries)) }

// Parts is at least one.
func (f Frozen) Parts() uint32 { return uint32(max(1, (len(f.entries)+partEntries-1)/partEntries)) }

// Append writes one part, big-endian:
//
//	oldest u64 | head u64 | entries: version u64, card u64, denied u8
//
// What is outdated is written too, so that a restored list sweeps when the one it was made of does.
func (f Frozen) Append(dst []byte, part uint32) []byte {
	dst = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, f.oldest), f.head)
	from := min(int(part)*partEntries, len(f.entries))
	for _, e := range f.entries[from:min(from+partEntries, len(f.entries))] {
		dst = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, e.Version), e.Card)
		if e.Denied {
			dst = append(dst, 1)
		} else {
			dst = append(dst, 0)
		}
	}
	return dst
}

// Restore reads the next part into a list that New made.
func (l *List) Restore(part []byte) error {
	if len(part) < headBytes || (len(part)-headBytes)%entryBytes != 0 {
		return ErrMalformed
	}
	oldest, head := binary.BigEndian.Uint64(part), binary.BigEndian.Uint64(part[8:])
	for b := part[headBytes:]; len(b) > 0; b = b[entryBytes:] {
		e := Entry{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), b[16] == 1}
		if b[16] > 1 || e.Version > head || len(l.entries) > 0 && e.Version <= l.entries[len(l.entries)-1].Version {
			return ErrMalformed
		}
		l.put(e)
	}
	l.oldest, l.head = oldest, head
	return nil
}

// Begin makes the cards denied on an empty list whose earlier changes are not known, as of a version. REQUIRES: version >= len(cards).
func (l *List) Begin(version uint64, cards []uint64) {
	for i, card := range cards {
		l.put(Entry{version - uint64(len(cards)-1-i), card, true})
	}
	l.oldest, l.head = version, version
}
