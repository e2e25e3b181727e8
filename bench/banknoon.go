package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/spf13/cobra"

	"onecard/switch/iso8583"
	"onecard/terminals/emulator"
	"onecard/terminals/emulator/samplecampus"
)

// bankNoon is the bank failing at noon: what purchases feel of it, and what a kiosk is told.
type bankNoon struct {
	common
	rate    float64
	loads   float64
	seconds float64
	rounds  int
	pos     int
	holders int
	json    string
}

func newBankNoonCommand() *cobra.Command {
	n := bankNoon{rate: 2000, loads: 50, seconds: 5, rounds: 3, pos: 400, holders: holders}
	c := &cobra.Command{
		Use: "banknoon", Short: "正午银行中断,消费时延不受影响 / the bank goes down at noon: what purchases feel of it", Args: cobra.NoArgs,
		Long: `开环消费与圈存同时进行,银行依次为:正常(30 ms)、缓慢(700 ms)、无声(收而不答)、断线;每轮都走一遍,所以各行可比。
断线时圈存应立即被拒并给出理由(91),而不是等到超时。延迟从计划时刻算起。最后复算账本,并与银行账簿核对。
Purchases and loads in an open loop while the bank is healthy (30 ms), slow (700 ms), silent (takes and never answers) and down; every round
goes through all of them, so the rows compare. While it is down a load is refused at once and with its reason (91), it does not wait for a
time-out. Latency counts from the planned moment. At the end the ledger is replayed and held against the bank's books.`,
		RunE: func(c *cobra.Command, _ []string) error { return n.run(c.Context(), c.OutOrStdout()) },
	}
	n.add(c)
	c.Flags().Float64Var(&n.rate, "rate", n.rate, "每秒消费笔数 / purchases a second")
	c.Flags().Float64Var(&n.loads, "loads", n.loads, "每秒圈存笔数 / loads a second")
	c.Flags().Float64Var(&n.seconds, "seconds", n.seconds, "每段秒数 / seconds of one span")
	c.Flags().IntVar(&n.rounds, "rounds", n.rounds, "轮数 / rounds")
	c.Flags().IntVar(&n.pos, "pos", n.pos, "收款机台数 / POS terminals")
	c.Flags().IntVar(&n.holders, "holders", n.holders, "持卡人数 / holders of the campus")
	c.Flags().StringVar(&n.json, "json", "", "结果写入 JSON / write the results as JSON")
	_ = c.MarkFlagFilename("json", "json")
	return c
}

// noonState is how the bank is, by what is done to it.
type noonState struct {
	name, zh string
	script   string // of the bank
	cut      bool
}

// noonStates of a round, in their order. down comes last: the round that follows begins with links that come back.
var noonStates = []noonState{
	{"healthy", "正常", "always delay 30ms; echo: always approve", false},
	{"slow", "缓慢", "always delay 700ms; echo: always approve", false},
	{"silent", "无声", "always drop; echo: always lose", false},
	{"down", "断线", "always delay 30ms; echo: always approve", true},
}

// noonKiosks is how many kiosks there are; each may have as many loads in flight as a connection may.
const noonKiosks = 16

// noonPause lets a state of the bank take hold before it is measured: links break or come back, and what was in flight ends.
const noonPause = 2500 * time.Millisecond

// noonRow is a row of the table: all rounds of one state.
type noonRow struct {
	State     string           `json:"bank"`
	Offered   float64          `json:"offered_tps"`
	Accepted  float64          `json:"accepted_tps"`
	P50       float64          `json:"p50_ms"`
	P99       float64          `json:"p99_ms"`
	P999      float64          `json:"p999_ms"`
	Max       float64          `json:"max_ms"`
	Refused   int64            `json:"refused"`
	LoadCodes map[string]int64 `json:"load_codes"`
	LoadText  string           `json:"load_refusal,omitempty"` // what a kiosk shows
	LoadP50   float64          `json:"load_p50_ms"`
	LoadP99   float64          `json:"load_p99_ms"`
	Lag       float64          `json:"generator_lag_p99_ms"`
	Void      bool             `json:"void"`
}

