package pebblestore

import (
	"path"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"onecard/ledger/pebblestore/faultdisk"
)

// TestAFlushThatFailsForEverStopsTheProcess: a disk on which no table can be made any more is not tried for ever; one that recovers is
// forgiven, and nothing is lost either way.
func TestAFlushThatFailsForEverStopsTheProcess(t *testing.T) {
	var left atomic.Int32 // tables that cannot be made
	mem := vfs.NewCrashableMem()
	o := crashOptions(faultdisk.Watch(mem, func(op faultdisk.Op) error {
		if op.Kind == errorfs.OpCreate && path.Ext(op.Path) == ".sst" && left.Load() > 0 {
			left.Add(-1)
			return syscall.EIO
		}
		return nil
	}))
	stopped := make(chan string, 1)
	o.Fatal = func(text string) {
		stopped <- text
		select {} // as a process that has ended
	}
	w := newWorkload(7)
	s, err := Open(o)
	require.NoError(t, err)
	left.Store(flushTries - 1)
	require.NoError(t, w.write(s, 10))
	require.NoError(t, s.db.Flush(), "the last try has succeeded")
	require.Zero(t, left.Load())
	left.Store(1 << 20)
	require.NoError(t, w.write(s, 4))
	go func() { _ = s.db.Flush() }() // ends with the process
	require.Contains(t, <-stopped, "a table cannot be written, tried 12 times")
	require.Empty(t, w.verdictOf(crashOptions(mem.CrashClone(vfs.CrashCloneCfg{})), w.acked.Load()))
}
