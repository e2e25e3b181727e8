package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"onecard/ledger"
)

var _ ledger.Feed = (*Feed)(nil)

// take reads n records and checks that they are those after a sequence.
func take(t testing.TB, f *Feed, after uint64, n int) {
	t.Helper()
	for n > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		records, err := f.Next(ctx, n)
		cancel()
		require.NoError(t, err)
		require.NotEmpty(t, records)
		for _, r := range records {
			after, n = after+1, n-1
			require.Equal(t, after, r.Sequence)
			require.Equal(t, uint32(20000), r.Day)
			require.Equal(t, int64(after), r.Entry.Time)
		}
	}
}

func TestFeedGoesOnBehindItsCursor(t *testing.T) {
	o := testOptions("data", vfs.NewMem())
	s := open(t, o)
	b := newBooks(t, s)
	for range 10 {
		b.pay(10)
	}
	reports, err := s.Feed("reports")
	require.NoError(t, err)
	alerts, err := s.Feed("alerts")
	require.NoError(t, err)
	take(t, reports, 0, 37) // into the middle of a block
	take(t, alerts, 0, 101)
	require.NoError(t, reports.Commit(35))
	require.NoError(t, alerts.Commit(101))
	require.ErrorContains(t, reports.Commit(38), "has not been handed out")
	_, err = s.Feed("reports")
	require.ErrorIs(t, err, ErrFeedInUse)
	require.ErrorIs(t, s.DropFeed("reports"), ErrFeedInUse)
	all, err := s.Feeds()
	require.NoError(t, err)
	require.Equal(t, []FeedStatus{{"alerts", 101, 0}, {"reports", 35, 66}}, all)
	take(t, reports, 37, 1) // the rest of its block is kept
	require.NoError(t, s.Close())
	_, err = reports.Next(t.Context(), 1)
	require.ErrorIs(t, err, ErrFeedClosed)
	require.ErrorIs(t, reports.Commit(36), ErrFeedClosed)
	reports.Close()

	s = open(t, o)
	reports, err = s.Feed("reports")
	require.NoError(t, err)
	require.Equal(t, uint64(66), reports.Behind())
	take(t, reports, 35, 66)
	reports.Close()
	require.NoError(t, s.DropFeed("reports"))
	require.ErrorIs(t, s.DropFeed("reports"), ErrNoFeed)
	reports, err = s.Feed("reports")
	require.NoError(t, err)
	take(t, reports, 0, 1) // it begins again
	reports.Close()
	reports, err = s.FeedFrom("reports", 90)
	require.NoError(t, err)
	take(t, reports, 90, 11)
	require.NoError(t, reports.Commit(101))
	_, err = s.FeedFrom("later", 102)
	require.ErrorContains(t, err, "there is no entry 102")
	require.NoError(t, s.Close())

	o.ReadOnly = true
	s = open(t, o)
	for name, after := range map[string]uint64{"reports": 101, "alerts": 101, "nobody": 0} {
		f, err := s.Feed(name)
		require.NoError(t, err)
		require.Equal(t, 101-after, f.Behind())
		require.ErrorContains(t, f.Commit(0), "open for reading")
	}
	all, err = s.Feeds()
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.NoError(t, s.Close())
}

// TestFeedWaits: for a record that is durable, and until its context, the feed or the store ends.
func TestFeedWaits(t *testing.T) {
	s := open(t, testOptions("data", vfs.NewMem()))
	b := newBooks(t, s)
	feeds := make([]*Feed, 3)
	for i := range feeds {
		var err error
		feeds[i], err = s.FeedFrom(fmt.Sprint("f", i), 1)
		require.NoError(t, err)
	}
	type read struct {
		records []ledger.Record
		err     error
	}
	results := make(chan read, len(feeds))
	next := func(ctx context.Context, f *Feed) {
		go func() { records, err := f.Next(ctx, 10); results <- read{records, err} }() // ends with its answer
	}
	ctx, cancel := context.WithCancel(t.Context())
	next(ctx, feeds[0])
	cancel()
	require.ErrorIs(t, (<-results).err, context.Canceled)
	next(t.Context(), feeds[1])
	feeds[1].Close()
	require.ErrorIs(t, (<-results).err, ErrFeedClosed)

	block := b.block(func(add func(*ledger.Entry)) { add(&ledger.Entry{Kind: 2}) })
	require.Zero(t, feeds[0].Behind(), "appended, not yet durable")
	next(t.Context(), feeds[0])
	require.NoError(t, s.Wait(block.Last()))
	got := <-results
	require.NoError(t, got.err)
	require.Equal(t, block.Last(), got.records[0].Sequence)
	next(t.Context(), feeds[0])
	require.NoError(t, s.Close())
	require.ErrorIs(t, (<-results).err, ErrFeedClosed)
}

