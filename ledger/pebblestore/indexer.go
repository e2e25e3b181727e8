package pebblestore

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"onecard/ledger"
	"onecard/ledger/background"
)

// The indexer builds statements (index.go) and totals (totals.go) behind the durable head.
//
// It gathers in memory and writes in windows: a window is what was gathered since the last, written in small batches, so that no block
// waits behind a large one, and the marks last. Statements bear being written twice. Totals do not: a cell is a sum, and one that a crash
// left written while its neighbours were not must not take the same entries again. So a window of totals says first where it will end, and
// each of its cells carries that end. Whoever begins after a crash gathers up to the same end before anything else, and leaves the cells
// that carry it as they are. The log keeps batches in order: where a cell is, the saying is too.
//
// What is read is always up to date: the lists and cells on disk, and over them what is being written and what is gathered.

const (
	windowEntries  = 4 << 20          // entries gathered before they are written whatever the time
	windowChunks   = 2 << 20          // or chunks of their lists, 128 MiB
	windowInterval = 30 * time.Second // or after this time; what a crash loses is gathered again, a third of a microsecond an entry
	indexBatch     = 256              // keys per batch
	// gatherEntries are read before whoever wants to look at what is gathered gets his turn.
	gatherEntries = 4096
	// restTime lets blocks pile up before the next look: gathering a hundred blocks at once costs little more than one.
	restTime = 20 * time.Millisecond
)

// Index says what is kept behind the blocks. Its functions are called on one goroutine at a time, with every entry once and in order.
type Index struct {
	Keys   Keys
	Shared string // spaces of many numbers with short lists each, as cards: neighbours share one. Spaces are below 0x80
	Totals Totals // zero: none
}

// window is what was gathered of the entries up to one: in pending while it grows, then in writing until it is on disk.
type window struct {
	lists lists
	cells cells
	upTo  uint64
}

type indexer struct {
	store *Store
	index Index
	news  chan struct{}
	done  chan struct{}

	window int       // entries that are written together
	shared [256]bool // spaces
	name   string    // of the mark that says how far the lists are

	// what Keys and Count are given: made once, they would be made anew for every entry
	list func(space byte, id uint64) // lists the entry at taking
	move func(*ledger.CellKey, *ledger.Sums)

	ending context.Context // ends with the store
	end    context.CancelFunc

	flushing sync.Mutex // held by whoever writes a window
	known    knownCells // guarded by flushing
	moved    cells      // by the window and with it; guarded by flushing

	mu      sync.Mutex
	pending window   // guarded by mu
	writing struct { // guarded by mu; read without it by whoever holds flushing
		window
		open bool // it is not on disk whole
	}
	read     uint64 // guarded by mu; sequence up to which blocks are gathered
	listed   uint64 // guarded by mu; sequence up to which lists are on disk (unsynced)
	totalled uint64 // guarded by mu; sequence up to which cells are on disk (unsynced)
	promised uint64 // guarded by mu; where the interrupted window that is being gathered again will end; 0: there is none
	entries  int    // guarded by mu; gathered since the last write
	taking   uint64 // guarded by mu; sequence of the entry that is being gathered
}

// follow tells the indexer and the feeds that a block is durable.
func (s *Store) follow(f *flight) {
	s.durable.Store(f.head.Sequence)
	s.feeds.tell()
	if x := s.indexer.Load(); x != nil {
		select {
		case x.news <- struct{}{}:
		default:
		}
	}
}

// StartIndexer starts the goroutine that builds the index behind the durable head, until Close. For a store that was opened to be read
// there is no goroutine: what is not on disk yet is gathered when it is asked for.
func (s *Store) StartIndexer(index Index) error {
	x, err := s.newIndexer(index)
	if err != nil {
		return err
	}
	s.indexer.Store(x)
	if s.options.ReadOnly {
		close(x.done)
		return nil
	}
	go x.run()
	return nil
}

func (s *Store) newIndexer(index Index) (*indexer, error) {
	name, listed, err := s.renewLists(index.Totals.Count != nil)
	if err != nil {
		return nil, err
	}
	x := &indexer{
		store: s, index: index, news: make(chan struct{}, 1), done: make(chan struct{}), read: listed, listed: listed, name: name,
		window: cmp.Or(s.options.IndexWindowEntries, windowEntries),
	}
	x.ending, x.end = context.WithCancel(context.Background())
	for _, space := range []byte(index.Shared) {
		x.shared[space] = name == markIndex
	}
	x.list = func(space byte, id uint64) { x.pending.lists.note(memberOf(x.shared[space], space, id), x.taking) }
	x.move = x.pending.cells.add
	if x.counts() {
		if x.totalled, x.promised, err = s.totalsMark(); err != nil {
			return nil, err
		}
		x.read = min(listed, x.totalled)
	}
	return x, nil
}

