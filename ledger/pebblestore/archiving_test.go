package pebblestore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/pebblestore/archive"
)

// dayBooks writes transfers into blocks of business days.
func (b *books) payOn(day uint32, n int) ledger.Block {
	b.builder.Begin(b.store.Head(), day)
	for range n {
		b.add(&ledger.Entry{Kind: 2, Legs: []ledger.Leg{{Account: 1, Amount: -1}, {Account: 2, Amount: 1}}, Payload: []byte{0, 0, 0, byte(n)}})
	}
	block := b.builder.Seal()
	require.NoError(b.t, b.store.Append(block))
	require.NoError(b.t, b.store.Wait(block.Last()))
	return block
}

func archiveNow(t testing.TB, s *Store, dir string) Archived {
	t.Helper()
	done, err := s.Archive(context.Background(), dir, false)
	require.NoError(t, err)
	require.Equal(t, s.durable.Load(), done.Head.Sequence)
	return done
}

// TestArchiveUnderLoad archives on a real folder while the owner goes on. Each archiving reaches what was durable when it began; the last
// one has every block as it was written.
func TestArchiveUnderLoad(t *testing.T) {
	root := t.TempDir()
	s := open(t, testOptions(filepath.Join(root, "data"), nil))
	b := newBooks(t, s)
	load := startOwner(b)
	dir := filepath.Join(root, "archive", "blocks")
	for gentle := range 4 {
		load.awaitMore()
		before := load.landed.Load()
		done, err := s.Archive(t.Context(), dir, gentle%2 == 1)
		require.NoError(t, err)
		require.GreaterOrEqual(t, done.Head.Sequence, before)
		require.Equal(t, 1, done.Total, "the file of the day grows")
	}
	load.end()
	done := archiveNow(t, s, dir)
	require.Equal(t, s.Head(), done.Head)
	require.NoError(t, s.Close())
	require.Equal(t, s.Head(), sameBlocks(t, s.options, nil, dir))
	_, err := s.Archive(t.Context(), dir, false)
	require.ErrorIs(t, err, errClosed)
}

// sameBlocks compares an archive with the ledger of a folder, byte by byte.
func sameBlocks(t testing.TB, o Options, fs vfs.FS, dir string) ledger.Head {
	t.Helper()
	o.ReadOnly, o.noStats = true, true
	s := open(t, o)
	defer s.Close()
	f, err := archive.Open(fs, dir)
	require.NoError(t, err)
	require.NoError(t, f.IndexFault())
	var blocks [][]byte
	require.NoError(t, f.Each(context.Background(), 1, func(_ uint64, raw []byte) error {
		blocks = append(blocks, raw)
		return nil
	}, func(d *archive.Damage) { t.Error(d) }))
	i := 0
	require.NoError(t, s.Replay(context.Background(), 0, func(b ledger.Block) error {
		require.Equal(t, b.Bytes(), blocks[i])
		i++
		return nil
	}))
	require.Equal(t, len(blocks), i)
	return f.Head()
}

func TestArchiveIsRefused(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, testOptions("data", mem))
	b := newBooks(t, s)
	b.pay(2)
	_, err := s.Archive(t.Context(), "data/archive", false)
	require.ErrorIs(t, err, errArchiveInner)
	archiveNow(t, s, "archive")
	b.pay(2)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	_, err = s.Archive(stopped, "archive", false)
	require.ErrorIs(t, err, context.Canceled)
	archiveNow(t, s, "archive")
	require.NoError(t, s.Close())

	// Another ledger, and this one brought back to an earlier moment and gone another way.
	s = open(t, testOptions("other", mem))
	newBooks(t, s).pay(9)
	_, err = s.Archive(t.Context(), "archive", false)
	var foreign *archive.ForeignError
	require.ErrorAs(t, err, &foreign)
	require.Contains(t, err.Error(), "name a new folder")
	require.NoError(t, s.Close())
	_, left, err := restoreWith(t, mem, "archive", "", "again", Cut{Entry: 3})
	require.NoError(t, err)
	require.Equal(t, uint64(2), left.Entries)
	s = open(t, testOptions("again", mem))
	_, err = s.Archive(t.Context(), "archive", false)
	require.ErrorAs(t, err, &foreign, "the archive ends behind the ledger")
	b = newBooks(t, s)
	b.time = 100 // another course
	b.pay(7)
	_, err = s.Archive(t.Context(), "archive", false)
	require.ErrorAs(t, err, &foreign)
	require.NoError(t, s.Close())
}

// TestArchiveMendsItself: files that are missing, damaged or not listed are written again while their blocks are in Pebble.
func TestArchiveMendsItself(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, testOptions("data", mem))
	b := newBooks(t, s)
	for day := range uint32(5) {
		for range 10 {
			b.payOn(20000+day, 3)
		}
	}
	require.Equal(t, 5, archiveNow(t, s, "archive").Files)
	names, err := mem.List("archive")
	require.NoError(t, err)
	for _, name := range names {
		require.NoError(t, mem.Remove("archive/"+name))
		done := archiveNow(t, s, "archive")
		want := 1
		if name == "INDEX" {
			want = 0
		}
		require.Equal(t, []int{want, want}, []int{done.Files, done.Repaired}, name)
	}
	require.NoError(t, s.Close())
	sameBlocks(t, testOptions("data", mem), mem, "archive")
}

