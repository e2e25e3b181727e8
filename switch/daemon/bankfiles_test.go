package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw"
	"onecard/bankgw/banksim"
	"onecard/ledger/money"
	"onecard/switch/console"
	"onecard/switch/daemon"
	"onecard/switch/iso8583"
)

// TestTotalsAndFilesOfABank: a day of loads is closed; the bank is told its totals and says its own, and the file that it leaves in a folder is
// reconciled by itself: not while it is half written, not before the day is closed, once for what is in it, and again when it has changed.
func TestTotalsAndFilesOfABank(t *testing.T) {
	c := newCampus(t)
	bank := c.withBank(t)
	folder, taken := t.TempDir(), t.TempDir()
	b := &c.config.Bank
	b.RequestTimeout, b.Dialect.Features = time.Second, []string{bankgw.FeatureTotals}
	b.Files = bankgw.FilesConfig{Directory: folder, Name: "ICBC{date}.txt", Format: "b", Interval: 20 * time.Millisecond, Taken: taken}
	r := c.run(t)
	client := daemon.NewClient(c.config.Data.Directory)
	require.Eventually(t, func() bool {
		status, err := client.Status(t.Context())
		return err == nil && status.Bank.LinksUp() == 2
	}, 10*time.Second, 10*time.Millisecond)
	today := openDay(t, client)
	require.NoError(t, client.SwitchDay(t.Context(), today))
	day := today + 1
	bank.SetDay(uint32(day))
	kiosk, h := c.kiosk(t, r.Terminals), c.holder(t)
	for script, amount := range map[string]money.Fen{"approve": 10_000, "decline 51": 9_000, "drop": 8_000} {
		require.NoError(t, bank.Script(script))
		_, err := kiosk.Load(h.Card, amount, iso8583.PIN(h.PIN))
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		_, metrics := r.get(t, "/metrics")
		return bank.Stats().Reversed.Count == 1 && strings.Contains(metrics, "\nonecard_loads_open 0\n")
	}, 10*time.Second, 10*time.Millisecond)

	reader := desk(t, client, r.Operations, "li", "reader")
	path := "/banks/bank/days/" + day.String()
	name := "ICBC" + strings.ReplaceAll(day.String(), "-", "") + ".txt"
	file := func() []byte {
		text, err := bank.File(uint32(day), banksim.FormatB)
		require.NoError(t, err)
		return text
	}
	leave := func(contents []byte) { require.NoError(t, os.WriteFile(filepath.Join(folder, name), contents, 0o600)) }
	counted := func(line string) {
		t.Helper()
		require.Eventually(t, func() bool {
			_, metrics := r.get(t, "/metrics")
			return strings.Contains(metrics, "\n"+line+"\n")
		}, 10*time.Second, 10*time.Millisecond, line)
	}
	leave(file()) // of an open day
	require.NoError(t, os.WriteFile(filepath.Join(folder, "ICBC20269999.txt"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "readme.txt"), nil, 0o600))
	time.Sleep(100 * time.Millisecond)
	var none console.BankDay
	var problem *console.Problem
	require.ErrorAs(t, reader.Ask(t.Context(), path, nil, &none), &problem)
	require.Equal(t, "day_reconciled", problem.Rule)

	half := file()
	leave(half[:len(half)-40])
	require.NoError(t, client.SwitchDay(t.Context(), day))
	counted(`onecard_bank_files_total{bank="bank",result="refused"} 1`)
	require.Error(t, reader.Ask(t.Context(), path, nil, &none))
	counted(`onecard_bank_totals_total{bank="bank",verdict="balanced"} 2`) // of the day before, too
	var totals console.BankTotals
	require.NoError(t, reader.Ask(t.Context(), path+"/totals", nil, &totals))
	require.Equal(t, "balanced", totals.Verdict)
	require.Equal(t, 1, totals.BankCode)
	require.Equal(t, console.BankFigures{Debits: 2, DebitSum: 18_000, Reversed: 1, ReversedSum: 8_000}, totals.Ours)

	leave(file())
	counted(`onecard_bank_files_total{bank="bank",result="agreed"} 1`)
	var first, second console.BankDay
	require.NoError(t, reader.Ask(t.Context(), path, nil, &first))
	require.True(t, first.Balanced)
	require.Equal(t, "same", first.Totals.OfFile)
	require.Eventually(t, func() bool { return exists(filepath.Join(taken, name)) && !exists(filepath.Join(folder, name)) }, 10*time.Second, 10*time.Millisecond)

	leave(file()) // the same again: moved away, and not made again
	require.Eventually(t, func() bool { return !exists(filepath.Join(folder, name)) }, 10*time.Second, 10*time.Millisecond)
	counted(`onecard_bank_files_total{bank="bank",result="agreed"} 1`)

	// The bank says that another file is ready, with other figures, and leaves it.
	for _, record := range bank.Records() {
		if record.State == banksim.Debited {
			require.NoError(t, bank.FileFaults("lose "+record.Reference))
		}
	}
	bank.FileReady(uint32(day), name)
	leave(file())
	counted(`onecard_bank_files_total{bank="bank",result="differs"} 1`)
	counted(`onecard_bank_totals_total{bank="bank",verdict="balanced"} 4`) // it said them on both links
	require.NoError(t, reader.Ask(t.Context(), path, nil, &second))
	require.NotEqual(t, first.SHA256, second.SHA256)
	require.Equal(t, "differs", second.Totals.OfFile)
	require.Equal(t, name, second.Totals.File)
	require.NoError(t, r.stop())

	// After a restart the files that were taken are known, and the bank has said enough.
	leave(file())
	r = c.run(t)
	require.Eventually(t, func() bool { return !exists(filepath.Join(folder, name)) }, 10*time.Second, 10*time.Millisecond)
	_, metrics := r.get(t, "/metrics")
	require.Contains(t, metrics, "\nonecard_bank_files_total{bank=\"bank\",result=\"differs\"} 0\n")
	require.NoError(t, r.stop())
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
