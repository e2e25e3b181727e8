package dayend_test

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/ledger/money"
	"onecard/switch/dayend"
	"onecard/switch/transaction"
)

// aDay makes a signed statement of a small day.
func aDay(t *testing.T) *accountant {
	a := newAccountant(t)
	a.open("bank 1002\nmain 2001 class=student\ncanteen 2101 area=south\n")
	a.post("opening bank -100.00 main 100.00\npurchase main -10.00 canteen 10.00\n")
	a.switchDay()
	a.close()
	return a
}

// TestWhatWasChangedDoesNotHold: white space is a person's business, anything else breaks the signature or the form.
func TestWhatWasChangedDoesNotHold(t *testing.T) {
	a := aDay(t)
	site := siteKey.Public().(ed25519.PublicKey)
	for _, c := range []struct {
		name, from, to, says string
	}{
		{"an amount", `"closing_fen": 9000`, `"closing_fen": 9001`, "signature"},
		{"passed", `"passed": true`, `"passed": false`, "signature"},
		{"the day", `"day": "2026-11-23"`, `"day": "2026-11-22"`, "signature"},
		{"a name", "期初导入", "期初", "signature"},
		{"a field more", `"accounts": 3,`, `"accounts": 3, "more": 1,`, "changed"},
		{"a field less", `"accounts": 3,`, ``, "canonical"},
		{"a field twice", `"accounts": 3,`, `"accounts": 3, "accounts": 3,`, "canonical"},
		{"another form", `"format": "onecard day-end v1"`, `"format": "onecard day-end v2"`, "format"},
		{"the signature", `"signature": "`, `"signature": "00`, "signature"},
	} {
		changed := bytes.Replace(a.signed, []byte(c.from), []byte(c.to), 1)
		require.NotEqual(t, a.signed, changed, c.name)
		_, _, err := dayend.Verify(bytes.NewReader(changed), site)
		require.ErrorIs(t, err, dayend.ErrDoesNotHold, c.name)
		require.ErrorContains(t, err, c.says, c.name)
	}
	_, _, err := dayend.Verify(bytes.NewReader(a.signed[:len(a.signed)/2]), site)
	require.ErrorIs(t, err, dayend.ErrDoesNotHold)
	_, _, err = dayend.Verify(bytes.NewReader(append(bytes.Clone(a.signed), a.signed...)), site)
	require.ErrorContains(t, err, "something follows")
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	_, _, err = dayend.Verify(bytes.NewReader(a.signed), other.Public().(ed25519.PublicKey))
	require.ErrorContains(t, err, "another key")
	spaced := bytes.ReplaceAll(a.signed, []byte("\": "), []byte("\" :\n\t"))
	_, _, err = dayend.Verify(bytes.NewReader(spaced), site)
	require.NoError(t, err)
}

// TestTheSameDayGivesTheSameStatement: it can be closed as often as anybody likes.
func TestTheSameDayGivesTheSameStatement(t *testing.T) {
	a := aDay(t)
	first := a.signed
	a.close()
	require.Equal(t, string(first), string(a.signed))
}

// TestADayThatFollowsAnother: the first block must follow the last of the day before, and the balances must be those that were signed.
func TestADayThatFollowsAnother(t *testing.T) {
	a := aDay(t)
	a.post("purchase main -1.00 canteen 1.00\n")
	a.switchDay()
	a.close()
	require.Equal(t, dayend.Passed, a.before.Statement.Checks[7].Result)
	a.post("purchase main -1.00 canteen 1.00\n")
	a.switchDay()
	honest := a.input
	for name, change := range map[string]func(*dayend.Statement){
		"the last block":  func(s *dayend.Statement) { s.Root.LastBlock = bytes.Clone(s.Root.LastBlock); s.Root.LastBlock[0] ^= 1 },
		"the last entry":  func(s *dayend.Statement) { s.Last-- },
		"closing balance": func(s *dayend.Statement) { s.Balances = bytes.Clone(s.Balances); s.Balances[0] ^= 1 },
	} {
		before := *honest.Before
		change(&before.Statement)
		a.input = honest
		a.input.Before = &before
		s, _, err := dayend.Close(t.Context(), a, &a.input, siteKey)
		require.NoError(t, err)
		require.False(t, s.Passed, name)
		require.Equal(t, dayend.Failed, s.Checks[7].Result, name)
	}
	a.input = honest
	a.input.Before = nil
	s, _, err := dayend.Close(t.Context(), a, &a.input, siteKey)
	require.NoError(t, err)
	require.True(t, s.Passed)
	require.Equal(t, dayend.Listed, s.Checks[7].Result, "nothing to compare with")
}