// TestRestoreFromArchives: a ledger comes back from a backup and the files behind it, or from files alone, to any entry and any moment, as a
// replay that stops there.
func TestRestoreFromArchives(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, testOptions("data", mem))
	require.NoError(t, s.StartIndexer(listed()))
	require.NoError(t, s.PutDirectory([]DirectoryRow{{Kind: 'n', Key: "1", Value: []byte("name")}}))
	b := newBooks(t, s)
	heads := []ledger.Head{s.Head()}
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 60 {
		heads = append(heads, b.payOn(20000+uint32(i/9), 1+rng.IntN(9)).Head())
		if i == 20 {
			archiveNow(t, s, "archive")
		}
		if i == 30 {
			require.NoError(t, s.SaveCheckpoint(t.Context(), ledger.Snapshot{Head: s.Head(), Sections: b.book.Sections(nil)}))
			_, err := s.Backup(t.Context(), "copy")
			require.NoError(t, err)
		}
	}
	archiveNow(t, s, "archive")
	end := s.Head().Sequence
	require.NoError(t, s.Close())
	for i := range 40 {
		cut := Cut{Entry: 1 + rng.Uint64N(end)}
		if i%2 == 1 { // the sample's clock counts entries
			cut = Cut{Time: int64(1 + rng.Uint64N(end+10))}
		}
		if i == 0 {
			cut = Cut{}
		}
		want := ledger.Head{}
		for _, head := range heads {
			if cut == (Cut{}) || head.Sequence <= max(cut.Entry, uint64(cut.Time)) {
				want = head
			}
		}
		from, beside := "archive", ""
		if i%4 < 2 {
			from, beside = "copy", "archive"
		}
		dir := fmt.Sprintf("restored%d", i)
		got, left, err := restoreWith(t, mem, from, beside, dir, cut)
		require.NoError(t, err, "%+v", cut)
		require.Equal(t, want, got, "%+v", cut)
		require.Equal(t, end-want.Sequence, left.Entries)
		back := open(t, testOptions(dir, mem))
		row, err := back.Directory('n', "1")
		require.NoError(t, err)
		require.Equal(t, from == "copy", string(row) == "name")
		checked := newBooks(t, back)
		require.Equal(t, naive(t, mem, want.Sequence), checked.book.Account(2).Balance)
		checked.pay(2)
		require.NoError(t, back.Close())
		require.NoError(t, mem.RemoveAll(dir))
	}
	_, _, err := restoreWith(t, mem, "archive", "", "other", Cut{Entry: end + 1})
	require.ErrorContains(t, err, "leave --to out")
	_, _, err = restoreWith(t, mem, "archive", "", "other", Cut{Time: -5})
	require.ErrorContains(t, err, "第一个区块止于第 1 条")
	_, _, err = restoreWith(t, mem, "nothing", "", "other", Cut{})
	require.ErrorIs(t, err, ErrNotABackup)
	require.NoError(t, mem.MkdirAll("empty", 0o700))
	_, _, err = restoreWith(t, mem, "copy", "empty", "other", Cut{})
	require.ErrorIs(t, err, archive.ErrNoArchive)
}

// naive is the balance of the sample after an entry, replayed from the first ledger.
func naive(t testing.TB, fs vfs.FS, upTo uint64) any {
	o := testOptions("data", fs)
	o.ReadOnly = true
	s := open(t, o)
	defer s.Close()
	book := ledger.NewBook()
	require.NoError(t, s.Replay(context.Background(), 0, func(b ledger.Block) error {
		if b.Last() > upTo {
			return nil
		}
		return b.Each(applyTo(book))
	}))
	return book.Account(2).Balance
}

// TestRestoreFromABackupWhoseEndIsDamaged: what the archive has too is not lost with it.
func TestRestoreFromABackupWhoseEndIsDamaged(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, testOptions("data", mem))
	b := newBooks(t, s)
	for range 20 {
		b.payOn(20000, 5)
	}
	archiveNow(t, s, "archive")
	_, err := s.Backup(t.Context(), "copy")
	require.NoError(t, err)
	head := s.Head()
	require.NoError(t, s.Close())
	c := open(t, testOptions("copy", mem))
	require.NoError(t, c.db.DeleteRange(blockKey(nil, 50), blockKey(nil, 60), nil))
	require.NoError(t, c.Close())
	r, err := BeginRestore(mem, "copy", "", "alone")
	require.NoError(t, err)
	require.NotEmpty(t, r.Doubts())
	require.NoError(t, r.Abort())
	got, _, err := restoreWith(t, mem, "copy", "archive", "restored", Cut{})
	require.NoError(t, err)
	require.Equal(t, head, got)
	names, err := mem.List("restored")
	require.NoError(t, err)
	slices.Sort(names)
	require.Equal(t, []string{"WITNESS", "pebble"}, names)
}
