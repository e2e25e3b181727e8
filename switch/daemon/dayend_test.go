package daemon_test

import (
	"bytes"
	"crypto/ed25519"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/ledger/ledgertest"
	"onecard/ledger/money"
	"onecard/ledger/pebblestore"
	"onecard/switch/daemon"
	"onecard/switch/dayend"
	"onecard/switch/proof"
	"onecard/terminals/emulator"
)

// endedDay waits for the statement of a day and holds it to the site's key.
func (c *campus) endedDay(t *testing.T, day proof.Day) dayend.Statement {
	t.Helper()
	days := daemon.DaysOf(c.config.Data.Directory)
	require.Eventually(t, func() bool { _, err := os.Stat(days.Path(day)); return err == nil }, 20*time.Second, 20*time.Millisecond)
	file, err := os.ReadFile(days.Path(day))
	require.NoError(t, err)
	key, err := daemon.LoadSigningKey(c.config.Data.Directory)
	require.NoError(t, err)
	s, _, err := dayend.Verify(bytes.NewReader(file), key.Public().(ed25519.PublicKey))
	require.NoError(t, err)
	return s
}

func buy(t *testing.T, terminal *emulator.Terminal, card uint64, amount money.Fen) uint64 {
	t.Helper()
	bought, err := terminal.Purchase(card, amount, "")
	require.NoError(t, err)
	sequence, err := strconv.ParseUint(string(bought.Reference[:]), 10, 64)
	require.NoError(t, err)
	return sequence
}

// TestDaysAreEndedBehindTheSwitch: two days are closed before their time while a terminal buys; each is balanced, signed and recorded by itself,
// and again when an operator asks, from the log alone when the files are gone. Proofs hang under the root that the day-end signed. The auditor
// agrees.
func TestDaysAreEndedBehindTheSwitch(t *testing.T) {
	c := newCampus(t)
	r := c.run(t)
	client := daemon.NewClient(c.config.Data.Directory)
	days := daemon.DaysOf(c.config.Data.Directory)
	terminal := c.terminal(t, r.Terminals, 0)
	first := buy(t, terminal, c.Holders[0].Card, 450)
	buy(t, terminal, c.Holders[1].Card, 50)
	today := openDay(t, client)
	require.ErrorContains(t, client.SwitchDay(t.Context(), today+1), "look again")
	_, err := client.EndDay(t.Context(), today)
	require.ErrorContains(t, err, "has not been switched")
	require.NoError(t, client.SwitchDay(t.Context(), today))

	one := c.endedDay(t, today)
	require.True(t, one.Passed, "%+v", one.Checks)
	require.EqualValues(t, 500, one.Equation.TotalOut)
	require.Equal(t, one.Equation.Opening+one.Equation.TotalIn-one.Equation.TotalOut, one.Equation.Closing)
	require.Equal(t, []dayend.Terminal{{Code: "10000001", Sales: 2, SalesAmount: 500}}, one.Terminals)
	require.Equal(t, dayend.Passed, one.Checks[2].Result)
	p, err := client.Prove(t.Context(), first)
	require.NoError(t, err)
	require.Equal(t, one.Root, p.Signed, "the proof hangs under the root of the day-end")

	buy(t, terminal, c.Holders[0].Card, 1)
	require.NoError(t, client.SwitchDay(t.Context(), today+1))
	two := c.endedDay(t, today+1)
	require.True(t, two.Passed, "%+v", two.Checks)
	require.Equal(t, one.Equation.Closing, two.Equation.Opening)
	require.Equal(t, dayend.Passed, two.Checks[7].Result)
	require.Equal(t, today, two.DayBefore.Day)

	before, err := os.ReadFile(days.Path(today))
	require.NoError(t, err)
	buy(t, terminal, c.Holders[0].Card, 7)
	again, err := client.EndDay(t.Context(), today)
	require.NoError(t, err)
	require.True(t, again.Passed)
	after, err := os.ReadFile(days.Path(today))
	require.NoError(t, err)
	require.Equal(t, string(before), string(after), "a closed day never changes")

	c.endWithoutFiles(t, client, today, two)
	require.NoError(t, os.WriteFile(days.Path(today), bytes.Replace(before, []byte(`"sales": 2`), []byte(`"sales": 3`), 1), 0o600))
	_, err = client.Prove(t.Context(), first)
	require.ErrorContains(t, err, "signature")
	require.NoError(t, r.stop())
	c.audited(t)
}

// endWithoutFiles ends the second day again with nothing of the first on disk: what it began with is replayed from the log.
func (c *campus) endWithoutFiles(t *testing.T, client *daemon.Client, first proof.Day, two dayend.Statement) {
	days := daemon.DaysOf(c.config.Data.Directory)
	entries, err := os.ReadDir(c.config.Data.Directory + "/days")
	require.NoError(t, err)
	require.Len(t, entries, 4, "a statement and the balances of each day")
	require.NoError(t, os.RemoveAll(c.config.Data.Directory+"/days"))
	_, err = client.EndDay(t.Context(), first+1)
	require.NoError(t, err)
	s := c.endedDay(t, first+1)
	require.Equal(t, two.Equation, s.Equation)
	require.Equal(t, two.Balances, s.Balances)
	require.Equal(t, dayend.Listed, s.Checks[7].Result, "there is no statement to hang on")
	_, err = client.EndDay(t.Context(), first)
	require.NoError(t, err)
	list, err := days.List()
	require.NoError(t, err)
	require.Equal(t, []proof.Day{first, first + 1}, list)
}

// TestDayEndAfterARestart: a day that was closed stays closed, and its statement can be made when the files were lost.
func TestDayEndAfterARestart(t *testing.T) {
	c := newCampus(t)
	r := c.run(t)
	client := daemon.NewClient(c.config.Data.Directory)
	buy(t, c.terminal(t, r.Terminals, 0), c.Holders[0].Card, 450)
	today := openDay(t, client)
	require.NoError(t, client.SwitchDay(t.Context(), today))
	require.NoError(t, r.stop())
	require.NoError(t, os.RemoveAll(c.config.Data.Directory+"/days"))
	r = c.run(t)
	client = daemon.NewClient(c.config.Data.Directory)
	require.Equal(t, today+1, openDay(t, client), "what was closed before its time stays closed")
	ended, err := client.EndDay(t.Context(), today) // it may have been recorded before the stop: then nobody makes it by himself
	require.NoError(t, err)
	require.True(t, ended.Passed)
	require.True(t, c.endedDay(t, today).Passed)
	require.NoError(t, r.stop())
	c.audited(t)
}

func openDay(t *testing.T, client *daemon.Client) proof.Day {
	t.Helper()
	var day proof.Day
	require.Eventually(t, func() bool {
		status, err := client.Status(t.Context())
		day = status.BusinessDay
		return err == nil && day != 0
	}, 20*time.Second, 20*time.Millisecond)
	return day
}

// audited lets the auditor go through the ledger.
func (c *campus) audited(t *testing.T) {
	t.Helper()
	store, err := pebblestore.Open(pebblestore.Options{Dir: c.config.Data.Directory, ReadOnly: true})
	require.NoError(t, err)
	defer store.Close()
	a := ledgertest.New()
	err = store.RawBlocks(t.Context(), 1, func(key uint64, raw []byte) error { a.Block(key, raw); return nil }, func(from, upTo uint64, why error) { a.Missing(from, upTo, why.Error()) })
	require.NoError(t, err)
	require.Empty(t, a.Finish().Findings)
}
