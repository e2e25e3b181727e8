package banksim_test

import (
	"bufio"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"onecard/bankgw/banksim"
	"onecard/ledger/money"
	"onecard/switch/iso8583"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "0123456789abcdef"

// campus is the other end: it sends one message and reads the answers.
type campus struct {
	t    *testing.T
	conn net.Conn
	from *bufio.Reader
	mac  *iso8583.MAC
	bank *banksim.Bank
}

func newCampus(t *testing.T, c banksim.Config) *campus {
	c.MACKey, c.MACMode = iso8583.Secret(key), iso8583.MACSM4CBC
	bank, err := banksim.New(c)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- bank.Serve(ctx, listener) }()
	mac, err := iso8583.NewMAC(iso8583.MACSM4CBC, []byte(key))
	require.NoError(t, err)
	side := &campus{t: t, mac: mac, bank: bank}
	side.dial(listener.Addr().String())
	t.Cleanup(func() {
		_ = side.conn.Close()
		stop()
		require.NoError(t, <-served)
		require.NoError(t, bank.Check())
	})
	return side
}

func (c *campus) dial(address string) {
	conn, err := net.Dial("tcp", address)
	require.NoError(c.t, err)
	require.NoError(c.t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	c.conn, c.from = conn, bufio.NewReader(conn)
}

func (c *campus) send(m *iso8583.BankMessage) {
	sealed, err := m.Seal(c.mac)
	require.NoError(c.t, err)
	_, err = c.conn.Write(iso8583.AppendBankFrame(nil, iso8583.FramingASCII4, sealed))
	require.NoError(c.t, err)
}

func (c *campus) read() *iso8583.BankMessage {
	payload, err := iso8583.ReadBankFrame(c.from, iso8583.FramingASCII4)
	require.NoError(c.t, err)
	m, err := iso8583.OpenBankMessage(iso8583.BankSpec(), payload, c.mac)
	require.NoError(c.t, err)
	return m
}

func (c *campus) ask(m *iso8583.BankMessage) string {
	c.send(m)
	return c.read().String(39)
}

func network(function uint64) *iso8583.BankMessage {
	return iso8583.NewBankMessage(iso8583.BankSpec(), "0820").SetNumber(11, 1).SetNumber(70, function)
}

func financial(mti string, number uint64, fen uint64) *iso8583.BankMessage {
	m := iso8583.NewBankMessage(iso8583.BankSpec(), mti).Set(2, "6217000012345678").Set(3, "600000").SetNumber(4, fen).SetNumber(11, number).
		SetNumber(37, number).Set(41, "KIOSK001").Set(102, "6217000012345678").Set(103, "9156000000000001")
	if mti != "0200" {
		m.SetNumber(90, 0)
		m = m.Set(90, "0200"+m.String(11)+strings.Repeat("0", 32))
	}
	return m
}

// TestBooks: debited once, given back once, a reversal first refuses its original, and no more than there is.
func TestBooks(t *testing.T) {
	c := newCampus(t, banksim.Config{DefaultBalance: 1000})
	require.Equal(t, "C1", c.ask(financial("0200", 1, 100)), "not signed on")
	require.Equal(t, "00", c.ask(network(1)))
	require.Equal(t, "00", c.ask(financial("0200", 1, 100)))
	require.Equal(t, "00", c.ask(financial("0200", 1, 100)), "the same again is the same")
	require.Equal(t, "94", c.ask(financial("0200", 1, 101)), "the same with another amount is not")
	require.Equal(t, money.Fen(900), c.bank.Balance("6217000012345678"))
	require.Equal(t, money.Fen(100), c.bank.Debited("000000000001"))

	require.Equal(t, "51", c.ask(financial("0200", 2, 901)))
	require.Equal(t, "25", c.ask(financial("0420", 2, 901)), "what was declined is not found")

	require.Equal(t, "64", c.ask(financial("0420", 1, 99)))
	require.Equal(t, "00", c.ask(financial("0420", 1, 100)))
	require.Equal(t, "00", c.ask(financial("0421", 1, 100)))
	require.Equal(t, "12", c.ask(financial("0200", 1, 100)), "what was given back is not taken again")
	require.Zero(t, c.bank.Debited("000000000001"))

	require.Equal(t, "25", c.ask(financial("0420", 3, 100)))
	require.Equal(t, "25", c.ask(financial("0421", 3, 100)))
	require.Equal(t, "12", c.ask(financial("0200", 3, 100)), "its reversal came first")
	require.Equal(t, money.Fen(1000), c.bank.Balance("6217000012345678"))

	require.Equal(t, "30", c.ask(financial("0200", 4, 0)))
	require.Equal(t, "30", c.ask(financial("0420", 4, 5).Set(90, "0200999999"+strings.Repeat("0", 32))), "F90 names another original")
	require.Equal(t, "00", c.ask(network(301)))
	require.Equal(t, "40", c.ask(network(999)))
	require.Equal(t, "00", c.ask(network(2)))
	s := c.bank.Stats()
	s.Links = 0
	require.Equal(t, banksim.Stats{
		Loads: 6, Repeats: 3, Reversals: 6, Debited: banksim.Count{Count: 1, Sum: 100}, Reversed: banksim.Count{Count: 1, Sum: 100},
		Declined: banksim.Count{Count: 1, Sum: 901}, Refused: banksim.Count{Count: 2, Sum: 200}, NotFound: 3, SignOns: 1, SignOffs: 1, Echoes: 1,
	}, s)
	var states []string
	for _, r := range c.bank.Records() {
		states = append(states, r.Reference+" "+r.State.String())
	}
	require.Equal(t, []string{"000000000001 reversed", "000000000002 declined", "000000000003 refused"}, states)
}

// TestCut closes links and refuses new ones until it is restored; the books stay.
func TestCut(t *testing.T) {
	c := newCampus(t, banksim.Config{})
	require.Equal(t, "00", c.ask(network(1)))
	address := c.conn.RemoteAddr().String()
	c.bank.Cut()
	require.True(t, c.bank.IsCut())
	_, err := c.from.ReadByte()
	require.Error(t, err)
	_ = c.conn.Close()
	c.dial(address)
	_, err = c.from.ReadByte()
	require.Error(t, err)
	_ = c.conn.Close()
	c.bank.Restore()
	c.dial(address)
	require.Equal(t, "00", c.ask(network(1)))
	require.Equal(t, "00", c.ask(financial("0200", 1, 100)))
	require.Equal(t, 2, c.bank.Stats().SignOns)
}

// TestBadMAC: a message that is not authentic is counted and not answered.
func TestBadMAC(t *testing.T) {
	c := newCampus(t, banksim.Config{})
	require.Equal(t, "00", c.ask(network(1)))
	sealed, err := financial("0200", 1, 100).Seal(c.mac)
	require.NoError(t, err)
	sealed[20] ^= 1
	_, err = c.conn.Write(iso8583.AppendBankFrame(nil, iso8583.FramingASCII4, sealed))
	require.NoError(t, err)
	require.Equal(t, "00", c.ask(network(301)), "the next one is answered")
	require.Equal(t, 1, c.bank.Stats().BadInbound)
	require.Zero(t, c.bank.Stats().Loads)
}

// TestTraceIsMasked: what the bank tells about messages has no whole account or card number and no MAC.
func TestTraceIsMasked(t *testing.T) {
	told := make(chan string, 16)
	c := newCampus(t, banksim.Config{Trace: func(direction, message string) { told <- direction + " " + message }})
	require.Equal(t, "00", c.ask(network(1)))
	require.Equal(t, "00", c.ask(financial("0200", 1, 100).Set(61, "张三 110101199003070000")))
	var lines []string
	for len(told) > 0 {
		lines = append(lines, <-told)
	}
	require.Len(t, lines, 4)
	all := strings.Join(lines, "\n")
	require.Contains(t, all, "in 0200 2=621700******5678 3=600000 4=000000000100")
	require.Contains(t, all, "61=****")
	for _, secret := range []string{"6217000012345678", "9156000000000001", "110101", "张三", "128="} {
		require.NotContains(t, all, secret)
	}
}

func TestNewReportsFaults(t *testing.T) {
	_, err := banksim.New(banksim.Config{MACKey: iso8583.Secret("short"), MACMode: iso8583.MACSM4CBC})
	require.Error(t, err)
	_, err = banksim.New(banksim.Config{MACKey: iso8583.Secret(key), MACMode: iso8583.MACSM4CBC, Script: "explode"})
	require.ErrorContains(t, err, `"explode"`)
	_, err = banksim.New(banksim.Config{MACKey: iso8583.Secret(key), MACMode: iso8583.MACSM4CBC, Mix: "many approve"})
	require.ErrorContains(t, err, "many approve")
}