// TestTerminalsThatCount: what a terminal says it sold is what was accepted from it.
func TestTerminalsThatCount(t *testing.T) {
	a := aDay(t)
	a.input.Totals = map[transaction.TerminalID]dayend.TerminalTotals{7: {Sales: 2, SalesAmount: 500}}
	s, _, err := dayend.Close(t.Context(), a, &a.input, siteKey)
	require.NoError(t, err)
	require.Equal(t, dayend.Failed, s.Checks[3].Result)
	require.EqualValues(t, -500, s.Checks[3].Findings[0].Amount, "accepted less what the terminal says")
	a.input.Totals[7] = dayend.TerminalTotals{}
	s, _, err = dayend.Close(t.Context(), a, &a.input, siteKey)
	require.NoError(t, err)
	require.Equal(t, dayend.Passed, s.Checks[3].Result)
}

// TestRandomDaysBalance: whatever is posted, every equation holds when the three parties agree, and the closing is the book's.
func TestRandomDaysBalance(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		a := newAccountant(t)
		a.open("cash 1001\nbank 1002\ndebt 1133\nfees 2301\nmain 2001 class=student\nstaff 2001 class=staff\nsubsidy 2002 class=student\ncanteen 2101 area=south\nbakery 2101 area=\n")
		accounts := []string{"cash", "bank", "debt", "fees", "main", "staff", "subsidy", "canteen", "bakery"}
		names := []string{"opening", "purchase", "reversal", "bank_load", "cash_deposit", "refund", "adjustment", "withdrawal", "offline", "transfer", "payout", "card_fee"}
		for range rapid.IntRange(1, 3).Draw(r, "days") {
			for range rapid.IntRange(0, 12).Draw(r, "entries") {
				from, to := rapid.SampledFrom(accounts).Draw(r, "from"), rapid.SampledFrom(accounts).Draw(r, "to")
				amount := money.Fen(rapid.IntRange(1, 100_000).Draw(r, "amount"))
				line := rapid.SampledFrom(names).Draw(r, "kind") + " " + from + " -" + amount.String() + " " + to + " " + amount.String()
				if rapid.Bool().Draw(r, "late") {
					line += " late"
				}
				a.post(line + "\n")
			}
			a.switchDay()
			s, closing := a.close()
			for _, c := range s.Checks[1:] {
				require.NotEqual(r, dayend.Failed, c.Result, "%+v", c)
			}
			for _, f := range s.Checks[0].Findings {
				require.Contains(r, f.Text, "the equation has no line for them", "kinds drawn against their nature, and nothing else")
			}
			require.Equal(r, a.input.Memory.Fen, closing.Fen)
			again, err := dayend.DecodeBalances(closing.Encode())
			require.NoError(r, err)
			require.Equal(r, closing, again)
		}
	})
}

// TestBalancesThatWereChanged: a file of balances is whole or refused.
func TestBalancesThatWereChanged(t *testing.T) {
	a := aDay(t)
	file := a.opens.Encode()
	for i := range file {
		changed := bytes.Clone(file)
		changed[i] ^= 1
		_, err := dayend.DecodeBalances(changed)
		require.Error(t, err, "byte %d", i)
		_, err = dayend.DecodeBalances(file[:i])
		require.Error(t, err, "cut off at %d", i)
	}
}
