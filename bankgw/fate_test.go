package bankgw

import (
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/switch/transaction"
)

// TestFatesAreBounded: the oldest are forgotten, and one that is remembered again keeps its place.
func TestFatesAreBounded(t *testing.T) {
	f := fates{byLoad: make(map[uint64]*fate)}
	remember := func(load uint64, end fateEnd) {
		f.add(&fate{order: transaction.LoadOrder{Load: load}, end: end})
	}
	for load := uint64(1); load <= fatesBound; load++ {
		remember(load, fateConfirmed)
	}
	remember(1, fateReversed)
	require.Len(t, f.byLoad, fatesBound)
	require.Equal(t, fateReversed, f.byLoad[1].end)
	for load := uint64(fatesBound + 1); load <= 3*fatesBound; load++ {
		remember(load, fateDeclined)
		require.Len(t, f.byLoad, fatesBound)
		require.Nil(t, f.byLoad[load-fatesBound])
		require.NotNil(t, f.byLoad[load])
	}
	require.Len(t, f.ring, fatesBound)
}

// TestTraceOf: DE 11 is 1 to 999,999, and neighbours differ.
func TestTraceOf(t *testing.T) {
	for _, load := range []uint64{1, 2, 999_998, 999_999, 1_000_000, 123_456_789_012} {
		require.GreaterOrEqual(t, traceOf(load), uint32(1))
		require.LessOrEqual(t, traceOf(load), uint32(999_999))
		require.NotEqual(t, traceOf(load), traceOf(load+1))
		require.Equal(t, traceOf(load), traceOf(load+traceSpace))
	}
}
