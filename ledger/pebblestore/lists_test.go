package pebblestore

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// TestLists holds the lists of some windows, dense and sparse, few and many, alone and shared, of small and of large spaces, against slices: what is read while a window grows, and what is
// written at its end, under keys in order.
func TestLists(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	store := open(t, Options{Dir: "data", FS: vfs.NewMem()})
	defer func() { require.NoError(t, store.Close()) }()
	var g lists
	sequence := uint64(1000)
	for window, shape := range []struct{ notes, ids int }{{20_000, 50}, {20_000, 40_000}, {40, 40_000}, {1, 1}, {20_000, 300}} {
		want := make(map[member][]uint64)
		for range shape.notes {
			sequence += random.Uint64N(3) * random.Uint64N(200)
			space, id := "ACT"[random.IntN(3)], random.Uint64N(uint64(shape.ids))
			if random.IntN(4) == 0 {
				id += denseIDs - uint64(shape.ids)/2
			}
			key := memberOf(space == 'C', space, id)
			if list := want[key]; len(list) > 0 && list[len(list)-1] == sequence {
				sequence++
			}
			g.note(key, sequence)
			want[key] = append(want[key], sequence)
		}
		g.settle()
		keys := make(map[listKey]bool)
		for key := range want {
			keys[key.listKey] = true
		}
		require.Len(t, g.touched, len(keys))
		for key, list := range want {
			read, err := g.read(nil, key)
			require.NoError(t, err)
			require.Equal(t, list, read)
		}
		batch := batches{store: store, keys: 1 << 30}
		batch.begin()
		g.write(&batch)
		require.NoError(t, batch.err)
		require.True(t, slices.IsSortedFunc(g.touched, listKey.compare), "window %d", window)
		reader := batch.batch.Reader()
		written := make(map[member][]uint64)
		for range keys {
			_, key, value, ok, err := reader.Next()
			require.NoError(t, err)
			require.True(t, ok)
			k, first := listKey{key[1], binary.BigEndian.Uint64(key[2:])}, binary.BigEndian.Uint64(key[10:])
			for which := range 1 << k.bits() {
				m := member{k, uint8(which)}
				list, err := m.readList(nil, first, value)
				require.NoError(t, err)
				if len(list) > 0 {
					written[m] = list
				}
				last := first + random.Uint64N(sequence-first+1)
				cut, err := k.upTo(last, first, value)
				require.NoError(t, err)
				list, err = m.readList(nil, first, cut)
				require.NoError(t, err)
				require.Equal(t, len(list), len(slices.DeleteFunc(slices.Clone(written[m]), func(s uint64) bool { return s > last })))
			}
		}
		require.Equal(t, want, written)
		batch.abandon()
		g.reset()
		for key := range want {
			read, err := g.read(nil, key)
			require.NoError(t, err)
			require.Empty(t, read)
		}
	}
}
