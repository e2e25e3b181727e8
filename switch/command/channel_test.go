package command_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	randv2 "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw/channel/channelsim"
	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/console"
	"onecard/switch/daemon"
	"onecard/terminals/emulator/samplecampus"
)

// channelSite is a real switch as a process of its own, on a real disk, with a payment channel in software beside it.
type channelSite struct {
	t       *testing.T
	folder  string
	campus  *samplecampus.Campus
	config  daemon.Config
	sim     *channelsim.Sim
	server  *httptest.Server
	process *exec.Cmd
	address string
	token   string
	http    *http.Transport

	kill  atomic.Pointer[string] // the request at which the switch is killed
	rng   *randv2.Rand
	names int
	holds map[string]money.Fen // what the holders had before
	kills int
}

const channelYAML = `channels:
  - name: wechat
    url: %s
    merchant: "1900000001"
    merchant_key_file: %s
    merchant_serial: M1
    channel_key_file: %s
    channel_serial: C1
    notify_secret_file: %s
    notify_url: http://127.0.0.1/channels/wechat/notify
    expiry: 5m
    attempts: 1
    request_timeout: 2s
    query_back_off: [50ms, 100ms]
    rejected_after: 100ms
data: {directory: %s, ballast_bytes: 0, low_water_bytes: 0, memtable_bytes: 4194304}
terminals: {listen: "127.0.0.1:0"}
operations: {listen: "127.0.0.1:0"}
`

func newChannelSite(t *testing.T) *channelSite {
	t.Helper()
	s := &channelSite{t: t, folder: t.TempDir(), rng: randv2.New(randv2.NewPCG(1, 2)), http: &http.Transport{}, holds: map[string]money.Fen{}}
	t.Cleanup(s.http.CloseIdleConnections)
	ours, theirs := s.key("merchant.pem", true), s.key("platform.pem", false)
	secret := "0123456789abcdef0123456789ABCDEF"
	require.NoError(t, os.WriteFile(filepath.Join(s.folder, "v3.key"), []byte(secret+"\n"), 0o600))
	var err error
	s.sim, err = channelsim.New(channelsim.Config{
		Merchant: "1900000001", MerchantKey: &ours.PublicKey, MerchantSerial: "M1", Key: theirs, Serial: "C1", Secret: secret,
		Zone: time.FixedZone("", 8*3600), Clock: time.Now, Watch: s.watch,
	})
	require.NoError(t, err)
	s.server = httptest.NewServer(s.sim)
	t.Cleanup(s.server.Close)
	path := filepath.Join(s.folder, "switch.yaml")
	at := func(name string) string { return filepath.Join(s.folder, name) }
	text := fmt.Sprintf(channelYAML, s.server.URL, at("merchant.pem"), at("platform.pem"), at("v3.key"), at("data"))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	s.config, err = daemon.Load(path, nil)
	require.NoError(t, err)
	o := samplecampus.DefaultOptions()
	o.Holders, o.Merchants, o.POS, o.Gates, o.Kiosks = 40, 1, 2, 1, 1
	s.campus = samplecampus.New(o)
	require.NoError(t, s.campus.WriteCSV(at("csv")))
	_, problems, err := daemon.Import(t.Context(), &s.config, os.DirFS(at("csv")))
	require.NoError(t, err)
	require.Empty(t, problems)
	s.holds, _ = s.books()
	s.start()
	added, err := daemon.NewClient(s.config.Data.Directory).ChangeOperator(t.Context(), daemon.OperatorChange{Act: "add", Code: "app", Roles: "cashier,accountant"})
	require.NoError(t, err)
	s.token = added.Token
	return s
}

// key makes an RSA key: ours is kept as a private key, the channel's as the public key that we are given.
func (s *channelSite) key(name string, private bool) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(s.t, err)
	block := &pem.Block{Type: "PUBLIC KEY"}
	if block.Bytes, err = x509.MarshalPKIXPublicKey(&key.PublicKey); private {
		block.Type = "PRIVATE KEY"
		block.Bytes, err = x509.MarshalPKCS8PrivateKey(key)
	}
	require.NoError(s.t, err)
	require.NoError(s.t, os.WriteFile(filepath.Join(s.folder, name), pem.EncodeToMemory(block), 0o600))
	return key
}

