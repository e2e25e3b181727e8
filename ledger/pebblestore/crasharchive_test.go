package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/pebblestore/archive"
	"onecard/ledger/pebblestore/faultdisk"
)

// Crashes while blocks are archived and moved out, on one disk with the ledger: whatever is left, no block is in neither place, no file of
// the archive is there in part, and both go on.

// nextDay lets a business day end now and then.
func (w *workload) nextDay() uint32 {
	if w.archives && w.rng.IntN(5) == 0 {
		w.day++
	}
	return w.day
}

// archive archives now and then, and moves out what may be.
func (w *workload) archive(s *Store) error {
	if !w.archives || w.rng.IntN(4) > 0 {
		return nil
	}
	if _, err := s.Archive(context.Background(), "archive", false); err != nil {
		return err
	}
	if w.rng.IntN(2) == 0 {
		_, err := s.MoveOut(context.Background(), "archive", math.MaxInt64, false)
		return err
	}
	return nil
}

// judgeArchive is judge for the archive: its files are whole and of this ledger, and it goes on to the ledger's end.
func (w *workload) judgeArchive(s *Store) string {
	f, err := archive.Open(s.fs, "archive")
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return fmt.Sprintf("archive: %v", err)
	case f.IndexFault() != nil && !errors.Is(f.IndexFault(), os.ErrNotExist): // before the first was written
		return f.IndexFault().Error()
	case len(f.Faults()) > 0:
		return fmt.Sprintf("archive: %v", f.Faults()[0])
	case f.Head().Sequence < s.begin().Sequence:
		return fmt.Sprintf("lost: moved out up to %d, archived up to %d", s.begin().Sequence, f.Head().Sequence)
	default:
		w.mu.Lock()
		hash, known := w.handed[f.Head().Sequence]
		w.mu.Unlock()
		if !known || hash != f.Head().Hash {
			return fmt.Sprintf("invented: an archive that ends at %d", f.Head().Sequence)
		}
	}
	done, err := s.Archive(context.Background(), "archive", false)
	if err != nil || done.Head != s.Head() || done.Repaired > 0 {
		return fmt.Sprintf("archiving does not go on: %v %v", done, err)
	}
	if _, err := s.MoveOut(context.Background(), "archive", math.MaxInt64, false); err != nil {
		return fmt.Sprintf("moving out does not go on: %v", err)
	}
	return comparePlaces(s)
}

// comparePlaces reads the ledger and its archive side by side.
func comparePlaces(s *Store) string {
	f, err := archive.Open(s.fs, "archive")
	if err != nil || f.IndexFault() != nil {
		return fmt.Sprintf("archive: %v %v", err, f.IndexFault())
	}
	var heads []ledger.Head
	var damage error
	err = f.Each(context.Background(), 1, func(_ uint64, raw []byte) error {
		b, err := ledger.OpenBlock(raw)
		heads = append(heads, b.Head())
		return err
	}, func(d *archive.Damage) { damage = d })
	if err := errors.Join(err, damage); err != nil {
		return fmt.Sprintf("archive: %v", err)
	}
	err = s.Replay(context.Background(), 0, func(b ledger.Block) error {
		if len(heads) == 0 || heads[0] != b.Head() {
			return fmt.Errorf("the archive has %d where the ledger has %d", len(heads), b.Last())
		}
		heads = heads[1:]
		return nil
	})
	if err != nil || len(heads) > 0 {
		return fmt.Sprintf("lost: %v, %d blocks in the archive alone", err, len(heads))
	}
	return ""
}

func TestCrashWhileBlocksAreArchivedAndMovedOut(t *testing.T) {
	campaign := faultdisk.New("crash", 5, 1<<40)
	var moved uint64
	crashRun(campaign, 5, 50, 25, 0, func(w *workload, _ *Options) { w.archives = true })
	crashRun(campaign, 6, 30, 100, 1, func(w *workload, _ *Options) { w.archives = true })
	require.Empty(t, campaign.Failures())
	require.Greater(t, campaign.Judged(), int64(100))
	w := newWorkload(5)
	w.archives = true
	o := crashOptions(vfs.NewMem())
	require.NoError(t, w.run(o, 70))
	s := open(t, o)
	moved, _ = s.MovedOut()
	require.Greater(t, moved, w.acked.Load()/3, "the workload moves out too little to mean something")
	require.NoError(t, s.Close())
}

