package pebblestore_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/ledger/pebblestore"
	"onecard/switch/campus"
	"onecard/switch/campus/consumption"
	"onecard/switch/transaction"
)

// lunchDoor hands the real core groups of purchases until there are none left.
type lunchDoor struct {
	left, next int
	stop       context.CancelFunc
}

func (d *lunchDoor) Poll(_ time.Duration, requests []transaction.Request) ([]transaction.Request, error) {
	for range min(512, d.left) {
		requests = append(requests, transaction.Request{
			Kind: transaction.KindPurchase, Origin: 1, Received: 1_795_405_680_000_000 + int64(d.next), Terminal: transaction.TerminalID(d.next%64 + 1), Batch: 1,
			Trace: uint32(d.next/64 + 1), Card: 9156000000000000 + transaction.CardNumber(d.next*7919%30000), Amount: 1,
		})
		d.next++
		d.left--
	}
	if d.left == 0 {
		d.stop()
	}
	return requests, nil
}

func (d *lunchDoor) Answer([]transaction.Decision) {}
func (d *lunchDoor) Wake()                         {}

func openEngine(b *testing.B, dir string, checkpoints bool) (*pebblestore.Store, *transaction.Engine) {
	store, err := pebblestore.Open(pebblestore.Options{Dir: dir})
	require.NoError(b, err)
	config := transaction.Config{Journal: store, Site: transaction.DefaultSite(), Routes: campus.Routes([]campus.Subsystem{consumption.New(consumption.DefaultConfig())})}
	if checkpoints {
		config.Checkpoints = store
	}
	engine, err := transaction.Open(context.Background(), config, 1)
	require.NoError(b, err)
	return store, engine
}

// buy imports 64 terminals and 30,000 holders and lets them buy n times; then a checkpoint is written.
func buy(b *testing.B, dir string, n int) {
	store, engine := openEngine(b, dir, false)
	shop := transaction.MerchantCode([]byte("103410054110001"))
	campus := &transaction.Directory{Classes: []transaction.ClassRow{{Code: "student"}}, Merchants: []transaction.MerchantRow{{Code: shop}}}
	for i := range 64 {
		campus.Terminals = append(campus.Terminals, transaction.TerminalRow{Code: transaction.TerminalCode(fmt.Appendf(nil, "T%07d", i)), Merchant: shop, Type: transaction.TerminalPOS, SealedKey: []byte{1}})
	}
	for i := range 30_000 {
		number := fmt.Sprintf("2026%05d", i)
		campus.Holders = append(campus.Holders, transaction.HolderRow{Number: number, Class: "student", OpeningMain: 100_000_000})
		campus.Cards = append(campus.Cards, transaction.CardRow{Number: 9156000000000000 + transaction.CardNumber(i), Holder: number})
	}
	faults, err := engine.ImportBeforeRun(campus, 2)
	require.NoError(b, err)
	require.Empty(b, faults)
	ctx, cancel := context.WithCancel(context.Background())
	door := &lunchDoor{left: n, stop: cancel}
	engine.Connect(door, nil)
	require.NoError(b, engine.Run(ctx, 3))
	require.NoError(b, store.Close())
}

// BenchmarkRestart opens a ledger of a million purchases until the core can decide: the store (walking the chain, readying the logs) and
// the core (replaying every block, or reading a checkpoint).
func BenchmarkRestart(b *testing.B) {
	const n = 1_000_000
	dir, err := os.MkdirTemp(os.Getenv("ONECARD_BENCH_DIR"), "onecard-bench")
	require.NoError(b, err)
	defer os.RemoveAll(dir)
	buy(b, dir, n)
	for _, checkpoints := range []bool{false, true} {
		b.Run(fmt.Sprintf("checkpoint=%v", checkpoints), func(b *testing.B) {
			if checkpoints {
				saveCheckpoint(b, dir)
			}
			var opening time.Duration
			for b.Loop() {
				began := time.Now()
				probe, err := pebblestore.Open(pebblestore.Options{Dir: dir})
				require.NoError(b, err)
				opening += time.Since(began)
				b.StopTimer()
				require.NoError(b, probe.Close())
				b.StartTimer()
				store, engine := openEngine(b, dir, checkpoints)
				b.StopTimer()
				require.Greater(b, engine.State().Book().Sequence(), uint64(n))
				require.NoError(b, store.Close())
				b.StartTimer()
			}
			b.ReportMetric(float64(opening.Milliseconds())/float64(b.N), "store_open_ms")
			b.ReportMetric(float64((b.Elapsed()-opening).Milliseconds())/float64(b.N), "restart_ms")
		})
	}
}

func saveCheckpoint(b *testing.B, dir string) {
	store, engine := openEngine(b, dir, false)
	ctx, cancel := context.WithCancel(context.Background())
	saved := make(chan error, 1)
	go func() { // ends when the checkpoint is written
		snapshot, err := engine.Snapshot(ctx)
		if err == nil {
			err = store.SaveCheckpoint(ctx, snapshot)
		}
		saved <- err
		cancel()
	}()
	engine.Connect(&idleDoor{}, nil)
	require.NoError(b, engine.Run(ctx, 4))
	require.NoError(b, <-saved)
	require.NoError(b, store.Close())
}

type idleDoor struct{ lunchDoor }

func (d *idleDoor) Poll(_ time.Duration, requests []transaction.Request) ([]transaction.Request, error) {
	return requests, nil
}