func (s *Store) stopIndexer() {
	x := s.indexer.Swap(nil)
	if x == nil {
		return
	}
	x.end()
	<-x.done
}

func (x *indexer) run() {
	background.GiveWay()
	defer close(x.done)
	x.report(x.catchUp(x.ending))
	tick := time.NewTicker(windowInterval)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-x.ending.Done():
			x.report(errors.Join(x.gather(), x.flush()))
			return
		case <-tick.C:
			err = errors.Join(x.gather(), x.flush())
		case <-x.news:
			if err = x.gather(); err == nil && x.full() {
				err = x.catchUp(x.ending)
			}
			_ = pause(x.ending, restTime) // its end is seen above
		}
		x.report(err)
	}
}

func (x *indexer) report(err error) {
	if err != nil && x.store.options.Events.Failed != nil {
		x.store.options.Events.Failed(fmt.Errorf("building the statement index: %w", err))
	}
}

// catchUp writes window after window until what is left fits in one.
func (x *indexer) catchUp(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := errors.Join(x.gather(), x.flush()); err != nil {
			return err
		}
		x.mu.Lock()
		done := x.entries == 0 && !x.writing.open && x.read >= x.store.durable.Load()
		x.mu.Unlock()
		if done {
			break
		}
	}
	return nil
}

// full says whether the window takes no more.
func (x *indexer) full() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.entries >= x.window || x.pending.lists.chunks >= windowChunks
}

// gather reads the durable blocks that are new, as many as the window takes.
func (x *indexer) gather() error { return x.gatherUpTo(x.window, windowChunks) }

// refresh is gather for whoever reads, and does not write: it waits for no window, unless a whole ledger's are due.
func (x *indexer) refresh() error { return x.gatherUpTo(max(x.window, windowEntries), math.MaxUint32) }

func (x *indexer) gatherUpTo(entries int, chunks uint32) error {
	for {
		if more, err := x.gatherSome(entries, chunks); err != nil || !more {
			return err
		}
	}
}

// gatherSome reads some blocks if fewer entries than so many, on fewer chunks than so many, are gathered.
func (x *indexer) gatherSome(entries int, chunks uint32) (more bool, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	upTo, before := x.store.durable.Load(), x.entries
	if x.promised != 0 {
		upTo = min(upTo, x.promised)
	}
	if x.read >= upTo {
		return false, nil
	}
	if full := x.entries >= entries || x.pending.lists.chunks >= chunks; full && x.promised == 0 && !x.store.options.ReadOnly {
		return false, nil
	}
	defer func() {
		if x.promised != 0 && x.read >= x.promised {
			x.turn()
			more = err == nil
		}
	}()
	err = x.store.eachBlock(x.read, func(b ledger.Block) (bool, error) {
		err := x.take(b)
		return err == nil && x.read < upTo && x.entries-before < gatherEntries, err
	})
	return err == nil && x.read < upTo, err
}

// take gathers the entries of a block. REQUIRES: mu is held.
func (x *indexer) take(b ledger.Block) error {
	defer x.pending.lists.settle()
	day := b.Day()
	counts := x.counts()
	return b.Each(func(sequence uint64, e *ledger.Entry) error {
		if sequence <= x.read {
			return nil
		}
		if x.taking = sequence; sequence > x.listed {
			x.index.Keys(sequence, e, x.list)
		}
		if counts && sequence > x.totalled {
			x.index.Totals.Count(sequence, day, e, x.move)
		}
		x.read = sequence
		x.entries++
		return nil
	})
}

