package reconcile_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/bankgw/reconcile"
)

// TestTotals: wire handbook 5.2, 0520 and 0530; DE 66 is 1 balanced, 2 not balanced, 3 error.
func TestTotals(t *testing.T) {
	ours := reconcile.Totals{Day: firstDay, Debits: 1204, DebitAmount: 21_450_000, Reversed: 3, ReversedAmount: 60_000, Credits: 2, CreditAmount: 9_000}
	for name, c := range map[string]struct {
		change func(bank *reconcile.Totals)
		code   reconcile.Settlement
		net    int64
		says   string
	}{
		"the same":            {func(*reconcile.Totals) {}, reconcile.Balanced, 0, ""},
		"one debit more":      {func(b *reconcile.Totals) { b.Debits++; b.DebitAmount += 200 }, reconcile.NotBalanced, 200, "debits: ours 1204 of 214500.00, the bank's 1205 of 214502.00"},
		"another amount":      {func(b *reconcile.Totals) { b.DebitAmount -= 18_000 }, reconcile.NotBalanced, -18_000, "debits"},
		"one reversal less":   {func(b *reconcile.Totals) { b.Reversed--; b.ReversedAmount -= 20_000 }, reconcile.NotBalanced, 20_000, "reversed: ours 3 of 600.00, the bank's 2 of 400.00"},
		"a pair we never saw": {func(b *reconcile.Totals) { b.Debits++; b.DebitAmount += 5; b.Reversed++; b.ReversedAmount += 5 }, reconcile.NotBalanced, 0, "debits"},
		"one credit more":     {func(b *reconcile.Totals) { b.Credits++; b.CreditAmount += 1_000 }, reconcile.NotBalanced, -1_000, "credits: ours 2 of 90.00, the bank's 3 of 100.00"},
		"credits of nothing":  {func(b *reconcile.Totals) { b.Credits = 0 }, reconcile.InError, 0, "0 credits of 90.00"},
		"another day":         {func(b *reconcile.Totals) { b.Day++ }, reconcile.InError, 0, "settlement dates"},
		"negative":            {func(b *reconcile.Totals) { b.DebitAmount = -1 }, reconcile.InError, 0, "impossible"},
		"money of nothing":    {func(b *reconcile.Totals) { b.Reversed = 0 }, reconcile.InError, 0, "impossible"},
	} {
		bank := ours
		c.change(&bank)
		said := reconcile.Compare(ours, bank)
		require.Equal(t, c.code, said.Code, name)
		require.EqualValues(t, c.net, said.Net, name)
		require.Equal(t, c.code == reconcile.Balanced, len(said.English) == 0, name)
		require.Len(t, said.Chinese, len(said.English), name)
		require.Contains(t, strings.Join(said.English, "; "), c.says, name)
	}
}

// TestTotalsOfBothSides come from the lists and agree when the lists do.
func TestTotalsOfBothSides(t *testing.T) {
	var entries []reconcile.Entry
	var lines []reconcile.Line
	for n, state := range []reconcile.State{
		reconcile.StateConfirmed, reconcile.StateDeclined, reconcile.StateUnknown, reconcile.StateReversing, reconcile.StateReversed,
		reconcile.StateReturning, reconcile.StateManual,
	} {
		e, l := pair(uint64(n)+1, 100, firstDay, noon)
		e.State = state
		entries = append(entries, e)
		if state == reconcile.StateConfirmed || state == reconcile.StateReversed || state == reconcile.StateReturning {
			lines = append(lines, l)
		}
		if state == reconcile.StateReversed {
			l.Kind = reconcile.KindReversal
			lines = append(lines, l)
		}
	}
	for n, state := range []reconcile.State{reconcile.StateConfirmed, reconcile.StateDeclined, reconcile.StateUnknown, reconcile.StateReversed, reconcile.StateManual} {
		e, l := pair(uint64(n)+50, 7, firstDay, noon)
		e.State, e.Withdrawal, l.Kind = state, true, reconcile.KindCredit
		if entries = append(entries, e); state == reconcile.StateConfirmed {
			lines = append(lines, l)
		}
	}
	before, _ := pair(90, 100, firstDay-1, noon)
	want := reconcile.Totals{Day: firstDay, Debits: 3, DebitAmount: 300, Reversed: 1, ReversedAmount: 100, Credits: 1, CreditAmount: 7}
	require.Equal(t, want, reconcile.TotalsOf(firstDay, append(entries, before)))
	require.Equal(t, want, fileOf(t, reconcile.FormatA, firstDay, lines).Totals())
}
