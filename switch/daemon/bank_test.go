package daemon_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw/banksim"
	"onecard/switch/daemon"
	"onecard/switch/iso8583"
	"onecard/terminals/emulator"
	"onecard/terminals/emulator/samplecampus"
)

// withBank starts a bank in software on a port of its own and tells the campus's configuration about it.
func (c *campus) withBank(t *testing.T) *banksim.Bank {
	t.Helper()
	key := strings.Repeat("0123456789ABCDEF", 2)
	path := filepath.Join(t.TempDir(), "bank.key")
	require.NoError(t, os.WriteFile(path, []byte(key+"\n"), 0o600))
	secret, err := daemon.LoadBankKey(path)
	require.NoError(t, err)
	bank, address := startBank(t, banksim.Config{MACKey: secret, MACMode: iso8583.MACSM4CBC})
	c.config.Bank.Addresses, c.config.Bank.MACKeyFile = []string{address}, path
	c.config.Bank.RequestTimeout, c.config.Bank.ReversalBackOff = 300*time.Millisecond, []time.Duration{50 * time.Millisecond}
	c.config.Bank.NotFoundAfter, c.config.Bank.ReconnectMin = 0, 20*time.Millisecond
	return bank
}

func startBank(t *testing.T, o banksim.Config) (bank *banksim.Bank, address string) {
	t.Helper()
	bank, err := banksim.New(o)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- bank.Serve(ctx, listener) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	return bank, listener.Addr().String()
}

// kiosk is the first kiosk of the campus, signed on.
func (c *campus) kiosk(t *testing.T, address string) *emulator.Terminal {
	t.Helper()
	for i := range c.Terminals {
		if c.Terminals[i].Type == samplecampus.Kiosk {
			return c.terminal(t, address, i)
		}
	}
	require.Fail(t, "no kiosk")
	return nil
}

// holder finds somebody with a bank account and room in his purse.
func (c *campus) holder(t *testing.T) *samplecampus.Holder {
	t.Helper()
	for i := range c.Holders {
		h := &c.Holders[i]
		if h.BankAccount != 0 && h.State == "active" && h.Expires == "" && h.Main < 50_000 {
			return h
		}
	}
	require.Fail(t, "nobody")
	return nil
}

// TestLoadThroughTheBank: 圈存 from the kiosk to the bank and back; the bank debits exactly what the card is credited, through a silence
// that ends in a reversal and a restart in the middle of one.
func TestLoadThroughTheBank(t *testing.T) {
	c := newCampus(t)
	bank := c.withBank(t)
	r := c.run(t)
	client := daemon.NewClient(c.config.Data.Directory)
	require.Eventually(t, func() bool {
		status, err := client.Status(t.Context())
		return err == nil && status.Bank.LinksUp() == 2
	}, 10*time.Second, 10*time.Millisecond)
	kiosk, h := c.kiosk(t, r.Terminals), c.holder(t)
	pin := iso8583.PIN(h.PIN)
	before, err := kiosk.Balance(h.Card)
	require.NoError(t, err)

	loaded, err := kiosk.Load(h.Card, 10_000, pin)
	require.NoError(t, err)
	require.True(t, loaded.Approved(), "%s %s", loaded.Code, loaded.Text)
	require.Equal(t, before.Balance+10_000, loaded.Balance)
	require.EqualValues(t, 10_000, bank.Debited(loaded.Reference.String()))

	require.NoError(t, bank.Script("drop"))
	silent, err := kiosk.Load(h.Card, 5_000, pin)
	require.NoError(t, err)
	require.Equal(t, "68", silent.Code.String())
	require.Eventually(t, func() bool { return bank.Debited(silent.Reference.String()) == 0 && bank.Stats().Reversed.Count == 1 }, 10*time.Second, 10*time.Millisecond)

	wrong, err := kiosk.Load(h.Card, 5_000, "000001")
	require.NoError(t, err)
	require.Equal(t, "55", wrong.Code.String())

	// The switch stops while a load is with the bank: what the bank has taken is given back after the restart.
	require.NoError(t, bank.Script("delay 1h"))
	c.config.Bank.RequestTimeout, c.config.Bank.StopTimeout, c.config.StopTimeout = time.Minute, 10*time.Millisecond, time.Second
	require.NoError(t, r.stop())
	r = c.run(t)
	kiosk = c.kiosk(t, r.Terminals)
	require.Eventually(t, func() bool {
		status, err := client.Status(t.Context())
		return err == nil && status.Bank.LinksUp() > 0
	}, 10*time.Second, 10*time.Millisecond)
	go func() { _, _ = kiosk.Load(h.Card, 2_000, pin) }() // never answered: the terminal goes with the switch
	require.Eventually(t, func() bool { return bank.Stats().Debited.Count == 3 }, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, r.stop())
	r = c.run(t)
	require.Eventually(t, func() bool { return bank.Stats().Reversed.Count == 2 }, 10*time.Second, 10*time.Millisecond)
	after, err := c.kiosk(t, r.Terminals).Balance(h.Card)
	require.NoError(t, err)
	require.Equal(t, before.Balance+10_000, after.Balance)
	stats := bank.Stats()
	require.EqualValues(t, 10_000, stats.Debited.Sum-stats.Reversed.Sum, "the bank has taken what the card was given")
	require.NoError(t, bank.Check())
	require.NoError(t, r.stop())
	require.NotZero(t, bank.Stats().SignOffs)
}
