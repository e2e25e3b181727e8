package daemon

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGarbageDoesNotGrowWithTheTables: from where Go's own rule would let more pile up, it is the same amount for any number of holders.
func TestGarbageDoesNotGrowWithTheTables(t *testing.T) {
	require.Equal(t, 100, collectorPercent(0))
	require.Equal(t, 100, collectorPercent(garbageBytes))
	for _, live := range []uint64{200 << 20, 500 << 20, 1 << 30} {
		require.InDelta(t, garbageBytes, float64(live)*float64(collectorPercent(live))/100, float64(live)/100)
	}
	require.Equal(t, 5, collectorPercent(math.MaxUint64))
}
