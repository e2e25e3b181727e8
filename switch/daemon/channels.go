package daemon

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"onecard/bankgw/channel"
	"onecard/ledger/pebblestore"
	"onecard/switch/daemon/settings"
	"onecard/switch/telemetry"
	"onecard/switch/transaction"
)

// channelFaults are what is wrong with the configured channels.
func (c *Config) channelFaults() (faults []error) {
	names, prefixes := map[string]bool{}, map[string]bool{}
	for i, configured := range c.channelConfigs() {
		key := fmt.Sprintf("channels[%d]", i)
		for _, err := range flattened(configured.Validate()) {
			var of channel.KeyError
			if errors.As(err, &of) {
				err = settings.Faultf(key+"."+of.Key, "%s", of.Text)
			}
			faults = append(faults, err)
		}
		if names[configured.Name] || prefixes[configured.Prefix] {
			faults = append(faults, settings.Faultf(key+".name", "通道的 name 与 prefix 不能重复 / channels have names and prefixes of their own"))
		}
		names[configured.Name], prefixes[configured.Prefix] = true, true
	}
	return faults
}

func flattened(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// channelConfigs are the configured channels with their defaults.
func (c *Config) channelConfigs() []channel.Config {
	list := make([]channel.Config, 0, len(c.Channels))
	for _, configured := range c.Channels {
		configured = configured.WithDefaults()
		configured.Zone = c.Site.Zone
		list = append(list, configured)
	}
	return list
}

// payment is one channel of a running switch.
type payment struct {
	*channel.Channel
	config channel.Config
	notify http.Handler
	hangUp func() // closes connections that nobody uses
}

// channelRows keeps a channel's rows beside the ledger.
type channelRows struct {
	store *pebblestore.Store
	name  string
}

// rowChannel is the kind of directory rows that hold orders of channels: channel | 0 | key.
const rowChannel = 'c'

func (r channelRows) Put(rows map[string][]byte) error {
	list := make([]pebblestore.DirectoryRow, 0, len(rows))
	for key, value := range rows {
		list = append(list, pebblestore.DirectoryRow{Kind: rowChannel, Key: r.name + "\x00" + key, Value: value})
	}
	return r.store.PutDirectory(list)
}

func (r channelRows) Row(key string) ([]byte, error) {
	return r.store.Directory(rowChannel, r.name+"\x00"+key)
}

// channelCore is the engine as channels see it.
type channelCore struct {
	*transaction.Engine
	store *pebblestore.Store
}

func (c channelCore) Evidence(sequence uint64) (*transaction.Evidence, error) {
	e, day, err := c.store.Entry(sequence)
	if err != nil {
		return nil, err
	}
	if evidence := transaction.EvidenceOf(day, &e); evidence != nil {
		return evidence, nil
	}
	return nil, fmt.Errorf("entry %d is no operation", sequence)
}

// openChannels makes the configured channels, each with an operator of its own in the ledger. The engine does not run yet.
func (s *server) openChannels() error {
	configs := s.config.channelConfigs()
	if len(configs) == 0 {
		return nil
	}
	metrics := s.metrics.Channels()
	for _, c := range configs {
		keys, err := channel.LoadKeys(c)
		if err != nil {
			return fmt.Errorf("channel %s: %w", c.Name, err)
		}
		if err := s.registerChannelOperator(channel.Operator(c.Name)); err != nil {
			return err
		}
		transport := &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: channelIdle, MaxConnsPerHost: channelConnections, IdleConnTimeout: time.Minute,
			TLSHandshakeTimeout: 5 * time.Second, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
		}
		client := channel.NewClient(c, keys, transport, time.Now)
		opened, err := channel.Open(c, client, channelRows{s.opened.store, c.Name}, channelCore{s.opened.engine, s.opened.store}, s.channelEvents(metrics))
		if err != nil {
			return fmt.Errorf("channel %s: %w", c.Name, err)
		}
		p := &payment{Channel: opened, config: c, hangUp: transport.CloseIdleConnections, notify: channel.NewNotifications(opened, keys, time.Now)}
		s.payments = append(s.payments, p)
		expectChannel(metrics, c.Name)
		s.metrics.Gauge("onecard_channel_waiting", "Orders and refunds that wait for a payment channel.", map[string]string{"channel": c.Name}, func() float64 { return float64(opened.Waiting()) })
		s.log.Info("支付通道已启用 / payment channel ready", zap.String("channel", c.Name), zap.Int("waiting", opened.Waiting()))
	}
	return nil
}

// Bounds of the connections to one channel.
const (
	channelIdle        = 8
	channelConnections = 64
)

