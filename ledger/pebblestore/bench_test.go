package pebblestore

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
)

// purchases writes blocks of n purchases, 46 bytes each, without allocating.
type purchases struct {
	store   *Store
	builder [2]ledger.BlockBuilder
	entry   ledger.Entry
	turn    int
}

func newPurchases(b testing.TB, s *Store) *purchases {
	p := &purchases{store: s}
	p.entry = ledger.Entry{
		Kind: 13, Payload: []byte("0123456789abcdefghijklm"),
		Legs: []ledger.Leg{{Account: 30_000, Amount: -1200}, {Account: 11, Amount: 1200}},
	}
	return p
}

func (p *purchases) append(b testing.TB, n int) ledger.Block {
	builder := &p.builder[p.turn%2]
	p.turn++
	builder.Begin(p.store.Head(), 20_000)
	for range n {
		p.entry.Time += 50
		builder.Add(&p.entry)
	}
	block := builder.Seal()
	if err := p.store.Append(block); err != nil {
		b.Fatal(err)
	}
	return block
}

// BenchmarkAppendWait is one group from sealed block to durable, on the real disk: what stands between a decision and its answer.
func BenchmarkAppendWait(b *testing.B) {
	for _, n := range []int{64, 512} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			dir, err := os.MkdirTemp(os.Getenv("ONECARD_BENCH_DIR"), "onecard-bench")
			require.NoError(b, err)
			defer os.RemoveAll(dir)
			s := open(b, Options{Dir: dir})
			require.NoError(b, s.awaitWarm())
			p := newPurchases(b, s)
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Wait(p.append(b, n).Last()); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
			require.NoError(b, s.Close())
		})
	}
}

// BenchmarkWarmLogs compares a store whose logs were readied with one whose logs were not, block by block in turn, so that whatever else
// the machine does falls on both.
func BenchmarkWarmLogs(b *testing.B) {
	for _, n := range []int{64, 512} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			var took [2]time.Duration
			var all [2]*purchases
			for i := range all {
				dir, err := os.MkdirTemp(os.Getenv("ONECARD_BENCH_DIR"), "onecard-bench")
				require.NoError(b, err)
				defer os.RemoveAll(dir)
				all[i] = newPurchases(b, open(b, Options{Dir: dir, cold: i == 0}))
				require.NoError(b, all[i].store.awaitWarm())
			}
			for b.Loop() {
				for i, p := range all {
					began := time.Now()
					if err := p.store.Wait(p.append(b, n).Last()); err != nil {
						b.Fatal(err)
					}
					took[i] += time.Since(began)
				}
			}
			for i, name := range []string{"cold_us", "warm_us"} {
				b.ReportMetric(float64(took[i].Microseconds())/float64(b.N), name)
				require.NoError(b, all[i].store.Close())
			}
		})
	}
}
