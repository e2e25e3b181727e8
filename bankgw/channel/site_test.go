package channel_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw/channel"
	"onecard/bankgw/channel/channelsim"
)

// pairs are the RSA keys of all tests: making them takes longer than the tests.
var pairs = sync.OnceValue(func() [2]*rsa.PrivateKey {
	var list [2]*rsa.PrivateKey
	for i := range list {
		list[i], _ = rsa.GenerateKey(rand.Reader, 2048)
	}
	return list
})

const secret = "0123456789abcdef0123456789ABCDEF"

var beijing = time.FixedZone("", 8*3600)

// direct carries requests to a handler without a network. A handler that aborts has not answered.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (response *http.Response, err error) {
	defer func() {
		if caught := recover(); caught != nil {
			if caught != http.ErrAbortHandler {
				panic(caught)
			}
			err = errors.New("the connection was cut")
		}
	}()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

// site is a channel of ours between a ledger, a disk and a simulated channel, all in memory.
type site struct {
	t       *testing.T
	now     time.Time
	power   power
	disk    *disk
	books   *books
	config  channel.Config
	keys    channel.Keys
	sim     *channelsim.Sim
	channel *channel.Channel
	notify  http.Handler
	said    []string
}

func testConfig() channel.Config {
	return channel.Config{
		Name: "wechat", Title: "微信支付", URL: "http://127.0.0.1", Merchant: "1900000001", MerchantSerial: "M1", ChannelSerial: "C1", NotifyURL: "http://127.0.0.1/channels/wechat/notify",
		Attempts: 1, QueryBackOff: []time.Duration{5 * time.Second, 30 * time.Second}, Zone: 8 * time.Hour,
	}.WithDefaults()
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, now: time.Date(2026, 11, 26, 12, 0, 0, 0, beijing), config: testConfig()}
	s.power.set(-1, false)
	s.disk, s.books = &disk{&s.power, map[string][]byte{}}, newBooks(&s.power)
	ours, theirs := pairs()[0], pairs()[1]
	s.keys = channel.NewKeys(ours, &theirs.PublicKey, []byte(secret))
	clock := func() time.Time { return s.now }
	var err error
	s.sim, err = channelsim.New(channelsim.Config{
		Merchant: s.config.Merchant, MerchantKey: &ours.PublicKey, MerchantSerial: "M1", Key: theirs, Serial: "C1", Secret: secret, Zone: beijing, Clock: clock,
	})
	require.NoError(t, err)
	s.open()
	return s
}

// open starts the channel from what is on disk.
func (s *site) open() {
	clock := func() time.Time { return s.now }
	client := channel.NewClient(s.config, s.keys, direct{s.sim}, clock)
	var err error
	s.channel, err = channel.Open(s.config, client, s.disk, s.books, channel.Events{
		Strange: func(_, number, what string) { s.said = append(s.said, "strange: "+s.short(number)+" "+s.short(what)) },
		Failed: func(_, number string, err error) {
			s.said = append(s.said, strings.TrimSpace("failed: "+s.short(number)+" "+s.short(err.Error())))
		},
	})
	require.NoError(s.t, err)
	s.notify = channel.NewNotifications(s.channel, s.keys, clock)
}

func (s *site) micros() int64 { return s.now.UnixMicro() }

// short writes order numbers as people say them: O1, O1R2.
func (s *site) short(text string) string {
	for n := 9; n > 0; n-- {
		for _, o := range s.sim.Numbers() {
			if strings.HasSuffix(o, "00000000"+string(rune('0'+n))) {
				text = strings.ReplaceAll(text, o, "O"+string(rune('0'+n)))
			}
		}
	}
	return text
}

// deliver sends the channel's mail to the notification handler.
func (s *site) deliver() []int {
	answers, err := s.sim.Deliver(context.Background(), direct{s.notify}.RoundTrip)
	if err != nil {
		s.said = append(s.said, "mail: "+err.Error())
	}
	return answers
}
