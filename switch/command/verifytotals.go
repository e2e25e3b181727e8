package command

import (
	"context"
	"fmt"

	"onecard/ledger"
	"onecard/ledger/ledgertest"
	"onecard/switch/daemon"
	"onecard/switch/transaction"
)

// compareTotals holds every total of a day and a month, as whoever asks would read it, against the auditor's own recount. What the ledger has
// behind the totals on disk is counted by the switch's own register for that, as it would be for a question.
func (v *verification) compareTotals(ctx context.Context, register *transaction.Register) {
	result := &v.result.Totals
	result.To = v.store.TotalledTo()
	counted := v.auditor.Totals()
	differs := func(key ledgertest.Cell, want *ledgertest.Sums, got *ledger.Sums) {
		v.result.Faults++
		if result.Wrong++; result.Wrong <= wrongNamed {
			v.result.Findings = append(v.result.Findings, ledgertest.Finding{Text: fmt.Sprintf(
				"汇总 %s 为 %v,重新计算为 %v / total %[1]s is %[2]v, counted anew %[3]v", transaction.ReadTotal(ledger.CellKey(key)), *got, *want)})
		}
	}
	err := v.store.StartIndexer(daemon.Index(register))
	if err == nil {
		_, err = v.store.Cells([]ledger.CellRange{{To: ledger.CellKey{0xFF}}}, func(key ledger.CellKey, got *ledger.Sums) error {
			want := counted[ledgertest.Cell(key)]
			if want == nil {
				want = new(ledgertest.Sums)
			}
			if result.Checked++; ledger.Sums(*want) != *got {
				differs(ledgertest.Cell(key), want, got)
			}
			delete(counted, ledgertest.Cell(key))
			return ctx.Err()
		})
	}
	if err != nil { // the ledger is whole without its totals
		v.note(0, 0, "汇总无法读取 / the totals cannot be read: "+oneLine(err))
		return
	}
	for key, want := range counted {
		if *want != (ledgertest.Sums{}) {
			result.Checked++
			differs(key, want, new(ledger.Sums))
		}
	}
}
