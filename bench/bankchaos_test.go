package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw/banksim"
	"onecard/ledger/money"
)

// builtSwitch is the real program, built for a test.
func builtSwitch(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "onecard")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "onecard/switch").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// TestBanks runs what needs a real switch and a bank, small.
func TestBanks(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the switch and kills it")
	}
	binary := builtSwitch(t)
	t.Run("chaos", func(t *testing.T) { t.Parallel(); smallChaos(t, binary) })
	t.Run("noon", func(t *testing.T) { t.Parallel(); smallNoon(t, binary) })
}

// smallChaos has one kill, one restart of the bank, one cut of everything.
func smallChaos(t *testing.T, binary string) {
	folder := t.TempDir()
	k := bankChaos{
		common: common{binary: binary, work: folder, seed: 5}, loads: 600, kiosks: 8, flight: 4, kills: 1, banks: 1, cuts: 1, holders: 100, share: 20,
		json: filepath.Join(folder, "bankchaos.json"),
	}
	var out bytes.Buffer
	require.NoError(t, k.run(t.Context(), &out), "%s", &out)
	require.Contains(t, out.String(), "loads=600 withdrawals=120 kills=1 bank_restarts=1 different=0\n")
	contents, err := os.ReadFile(k.json)
	require.NoError(t, err)
	var result chaosResult
	require.NoError(t, json.Unmarshal(contents, &result))
	require.Positive(t, result.Paths[pathConfirmed])
	taken := 0
	for path, count := range result.Paths {
		if !strings.HasPrefix(path, "withdrawal: ") && path != pathConfirmed && path != pathDeclined && path != pathNotSent && path != pathRefused {
			taken += count
		}
	}
	require.Positive(t, taken, "loads that were taken back: %v", result.Paths)
	require.Zero(t, result.Paths[pathOpen])
	require.Positive(t, result.Paths[pathPaid])
	require.Positive(t, result.Paths[pathPaidLater]+result.Paths[pathPaidRestart]+result.Paths[pathUnpaidLater], "withdrawals that were asked for again: %v", result.Paths)
	require.Equal(t, result.BankHolds, result.InTransit)
	require.Positive(t, result.BankHolds)
	require.Equal(t, statementsCompared, result.Statements)
}

// smallNoon: each state of the bank shows in what kiosks are told, and purchases go through in all of them.
func smallNoon(t *testing.T, binary string) {
	folder := t.TempDir()
	n := bankNoon{
		common: common{binary: binary, work: folder, seed: 5}, rate: 100, loads: 40, seconds: 0.5, rounds: 1, pos: 8, holders: 100,
		json: filepath.Join(folder, "banknoon.json"),
	}
	var out bytes.Buffer
	require.NoError(t, n.run(t.Context(), &out), "%s", &out)
	contents, err := os.ReadFile(n.json)
	require.NoError(t, err)
	var rows []noonRow
	require.NoError(t, json.Unmarshal(contents, &rows))
	require.Len(t, rows, len(noonStates))
	for _, r := range rows {
		require.Positive(t, r.Accepted, r.State)
		require.Zero(t, r.Refused, r.State)
		require.NotEmpty(t, r.LoadCodes, r.State)
	}
	healthy, silent, down := rows[0], rows[2], rows[3]
	require.Positive(t, healthy.LoadCodes["00"])
	require.Zero(t, silent.LoadCodes["00"])
	require.Len(t, down.LoadCodes, 1)
	require.Positive(t, down.LoadCodes["91"])
	require.Contains(t, down.LoadText, "银行暂不可用")
}