// TestSleepingReaderHoldsNobodyUp: one reader waits for ever, one has stopped in the middle of a block; blocks go on, of ten times what
// any channel here holds, and nothing is kept for either.
func TestSleepingReaderHoldsNobodyUp(t *testing.T) {
	s := open(t, testOptions("data", vfs.NewMem()))
	b := newBooks(t, s)
	b.pay(50)
	asleep, err := s.Feed("asleep")
	require.NoError(t, err)
	take(t, asleep, 0, 20)
	for range 500 {
		b.pay(3)
	}
	require.Equal(t, uint64(31+1500), asleep.Behind())
	require.LessOrEqual(t, len(asleep.news), 1)
	take(t, asleep, 20, 31+1500)
	require.NoError(t, s.Close())
}

func TestFeedNames(t *testing.T) {
	s := open(t, testOptions("data", vfs.NewMem()))
	for _, name := range []string{"", "A", "a b", "a/b", "日报", strings.Repeat("a", feedNameMax+1)} {
		_, err := s.Feed(name)
		require.ErrorIs(t, err, ErrFeedName, name)
	}
	for i := range feedsMax {
		_, err := s.Feed(fmt.Sprintf("feed-%d", i))
		require.NoError(t, err)
	}
	_, err := s.Feed("one-more")
	require.ErrorContains(t, err, "drop one")
	require.NoError(t, s.Close())
}

// TestFeedOfAnotherPastIsRefused: a ledger that was restored to an earlier moment and went on otherwise.
func TestFeedOfAnotherPastIsRefused(t *testing.T) {
	o := testOptions("data", vfs.NewMem())
	s := open(t, o)
	b := newBooks(t, s)
	b.pay(10)
	for _, spoil := range []func() error{
		func() error {
			return s.db.Set(feedKey("reports"), append([]byte{0, 0, 0, 0, 0, 0, 0, 99}, make([]byte, 32)...), nil)
		}, // beyond the end
		func() error {
			return s.db.Set(feedKey("reports"), append([]byte{0, 0, 0, 0, 0, 0, 0, 5}, make([]byte, 32)...), nil)
		}, // another block
	} {
		require.NoError(t, spoil())
		_, err := s.Feed("reports")
		require.ErrorIs(t, err, ErrFeedForeign)
		f, err := s.FeedFrom("reports", 3)
		require.NoError(t, err)
		take(t, f, 3, 8)
		require.NoError(t, f.Commit(11))
		f.Close()
		f, err = s.Feed("reports")
		require.NoError(t, err)
		f.Close()
	}
	require.NoError(t, s.db.Set(feedKey("reports"), []byte{1}, nil))
	_, err := s.Feed("reports")
	require.ErrorIs(t, err, ledger.ErrMalformed)
	_, err = s.Feeds()
	require.ErrorIs(t, err, ledger.ErrMalformed)
	require.NoError(t, s.Close())
}

// TestFeedStopsAtAMissingBlock: damage is named, and read again when it has been mended.
func TestFeedStopsAtAMissingBlock(t *testing.T) {
	s := open(t, testOptions("data", vfs.NewMem()))
	b := newBooks(t, s)
	b.pay(5)
	b.pay(5)
	b.pay(5)
	f, err := s.Feed("reports")
	require.NoError(t, err)
	take(t, f, 0, 4)
	block, closer, err := s.db.Get(blockKey(nil, 7))
	require.NoError(t, err)
	kept := append([]byte(nil), block...)
	require.NoError(t, closer.Close())
	require.NoError(t, s.db.Delete(blockKey(nil, 7), nil))
	_, err = f.Next(t.Context(), 100)
	require.ErrorIs(t, err, ledger.ErrMalformed)
	require.ErrorContains(t, err, "entry 6 is followed by 12")
	require.NoError(t, s.db.Set(blockKey(nil, 7), kept, nil))
	take(t, f, 4, 12)
	require.NoError(t, s.Close())
}

