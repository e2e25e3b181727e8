package daemon_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw"
	"onecard/bankgw/banksim"
	"onecard/switch/daemon"
	"onecard/switch/iso8583"
	"onecard/terminals/emulator/samplecampus"
)

// TestBanksOfTheList: each element has the defaults of a bank, and every fault of every one is told by its key and line.
func TestBanksOfTheList(t *testing.T) {
	path := filepath.Join(t.TempDir(), "switch.yaml")
	load := func(source string) (daemon.Config, error) {
		require.NoError(t, os.WriteFile(path, []byte(source), 0o600))
		return daemon.Load(path, nil)
	}
	c, err := load("banks:\n  - name: icbc\n    addresses: [10.0.0.1:8584]\n    prefixes: ['622202']\n    mac_key_file: icbc.key\n    dialect:\n      mac_field: 64\n  - name: ccb\n    addresses: [10.0.0.2:8584]\n    mac_key_file: ccb.key\n")
	require.NoError(t, err)
	require.Len(t, c.Banks, 2)
	require.Equal(t, []string{"622202"}, c.Banks[0].Prefixes)
	require.Equal(t, 64, c.Banks[0].Dialect.MACField)
	require.Equal(t, bankgw.DefaultConfig().Dialect.Load, c.Banks[0].Dialect.Load)
	require.Equal(t, 10*time.Second, c.Banks[1].RequestTimeout)
	text, err := daemon.Describe(path, nil)
	require.NoError(t, err)
	require.Contains(t, text, "banks:\n  -\n    name: icbc")
	require.Contains(t, text, "# "+path+":2")

	_, err = load("bank:\n  addresses: [10.0.0.1:1]\nbanks:\n  - links: 99\n    speed: 3\n    addresses: [10.0.0.1:8584]\n  - name: bank\n    addresses: [x]\n    dialect:\n      load: [7=moment]\n")
	require.Error(t, err)
	t.Log(err)
	for _, want := range []string{
		"banks[0].links:", "banks[0].speed: 无此键", "banks[0].name:", "banks[0].mac_key_file:", "banks[0].prefixes:", "banks[1].name: 另一家银行", "banks[1].addresses:",
		"banks[1].dialect.load: 须如 4=amount", "bank.mac_key_file:", ">  4 |   - links: 99",
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = load("banks: {name: icbc}\n")
	require.ErrorContains(t, err, "banks: 须为列表")
}

// TestTwoBanks: each holder's load goes to his bank, one in ISO 8583 and one in records; status and metrics tell them apart.
func TestTwoBanks(t *testing.T) {
	c := newCampus(t)
	first := c.withBank(t)
	key, err := daemon.LoadBankKey(c.config.Bank.MACKeyFile)
	require.NoError(t, err)
	second, address := startBank(t, banksim.Config{MACKey: key, MACMode: iso8583.MACSM4CBC, Records: true, Framing: iso8583.FramingASCII6})
	var holders []*samplecampus.Holder
	for i := range c.Holders {
		if h := &c.Holders[i]; h.BankAccount != 0 && h.State == "active" && h.Expires == "" && h.Main < 50_000 {
			holders = append(holders, h)
		}
	}
	require.GreaterOrEqual(t, len(holders), 2)
	other := c.config.Bank
	other.Name, other.Addresses, other.Prefixes = "records", []string{address}, []string{strconv.FormatUint(holders[1].BankAccount, 10)}
	other.Dialect.Kind, other.Framing = bankgw.DialectRecord, iso8583.FramingASCII6
	c.config.Banks = append(c.config.Banks, other)
	r := c.run(t)
	client := daemon.NewClient(c.config.Data.Directory)
	require.Eventually(t, func() bool {
		status, err := client.Status(t.Context())
		return err == nil && len(status.Banks) == 2 && status.Banks[0].LinksUp() == 2 && status.Banks[1].LinksUp() == 2
	}, 10*time.Second, 10*time.Millisecond)
	status, err := client.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"bank", "records", "bank"}, []string{status.Banks[0].Name, status.Banks[1].Name, status.Bank.Name})

	kiosk := c.kiosk(t, r.Terminals)
	for i, h := range holders[:2] {
		loaded, err := kiosk.Load(h.Card, 1_000, iso8583.PIN(h.PIN))
		require.NoError(t, err)
		require.True(t, loaded.Approved(), "%d: %s %s", i, loaded.Code, loaded.Text)
	}
	require.Equal(t, 1, first.Stats().Debited.Count)
	require.Equal(t, 1, second.Stats().Debited.Count)
	require.EqualValues(t, 1_000, second.Stats().Debited.Sum)

	response, err := http.Get("http://" + r.Operations + "/metrics")
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	for _, want := range []string{
		`onecard_bank_links_up{bank="bank"} 2`, `onecard_bank_links_up{bank="records"} 2`, `onecard_bank_messages_total{bank="records",direction="in",mti="0210"} 1`,
		`onecard_bank_faults_total{bank="records",fault="mac"} 0`,
	} {
		require.True(t, strings.Contains(string(body), want), want)
	}
	require.NoError(t, r.stop())
	require.Equal(t, 2, first.Stats().SignOffs)
	require.Equal(t, 2, second.Stats().SignOffs)
}
