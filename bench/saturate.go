package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/spf13/cobra"

	"onecard/ledger/money"
	"onecard/terminals/emulator"
	"onecard/terminals/emulator/samplecampus"
)

// shape is so many connections with so many requests in flight on each.
type shape struct{ connections, inFlight int }

func (s shape) String() string { return fmt.Sprintf("%dx%d", s.connections, s.inFlight) }

type saturate struct {
	common
	shapes  []string
	seconds float64
	rounds  int
	json    string
	text    string
	profile profiling
}

func defaultSaturate() saturate {
	return saturate{
		shapes: []string{"1x1", "8x1", "64x1", "256x1", "1024x1", "2000x1", "64x32"}, seconds: 3, rounds: 3, text: "out/bench.txt", json: "out/saturate.json",
	}
}

func (s *saturate) addOwn(c *cobra.Command, _ string) {
	c.Flags().StringSliceVar(&s.shapes, "shapes", s.shapes, "连接数x每连接在途数 / connections x requests in flight on each")
	c.Flags().Float64Var(&s.seconds, "seconds", s.seconds, "每次测量秒数 / seconds of one measurement")
	c.Flags().IntVar(&s.rounds, "rounds", s.rounds, "轮数,取中位数 / rounds; medians are shown")
	c.Flags().StringVar(&s.json, "json", s.json, "结果写入 JSON / write the results as JSON")
	c.Flags().StringVar(&s.text, "text", s.text, "结果写成 Go 基准格式,供 benchstat / write the results for benchstat")
	c.Flags().StringVar(&s.profile.path, "profile", "", "测量时取交换机处理器剖面写入此文件,并按阶段列出 / take the switch's processor profile meanwhile, write it here, and list it by stage")
	_ = c.MarkFlagFilename("json", "json")
}

func newSaturateCommand() *cobra.Command {
	s := defaultSaturate()
	c := &cobra.Command{
		Use: "saturate", Short: "闭环饱和:连接数 x 在途数,与 echo、floor 同轮对照 / closed loop against echo and floor", Args: cobra.NoArgs,
		Long: `闭环饱和吞吐。每一轮用同一个客户端和同样的报文依次测 echo(只收发)、floor(解码、MAC、成组落盘、应答)和交换机,取各轮中位数。
Saturation in a closed loop. Each round measures echo (sockets only), floor (decode, MAC, group sync, answer) and the switch with the same
client and frames; medians of the rounds are shown. A closed loop measures throughput: its latencies are those of a full house.`,
		RunE: func(c *cobra.Command, _ []string) error { return s.run(c.Context(), c.OutOrStdout()) },
	}
	s.add(c)
	s.addOwn(c, "")
	return c
}

func parseShapes(texts []string) ([]shape, error) {
	var shapes []shape
	for _, text := range texts {
		connections, inFlight, ok := strings.Cut(text, "x")
		n, err := strconv.Atoi(connections)
		w, err2 := strconv.Atoi(inFlight)
		if !ok || err != nil || err2 != nil || n < 1 || n > 8000 || w < 1 || w > 64 {
			return nil, fmt.Errorf("形状 %q:写成 64x32,连接 1-8000,在途 1-64 / shape: write 64x32, 1 to 8000 connections, 1 to 64 in flight", text)
		}
		shapes = append(shapes, shape{n, w})
	}
	return shapes, nil
}

// measured is one measurement.
type measured struct {
	tps, p50, p99, p999, cpu, group float64
	syncWait                        float64 // of a group, ms
	client                          float64 // processor time of this program, us per request: it shares the machine
}

// result is a row of the JSON file.
type result struct {
	Connections int     `json:"connections"`
	InFlight    int     `json:"in_flight"`
	TPS         float64 `json:"tps"`
	P50         float64 `json:"p50_ms"`
	P99         float64 `json:"p99_ms"`
	P999        float64 `json:"p999_ms"`
	CPU         float64 `json:"cpu_us_per_request"`
	Group       float64 `json:"group_mean"`
	SyncWait    float64 `json:"sync_wait_mean_ms"` // of a group
	Echo        float64 `json:"echo_tps"`
	Floor       float64 `json:"floor_tps"`
	RatioEcho   float64 `json:"ratio_echo"`
	RatioFloor  float64 `json:"ratio_floor"`
	Stages      []stage `json:"stages,omitempty"` // with --profile

	switchRounds []measured // for the benchmark format, which wants every round
}

