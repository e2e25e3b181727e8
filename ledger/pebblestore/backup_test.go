package pebblestore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/ledger/pebblestore/faultdisk"
)

// owner appends blocks until it is told to stop, as a switch under load does.
type owner struct {
	landed atomic.Uint64
	stop   chan struct{}
	done   chan struct{}
}

func startOwner(b *books) *owner {
	o := &owner{stop: make(chan struct{}), done: make(chan struct{})}
	go func() { // ends by stop
		defer close(o.done)
		for i := 0; ; i++ {
			select {
			case <-o.stop:
				return
			default:
				o.landed.Store(b.pay(1 + i%100))
			}
		}
	}()
	return o
}

func (o *owner) end() { close(o.stop); <-o.done }

// awaitMore returns when another block has landed: whoever holds the owner up does not come back from here.
func (o *owner) awaitMore() {
	for seen := o.landed.Load(); o.landed.Load() == seen; {
		select {
		case <-o.done:
			return
		default:
		}
	}
}

// TestBackupUnderLoad takes backups on a real folder while the owner goes on: before every operation on the copy it must land another
// block, so a backup that holds it up does not end. Each copy opens, holds what was durable before, is a ledger of its own, and leaves the
// source as it was.
func TestBackupUnderLoad(t *testing.T) {
	root := t.TempDir()
	var running atomic.Pointer[owner]
	o := testOptions(filepath.Join(root, "data"), faultdisk.Watch(vfs.Default, func(op faultdisk.Op) error {
		if o := running.Load(); o != nil && strings.Contains(op.Path, "/copy") && faultdisk.Changes(op) && op.Kind != errorfs.OpFileWrite {
			o.awaitMore()
		}
		return nil
	}))
	o.Version = "v1"
	s := open(t, o)
	require.NoError(t, s.StartIndexer(listed()))
	b := newBooks(t, s)
	load := startOwner(b)
	running.Store(load)
	var heads []ledger.Head
	var folders []string
	for _, name := range []string{"copy1", "copy2", "copy3"} {
		load.awaitMore()
		before := load.landed.Load()
		dir := filepath.Join(root, "copies", name)
		head, err := s.Backup(t.Context(), dir)
		require.NoError(t, err)
		require.GreaterOrEqual(t, head.Sequence, before)
		require.Greater(t, load.landed.Load(), before)
		heads, folders = append(heads, head), append(folders, dir)
	}
	running.Store(nil)
	load.end()
	for i, dir := range folders {
		note, err := ReadBackup(nil, dir)
		require.NoError(t, err)
		require.Equal(t, []any{heads[i].Sequence, "v1", "2024-10-04", filepath.Join(root, "data")}, []any{note.Sequence, note.Version, note.Day, note.Source})
		require.Positive(t, note.Bytes)
		c, err := Inspect(testOptions(dir, nil))
		require.NoError(t, err)
		require.Empty(t, c.Doubts())
		require.Equal(t, []ledger.Head{{}, heads[i]}, c.Witnessed()[max(0, len(c.Witnessed())-2):])
		require.NoError(t, c.Close())
		c = open(t, testOptions(dir, nil))
		require.Equal(t, heads[i], c.Head())
		require.NoError(t, c.StartIndexer(listed()))
		last := newBooks(t, c).pay(3)
		require.NoError(t, c.Close())
		c = open(t, testOptions(dir, nil))
		require.Equal(t, last, c.Head().Sequence)
		require.NoError(t, c.Close())
	}
	require.NoError(t, s.Close())
	s = open(t, testOptions(filepath.Join(root, "data"), nil))
	require.Equal(t, load.landed.Load(), s.Head().Sequence)
	require.NoError(t, s.Close())
}

// TestBackupThatFailsIsTheBackupsAlone fails every operation on the copy in turn, and cuts the backup short there: the ledger goes on, its
// process is not stopped, nothing that could be taken for a backup stays, and the same folder can be used again.
func TestBackupThatFailsIsTheBackupsAlone(t *testing.T) {
	mem := vfs.NewMem()
	var left atomic.Int64
	left.Store(1 << 40)
	o := testOptions("data", faultdisk.Watch(mem, func(op faultdisk.Op) error {
		removes := op.Kind == errorfs.OpRemove || op.Kind == errorfs.OpRemoveAll // a full disk lets itself be emptied
		if strings.HasPrefix(op.Path, "copy") && faultdisk.Changes(op) && !removes && left.Add(-1) < 0 {
			return &os.PathError{Op: "write", Path: op.Path, Err: syscall.ENOSPC}
		}
		return nil
	}))
	o.Fatal = func(text string) { panic(text) }
	o.noStats = true
	s := open(t, o)
	b := newBooks(t, s)
	b.pay(5)
	failed := 0
	for n := int64(0); ; n++ {
		require.Less(t, n, int64(1000), "no backup succeeds any more")
		left.Store(n)
		head, err := s.Backup(t.Context(), "copy")
		left.Store(1 << 40)
		last := b.pay(1)
		if err == nil {
			require.Equal(t, last-1, head.Sequence)
			break
		}
		failed++
		_, err = ReadBackup(mem, "copy")
		require.ErrorIs(t, err, ErrNotABackup)
	}
	require.Greater(t, failed, 20)
	require.NoError(t, s.Close())
	c := open(t, testOptions("copy", mem))
	require.Equal(t, money.Fen(int64(5+failed)), newBooks(t, c).book.Account(2).Balance)
	require.NoError(t, c.Close())
}

