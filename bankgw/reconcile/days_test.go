package reconcile_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/bankgw/reconcile"
	"onecard/ledger/money"
)

// calendar is what both sides have, by day.
type calendar struct {
	entries map[reconcile.Day][]reconcile.Entry
	lines   map[reconcile.Day][]reconcile.Line
	faulty  map[uint64]money.Fen // what stays apart for good
	fated   map[uint64]string
}

// fate puts one load into the calendar.
type fate struct {
	name string
	put  func(c *calendar, e reconcile.Entry, l, reversal reconcile.Line)
}

const (
	noon     = 12 * 3600
	lateNow  = 86398 // 23:59:58
	earlyNow = 20    // 00:00:20
)

func (c *calendar) ours(day reconcile.Day, e reconcile.Entry, state reconcile.State) {
	e.State = state
	c.entries[day] = append(c.entries[day], e)
}

func (c *calendar) bank(day reconcile.Day, lines ...reconcile.Line) {
	c.lines[day] = append(c.lines[day], lines...)
}

// fates of a load of day d, in which the bank's day is cut anywhere near midnight.
func fates() []fate {
	return []fate{
		{"equal", func(c *calendar, e reconcile.Entry, l, _ reconcile.Line) {
			c.ours(e.Day, e, reconcile.StateConfirmed)
			c.bank(e.Day, l)
		}},
		{"declined", func(c *calendar, e reconcile.Entry, l, _ reconcile.Line) { c.ours(e.Day, e, reconcile.StateDeclined) }},
		{"late, in the next file", func(c *calendar, e reconcile.Entry, l, _ reconcile.Line) {
			e, l = moved(e, lateNow), after(l, 1, earlyNow)
			c.ours(e.Day, e, reconcile.StateConfirmed)
			c.bank(e.Day+1, l)
		}},
		{"early, in the file before", func(c *calendar, e reconcile.Entry, l, _ reconcile.Line) {
			e, l = moved(e, earlyNow), after(l, -1, lateNow)
			c.ours(e.Day, e, reconcile.StateConfirmed)
			c.bank(e.Day-1, l)
		}},
		{"reversed the same day", func(c *calendar, e reconcile.Entry, l, reversal reconcile.Line) {
			c.ours(e.Day, e, reconcile.StateReversed)
			c.bank(e.Day, l, reversal)
		}},
		{"reversed, in the next file", func(c *calendar, e reconcile.Entry, l, reversal reconcile.Line) {
			c.ours(e.Day, e, reconcile.StateReversing)
			c.bank(e.Day, l)
			c.bank(e.Day+1, after(reversal, 1, earlyNow))
		}},
		{"late and unknown, then reversed a day later", func(c *calendar, e reconcile.Entry, l, reversal reconcile.Line) {
			c.ours(e.Day, moved(e, lateNow), reconcile.StateReversing)
			c.bank(e.Day+1, after(l, 1, earlyNow))
			c.bank(e.Day+2, after(reversal, 2, noon))
		}},
		{"late and unknown, and the bank never had it", func(c *calendar, e reconcile.Entry, l, _ reconcile.Line) {
			c.ours(e.Day, moved(e, lateNow), reconcile.StateReversing)
		}},
		{"unknown, made up", func(c *calendar, e reconcile.Entry, l, _ reconcile.Line) {
			c.ours(e.Day, e, reconcile.StateUnknown)
			c.bank(e.Day, l)
			c.ours(e.Day+1, e, reconcile.StateConfirmed)
		}},
		{"taken back the next day", func(c *calendar, e reconcile.Entry, l, reversal reconcile.Line) {
			c.ours(e.Day, e, reconcile.StateConfirmed)
			c.bank(e.Day, l)
			c.ours(e.Day+1, e, reconcile.StateReturning)
			c.bank(e.Day+2, after(reversal, 2, noon))
		}},
		{"claimed and paid", func(c *calendar, e reconcile.Entry, l, _ reconcile.Line) {
			c.ours(e.Day, e, reconcile.StateConfirmed)
			c.bank(e.Day+3, after(l, 3, noon))
		}},
		{"lost by the bank", func(c *calendar, e reconcile.Entry, l, _ reconcile.Line) {
			c.ours(e.Day, e, reconcile.StateConfirmed)
			c.faulty[e.Sequence] = -e.Amount
		}},
		{"never credited", func(c *calendar, e reconcile.Entry, l, _ reconcile.Line) {
			c.ours(e.Day, e, reconcile.StateDeclined)
			c.bank(e.Day, l)
			c.faulty[e.Sequence] = e.Amount
		}},
		{"another amount", func(c *calendar, e reconcile.Entry, l, _ reconcile.Line) {
			c.ours(e.Day, e, reconcile.StateConfirmed)
			l.Amount += 5
			c.bank(e.Day, l)
			c.faulty[e.Sequence] = 5
		}},
		{"reversed by the bank alone, a day later", func(c *calendar, e reconcile.Entry, l, reversal reconcile.Line) {
			c.ours(e.Day, e, reconcile.StateConfirmed)
			c.bank(e.Day, l)
			c.bank(e.Day+1, after(reversal, 1, noon))
			c.faulty[e.Sequence] = -e.Amount
		}},
	}
}