// subjects of a round, in the order they are measured.
var subjects = [...]string{"echo", "floor", "switch"}

func (s *saturate) run(ctx context.Context, out io.Writer) error {
	shapes, err := parseShapes(s.shapes)
	if err = errors.Join(err, s.profile.check()); err != nil {
		return err
	}
	most := slices.MaxFunc(shapes, func(a, b shape) int { return a.connections - b.connections }).connections
	fmt.Fprintf(out, "饱和 saturate   %d 轮 rounds x %g s   种子 seed %d\n", s.rounds, s.seconds, s.seed)
	fmt.Fprintln(out, "准备校园 / preparing the campus …")
	site, err := newSite(ctx, s.common, samplecampus.New(campusOptions(s.seed, most)), "", nil)
	if err != nil {
		return err
	}
	defer site.remove()
	h, err := newHouse(ctx, site, most)
	if err != nil {
		return err
	}
	defer h.end()
	h.profile = &s.profile
	all := make(map[shape]map[string][]measured)
	for round := range s.rounds {
		for _, shape := range shapes {
			if all[shape] == nil {
				all[shape] = make(map[string][]measured)
			}
			for _, subject := range subjects {
				m, err := h.measure(ctx, subject, shape, s.seconds)
				if err != nil {
					return fmt.Errorf("%s %s: %w", subject, shape, err)
				}
				all[shape][subject] = append(all[shape][subject], m)
				fmt.Fprintf(out, "  %d/%d %-8s %-6s %10.0f/s  p50 %7.2f ms  p99 %7.2f ms  cpu %6.2f us  客户端 client %5.2f us\n",
					round+1, s.rounds, shape, subject, m.tps, m.p50, m.p99, m.cpu, m.client)
			}
		}
	}
	var results []result
	for _, shape := range shapes {
		results = append(results, summarise(shape, all[shape]))
	}
	printSaturation(out, results)
	for i := range results {
		if results[i].Stages, err = s.profile.close(out, shapes[i].String(), results[i].CPU); err != nil {
			return err
		}
		if s.profile.on() {
			fmt.Fprintf(out, "等待落盘 sync wait   一组 a group of %.0f: %.2f ms\n", results[i].Group, results[i].SyncWait)
		}
	}
	fmt.Fprintln(out, machine(site.folder))
	if err := writeSaturation(s.json, s.text, results); err != nil {
		return err
	}
	return h.close(ctx, out)
}

// summarise takes medians. A ratio is the median of the rounds' ratios: the machine's speed changes from round to round.
func summarise(s shape, rounds map[string][]measured) result {
	pick := func(subject string, value func(m measured) float64) float64 {
		values := make([]float64, 0, len(rounds[subject]))
		for _, m := range rounds[subject] {
			values = append(values, value(m))
		}
		return median(values)
	}
	ratio := func(limit string) float64 {
		values := make([]float64, 0, len(rounds[limit]))
		for i, m := range rounds[limit] {
			values = append(values, rounds["switch"][i].tps/m.tps)
		}
		return median(values)
	}
	tps := func(m measured) float64 { return m.tps }
	return result{
		Connections: s.connections, InFlight: s.inFlight, TPS: pick("switch", tps), Echo: pick("echo", tps), Floor: pick("floor", tps),
		P50: pick("switch", func(m measured) float64 { return m.p50 }), P99: pick("switch", func(m measured) float64 { return m.p99 }),
		P999: pick("switch", func(m measured) float64 { return m.p999 }), CPU: pick("switch", func(m measured) float64 { return m.cpu }),
		Group: pick("switch", func(m measured) float64 { return m.group }), SyncWait: pick("switch", func(m measured) float64 { return m.syncWait }), RatioEcho: ratio("echo"), RatioFloor: ratio("floor"),
		switchRounds: rounds["switch"],
	}
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}

// house is the switch and the two limits, each a process, all running and only one of them busy.
type house struct {
	site     *site
	servers  map[string]*process
	receipts *receipts
	bank     *bank      // nil: none
	profile  *profiling // nil: none
	title    string     // of its profiles; "": the shape
	random   *rand.Rand
}

