package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/money"
)

// books is a tiny owner: it writes transfers between two accounts in blocks of n entries.
type books struct {
	t       testing.TB
	store   *Store
	builder ledger.BlockBuilder
	book    *ledger.Book
	time    int64
}

func newBooks(t testing.TB, s *Store) *books {
	b := &books{t: t, store: s, book: ledger.NewBook()}
	err := s.Replay(context.Background(), 0, func(block ledger.Block) error {
		return block.Each(func(sequence uint64, e *ledger.Entry) error {
			b.book.Apply(sequence, e)
			b.time = e.Time
			return nil
		})
	})
	require.NoError(t, err)
	if b.book.Sequence() == 0 {
		first := b.block(func(add func(*ledger.Entry)) {
			add(&ledger.Entry{Kind: 1, Time: 1, Opens: []ledger.Opening{{Code: ledger.CodeCash}, {Code: ledger.CodeMainPurse}}})
		})
		require.NoError(t, s.Wait(first.Last()))
	}
	return b
}

func (b *books) add(e *ledger.Entry) {
	b.time++
	e.Time = b.time
	b.book.Apply(b.builder.Add(e), e)
}

func (b *books) block(fill func(add func(*ledger.Entry))) ledger.Block {
	b.builder.Begin(b.store.Head(), 20000)
	fill(b.add)
	block := b.builder.Seal()
	require.NoError(b.t, b.store.Append(block))
	return block
}

// pay appends one block of n transfers and waits for it.
func (b *books) pay(n int) uint64 {
	block := b.block(func(add func(*ledger.Entry)) {
		for i := range n {
			payload := binary.BigEndian.AppendUint32(nil, uint32(i))
			add(&ledger.Entry{Kind: 2, Legs: []ledger.Leg{{Account: 1, Amount: -1}, {Account: 2, Amount: 1}}, Payload: payload})
		}
	})
	require.NoError(b.t, b.store.Wait(block.Last()))
	return block.Last()
}

func testOptions(dir string, fs vfs.FS) Options {
	return Options{Dir: dir, FS: fs, MemTableBytes: 256 << 10}
}

func open(t testing.TB, o Options) *Store {
	s, err := Open(o)
	require.NoError(t, err)
	return s
}

func TestLedgerGoesOnAfterAReopen(t *testing.T) {
	o := testOptions(t.TempDir(), nil)
	for round := range 3 {
		s := open(t, o)
		b := newBooks(t, s)
		require.Equal(t, money.Fen(100*round), b.book.Account(2).Balance)
		for range 10 {
			b.pay(10)
		}
		require.NoError(t, s.Close())
	}
	s := open(t, o)
	require.Equal(t, uint64(301), s.Head().Sequence)
	var after []uint64
	require.NoError(t, s.Replay(context.Background(), 290, func(b ledger.Block) error { after = append(after, b.First()); return nil }))
	require.Equal(t, []uint64{282, 292}, after, "the block with entry 291 in its middle and the one after")
	_, err := Open(o)
	require.ErrorIs(t, err, ErrInUse)
	require.NoError(t, s.Close())
	readOnly := o
	readOnly.ReadOnly = true
	s = open(t, readOnly)
	require.Equal(t, uint64(301), s.Head().Sequence)
	require.NoError(t, s.Close())
}

func TestWitnessPutsBackTheLastBlock(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, testOptions("data", mem))
	b := newBooks(t, s)
	b.pay(3)
	// The last block reaches the witness alone, as when the power fails between the two syncs.
	last := b.pay(5)
	require.NoError(t, s.db.Delete(blockKey(nil, last-4), nil))
	require.NoError(t, s.Close())
	repaired := 0
	o := testOptions("data", mem)
	o.Events.Repaired = func(n int) { repaired = n }
	s = open(t, o)
	require.Equal(t, 1, repaired)
	require.Equal(t, last, s.Head().Sequence)
	require.Equal(t, money.Fen(8), newBooks(t, s).book.Account(2).Balance)
	require.NoError(t, s.Close())
}

func TestJournalBehindItsWitnessIsRefused(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, testOptions("data", mem))
	b := newBooks(t, s)
	for range 10 {
		b.pay(2)
	}
	require.NoError(t, s.db.DeleteRange(blockKey(nil, 4), blockKey(nil, 1000), nil))
	require.NoError(t, s.Close())
	_, err := Open(testOptions("data", mem))
	var behind *BehindWitnessError
	require.True(t, errors.As(err, &behind), "%v", err)
	require.Equal(t, uint64(21), behind.Witness.Sequence)
	require.Contains(t, err.Error(), "18 entries are missing")
}

func TestMissingWitnessIsRefused(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, testOptions("data", mem))
	newBooks(t, s).pay(2)
	require.NoError(t, s.Close())
	require.NoError(t, mem.Remove("data/WITNESS"))
	_, err := Open(testOptions("data", mem))
	require.ErrorIs(t, err, ErrNoWitness)
}

func TestLargeBlockIsWitnessedByItsHead(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, Options{Dir: "data", FS: mem, MemTableBytes: 8 << 20})
	b := newBooks(t, s)
	block := b.block(func(add func(*ledger.Entry)) {
		for range 2000 {
			add(&ledger.Entry{Kind: 3, Payload: make([]byte, 1000)})
		}
	})
	require.NoError(t, s.Wait(block.Last()))
	b.pay(1)
	require.NoError(t, s.Close())
	s = open(t, testOptions("data", mem))
	require.Equal(t, uint64(2002), s.Head().Sequence)
	require.NoError(t, s.Close())
}

