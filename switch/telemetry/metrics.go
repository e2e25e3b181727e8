package telemetry

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"onecard/switch/transaction"
)

// durationBuckets suit a switch that aims at a p99 of 20 ms (handbook 2.0) and a bank that answers in seconds.
var durationBuckets = []float64{.0002, .0005, .001, .002, .003, .005, .0075, .01, .015, .02, .03, .05, .1, .2, .5, 1, 2, 5, 10, 20}

// groupBuckets count entries in a block.
var groupBuckets = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096}

// Metrics are the switch's metrics. Methods may be called by any goroutine; Answered by one at a time.
type Metrics struct {
	registry *prometheus.Registry

	transactions [256][]prometheus.Counter // by kind, then reason
	kinds        *prometheus.CounterVec
	tally        [256][]int // of one group, so that a group of 1,000 costs a few additions
	duration     prometheus.Observer
	loadDuration prometheus.Observer

	groupEntries prometheus.Histogram
	journalBytes prometheus.Counter
	appendTime   prometheus.Histogram
	loads        *prometheus.CounterVec
	rejected     *prometheus.CounterVec
	closed       *prometheus.CounterVec
	macFailures  prometheus.Counter
	bankMessages *prometheus.CounterVec
	bankFaults   *prometheus.CounterVec
	bankRefusals *prometheus.CounterVec
	bankKeys     *prometheus.CounterVec
	bankFiles    *prometheus.CounterVec
	bankTotals   *prometheus.CounterVec
	withdrawals  *prometheus.CounterVec
	ownerBusy    prometheus.Counter
	checkpointed prometheus.Histogram
	stalls       prometheus.Counter
	slowDisk     prometheus.Counter
	held         *prometheus.CounterVec
	dropped      prometheus.Counter
	desk         *prometheus.CounterVec
	deskTime     prometheus.Histogram
	unidentified *prometheus.CounterVec
}

// reasons bounds the reasons a metric is kept for: the core has fewer.
const reasons = 64

// kindNames are the kinds a metric is kept for.
var kindNames = map[transaction.Kind]string{
	transaction.KindSignOn: "sign_on", transaction.KindSignOff: "sign_off", transaction.KindEcho: "echo", transaction.KindBalance: "balance",
	transaction.KindPurchase: "purchase", transaction.KindLoad: "load", transaction.KindReversal: "reversal", transaction.KindPassage: "passage",
}

func histogram(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
	}
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

// New registers the metrics. version labels onecard_build_info.
func New(version string) *Metrics {
	m := &Metrics{
		registry:     prometheus.NewRegistry(),
		kinds:        counters("onecard_transactions_total", "Answers given, by kind, response code (DE 39) and reason.", "kind", "code", "reason"),
		groupEntries: prometheus.NewHistogram(histogram("onecard_journal_group_entries", "Entries per block handed to the journal.", groupBuckets)),
		journalBytes: counter("onecard_journal_bytes_total", "Bytes of blocks handed to the journal."),
		appendTime:   prometheus.NewHistogram(histogram("onecard_journal_append_duration_seconds", "From handing a block to the journal until it and its witness are on disk.", durationBuckets)),
		loads:        counters("onecard_loads_total", "Bank loads by the state they reached.", "state"),
		withdrawals:  counters("onecard_withdrawals_total", "Withdrawals to bank accounts by the state they reached.", "state"),
		rejected:     counters("onecard_terminal_frames_rejected_total", "Frames refused before the core saw them, by fault.", "fault"),
		closed:       counters("onecard_terminal_connections_closed_total", "Terminal connections closed, by reason.", "reason"),
		macFailures:  counter("onecard_terminal_mac_failures_total", "Messages with a wrong MAC."),
		bankMessages: counters("onecard_bank_messages_total", "Messages on the bank links, by bank, direction and MTI.", "bank", "direction", "mti"),
		bankFaults:   counters("onecard_bank_faults_total", "Answers of a bank that fit nothing, by bank and fault.", "bank", "fault"),
		bankRefusals: counters("onecard_bank_loads_refused_total", "Loads declined because they could not be sent to the bank, by bank and cause.", "bank", "cause"),
		bankKeys:     counters("onecard_bank_key_changes_total", "New MAC keys that a bank has given over the link.", "bank"),
		bankFiles:    counters("onecard_bank_files_total", "Files of a bank's folder, by what came of them.", "bank", "result"),
		bankTotals:   counters("onecard_bank_totals_total", "What a bank has said about a day's totals, by our verdict.", "bank", "verdict"),
		ownerBusy:    counter("onecard_bank_owner_busy_total", "Times outcomes of loads had to wait because the owner's inbox was full."),
		checkpointed: prometheus.NewHistogram(histogram("onecard_checkpoint_duration_seconds", "Time to write a checkpoint behind the switch.", durationBuckets)),
		stalls:       counter("onecard_journal_write_stalls_total", "Times Pebble held up writes."),
		slowDisk:     counter("onecard_journal_disk_slow_total", "Disk operations that Pebble reported as slow."),
		held:         counters("onecard_terminal_reading_held_total", "Times reading was stopped because a bound was reached.", "bound"),
		desk:         counters("onecard_desk_requests_total", "Requests of the desk API, by act and outcome.", "act", "outcome"),
		deskTime:     prometheus.NewHistogram(histogram("onecard_desk_request_duration_seconds", "From a request of the desk API to its answer.", durationBuckets)),
		unidentified: counters("onecard_desk_unidentified_total", "Requests of the desk API whose token was not accepted, by rule.", "rule"),
		dropped:      counter("onecard_terminal_answers_dropped_total", "Answers whose asker had gone: he asks again."),
	}
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{ // not native, too: that would cost each purchase 80 ns
		Name: "onecard_transaction_duration_seconds", Help: "From receiving a request to its durable answer.", Buckets: durationBuckets,
	}, []string{"kind"})
	m.duration, m.loadDuration = durations.WithLabelValues("local"), durations.WithLabelValues("load")
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "onecard_build_info", Help: "1, labelled with the program's version.", ConstLabels: prometheus.Labels{"version": version}})
	build.Set(1)
	m.registry.MustRegister(m.kinds, durations, m.groupEntries, m.journalBytes, m.appendTime, m.loads, m.withdrawals, m.rejected, m.closed, m.macFailures,
		m.bankMessages, m.bankFaults, m.bankRefusals, m.bankKeys, m.bankFiles, m.bankTotals, m.ownerBusy, m.checkpointed, m.stalls, m.slowDisk, m.held, m.dropped, m.desk, m.deskTime, m.unidentified, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.prepare()
	return m
}

