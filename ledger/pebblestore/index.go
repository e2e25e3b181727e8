package pebblestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"onecard/ledger"
)

// The statement index.
//
// Behind the durable head a goroutine reads blocks and gathers, in memory, for each space (card, terminal) and number the sequences of
// its entries (lists.go). Now and then it writes them (indexer.go): one key per number with the list of sequences since the last time. A key per entry
// was tried on paper and costs 1 to 2 us of memtable work each (ledger study 3.2); a list costs an append, and a window of four million
// entries over a million cards is 62,500 keys, because sixteen cards share a list. With a list for each it was a million, and putting those into
// tables and the tables into one another cost as much as deciding the purchases.
//
//	I | space u8          | id u64        | first sequence u64 -> differences of sequences, uvarint, the first from the key
//	I | space u8 and 0x80 | id / 16 u64   | first sequence u64 -> difference << 4 and id % 16, uvarint ...
//
// The lists of one key are disjoint and in order: a window begins where the last complete one ended, so a list that an interrupted
// window has left stands under the key that the next window gives it, or beyond the mark, where nobody looks.

// Keys says which statements an entry belongs to.
type Keys func(sequence uint64, e *ledger.Entry, emit func(space byte, id uint64))

// markIndex says up to where the lists are complete. Its older name, markAlone, is that of a ledger whose lists are all those of one number (see
// renewLists).
const (
	markIndex = "lists"
	markAlone = "index"
)

func markKey(name string) []byte { return append([]byte{prefixMark}, name...) }

func (s *Store) mark(name string) (uint64, error) {
	value, closer, err := s.db.Get(markKey(name))
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("mark %s: %w", name, err)
	}
	defer closer.Close()
	if len(value) != 8 {
		return 0, fmt.Errorf("mark %s: %w", name, ledger.ErrMalformed)
	}
	return binary.BigEndian.Uint64(value), nil
}

// listsMark is under which name lists are kept, and up to where they are complete.
func (s *Store) listsMark() (name string, upTo uint64, err error) {
	if upTo, err = s.mark(markAlone); err != nil || upTo != 0 {
		return markAlone, upTo, err
	}
	upTo, err = s.mark(markIndex)
	return markIndex, upTo, err
}

// IndexedTo is the sequence up to which statements are complete on disk.
func (s *Store) IndexedTo() uint64 {
	if x := s.indexer.Load(); x != nil {
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.listed
	}
	_, sequence, _ := s.listsMark()
	return sequence
}

// ReadTo brings the index up to the durable head as far as that is quickly done, and returns the sequence up to which statements and totals
// answer: the head itself, but for a switch that is still building its index from an old ledger.
func (s *Store) ReadTo() (uint64, error) {
	x := s.indexer.Load()
	if x == nil {
		return s.IndexedTo(), nil
	}
	err := x.refresh()
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.read, err
}

// ErrIndexBehind says that an index that is being built from an old ledger does not know all that was asked for yet.
var ErrIndexBehind = errors.New("索引仍在重建,请稍后再试 / the index is still being built: try again later")

// Statement returns the sequences of the entries of one number, between two sequences (inclusive), at most limit of them, oldest or
// newest first; all of them that are durable, or ErrIndexBehind. What it costs grows with limit and not with the length of the statement, but for a shared list,
// which is walked past the entries of fifteen neighbours.
func (s *Store) Statement(space byte, id, from, to uint64, limit int, newestFirst bool) ([]uint64, error) {
	m, err := s.member(space, id)
	if err != nil {
		return nil, err
	}
	recent, it, written, err := s.recent(m, to)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	p := page{from: from, to: to, limit: limit, newestFirst: newestFirst}
	if newestFirst {
		p.take(recent)
	}
	if err := p.stored(it, m, min(to, written)); err != nil {
		return nil, s.unreadable(err)
	}
	if !newestFirst {
		p.take(recent)
	}
	return p.found, s.unreadable(it.Error())
}

// member is where a number's list stands. Without an indexer, which knows, it is looked up what there is.
func (s *Store) member(space byte, id uint64) (member, error) {
	shared := false
	if x := s.indexer.Load(); x != nil {
		shared = x.shared[space]
	} else {
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixIndex, space | sharedSpace}, UpperBound: []byte{prefixIndex, (space | sharedSpace) + 1}})
		if err != nil {
			return member{}, s.unreadable(fmt.Errorf("reading the index: %w", err))
		}
		shared = it.First()
		if err := it.Close(); err != nil {
			return member{}, s.unreadable(fmt.Errorf("reading the index: %w", err))
		}
	}
	return memberOf(shared, space, id), nil
}

