package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/spf13/cobra"

	"onecard/switch/iso8583"
	"onecard/terminals/emulator"
	"onecard/terminals/emulator/samplecampus"
)

// lunch is the open loop: arrivals come when the campus's curve says so, whether or not the switch keeps up, and a latency counts from
// the planned moment.
type lunch struct {
	common
	rates   []float64
	seconds float64
	pos     int
	json    string
	text    string
}

func defaultLunch() lunch {
	return lunch{rates: []float64{37, 1000, 5000, 10000}, seconds: 15, pos: 937, text: "out/bench-lunch.txt", json: "out/lunch.json"}
}

func (l *lunch) addOwn(c *cobra.Command, prefix string) {
	c.Flags().Float64SliceVar(&l.rates, "rate", l.rates, "最忙一分钟的每秒笔数,可多个 / requests a second in the worst minute, several allowed")
	c.Flags().Float64Var(&l.seconds, prefix+"seconds", l.seconds, "每档秒数 / seconds at each rate")
	c.Flags().IntVar(&l.pos, "pos", l.pos, "收款机台数 / POS terminals")
	c.Flags().StringVar(&l.json, prefix+"json", l.json, "结果写入 JSON / write the results as JSON")
	c.Flags().StringVar(&l.text, prefix+"text", l.text, "结果写成 Go 基准格式 / write the results for benchstat")
}

func newLunchCommand() *cobra.Command {
	l := defaultLunch()
	c := &cobra.Command{
		Use: "lunch", Short: "开环午餐高峰,从计划时刻计延迟 / open loop of the lunch rush, latency from the planned moment", Args: cobra.NoArgs,
		Long: `开环重放午餐最忙的几分钟(11:48 前后),到达时刻由曲线决定,不等应答;延迟从计划时刻算起,所以排队也算在内。
圈存要等银行(模拟,约 30 ms),单列一栏。
缺省 37/s 是一所日均 20 万笔的大学的真实高峰,其余为余量。发生器自身滞后 p99 超过 1 ms 时该档作废。
Replays the worst minutes of lunch in an open loop. Bank loads wait for a simulated bank (about 30 ms) and have a column of their own. 37 a second is the true peak of a university with 200,000 transactions a day; the
other rates show headroom. A rate at which the generator itself lags more than 1 ms (p99) is void, and marked so.`,
		RunE: func(c *cobra.Command, _ []string) error { return l.run(c.Context(), c.OutOrStdout()) },
	}
	l.add(c)
	l.addOwn(c, "")
	return c
}

// worstMinuteShare of a day's transactions falls into 11:48 (handbook 5.2).
const worstMinuteShare = 0.0112

// lunchStart is a little before the worst minute.
const lunchStart = 11*time.Hour + 47*time.Minute + 30*time.Second

// serving is a row of the table.
type serving struct {
	Rate     float64 `json:"rate"` // in the worst minute, as asked for
	Offered  float64 `json:"offered_tps"`
	Accepted float64 `json:"accepted_tps"`
	P50      float64 `json:"p50_ms"`
	P90      float64 `json:"p90_ms"`
	P99      float64 `json:"p99_ms"`
	P999     float64 `json:"p999_ms"`
	Max      float64 `json:"max_ms"`
	Refused  float64 `json:"refused_share"`
	Timeouts int64   `json:"timeouts"`
	CPU      float64 `json:"cpu_share"` // of one processor, of the switch
	Lag      float64 `json:"generator_lag_p99_ms"`
	LoadP99  float64 `json:"load_p99_ms"` // bank loads, which take the bank's time and are in no other figure but accepted and refused
	Void     bool    `json:"void"`
}

// lunchBank answers as banks do: most loads in 30 ms.
const lunchBank = "970 delay 30ms; 20 decline 51; 9 delay 200ms; 1 drop"

// lagLimit is the generator's own lag, in milliseconds, above which a row is void (ecosystem handbook 11).
const lagLimit = 1.0

