package daemon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"onecard/switch/daemon"
	"onecard/terminals/emulator"
	"onecard/terminals/emulator/samplecampus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// campus is a small campus on disk: its CSV files imported into a fresh ledger.
type campus struct {
	*samplecampus.Campus
	config daemon.Config
	folder string
}

func newCampus(t *testing.T) *campus { return newCampusOf(t, 6) }

func newCampusOf(t *testing.T, tills int) *campus {
	t.Helper()
	o := samplecampus.DefaultOptions()
	o.Holders, o.Merchants, o.POS, o.Gates, o.Kiosks = 200, 3, tills, 2, 2
	c := &campus{Campus: samplecampus.New(o), folder: filepath.Join(t.TempDir(), "csv")}
	require.NoError(t, c.WriteCSV(c.folder))
	config, err := daemon.Load("", nil)
	require.NoError(t, err)
	config.Data.Directory = filepath.Join(t.TempDir(), "data")
	config.Data.MemTableBytes, config.Data.BallastBytes, config.Data.LowWaterBytes = 4<<20, 0, 0
	config.Terminals.Listen, config.Operations.Listen = "127.0.0.1:0", "127.0.0.1:0"
	c.config = config
	imported, problems, err := daemon.Import(t.Context(), &c.config, os.DirFS(c.folder))
	require.NoError(t, err)
	require.Empty(t, problems)
	require.Equal(t, 200, imported.Holders)
	return c
}

// running is a switch in this process.
type running struct {
	daemon.Addresses
	log  *lockedBuffer
	stop func() error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (c *campus) run(t *testing.T) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan daemon.Addresses, 1), make(chan error, 1)
	r := &running{log: new(lockedBuffer)}
	go func() {
		done <- daemon.Run(ctx, c.config, daemon.Options{Version: "test", Log: r.log, Ready: func(a daemon.Addresses) { ready <- a }})
	}()
	var once sync.Once
	var stopped error
	r.stop = func() error {
		once.Do(func() { cancel(); stopped = <-done })
		return stopped
	}
	t.Cleanup(func() { _ = r.stop() })
	select {
	case r.Addresses = <-ready:
	case err := <-done:
		done <- err
		require.NoError(t, err, r.log)
	case <-time.After(20 * time.Second):
		require.Fail(t, "the switch did not get ready", r.log)
	}
	return r
}

// terminal connects and signs on the nth terminal of the campus.
func (c *campus) terminal(t *testing.T, address string, n int) *emulator.Terminal {
	t.Helper()
	row := &c.Terminals[n]
	device, err := emulator.New(emulator.DeviceConfig{Code: row.Code, Merchant: c.MerchantOf(row), Key: row.Key, Mode: c.MACModeOf()})
	require.NoError(t, err)
	terminal, err := emulator.Dial(t.Context(), address, device)
	require.NoError(t, err)
	t.Cleanup(func() { _ = terminal.Close() })
	answer, err := terminal.SignOn()
	require.NoError(t, err)
	require.True(t, answer.Approved(), "sign-on: %s", answer.Code)
	return terminal
}

func (r *running) get(t *testing.T, path string) (int, string) {
	t.Helper()
	response, err := http.Get("http://" + r.Operations + path)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	http.DefaultClient.CloseIdleConnections()
	return response.StatusCode, string(body)
}

// TestPurchaseFromSocketToDiskToReply: a purchase, its repeat, its reversal; the switch is stopped and started, and everything is there.
func TestPurchaseFromSocketToDiskToReply(t *testing.T) {
	c := newCampus(t)
	r := c.run(t)
	h := &c.Holders[0]
	terminal := c.terminal(t, r.Terminals, 0)
	before, err := terminal.Balance(h.Card)
	require.NoError(t, err)
	require.True(t, before.HasBalance)
	require.Equal(t, h.Main+h.Subsidy, before.Balance)

	bought, err := terminal.Purchase(h.Card, 450, "")
	require.NoError(t, err)
	require.True(t, bought.Approved(), "%s %s", bought.Code, bought.Text)
	require.Equal(t, before.Balance-450, bought.Balance)

	again, err := terminal.Repeat(bought.Trace)
	require.NoError(t, err)
	require.Equal(t, bought.Reference, again.Reference, "a repeat gets the first answer")

	reversed, err := terminal.Reversal(bought.Trace, emulator.CauseFault)
	require.NoError(t, err)
	require.True(t, reversed.Approved())

	second, err := terminal.Purchase(h.Card, 300, "")
	require.NoError(t, err)
	require.NoError(t, r.stop())

	r = c.run(t)
	terminal = c.terminal(t, r.Terminals, 0)
	after, err := terminal.Balance(h.Card)
	require.NoError(t, err)
	require.Equal(t, before.Balance-300, after.Balance)
	require.NotEqual(t, second.Reference, after.Reference, "a reference is never used again")
	require.Contains(t, r.log.String(), "ledger open")
	require.NoError(t, r.stop())
}

