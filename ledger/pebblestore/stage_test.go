package pebblestore

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/pebblestore/faultdisk"
)

func staged(parts ...string) func(func([]byte) error) error {
	return func(add func([]byte) error) error {
		for _, p := range parts {
			if err := add([]byte(p)); err != nil {
				return err
			}
		}
		return nil
	}
}

func loadStage(t *testing.T, s *Store) (parts []string) {
	t.Helper()
	require.NoError(t, s.LoadStage(func(part []byte) error { parts = append(parts, string(part)); return nil }))
	return parts
}

// TestStageIsWholeOrNothing crashes before every operation while two stages are saved and dropped: what is found is one of them, whole, or
// nothing; and after a save has returned it is there until it is dropped.
func TestStageIsWholeOrNothing(t *testing.T) {
	long := string(bytes.Repeat([]byte("people "), 20_000)) // some logs' worth
	first, second := []string{"classes", long, "cards"}, []string{"other", long}
	mem := vfs.NewCrashableMem()
	rng := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	var allowed [][]string
	crashes := 0
	fs := faultdisk.Watch(mem, func(op faultdisk.Op) error {
		if !faultdisk.Changes(op) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if allowed == nil {
			return nil
		}
		for _, kept := range []int{0, 100} {
			crashes++
			o := crashOptions(mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rng}))
			s, err := Open(o)
			require.NoError(t, err)
			require.Contains(t, allowed, loadStage(t, s))
			require.NoError(t, s.Close())
		}
		return nil
	})
	allow := func(stages ...[]string) {
		mu.Lock()
		defer mu.Unlock()
		allowed = stages
	}
	s, err := Open(crashOptions(fs))
	require.NoError(t, err)
	allow(nil, first)
	require.NoError(t, s.SaveStage(staged(first...)))
	allow(first, nil, second) // a save that replaces may leave nothing for a moment
	require.NoError(t, s.SaveStage(staged(second...)))
	allow(second)
	require.NoError(t, s.db.Flush())
	require.Equal(t, second, loadStage(t, s))
	allow(second, nil)
	require.NoError(t, s.DropStage())
	allow([][]string{nil}...)
	require.NoError(t, s.db.Flush())
	require.Empty(t, loadStage(t, s))
	require.NoError(t, s.Close())
	t.Logf("%d crashes judged", crashes)
	require.Greater(t, crashes, 50)
}

// TestStageThatIsDamagedIsRefused: nothing of it is handed out.
func TestStageThatIsDamagedIsRefused(t *testing.T) {
	s := open(t, Options{Dir: "data", FS: vfs.NewMem()})
	for name, damage := range map[string]func() error{
		"a part is missing":    func() error { return s.db.Delete(stageKey(1), pebble.Sync) },
		"a part is another":    func() error { return s.db.Set(stageKey(1), []byte("?"), pebble.Sync) },
		"the mark is too long": func() error { return s.db.Set(stageMark(), make([]byte, 9), pebble.Sync) },
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, s.SaveStage(staged("a", "b", "c")))
			require.NoError(t, damage())
			visited := 0
			err := s.LoadStage(func([]byte) error { visited++; return nil })
			require.Error(t, err)
			require.Zero(t, visited)
		})
	}
	require.NoError(t, s.SaveStage(staged("a")))
	require.Equal(t, []string{"a"}, loadStage(t, s))
	require.ErrorIs(t, s.SaveStage(func(func([]byte) error) error { return ledger.ErrMalformed }), ledger.ErrMalformed)
	require.Empty(t, loadStage(t, s))
}

// TestStageGoesWithTheEndOfTheLedger: a backup that is restored whole is finished as the ledger would have been; one that is cut is not.
func TestStageGoesWithTheEndOfTheLedger(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, testOptions("data", fs))
	b := newBooks(t, s)
	last := b.pay(5)
	require.NoError(t, s.SaveStage(staged("people", "cards")))
	_, err := s.Backup(t.Context(), "copy")
	require.NoError(t, err)
	for to, want := range map[uint64][]string{0: {"people", "cards"}, last - 1: nil} {
		r, err := BeginRestore(fs, "copy", "", "restored")
		require.NoError(t, err)
		_, err = r.Copy(t.Context(), Cut{Entry: to}, RestoreSink{Block: func(uint64, []byte) {}, Missing: func(uint64, uint64, error) {}})
		require.NoError(t, err)
		require.Equal(t, want, loadStage(t, r.store))
		require.NoError(t, r.Abort())
	}
}