// noonLoop is the open loop of one state.
type noonLoop struct {
	*noonShared
	purchases, loads, lag      *hdrhistogram.Histogram
	offered, accepted, refused int64
	codes                      map[string]int64
	text                       string
}

// noonShared is what all states have in common.
type noonShared struct {
	fleet         *emulator.Fleet
	signed        []*samplecampus.Holder
	pos           int
	random        *rand.Rand
	rate, loading float64
}

func (n *bankNoon) run(ctx context.Context, out io.Writer) error {
	fmt.Fprintf(out, "正午银行中断 banknoon   消费 purchases %g/s   圈存 loads %g/s   %d 轮 rounds x %d x %g s   种子 seed %d\n准备校园 / preparing the campus …\n",
		n.rate, n.loads, n.rounds, len(noonStates), n.seconds, n.seed)
	b, err := newBank(ctx, n.seed, "")
	if err != nil {
		return err
	}
	defer b.close()
	o := campusOptions(n.seed, n.pos)
	o.Kiosks, o.Holders = noonKiosks, n.holders
	site, err := newSite(ctx, n.common, samplecampus.New(o), "", b)
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
	rows, err := n.measure(ctx, out, h)
	if err != nil {
		return err
	}
	printNoon(out, rows)
	fmt.Fprintln(out, machine(site.folder))
	if n.json != "" {
		if err := writeJSON(n.json, rows); err != nil {
			return err
		}
	}
	if err := h.close(ctx, out); err != nil {
		return err
	}
	return refusedEarly(rows)
}

// refusedEarly says that while the bank was known to be down no load waited for it.
func refusedEarly(rows []noonRow) error {
	for _, r := range rows {
		if r.State != "down" {
			continue
		}
		for code, count := range r.LoadCodes {
			if code != "91" {
				return fmt.Errorf("断线时有 %d 笔圈存以 %s 应答 / while the bank was down %[1]d loads were answered with %[2]s", count, code)
			}
		}
	}
	return nil
}

// measure goes through all states, round after round.
func (n *bankNoon) measure(ctx context.Context, out io.Writer, h *house) ([]noonRow, error) {
	campus := h.site.campus
	shared := &noonShared{pos: n.pos, random: newRandom(n.seed), rate: n.rate, loading: n.loads}
	for i := range campus.Holders {
		if campus.Holders[i].BankAccount != 0 {
			shared.signed = append(shared.signed, &campus.Holders[i])
		}
	}
	var now *noonLoop
	f, err := emulator.NewFleet(emulator.FleetConfig{
		Address: h.site.listen, Devices: devices(campus, len(campus.Terminals), 64), Memory: h.receipts.Memory, Deadline: 10 * time.Second, Seed: n.seed,
		OnAnswer: func(_ int, a *emulator.Answer) { now.onAnswer(a) },
	})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	shared.fleet = f
	if err := f.ConnectAll(time.Minute); err != nil {
		return nil, err
	}
	span := time.Duration(n.seconds * float64(time.Second))
	loops := make(map[string]*noonLoop)
	for round := range n.rounds {
		for _, state := range noonStates {
			if err := state.impose(h.bank); err != nil {
				return nil, err
			}
			now = newNoonLoop(shared)
			if err := now.play(ctx, noonPause); err != nil {
				return nil, err
			}
			if now = loops[state.name]; now == nil {
				now = newNoonLoop(shared)
				loops[state.name] = now
			}
			if err := now.play(ctx, span); err != nil {
				return nil, err
			}
			fmt.Fprintf(out, "  %d/%d 银行 bank %s %-8s p99 %6.2f ms\n", round+1, n.rounds, state.zh, state.name, milliseconds(now.purchases, 99))
		}
	}
	h.bank.Restore()
	rows := make([]noonRow, 0, len(noonStates))
	for _, state := range noonStates {
		rows = append(rows, loops[state.name].row(state.name, n.seconds*float64(n.rounds)))
	}
	return rows, h.receipts.put()
}

// impose brings the bank into the state.
func (s *noonState) impose(b *bank) error {
	b.Restore()
	if s.cut {
		b.Cut()
	}
	return b.Script(s.script)
}

