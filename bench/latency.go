package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/spf13/cobra"

	"onecard/terminals/emulator"
	"onecard/terminals/emulator/samplecampus"
)

// latencies is the open loop at a fixed rate beside a bare fdatasync, with everything that disturbs a switch forced into the run.
type latencies struct {
	common
	rate        float64
	seconds     float64
	connections int
	holders     int
	syncSeconds float64
	events      []string
	json        string
	profile     profiling
}

func defaultLatency() latencies {
	return latencies{
		rate: 20_000, seconds: 60, connections: 2000, holders: holders, syncSeconds: 5,
		events: []string{"checkpoint", "index", "compaction", "day_switch", "list", "checkpoint"}, json: "out/latency.json",
	}
}

func (l *latencies) addOwn(c *cobra.Command, prefix string) {
	f := c.Flags()
	f.Float64Var(&l.rate, prefix+"rate", l.rate, "每秒笔数 / purchases a second")
	f.Float64Var(&l.seconds, prefix+"seconds", l.seconds, "秒数 / seconds")
	f.IntVar(&l.connections, prefix+"connections", l.connections, "终端连接数 / terminals, a connection each")
	f.IntVar(&l.holders, prefix+"holders", l.holders, "持卡人数 / card holders")
	f.Float64Var(&l.syncSeconds, prefix+"sync-seconds", l.syncSeconds, "前后各测裸 fdatasync 的秒数 / seconds of the bare fdatasync loop before and after")
	f.StringSliceVar(&l.events, prefix+"events", l.events, "依次强制发生、均匀分布 / forced into the run in this order at equal distances: "+strings.Join(forcedNames(), " "))
	f.StringVar(&l.json, prefix+"json", l.json, "结果写入 JSON / write the result as JSON")
	f.StringVar(&l.profile.path, prefix+"profile", "", "取交换机处理器剖面写入此文件,并按阶段列出 / take the switch's processor profile, write it here, and list it by stage")
}

func newLatencyCommand() *cobra.Command {
	l := defaultLatency()
	c := &cobra.Command{
		Use: "latency", Short: "开环定速延迟,与裸 fdatasync 并排,途中强制各种事件 / open loop at a fixed rate beside a bare fdatasync, with events forced into it", Args: cobra.NoArgs,
		Long: `开环定速:到达是泊松过程,不等应答;延迟从应发时刻算起(无协调遗漏)。前、中、后各测同一文件夹内 4 KiB 覆盖写加 fdatasync 的裸延迟,给出倍数。
途中均匀强制发生:检查点、索引写盘、压实、日切(随后日结)、挂失 200 张卡并下发整张名单。自身滞后 p99 超过 1 ms 时作废。
An open loop: arrivals are a Poisson process and wait for nothing; a latency counts from the moment that was due (no coordinated omission).
A bare 4 KiB overwrite with fdatasync in the same folder is measured before, meanwhile and after. Forced into the run: checkpoint, writing of
the index, compaction of everything, day switch with its day-end, 200 cards reported lost and the whole list read. A run whose generator
itself lags more than 1 ms (p99) is void, and marked so.`,
		Example: `  bin/bench latency
  bin/bench latency --rate 5000 --seconds 10 --events checkpoint,compaction --profile out/latency.pprof`,
		RunE: func(c *cobra.Command, _ []string) error { return l.run(c.Context(), c.OutOrStdout()) },
	}
	l.add(c)
	l.addOwn(c, "")
	return c
}

// latencyResult is the JSON of a run. Ratios are to the bare syncs before and after, taken together.
type latencyResult struct {
	Machine     string    `json:"machine"`
	Rate        float64   `json:"rate"`
	Seconds     float64   `json:"seconds"`
	Connections int       `json:"connections"`
	Holders     int       `json:"holders"`
	Sent        int64     `json:"sent"`
	Accepted    float64   `json:"accepted_tps"`
	Timeouts    int64     `json:"timeouts"`
	P50         float64   `json:"p50_ms"`
	P99         float64   `json:"p99_ms"`
	P999        float64   `json:"p999_ms"`
	Max         float64   `json:"max_ms"`
	Lag         float64   `json:"generator_lag_p99_ms"`
	Void        bool      `json:"void"`
	CPU         float64   `json:"cpu_us_per_request"`
	Client      float64   `json:"client_cpu_us_per_request"`
	Group       float64   `json:"group_mean"`
	SyncWait    float64   `json:"sync_wait_mean_ms"` // of a group
	Before      syncTimes `json:"sync_before"`
	Meanwhile   syncTimes `json:"sync_meanwhile"`
	After       syncTimes `json:"sync_after"`
	Bare        syncTimes `json:"sync_bare"` // before and after together
	RatioP50    float64   `json:"ratio_p50"`
	RatioP99    float64   `json:"ratio_p99"`
	Events      []mark    `json:"events"`
	Series      []moment  `json:"series"`
	Bins        []bin     `json:"bins"`
	Stages      []stage   `json:"stages,omitempty"`
}

