package pebblestore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"onecard/ledger"
)

// The statement index.
//
// Behind the durable head a goroutine reads blocks and gathers, in memory, for each space (card, terminal) and number the sequences of
// its entries. Now and then it writes them: one key per number with the list of sequences since the last time. A key per entry was tried
// on paper and costs 1 to 2 us of memtable work each (ledger study 3.2); a list costs an append, and a window of a million entries over
// 30,000 cards is 30,000 keys.
//
//	I | space u8 | id u64 | first sequence u64 -> differences of sequences, uvarint, the first from the key
//
// Windows are written in small batches, so that no block waits behind a large one, and the mark last: a crash between leaves lists that
// are written again by the next window. Reading drops what it has seen. The index may be dropped and rebuilt at any time.

// Keys says which statements an entry belongs to.
type Keys func(sequence uint64, e *ledger.Entry, emit func(space byte, id uint64))

const (
	windowEntries  = 1 << 20         // entries gathered before they are written whatever the time
	windowInterval = 3 * time.Second // or after this time
	indexBatch     = 256             // keys per batch
	markIndex      = "index"
)

type listKey struct {
	space byte
	id    uint64
}

// list is what has been gathered for one number: the first sequence, and the differences of all, encoded as they will be stored.
type list struct {
	first, last uint64
	steps       []byte
}

func (l *list) add(sequence uint64) {
	l.steps = binary.AppendUvarint(l.steps, sequence-l.last)
	l.last = sequence
}

// lists are those of a window. Cards and terminals are numbered densely: their lists stand in an array per space, which costs a tenth of a
// map's look-up; what has larger numbers is in a map.
type lists struct {
	dense   [256][]list
	sparse  map[listKey]*list
	touched []listKey
}

const (
	denseIDs = 1 << 22
	// keptSteps bytes of a dense list stay for the next window.
	keptSteps = 64
)

func (g *lists) add(key listKey, sequence uint64) {
	l := g.of(key)
	if l.first == 0 {
		l.first, l.last = sequence, sequence
		g.touched = append(g.touched, key)
	}
	l.add(sequence)
}

func (g *lists) of(key listKey) *list {
	if key.id < denseIDs {
		space := &g.dense[key.space]
		for key.id >= uint64(len(*space)) {
			*space = append(*space, make([]list, max(1024, len(*space)))...)
		}
		return &(*space)[key.id]
	}
	l := g.sparse[key]
	if l == nil {
		l = new(list)
		g.sparse[key] = l
	}
	return l
}

// reset forgets what was gathered.
func (g *lists) reset() {
	for _, key := range g.touched {
		if key.id < denseIDs {
			l := g.of(key)
			l.first, l.steps = 0, l.steps[:0]
			if cap(l.steps) > keptSteps {
				l.steps = nil
			}
		}
	}
	clear(g.sparse)
	g.touched = g.touched[:0]
}

type indexer struct {
	store   *Store
	keys    Keys
	news    chan struct{}
	stop    chan struct{}
	done    chan struct{}
	mu      sync.Mutex
	pending lists  // guarded by mu
	read    uint64 // guarded by mu; sequence up to which blocks are gathered
	window  int    // entries that are written together
	written uint64 // guarded by mu; sequence up to which lists are on disk (unsynced)
	entries int    // guarded by mu; gathered since the last write
}

// follow tells the indexer and the feeds that a block is durable.
func (s *Store) follow(f *flight) {
	s.durable.Store(f.head.Sequence)
	s.feeds.tell()
	if s.indexer != nil {
		select {
		case s.indexer.news <- struct{}{}:
		default:
		}
	}
}

// StartIndexer starts the goroutine that builds the statement index behind the durable head, until Close.
func (s *Store) StartIndexer(keys Keys) error {
	x, err := s.newIndexer(keys)
	if err != nil {
		return err
	}
	s.indexer = x
	go x.run()
	return nil
}

func (s *Store) newIndexer(keys Keys) (*indexer, error) {
	from, err := s.mark(markIndex)
	if err != nil {
		return nil, err
	}
	return &indexer{
		store: s, keys: keys, news: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		pending: lists{sparse: make(map[listKey]*list)}, read: from, written: from, window: cmp.Or(s.options.IndexWindowEntries, windowEntries),
	}, nil
}

