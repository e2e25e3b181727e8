package pebblestore

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/pebblestore/archive"
)

// oldLedger is a ledger of ten days whose first days were moved out to an archive, with what it said before.
type oldLedger struct {
	*Store
	books  *books
	before *history
	moved  Retained
}

// history is what a reader gets to see of a ledger.
type history struct {
	blocks     []ledger.Head
	statements map[string][]uint64
	entries    []ledger.Entry
	spans      []ledger.Span
}

func newOldLedger(t testing.TB, o Options) *oldLedger {
	s := open(t, o)
	require.NoError(t, s.StartIndexer(everything()))
	b := newBooks(t, s)
	for day := range uint32(10) {
		for range 12 {
			b.payOn(20000+day, 4)
		}
		require.NoError(t, s.SaveCheckpoint(context.Background(), ledger.Snapshot{Head: s.Head(), Sections: b.book.Sections(nil)}))
	}
	_, err := s.Statement('c', 1, 0, 1<<60, 1, false)
	require.NoError(t, err)
	require.NoError(t, s.indexer.Load().flush())
	l := &oldLedger{Store: s, books: b, before: seen(t, s)}
	archiveNow(t, s, archiveOf(o))
	l.moved, err = s.MoveOut(context.Background(), archiveOf(o), 7*48+2, false) // the sample's clock counts entries: seven days
	require.NoError(t, err)
	require.Equal(t, []any{uint64(7*48 + 1), 7, uint64(7*12 + 1), ""}, []any{l.moved.UpTo, l.moved.Files, l.moved.Blocks, l.moved.HeldBack})
	return l
}

func archiveOf(o Options) string { return filepath.Join(filepath.Dir(o.Dir), "archive") }

// seen reads everything there is to read.
func seen(t testing.TB, s *Store) *history {
	t.Helper()
	h := &history{statements: map[string][]uint64{}}
	require.NoError(t, s.Replay(context.Background(), 0, func(b ledger.Block) error {
		h.blocks = append(h.blocks, b.Head())
		return nil
	}))
	for id := range uint64(3) {
		for from := uint64(0); from < 500; from += 130 {
			list, err := s.Statement('c', id, from, from+200, 40, id == 1)
			require.NoError(t, err)
			h.statements[fmt.Sprint(id, from)] = list
		}
	}
	end := s.durable.Load()
	for sequence := uint64(1); sequence <= end; sequence += 13 {
		e, _, err := s.Entry(sequence)
		require.NoError(t, err)
		span, err := s.DayOf(sequence)
		require.NoError(t, err)
		h.entries, h.spans = append(h.entries, e), append(h.spans, span)
		count := uint64(0)
		require.NoError(t, s.EachOf(context.Background(), span, func(b ledger.Block) error { count += uint64(b.Count()); return nil }))
		require.Equal(t, span.Last-span.First+1, count)
	}
	return h
}

// TestMovedBlocksAreStillRead: statements, entries, days, a replay, a feed, a rebuilt index and an inspection see the same as before, now, after
// a restart, and in a backup; and a restored ledger has every block itself.
func TestMovedBlocksAreStillRead(t *testing.T) {
	mem := vfs.NewMem()
	o := testOptions("data", mem)
	l := newOldLedger(t, o)
	it, err := l.db.NewIter(nil)
	require.NoError(t, err)
	require.True(t, it.SeekGE(blockKey(nil, 0)))
	require.Equal(t, l.moved.UpTo+1, sequenceOf(it.Key()), "the blocks are gone from Pebble")
	require.NoError(t, it.Close())
	require.Equal(t, l.before, seen(t, l.Store))
	feed, err := l.FeedFrom("f", 0)
	require.NoError(t, err)
	for due := uint64(1); feed.Behind() > 0; {
		records, err := feed.Next(t.Context(), 50)
		require.NoError(t, err)
		for _, r := range records {
			require.Equal(t, due, r.Sequence)
			due++
		}
	}
	require.NoError(t, feed.Commit(30))
	feed.Close()
	_, err = l.Backup(t.Context(), "copy")
	require.NoError(t, err)
	head := l.Head()
	require.NoError(t, l.Close())

	for _, dir := range []string{"data", "copy"} {
		o.Dir = dir
		s := open(t, o)
		require.Equal(t, l.before, seen(t, s))
		require.NoError(t, s.RebuildIndex(t.Context(), everything()))
		require.Equal(t, l.before, seen(t, s))
		f, err := s.Feed("f")
		require.NoError(t, err)
		require.Equal(t, head.Sequence-30, f.Behind())
		f.Close()
		require.NoError(t, s.Close())
		s, err = Inspect(o)
		require.NoError(t, err)
		require.Empty(t, s.Doubts())
		for _, from := range []uint64{1, 5, l.moved.UpTo, l.moved.UpTo + 1, head.Sequence} {
			next := from
			require.NoError(t, s.RawBlocks(t.Context(), from, func(key uint64, raw []byte) error {
				b, err := ledger.OpenBlock(raw)
				require.LessOrEqual(t, key, next)
				next = b.Last() + 1
				return err
			}, func(_, _ uint64, why error) { t.Error(why) }))
			require.Equal(t, head.Sequence+1, next)
		}
		require.NoError(t, s.Close())
	}
	got, _, err := restoreWith(t, mem, "copy", "", "restored", Cut{})
	require.NoError(t, err)
	require.Equal(t, head, got)
	require.NoError(t, mem.RemoveAll("archive"))
	o.Dir = "restored"
	s := open(t, o)
	require.Equal(t, l.before, seen(t, s))
	require.NoError(t, s.Close())
}