// Targets (bench/README.md, Figures).
const (
	ratioP50Most = 2.5
	ratioP99Most = 4
	p999Most     = 30 // ms
)

// forcedEvents and what they are called on a plot.
var forcedEvents = [...]struct{ name, title string }{
	{"checkpoint", "检查点 checkpoint"}, {"index", "索引写盘 index"}, {"compaction", "压实 compaction"}, {"day_switch", "日切 day switch"}, {"list", "名单 list"},
}

func forcedNames() []string {
	names := make([]string, 0, len(forcedEvents))
	for _, e := range forcedEvents {
		names = append(names, e.name)
	}
	return names
}

// deniedCards are reported lost for the list, from the end of the campus; nobody buys with them.
const deniedCards = 200

func (l *latencies) check() error {
	wrong := []error{l.profile.check()}
	for _, name := range l.events {
		if !slices.Contains(forcedNames(), name) {
			wrong = append(wrong, fmt.Errorf("没有事件 %q / no event %[1]q: %s", name, strings.Join(forcedNames(), " ")))
		}
	}
	if l.connections > 8000 {
		wrong = append(wrong, fmt.Errorf("连接最多 8000 / at most 8000 connections"))
	}
	if l.holders <= 2*deniedCards {
		wrong = append(wrong, fmt.Errorf("持卡人须多于 %d / more than %[1]d holders are needed", 2*deniedCards))
	}
	return errors.Join(wrong...)
}

func (l *latencies) run(ctx context.Context, out io.Writer) error {
	if err := l.check(); err != nil {
		return err
	}
	fmt.Fprintf(out, "延迟 latency   %g/s x %g s   %d 连接 connections   %d 持卡人 holders   种子 seed %d\n准备校园 / preparing the campus …\n", l.rate, l.seconds, l.connections, l.holders, l.seed)
	o := campusOptions(l.seed, l.connections)
	o.Holders = l.holders
	site, err := newSite(ctx, l.common, samplecampus.New(o), pauseData, nil)
	if err != nil {
		return err
	}
	defer site.remove()
	probe, err := newBareSync(site.folder)
	if err != nil {
		return err
	}
	defer probe.close()
	h := &house{site: site, servers: make(map[string]*process), random: newRandom(l.seed), profile: &l.profile}
	if h.receipts, err = site.newReceipts(); err != nil {
		return err
	}
	defer h.end()
	fmt.Fprintf(out, "裸 fdatasync,之前 / bare fdatasync before, %g s …\n", l.syncSeconds)
	before, err := probe.loopFor(ctx, l.syncSeconds)
	if err != nil {
		return err
	}
	if h.servers["switch"], err = site.serve(ctx); err != nil {
		return err
	}
	r, err := l.measure(ctx, h, probe, out)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "裸 fdatasync,之后 / bare fdatasync after, %g s …\n", l.syncSeconds)
	after, err := probe.loopFor(ctx, l.syncSeconds)
	if err != nil {
		return err
	}
	r.compare(before, after)
	r.Machine = machine(site.folder)
	if r.Stages, err = l.profile.close(out, "latency", r.CPU); err != nil {
		return err
	}
	r.print(out)
	if l.json != "" {
		if err := writeJSON(l.json, r); err != nil {
			return err
		}
	}
	return h.close(ctx, out)
}

// compare puts the bare syncs beside.
func (r *latencyResult) compare(before, after *hdrhistogram.Histogram) {
	r.Before, r.After = syncTimesOf(before), syncTimesOf(after)
	before.Merge(after)
	r.Bare = syncTimesOf(before)
	r.RatioP50, r.RatioP99 = r.P50/max(r.Bare.P50, 1e-3), r.P99/max(r.Bare.P99, 1e-3)
}

// syncPause is between two bare syncs beside the load: few enough to take nothing from it.
const syncPause = 50 * time.Millisecond

