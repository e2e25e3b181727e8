package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"

	"onecard/ledger/money"
	"onecard/terminals/emulator"
)

// paced is an open loop at one rate: purchases are due at moments of a Poisson process, whether or not the switch keeps up, and a latency
// counts from the moment that was due. What a stalled switch keeps waiting is therefore counted with all its waiting (no coordinated omission).
type paced struct {
	fleet   *emulator.Fleet
	random  *rand.Rand
	rate    float64
	card    func(random *rand.Rand) uint64
	events  []*forced
	latency *hdrhistogram.Histogram
	lag     *hdrhistogram.Histogram // of the sending behind the moment that was due: this program's own
	slices  [][]uint32              // microseconds, by the tenth of a second that was due

	began    int64
	sent     int64
	answered int64
	refused  int64
	timeouts int64
	lastCode emulator.ResponseCode
}

// sliceSpan is the grain of the series.
const sliceSpan = 100 * time.Millisecond

// forced is something that is made to happen during the run.
type forced struct {
	mark
	do    func() error
	asked <-chan happening
}

// mark is an event on the time axis.
type mark struct {
	Name  string  `json:"name"`
	Title string  `json:"title"`
	At    float64 `json:"at_s"`
	Took  float64 `json:"took_ms"`
}

// moment is a point of the series.
type moment struct {
	At    float64 `json:"at_s"`
	Count int     `json:"count"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

func newPaced(rate float64, random *rand.Rand, card func(*rand.Rand) uint64) *paced {
	return &paced{rate: rate, random: random, card: card, latency: newHistogram(), lag: newHistogram()}
}

// begin forgets what was measured.
func (p *paced) begin(span time.Duration) {
	p.latency.Reset()
	p.lag.Reset()
	p.slices = make([][]uint32, int((span+sliceSpan-1)/sliceSpan))
	for i := range p.slices {
		p.slices[i] = make([]uint32, 0, int(1.2*p.rate*sliceSpan.Seconds())+64)
	}
	p.sent, p.answered, p.refused, p.timeouts = 0, 0, 0, 0
	p.began = p.fleet.Now()
}

// play sends what is due for so long and waits for what is in flight. Each second it calls tell.
func (p *paced) play(ctx context.Context, span time.Duration, tell func(seconds int)) error {
	unlock := promptTimers()
	defer unlock()
	p.begin(span)
	due, end, second := p.began, p.began+int64(span), 1
	for {
		due += int64(p.random.ExpFloat64() / p.rate * 1e9)
		if due >= end {
			break
		}
		if err := p.await(due); err != nil {
			return err
		}
		if err := p.send(due); err != nil {
			return err
		}
		if since := due - p.began; since >= int64(second)*1e9 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if second++; tell != nil {
				tell(second - 1)
			}
		}
		p.happen(due)
	}
	return p.end(ctx)
}

// unread is how many are sent before answers are looked for, when the loop is behind its time.
const unread = 16

// await turns the fleet until a moment has come.
func (p *paced) await(due int64) error {
	if p.sent%unread == 0 {
		if err := p.fleet.Poll(0); err != nil {
			return err
		}
	}
	for {
		wait := time.Duration(due - p.fleet.Now())
		if wait <= 0 {
			return nil
		}
		if err := p.fleet.Poll(wait); err != nil {
			return err
		}
	}
}

func (p *paced) send(due int64) error {
	n := p.random.Uint64()
	p.sent++
	err := p.fleet.Send(int(n%uint64(p.fleet.Len())), emulator.Request{
		Kind: emulator.KindPurchase, Card: p.card(p.random), Amount: 50 + money.Fen(n>>40%2000), Planned: due,
	})
	if err != nil {
		return err
	}
	_ = p.lag.RecordValue((p.fleet.Now() - due) / 1e3) // one of more than a minute makes the run void with all that are before it
	return nil
}

// happen begins the events whose time has come. They go on beside the load.
func (p *paced) happen(now int64) {
	for _, e := range p.events {
		if e.asked == nil && float64(now-p.began)/1e9 >= e.At {
			e.At = float64(p.fleet.Now()-p.began) / 1e9
			e.asked = askBeside(e.do)
		}
	}
}

// end waits for what is in flight and for the events.
func (p *paced) end(ctx context.Context) error {
	for limit := p.fleet.Now() + int64(patience); !p.fleet.Idle(); {
		if err := p.fleet.Poll(10 * time.Millisecond); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if p.fleet.Now() > limit {
			return fmt.Errorf("%d 笔一分钟未答 / %[1]d requests without an answer for a minute", p.fleet.Stats().Waiting)
		}
	}
	for _, e := range p.events {
		if e.asked == nil {
			return fmt.Errorf("%s: 未发生 / did not happen", e.Name)
		}
		happened := <-e.asked
		if happened.err != nil {
			return fmt.Errorf("%s: %w", e.Name, happened.err)
		}
		e.Took = float64(happened.took.Microseconds()) / 1e3
	}
	return nil
}

func (p *paced) onAnswer(_ int, a *emulator.Answer) {
	switch {
	case a.GivenUp:
		p.timeouts++
	case a.Code != emulator.Approved:
		p.refused++
		p.lastCode = a.Code
	}
	p.answered++
	took := max(0, (p.fleet.Moment()-a.Planned)/1e3)
	_ = p.latency.RecordValue(took) // a minute at most: the deadline is shorter
	if i := int((a.Planned - p.began) / int64(sliceSpan)); i >= 0 && i < len(p.slices) {
		p.slices[i] = append(p.slices[i], uint32(took))
	}
}

// series is what became of the purchases that were due in each tenth of a second.
func (p *paced) series() []moment {
	series := make([]moment, 0, len(p.slices))
	for i, of := range p.slices {
		m := moment{At: float64(i) * sliceSpan.Seconds(), Count: len(of)}
		if len(of) > 0 {
			slices.Sort(of)
			at := func(share float64) float64 { return float64(of[int(share*float64(len(of)-1)+0.5)]) / 1e3 }
			m.P50, m.P99, m.Max = at(0.5), at(0.99), at(1)
		}
		series = append(series, m)
	}
	return series
}

// promptTimers lets waits of this goroutine end within microseconds of their time in place of the system's fifty, so that nothing has to
// turn a processor to keep the pace. It holds the goroutine on its thread until the function that it returns is called.
func promptTimers() (back func()) {
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // without it the loop is late by as much, which the lag shows
	return func() {
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) // 0: the default
		runtime.UnlockOSThread()
	}
}
