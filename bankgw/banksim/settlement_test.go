package banksim_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/bankgw/banksim"
	"onecard/bankgw/reconcile"
	"onecard/ledger/money"
	"onecard/switch/iso8583"
)

// totals is the campus's 0520.
func totals(date string, debits, reversed banksim.Count) *iso8583.BankMessage {
	return iso8583.NewBankMessage(iso8583.BankSpec(), "0520").Set(7, "1126235000").SetNumber(11, 77).Set(15, date).Set(50, "156").
		SetNumber(76, uint64(debits.Count)).SetNumber(88, uint64(debits.Sum)).SetNumber(77, uint64(reversed.Count)).SetNumber(89, uint64(reversed.Sum))
}

func number(t *testing.T, m *iso8583.BankMessage, n int) int {
	value, ok := m.Number(n)
	require.True(t, ok, "DE %d", n)
	return int(value)
}

// theirs are the figures of an 0530.
func theirs(t *testing.T, day uint32, m *iso8583.BankMessage) reconcile.Totals {
	return reconcile.Totals{
		Day: reconcile.Day(day), Debits: number(t, m, 76), DebitAmount: money.Fen(number(t, m, 88)),
		Reversed: number(t, m, 77), ReversedAmount: money.Fen(number(t, m, 89)),
	}
}

// TestTotals: wire handbook 5.2. The bank answers 0520 with its own figures of the date, and DE 66 is what the campus finds too.
func TestTotals(t *testing.T) {
	c, clock := newDay(t, banksim.Config{})
	for n := range uint64(3) {
		require.Equal(t, "00", c.ask(financial("0200", n+1, 100*(n+1))))
	}
	require.Equal(t, "00", c.ask(financial("0420", 3, 300)))
	clock.at("2026-11-27 09:00:00")
	require.Equal(t, "00", c.ask(financial("0420", 2, 200)))

	debits, reversed := banksim.Count{Count: 3, Sum: 600}, banksim.Count{Count: 1, Sum: 300}
	for _, ask := range []struct {
		debits, reversed banksim.Count
		code             int
	}{
		{debits, reversed, 1},
		{banksim.Count{Count: 2, Sum: 300}, reversed, 2},
		{debits, banksim.Count{}, 2},
	} {
		c.send(totals("1126", ask.debits, ask.reversed))
		answer := c.read()
		require.Equal(t, "0530", answer.MTI())
		require.Equal(t, "00", answer.String(39))
		require.Equal(t, []string{"1126", "156", "000077", "1126235000"}, []string{answer.String(15), answer.String(50), answer.String(11), answer.String(7)})
		require.Equal(t, ask.code, number(t, answer, 66))
		require.Zero(t, number(t, answer, 74)+number(t, answer, 75)+number(t, answer, 86)+number(t, answer, 87))
		require.Equal(t, "D0000000000000300", answer.String(97))
		bank := theirs(t, today, answer)
		require.Equal(t, files(t, c.bank, today).Totals(), bank)
		ours := reconcile.Totals{Day: today, Debits: ask.debits.Count, DebitAmount: ask.debits.Sum, Reversed: ask.reversed.Count, ReversedAmount: ask.reversed.Sum}
		require.EqualValues(t, ask.code, reconcile.Compare(ours, bank).Code)
	}

	c.send(totals("1127", banksim.Count{}, banksim.Count{Count: 1, Sum: 200}))
	answer := c.read()
	require.Equal(t, 1, number(t, answer, 66), "the next day has a reversal and nothing else")
	require.Equal(t, "C0000000000000200", answer.String(97))

	c.send(totals("0230", debits, reversed))
	answer = c.read()
	require.Equal(t, 3, number(t, answer, 66), "no such date")
	require.False(t, answer.Has(76))
	c.send(iso8583.NewBankMessage(iso8583.BankSpec(), "0520").SetNumber(11, 78).Set(15, "1126"))
	answer = c.read()
	require.Equal(t, 3, number(t, answer, 66), "nothing to compare with")
	require.Equal(t, 3, number(t, answer, 76))
}

// TestTotalsMisbehave as loads do.
func TestTotalsMisbehave(t *testing.T) {
	c, _ := newDay(t, banksim.Config{Script: "totals: lose; totals: decline 96; totals: slow 1ms; totals: close"})
	none := banksim.Count{}
	c.send(totals("1126", none, none)) // lost
	require.Equal(t, "96", c.ask(totals("1126", none, none)))
	c.send(totals("1126", none, none))
	require.Equal(t, 1, number(t, c.read(), 66))
	c.send(totals("1126", none, none))
	_, err := c.from.ReadByte()
	require.Error(t, err)
}

// TestFileReady: the bank says where the day's file is, and the campus may answer.
func TestFileReady(t *testing.T) {
	c, clock := newDay(t, banksim.Config{})
	require.Equal(t, "00", c.ask(financial("0200", 1, 100)))
	clock.at("2026-11-27 02:00:00")
	c.bank.FileReady(today, "20261126.dat")
	m := c.read()
	require.Equal(t, []string{"0520", "1126", "20261126.dat", "1127020000", "D0000000000000100"}, []string{m.MTI(), m.String(15), m.String(101), m.String(7), m.String(97)})
	require.Equal(t, files(t, c.bank, today).Totals(), theirs(t, today, m))
	c.send(iso8583.NewBankMessage(iso8583.BankSpec(), "0530").Set(11, m.String(11)).Set(39, "00"))
	require.Equal(t, "00", c.ask(network(301)), "the campus's 0530 is taken and not answered")
}
