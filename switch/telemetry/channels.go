package telemetry

import "github.com/prometheus/client_golang/prometheus"

// ChannelMetrics are those of third-party payment channels. Labels are closed sets: a channel's configured name, a state, an outcome, a case.
type ChannelMetrics struct {
	orders     *prometheus.CounterVec
	refunds    *prometheus.CounterVec
	notified   *prometheus.CounterVec
	reconciled *prometheus.GaugeVec
	failures   *prometheus.CounterVec
	strange    *prometheus.CounterVec
}

// Channels registers the metrics of payment channels. It is called once, by a switch that has some.
func (m *Metrics) Channels() *ChannelMetrics {
	c := &ChannelMetrics{
		orders:   counters("onecard_channel_orders_total", "Third-party top-up orders by the state they reached.", "channel", "state"),
		refunds:  counters("onecard_channel_refunds_total", "Third-party refunds by the state they reached.", "channel", "state"),
		notified: counters("onecard_channel_notifications_total", "Notifications of payment channels by outcome.", "channel", "outcome"),
		reconciled: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "onecard_channel_reconciled", Help: "Numbers of the newest comparison with a channel's file, by case.",
		}, []string{"channel", "case"}),
		failures: counters("onecard_channel_failures_total", "Things of a payment channel that could not be done and are tried again.", "channel"),
		strange:  counters("onecard_channel_strange_total", "Words of a payment channel that fit nothing and moved nothing.", "channel"),
	}
	m.registry.MustRegister(c.orders, c.refunds, c.notified, c.reconciled, c.failures, c.strange)
	return c
}

// Expect makes the series of a channel before the first event.
func (c *ChannelMetrics) Expect(channel string, orders, refunds, outcomes, cases []string) {
	for _, state := range orders {
		c.orders.WithLabelValues(channel, state)
	}
	for _, state := range refunds {
		c.refunds.WithLabelValues(channel, state)
	}
	for _, outcome := range outcomes {
		c.notified.WithLabelValues(channel, outcome)
	}
	for _, of := range cases {
		c.reconciled.WithLabelValues(channel, of)
	}
	c.failures.WithLabelValues(channel)
	c.strange.WithLabelValues(channel)
}

// Order counts an order that has reached a state.
func (c *ChannelMetrics) Order(channel, state string) { c.orders.WithLabelValues(channel, state).Inc() }

// Refund counts a refund that has reached a state.
func (c *ChannelMetrics) Refund(channel, state string) {
	c.refunds.WithLabelValues(channel, state).Inc()
}

// Notified counts a notification.
func (c *ChannelMetrics) Notified(channel, outcome string) {
	c.notified.WithLabelValues(channel, outcome).Inc()
}

// Reconciled keeps what the newest comparison has found.
func (c *ChannelMetrics) Reconciled(channel, of string, count int) {
	c.reconciled.WithLabelValues(channel, of).Set(float64(count))
}

// Failed counts what could not be done.
func (c *ChannelMetrics) Failed(channel string) { c.failures.WithLabelValues(channel).Inc() }

// Strange counts what fits nothing.
func (c *ChannelMetrics) Strange(channel string) { c.strange.WithLabelValues(channel).Inc() }