// flush writes what is gathered.
func (x *indexer) flush() error {
	if x.store.options.ReadOnly {
		return nil
	}
	x.flushing.Lock()
	defer x.flushing.Unlock()
	x.mu.Lock()
	if !x.writing.open && x.entries > 0 && x.promised == 0 {
		x.turn()
	}
	open := x.writing.open // one that was promised, or whose writing has failed, comes first
	x.mu.Unlock()
	if !open {
		return nil
	}
	if err := x.writeWindow(); err != nil {
		x.known.reset() // what was not written is not known
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	w := &x.writing
	x.listed = max(x.listed, w.upTo)
	if x.counts() {
		x.totalled = max(x.totalled, w.upTo)
	}
	w.open = false
	w.lists.reset()
	w.cells.reset()
	return nil
}

// turn makes the pending window the one that is written. REQUIRES: mu is held, and no window is being written.
func (x *indexer) turn() {
	w := &x.writing
	x.settle()
	w.window, x.pending = x.pending, w.window
	w.upTo, w.open = x.read, true
	x.entries, x.promised = 0, 0
}

// settle takes in what Count has kept back. REQUIRES: mu is held.
func (x *indexer) settle() {
	if x.index.Totals.Settle != nil {
		x.index.Totals.Settle(x.move)
	}
}

func (x *indexer) counts() bool { return x.index.Totals.Count != nil }

// writeWindow writes the lists and the cells in batches and the marks last. REQUIRES: flushing is held.
func (x *indexer) writeWindow() error {
	w := &x.writing
	batch := batches{store: x.store, keys: indexBatch}
	if x.store.options.interrupt != nil {
		batch.keys = 1
	}
	if x.store.indexer.Load() == x {
		batch.beside(x.ending)
	} else { // nobody appends blocks meanwhile
		batch.begin()
	}
	defer batch.end()
	counts := x.counts() && w.upTo > x.totalled
	if counts {
		batch.set(totalsMarkKey(), totalsMark(x.totalled, w.upTo))
	}
	w.lists.write(&batch)
	if counts {
		if err := x.writeCells(&batch); err != nil {
			return err
		}
		batch.set(totalsMarkKey(), totalsMark(w.upTo, w.upTo))
	}
	if w.upTo > x.listed {
		batch.set(markKey(x.name), binary.BigEndian.AppendUint64(nil, w.upTo))
	}
	return batch.commit()
}

// WriteIndex writes what the indexer has gathered, as it does when its window is full or its time has come. Any goroutine may call it.
func (s *Store) WriteIndex() error {
	x := s.indexer.Load()
	if x == nil {
		return nil
	}
	return errors.Join(x.gather(), x.flush())
}

// RebuildIndex drops the index and builds it again from the blocks, unless some of them are in an archive that is not there. REQUIRES: the
// indexer is not running.
func (s *Store) RebuildIndex(ctx context.Context, index Index) error {
	if err := s.moved.Load().check(); err != nil {
		return fmt.Errorf("索引未动 / the index was left as it is: %w", err)
	}
	if err := s.dropIndex(true); err != nil {
		return err
	}
	x, err := s.newIndexer(index)
	if err != nil {
		return err
	}
	defer x.end()
	return errors.Join(x.catchUp(ctx), ctx.Err())
}

// renewLists drops the lists of a ledger that has none that are shared, so that they are built again as they are now. Where nothing may be written, or
// where blocks that they were built from are in an archive that is not there, they stay and are gone on with as they are. It returns what listsMark
// says then.
//
// Totals are dropped with them when their newest window was interrupted: it has to be gathered whole before anything is written, and with lists that
// begin at the first entry that would be the whole ledger.
func (s *Store) renewLists(counts bool) (name string, upTo uint64, err error) {
	name, upTo, err = s.listsMark()
	if err != nil || s.options.ReadOnly {
		return name, upTo, err
	}
	interrupted := false
	if counts {
		_, promised, err := s.totalsMark()
		if err != nil {
			return name, upTo, err
		}
		interrupted = promised != 0
	}
	if sound := name == markIndex && (upTo > 0 || !interrupted); sound || s.moved.Load().check() != nil {
		return name, upTo, nil
	}
	return markIndex, 0, s.dropIndex(interrupted)
}

// dropIndex drops the lists, and totals with them, at once: what a crash left of either beside a mark that says there is nothing would be added
// to what is built.
func (s *Store) dropIndex(totals bool) error {
	b := s.db.NewBatch()
	defer b.Close()
	err := errors.Join(
		b.Set(markKey(markIndex), make([]byte, 8), nil), b.Delete(markKey(markAlone), nil), b.DeleteRange([]byte{prefixIndex}, []byte{prefixIndex + 1}, nil),
	)
	if totals {
		err = errors.Join(err, b.Set(totalsMarkKey(), totalsMark(0, 0), nil), b.DeleteRange([]byte{prefixTotals}, []byte{prefixTotals + 1}, nil))
	}
	if err = errors.Join(err, b.Commit(pebble.NoSync)); err != nil {
		return fmt.Errorf("dropping the index: %w", err)
	}
	return nil
}