func newHouse(ctx context.Context, s *site, terminals int) (*house, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	h := &house{site: s, servers: make(map[string]*process), random: newRandom(s.seed)}
	if h.receipts, err = s.newReceipts(); err != nil {
		return nil, err
	}
	for _, subject := range subjects {
		var p *process
		if subject == "switch" {
			p, err = s.serve(ctx)
		} else {
			p, err = start(ctx, subject, s.path(subject+".log"), self, subject+"-server", "--folder", s.folder, "--seed", fmt.Sprint(s.seed), "--terminals", fmt.Sprint(terminals))
		}
		if err != nil {
			h.end()
			return nil, err
		}
		h.servers[subject] = p
	}
	return h, nil
}

func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }

// end leaves no process behind.
func (h *house) end() {
	for subject, p := range h.servers {
		p.kill()
		delete(h.servers, subject)
	}
	_ = h.receipts.file.Close()
}

// audit waits for the bank, stops the switch, and has its ledger replayed.
func (h *house) audit(ctx context.Context) (*audit, error) {
	p := h.servers["switch"]
	for limit := time.Now().Add(patience); h.bank != nil; {
		open, err := p.openLoads(ctx)
		if err != nil {
			return nil, err
		}
		if open == 0 {
			break
		}
		if time.Now().After(limit) {
			return nil, fmt.Errorf("%d 笔圈存一分钟仍未了结 / %d loads are still open after a minute", open, open)
		}
		time.Sleep(100 * time.Millisecond)
	}
	delete(h.servers, "switch")
	if err := p.stop(); err != nil {
		return nil, err
	}
	if err := h.receipts.put(); err != nil {
		return nil, err
	}
	a, err := h.site.verify(ctx)
	if err != nil {
		return nil, err
	}
	if stored := h.receipts.Stored(); a.Acknowledged != stored {
		return nil, fmt.Errorf("审计只读到 %d 张收据中的 %d 张 / the auditor has read %d of %d receipts", stored, a.Acknowledged, a.Acknowledged, stored)
	}
	return a, nil
}

// patience is how long the switch may take over anything before the run is given up.
const patience = time.Minute

// close stops the switch and closes the books.
func (h *house) close(ctx context.Context, out io.Writer) error {
	a, err := h.audit(ctx)
	if err != nil {
		return err
	}
	return a.report(out, h.bank)
}

// warmUp is turned before a measurement: connections, caches and the switch's log are then as in the middle of a day.
const warmUp = 500 * time.Millisecond

// measure runs one closed loop: every connection keeps its requests in flight for the whole span.
func (h *house) measure(ctx context.Context, subject string, s shape, seconds float64) (measured, error) {
	p := h.servers[subject]
	r := &closedLoop{cards: cardsOf(h.site.campus), crowd: h.site.crowd, random: h.random, latency: newHistogram()}
	c := emulator.FleetConfig{Address: p.address, Devices: devices(h.site.campus, s.connections, s.inFlight), OnAnswer: r.onAnswer, Deadline: time.Minute}
	if subject == "switch" {
		c.Memory = h.receipts.Memory
	}
	for i := range c.Devices {
		c.Devices[i].AnyMAC = subject == "echo"
	}
	f, err := emulator.NewFleet(c)
	if err != nil {
		return measured{}, err
	}
	defer f.Close()
	r.fleet = f
	if err := f.ConnectAll(time.Minute); err != nil {
		return measured{}, err
	}
	for device := range s.connections {
		for range s.inFlight {
			r.send(device)
		}
	}
	if err := r.turnFor(ctx, warmUp); err != nil {
		return measured{}, err
	}
	m, err := h.span(ctx, p, r, s, seconds)
	if err != nil {
		return m, err
	}
	r.stopping = true
	if err := r.drain(ctx); err != nil {
		return m, err
	}
	return m, h.receipts.put()
}