func expectChannel(m *telemetry.ChannelMetrics, name string) {
	var orders, refunds, outcomes, cases []string
	channel.States(func(s channel.State) { orders = append(orders, string(s)) })
	channel.RefundStates(func(s channel.RefundState) { refunds = append(refunds, string(s)) })
	channel.NotifyOutcomes(func(s string) { outcomes = append(outcomes, s) })
	channel.Cases(func(c channel.Case) { cases = append(cases, string(c)) })
	m.Expect(name, orders, refunds, outcomes, cases)
}

// registerChannelOperator registers who acts for a channel, with a token that nobody has. One that was suspended stays so: its channel's
// payments wait.
func (s *server) registerChannelOperator(code string) error {
	if _, known := s.opened.engine.State().OperatorByCode(code); known {
		return nil
	}
	var token [32]byte
	if _, err := io.ReadFull(s.options.Random, token[:]); err != nil {
		return fmt.Errorf("making a token: %w", err)
	}
	row := transaction.OperatorRow{Code: code, Roles: transaction.RoleCashier, TokenHash: sha256.Sum256(token[:])}
	return s.opened.engine.SetOperatorBeforeRun(row, "configuration", s.clock.micros())
}

func (s *server) channelEvents(m *telemetry.ChannelMetrics) channel.Events {
	return channel.Events{
		Order:      func(name string, state channel.State) { m.Order(name, string(state)) },
		Refund:     func(name string, state channel.RefundState) { m.Refund(name, string(state)) },
		Notified:   m.Notified,
		Reconciled: func(name string, c channel.Case, count int) { m.Reconciled(name, string(c), count) },
		Strange: func(name, number, what string) {
			m.Strange(name)
			s.log.Warn("支付通道来文与订单不符 / a payment channel's word does not fit", zap.String("channel", name), zap.String("order", number), zap.String("what", what))
		},
		Failed: func(name, number string, err error) {
			m.Failed(name)
			s.log.Warn("支付通道暂时不成,将重试 / a payment channel: not done, tried again", zap.String("channel", name), zap.String("order", number), zap.Error(err))
		},
	}
}

// answerNotification hands a notification to the channel that it came for.
func (s *server) answerNotification(w http.ResponseWriter, r *http.Request) {
	i := slices.IndexFunc(s.payments, func(p *payment) bool { return p.Name() == r.PathValue("channel") })
	if i < 0 {
		http.NotFound(w, r)
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(notifyTimeout)) // a recorder has none
	ctx, cancel := context.WithTimeout(r.Context(), notifyTimeout)
	defer cancel()
	s.payments[i].notify.ServeHTTP(w, r.WithContext(ctx))
}

// notifyTimeout is how long a notification may take to come and to be posted: channels wait about five seconds and come again.
const notifyTimeout = 10 * time.Second

// reconcilePause is how often it is looked whether a comparison is due; after a failure it is tried again that much later.
const reconcilePause = time.Minute

// keepChannel attends to a channel until the context ends.
func (s *server) keepChannel(ctx context.Context, p *payment) {
	defer p.hangUp()
	p.Run(ctx, s.clock.micros)
}

// reconcileChannel compares yesterday with the channel's file, once a day after its time, until the context ends.
func (s *server) reconcileChannel(ctx context.Context, p *payment) {
	tick := time.NewTicker(reconcilePause)
	defer tick.Stop()
	for {
		s.reconcileWhenDue(ctx, p)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *server) reconcileWhenDue(ctx context.Context, p *payment) {
	now := s.clock.micros()
	local := time.UnixMicro(now).UTC().Add(p.config.Zone)
	if local.Sub(local.Truncate(24*time.Hour)) < p.config.ReconcileAt {
		return
	}
	day := local.AddDate(0, 0, -1).Format(time.DateOnly)
	if _, done, err := p.Report(day); err != nil || done {
		return
	}
	report, err := p.Reconcile(ctx, day, now)
	if err != nil {
		if ctx.Err() == nil {
			s.log.Error("与支付通道对账失败,将重试 / comparing with a payment channel failed and will be tried again", zap.String("channel", p.Name()), zap.String("day", day), zap.Error(err))
		}
		return
	}
	tell := s.log.Info
	if !report.Settled() {
		tell = s.log.Warn
	}
	tell("已与支付通道对账 / compared with a payment channel", zap.String("channel", p.Name()), zap.String("day", day), zap.Int("equal", report.Equal),
		zap.Int("differences", len(report.Differences)), zap.Bool("settled", report.Settled()), zap.String("fees", report.Fees.String()))
}

// halves takes a text in both languages apart: Chinese stands first.
func halves(text string) (chinese, english string) {
	if before, after, both := strings.Cut(text, " / "); both {
		return before, after
	}
	return text, text
}