// recent returns what of one list is not on disk yet, an iterator on what is, and up to where that counts, when the index knows all up to an entry.
func (s *Store) recent(m member, to uint64) (recent []uint64, it *pebble.Iterator, written uint64, err error) {
	x := s.indexer.Load()
	if x != nil {
		durable := s.durable.Load()
		if err := x.refresh(); err != nil {
			return nil, nil, 0, err
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		if want := min(to, durable); x.read < want {
			return nil, nil, 0, fmt.Errorf("%w (%d / %d)", ErrIndexBehind, x.read, want)
		}
		written = x.listed
		if recent, err = x.writing.lists.read(nil, m); err == nil {
			recent, err = x.pending.lists.read(recent, m)
		}
		if err != nil {
			return nil, nil, 0, err
		}
	} else if _, written, err = s.listsMark(); err != nil {
		return nil, nil, 0, err
	}
	it, err = s.db.NewIter(&pebble.IterOptions{LowerBound: indexKey(m.listKey, 0), UpperBound: indexKey(listKey{m.space, m.id + 1}, 0)})
	if err != nil {
		return nil, nil, 0, s.unreadable(fmt.Errorf("reading the index: %w", err))
	}
	return recent, it, written, nil
}

// page takes sequences of a statement until it is full.
type page struct {
	from, to    uint64
	limit       int
	newestFirst bool
	found       []uint64
	list        []uint64
}

// take takes one list, and says whether there is room for more.
func (p *page) take(list []uint64) bool {
	for i := range list {
		sequence := list[i]
		if p.newestFirst {
			sequence = list[len(list)-1-i]
		}
		if len(p.found) >= p.limit {
			return false
		}
		if sequence >= p.from && sequence <= p.to {
			p.found = append(p.found, sequence)
		}
	}
	return len(p.found) < p.limit
}

// stored takes the lists on disk up to a sequence.
func (p *page) stored(it *pebble.Iterator, m member, upTo uint64) error {
	whole := p.to
	p.to = min(p.to, upTo)
	defer func() { p.to = whole }()
	step, valid := it.Next, it.SeekLT(indexKey(m.listKey, p.from+1)) || it.First() // the list that holds from begins at or before it
	if p.newestFirst {
		step, valid = it.Prev, it.SeekLT(indexKey(m.listKey, p.to+1))
	}
	for ; valid && len(p.found) < p.limit; valid = step() {
		first := binary.BigEndian.Uint64(it.Key()[10:])
		if !p.newestFirst && first > p.to {
			return nil
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("reading the index: %w", err)
		}
		if p.list, err = m.readList(p.list[:0], first, value); err != nil {
			return fmt.Errorf("index key %x: %w", it.Key(), err)
		}
		p.take(p.list)
		if p.newestFirst && first <= p.from {
			return nil
		}
	}
	return nil
}

// blocksAfter returns an iterator on the block that holds the entry after a sequence.
//
// Looking back for it reads, in every level of Pebble, the block before: far down that is an import's of many megabytes, decompressed at
// each look. Blocks end where the indexer ends, so the entry wanted is nearly always the first of its block and can be asked for by its key.
func (s *Store) blocksAfter(after uint64) (it *cursor, valid bool, err error) {
	key := blockKey(nil, after+1)
	if it, err = s.cursorFrom(key); err != nil {
		return nil, false, err
	}
	if it.SeekGE(key) && bytes.Equal(it.Key(), key) {
		return it, true, nil
	}
	if err = it.Close(); err != nil {
		return nil, false, s.unreadable(fmt.Errorf("reading blocks: %w", err))
	}
	if it, err = s.blocks(); err != nil {
		return nil, false, err
	}
	return it, it.SeekLT(blockKey(nil, after+2)) || it.First(), nil
}

// eachBlock visits the blocks with the entries after a sequence. Its bytes are good until visit returns. As with Entry, hashes are not computed
// anew: 0.03 us an entry.
func (s *Store) eachBlock(after uint64, visit func(ledger.Block) (more bool, err error)) error {
	it, valid, err := s.blocksAfter(after)
	if err != nil {
		return err
	}
	defer it.Close()
	for ; valid; valid = it.Next() {
		b, err := storedUnder(it, ledger.SkimBlock)
		if err != nil {
			return err
		}
		if more, err := visit(b); err != nil || !more {
			return err
		}
	}
	return s.unreadable(it.Error())
}

// Entry reads one entry; its slices are the caller's. The day is the business day of its block. The block's hash is not computed anew:
// Pebble has checked what it read, and whoever doubts the ledger runs verify.
func (s *Store) Entry(sequence uint64) (found ledger.Entry, day uint32, err error) {
	it, err := s.blocks()
	if err != nil {
		return ledger.Entry{}, 0, err
	}
	defer it.Close()
	if sequence == 0 || !it.SeekLT(blockKey(nil, sequence+1)) {
		return ledger.Entry{}, 0, errors.Join(fmt.Errorf("%w: %d", ErrNoEntry, sequence), s.unreadable(it.Error()))
	}
	b, err := storedUnder(it, ledger.SkimBlock)
	if err != nil {
		return ledger.Entry{}, 0, err
	}
	if b.Last() < sequence {
		return ledger.Entry{}, 0, fmt.Errorf("%w: %d", ErrNoEntry, sequence)
	}
	if found, err = b.Find(sequence); err != nil {
		return ledger.Entry{}, 0, err
	}
	return found.Clone(), b.Day(), nil
}