func TestFullDiskIsRefusedWithAClearText(t *testing.T) {
	full := smallDisk{vfs.NewMem(), 10 << 20}
	_, err := Open(testOptions("data", full))
	var noSpace *NoSpaceError
	require.True(t, errors.As(err, &noSpace), "%v", err)
	require.Contains(t, err.Error(), "磁盘空间不足")
	require.Contains(t, err.Error(), "10 MiB free")
	s := open(t, Options{Dir: "data", FS: smallDisk{vfs.NewMem(), 500 << 20}, MemTableBytes: 1 << 20, LowWaterBytes: 600 << 20})
	_, low := s.Space()
	require.True(t, low)
	require.NoError(t, s.Close())
}

// smallDisk says how much is free.
type smallDisk struct {
	vfs.FS
	free uint64
}

func (d smallDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free, TotalBytes: 1 << 40}, nil
}

func TestCheckpointsKeepTheNewestWhole(t *testing.T) {
	s := open(t, testOptions("data", vfs.NewMem()))
	b := newBooks(t, s)
	stored, err := s.LoadCheckpoint()
	require.NoError(t, err)
	require.Nil(t, stored)
	for range 4 {
		b.pay(5)
		require.NoError(t, s.SaveCheckpoint(context.Background(), ledger.Snapshot{Head: s.Head(), Sections: b.book.Sections(nil)}))
	}
	all, err := s.manifests()
	require.NoError(t, err)
	require.Len(t, all, checkpointsKept)
	stored, err = s.LoadCheckpoint()
	require.NoError(t, err)
	book, err := ledger.RestoreBook(stored)
	require.NoError(t, err)
	require.Equal(t, money.Fen(20), book.Account(2).Balance)
	// A rotten part of the newest: the one before is taken.
	require.NoError(t, s.db.Set(partKey(all[1].generation, "ledger.accounts", 0), []byte("rot"), nil))
	stored, err = s.LoadCheckpoint()
	require.NoError(t, err)
	require.Equal(t, uint64(16), stored.Head().Sequence)
	require.NoError(t, s.Close())
}

func everyEntry(_ uint64, e *ledger.Entry, emit func(byte, uint64)) {
	if e.Kind == 2 {
		n := uint64(binary.BigEndian.Uint32(e.Payload))
		emit('c', n%3)
		emit('s', n%40)
	}
}

// listed lists every entry, in lists of one number and in shared ones.
func listed() Index { return Index{Keys: everyEntry, Shared: "s"} }

func TestStatements(t *testing.T) {
	o := testOptions("data", vfs.NewMem())
	s := open(t, o)
	require.NoError(t, s.StartIndexer(listed()))
	b := newBooks(t, s)
	for range 5 {
		b.pay(6)
	}
	got, err := s.Statement('c', 1, 0, 100, 4, false)
	require.NoError(t, err)
	require.Equal(t, []uint64{3, 6, 9, 12}, got)
	got, err = s.Statement('c', 1, 5, 20, 2, true)
	require.NoError(t, err)
	require.Equal(t, []uint64{18, 15}, got)
	e, day, err := s.Entry(18)
	require.NoError(t, err)
	require.Equal(t, ledger.Kind(2), e.Kind)
	require.Equal(t, uint32(20000), day)
	_, _, err = s.Entry(999)
	require.Error(t, err)
	require.NoError(t, s.Close())
	s = open(t, o)
	require.Equal(t, uint64(31), s.IndexedTo())
	require.NoError(t, s.RebuildIndex(context.Background(), listed()))
	got, err = s.Statement('c', 0, 0, 100, 100, false)
	require.NoError(t, err)
	require.Len(t, got, 10)
	require.NoError(t, s.Close())
}

func TestDirectoryRowsCanBeErased(t *testing.T) {
	s := open(t, testOptions("data", vfs.NewMem()))
	require.NoError(t, s.PutDirectory([]DirectoryRow{{1, "20260001", []byte("张三")}}))
	row, err := s.Directory(1, "20260001")
	require.NoError(t, err)
	require.Equal(t, "张三", string(row))
	require.NoError(t, s.PutDirectory([]DirectoryRow{{1, "20260001", nil}}))
	row, err = s.Directory(1, "20260001")
	require.NoError(t, err)
	require.Nil(t, row)
	require.NoError(t, s.Close())
}

// TestLogsInAFolderOfTheirOwn: a store whose logs are elsewhere is opened with them, and refused without: never shorter.
func TestLogsInAFolderOfTheirOwn(t *testing.T) {
	o := testOptions(t.TempDir(), nil)
	o.WALDir = t.TempDir() + "/logs/ledger"
	s := open(t, o)
	last := newBooks(t, s).pay(5)
	require.NoError(t, s.Close())
	elsewhere := o
	elsewhere.WALDir = ""
	_, err := Open(elsewhere)
	require.Error(t, err)
	s = open(t, o)
	require.Equal(t, last, s.Head().Sequence)
	require.NoError(t, s.Close())
}