// start starts the switch and waits until it is ready.
func (s *channelSite) start() {
	c := exec.Command(os.Args[0], "serve", "--config", filepath.Join(s.folder, "switch.yaml"))
	c.Env = []string{asProgram + "=1"}
	out, err := c.StdoutPipe()
	require.NoError(s.t, err)
	said := new(bytes.Buffer)
	c.Stderr = said
	require.NoError(s.t, c.Start())
	s.t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	lines := bufio.NewScanner(out)
	for !strings.HasPrefix(lines.Text(), "ready ") {
		require.True(s.t, lines.Scan(), "ended before it was ready: %s", said)
	}
	_, rest, _ := strings.Cut(lines.Text(), "operations=")
	s.address, _, _ = strings.Cut(rest, " ")
	s.process = c
}

// died waits for a process that was killed, and starts another on the same disk.
func (s *channelSite) died() {
	_ = s.process.Wait()
	s.kills++
	s.kill.Store(nil)
	s.http.CloseIdleConnections()
	s.start()
}

// watch kills the switch, not politely, when the request comes that was chosen: "before POST /v3/refund" and the like.
func (s *channelSite) watch(request string, done bool) {
	when := "before "
	if done {
		when = "after "
	}
	if chosen := s.kill.Load(); chosen != nil && strings.HasPrefix(when+request, *chosen) && s.kill.CompareAndSwap(chosen, nil) {
		_ = s.process.Process.Kill()
	}
}