func (l *lunch) run(ctx context.Context, out io.Writer) error {
	fmt.Fprintf(out, "午餐 lunch   %d POS   %d 持卡人 holders   种子 seed %d\n准备校园 / preparing the campus …\n", l.pos, holders, l.seed)
	o := campusOptions(l.seed, l.pos)
	o.Gates, o.Kiosks = 40, 6
	b, err := newBank(ctx, l.seed, lunchBank)
	if err != nil {
		return err
	}
	defer b.close()
	site, err := newSite(ctx, l.common, samplecampus.New(o), "", b)
	if err != nil {
		return err
	}
	defer site.remove()
	h := &house{site: site, servers: make(map[string]*process), bank: b}
	if h.receipts, err = site.newReceipts(); err != nil {
		return err
	}
	defer h.end()
	if h.servers["switch"], err = site.serve(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "%10s %10s %9s %9s %9s %9s %9s %8s %8s %6s %9s %9s\n",
		"offered/s", "accepted/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms", "refused", "timeouts", "cpu", "load p99", "lag p99")
	var rows []serving
	for _, rate := range l.rates {
		row, err := l.serve(ctx, h, rate)
		if err != nil {
			return fmt.Errorf("%g/s: %w", rate, err)
		}
		printServing(out, &row)
		rows = append(rows, row)
	}
	fmt.Fprintln(out, machine(site.folder))
	if err := l.write(rows); err != nil {
		return err
	}
	return h.close(ctx, out)
}

func printServing(out io.Writer, r *serving) {
	void := ""
	if r.Void {
		void = "  作废:发生器滞后 / VOID: the generator lagged"
	}
	fmt.Fprintf(out, "%10.0f %10.0f %9.2f %9.2f %9.2f %9.2f %9.2f %7.2f%% %8d %5.0f%% %6.1f ms %6.2f ms%s\n",
		r.Offered, r.Accepted, r.P50, r.P90, r.P99, r.P999, r.Max, 100*r.Refused, r.Timeouts, 100*r.CPU, r.LoadP99, r.Lag, void)
}

func (l *lunch) write(rows []serving) error {
	if l.json != "" {
		if err := writeJSON(l.json, rows); err != nil {
			return err
		}
	}
	var text bytes.Buffer
	for _, r := range rows {
		fmt.Fprintf(&text, "BenchmarkLunch/%.0f-%d 1 %.3f p50-ms %.3f p99-ms %.3f p99.9-ms %.0f accepted/s %.3f cpu\n",
			r.Rate, runtime.NumCPU(), r.P50, r.P99, r.P999, r.Accepted, r.CPU)
	}
	return writeBenchmarks(l.text, text.Bytes())
}

// openLoop plays planned arrivals.
type openLoop struct {
	fleet    *emulator.Fleet
	campus   *samplecampus.Campus
	latency  *hdrhistogram.Histogram
	loads    *hdrhistogram.Histogram
	lag      *hdrhistogram.Histogram
	offered  int64
	answered int64
	refused  int64
	timeouts int64
}

// serve plays one rate on a day of its own.
func (l *lunch) serve(ctx context.Context, h *house, rate float64) (serving, error) {
	campus := h.site.campus
	p := h.servers["switch"]
	r := &openLoop{campus: campus, latency: newHistogram(), loads: newHistogram(), lag: newHistogram()}
	f, err := emulator.NewFleet(emulator.FleetConfig{
		Address: p.address, Devices: devices(campus, len(campus.Terminals), 16), OnAnswer: r.onAnswer, Memory: h.receipts.Memory,
		Deadline: 10 * time.Second, Seed: l.seed,
	})
	if err != nil {
		return serving{}, err
	}
	defer f.Close()
	r.fleet = f
	if err := f.ConnectAll(time.Minute); err != nil {
		return serving{}, err
	}
	traffic := campus.Traffic(samplecampus.Plan{Seed: l.seed, Start: lunchStart, Speed: 1, Transactions: rate * 60 / worstMinuteShare})
	cpuBefore, err := p.cpu()
	if err != nil {
		return serving{}, err
	}
	span := time.Duration(l.seconds * float64(time.Second))
	if err := r.play(ctx, traffic, span); err != nil {
		return serving{}, err
	}
	cpuAfter, err := p.cpu()
	if err != nil {
		return serving{}, err
	}
	row := serving{
		Rate: rate, Offered: float64(r.offered) / l.seconds, Accepted: float64(r.answered) / l.seconds, P50: milliseconds(r.latency, 50), P90: milliseconds(r.latency, 90),
		P99: milliseconds(r.latency, 99), P999: milliseconds(r.latency, 99.9), Max: float64(r.latency.Max()) / 1e3, Timeouts: r.timeouts,
		Refused: float64(r.refused) / float64(max(r.answered, 1)), CPU: float64(cpuAfter-cpuBefore) / float64(span), Lag: milliseconds(r.lag, 99), LoadP99: milliseconds(r.loads, 99),
	}
	row.Void = row.Lag > lagLimit
	return row, h.receipts.put()
}