// prepare makes the handles of the hot path and the series that alerts look at, so that they exist before the first event.
func (m *Metrics) prepare() {
	for kind := range kindNames {
		m.transactions[kind] = make([]prometheus.Counter, reasons)
		m.tally[kind] = make([]int, reasons)
	}
	for _, state := range []string{"sent", "confirmed", "declined", "unknown", "reversed", "late", "manual"} {
		m.loads.WithLabelValues(state)
	}
	for _, state := range []string{"sent", "paid", "declined", "unknown", "manual", "late"} {
		m.withdrawals.WithLabelValues(state)
	}
	m.kinds.WithLabelValues("purchase", "00", "none")
	for _, rule := range []string{"token_missing", "token_wrong", "operator_suspended", "tls_required"} {
		m.unidentified.WithLabelValues(rule)
	}
	for _, bound := range []string{"connection", "total"} {
		m.held.WithLabelValues(bound)
	}
}

// Labels visits every label that an event may bring.
type Labels func(visit func(label string))

// ExpectTerminals makes the series of the terminal link before their first event: a counter that appears with its first event has not
// increased in the eyes of Prometheus, and an alert on it would come one event late.
func (m *Metrics) ExpectTerminals(rejections, closeReasons Labels) {
	rejections(func(label string) { m.rejected.WithLabelValues(label) })
	closeReasons(func(label string) { m.closed.WithLabelValues(label) })
}

// ExpectBank does the same for a bank.
func (m *Metrics) ExpectBank(bank string, faults, refusals, messageTypes Labels) {
	m.bankKeys.WithLabelValues(bank)
	for _, result := range []string{"agreed", "differs", "refused", "failed"} {
		m.bankFiles.WithLabelValues(bank, result)
	}
	faults(func(label string) { m.bankFaults.WithLabelValues(bank, label) })
	refusals(func(label string) { m.bankRefusals.WithLabelValues(bank, label) })
	messageTypes(func(mti string) {
		m.bankMessages.WithLabelValues(bank, "in", mti)
		m.bankMessages.WithLabelValues(bank, "out", mti)
	})
}

// Answered counts the decisions of one durable group at the moment they are sent.
func (m *Metrics) Answered(decisions []transaction.Decision, now int64) {
	for i := range decisions {
		d := &decisions[i]
		tally := m.tally[d.Kind]
		if d.Silent || tally == nil {
			continue
		}
		tally[d.Reason]++
		if d.Kind == transaction.KindLoad {
			m.loadDuration.Observe(float64(now-d.Received) / 1e6)
		} else {
			m.duration.Observe(float64(now-d.Received) / 1e6)
		}
		if d.Kind == transaction.KindLoad && d.Reason == transaction.ReasonBankDeclined {
			m.kinds.WithLabelValues(kindNames[d.Kind], d.Code.String(), d.Reason.String()).Inc()
			tally[d.Reason]--
		}
	}
	for kind := range kindNames {
		for reason, n := range m.tally[kind] {
			if n > 0 {
				m.count(kind, transaction.Reason(reason), n)
				m.tally[kind][reason] = 0
			}
		}
	}
}

