package ledgertest_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/ledgertest"
	"onecard/switch/transaction"
)

// TestAuditorAgreesWithTheSwitch plays random traffic of every kind through the real core and finds nothing wrong, and every answer.
func TestAuditorAgreesWithTheSwitch(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			journal, l := play(t, seed, 5000, false)
			a := audit(journal.raw)
			report := a.Finish()
			require.Empty(t, report.Findings)
			require.Equal(t, journal.head.Sequence, report.Last)
			require.Equal(t, [32]byte(journal.head.Hash), report.Hash)
			require.Zero(t, report.Sum)
			require.Equal(t, report.Debits, report.Credits)
			require.Positive(t, report.Moved)
			state := l.engine.State()
			require.Equal(t, state.OpenLoads(), report.OpenLoads)
			require.Equal(t, state.Book().Accounts(), a.Accounts())
			for id := uint32(1); id <= a.Accounts(); id++ {
				want, _ := a.Account(id)
				got := state.Book().Account(ledger.AccountID(id))
				require.Equal(t, []int64{want.Balance, want.Held}, []int64{int64(got.Balance), int64(got.Held)}, "account %d", id)
			}
			requireSameTotals(t, journal.raw, a)
			found, err := a.Receipts(bytes.NewReader(l.receipts.Bytes()))
			require.NoError(t, err)
			require.Empty(t, found.LostFirst)
			require.Zero(t, found.Lost)
			require.Zero(t, found.Doubled)
			require.Greater(t, found.Acknowledged, uint64(4000))
		})
	}
}

// requireSameTotals: what the switch's register counts is what the auditor has counted.
func requireSameTotals(t *testing.T, raw [][]byte, a *ledgertest.Auditor) {
	register, counted := transaction.NewRegister(), map[ledgertest.Cell]*ledgertest.Sums{}
	move := func(key *ledger.CellKey, by *ledger.Sums) {
		add := func(key *ledger.CellKey) {
			sums := counted[ledgertest.Cell(*key)]
			if sums == nil {
				sums = new(ledgertest.Sums)
				counted[ledgertest.Cell(*key)] = sums
			}
			for i := range by {
				sums[i] += by[i]
			}
		}
		add(key)
		transaction.RollUp(key, add)
	}
	for i, block := range raw {
		b, err := ledger.OpenBlock(block)
		require.NoError(t, err)
		require.NoError(t, b.Each(func(sequence uint64, e *ledger.Entry) error {
			register.Count(sequence, b.Day(), e, move)
			return nil
		}))
		if i%7 == 0 {
			register.Settle(move)
		}
	}
	register.Settle(move)
	require.NotEmpty(t, counted)
	require.Equal(t, counted, a.Totals())
}

func BenchmarkAudit(b *testing.B) {
	journal, _ := play(b, 1, 1_000_000, true)
	for b.Loop() {
		report := audit(journal.raw).Finish()
		if report.Faults > 0 {
			b.Fatal(report.Findings[0])
		}
	}
	b.ReportMetric(float64(journal.head.Sequence)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
