package pebblestore

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// TestBlocksAreWrittenIntoATableOnce: index and totals are compacted again and again; no block is written a second time, no table holds blocks
// and anything else.
func TestBlocksAreWrittenIntoATableOnce(t *testing.T) {
	o := testOptions("data", vfs.NewMem())
	o.MemTableBytes = 256 << 10
	s := open(t, o)
	b := newBooks(t, s)
	random := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		b.pay(15_000)
		for range 20 {
			value := make([]byte, 50)
			require.NoError(t, s.db.Set(indexKey(listKey{'c', random.Uint64N(100)}, 1), value, pebble.NoSync))
		}
		require.NoError(t, s.db.Set(partKey(1, "rows", uint32(random.IntN(5))), make([]byte, 50), pebble.NoSync))
		require.NoError(t, s.db.Flush())
	}
	require.Eventually(t, func() bool { return s.Metrics().L0Depth <= 5 }, 30*time.Second, time.Millisecond) // compactions give way
	m := s.db.Metrics()
	require.Positive(t, m.Compact.DefaultCount)
	var down int64
	for level := range m.Levels[1:] {
		down += int64(m.Levels[1+level].TableBytesCompacted)
	}
	require.Less(t, down, int64(m.Levels[0].TableBytesFlushed)/4)
	tables, err := s.db.SSTables()
	require.NoError(t, err)
	resting := 0
	for level := range tables {
		for _, table := range tables[level] {
			first, last := table.Smallest.UserKey[0], table.Largest.UserKey[0]
			require.Equal(t, first == prefixBlock, last == prefixBlock, "%s to %s", table.Smallest, table.Largest)
			require.Equal(t, first == prefixCheckpoint, last == prefixCheckpoint, "%s to %s", table.Smallest, table.Largest)
			if first == prefixBlock && level == 0 {
				resting++
			}
		}
	}
	require.Greater(t, resting, 20)
	require.NoError(t, s.Close())
}