// measure plays the load with its events, after a warm-up of a tenth of it.
func (l *latencies) measure(ctx context.Context, h *house, probe *bareSync, out io.Writer) (*latencyResult, error) {
	cards := cardsOf(h.site.campus)
	cards, denied := cards[:len(cards)-deniedCards], cards[len(cards)-deniedCards:]
	p := newPaced(l.rate, h.random, func(random *rand.Rand) uint64 { return cards[random.IntN(len(cards))] })
	f, err := pacedFleet(h, p, l.connections)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	span := time.Duration(l.seconds * float64(time.Second))
	if err := p.play(ctx, max(span/10, 2*warmUp), nil); err != nil {
		return nil, err
	}
	asks := newControlAsker(h.site.path("data"))
	for i, name := range l.events {
		e := &forced{mark: mark{Name: name, At: l.seconds * float64(i+1) / float64(len(l.events)+1)}, do: func() error { return asks.do(ctx, name) }}
		for _, known := range forcedEvents {
			if known.name == name {
				e.Title = known.title
			}
		}
		if name == "list" {
			e.do = func() error { return asks.deny(ctx, denied) }
		}
		p.events = append(p.events, e)
	}
	stop := probe.loopBeside(ctx, syncPause)
	r, err := h.playMeasured(ctx, p, span, out)
	meanwhile, failed := stop()
	if err := errors.Join(err, failed); err != nil {
		return nil, err
	}
	r.Rate, r.Seconds, r.Connections, r.Holders, r.Meanwhile = l.rate, l.seconds, l.connections, l.holders, syncTimesOf(meanwhile)
	return r, h.receipts.put()
}

// pacedFleet connects so many terminals to the switch.
func pacedFleet(h *house, p *paced, connections int) (*emulator.Fleet, error) {
	f, err := emulator.NewFleet(emulator.FleetConfig{
		Address: h.servers["switch"].address, Devices: devices(h.site.campus, connections, 64), OnAnswer: p.onAnswer, Memory: h.receipts.Memory, Deadline: 30 * time.Second, Seed: h.site.seed,
	})
	if err != nil {
		return nil, err
	}
	p.fleet = f
	if err := f.ConnectAll(time.Minute); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// playMeasured plays for so long and says what came of it.
func (h *house) playMeasured(ctx context.Context, p *paced, span time.Duration, out io.Writer) (*latencyResult, error) {
	server := h.servers["switch"]
	before, err := server.scrape(ctx)
	if err != nil {
		return nil, err
	}
	var profiled <-chan happening
	if h.profile != nil && h.profile.on() {
		profiled = askBeside(func() error { return h.profile.fetch(ctx, server, "latency", span.Seconds()) })
	}
	cpu, err := server.cpu()
	if err != nil {
		return nil, err
	}
	own := ownCPU()
	if err := p.play(ctx, span, tellPace(out, p, span)); err != nil {
		return nil, err
	}
	own = ownCPU() - own
	cpuAfter, err := server.cpu()
	if err != nil {
		return nil, err
	}
	if profiled != nil {
		if happened := <-profiled; happened.err != nil {
			return nil, happened.err
		}
	}
	after, err := server.scrape(ctx)
	if err != nil {
		return nil, err
	}
	if p.refused > 0 {
		return nil, fmt.Errorf("%d 笔被拒,最后一笔 %s / %[1]d refused, the last with %[2]s: the sale of a rich holder must go through", p.refused, p.lastCode)
	}
	n := float64(max(p.answered, 1))
	r := &latencyResult{
		Sent: p.sent, Accepted: float64(p.answered-p.timeouts) / span.Seconds(), Timeouts: p.timeouts, P50: milliseconds(p.latency, 50), P99: milliseconds(p.latency, 99),
		P999: milliseconds(p.latency, 99.9), Max: float64(p.latency.Max()) / 1e3, Lag: milliseconds(p.lag, 99), CPU: float64((cpuAfter - cpu).Microseconds()) / n,
		Client: float64(own.Microseconds()) / n, Group: after.mean(before), SyncWait: after.syncWait(before), Series: p.series(), Bins: binsOf(p.latency),
	}
	r.Void = r.Lag > lagLimit
	for _, e := range p.events {
		r.Events = append(r.Events, e.mark)
	}
	return r, nil
}

// tellPace says every few seconds how far a run has come.
func tellPace(out io.Writer, p *paced, span time.Duration) func(seconds int) {
	every := max(1, int(span.Seconds())/12)
	return func(seconds int) {
		if seconds%every == 0 {
			fmt.Fprintf(out, "  %4d/%.0f s  应答 answers %10d  p50 %7.2f ms  p99 %7.2f ms  p99.9 %7.2f ms  在途 waiting %d\n",
				seconds, span.Seconds(), p.answered, milliseconds(p.latency, 50), milliseconds(p.latency, 99), milliseconds(p.latency, 99.9), p.sent-p.answered)
		}
	}
}
