package pebblestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/cockroachdb/pebble/v2"

	"onecard/ledger"
)

// Totals are sums over entries, kept in cells, so that a day's or a month's takings are read and not added up: of a merchant by terminal, of
// all merchants, of an account. What the cells are and which of them an entry moves is said by functions of the caller.
//
//	S | key of the cell, 16 bytes -> entry up to which it counts uvarint | sums varint ..., zeros at the end left out
//
// An entry moves few cells, and each of those is part of larger ones, as a day is of its month. While a window is gathered only the small
// ones are touched; the larger take the window's sums when it is written, once for each small cell and not once for each entry.

// Totals say which cells there are.
type Totals struct {
	// Count tells the cells that an entry moves, and by how much. The sums are read before emit returns. It may keep them back and add them up
	// itself until Settle is called.
	Count func(sequence uint64, day uint32, e *ledger.Entry, emit func(*ledger.CellKey, *ledger.Sums))
	// Settle tells what Count has kept back, and forgets it. It is called before anybody reads a cell and at the end of every window. Nil: Count
	// keeps nothing back.
	Settle func(emit func(*ledger.CellKey, *ledger.Sums))
	// RollUp tells the larger cells that take in what moves one that Count names, itself not among them.
	RollUp func(key *ledger.CellKey, emit func(*ledger.CellKey))
}

const (
	markTotals = "totals"
	// knownCellsMax are kept in memory as they stand on disk: those of the open day and month of a large site.
	knownCellsMax = 1 << 16
)

// cells are some cells and their sums, in the order in which they were first touched.
type cells struct {
	at   map[ledger.CellKey]int32
	keys []ledger.CellKey
	sums []ledger.Sums
}

// of returns the sums of a cell, and whether they are new. They are good until the next call.
func (c *cells) of(key *ledger.CellKey) (sums *ledger.Sums, fresh bool) {
	i, ok := c.at[*key]
	if !ok {
		if c.at == nil {
			c.at = make(map[ledger.CellKey]int32)
		}
		i = int32(len(c.keys))
		c.at[*key] = i
		c.keys, c.sums = append(c.keys, *key), append(c.sums, ledger.Sums{})
	}
	return &c.sums[i], !ok
}

func (c *cells) add(key *ledger.CellKey, by *ledger.Sums) {
	sums, _ := c.of(key)
	sums.Add(by)
}

// reset forgets them. What a burst has made large is given back.
func (c *cells) reset() {
	if len(c.keys) > knownCellsMax {
		*c = cells{}
		return
	}
	clear(c.at)
	c.keys, c.sums = c.keys[:0], c.sums[:0]
}

// addThose adds the cells of another, and those that they are part of, that lie in one of the ranges.
func (c *cells) addThose(o *cells, t *Totals, ranges []ledger.CellRange) {
	var sums *ledger.Sums
	within := func(key *ledger.CellKey) {
		i := sort.Search(len(ranges), func(i int) bool { return bytes.Compare(key[:], ranges[i].To[:]) < 0 })
		if i < len(ranges) && ranges[i].Holds(key) {
			c.add(key, sums)
		}
	}
	for i := range o.keys {
		sums = &o.sums[i]
		within(&o.keys[i])
		t.RollUp(&o.keys[i], within)
	}
}

func cellKey(key *ledger.CellKey) []byte { return append([]byte{prefixTotals}, key[:]...) }

func appendCell(dst []byte, upTo uint64, sums *ledger.Sums) []byte {
	dst = binary.AppendUvarint(dst, upTo)
	last := len(sums)
	for last > 0 && sums[last-1] == 0 {
		last--
	}
	for _, sum := range sums[:last] {
		dst = binary.AppendVarint(dst, sum)
	}
	return dst
}

func readCell(value []byte) (upTo uint64, sums ledger.Sums, err error) {
	upTo, n := binary.Uvarint(value)
	for i := 0; n > 0 && len(value) > n; i++ {
		value = value[n:]
		if i == len(sums) {
			return 0, ledger.Sums{}, ledger.ErrMalformed
		}
		sums[i], n = binary.Varint(value)
	}
	if n <= 0 {
		return 0, ledger.Sums{}, ledger.ErrMalformed
	}
	return upTo, sums, nil
}

func totalsMarkKey() []byte { return markKey(markTotals) }

// totalsMark says up to where all cells count, and where the window that is being written will end.
func totalsMark(upTo, promised uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, upTo), promised)
}

// totalsMark reads the mark; promised is 0 when no window was interrupted.
func (s *Store) totalsMark() (upTo, promised uint64, err error) {
	value, closer, err := s.db.Get(totalsMarkKey())
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("mark %s: %w", markTotals, err)
	}
	defer closer.Close()
	if len(value) != 16 {
		return 0, 0, fmt.Errorf("mark %s: %w", markTotals, ledger.ErrMalformed)
	}
	if upTo, promised = binary.BigEndian.Uint64(value), binary.BigEndian.Uint64(value[8:]); promised == upTo {
		promised = 0
	}
	return upTo, promised, nil
}

// knownCells are cells as they stand on disk.
type knownCells struct {
	at  map[ledger.CellKey]*knownCell
	all []knownCell // in pieces, so that none moves
}

type knownCell struct {
	upTo uint64
	sums ledger.Sums
}

const knownPiece = 1024

func (k *knownCells) reset() { k.at, k.all = nil, nil }