// ahead is how long before an arrival the loop stops waiting for answers and watches the clock: a wait ends late by the system's timer
// slack of 50 us. Longer would take the switch's processor away.
const ahead = 60 * time.Microsecond

// play sends each arrival at its moment and waits for what is in flight at the end.
func (r *openLoop) play(ctx context.Context, traffic *samplecampus.Traffic, span time.Duration) error {
	f := r.fleet
	began := f.Now()
	for next := traffic.Next(); next.At < span; next = traffic.Next() {
		planned := began + int64(next.At)
		for {
			wait := time.Duration(planned - f.Now())
			if wait <= 0 {
				break
			}
			if err := f.Poll(max(0, wait-ahead)); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.arrive(&next, planned); err != nil {
			return err
		}
	}
	for limit := f.Now() + int64(time.Minute); !f.Idle(); {
		if err := f.Poll(10 * time.Millisecond); err != nil {
			return err
		}
		if f.Now() > limit {
			return fmt.Errorf("%d 笔一分钟未答 / %d requests without an answer for a minute", f.Stats().Waiting, f.Stats().Waiting)
		}
	}
	return nil
}

func (r *openLoop) arrive(e *samplecampus.Event, planned int64) error {
	holder := &r.campus.Holders[e.Card]
	request := emulator.Request{Card: holder.Card, Amount: e.Amount, Planned: planned}
	if e.PIN {
		request.PIN = iso8583.PIN(holder.PIN)
	}
	if e.WrongPIN {
		request.PIN = wrongPIN(holder.PIN)
	}
	switch e.Kind {
	case samplecampus.Purchase:
		request.Kind = emulator.KindPurchase
	case samplecampus.Balance:
		request.Kind = emulator.KindBalance
	case samplecampus.Load:
		request.Kind = emulator.KindLoad
	default:
		request.Kind, request.Direction = emulator.KindPassage, emulator.In
		if e.Leaving {
			request.Direction = emulator.Out
		}
	}
	r.offered++
	if err := r.fleet.Send(e.Terminal, request); err != nil {
		return err
	}
	r.fleet.Flush()
	_ = r.lag.RecordValue((r.fleet.Now() - planned) / 1e3) // above a minute the row is void anyway
	if e.Repeat && r.fleet.SignedOn(e.Terminal) {
		_ = r.fleet.Repeat(e.Terminal, r.fleet.Device(e.Terminal).Trace()) // one that still waits for its turn is not repeated
	}
	return nil
}

// wrongPIN differs from a PIN in its last digit.
func wrongPIN(pin string) iso8583.PIN {
	last := (pin[len(pin)-1]-'0'+1)%10 + '0'
	return iso8583.PIN(pin[:len(pin)-1] + string(rune(last)))
}

func (r *openLoop) onAnswer(_ int, a *emulator.Answer) {
	switch {
	case a.GivenUp:
		r.timeouts++
		return
	case a.Code != emulator.Approved:
		r.refused++
	}
	r.answered++
	h := r.latency
	if a.Kind == emulator.KindLoad {
		h = r.loads
	}
	_ = h.RecordValue((r.fleet.Moment() - a.Planned) / 1e3) // a minute at most: the deadline is shorter
}