// ask sends a request once. No answer is an error.
func (s *channelSite) ask(method, path, key, body string, into any) error {
	r, err := http.NewRequest(method, "http://"+s.address+console.Base+path, strings.NewReader(body))
	require.NoError(s.t, err)
	r.Header.Set("Authorization", "Bearer "+s.token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	response, err := s.http.RoundTrip(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(response.Body); err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%d %s", response.StatusCode, text.String())
	}
	return json.Unmarshal(text.Bytes(), into)
}

// wait asks under one name until it is answered, over the death of the switch.
func (s *channelSite) wait(path, body string) (o console.ChannelOrder) {
	s.names++
	key := fmt.Sprintf("name-%06d", s.names)
	var err error
	for range 100 {
		if err = s.ask(http.MethodPost, "/channels/wechat"+path, key, body, &o); err == nil {
			return o
		}
		require.False(s.t, strings.HasPrefix(err.Error(), "4"), "%v", err) // refused: it would be again
		if s.ask(http.MethodGet, "/channels", key, "", new(struct{})) != nil {
			s.died()
		}
	}
	require.NoError(s.t, err)
	return o
}

// place makes an order of somebody whose purse has room.
func (s *channelSite) place(amount money.Fen) console.ChannelOrder {
	for {
		h := &s.campus.Holders[s.rng.IntN(len(s.campus.Holders))]
		if h.State == "active" && h.Expires == "" && s.holds[h.Number] < 50_000 {
			return s.wait("/orders", fmt.Sprintf(`{"holder":%q,"amount":%q}`, h.Number, amount))
		}
	}
}

// deliver sends the channel's mail to wherever the switch is now.
func (s *channelSite) deliver() []int {
	answers, _ := s.sim.Deliver(context.Background(), func(r *http.Request) (*http.Response, error) {
		r.URL.Host = s.address
		r.Host = s.address
		return s.http.RoundTrip(r)
	})
	return answers
}

// TestChannelAtEveryCrashPoint: the switch is killed when the channel has been asked and has not carried it out, and when it has carried it
// out and not answered, for each thing that it can be asked; and while notifications come in. In the end the channel's books, the movements of
// account 1012 and what the holders have agree to the fen.
func TestChannelAtEveryCrashPoint(t *testing.T) {
	s := newChannelSite(t)
	first := s.place(1_000)
	require.NotEmpty(t, first.Pay)
	for _, point := range []string{"before POST /v3/pay/transactions/native", "after POST /v3/pay/transactions/native"} {
		s.kill.Store(&point)
		o := s.place(2_000)
		require.NotEmpty(t, o.Pay, "the same order once more, under the same name")
		require.NoError(t, s.sim.Pay(o.Number))
	}
	for _, point := range []string{"before GET /v3/pay", "after GET /v3/pay"} { // the payment is found by asking
		require.NoError(t, s.sim.Script("notify lose"))
		o := s.place(3_000)
		s.kill.Store(&point)
		require.NoError(t, s.sim.Pay(o.Number))
		_ = s.process.Wait()
		s.died()
		s.reaches(o.Number, "paid")
	}
	refunded := s.place(5_000)
	require.NoError(t, s.sim.Pay(refunded.Number))
	s.settle()
	for i, point := range []string{"before POST /v3/refund", "after POST /v3/refund"} {
		s.kill.Store(&point)
		o := s.wait("/orders/"+refunded.Number+"/refunds", fmt.Sprintf(`{"amount":"%d.00","reason":"退"}`, 10+i))
		require.Len(t, o.Refunds, i+1)
		s.reaches(refunded.Number, "paid")
	}
	require.NoError(t, s.sim.Script("refund reject"))
	s.wait("/orders/"+refunded.Number+"/refunds", `{"amount":"1.00","reason":"退"}`)
	s.reaches(refunded.Number, "paid")
	for range 8 { // a moment nobody has chosen, while payments are told of
		s.uprising()
	}
	s.settle()
	require.GreaterOrEqual(t, s.kills, 8)
	s.agrees()
}

// uprising places and pays orders, and kills the switch while the channel tells it of them.
func (s *channelSite) uprising() {
	for range 4 {
		o := s.place(money.Fen(100 + s.rng.IntN(900)))
		require.NoError(s.t, s.sim.Pay(o.Number))
	}
	var group sync.WaitGroup
	process, pause := s.process, time.Duration(s.rng.IntN(6_000))*time.Microsecond
	group.Go(func() { time.Sleep(pause); _ = process.Process.Kill() })
	s.deliver()
	group.Wait()
	s.died()
}

// reaches waits for an order's state.
func (s *channelSite) reaches(number, state string) {
	var o console.ChannelOrder
	require.Eventually(s.t, func() bool {
		return s.ask(http.MethodGet, "/channels/wechat/orders/"+number, "name-reading", "", &o) == nil && o.State == state
	}, 20*time.Second, 5*time.Millisecond, "%+v", &o)
}

// settle lets the channel tell everything and waits until no paid order waits.
func (s *channelSite) settle() {
	for range 3 {
		s.deliver()
	}
	for _, number := range s.sim.Numbers() {
		if o, _ := s.sim.Order(number); o.Taken > 0 {
			s.reaches(number, "paid")
		}
	}
}

// books reads the ledger of a switch that does not run: what each holder has in his main purse, and account 1012.
func (s *channelSite) books() (purses map[string]money.Fen, transit money.Fen) {
	store, engine, err := daemon.OpenToRead(s.t.Context(), &s.config)
	require.NoError(s.t, err)
	defer store.Close()
	state := engine.State()
	purses = map[string]money.Fen{}
	for row := range state.Holders() {
		purses[state.HolderNumber(row)] = state.Book().Account(state.Holder(row).Main).Balance
	}
	account, ok := state.SiteAccount(0, ledger.CodeThirdPartyTransit)
	require.True(s.t, ok)
	return purses, -state.Book().Account(account).Balance // an asset: its debit side is what channels owe
}

// days are those on which something was paid or paid back: a test may run past midnight.
func (s *channelSite) days() map[string]bool {
	days, zone := map[string]bool{}, time.FixedZone("", 8*3600)
	for _, number := range s.sim.Numbers() {
		o, _ := s.sim.Order(number)
		if o.Taken > 0 {
			days[o.PaidAt.In(zone).Format(time.DateOnly)] = true
		}
		for _, r := range o.Refunds {
			days[r.At.In(zone).Format(time.DateOnly)] = true
		}
	}
	return days
}

// agrees stops the switch politely and compares the three books.
func (s *channelSite) agrees() {
	t := s.t
	theirs := money.Fen(0)
	for day := range s.days() {
		var d console.ChannelDay
		require.NoError(t, s.ask(http.MethodPost, "/channels/wechat/reconciliations/"+day, "name-reconcile", "", &d))
		require.True(t, d.Settled, "%+v", d)
		require.Empty(t, d.Differences)
		theirs += money.Fen(d.TheirsPaid)
	}
	require.NoError(t, s.process.Process.Signal(os.Interrupt))
	require.NoError(t, s.process.Wait())
	totals := s.sim.Totals()
	purses, transit := s.books()
	credited := money.Fen(0)
	for holder, has := range purses {
		credited += has - s.holds[holder]
	}
	require.Equal(t, totals.Taken-totals.Returned, transit, "the channel's books and account 1012")
	require.Equal(t, transit, credited+s.fees(), "account 1012 and the holders' credits")
	require.Equal(t, totals.Taken, theirs)
	require.NoError(t, s.sim.Check())
	out, errOut, code := onecard("verify", "--data", s.config.Data.Directory)
	require.Zero(t, code, "%s\n%s", out, errOut)
	t.Logf("%d orders, %d paid, %s taken, %s given back, 1012 %s; the switch was killed %d times", totals.Orders, totals.Paid, totals.Taken, totals.Returned, transit, s.kills)
}

// fees are what the house has kept of loads.
func (s *channelSite) fees() money.Fen {
	store, engine, err := daemon.OpenToRead(s.t.Context(), &s.config)
	require.NoError(s.t, err)
	defer store.Close()
	account, _ := engine.State().SiteAccount(0, ledger.CodeManagementFee)
	return engine.State().Book().Account(account).Balance
}

// TestDeskChannel: the desk's commands for payment channels, from an order to the comparison of its day.
func TestDeskChannel(t *testing.T) {
	s := newChannelSite(t)
	t.Setenv("ONECARD_TOKEN", s.token)
	t.Setenv("ONECARD_ADDRESS", s.address)
	run := func(want int, arguments ...string) string {
		out, errOut, code := onecard(append([]string{"desk", "channel"}, arguments...)...)
		require.Equal(t, want, code, "%v: %s %s", arguments, out, errOut)
		return out + errOut
	}
	require.Contains(t, run(0, "list"), "wechat")
	var holder string
	for i := range s.campus.Holders {
		if h := &s.campus.Holders[i]; h.State == "active" && h.Expires == "" && s.holds[h.Number] < 50_000 {
			holder = h.Number
		}
	}
	require.Contains(t, run(1, "order", "wechat", "--holder", "nobody", "--amount", "10.00"), "not registered")
	require.Contains(t, run(1, "order", "alipay", "--holder", holder, "--amount", "10.00"), "no payment channel alipay")
	require.Contains(t, run(1, "order", "wechat", "--holder", holder, "--amount", "99999.00"), "purse cap")
	run(0, "order", "wechat", "--holder", holder, "--amount", "30.00", "--key", "desk-key-1")
	require.Contains(t, run(0, "order", "wechat", "--holder", holder, "--amount", "30.00", "--key", "desk-key-1"), "weixin://")
	require.Contains(t, run(1, "order", "wechat", "--holder", holder, "--amount", "31.00", "--key", "desk-key-1"), "used for another order")
	numbers := s.sim.Numbers()
	require.Len(t, numbers, 1)
	require.Contains(t, run(1, "refund", "wechat", numbers[0], "--amount", "1.00", "--reason", "x"), "only a paid one")
	require.NoError(t, s.sim.Pay(numbers[0]))
	require.Equal(t, []int{http.StatusOK}, s.deliver())
	require.Contains(t, run(0, "show", "wechat", numbers[0]), "paid")
	require.Contains(t, run(0, "refund", "wechat", numbers[0], "--amount", "10.00", "--reason", "x"), "R1  10.00  paid")
	require.Contains(t, run(1, "settle", "wechat", numbers[0]), "nothing to settle")
	paid, _ := s.sim.Order(numbers[0])
	today := paid.PaidAt.In(time.FixedZone("", 8*3600)).Format(time.DateOnly)
	require.Contains(t, run(1, "reconcile", "wechat", today, "--last"), "has not been compared")
	require.Contains(t, run(0, "reconcile", "wechat", today), "相符 equal")
	s.sim.Alter(numbers[0], 2_999)
	require.Contains(t, run(3, "reconcile", "wechat", today), "amount_differs")
	require.Contains(t, run(3, "reconcile", "wechat", today, "--last"), "manual")
	response, err := s.http.RoundTrip(mustRequest(t, "http://"+s.address+"/metrics"))
	require.NoError(t, err)
	defer response.Body.Close()
	var metrics bytes.Buffer
	_, err = metrics.ReadFrom(response.Body)
	require.NoError(t, err)
	for _, line := range []string{
		`onecard_channel_orders_total{channel="wechat",state="paid"} 2`, `onecard_channel_notifications_total{channel="wechat",outcome="taken"} 1`,
		`onecard_channel_refunds_total{channel="wechat",state="paid"} 1`, `onecard_channel_reconciled{case="amount_differs",channel="wechat"} 1`, `onecard_channel_waiting{channel="wechat"} 0`,
	} {
		require.Contains(t, metrics.String(), line)
	}
}

func mustRequest(t *testing.T, address string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	require.NoError(t, err)
	return r
}