// cell returns a cell, read from disk when it is asked for the first time.
func (k *knownCells) cell(s *Store, key *ledger.CellKey) (*knownCell, error) {
	if cell := k.at[*key]; cell != nil {
		return cell, nil
	}
	var cell knownCell
	value, closer, err := s.db.Get(cellKey(key))
	if err == nil {
		cell.upTo, cell.sums, err = readCell(value)
		err = errors.Join(err, closer.Close())
	}
	if err != nil && !errors.Is(err, pebble.ErrNotFound) {
		return nil, fmt.Errorf("total %x: %w", *key, err)
	}
	if k.at == nil {
		k.at = make(map[ledger.CellKey]*knownCell)
	}
	if len(k.all) == cap(k.all) {
		k.all = make([]knownCell, 0, knownPiece)
	}
	k.all = append(k.all, cell)
	k.at[*key] = &k.all[len(k.all)-1]
	return k.at[*key], nil
}

// writeCells writes the cells of the window and those that they are part of, each as it stands at the end of the window.
// REQUIRES: flushing is held.
func (x *indexer) writeCells(batch *batches) error {
	w := &x.writing
	x.moved.reset()
	for i := range w.cells.keys {
		sums := &w.cells.sums[i]
		x.moved.add(&w.cells.keys[i], sums)
		x.index.Totals.RollUp(&w.cells.keys[i], func(key *ledger.CellKey) { x.moved.add(key, sums) })
	}
	if len(x.known.at) > knownCellsMax {
		x.known.reset()
	}
	var value []byte
	for i := range x.moved.keys {
		cell, err := x.known.cell(x.store, &x.moved.keys[i])
		if err != nil {
			return err
		}
		if cell.upTo == w.upTo {
			continue // written before the window was interrupted
		}
		cell.sums.Add(&x.moved.sums[i])
		cell.upTo = w.upTo
		value = appendCell(value[:0], w.upTo, &cell.sums)
		batch.set(cellKey(&x.moved.keys[i]), value)
	}
	return batch.err
}

// TotalledTo is the sequence up to which totals are complete on disk.
func (s *Store) TotalledTo() uint64 {
	if x := s.indexer.Load(); x != nil {
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.totalled
	}
	upTo, _, _ := s.totalsMark()
	return upTo
}

// Cells visits the cells of some stretches of keys, which are in order and apart, as they stand after the entry that it returns: the newest
// durable one, but for a switch that is still building its index. Cells that are zero may be among them.
func (s *Store) Cells(ranges []ledger.CellRange, visit func(ledger.CellKey, *ledger.Sums) error) (upTo uint64, err error) {
	x := s.indexer.Load()
	if x == nil || !x.counts() {
		return 0, errors.New("totals are not kept")
	}
	if err := x.refresh(); err != nil || len(ranges) == 0 {
		return 0, err
	}
	read, it, err := x.reading(ranges)
	if err != nil {
		return 0, err
	}
	defer it.Close()
	for i := range ranges {
		if err := read.stored(it, &ranges[i]); err != nil {
			return 0, fmt.Errorf("reading totals: %w", s.unreadable(err))
		}
	}
	return read.upTo, read.each(visit)
}

// cellReader puts together what is on disk, what is being written and what is gathered.
type cellReader struct {
	pending, writing cells
	ends             uint64 // of the window that is being written
	upTo             uint64
}

// reading copies what is not on disk yet and opens what is, at one moment.
func (x *indexer) reading(ranges []ledger.CellRange) (*cellReader, *pebble.Iterator, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := &cellReader{upTo: x.read}
	x.settle()
	r.pending.addThose(&x.pending.cells, &x.index.Totals, ranges)
	if x.writing.open {
		r.ends = x.writing.upTo
		r.writing.addThose(&x.writing.cells, &x.index.Totals, ranges)
	}
	lower, upper := cellKey(&ranges[0].From), cellKey(&ranges[len(ranges)-1].To)
	it, err := x.store.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, nil, fmt.Errorf("reading totals: %w", x.store.unreadable(err))
	}
	return r, it, nil
}

// stored takes in the cells of a range as they stand on disk.
func (r *cellReader) stored(it *pebble.Iterator, within *ledger.CellRange) error {
	for valid := it.SeekGE(cellKey(&within.From)); valid; valid = it.Next() {
		if len(it.Key()) != 1+len(ledger.CellKey{}) {
			return fmt.Errorf("key %x: %w", it.Key(), ledger.ErrMalformed)
		}
		key := ledger.CellKey(it.Key()[1:])
		if !within.Holds(&key) {
			break
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		upTo, sums, err := readCell(value)
		if err != nil {
			return fmt.Errorf("key %x: %w", it.Key(), err)
		}
		if i, ok := r.writing.at[key]; ok && upTo == r.ends {
			r.writing.sums[i] = ledger.Sums{} // it counts them already
		}
		r.pending.add(&key, &sums)
	}
	return it.Error()
}

func (r *cellReader) each(visit func(ledger.CellKey, *ledger.Sums) error) error {
	for i := range r.writing.keys {
		r.pending.add(&r.writing.keys[i], &r.writing.sums[i])
	}
	keys := slices.Clone(r.pending.keys)
	slices.SortFunc(keys, func(a, b ledger.CellKey) int { return bytes.Compare(a[:], b[:]) })
	for _, key := range keys {
		sums, _ := r.pending.of(&key)
		if err := visit(key, sums); err != nil {
			return err
		}
	}
	return nil
}