// TestMovingOutTestsHaveTeeth: blocks that are deleted before their file is on the disk must be missed.
func TestMovingOutTestsHaveTeeth(t *testing.T) {
	w := newWorkload(7)
	w.archives = true
	mem := vfs.NewCrashableMem()
	o := crashOptions(mem)
	s := open(t, o)
	require.NoError(t, w.write(s, 40))
	_, err := s.Archive(t.Context(), "archive", false)
	require.NoError(t, err)
	f, err := archive.Open(mem, "archive")
	require.NoError(t, err)
	runs := f.Runs()
	r := &runs[len(runs)-2]
	require.Greater(t, r.Last, s.begin().Sequence)
	next := newMoved(r.Head(), r.Ledger, mem, "archive")
	require.NoError(t, mem.RemoveAll("archive")) // as if it had never been synced
	require.NoError(t, s.db.Set(markKey(markMoved), next.encode(), pebble.Sync))
	require.NoError(t, s.db.DeleteRange(blockKey(nil, 1), blockKey(nil, r.Last+1), pebble.Sync))
	require.NoError(t, s.Close())
	require.Contains(t, w.verdictOf(o, w.acked.Load()), "not whole")
}

// TestDamageToArchivesIsNamed: a file of the archive, or of a ledger that has moved blocks out into it, is flipped, cut, deleted or replaced.
// What is read is right, or refused by name.
func TestDamageToArchivesIsNamed(t *testing.T) {
	campaign := faultdisk.New("rot", 12, 1<<40)
	damageRun(t, campaign, 13, true, false, true, 1, func(path, damage string) bool {
		return strings.HasPrefix(path, "archive/") && (damage == "delete" || path[len(path)-8]%5 == 0 || strings.HasSuffix(path, "INDEX"))
	})
	require.Empty(t, campaign.Failures())
	require.Positive(t, campaign.Counted("outcome", "archive "+string(refused)))
	require.Positive(t, campaign.Counted("outcome", "archive index "+string(harmless))+campaign.Counted("outcome", "archive index "+string(refused)))
	t.Logf("judged %d", campaign.Judged())
}

// TestArchivingThatFailsIsItsOwn fails every operation on the archive in turn: archiving and moving out return the error, the process is not
// stopped, the ledger goes on with every block, and the next try succeeds.
func TestArchivingThatFailsIsItsOwn(t *testing.T) {
	mem := vfs.NewMem()
	var left atomic.Int64
	left.Store(1 << 40)
	o := crashOptions(faultdisk.Watch(mem, func(op faultdisk.Op) error {
		if strings.HasPrefix(op.Path, "archive") && op.Kind != errorfs.OpFileClose && left.Add(-1) < 0 {
			return &os.PathError{Op: "operation", Path: op.Path, Err: syscall.EIO}
		}
		return nil
	}))
	o.Fatal = func(text string) { panic(text) }
	s := open(t, o)
	b := newBooks(t, s)
	failed := 0
	for round := range uint32(3) {
		for i := range uint32(12) {
			b.payOn(20000+3*round+i/4, 3)
		}
		require.NoError(t, s.SaveCheckpoint(t.Context(), ledger.Snapshot{Head: s.Head(), Sections: b.book.Sections(nil)}))
		require.NoError(t, s.RebuildIndex(t.Context(), everything()))
		for n := int64(0); ; n++ {
			left.Store(n)
			_, err := s.Archive(t.Context(), "archive", false)
			if err == nil {
				_, err = s.MoveOut(t.Context(), "archive", math.MaxInt64, false)
			}
			left.Store(1 << 40)
			b.payOn(20002+3*round, 1)
			if err == nil {
				break
			}
			require.ErrorContains(t, err, "input/output error")
			failed++
		}
	}
	require.Greater(t, failed, 20)
	upTo, _ := s.MovedOut()
	require.Positive(t, upTo)
	archiveNow(t, s, "archive")
	require.Empty(t, comparePlaces(s))
	require.NoError(t, s.Close())
	require.Equal(t, s.Head(), sameBlocks(t, o, mem, "archive"))
}