// TestALedgerGoesOnWithoutItsArchive: it opens, takes blocks and moves on while the archive is away; who asks for old entries is told which
// file has them; and when it is put back, or elsewhere, they are read again.
func TestALedgerGoesOnWithoutItsArchive(t *testing.T) {
	mem := vfs.NewMem()
	o := testOptions("data", mem)
	l := newOldLedger(t, o)
	require.NoError(t, l.Close())
	require.NoError(t, mem.Rename("archive", "elsewhere"))
	s := open(t, o)
	require.NoError(t, s.StartIndexer(everything()))
	var damage *archive.Damage
	_, _, err := s.Entry(5)
	require.ErrorAs(t, err, &damage)
	require.Equal(t, "archive", damage.File)
	e, _, err := s.Entry(l.moved.UpTo + 1)
	require.NoError(t, err)
	require.NotZero(t, e.Time)
	span, err := s.DayOf(450)
	require.NoError(t, err)
	require.Equal(t, uint32(20009), span.Day)
	span, err = s.SpanOf(20008)
	require.NoError(t, err)
	require.Equal(t, []uint64{386, 433}, []uint64{span.First, span.Last})
	at, err := s.EntryAt(400)
	require.NoError(t, err)
	require.Equal(t, uint64(400), at)
	_, err = s.EntryOfDay(20003)
	require.ErrorAs(t, err, &damage)
	stored, err := s.LoadCheckpoint()
	require.NoError(t, err)
	book, err := ledger.RestoreBook(stored)
	require.NoError(t, err)
	require.NoError(t, s.Replay(t.Context(), stored.Head().Sequence, func(b ledger.Block) error { return b.Each(applyTo(book)) }))
	b := &books{t: t, store: s, book: book, time: 1000}
	last := b.pay(5)
	list, err := s.Statement('c', 0, 0, 1<<60, 1, true)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.NoError(t, s.Close())
	s = open(t, o)
	require.Equal(t, last, s.Head().Sequence)
	require.ErrorAs(t, s.RebuildIndex(t.Context(), everything()), &damage)
	require.NotZero(t, s.IndexedTo(), "an index that cannot be built again is not dropped")
	_, err = s.Archive(t.Context(), "archive", false)
	require.Error(t, err, "the old blocks are nowhere to be read")
	require.NoError(t, s.Close())

	o.ArchiveDir = "elsewhere"
	s = open(t, o)
	_, _, err = s.Entry(5)
	require.NoError(t, err)
	archiveNow(t, s, "elsewhere")
	require.NoError(t, mem.RemoveAll("archive"))
	archiveNow(t, s, "archive") // a second one is made from the first
	require.NoError(t, s.Close())
	sameBlocks(t, o, mem, "archive")
}

