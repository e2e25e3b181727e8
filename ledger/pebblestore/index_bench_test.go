package pebblestore_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger/pebblestore"
	"onecard/switch/transaction"
)

// BenchmarkIndex builds the statements of holders, cards, merchants and terminals and the totals by day and month for a ledger of a million
// purchases, from the first entry to the last window on the disk: what runs behind the answers.
func BenchmarkIndex(b *testing.B) {
	const n = 1_000_000
	dir, err := os.MkdirTemp(os.Getenv("ONECARD_BENCH_DIR"), "onecard-bench")
	require.NoError(b, err)
	defer os.RemoveAll(dir)
	buy(b, dir, n)
	store, engine := openEngine(b, dir, false)
	entries := store.Head().Sequence
	require.Greater(b, entries, uint64(n))
	b.ReportAllocs()
	for b.Loop() {
		register := engine.State().NewRegister()
		index := pebblestore.Index{Keys: register.Statements, Shared: transaction.SharedStatements, Totals: pebblestore.Totals{Count: register.Count, RollUp: transaction.RollUp}}
		require.NoError(b, store.RebuildIndex(b.Context(), index))
	}
	b.StopTimer()
	require.Equal(b, entries, store.IndexedTo())
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(uint64(b.N)*entries), "ns/entry")
	require.NoError(b, store.Close())
}
