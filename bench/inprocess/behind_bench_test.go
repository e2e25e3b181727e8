package inprocess

import (
	"bytes"
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/pebblestore"
)

// A recorded noon: the blocks of an import and of behindRecords purchases in groups of 512, as the core makes them.
const (
	behindRecords = 600_000 // one full window of the indexer
	behindHolders = 30_000
)

// recorder is a journal that keeps a copy of every block.
type recorder struct {
	nowhere
	blocks []ledger.Block
}

func (r *recorder) Append(b ledger.Block) error {
	own, err := ledger.SkimBlock(bytes.Clone(b.Bytes()))
	r.blocks = append(r.blocks, own)
	return errorsOf(err, r.nowhere.Append(b))
}

func errorsOf(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}

func recordNoon(b *testing.B, records int) (campus, noon []ledger.Block) {
	ctx := context.Background()
	journal := &recorder{}
	engine, err := engineOn(ctx, journal, behindHolders)
	require.NoError(b, err)
	imported := len(journal.blocks)
	l := &opened{engine: engine}
	_, _, err = l.sell(ctx, &door{holders: behindHolders, group: 512, left: records})
	require.NoError(b, err)
	return journal.blocks[:imported], journal.blocks[imported:]
}

func benchFolder(b *testing.B) string {
	dir, err := os.MkdirTemp(os.Getenv("ONECARD_BENCH_DIR"), "onecard-bench")
	require.NoError(b, err)
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func appendAll(b *testing.B, s *pebblestore.Store, blocks []ledger.Block) {
	const inFlight = 4
	for i, block := range blocks {
		require.NoError(b, s.Append(block))
		if i >= inFlight {
			require.NoError(b, s.Wait(blocks[i-inFlight].Last()))
		}
	}
	require.NoError(b, s.Wait(blocks[len(blocks)-1].Last()))
}

// BenchmarkIndex builds the index of a stored noon anew: read, gather, write, flush, compact. The figure is processor time.
func BenchmarkIndex(b *testing.B) {
	campus, noon := recordNoon(b, behindRecords)
	s, err := pebblestore.Open(pebblestore.Options{Dir: benchFolder(b), IndexWindowEntries: indexWindow})
	require.NoError(b, err)
	defer s.Close()
	appendAll(b, s, campus)
	appendAll(b, s, noon)
	ctx := context.Background()
	require.NoError(b, s.Compact(ctx))
	var cpu, compacted float64
	for b.Loop() {
		span := startSpan()
		require.NoError(b, s.RebuildIndex(ctx, index()))
		_, used := span.end()
		cpu += micros(used)
		require.NoError(b, s.Compact(ctx))
		_, used = span.end()
		compacted += micros(used)
	}
	n := float64(b.N) * behindRecords
	b.ReportMetric(cpu/n, "cpu-us/record")
	b.ReportMetric(compacted/n, "with-compaction-us/record")
}

// BenchmarkBehind writes a noon with the indexer behind it and without, on the real disk; the figures are processor time of the process: the
// journal with its flushes and compactions, and what the index adds to it.
func BenchmarkBehind(b *testing.B) {
	campus, noon := recordNoon(b, behindRecords)
	for _, name := range []string{"journal", "indexed"} {
		b.Run(name, func(b *testing.B) {
			var cpu float64
			for b.Loop() {
				s, err := pebblestore.Open(pebblestore.Options{Dir: benchFolder(b), IndexWindowEntries: indexWindow})
				require.NoError(b, err)
				appendAll(b, s, campus)
				if name == "indexed" {
					require.NoError(b, s.StartIndexer(index()))
				}
				span := startSpan()
				appendAll(b, s, noon)
				require.NoError(b, s.Close())
				_, used := span.end()
				cpu += micros(used)
			}
			b.ReportMetric(cpu/float64(b.N)/behindRecords, "cpu-us/record")
		})
	}
}

// BenchmarkRegister is what an entry costs before anything of it is gathered: reading it out of its block, saying on whose statements it
// stands, and saying which totals it moves. Each part is the one before with its own added.
func BenchmarkRegister(b *testing.B) {
	campus, noon := recordNoon(b, behindRecords/6)
	lists, cells := 0, 0
	keys := func(byte, uint64) { lists++ }
	count := func(*ledger.CellKey, *ledger.Sums) { cells++ }
	for part, name := range []string{"read", "statements", "totals"} {
		b.Run(name, func(b *testing.B) {
			index := index()
			walk := func(blocks []ledger.Block) {
				for _, block := range blocks {
					day := block.Day()
					require.NoError(b, block.Each(func(sequence uint64, e *ledger.Entry) error {
						if part > 0 {
							index.Keys(sequence, e, keys)
						}
						if part > 1 {
							index.Totals.Count(sequence, day, e, count)
						}
						return nil
					}))
				}
			}
			walk(campus)
			span := startSpan()
			for b.Loop() {
				walk(noon)
			}
			_, cpu := span.end()
			b.ReportMetric(1000*micros(cpu)/float64(b.N)/(behindRecords/6), "cpu-ns/record")
		})
	}
}
