package pebblestore

import (
	"context"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"onecard/ledger"
)

// dayLedger appends a block for each entry of counts: that many entries, on that day.
func dayLedger(t *testing.T, s *Store, blocks []struct{ day, count uint32 }) {
	var builder ledger.BlockBuilder
	for _, block := range blocks {
		builder.Begin(s.Head(), block.day)
		for range block.count {
			builder.Add(&ledger.Entry{Kind: 2, Time: int64(block.day) * 1000, Payload: []byte{byte(block.count)}})
		}
		require.NoError(t, s.Append(builder.Seal()))
		require.NoError(t, s.Wait(s.Head().Sequence))
	}
}

// TestADayIsFoundAndWalked: from every entry of the ledger the same day is found, its blocks are walked and no others.
func TestADayIsFoundAndWalked(t *testing.T) {
	s := open(t, testOptions("data", vfs.NewMem()))
	defer func() { require.NoError(t, s.Close()) }()
	_, err := s.DayOf(1)
	require.ErrorIs(t, err, ErrNoEntry)
	dayLedger(t, s, []struct{ day, count uint32 }{{0, 1}, {20, 3}, {20, 1}, {21, 2}, {25, 1}, {25, 7}, {25, 2}})
	want := []ledger.Span{{Day: 0, First: 1, Last: 1, Followed: true}, {Day: 20, First: 2, Last: 5, Followed: true}, {Day: 21, First: 6, Last: 7, Followed: true}, {Day: 25, First: 8, Last: 17}}
	for _, span := range want {
		for sequence := span.First; sequence <= span.Last; sequence++ {
			found, err := s.DayOf(sequence)
			require.NoError(t, err)
			require.Equal(t, span, found, "entry %d", sequence)
		}
		next := span.First
		require.NoError(t, s.EachOf(t.Context(), span, func(b ledger.Block) error {
			require.Equal(t, span.Day, b.Day())
			require.Equal(t, next, b.First())
			next = b.Last() + 1
			return nil
		}))
		require.Equal(t, span.Last+1, next)
	}
	for _, none := range []uint64{0, 18, 1 << 63} {
		_, err := s.DayOf(none)
		require.ErrorIs(t, err, ErrNoEntry)
	}
	for day, after := range map[uint32]uint64{0: 0, 1: 1, 20: 1, 21: 5, 22: 7, 25: 7, 26: 17} {
		found, err := s.DayBegins(day)
		require.NoError(t, err)
		require.Equal(t, after, found, "day %d", day)
	}
	// A span that was taken before more was written is still walked to its end and no further.
	dayLedger(t, s, []struct{ day, count uint32 }{{25, 1}, {26, 1}})
	last := uint64(0)
	require.NoError(t, s.EachOf(t.Context(), want[3], func(b ledger.Block) error { last = b.Last(); return nil }))
	require.Equal(t, uint64(17), last)
	ended, end := context.WithCancel(t.Context())
	end()
	require.ErrorIs(t, s.EachOf(ended, want[1], func(ledger.Block) error { return nil }), context.Canceled)
}

// TestADayWithAHoleIsNotWalked: a block that is gone or changed is an error of the walk, at either end of the day too.
func TestADayWithAHoleIsNotWalked(t *testing.T) {
	blocks := []struct{ day, count uint32 }{{20, 2}, {21, 2}, {21, 3}, {21, 1}, {22, 1}}
	for _, first := range []uint64{3, 5, 8, 9} {
		for _, changed := range []bool{false, true} {
			s := open(t, testOptions("data", vfs.NewMem()))
			dayLedger(t, s, blocks)
			span, err := s.DayOf(4)
			require.NoError(t, err)
			require.Equal(t, ledger.Span{Day: 21, First: 3, Last: 8, Followed: true}, span)
			if changed {
				raw, closer, err := s.db.Get(blockKey(nil, first))
				require.NoError(t, err)
				raw = append([]byte(nil), raw...)
				require.NoError(t, closer.Close())
				raw[len(raw)-1] ^= 1
				require.NoError(t, s.db.Set(blockKey(nil, first), raw, nil))
			} else {
				require.NoError(t, s.db.Delete(blockKey(nil, first), nil))
			}
			require.ErrorIs(t, s.EachOf(t.Context(), span, func(ledger.Block) error { return nil }), ledger.ErrMalformed, "block %d, changed %v", first, changed)
			require.NoError(t, s.Close())
		}
	}
}
