package pebblestore

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// A ledger from before neighbours shared lists.

// age makes a store's index that of the program before, whose lists are all of one number. promised, when it is not 0, is where a window of totals
// ends that was interrupted behind half of the ledger.
func age(t *testing.T, s *Store, promised uint64) {
	t.Helper()
	index := everything()
	index.Shared = ""
	require.NoError(t, s.RebuildIndex(t.Context(), index))
	_, upTo, err := s.listsMark()
	require.NoError(t, err)
	if promised != 0 {
		upTo = promised / 2
		require.NoError(t, s.db.Set(totalsMarkKey(), totalsMark(upTo, promised), nil))
	}
	require.NoError(t, s.db.Set(markKey(markAlone), binary.BigEndian.AppendUint64(nil, upTo), nil))
	require.NoError(t, s.db.Delete(markKey(markIndex), nil))
}

// TestListsOfOneNumberAreBuiltAnew: the ledger is opened, its process ends while its lists are built again, and it has them all.
func TestListsOfOneNumberAreBuiltAnew(t *testing.T) {
	o := crashOptions(vfs.NewMem())
	s := open(t, o)
	require.NoError(t, newWorkload(8).write(s, 20))
	age(t, s, 0)
	require.NotEmpty(t, statements(t, s))
	var x *indexer
	for range 2 {
		require.NoError(t, s.Close())
		s = open(t, o)
		var err error
		x, err = s.newIndexer(listed())
		require.NoError(t, err)
		require.NoError(t, x.gather())
		require.Empty(t, statements(t, s))
	}
	require.NoError(t, x.catchUp(t.Context()))
	require.Equal(t, wantedStatements(t, s), statements(t, s))
	lists := make(map[string]bool)
	require.NoError(t, eachIndexKey(s, func(key []byte) { lists[string(key[1:10])] = true }))
	require.Len(t, lists, 3+3, "three of one number, and those of forty")
	require.NoError(t, s.Close())
}

// TestOldListsOverAnInterruptedWindow: a window of totals that was interrupted is gathered whole before anything is written. With lists that begin at
// the first entry that would be the whole ledger in memory, so the totals begin anew with them.
func TestOldListsOverAnInterruptedWindow(t *testing.T) {
	o := crashOptions(vfs.NewMem())
	o.IndexWindowEntries = 50
	s := open(t, o)
	require.NoError(t, newWorkload(9).write(s, 1500))
	head := s.Head().Sequence
	require.Greater(t, head, uint64(2*gatherEntries))
	age(t, s, head)
	require.NoError(t, s.Close())
	s = open(t, o)
	x, err := s.newIndexer(everything())
	require.NoError(t, err)
	require.NoError(t, x.gather())
	require.LessOrEqual(t, x.read, uint64(2*gatherEntries), "one window, not the ledger")
	require.NoError(t, x.catchUp(t.Context()))
	require.Equal(t, wantedStatements(t, s), statements(t, s))
	want, err := recount(s)
	require.NoError(t, err)
	s.indexer.Store(x)
	kept, upTo, err := keptTotals(s)
	s.indexer.Store(nil)
	require.NoError(t, err)
	require.Equal(t, s.Head().Sequence, upTo)
	require.Equal(t, want, kept)
	require.NoError(t, s.Close())
}

// TestOldListsStayWhileTheirBlocksAreAway: lists that cannot be built again answer as they are, and go on, until a start finds the archive.
func TestOldListsStayWhileTheirBlocksAreAway(t *testing.T) {
	mem := vfs.NewMem()
	o := testOptions("data", mem)
	l := newOldLedger(t, o)
	l.stopIndexer()
	age(t, l.Store, 0)
	require.NoError(t, l.Close())
	require.NoError(t, mem.Rename("archive", "elsewhere"))
	for range 2 {
		s := open(t, o)
		require.NoError(t, s.StartIndexer(everything()))
		b := &books{t: t, store: s, book: l.books.book, time: 5000}
		last := b.pay(7)
		for _, space := range []byte{'c', 's'} {
			list, err := s.Statement(space, 1, 0, 1<<60, 1000, false)
			require.NoError(t, err)
			require.NotEmpty(t, list)
		}
		list, err := s.Statement('s', 6, 0, 1<<60, 1, true)
		require.NoError(t, err)
		require.Equal(t, []uint64{last}, list)
		require.NoError(t, s.Close())
	}
	require.NoError(t, mem.Rename("elsewhere", "archive"))
	s := open(t, o)
	require.NoError(t, s.StartIndexer(everything()))
	require.NoError(t, s.indexer.Load().catchUp(t.Context()))
	require.Equal(t, wantedStatements(t, s), statements(t, s))
	require.NoError(t, s.Close())
}

