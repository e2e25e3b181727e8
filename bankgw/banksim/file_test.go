package banksim_test

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw/banksim"
	"onecard/bankgw/reconcile"
	"onecard/ledger/money"
	"onecard/switch/iso8583"
)

const today = 20_783 // 2026-11-26

// hand turns the bank's clock, which stands at +08:00.
type hand struct{ micros atomic.Int64 }

func (h *hand) at(text string) {
	moment, err := time.ParseInLocation(time.DateTime, text, time.FixedZone("bank", 8*3600))
	if err != nil {
		panic(err)
	}
	h.micros.Store(moment.UnixMicro())
}

func (h *hand) now() time.Time { return time.UnixMicro(h.micros.Load()) }

// newDay is a campus that is signed on to a bank whose clock is in the test's hand.
func newDay(t *testing.T, c banksim.Config) (*campus, *hand) {
	h := new(hand)
	h.at("2026-11-26 12:00:00")
	c.Clock = h.now
	side := newCampus(t, c)
	require.Equal(t, "00", side.ask(network(1)))
	return side, h
}

// files are a day's file in both formats, as the reader of the other package takes them.
func files(t *testing.T, b *banksim.Bank, day uint32) (a *reconcile.File) {
	read := func(written banksim.Format, format reconcile.Format) *reconcile.File {
		text, err := b.File(day, written)
		require.NoError(t, err)
		source := reconcile.Source{Name: "bank.txt", Format: format, Bank: "01050000", School: "10010001", Day: reconcile.Day(day)}
		f, err := reconcile.Read(bytes.NewReader(text), source)
		require.NoError(t, err)
		return f
	}
	a = read(banksim.FormatA, reconcile.FormatA)
	other := read(banksim.FormatB, reconcile.FormatB)
	require.Equal(t, a.Totals(), other.Totals())
	require.Len(t, other.Lines, len(a.Lines))
	for i, l := range a.Lines {
		l.Card = reconcile.MaskedCard{}
		require.Equal(t, l, other.Lines[i])
	}
	debits, reversed := b.Totals(day)
	require.Equal(t, a.Totals(), reconcile.Totals{
		Day: reconcile.Day(day), Debits: debits.Count, DebitAmount: debits.Sum, Reversed: reversed.Count, ReversedAmount: reversed.Sum,
	})
	return a
}

func printLines(f *reconcile.File) (lines []string) {
	for _, l := range f.Lines {
		lines = append(lines, fmt.Sprintf("%d %02d %s #%d %d %s %s %s", l.Sequence, l.Kind, l.Amount, l.BankSequence, uint64(l.Account), l.Card, l.Moment, l.Code))
	}
	return lines
}

// TestFile: what was debited and given back on a day is in its file in both formats, and nothing else; the reader is another hand's.
func TestFile(t *testing.T) {
	c, clock := newDay(t, banksim.Config{Script: "approve; approve; decline 51; approve"})
	for n := range uint64(4) {
		c.ask(financial("0200", n+1, 100*(n+1)))
	}
	clock.at("2026-11-26 23:59:59")
	require.Equal(t, "00", c.ask(financial("0420", 1, 100)))
	clock.at("2026-11-27 00:00:00")
	require.Equal(t, "00", c.ask(financial("0420", 2, 200)))
	require.Equal(t, "25", c.ask(financial("0420", 9, 200)))
	require.Equal(t, []string{
		"1 01 1.00 #1 9156000000000001 621700******5678 2026-11-26 12:00:00 00",
		"1 02 1.00 #4 9156000000000001 621700******5678 2026-11-26 23:59:59 00",
		"2 01 2.00 #2 9156000000000001 621700******5678 2026-11-26 12:00:00 00",
		"4 01 4.00 #3 9156000000000001 621700******5678 2026-11-26 12:00:00 00",
	}, printLines(files(t, c.bank, today)))
	require.Equal(t, []string{"2 02 2.00 #5 9156000000000001 621700******5678 2026-11-27 00:00:00 00"}, printLines(files(t, c.bank, today+1)))
	require.Empty(t, files(t, c.bank, today+2).Lines)
	require.Empty(t, files(t, c.bank, 1).Lines)
	_, err := c.bank.File(today, "C")
	require.ErrorContains(t, err, `"C"`)
}