// reader is one that does its work and keeps the sequence with it, as a report that is written to a table does.
type reader struct{ done []uint64 }

func (r *reader) work(records []ledger.Record) {
	for _, record := range records {
		if len(r.done) == 0 || record.Sequence > r.done[len(r.done)-1] {
			r.done = append(r.done, record.Sequence)
		}
	}
}

// TestFeedExactlyOnceOverCrashes: two readers, each of which may die before its work, between work and Commit and after Commit, on a disk
// whose power fails with none, half or all of what was not synced. Each record is worked on once, in order; a cursor that was kept is
// never behind or ahead of what was committed.
func TestFeedExactlyOnceOverCrashes(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 9))
		fs := vfs.NewCrashableMem()
		readers := map[string]*reader{"reports": {}, "alerts": {}}
		committed := map[string]uint64{}
		var last uint64
		for range 12 {
			s := open(t, crashOptions(fs))
			b := newBooks(t, s)
			require.GreaterOrEqual(t, s.Head().Sequence, last)
			feeds := map[string]*Feed{}
			for name := range readers {
				f, err := s.Feed(name)
				require.NoError(t, err)
				require.Equal(t, committed[name], f.read.Load(), "the cursor is where it was committed")
				feeds[name] = f
			}
			for range 1 + rng.IntN(12) {
				last = b.pay(1 + rng.IntN(20))
				for name, r := range readers {
					f := feeds[name]
					if f == nil || f.Behind() == 0 || rng.IntN(3) == 0 {
						continue
					}
					alive, sequence := r.step(t, f, rng)
					committed[name] = max(committed[name], sequence)
					if !alive {
						f.Close()
						if feeds[name] = nil; rng.IntN(2) == 0 {
							again, err := s.Feed(name)
							require.NoError(t, err)
							feeds[name] = again
						}
					}
				}
			}
			crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(3) * 50, RNG: rng})
			require.NoError(t, s.Close())
			fs = crashed
		}
		s := open(t, crashOptions(fs))
		for name, r := range readers {
			f, err := s.Feed(name)
			require.NoError(t, err)
			for f.Behind() > 0 {
				records, err := f.Next(t.Context(), 100)
				require.NoError(t, err)
				r.work(records)
			}
			require.Len(t, r.done, int(s.Head().Sequence), name)
			for i, sequence := range r.done {
				require.Equal(t, uint64(i+1), sequence)
			}
		}
		require.NoError(t, s.Close())
	}
}

// step reads, works and commits, or dies somewhere between. It returns what was committed.
func (r *reader) step(t *testing.T, f *Feed, rng *rand.Rand) (alive bool, committed uint64) {
	records, err := f.Next(t.Context(), 1+rng.IntN(30))
	require.NoError(t, err)
	dies := rng.IntN(8)
	if dies == 0 {
		return false, 0
	}
	r.work(records)
	if dies == 1 {
		return false, 0
	}
	sequence := records[len(records)-1].Sequence
	require.NoError(t, f.Commit(sequence))
	return dies != 2, sequence
}

// TestFeedsWhileTheStoreCloses: readers and writers of cursors in the middle of their work do not meet a closed Pebble.
func TestFeedsWhileTheStoreCloses(t *testing.T) {
	s := open(t, testOptions("data", vfs.NewMem()))
	b := newBooks(t, s)
	b.pay(2000)
	ended := make(chan error, 4)
	begun := make(chan struct{}, 4)
	for i := range 4 {
		f, err := s.Feed(fmt.Sprint(i))
		require.NoError(t, err)
		go func() { // ends when the store is closed
			for n := uint64(0); ; n++ {
				records, err := f.Next(context.Background(), 1)
				if err == nil {
					err = f.Commit(records[0].Sequence)
				}
				if err == nil {
					_, err = s.Feeds()
				}
				if n == 3 {
					begun <- struct{}{}
				}
				if err != nil {
					ended <- err
					return
				}
			}
		}()
	}
	for range 4 {
		<-begun
	}
	require.NoError(t, s.Close())
	for range 4 {
		err := <-ended
		require.True(t, errors.Is(err, ErrFeedClosed), "%v", err)
	}
}