func newNoonLoop(shared *noonShared) *noonLoop {
	return &noonLoop{noonShared: shared, purchases: newHistogram(), loads: newHistogram(), lag: newHistogram(), codes: make(map[string]int64)}
}

// play sends arrivals at their moments, which are drawn and do not wait for answers, and then waits for what is in flight.
func (l *noonLoop) play(ctx context.Context, span time.Duration) error {
	f := l.fleet
	end := f.Now() + int64(span)
	for planned := f.Now(); ; {
		planned += int64(l.random.ExpFloat64() / (l.rate + l.loading) * 1e9)
		if planned > end {
			break
		}
		for wait := time.Duration(planned - f.Now()); wait > 0; wait = time.Duration(planned - f.Now()) {
			if err := f.Poll(max(0, wait-ahead)); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.arrive(planned); err != nil {
			return err
		}
	}
	for limit := f.Now() + int64(patience); !f.Idle(); {
		if err := f.Poll(10 * time.Millisecond); err != nil {
			return err
		}
		if f.Now() > limit {
			return fmt.Errorf("%d 笔一分钟未答 / %[1]d requests without an answer for a minute", f.Stats().Waiting)
		}
	}
	return nil
}

func (l *noonLoop) arrive(planned int64) error {
	holder := l.signed[l.random.IntN(len(l.signed))]
	request := emulator.Request{Kind: emulator.KindPurchase, Card: holder.Card, Amount: 1200, Planned: planned}
	device := l.random.IntN(l.pos)
	if l.random.Float64()*(l.rate+l.loading) < l.loading {
		request.Kind, request.Amount, request.PIN = emulator.KindLoad, 5000, iso8583.PIN(holder.PIN)
		device = l.pos + l.random.IntN(noonKiosks)
	} else {
		l.offered++
	}
	if err := l.fleet.Send(device, request); err != nil {
		return err
	}
	l.fleet.Flush()
	_ = l.lag.RecordValue((l.fleet.Now() - planned) / 1e3) // above a minute the row is void anyway
	return nil
}

func (l *noonLoop) onAnswer(a *emulator.Answer) {
	waited := (l.fleet.Moment() - a.Planned) / 1e3 // a minute at most: the deadline is shorter
	switch {
	case a.GivenUp:
		l.codes["given up"]++
	case a.Kind == emulator.KindLoad:
		_ = l.loads.RecordValue(waited)
		if l.codes[a.Code.String()]++; a.Code != emulator.Approved {
			l.text = a.Text
		}
	default:
		_ = l.purchases.RecordValue(waited)
		l.accepted++
		if a.Code != emulator.Approved {
			l.refused++
		}
	}
}

func (l *noonLoop) row(state string, seconds float64) noonRow {
	r := noonRow{
		State: state, Offered: float64(l.offered) / seconds, Accepted: float64(l.accepted) / seconds, P50: milliseconds(l.purchases, 50), P99: milliseconds(l.purchases, 99),
		P999: milliseconds(l.purchases, 99.9), Max: float64(l.purchases.Max()) / 1e3, Refused: l.refused, LoadCodes: l.codes, LoadText: l.text,
		LoadP50: milliseconds(l.loads, 50), LoadP99: milliseconds(l.loads, 99), Lag: milliseconds(l.lag, 99),
	}
	r.Void = r.Lag > lagLimit
	return r
}

func printNoon(out io.Writer, rows []noonRow) {
	fmt.Fprintf(out, "\n%-8s %10s %10s %8s %8s %9s %9s %8s %10s %10s %8s  %s\n", "bank", "offered/s", "accepted/s", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "refused",
		"load p50", "load p99", "lag p99", "loads by code")
	for _, r := range rows {
		void := ""
		if r.Void {
			void = "  作废:发生器滞后 / VOID: the generator lagged"
		}
		fmt.Fprintf(out, "%-8s %10.0f %10.0f %8.2f %8.2f %9.2f %9.2f %8d %7.1f ms %7.1f ms %5.2f ms  %v %s%s\n", r.State, r.Offered, r.Accepted, r.P50, r.P99, r.P999, r.Max,
			r.Refused, r.LoadP50, r.LoadP99, r.Lag, r.LoadCodes, r.LoadText, void)
	}
}
