package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/ledger"
)

// everything is an index of test entries: a cell per payload modulo 5, part of one for the even or odd ones and of one for all.
func everything() Index {
	return Index{Keys: everyEntry, Shared: "s", Totals: Totals{
		Count: func(sequence uint64, day uint32, e *ledger.Entry, emit func(*ledger.CellKey, *ledger.Sums)) {
			if e.Kind == 2 {
				emit(&ledger.CellKey{'c', byte(day), byte(binary.BigEndian.Uint32(e.Payload) % 5)}, &ledger.Sums{1, int64(sequence), -int64(len(e.Payload))})
			}
		},
		RollUp: func(key *ledger.CellKey, emit func(*ledger.CellKey)) {
			emit(&ledger.CellKey{'p', key[1], key[2] % 2})
			emit(&ledger.CellKey{'w', key[1]})
		},
	}}
}

// recount adds up the blocks anew.
func recount(s *Store) (map[ledger.CellKey]ledger.Sums, error) {
	all, index := map[ledger.CellKey]ledger.Sums{}, everything()
	err := s.Replay(context.Background(), 0, func(b ledger.Block) error {
		return b.Each(func(sequence uint64, e *ledger.Entry) error {
			index.Totals.Count(sequence, b.Day(), e, func(key *ledger.CellKey, by *ledger.Sums) {
				add := func(key *ledger.CellKey) {
					sums := all[*key]
					sums.Add(by)
					all[*key] = sums
				}
				add(key)
				index.Totals.RollUp(key, add)
			})
			return nil
		})
	})
	return all, err
}

// keptTotals reads all cells.
func keptTotals(s *Store) (map[ledger.CellKey]ledger.Sums, uint64, error) {
	all := map[ledger.CellKey]ledger.Sums{}
	upTo, err := s.Cells([]ledger.CellRange{{To: ledger.CellKey{0xFF}}}, func(key ledger.CellKey, sums *ledger.Sums) error {
		all[key] = *sums
		return nil
	})
	return all, upTo, err
}

// checkTotals: what is kept, and what is gathered over it, is what the blocks say; "" when it is.
func checkTotals(s *Store) string {
	if s.indexer.Load() == nil {
		x, err := s.newIndexer(everything())
		if err != nil {
			return fmt.Sprintf("totals: %v", err)
		}
		defer x.end()
		s.indexer.Store(x)
		defer s.indexer.Store(nil)
	}
	want, err := recount(s)
	got, upTo, err2 := keptTotals(s)
	if err := errors.Join(err, err2); err != nil {
		return fmt.Sprintf("totals: %v", err)
	}
	if upTo != s.durable.Load() || !maps.Equal(want, got) {
		return fmt.Sprintf("totals up to %d of %d: want %v, got %v", upTo, s.durable.Load(), want, got)
	}
	return ""
}

// eachEntry visits all entries.
func eachEntry(s *Store, visit func(uint64, *ledger.Entry) error) error {
	return s.eachBlock(0, func(b ledger.Block) (bool, error) { return true, b.Each(visit) })
}

var errInterrupted = errors.New("the process ends here")

// TestTotalsAreExactWhereverAWindowIsInterrupted: a process ends between any two batches of a window, any number of times in a row; the next
// one writes windows with other ends. What is read is right at every moment.
func TestTotalsAreExactWhereverAWindowIsInterrupted(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		mem := vfs.NewMem()
		w := newWorkload(rapid.Uint64().Draw(r, "seed"))
		book, left := ledger.NewBook(), 0
		for range rapid.IntRange(1, 6).Draw(r, "processes") {
			o := crashOptions(mem)
			o.interrupt = func() error {
				if left--; left < 0 {
					return errInterrupted
				}
				return nil
			}
			s, err := Open(o)
			require.NoError(r, err)
			x, err := s.newIndexer(everything())
			require.NoError(r, err)
			s.indexer.Store(x)
			for range rapid.IntRange(1, 3).Draw(r, "windows") {
				for range rapid.IntRange(1, 4).Draw(r, "blocks") {
					block := w.build(&ledger.BlockBuilder{}, s.Head(), book)
					require.NoError(r, errorsOf(s.Append(block), s.Wait(block.Last())))
				}
				if rapid.Bool().Draw(r, "gathered") {
					require.NoError(r, x.gather())
				}
				left = rapid.IntRange(0, 14).Draw(r, "batches")
				if err := x.flush(); err != nil {
					require.ErrorIs(r, err, errInterrupted)
				}
				require.Empty(r, checkTotals(s))
				if rapid.Bool().Draw(r, "dies") {
					break
				}
			}
			x.end()
			s.indexer.Store(nil)
			require.NoError(r, s.Close())
		}
		s, err := Open(crashOptions(mem))
		require.NoError(r, err)
		require.Empty(r, checkTotals(s))
		kept := statements(t, s)
		require.NoError(r, s.RebuildIndex(context.Background(), everything()))
		require.Equal(r, s.Head().Sequence, s.TotalledTo())
		require.Empty(r, checkTotals(s))
		for name, list := range statements(t, s) {
			require.Subset(r, list, kept[name])
		}
		require.NoError(r, s.Close())
	})
}

// TestTotalsOfALedgerThatHasAnIndexAlready: totals are counted from the first block on, and the statements stay as they are.
func TestTotalsOfALedgerThatHasAnIndexAlready(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, testOptions("data", mem))
	require.NoError(t, s.StartIndexer(listed()))
	b := newBooks(t, s)
	for range 5 {
		b.pay(6)
	}
	require.NoError(t, s.Close())
	o := testOptions("data", mem)
	o.ReadOnly = true
	reader := open(t, o)
	require.NoError(t, reader.StartIndexer(everything()))
	require.Empty(t, checkTotals(reader))
	require.NoError(t, reader.Close())
	s = open(t, testOptions("data", mem))
	require.NoError(t, s.StartIndexer(everything()))
	require.Empty(t, checkTotals(s))
	got, err := s.Statement('c', 1, 5, 20, 2, true)
	require.NoError(t, err)
	require.Equal(t, []uint64{18, 15}, got)
	require.NoError(t, s.Close())
	s = open(t, testOptions("data", mem))
	require.Equal(t, s.Head().Sequence, s.TotalledTo())
	require.NoError(t, s.Close())
}