func (s *Store) stopIndexer() {
	if s.indexer == nil {
		return
	}
	close(s.indexer.stop)
	<-s.indexer.done
	s.indexer = nil
}

func (x *indexer) run() {
	defer close(x.done)
	tick := time.NewTicker(windowInterval)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-x.stop:
			x.report(errors.Join(x.gather(), x.flush()))
			return
		case <-tick.C:
			err = errors.Join(x.gather(), x.flush())
		case <-x.news:
			err = x.gather()
			x.rest()
		}
		x.report(err)
	}
}

// restTime lets blocks pile up before the next look: gathering a hundred blocks at once costs little more than one.
const restTime = 20 * time.Millisecond

func (x *indexer) rest() {
	select {
	case <-x.stop:
	case <-time.After(restTime):
	}
}

func (x *indexer) report(err error) {
	if err != nil && x.store.options.Events.Failed != nil {
		x.store.options.Events.Failed(fmt.Errorf("building the statement index: %w", err))
	}
}

// gather reads the durable blocks that are new.
func (x *indexer) gather() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	upTo := x.store.durable.Load()
	if x.read >= upTo {
		return nil
	}
	return x.store.eachEntry(x.read, upTo, func(sequence uint64, e *ledger.Entry) error {
		x.keys(sequence, e, func(space byte, id uint64) {
			x.pending.add(listKey{space, id}, sequence)
		})
		x.read = sequence
		if x.entries++; x.entries < x.window {
			return nil
		}
		return x.write() // a rebuild holds one window in memory, however long the ledger is
	})
}

// flush writes what is gathered.
func (x *indexer) flush() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.write()
}

// write writes the lists in batches and the mark last. REQUIRES: mu is held.
func (x *indexer) write() error {
	if x.read == x.written {
		return nil
	}
	batch := x.store.db.NewBatch()
	defer func() { _ = batch.Close() }()
	for _, key := range x.pending.touched {
		l := x.pending.of(key)
		if err := batch.Set(indexKey(key, l.first), l.steps, nil); err != nil {
			return err
		}
		if batch.Count() >= indexBatch {
			if err := batch.Commit(pebble.NoSync); err != nil {
				return err
			}
			batch = x.store.db.NewBatch()
		}
	}
	if err := batch.Set(markKey(markIndex), binary.BigEndian.AppendUint64(nil, x.read), nil); err != nil {
		return err
	}
	if err := batch.Commit(pebble.NoSync); err != nil {
		return err
	}
	x.pending.reset()
	x.written, x.entries = x.read, 0
	return nil
}

func indexKey(k listKey, first uint64) []byte {
	key := binary.BigEndian.AppendUint64([]byte{prefixIndex, k.space}, k.id)
	return binary.BigEndian.AppendUint64(key, first)
}

// readList appends the sequences of one stored list that begins at first.
func readList(dst []uint64, first uint64, value []byte) ([]uint64, error) {
	for sequence := first; len(value) > 0; {
		step, n := binary.Uvarint(value)
		if n <= 0 {
			return nil, ledger.ErrMalformed
		}
		value, sequence = value[n:], sequence+step
		dst = append(dst, sequence)
	}
	return dst, nil
}

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

// IndexedTo is the sequence up to which statements are complete on disk.
func (s *Store) IndexedTo() uint64 {
	if s.indexer != nil {
		s.indexer.mu.Lock()
		defer s.indexer.mu.Unlock()
		return s.indexer.written
	}
	sequence, _ := s.mark(markIndex)
	return sequence
}