// TestTornCopyIsTakenAgain: the log of the first copies has zeros where the owner has overtaken the copying.
func TestTornCopyIsTakenAgain(t *testing.T) {
	for _, tears := range []int{backupTries - 1, backupTries} {
		mem := vfs.NewMem()
		torn := 0
		o := testOptions("data", faultdisk.Watch(mem, func(op faultdisk.Op) error {
			if op.Kind != errorfs.OpOpen || !strings.HasPrefix(op.Path, "copy/pebble/") || !strings.HasSuffix(op.Path, ".log") || torn == tears {
				return nil
			}
			torn++
			f, err := mem.OpenReadWrite(op.Path, vfs.WriteCategoryUnspecified)
			if err == nil {
				_, err = f.WriteAt(make([]byte, 200), 1000)
			}
			return errorsOf(err, f.Close())
		}))
		o.cold, o.noStats = true, true
		s := open(t, o)
		b := newBooks(t, s)
		for range 50 {
			b.pay(3)
		}
		head, err := s.Backup(t.Context(), "copy")
		require.Equal(t, tears, torn)
		if tears < backupTries {
			require.NoError(t, err)
			require.Equal(t, s.Head(), head)
		} else {
			require.Error(t, err)
			_, err = ReadBackup(mem, "copy")
			require.ErrorIs(t, err, ErrNotABackup)
		}
		b.pay(1)
		require.NoError(t, s.Close())
	}
}

func TestBackupIsRefused(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, testOptions("data", mem))
	newBooks(t, s).pay(2)
	_, err := s.Backup(t.Context(), "data/backup")
	require.ErrorIs(t, err, errInsideData)
	require.NoError(t, mem.MkdirAll("full/something", 0o700))
	_, err = s.Backup(t.Context(), "full")
	require.ErrorIs(t, err, ErrNotEmpty)
	require.NoError(t, mem.MkdirAll("empty", 0o700))
	_, err = s.Backup(t.Context(), "empty")
	require.NoError(t, err)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	_, err = s.Backup(stopped, "other")
	require.ErrorIs(t, err, context.Canceled)
	require.True(t, s.backing.TryLock())
	_, err = s.Backup(t.Context(), "third")
	require.ErrorIs(t, err, ErrBackupRunning)
	s.backing.Unlock()
	require.NoError(t, s.Close())
	_, err = s.Backup(t.Context(), "third")
	require.ErrorIs(t, err, errClosed)

	// A folder that cannot be written.
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	s = open(t, testOptions(filepath.Join(dir, "data"), nil))
	_, err = s.Backup(t.Context(), filepath.Join(dir, "file", "backup"))
	require.ErrorContains(t, err, "备份目录无法")
	require.NoError(t, s.Close())
}

// restore brings a backup back and returns the blocks that were taken.
func restore(t *testing.T, fs vfs.FS, from, dir string, to uint64) (ledger.Head, LeftOut, error) {
	t.Helper()
	return restoreWith(t, fs, from, "", dir, Cut{Entry: to})
}

// restoreWith restores from a backup, an archive or both.
func restoreWith(t *testing.T, fs vfs.FS, from, archive, dir string, cut Cut) (ledger.Head, LeftOut, error) {
	t.Helper()
	r, err := BeginRestore(fs, from, archive, dir)
	if err != nil {
		return ledger.Head{}, LeftOut{}, err
	}
	require.Empty(t, r.Doubts())
	left, err := r.Copy(t.Context(), cut, RestoreSink{
		Block:   func(uint64, []byte) {},
		Missing: func(from, _ uint64, why error) { t.Errorf("%d: %v", from, why) },
	})
	if err != nil {
		return ledger.Head{}, left, errors.Join(err, r.Abort())
	}
	head, err := r.Finish()
	return head, left, err
}

