package daemon_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw/banksim"
	"onecard/switch/console"
	"onecard/switch/daemon"
	"onecard/switch/iso8583"
)

const (
	bankKeyDigits = "0123456789ABCDEF0123456789ABCDEF"
	zmkDigits     = "FEDCBA9876543210FEDCBA9876543210"
)

// keyFile writes a key as an administrator does.
func keyFile(t *testing.T, digits string) (path string, key iso8583.Secret) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte(digits+"\n"), 0o600))
	key, err := daemon.LoadBankKey(path)
	require.NoError(t, err)
	return path, key
}

// bankViews asks the desk how the banks stand until they stand as they should.
func bankViews(t *testing.T, desk *console.Client, until func(console.BankView) bool) (view console.BankView) {
	t.Helper()
	require.Eventually(t, func() bool {
		var page struct{ Banks []console.BankView }
		require.NoError(t, desk.Ask(t.Context(), "/banks", nil, &page))
		require.Len(t, page.Banks, 1)
		view = page.Banks[0]
		return until(view)
	}, 10*time.Second, 10*time.Millisecond)
	return view
}

func linksUp(v console.BankView) int {
	up := 0
	for _, l := range v.Links {
		if l.State == "up" {
			up++
		}
	}
	return up
}

// TestKeysAndLinksOfABank: an operator has a link drained and resumed and the MAC key changed, each in the audit log; the key that came over the
// link outlives the switch, sealed, and gives way to another one in mac_key_file.
func TestKeysAndLinksOfABank(t *testing.T) {
	c := newCampus(t)
	zmkPath, zmk := keyFile(t, zmkDigits)
	keyPath, key := keyFile(t, bankKeyDigits)
	bank, address := startBank(t, banksim.Config{MACKey: key, MACMode: iso8583.MACSM4CBC, ZMK: zmk})
	b := &c.config.Bank
	b.Addresses, b.MACKeyFile, b.ZMKFile, b.ReconnectMin = []string{address}, keyPath, zmkPath, 20*time.Millisecond
	r := c.run(t)
	client := daemon.NewClient(c.config.Data.Directory)
	accountant, reader := desk(t, client, r.Operations, "wang", "accountant"), desk(t, client, r.Operations, "li", "reader")
	given := bankViews(t, reader, func(v console.BankView) bool { return linksUp(v) == 2 })
	require.True(t, given.Key.ByLink)
	require.Empty(t, given.Key.Since)

	var problem *console.Problem
	require.ErrorAs(t, reader.Act(t.Context(), "/banks/bank/links/1/drain", "name-reader", struct{}{}, nil), &problem)
	require.Equal(t, http.StatusForbidden, problem.Status)
	require.ErrorAs(t, accountant.Act(t.Context(), "/banks/bank/links/7/drain", "name-seven", struct{}{}, nil), &problem)
	require.Equal(t, "bank_link", problem.Rule, "%v", problem)
	require.ErrorAs(t, accountant.Act(t.Context(), "/banks/nobody/key", "name-nobody", struct{}{}, nil), &problem)
	require.Equal(t, "bank_known", problem.Rule)

	require.NoError(t, accountant.Act(t.Context(), "/banks/bank/links/1/drain", "name-drain", struct{}{}, nil))
	drained := bankViews(t, reader, func(v console.BankView) bool { return v.Links[1].Draining && v.Links[1].State == "down" })
	require.False(t, drained.Links[0].Draining)
	_, metrics := r.get(t, "/metrics")
	require.Contains(t, metrics, "\nonecard_bank_links_draining{bank=\"bank\"} 1\n")
	require.NoError(t, accountant.Act(t.Context(), "/banks/bank/links/1/resume", "name-resume", struct{}{}, nil))
	bankViews(t, reader, func(v console.BankView) bool { return linksUp(v) == 2 && !v.Links[1].Draining })

	require.NoError(t, accountant.Act(t.Context(), "/banks/bank/key", "name-key", struct{}{}, nil))
	changed := bankViews(t, reader, func(v console.BankView) bool { return v.Key.Since != "" }).Key
	require.NotEqual(t, given.Key.CheckValue, changed.CheckValue)
	require.Eventually(t, func() bool { return bank.Stats().KeyChanges == 1 }, 10*time.Second, 10*time.Millisecond)
	_, metrics = r.get(t, "/metrics")
	require.Contains(t, metrics, "\nonecard_bank_key_changes_total{bank=\"bank\"} 1\n")
	require.NoError(t, r.stop())

	kept := filepath.Join(c.config.Data.Directory, "banks", "bank", "keys.json")
	text, err := os.ReadFile(kept)
	require.NoError(t, err)
	require.Contains(t, string(text), changed.CheckValue)
	require.NotContains(t, strings.ToUpper(string(text)), bankKeyDigits)
	audit, err := os.ReadFile(filepath.Join(c.config.Data.Directory, "audit.log"))
	require.NoError(t, err)
	for _, order := range []string{"bank_drain", "bank_resume", "bank_key"} {
		require.Contains(t, string(audit), order)
	}

	r = c.run(t)
	accountant = desk(t, client, r.Operations, "wang2", "accountant")
	again := bankViews(t, accountant, func(v console.BankView) bool { return linksUp(v) == 2 }).Key
	require.Equal(t, changed.CheckValue, again.CheckValue, "the bank takes what a restarted switch signs")
	require.NoError(t, r.stop())

	// Keys that were exchanged by hand, at both ends.
	byHand, secret := keyFile(t, strings.Repeat("A1", 16))
	bank.ForceKey(secret)
	b.MACKeyFile = byHand
	r = c.run(t)
	accountant = desk(t, client, r.Operations, "wang3", "accountant")
	require.Empty(t, bankViews(t, accountant, func(v console.BankView) bool { return linksUp(v) == 2 }).Key.Since)
	require.NoError(t, r.stop())

	// Sealed keys that do not open stop the start: to go on with the old key would only break the links.
	b.MACKeyFile = keyPath
	require.NoError(t, os.WriteFile(kept, []byte(strings.Replace(string(text), `"sealed": "`, `"sealed": "AAAA`, 1)), 0o600))
	err = daemon.Run(t.Context(), c.config, daemon.Options{Version: "test", Log: new(lockedBuffer)})
	require.ErrorContains(t, err, "sealed key does not open")
}
