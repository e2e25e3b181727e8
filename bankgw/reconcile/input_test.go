package reconcile_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/bankgw/reconcile"
	"onecard/ledger/money"
)

// TestInputIsChecked: what could not be told from a difference is refused, and says what it is.
func TestInputIsChecked(t *testing.T) {
	for name, c := range map[string]struct {
		change func(in *reconcile.Input)
		says   string
	}{
		"no file":          {func(in *reconcile.Input) { in.File = nil }, "no file"},
		"no rules":         {func(in *reconcile.Input) { in.Rules = reconcile.Rules{} }, "cut window"},
		"zone":             {func(in *reconcile.Input) { in.Rules.Zone = -15 * time.Hour }, "zone"},
		"line order":       {func(in *reconcile.Input) { in.File.Lines[1].Sequence = 1 }, "not in order"},
		"line amount":      {func(in *reconcile.Input) { in.File.Lines[1].Amount = 0 }, "has the amount"},
		"line kind":        {func(in *reconcile.Input) { in.File.Lines[1].Kind = 7 }, "not in order"},
		"our sequence":     {func(in *reconcile.Input) { in.Entries[1].Sequence = 0 }, "DE 37"},
		"our amount":       {func(in *reconcile.Input) { in.Entries[1].Amount = -5 }, "has the amount"},
		"our most":         {func(in *reconcile.Input) { in.Entries[1].Amount = reconcile.AmountMax + 1 }, "has the amount"},
		"our state":        {func(in *reconcile.Input) { in.Entries[1].State = reconcile.StateNone }, "has the state none"},
		"our day":          {func(in *reconcile.Input) { in.Entries[1].Day++ }, "after the day reconciled"},
		"ours twice":       {func(in *reconcile.Input) { in.Entries[1].Sequence = 1 }, "twice in our own list"},
		"carried twice":    {func(in *reconcile.Input) { in.Carried = append(in.Carried, in.Carried[0]) }, "carried twice"},
		"carried of today": {func(in *reconcile.Input) { in.Carried[0].First = firstDay }, "first seen"},
		"carried amounts":  {func(in *reconcile.Input) { in.Carried[0].Bank++ }, "its difference"},
		"carried state":    {func(in *reconcile.Input) { in.Carried[0].State = 99 }, "State(99)"},
		"list not whole": {func(in *reconcile.Input) {
			missing := in.Entries[1]
			in.Entries, in.Find = in.Entries[:1], func(uint64) (reconcile.Entry, bool) { return missing, true }
		}, "not in our list"},
		"too much": {func(in *reconcile.Input) {
			in.Carried[0].Bank, in.Carried[0].Difference = money.Max, money.Max
			in.Carried = append(in.Carried, in.Carried[0])
			in.Carried[1].Sequence++
		}, "does not fit"},
	} {
		one, lineOne := pair(1, 100, firstDay, noon)
		two, lineTwo := pair(2, 100, firstDay, noon)
		in := reconcile.Input{
			File: fileOf(t, reconcile.FormatA, firstDay, []reconcile.Line{lineOne, lineTwo}), Entries: []reconcile.Entry{one, two},
			Carried: []reconcile.Item{{Sequence: 9, First: firstDay - 1, Bank: 5, Difference: 5}}, Rules: reconcile.DefaultRules(),
		}
		_, err := reconcile.Run(in)
		require.NoError(t, err)
		c.change(&in)
		_, err = reconcile.Run(in)
		require.ErrorContains(t, err, c.says, name)
	}
}

// TestHolders are compared in the digits that both formats have, and only where both sides know them.
func TestHolders(t *testing.T) {
	const long = 1_234_567_890_123_456_789
	for _, c := range []struct {
		ours, bank reconcile.Account
		format     reconcile.Format
		same       bool
	}{
		{long, long, reconcile.FormatA, true},
		{long, long, reconcile.FormatB, true}, // which has cut the first digit off
		{long, long + 1, reconcile.FormatB, false},
		{0, long, reconcile.FormatA, true},
		{long, 0, reconcile.FormatA, true},
		{9156, 9157, reconcile.FormatA, false},
	} {
		e, l := pair(1, 100, firstDay, noon)
		e.Account, l.Account = c.ours, c.bank
		r := run(t, reconcile.Input{File: fileOf(t, c.format, firstDay, []reconcile.Line{l}), Entries: []reconcile.Entry{e}})
		require.Equal(t, c.same, len(r.Items) == 0, "%+v", c)
	}
}

// TestEquationAlways: whatever the lists say, likely or not, all is explained: each fen of either total stands in exactly one item.
func TestEquationAlways(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const sequences, days = 12, 3
		state := func() reconcile.State {
			return reconcile.State(rapid.IntRange(1, int(reconcile.StateManual)).Draw(t, "state"))
		}
		in := reconcile.Input{}
		var lines []reconcile.Line
		known := make(map[uint64]reconcile.Entry)
		for sequence := uint64(1); sequence <= sequences; sequence++ {
			fen := func() money.Fen { return money.Fen(rapid.Int64Range(1, 3).Draw(t, "fen")) }
			day := firstDay - reconcile.Day(rapid.IntRange(0, days).Draw(t, "ago"))
			e, l := pair(sequence, fen(), day, rapid.Int64Range(0, 86_399).Draw(t, "second"))
			e.State = state()
			for _, kind := range []reconcile.Kind{reconcile.KindLoad, reconcile.KindReversal} {
				if rapid.Bool().Draw(t, "line") {
					l.Kind, l.Amount, l.Code = kind, fen(), rapid.SampledFrom([]reconcile.Code{reconcile.Approved, {'5', '1'}}).Draw(t, "code")
					lines = append(lines, l)
				}
			}
			if rapid.Bool().Draw(t, "carried") {
				i := reconcile.Item{Sequence: sequence, Day: day, First: firstDay - 1, State: state(), Ours: fen() - 1, Bank: fen() - 2}
				i.Difference = i.Bank - i.Ours
				in.Carried = append(in.Carried, i)
			}
			switch rapid.IntRange(0, 2).Draw(t, "ours") {
			case 0:
				in.Entries = append(in.Entries, e)
			case 1:
				e.Day = firstDay - 1 + 2*reconcile.Day(rapid.IntRange(0, 1).Draw(t, "found"))
				known[sequence] = e
			}
		}
		in.File = fileOf(t, reconcile.FormatA, firstDay, lines)
		in.Find = func(sequence uint64) (reconcile.Entry, bool) { e, ok := known[sequence]; return e, ok }
		r := run(t, in) // which holds the equation
		var open money.Fen
		for _, i := range r.Open() {
			open += i.Difference
			require.Equal(t, i.Bank-i.Ours, i.Difference)
		}
		require.Equal(t, open, r.Equation.Closing)
	})
}
