package ledger_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
)

// purchase is an entry of the size that a purchase has: two legs and a payload of 23 bytes.
func purchase(n int) ledger.Entry {
	return ledger.Entry{
		Kind: 13, Time: 1_795_405_680_000_000 + int64(n)*50, Payload: []byte("0123456789abcdefghijklm"),
		Legs: []ledger.Leg{{Account: 30_000, Amount: -1200}, {Account: 11, Amount: 1200}},
	}
}

// BenchmarkBlockEncode puts a group of purchases into a block and seals it, its hash included.
func BenchmarkBlockEncode(b *testing.B) {
	for _, group := range []int{64, 512} {
		b.Run(fmt.Sprintf("entries=%d", group), func(b *testing.B) {
			var builder ledger.BlockBuilder
			var block ledger.Block
			var head ledger.Head
			entry := purchase(0)
			b.ReportAllocs()
			for b.Loop() {
				builder.Begin(head, 20_000)
				for range group {
					entry.Time += 50
					builder.Add(&entry)
				}
				block = builder.Seal()
				head = block.Head()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*group), "ns/entry")
			b.ReportMetric(float64(len(block.Bytes()))/float64(group), "B/entry")
		})
	}
}

// BenchmarkBlockDecode opens a sealed block, checks its hash, and reads every entry: what recovery and the indexer do.
func BenchmarkBlockDecode(b *testing.B) {
	const group = 512
	var builder ledger.BlockBuilder
	builder.Begin(ledger.Head{}, 20_000)
	for i := range group {
		entry := purchase(i)
		builder.Add(&entry)
	}
	stored := builder.Seal().Bytes()
	b.ReportAllocs()
	for b.Loop() {
		block, err := ledger.OpenBlock(stored)
		require.NoError(b, err)
		require.NoError(b, block.Each(func(uint64, *ledger.Entry) error { return nil }))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*group), "ns/entry")
}