// TestLongAccount: DE 102 has up to 28 digits, a card in a file 19.
func TestLongAccount(t *testing.T) {
	c, _ := newDay(t, banksim.Config{})
	require.Equal(t, "00", c.ask(financial("0200", 1, 100).Set(102, "1234567890123456789012345678")))
	require.Equal(t, "00", c.ask(financial("0200", 2, 100).Set(102, "12345")))
	f := files(t, c.bank, today)
	require.Equal(t, "123456*********5678", f.Lines[0].Card.String())
	require.Equal(t, "****", f.Lines[1].Card.String())
}

// TestCutOver: DE 15 is the bank's own date, which begins before midnight; a repeat is answered with the date of its original.
func TestCutOver(t *testing.T) {
	c, clock := newDay(t, banksim.Config{CutOver: 23 * time.Hour})
	settled := func(m *iso8583.BankMessage) string {
		c.send(m)
		return c.read().String(15)
	}
	require.EqualValues(t, today, c.bank.Day())
	require.Equal(t, "1126", settled(financial("0200", 1, 100)))
	clock.at("2026-11-26 22:59:59")
	require.Equal(t, "1126", settled(financial("0200", 2, 100)))
	clock.at("2026-11-26 23:00:00")
	require.EqualValues(t, today+1, c.bank.Day())
	require.Equal(t, "1127", settled(financial("0200", 3, 100)))
	require.Equal(t, "1126", settled(financial("0200", 2, 100)), "again")
	require.Equal(t, "1127", settled(financial("0420", 1, 100)))
	require.Equal(t, "1127", settled(financial("0200", 4, 99_999_999)), "declined")
	require.Empty(t, settled(network(301)))
	c.bank.SetDay(today + 9)
	require.Equal(t, "1205", settled(financial("0200", 5, 100)))
	require.Equal(t, "1127", settled(financial("0421", 1, 100)), "again")
	c.bank.SetDay(0)
	require.EqualValues(t, today+1, c.bank.Day())
	require.Len(t, files(t, c.bank, today).Lines, 2)
	require.Len(t, files(t, c.bank, today+1).Lines, 2)
	require.Len(t, files(t, c.bank, today+9).Lines, 1)
}

// ours are six loads of the day as the campus has them.
func ours() (entries []reconcile.Entry) {
	for n := range uint64(6) {
		entries = append(entries, reconcile.Entry{
			Sequence: n + 1, Day: today, Amount: 10_000, State: reconcile.StateConfirmed, Account: 9156_0000_0000_0001,
			Time: (today*86400 + 12*3600 - 8*3600) * 1_000_000,
		})
	}
	entries[5].State = reconcile.StateReversed
	return entries
}

