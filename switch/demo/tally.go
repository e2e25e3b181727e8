package demo

import (
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
	"onecard/terminals/emulator"
)

// tally counts what terminals were told. It belongs to the conductor.
type tally struct {
	began    int64 // on the fleet's clock
	second   int64 // the running second, from began
	requests uint64
	approved uint64
	refused  map[emulator.ResponseCode]uint64
	loads    loadTally
	whole    *hdrhistogram.Histogram
	latest   [latestSeconds]*hdrhistogram.Histogram // by second, modulo
	counts   [latestSeconds]uint64
	rates    []float64
	tails    []time.Duration
	canteens []Canteen
	notices  []Event
	events   []Event
	shown    [2]int64 // when an approval and when a refusal was last shown
}

// loadTally counts bank loads as kiosks were told of them.
type loadTally struct {
	credited    uint64
	creditedFen money.Fen
	declined    uint64 // by the bank, by a limit, for want of a PIN
	unreachable uint64 // 91: nothing left the house
	silent      uint64 // 68 or 98: no answer from the bank, so it is reversed
}

const (
	// latestSeconds is how far "latest" figures look back.
	latestSeconds = 10
	// seriesSeconds is how much of the past the charts have.
	seriesSeconds = 900
	// eventsKept and noticesKept bound the feed.
	eventsKept  = 40
	noticesKept = 5
	// feedPause is the least time between two ordinary events of a kind: faster than this nobody reads.
	feedPause = int64(450 * time.Millisecond)
)

func newTally(canteens []string) *tally {
	t := &tally{refused: make(map[emulator.ResponseCode]uint64), whole: newHistogram(3)}
	for i := range t.latest {
		t.latest[i] = newHistogram(2)
	}
	for _, name := range canteens {
		t.canteens = append(t.canteens, Canteen{Name: name})
	}
	return t
}

// newHistogram holds a microsecond to five minutes.
func newHistogram(digits int) *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(5*time.Minute/time.Microsecond), digits)
}

// start begins the first second.
func (t *tally) start(now int64) { t.began = now }

// advance closes the seconds that have passed.
func (t *tally) advance(now int64) {
	for t.second < (now-t.began)/int64(time.Second) {
		h := t.latest[t.second%latestSeconds]
		t.rates = appendBounded(t.rates, float64(t.counts[t.second%latestSeconds]))
		t.tails = appendBounded(t.tails, time.Duration(h.ValueAtQuantile(99))*time.Microsecond)
		t.second++
		t.latest[t.second%latestSeconds].Reset()
		t.counts[t.second%latestSeconds] = 0
	}
}

// appendBounded forgets what is too old in steps of a chart's column, so that columns keep their seconds.
func appendBounded[T any](series []T, value T) []T {
	if len(series) >= seriesSeconds {
		series = slices.Delete(series, 0, chartSeconds)
	}
	return append(series, value)
}

// answered counts one answer. code is what the terminal was told, or 98 when it gave up.
func (t *tally) answered(x *tap, code emulator.ResponseCode, now int64, merchant int) {
	micros := max(1, (now-x.at)/1000)
	_ = t.whole.RecordValue(min(micros, t.whole.HighestTrackableValue())) // within bounds
	at := t.second % latestSeconds
	_ = t.latest[at].RecordValue(min(micros, t.latest[at].HighestTrackableValue()))
	t.counts[at]++
	t.requests++
	if code == emulator.Approved {
		t.approved++
	} else {
		t.refused[code]++
	}
	if x.kind == emulator.KindLoad {
		t.loads.count(code, x.amount)
	}
	if merchant >= 0 && code == emulator.Approved && x.kind == emulator.KindPurchase {
		t.canteens[merchant].Sold++
		t.canteens[merchant].Turnover += x.amount
	}
}

func (l *loadTally) count(code emulator.ResponseCode, amount money.Fen) {
	switch code.String() {
	case "00":
		l.credited++
		l.creditedFen += amount
	case "91":
		l.unreachable++
	case "68", "98":
		l.silent++
	default:
		l.declined++
	}
}

// queue counts customers in front of a merchant's terminals.
func (t *tally) queue(merchant, change int) {
	if merchant >= 0 {
		t.canteens[merchant].Queue += change
	}
}

// show puts an event into the feed, unless one of its kind has just been put there.
func (t *tally) show(e *Event, now int64, always bool) {
	kind := 0
	if e.Tone != toneApproved {
		kind = 1
	}
	if !always && now-t.shown[kind] < feedPause {
		return
	}
	t.shown[kind] = now
	t.events = slices.Insert(t.events, 0, *e)
	t.events = t.events[:min(len(t.events), eventsKept)]
}

// notice puts what a key has done above the feed.
func (t *tally) notice(e *Event) {
	t.notices = slices.Insert(t.notices, 0, *e)
	t.notices = t.notices[:min(len(t.notices), noticesKept)]
}

// view is the traffic as it is shown.
func (t *tally) view() TrafficView {
	v := TrafficView{Requests: t.requests, Approved: t.approved, Rates: slices.Clone(t.rates), Tails: slices.Clone(t.tails), Total: quantiles(t.whole)}
	latest := newHistogram(2)
	for _, h := range t.latest {
		latest.Merge(h)
	}
	v.Latest = quantiles(latest)
	if n := len(t.rates); n > 0 {
		v.Rate = mean(t.rates[max(0, n-2):])
	}
	for code, count := range t.refused {
		zh, en := iso8583.ResponseText(code.String())
		v.Refused = append(v.Refused, Refusal{code.String(), zh, en, count})
	}
	slices.SortFunc(v.Refused, func(a, b Refusal) int {
		if a.Count != b.Count {
			return int(int64(b.Count) - int64(a.Count))
		}
		return slices.Compare([]byte(a.Code), []byte(b.Code))
	})
	return v
}

func quantiles(h *hdrhistogram.Histogram) Quantiles {
	if h.TotalCount() == 0 {
		return Quantiles{}
	}
	at := func(q float64) time.Duration { return time.Duration(h.ValueAtQuantile(q)) * time.Microsecond }
	return Quantiles{at(50), at(99), at(99.9)}
}