// span is what is measured.
func (h *house) span(ctx context.Context, p *process, r *closedLoop, s shape, seconds float64) (measured, error) {
	var before, after journal
	var err error
	durable := p.operations != ""
	if durable {
		if before, err = p.scrape(ctx); err != nil {
			return measured{}, err
		}
	}
	r.latency.Reset()
	r.answered = 0
	cpuBefore, err := p.cpu()
	if err != nil {
		return measured{}, err
	}
	profiled := h.profileBeside(ctx, p, s, seconds)
	own, began := ownCPU(), r.fleet.Now()
	if err := r.turnFor(ctx, time.Duration(seconds*float64(time.Second))); err != nil {
		return measured{}, err
	}
	took, answered := r.fleet.Now()-began, float64(r.answered)
	own = ownCPU() - own
	cpuAfter, err := p.cpu()
	if err != nil {
		return measured{}, err
	}
	m := measured{
		tps: answered / (float64(took) / 1e9), cpu: float64((cpuAfter - cpuBefore).Microseconds()) / answered,
		client: float64(own.Microseconds()) / answered,
		p50:    milliseconds(r.latency, 50), p99: milliseconds(r.latency, 99), p999: milliseconds(r.latency, 99.9),
	}
	if durable {
		if after, err = p.scrape(ctx); err != nil {
			return measured{}, err
		}
		m.group, m.syncWait = after.mean(before), after.syncWait(before)
	}
	if err := r.turnUntil(ctx, profiled); err != nil {
		return m, err
	}
	if refused := r.refused; refused > 0 {
		return m, fmt.Errorf("%d 笔被拒,最后一笔 %s / %d refused, the last with %s: the sale of a rich holder must go through", refused, r.lastCode, refused, r.lastCode)
	}
	return m, nil
}

// profileBeside takes the switch's profile while the load goes on, if one is wanted; nil if none is.
func (h *house) profileBeside(ctx context.Context, p *process, s shape, seconds float64) <-chan happening {
	if h.profile == nil || !h.profile.on() || p.operations == "" {
		return nil
	}
	return askBeside(func() error { return h.profile.fetch(ctx, p, cmp.Or(h.title, s.String()), seconds) })
}

// closedLoop sends another request for each that is answered.
type closedLoop struct {
	fleet    *emulator.Fleet
	cards    []uint64 // close together: the client is to miss the cache as little as it can
	crowd    int      // above 0: cards of so many holders in place of cards, reckoned and not remembered
	random   *rand.Rand
	latency  *hdrhistogram.Histogram
	answered int64
	refused  int64
	lastCode emulator.ResponseCode
	stopping bool
}

func cardsOf(campus *samplecampus.Campus) []uint64 {
	cards := make([]uint64, 0, len(campus.Holders))
	for i := range campus.Holders {
		cards = append(cards, campus.Holders[i].Card)
	}
	return cards
}

func (r *closedLoop) send(device int) {
	n := r.random.Uint64()
	card := uint64(0)
	if r.crowd > 0 {
		card = samplecampus.CardOf(int(n % uint64(r.crowd)))
	} else {
		card = r.cards[n%uint64(len(r.cards))]
	}
	_ = r.fleet.Send(device, emulator.Request{Kind: emulator.KindPurchase, Card: card, Amount: 50 + money.Fen(n>>40%2000)}) // there is room: one goes for one that came
}

func (r *closedLoop) onAnswer(device int, a *emulator.Answer) {
	r.answered++
	if a.Code != emulator.Approved && a.Code != (emulator.ResponseCode{}) { // echo has no code
		r.refused++
		r.lastCode = a.Code
	}
	_ = r.latency.RecordValue((r.fleet.Moment() - a.Sent) / 1e3) // 60 s at most: the deadline is not longer
	if !r.stopping {
		r.send(device)
	}
}

func (r *closedLoop) turnFor(ctx context.Context, span time.Duration) error {
	for until := r.fleet.Now() + int64(span); r.fleet.Now() < until; {
		if err := r.fleet.Poll(time.Millisecond); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// turnUntil goes on until what was asked beside the load has an answer.
func (r *closedLoop) turnUntil(ctx context.Context, asked <-chan happening) error {
	for asked != nil {
		select {
		case happened := <-asked:
			return happened.err
		default:
		}
		if err := r.turnFor(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// drain waits for what is in flight.
func (r *closedLoop) drain(ctx context.Context) error {
	for limit := r.fleet.Now() + int64(time.Minute); !r.fleet.Idle(); {
		if err := r.turnFor(ctx, 10*time.Millisecond); err != nil {
			return err
		}
		if r.fleet.Now() > limit {
			return fmt.Errorf("%d 笔一分钟未答 / %d requests without an answer for a minute", r.fleet.Stats().Waiting, r.fleet.Stats().Waiting)
		}
	}
	return nil
}