// TestLostCardIsRefusedAtItsNextTap: through the control socket, as an operator would.
func TestLostCardIsRefusedAtItsNextTap(t *testing.T) {
	c := newCampus(t)
	r := c.run(t)
	client := daemon.NewClient(c.config.Data.Directory)
	terminal := c.terminal(t, r.Terminals, 1)
	h := &c.Holders[3]
	require.NoError(t, client.ChangeCard(t.Context(), daemon.CardChange{Card: h.Card, State: "lost", Operator: "test"}))
	answer, err := terminal.Purchase(h.Card, 100, "")
	require.NoError(t, err)
	require.Equal(t, "41", answer.Code.String())
	require.Contains(t, answer.Text, "挂失")
	require.ErrorContains(t, client.ChangeCard(t.Context(), daemon.CardChange{Card: h.Card, State: "lost"}), "already")
	require.ErrorContains(t, client.ChangeCard(t.Context(), daemon.CardChange{Card: 9156000000099999, State: "lost"}), "915600******9999")
	require.NoError(t, client.ChangeCard(t.Context(), daemon.CardChange{Card: h.Card, State: "active"}))
	answer, err = terminal.Purchase(h.Card, 100, "")
	require.NoError(t, err)
	require.True(t, answer.Approved(), "%s %s", answer.Code, answer.Text)
	info, err := os.Stat(r.Control)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, r.stop())
}

// TestImportIntoARunningSwitch: new people and terminals work at once; a faulty file changes nothing and names every fault.
func TestImportIntoARunningSwitch(t *testing.T) {
	c := newCampus(t)
	r := c.run(t)
	client := daemon.NewClient(c.config.Data.Directory)
	folder := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	write("holders.csv", "number,name,class,state,groups,opening_main\nN1,新生甲,undergraduate,active,1,50.00\n")
	write("cards.csv", "card,holder,state\n9156990000000009,N1,active\n9156990000000018,N2,active\n")
	_, problems, err := client.Import(t.Context(), os.DirFS(folder))
	require.NoError(t, err)
	text := ""
	for _, p := range problems {
		text += p.String() + "\n"
	}
	require.Contains(t, text, "cards.csv:2")
	require.Contains(t, text, "cards.csv:3")
	require.Contains(t, text, "N2")
	card := luhnCard(915_699_000_000_000)
	write("cards.csv", "card,holder,state\n"+card+",N1,active\n")
	imported, problems, err := client.Import(t.Context(), os.DirFS(folder))
	require.NoError(t, err)
	require.Empty(t, problems)
	require.Equal(t, 1, imported.Holders)
	require.NoError(t, r.stop())
	// The folder is free now: the same rows again are refused, by the same program without a switch.
	_, problems, err = daemon.Import(t.Context(), &c.config, os.DirFS(folder))
	require.NoError(t, err)
	require.Len(t, problems, 2)
}

func luhnCard(body uint64) string {
	sum := uint64(0)
	for k, n := 0, body; n > 0; k, n = k+1, n/10 {
		d := n % 10
		if k%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	b, _ := json.Marshal(body*10 + (10-sum%10)%10)
	return string(b)
}

// TestSecondStartIsRefused: one process per folder, and the text says so.
func TestSecondStartIsRefused(t *testing.T) {
	c := newCampus(t)
	r := c.run(t)
	err := daemon.Run(t.Context(), c.config, daemon.Options{Log: io.Discard})
	require.ErrorContains(t, err, "in use by another process")
	require.NoError(t, r.stop())
}

// TestOperationsPort: health, readiness, status, profiles, and every metric that dashboards and alerts look at.
func TestOperationsPort(t *testing.T) {
	c := newCampus(t)
	c.withBank(t)
	c.withChannel(t)
	c.config.Archive.Directory = filepath.Join(t.TempDir(), "archive")
	r := c.run(t)
	terminal := c.terminal(t, r.Terminals, 0)
	_, err := terminal.Purchase(c.Holders[0].Card, 100, "")
	require.NoError(t, err)
	require.Eventually(t, func() bool { code, _ := r.get(t, "/readyz"); return code == http.StatusOK }, 5*time.Second, 20*time.Millisecond)
	code, body := r.get(t, "/healthz")
	require.Equal(t, http.StatusOK, code, body)
	code, _ = r.get(t, "/debug/pprof/goroutine?debug=1")
	require.Equal(t, http.StatusOK, code)
	_, metrics := r.get(t, "/metrics")
	for name := range metricNames(t) {
		if !strings.Contains(metrics, "\n"+name) {
			t.Errorf("a dashboard or an alert looks at %s, which the switch does not have", name)
		}
	}
	require.Contains(t, metrics, `onecard_transactions_total{code="00",kind="purchase",reason="none"} 1`)
	for _, series := range []string{
		`onecard_terminal_frames_rejected_total{fault="mac"} 0`, `onecard_terminal_connections_closed_total{reason="idle"} 0`, `onecard_bank_faults_total{bank="bank",fault="late"} 0`,
		`onecard_bank_loads_refused_total{bank="bank",cause="no_link"} 0`, `onecard_bank_messages_total{bank="bank",direction="in",mti="0430"} 0`,
	} {
		require.Contains(t, metrics, series, "there before its first event")
	}
	var status daemon.Status
	_, body = r.get(t, "/status")
	require.NoError(t, json.Unmarshal([]byte(body), &status))
	require.Equal(t, uint32(200), status.Holders)
	require.Zero(t, status.Difference)
	require.NotContains(t, body+metrics, "9156000", "no card number leaves by the operations port")
	require.NoError(t, r.stop())
}

// metricNames reads the names out of the shipped dashboard and alert rules.
func metricNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, path := range []string{"../../configs/grafana/onecard.json", "../../configs/prometheus/alerts.yml"} {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, word := range strings.FieldsFunc(string(text), func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
			if strings.HasPrefix(word, "onecard_") {
				names[word] = true
			}
		}
	}
	require.Greater(t, len(names), 15)
	return names
}