// TestFileFaults: domain handbook 3.8. The files of a bank that loses, changes and moves lines, as the campus reconciles them.
func TestFileFaults(t *testing.T) {
	for faults, want := range map[string][]string{
		"":                           nil,
		"lose 000000000001":          {"1 campus_only claim -100.00"},
		"amount 000000000002 120.50": {"2 amount_differs manual 20.50"},
		"lose 000000000001; lose 000000000003; amount 000000000002 1": {"1 campus_only claim -100.00", "3 campus_only claim -100.00", "2 amount_differs manual -99.00"},
		"reversal: lose 000000000006":                                 {"6 status_differs defer 100.00"},
		"lose 000000000006":                                           {"6 status_differs manual -100.00"},
		"reversal: amount 000000000006 40":                            {"6 status_differs defer 60.00"},
		"lose 000000000099; reversal: lose 000000000001":              nil,
	} {
		c, _ := newDay(t, banksim.Config{})
		for n := range uint64(6) {
			require.Equal(t, "00", c.ask(financial("0200", n+1, 10_000)))
		}
		require.Equal(t, "00", c.ask(financial("0420", 6, 10_000)))
		require.NoError(t, c.bank.FileFaults(faults))
		var said []string
		for _, i := range reconciled(t, c.bank, today, nil).Items {
			said = append(said, fmt.Sprintf("%d %s %s %s", i.Sequence, i.Case, i.Action, i.Difference))
		}
		require.Equal(t, want, said, faults)
		require.NoError(t, c.bank.Check(), "the books are right")
		require.NoError(t, c.bank.FileFaults(""))
		require.Len(t, files(t, c.bank, today).Lines, 7, "and so is the next file")
	}
}

// reconciled is what the campus says to a day's file in format A.
func reconciled(t *testing.T, b *banksim.Bank, day uint32, carried []reconcile.Item) *reconcile.Result {
	text, err := b.File(day, banksim.FormatA)
	require.NoError(t, err)
	f, err := reconcile.Read(bytes.NewReader(text), reconcile.Source{Name: "bank.txt", Format: reconcile.FormatA})
	require.NoError(t, err)
	in := reconcile.Input{File: f, Carried: carried, Rules: reconcile.DefaultRules()}
	if day == today {
		in.Entries = ours()
	}
	r, err := reconcile.Run(in)
	require.NoError(t, err)
	require.True(t, r.Equation.Balanced())
	require.Zero(t, r.Equation.Unexplained)
	return r
}

// TestNextDay: a line that comes a day late settles what it left open.
func TestNextDay(t *testing.T) {
	c, _ := newDay(t, banksim.Config{})
	for n := range uint64(6) {
		require.Equal(t, "00", c.ask(financial("0200", n+1, 10_000)))
	}
	require.Equal(t, "00", c.ask(financial("0420", 6, 10_000)))
	require.NoError(t, c.bank.FileFaults("next-day 000000000004; reversal: next-day 000000000006"))
	first := reconciled(t, c.bank, today, nil)
	require.Equal(t, money.Fen(0), first.Equation.Closing, "one long, one short")
	require.Len(t, first.Open(), 2)
	second := reconciled(t, c.bank, today+1, first.Open())
	require.Len(t, second.Items, 2)
	require.Empty(t, second.Open())
}

// TestDoubleIsRefused: the campus takes no file that has a line twice, in neither format.
func TestDoubleIsRefused(t *testing.T) {
	c, _ := newDay(t, banksim.Config{})
	require.Equal(t, "00", c.ask(financial("0200", 1, 10_000)))
	require.NoError(t, c.bank.FileFaults("double 000000000001"))
	for written, format := range map[banksim.Format]reconcile.Format{banksim.FormatA: reconcile.FormatA, banksim.FormatB: reconcile.FormatB} {
		text, err := c.bank.File(today, written)
		require.NoError(t, err)
		_, err = reconcile.Read(bytes.NewReader(text), reconcile.Source{Format: format})
		require.ErrorContains(t, err, "stands in line 2 already")
		require.ErrorContains(t, err, "1 faults")
	}
}

func TestFileFaultsAreRead(t *testing.T) {
	c, _ := newDay(t, banksim.Config{})
	for _, text := range []string{"lose", "forget 000000000001", "lose 1 2", "amount 000000000001", "amount 000000000001 x", "echo: lose 000000000001"} {
		err := c.bank.FileFaults("lose 000000000001; " + text)
		require.Error(t, err, text)
		require.Contains(t, err.Error(), `"`+text+`"`)
	}
	require.Equal(t, "00", c.ask(financial("0200", 1, 10_000)))
	require.Len(t, files(t, c.bank, today).Lines, 1, "a text with a fault adds none")
}