// TestCompare: a fen of difference is found, on either side, and so is a load that has not ended.
func TestCompare(t *testing.T) {
	ours := func() map[string]*ourLoad {
		return map[string]*ourLoad{
			"a": {known: true, Amount: 100, Outcome: "load_confirmed", Code: "00"},
			"b": {known: true, Amount: 200, Outcome: "load_unknown", Reversed: "00"},
			"c": {known: true, Amount: 300, Outcome: "load_declined", Code: "51"},
			"d": {known: true, Amount: 400, Outcome: "load_confirmed", Returned: true, Reversed: "00"},
			"e": {known: true, Amount: 500, Refused: "load_day"},
			"f": {known: true, Withdrawal: true, Amount: 600, Outcome: "withdrawal_paid", Code: "00"},
			"g": {known: true, Withdrawal: true, Amount: 700, Outcome: "withdrawal_declined", Code: "14"},
		}
	}
	theirs := func() map[string]money.Fen { return map[string]money.Fen{"a": 100, "f": -600} }
	require.Empty(t, compare(ours(), &bankBook{"bank", theirs()}))
	for name, spoil := range map[string]func(map[string]*ourLoad, map[string]money.Fen){
		"a fen less at the bank":           func(_ map[string]*ourLoad, held map[string]money.Fen) { held["a"] = 99 },
		"the bank has nothing":             func(_ map[string]*ourLoad, held map[string]money.Fen) { delete(held, "a") },
		"reversed here, held there":        func(_ map[string]*ourLoad, held map[string]money.Fen) { held["b"] = 200 },
		"declined here, held there":        func(_ map[string]*ourLoad, held map[string]money.Fen) { held["c"] = 300 },
		"taken back here, held there":      func(_ map[string]*ourLoad, held map[string]money.Fen) { held["d"] = 400 },
		"unheard of here":                  func(_ map[string]*ourLoad, held map[string]money.Fen) { held["z"] = 1 },
		"not ended: unknown, no reversal":  func(l map[string]*ourLoad, _ map[string]money.Fen) { l["b"].Reversed = "" },
		"not ended: nothing from the bank": func(l map[string]*ourLoad, _ map[string]money.Fen) { l["c"].Outcome = "" },
		"not ended: taken back, not told":  func(l map[string]*ourLoad, _ map[string]money.Fen) { l["d"].Reversed = "" },
		"an outcome without a load":        func(l map[string]*ourLoad, _ map[string]money.Fen) { l["q"] = &ourLoad{Outcome: "load_declined"} },
		"credited here, unheard of there":  func(l map[string]*ourLoad, _ map[string]money.Fen) { l["c"].Outcome = "load_confirmed" },
		"paid here, not there":             func(_ map[string]*ourLoad, held map[string]money.Fen) { delete(held, "f") },
		"paid twice there":                 func(_ map[string]*ourLoad, held map[string]money.Fen) { held["f"] = -1200 },
		"declined here, paid there":        func(_ map[string]*ourLoad, held map[string]money.Fen) { held["g"] = -700 },
		"on hold for ever":                 func(l map[string]*ourLoad, _ map[string]money.Fen) { l["g"].Outcome = "" },
		"two debits of one reference":      func(_ map[string]*ourLoad, held map[string]money.Fen) { held["a"] += 100 },
	} {
		loads, held := ours(), theirs()
		spoil(loads, held)
		require.Len(t, compare(loads, &bankBook{"bank", held}), 1, name)
	}
	held := heldBy([]banksim.Record{
		{Reference: "a", Amount: 100, State: banksim.Debited},
		{Reference: "a", Amount: 7, State: banksim.Debited},
		{Reference: "b", Amount: 200, State: banksim.Reversed},
		{Reference: "c", Amount: 300, State: banksim.Declined},
		{Reference: "d", Amount: 400, State: banksim.Paid, Credit: true},
	})
	require.Equal(t, map[string]money.Fen{"a": 107, "d": -400}, held)
	files := map[string]money.Fen{}
	require.NoError(t, readBankFile(files, []byte("H|20261126|01050000|10010001|4|47000\nD|01|9156|6217******5678|000000000012|1|20000|20261126114210|00\n"+
		"D|03|9156|6217******5678|000000000015|4|900|20261126114213|00\n"+
		"D|02|9156|6217******5678|000000000013|3|7000|20261126114212|00\nD|01|9156|6217******5678|000000000013|2|7000|20261126114211|00\nD|01|9156|6217******5678|000000000014|0|300|20261126114211|51\nT|4|47000|0\n")))
	require.Equal(t, map[string]money.Fen{"000000000012": 20_000, "000000000015": -900}, files)
	require.Error(t, readBankFile(files, []byte("D|01|short\n")))
}

// TestPaths: which way a load went, from what the ledger says of it.
func TestPaths(t *testing.T) {
	kill := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	before, after := kill.Add(-time.Second), kill.Add(time.Second)
	for want, l := range map[string]ourLoad{
		pathConfirmed:      {Outcome: "load_confirmed", Code: "00"},
		pathTakenBack:      {Outcome: "load_confirmed", Returned: true, Reversed: "00"},
		pathDeclined:       {Outcome: "load_declined", Code: "51"},
		pathNotSent:        {Outcome: "load_declined", Code: "91"},
		pathRefused:        {Refused: "load_day"},
		pathUnknown:        {Asked: after, Outcome: "load_unknown", OutcomeAt: after.Add(time.Second), Reversed: "00"},
		pathUnknownNothing: {Asked: before, Outcome: "load_unknown", OutcomeAt: before, Reversed: "25"},
		pathRestart:        {Asked: before, Outcome: "load_unknown", OutcomeAt: after, Reversed: "00"},
		pathRestartNothing: {Asked: before, Outcome: "load_unknown", OutcomeAt: after, Reversed: "25"},
		pathTerminal:       {Cancelled: true, Reversed: "00"},
		pathTerminalNone:   {Cancelled: true, Reversed: "25"},
		pathOpen:           {},

		pathPaid:          {Withdrawal: true, Outcome: "withdrawal_paid"},
		pathPaidLater:     {Withdrawal: true, Asked: after, UnknownAt: after, Outcome: "withdrawal_paid"},
		pathPaidRestart:   {Withdrawal: true, Asked: before, UnknownAt: after, Outcome: "withdrawal_paid"},
		pathUnpaid:        {Withdrawal: true, Outcome: "withdrawal_declined", Code: "14"},
		pathUnpaidLater:   {Withdrawal: true, Asked: after, UnknownAt: after, Outcome: "withdrawal_declined", Code: "14"},
		pathUnpaidRestart: {Withdrawal: true, Asked: before, UnknownAt: after, Outcome: "withdrawal_declined", Code: "91"},
		pathUnpaidNotSent: {Withdrawal: true, Outcome: "withdrawal_declined", Code: "91"},
		pathGivenUp:       {Withdrawal: true, UnknownAt: after, GivenUp: true},
	} {
		require.Equal(t, want, l.path([]time.Time{kill}))
	}
	require.Equal(t, pathOpen, (&ourLoad{Outcome: "load_unknown"}).path(nil))
	names := make(map[string]bool)
	for _, p := range paths {
		names[p.name] = true
	}
	require.Len(t, names, len(paths))
}