// TestOldListsAreReadAsTheyAre: whoever opens the ledger to read it, or a copy of it, writes nothing, and has its statements all the same.
func TestOldListsAreReadAsTheyAre(t *testing.T) {
	mem := vfs.NewMem()
	o := crashOptions(mem)
	s := open(t, o)
	require.NoError(t, newWorkload(10).write(s, 60))
	age(t, s, 0)
	want := wantedStatements(t, s)
	head := s.Head().Sequence
	require.NoError(t, s.Close())
	o.ReadOnly = true
	s = open(t, o)
	require.Equal(t, head, s.IndexedTo())
	for range 2 { // without an indexer, and with one
		for id := range uint64(40) {
			list, err := s.Statement('s', id, 0, 1<<60, 1<<20, false)
			require.NoError(t, err)
			require.Equal(t, want[fmt.Sprintf("s/%d", id)], list)
		}
		require.NoError(t, s.StartIndexer(everything()))
	}
	require.Zero(t, s.indexer.Load().entries, "nothing is gathered anew")
	require.NoError(t, s.Close())
}

// TestAStatementIsWholeOrRefused: one that an index knows only a part of, because it is being built, is not given for the whole.
func TestAStatementIsWholeOrRefused(t *testing.T) {
	o := crashOptions(vfs.NewMem())
	s := open(t, o)
	require.NoError(t, newWorkload(11).write(s, 60))
	head := s.Head().Sequence
	x, err := s.newIndexer(listed())
	require.NoError(t, err)
	s.indexer.Store(x)
	x.read, x.listed = 0, 0
	x.entries = 1 << 30 // its window is full: it takes no more until that is written
	_, err = s.Statement('s', 3, 0, 1<<60, 1000, false)
	require.ErrorIs(t, err, ErrIndexBehind)
	_, err = s.Statement('s', 3, 0, head, 1000, true)
	require.ErrorIs(t, err, ErrIndexBehind)
	list, err := s.Statement('s', 3, 0, 0, 1000, false)
	require.NoError(t, err)
	require.Empty(t, list)
	x.entries = 0
	list, err = s.Statement('s', 3, 0, 1<<60, 1<<20, false)
	require.NoError(t, err)
	require.Equal(t, wantedStatements(t, s)["s/3"], list)
	s.indexer.Store(nil)
	require.NoError(t, s.Close())
}

// TestStatementsOfSharedLists: pages of a number whose list it shares, from windows on disk, one that is being written and one that is gathered.
func TestStatementsOfSharedLists(t *testing.T) {
	o := crashOptions(vfs.NewMem())
	s := open(t, o)
	b := newBooks(t, s)
	x, err := s.newIndexer(listed())
	require.NoError(t, err)
	s.indexer.Store(x)
	for step := range 4 {
		for n := range 20 {
			b.pay(1 + 7*n%60)
		}
		require.NoError(t, x.gather())
		if step < 2 {
			require.NoError(t, x.flush())
		}
		if step == 2 {
			x.mu.Lock()
			x.turn() // as while it is being written
			x.mu.Unlock()
		}
	}
	want := wantedStatements(t, s)
	for id := range uint64(40) {
		all := want[fmt.Sprintf("s/%d", id)]
		for _, limit := range []int{1, 3, 1000} {
			for _, from := range []int{0, len(all) / 3, len(all) - 1} {
				for _, to := range []int{from, len(all) / 2, len(all) - 1} {
					if to < from {
						continue
					}
					page, err := s.Statement('s', id, all[from], all[to], limit, false)
					require.NoError(t, err)
					require.Equal(t, all[from:min(to+1, from+limit)], page)
					page, err = s.Statement('s', id, all[from], all[to], limit, true)
					require.NoError(t, err)
					require.Len(t, page, min(limit, to+1-from))
					for i, sequence := range page {
						require.Equal(t, all[to-i], sequence)
					}
				}
			}
		}
	}
	s.indexer.Store(nil)
	require.NoError(t, s.Close())
}