// blocksAfter returns an iterator on the block that holds the entry after a sequence.
//
// Looking back for it reads, in every level of Pebble, the block before: far down that is an import's of many megabytes, decompressed at
// each look. Blocks end where the indexer ends, so the entry wanted is nearly always the first of its block and can be asked for by its key.
func (s *Store) blocksAfter(after uint64) (it *pebble.Iterator, valid bool, err error) {
	key := blockKey(nil, after+1)
	if it, err = s.db.NewIter(&pebble.IterOptions{LowerBound: key, UpperBound: []byte{prefixBlock + 1}}); err != nil {
		return nil, false, fmt.Errorf("reading blocks: %w", err)
	}
	if it.First() && bytes.Equal(it.Key(), key) {
		return it, true, nil
	}
	if err = it.Close(); err != nil {
		return nil, false, fmt.Errorf("reading blocks: %w", err)
	}
	if it, err = s.blocks(); err != nil {
		return nil, false, err
	}
	return it, it.SeekLT(blockKey(nil, after+2)) || it.First(), nil
}

// eachEntry visits the entries after one sequence up to another.
func (s *Store) eachEntry(after, upTo uint64, visit func(uint64, *ledger.Entry) error) error {
	it, valid, err := s.blocksAfter(after)
	if err != nil {
		return err
	}
	defer it.Close()
	for ; valid; valid = it.Next() {
		b, err := storedUnder(it, ledger.OpenBlock)
		if err != nil {
			return err
		}
		if b.First() > upTo {
			break
		}
		err = b.Each(func(sequence uint64, e *ledger.Entry) error {
			if sequence <= after {
				return nil
			}
			return visit(sequence, e)
		})
		if err != nil {
			return err
		}
	}
	return it.Error()
}

// RebuildIndex drops the index and builds it again from the blocks. REQUIRES: the indexer is not running.
func (s *Store) RebuildIndex(ctx context.Context, keys Keys) error {
	if err := s.db.DeleteRange([]byte{prefixIndex}, []byte{prefixIndex + 1}, pebble.NoSync); err != nil {
		return fmt.Errorf("dropping the index: %w", err)
	}
	if err := s.db.Set(markKey(markIndex), make([]byte, 8), pebble.NoSync); err != nil {
		return fmt.Errorf("dropping the index: %w", err)
	}
	x, err := s.newIndexer(keys)
	if err != nil {
		return err
	}
	return errors.Join(x.gather(), x.flush(), ctx.Err())
}

// Statement returns the sequences of the entries of one number, between two sequences (inclusive), at most limit of them, oldest or
// newest first.
func (s *Store) Statement(space byte, id, from, to uint64, limit int, newestFirst bool) ([]uint64, error) {
	if s.indexer != nil {
		if err := errors.Join(s.indexer.gather(), s.indexer.flush()); err != nil {
			return nil, err
		}
	}
	key := listKey{space, id}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: indexKey(key, 0), UpperBound: indexKey(listKey{space, id + 1}, 0)})
	if err != nil {
		return nil, fmt.Errorf("reading the index: %w", err)
	}
	defer it.Close()
	found := map[uint64]struct{}{}
	var list []uint64
	for valid := it.First(); valid; valid = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, fmt.Errorf("reading the index: %w", err)
		}
		if list, err = readList(list[:0], binary.BigEndian.Uint64(it.Key()[10:]), value); err != nil {
			return nil, fmt.Errorf("statement of %d: %w", id, err)
		}
		for _, sequence := range list {
			if sequence >= from && sequence <= to {
				found[sequence] = struct{}{}
			}
		}
	}
	all := slices.Sorted(maps.Keys(found))
	if newestFirst {
		slices.Reverse(all)
	}
	return all[:min(limit, len(all))], it.Error()
}

// Entry reads one entry; its slices are the caller's. The day is the business day of its block.
func (s *Store) Entry(sequence uint64) (found ledger.Entry, day uint32, err error) {
	it, err := s.blocks()
	if err != nil {
		return ledger.Entry{}, 0, err
	}
	defer it.Close()
	if !it.SeekLT(blockKey(nil, sequence+1)) {
		return ledger.Entry{}, 0, fmt.Errorf("no entry %d", sequence)
	}
	b, err := storedUnder(it, ledger.OpenBlock)
	if err != nil {
		return ledger.Entry{}, 0, err
	}
	if b.Last() < sequence {
		return ledger.Entry{}, 0, fmt.Errorf("no entry %d", sequence)
	}
	err = b.Each(func(at uint64, e *ledger.Entry) error {
		if at == sequence {
			found = e.Clone()
		}
		return nil
	})
	return found, b.Day(), err
}
