package pebblestore

import (
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/pebblestore/faultdisk"
)

// TestWitnessNeverRunsAhead: a power cut with two blocks on their way leaves a ledger that opens. The clerk may write a block into the
// witness only when the one before is in Pebble: a block that is in the witness while the one before is nowhere could not be put back, and
// the ledger would be refused although nobody has heard of either.
func TestWitnessNeverRunsAhead(t *testing.T) {
	mem := vfs.NewCrashableMem()
	release := make(chan struct{})
	var holding atomic.Bool
	o := crashOptions(faultdisk.Watch(mem, func(op faultdisk.Op) error {
		if holding.Load() && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo) && op.Path != "data/"+witnessName {
			<-release
		}
		return nil
	}))
	s, err := Open(o)
	require.NoError(t, err)
	b := newBooks(t, s)
	acked := b.pay(3)
	transfers := func(n int) func(add func(*ledger.Entry)) {
		return func(add func(*ledger.Entry)) {
			for range n {
				add(&ledger.Entry{Kind: 2, Legs: []ledger.Leg{{Account: 1, Amount: -1}, {Account: 2, Amount: 1}}})
			}
		}
	}
	holding.Store(true)
	b.block(transfers(2))
	b.builder = ledger.BlockBuilder{} // the first block is still on its way and must not change
	b.block(transfers(handOverEntries))
	s.clerk.close() // it has done what it was given
	after := crashOptions(mem.CrashClone(vfs.CrashCloneCfg{}))
	close(release)
	s.clerk = nil
	require.NoError(t, s.Close())
	s, err = Open(after)
	require.NoError(t, err)
	require.GreaterOrEqual(t, s.Head().Sequence, acked)
	require.NoError(t, s.Close())
}