// TestDamagedArchivesAreNamed: one file is missing, one is flipped. The entries in them are named, all others read.
func TestDamagedArchivesAreNamed(t *testing.T) {
	mem := vfs.NewMem()
	o := testOptions("data", mem)
	l := newOldLedger(t, o)
	require.NoError(t, l.Close())
	third, fifth := "archive/00000000000000000098-00000000000000000145.blocks", "archive/00000000000000000194-00000000000000000241.blocks"
	require.NoError(t, mem.Remove(third))
	f, err := mem.OpenReadWrite(fifth, vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("rot"), 500)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	s, err := Inspect(o)
	require.NoError(t, err)
	require.Empty(t, s.Doubts())
	var missing []string
	read := uint64(0)
	require.NoError(t, s.RawBlocks(t.Context(), 1, func(_ uint64, raw []byte) error {
		b, err := ledger.OpenBlock(raw)
		read += uint64(b.Count())
		return err
	}, func(from, upTo uint64, why error) {
		missing = append(missing, fmt.Sprintf("%d-%d %v", from, upTo, why))
	}))
	require.Equal(t, uint64(481-2*48), read)
	require.Len(t, missing, 2)
	require.Contains(t, missing[0], third+":12 个区块 / blocks,档案中记录 / the archive's entries 98 – 145")
	require.Contains(t, missing[1], "194-241 数据损坏 / damaged: 文件 "+fifth)
	var damage *archive.Damage
	require.ErrorAs(t, s.Replay(t.Context(), 0, func(ledger.Block) error { return nil }), &damage)
	_, _, err = s.Entry(100)
	require.ErrorAs(t, err, &damage)
	_, _, err = s.Entry(97)
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

// TestWhatIsNotArchivedStays: blocks that the archive does not have, or has otherwise, and those that a start needs, are not moved.
func TestWhatIsNotArchivedStays(t *testing.T) {
	mem := vfs.NewMem()
	s := open(t, testOptions("data", mem))
	b := newBooks(t, s)
	for day := range uint32(6) {
		for range 5 {
			b.payOn(20000+day, 4)
		}
	}
	moveOut := func() (Retained, error) { return s.MoveOut(t.Context(), "archive", math.MaxInt64, false) }
	_, err := moveOut()
	require.Error(t, err, "there is no archive")
	archiveNow(t, s, "archive")
	done, err := moveOut()
	require.NoError(t, err)
	require.Contains(t, done.HeldBack, "there is no whole checkpoint")
	require.NoError(t, s.SaveCheckpoint(t.Context(), ledger.Snapshot{Head: s.Head(), Sections: b.book.Sections(nil)}))
	done, err = moveOut()
	require.NoError(t, err)
	require.Contains(t, done.HeldBack, "the index ends at entry 0")
	require.NoError(t, s.RebuildIndex(t.Context(), everything()))

	second := "archive/00000000000000000022-00000000000000000041.blocks"
	rewriteFile(t, mem, second, func(b []byte) []byte { b[len(b)-40] ^= 1; return b })
	done, err = moveOut()
	require.ErrorContains(t, err, second)
	require.Equal(t, []uint64{21, 21}, []uint64{done.UpTo, s.begin().Sequence})
	require.NoError(t, mem.Remove(second))
	_, err = moveOut()
	require.ErrorContains(t, err, "the file is not there")
	require.Equal(t, 1, archiveNow(t, s, "archive").Repaired)
	done, err = moveOut()
	require.NoError(t, err)
	require.Equal(t, uint64(81), done.UpTo)
	require.Contains(t, done.HeldBack, "newest 8 blocks always stay")
	require.NoError(t, s.Close())

	// A ledger that went another way does not give its blocks away for those of the archive.
	_, _, err = restoreWith(t, mem, "archive", "", "again", Cut{Entry: 60})
	require.NoError(t, err)
	s = open(t, testOptions("again", mem))
	b = newBooks(t, s)
	b.time = 1000
	for range 20 {
		b.payOn(20003, 4)
	}
	require.NoError(t, s.SaveCheckpoint(t.Context(), ledger.Snapshot{Head: s.Head(), Sections: b.book.Sections(nil)}))
	require.NoError(t, s.RebuildIndex(t.Context(), everything()))
	done, err = moveOut()
	require.ErrorContains(t, err, "the block at 58 differs")
	require.Equal(t, uint64(41), done.UpTo)
	require.NoError(t, s.Close())
}

func rewriteFile(t testing.TB, fs vfs.FS, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := readFile(fs, path)
	require.NoError(t, err)
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	_, err = f.Write(change(b))
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// TestSpaceIsGivenBack: on a real disk, Pebble is smaller by what was moved out.
func TestSpaceIsGivenBack(t *testing.T) {
	o := testOptions(filepath.Join(t.TempDir(), "data"), nil)
	s := open(t, o)
	b := newBooks(t, s)
	for i := range uint64(200) {
		b.builder.Begin(s.Head(), 20000+uint32(i/20))
		for j := range uint64(100) {
			payload := make([]byte, 400)
			for k := range payload {
				payload[k] = byte((i*j + uint64(k)*j) * 2654435761 >> 7)
			}
			b.add(&ledger.Entry{Kind: 3, Payload: payload})
		}
		block := b.builder.Seal()
		require.NoError(t, s.Append(block))
		require.NoError(t, s.Wait(block.Last()))
	}
	require.NoError(t, s.RebuildIndex(t.Context(), everything()))
	require.NoError(t, s.SaveCheckpoint(t.Context(), ledger.Snapshot{Head: s.Head(), Sections: b.book.Sections(nil)}))
	dir := archiveOf(o)
	require.NoError(t, s.Compact(t.Context()))
	archived := archiveNow(t, s, dir)
	before, err := s.Usage()
	require.NoError(t, err)
	done, err := s.MoveOut(t.Context(), dir, math.MaxInt64, true)
	require.NoError(t, err)
	after, err := s.Usage()
	require.NoError(t, err)
	t.Logf("blocks in tables: %d bytes before, %d after; Pebble on disk %d and %d; archive %d bytes for %d", before.Blocks, after.Blocks, done.Before, done.After, archived.Bytes, archived.Raw)
	require.Less(t, after.Blocks, before.Blocks/4)
	require.Less(t, done.After, done.Before/4)
	require.Eventually(t, func() bool { return s.Metrics().DiskBytes < before.Blocks/2 }, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, s.Close())
}