// TestRestoreToAnEntry: everything, a place between two blocks, one within a block, and places that cannot be.
func TestRestoreToAnEntry(t *testing.T) {
	mem := vfs.NewMem()
	o := testOptions("data", mem)
	s := open(t, o)
	require.NoError(t, s.StartIndexer(everything()))
	require.NoError(t, s.PutDirectory([]DirectoryRow{{Kind: 'n', Key: "1", Value: []byte("name")}}))
	b := newBooks(t, s)
	ends := map[uint64]ledger.Head{1: s.Head()}
	for range 30 {
		last := b.pay(7)
		ends[last] = s.Head()
		if last == 71 || last == 141 {
			require.NoError(t, s.SaveCheckpoint(t.Context(), ledger.Snapshot{Head: s.Head(), Sections: b.book.Sections(nil)}))
		}
	}
	require.NoError(t, errorsOf(s.indexer.Load().gather(), s.indexer.Load().flush()))
	head, err := s.Backup(t.Context(), "copy")
	require.NoError(t, err)
	require.NoError(t, s.Close())
	for _, c := range []struct{ to, end, checkpoint uint64 }{{0, 211, 141}, {211, 211, 141}, {210, 204, 141}, {141, 141, 141}, {140, 134, 71}, {8, 8, 0}, {7, 1, 0}, {1, 1, 0}} {
		require.NoError(t, mem.RemoveAll("restored"))
		got, left, err := restore(t, mem, "copy", "restored", c.to)
		require.NoError(t, err, "%d", c.to)
		require.Equal(t, ends[c.end], got)
		require.Equal(t, head.Sequence-c.end, left.Entries)
		require.Equal(t, left.Entries/7, left.Blocks)
		if left.Entries > 0 {
			require.Equal(t, []uint64{c.end + 1, 211}, []uint64{left.From, left.UpTo})
			require.Equal(t, []int64{int64(c.end) + 1, 211}, []int64{left.Begin, left.End}, "the clock of the sample counts entries")
		}
		s := open(t, testOptions("restored", mem))
		row, err := s.Directory('n', "1")
		require.NoError(t, err)
		require.Equal(t, "name", string(row))
		require.Equal(t, c.end, s.IndexedTo())
		stored, err := s.LoadCheckpoint()
		require.NoError(t, err)
		require.Equal(t, c.checkpoint > 0, stored != nil)
		if stored != nil {
			require.Equal(t, c.checkpoint, stored.Head().Sequence)
		}
		if c.end == head.Sequence {
			require.Equal(t, c.end, s.TotalledTo())
		}
		require.Empty(t, checkTotals(s))
		indexed := statements(t, s)
		require.NoError(t, s.RebuildIndex(t.Context(), everything()))
		require.Equal(t, statements(t, s), indexed)
		require.NoError(t, s.StartIndexer(everything()))
		last := newBooks(t, s).pay(4)
		require.Empty(t, checkTotals(s))
		require.NoError(t, s.Close())
		s = open(t, testOptions("restored", mem))
		require.Equal(t, last, s.Head().Sequence)
		require.NoError(t, s.Close())
	}
	_, _, err = restore(t, mem, "copy", "restored", 0)
	require.ErrorIs(t, err, ErrHoldsLedger)
	_, _, err = restore(t, mem, "copy", "other", 212)
	require.ErrorContains(t, err, "ends at entry 211")
	_, err = mem.Stat("other/" + stagingName)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, mem.Remove("copy/"+backupName))
	_, _, err = restore(t, mem, "copy", "other", 0)
	require.ErrorIs(t, err, ErrNotABackup)
}

func TestRestoreBeforeTheFirstBlock(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, testOptions("data", mem))
	block := newEmptyBooks(t, s).block(func(add func(*ledger.Entry)) {
		for range 5 {
			add(&ledger.Entry{Kind: 1, Opens: []ledger.Opening{{Code: ledger.CodeCash}}})
		}
	})
	require.NoError(t, s.Wait(block.Last()))
	_, err := s.Backup(t.Context(), "copy")
	require.NoError(t, err)
	require.NoError(t, s.Close())
	_, _, err = restore(t, mem, "copy", "restored", 4)
	require.ErrorContains(t, err, "the first block ends at entry 5")
}

func newEmptyBooks(t testing.TB, s *Store) *books {
	return &books{t: t, store: s, book: ledger.NewBook()}
}

// TestBackupOfLogsInAFolderOfTheirOwn: the copy has its logs with its tables, and can be used with logs elsewhere again.
func TestBackupOfLogsInAFolderOfTheirOwn(t *testing.T) {
	root := t.TempDir()
	o := testOptions(filepath.Join(root, "data"), nil)
	o.WALDir = filepath.Join(root, "logs")
	s := open(t, o)
	newBooks(t, s).pay(5)
	head, err := s.Backup(t.Context(), filepath.Join(root, "copy"))
	require.NoError(t, err)
	require.NoError(t, s.Close())
	restored, _, err := restore(t, nil, filepath.Join(root, "copy"), filepath.Join(root, "restored"), 0)
	require.NoError(t, err)
	require.Equal(t, head, restored)
	o = testOptions(filepath.Join(root, "restored"), nil)
	o.WALDir = filepath.Join(root, "logs2")
	last := head.Sequence
	for range 3 {
		s = open(t, o)
		require.Equal(t, last, s.Head().Sequence)
		last = newBooks(t, s).pay(2)
		require.NoError(t, s.Close())
	}
}