func (m *Metrics) count(kind transaction.Kind, reason transaction.Reason, n int) {
	handle := m.transactions[kind][reason]
	if handle == nil {
		handle = m.kinds.WithLabelValues(kindNames[kind], reason.Code().String(), reason.String())
		m.transactions[kind][reason] = handle
	}
	handle.Add(float64(n))
}

// Group counts one block handed to the journal.
func (m *Metrics) Group(entries uint32, bytes int) {
	m.groupEntries.Observe(float64(entries))
	m.journalBytes.Add(float64(bytes))
}

// Synced says how long a block took to be durable.
func (m *Metrics) Synced(took time.Duration) { m.appendTime.Observe(took.Seconds()) }

// LoadState counts a load that reached a state.
func (m *Metrics) LoadState(state string) { m.loads.WithLabelValues(state).Inc() }

// WithdrawalState counts a withdrawal to a bank account that reached a state.
func (m *Metrics) WithdrawalState(state string) { m.withdrawals.WithLabelValues(state).Inc() }

// FrameRejected counts a frame by its fault.
func (m *Metrics) FrameRejected(fault string) { m.rejected.WithLabelValues(fault).Inc() }

// ConnectionClosed counts a terminal connection by why it was closed.
func (m *Metrics) ConnectionClosed(reason string) { m.closed.WithLabelValues(reason).Inc() }

// MACFailed counts a wrong MAC.
func (m *Metrics) MACFailed() { m.macFailures.Inc() }

// Held counts a stop of reading at a bound.
func (m *Metrics) Held(bound string) { m.held.WithLabelValues(bound).Inc() }

// AnswerDropped counts an answer whose asker had gone.
func (m *Metrics) AnswerDropped() { m.dropped.Inc() }

// BankMessage counts a message on a link of a bank; direction is "in" or "out".
func (m *Metrics) BankMessage(bank, direction, mti string) {
	m.bankMessages.WithLabelValues(bank, direction, mti).Inc()
}

// BankRefused counts a load that could not be sent to a bank.
func (m *Metrics) BankRefused(bank, cause string) { m.bankRefusals.WithLabelValues(bank, cause).Inc() }

// OwnerBusy counts a wait for the owner's inbox.
func (m *Metrics) OwnerBusy() { m.ownerBusy.Inc() }

// BankKeyChanged counts a new MAC key of a bank's.
func (m *Metrics) BankKeyChanged(bank string) { m.bankKeys.WithLabelValues(bank).Inc() }

// BankFile counts a file of a bank's folder: agreed, differs, refused or failed.
func (m *Metrics) BankFile(bank, result string) { m.bankFiles.WithLabelValues(bank, result).Inc() }

// ExpectBankTotals shows a verdict before it is counted.
func (m *Metrics) ExpectBankTotals(bank, verdict string) { m.bankTotals.WithLabelValues(bank, verdict) }

// BankTotals counts what a bank has said about a day's totals.
func (m *Metrics) BankTotals(bank, verdict string) { m.bankTotals.WithLabelValues(bank, verdict).Inc() }

// BankFault counts an answer of a bank that fits nothing.
func (m *Metrics) BankFault(bank, fault string) { m.bankFaults.WithLabelValues(bank, fault).Inc() }

// Checkpointed counts a checkpoint and how long it took.
func (m *Metrics) Checkpointed(took time.Duration) { m.checkpointed.Observe(took.Seconds()) }

// WriteStalled counts a time that Pebble held up writes.
func (m *Metrics) WriteStalled() { m.stalls.Inc() }

// DiskSlow counts a slow disk operation.
func (m *Metrics) DiskSlow() { m.slowDisk.Inc() }

// Gauge registers a value that is read at each scrape. read must be quick and safe to call from any goroutine.
func (m *Metrics) Gauge(name, help string, labels map[string]string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, read))
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// DeskAsked counts a request of the desk API.
func (m *Metrics) DeskAsked(act, outcome string, took time.Duration) {
	m.desk.WithLabelValues(act, outcome).Inc()
	m.deskTime.Observe(took.Seconds())
}

// DeskUnidentified counts a request whose token was not accepted.
func (m *Metrics) DeskUnidentified(rule string) { m.unidentified.WithLabelValues(rule).Inc() }