// moved is an entry at another time of its day.
func moved(e reconcile.Entry, second int64) reconcile.Entry {
	e.Time = (int64(e.Day)*86400+second)*1_000_000 - site.Microseconds()
	return e
}

// after is a line some days later, at a time of the day.
func after(l reconcile.Line, days, second int64) reconcile.Line {
	l.Moment = reconcile.Moment((int64(l.Moment)/86400+days)*86400 + second)
	return l
}

// TestDayAfterDay: whatever happens around midnight, in the end every load is equal or settled, or it is one of those that were made to differ;
// what is open is that to the fen, and each day opens with what the day before has left open.
func TestDayAfterDay(t *testing.T) {
	met := make(map[string]int)
	rapid.Check(t, func(t *rapid.T) {
		days := reconcile.Day(rapid.IntRange(1, 4).Draw(t, "days"))
		c := drawCalendar(t, days)
		open, all := []reconcile.Item(nil), make(map[uint64]reconcile.Entry)
		ends, closing := make(map[uint64]reconcile.Case), money.Fen(0)
		for day := firstDay; day <= firstDay+days+6; day++ {
			for _, e := range c.entries[day] {
				all[e.Sequence] = e
			}
			r := run(t, reconcile.Input{
				File: fileOf(t, reconcile.FormatB, day, c.lines[day]), Entries: c.entries[day], Carried: open,
				Find: func(sequence uint64) (reconcile.Entry, bool) { e, ok := all[sequence]; return e, ok },
			})
			require.Equal(t, closing, r.Equation.Opening)
			closing = r.Equation.Closing
			for _, i := range r.Items {
				ends[i.Sequence] = i.Case
			}
			open = stored(t, r.Open())
		}
		left := make(map[uint64]money.Fen)
		for _, i := range open {
			left[i.Sequence] = i.Difference
			require.NotEqual(t, reconcile.CaseDateCut, i.Case, "nothing is put off for ever: %+v", i)
			require.NotEqual(t, reconcile.ActionDefer, i.Action, "%+v", i)
		}
		require.Equal(t, c.faulty, left)
		for sequence, end := range ends {
			if _, faulty := c.faulty[sequence]; !faulty {
				require.Contains(t, []reconcile.Case{reconcile.CaseSettled, reconcile.CaseNothingTaken}, end, c.fated[sequence])
			}
			met[c.fated[sequence]+", "+end.String()]++
		}
	})
	require.GreaterOrEqual(t, len(met), len(fates())-3, "some fates were never met: %v", met)
}

func drawCalendar(t *rapid.T, days reconcile.Day) *calendar {
	c := &calendar{
		entries: make(map[reconcile.Day][]reconcile.Entry), lines: make(map[reconcile.Day][]reconcile.Line),
		faulty: make(map[uint64]money.Fen), fated: make(map[uint64]string),
	}
	sequence := uint64(0)
	for day := firstDay + 1; day <= firstDay+days; day++ {
		for range rapid.IntRange(1, 30).Draw(t, "loads") {
			sequence++
			e, l := pair(sequence, money.Fen(rapid.Int64Range(10, 50_000).Draw(t, "fen")), day, noon)
			reversal := l
			reversal.Kind = reconcile.KindReversal
			f := rapid.SampledFrom(fates()).Draw(t, "fate")
			c.fated[sequence] = f.name
			f.put(c, e, l, reversal)
		}
	}
	return c
}

// stored is what a caller's disk makes of open items.
func stored(t *rapid.T, items []reconcile.Item) (read []reconcile.Item) {
	text, err := json.Marshal(items)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &read))
	require.Equal(t, items, read)
	return read
}
