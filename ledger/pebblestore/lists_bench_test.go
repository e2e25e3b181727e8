package pebblestore

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
)

// BenchmarkLists gathers the lists of a full window of entries, each on those of a terminal, of a card and of a merchant's account, from
// blocks of 512, and reads them as they are written: no totals, no disk. What more cards cost is misses of the processor's caches.
func BenchmarkLists(b *testing.B) {
	const entries, block, terminals, merchant = windowEntries, 512, 64, 20
	random := rand.New(rand.NewPCG(1, 2))
	for _, cards := range []uint32{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("cards=%d", cards), func(b *testing.B) {
			var blocks []ledger.Block
			var head ledger.Head
			for range entries / block {
				var builder ledger.BlockBuilder
				builder.Begin(head, 20_000)
				for i := range block {
					payload := binary.BigEndian.AppendUint32(nil, random.Uint32N(cards)+1)
					builder.Add(&ledger.Entry{Kind: 13, Time: int64(i), Payload: payload})
				}
				sealed := builder.Seal()
				blocks, head = append(blocks, sealed), sealed.Head()
			}
			store := open(b, Options{Dir: b.TempDir()})
			x, err := store.newIndexer(Index{Keys: func(sequence uint64, e *ledger.Entry, emit func(byte, uint64)) {
				emit('T', sequence%terminals+1)
				emit('C', uint64(binary.BigEndian.Uint32(e.Payload)))
				emit('A', merchant)
			}, Shared: "C"})
			require.NoError(b, err)
			var gathering, writing time.Duration
			b.ReportAllocs()
			for b.Loop() {
				x.read = 0
				began := time.Now()
				for _, block := range blocks {
					if err := x.take(block); err != nil {
						b.Fatal(err)
					}
				}
				gathered := time.Now()
				batch := batches{store: store, keys: indexBatch}
				batch.begin()
				x.pending.lists.write(&batch)
				if err := batch.commit(); err != nil {
					b.Fatal(err)
				}
				gathering, writing = gathering+gathered.Sub(began), writing+time.Since(gathered)
				x.pending.lists.reset()
			}
			each := float64(uint64(b.N) * entries)
			b.ReportMetric(float64(gathering.Nanoseconds())/each, "gather-ns/entry")
			b.ReportMetric(float64(writing.Nanoseconds())/each, "write-ns/entry")
			require.NoError(b, store.Close())
		})
	}
}
