package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"onecard/terminals/emulator"
	"onecard/terminals/emulator/samplecampus"
)

// pauses finds the longest time that any purchase waited for its answer while the business day was switched and while a checkpoint was
// written, under full load, beside the same span with nothing special in it: a machine that is full has pauses of its own.
type pauses struct {
	common
	shape   string
	seconds float64
	rounds  int
	holders int
	json    string
}

func newPauseCommand() *cobra.Command {
	s := pauses{shape: "64x8", seconds: 4, rounds: 5, holders: holders}
	c := &cobra.Command{
		Use: "pause", Short: "满载下日切与检查点时最长的停顿 / the longest pause at a day switch and at a checkpoint, under full load", Args: cobra.NoArgs,
		Long: `满载下的最长停顿。每一轮在同一批连接上依次测三段:无事、日切(随后在后台日结)、检查点;记下每段中任何一笔消费等到应答的最长时间,
和两个应答之间最长的静默。日切与检查点在每段的三分之一处发生。最后停机、复算账本并与收据核对。
The longest pause under full load. Each round measures three spans on the same connections: nothing special, a day switch with the day-end
behind it, a checkpoint; in each the longest that any purchase waited for its answer, and the longest silence between two answers. They happen
after a third of the span. At the end the ledger is replayed and held against the receipts.`,
		RunE: func(c *cobra.Command, _ []string) error { return s.run(c.Context(), c.OutOrStdout()) },
	}
	s.add(c)
	c.Flags().StringVar(&s.shape, "shape", s.shape, "连接数x每连接在途数 / connections x requests in flight on each")
	c.Flags().Float64Var(&s.seconds, "seconds", s.seconds, "每段秒数 / seconds of one span")
	c.Flags().IntVar(&s.rounds, "rounds", s.rounds, "轮数 / rounds")
	c.Flags().IntVar(&s.holders, "holders", s.holders, "持卡人数 / holders of the campus")
	c.Flags().StringVar(&s.json, "json", "", "结果写入 JSON / write the results as JSON")
	_ = c.MarkFlagFilename("json", "json")
	return c
}

// pauseData leaves checkpoints to the run.
const pauseData = "  checkpoint_interval: 24h\n  checkpoint_entries: 2000000000\n"

// pauseEvents of a round, in their order.
var pauseEvents = [...]string{"quiet", "day_switch", "checkpoint"}

// pause is one span.
type pause struct {
	TPS     float64 `json:"tps"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	Longest float64 `json:"longest_ms"` // wait of any purchase
	Silence float64 `json:"silence_ms"` // between two answers
	Took    float64 `json:"took_ms"`    // the event itself, as whoever asked for it saw it
}

func (s *pauses) run(ctx context.Context, out io.Writer) error {
	shapes, err := parseShapes([]string{s.shape})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "停顿 pause   %d 轮 rounds x %d x %g s   %s   持卡人 holders %d   种子 seed %d\n准备校园 / preparing the campus …\n",
		s.rounds, len(pauseEvents), s.seconds, s.shape, s.holders, s.seed)
	o := campusOptions(s.seed, shapes[0].connections)
	o.Holders = s.holders
	site, err := newSite(ctx, s.common, samplecampus.New(o), pauseData, nil)
	if err != nil {
		return err
	}
	defer site.remove()
	h := &house{site: site, servers: make(map[string]*process), random: newRandom(s.seed)}
	if h.receipts, err = site.newReceipts(); err != nil {
		return err
	}
	defer h.end()
	if h.servers["switch"], err = site.serve(ctx); err != nil {
		return err
	}
	all, err := s.measure(ctx, h, shapes[0], out)
	if err != nil {
		return err
	}
	printPauses(out, all)
	fmt.Fprintln(out, machine(site.folder))
	if s.json != "" {
		if err := writeJSON(s.json, all); err != nil {
			return err
		}
	}
	return h.close(ctx, out)
}

// measure keeps one fleet under load for all rounds.
func (s *pauses) measure(ctx context.Context, h *house, of shape, out io.Writer) (map[string][]pause, error) {
	l := &silentLoop{closedLoop: closedLoop{cards: cardsOf(h.site.campus), random: h.random, latency: newHistogram()}}
	f, err := emulator.NewFleet(emulator.FleetConfig{
		Address: h.servers["switch"].address, Devices: devices(h.site.campus, of.connections, of.inFlight), OnAnswer: l.onAnswer, Memory: h.receipts.Memory, Deadline: time.Minute,
	})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l.fleet = f
	if err := f.ConnectAll(time.Minute); err != nil {
		return nil, err
	}
	for device := range of.connections {
		for range of.inFlight {
			l.send(device)
		}
	}
	asks := newControlAsker(h.site.path("data"))
	all := map[string][]pause{}
	for round := range s.rounds {
		for _, event := range pauseEvents {
			if err := l.turnFor(ctx, warmUp); err != nil {
				return nil, err
			}
			p, err := l.span(ctx, time.Duration(s.seconds*float64(time.Second)), func() error { return asks.do(ctx, event) })
			if err != nil {
				return nil, fmt.Errorf("%s: %w", event, err)
			}
			all[event] = append(all[event], p)
			fmt.Fprintf(out, "  %d/%d %-10s %8.0f/s  p50 %6.2f ms  p99 %6.2f ms  最长 longest %7.2f ms  静默 silence %7.2f ms  历时 took %7.2f ms\n",
				round+1, s.rounds, event, p.TPS, p.P50, p.P99, p.Longest, p.Silence, p.Took)
		}
	}
	l.stopping = true
	if err := l.drain(ctx); err != nil {
		return nil, err
	}
	return all, h.receipts.put()
}

// silentLoop is a closed loop that notices how long nobody answers.
type silentLoop struct {
	closedLoop
	last, silence int64 // nanoseconds
}

func (l *silentLoop) onAnswer(device int, a *emulator.Answer) {
	now := l.fleet.Moment()
	l.silence = max(l.silence, now-l.last)
	l.last = now
	l.closedLoop.onAnswer(device, a)
}

// span measures, with an event after a third of it. The event is asked for beside the load, which goes on.
func (l *silentLoop) span(ctx context.Context, length time.Duration, event func() error) (pause, error) {
	l.latency.Reset()
	l.answered, l.silence, l.last = 0, 0, l.fleet.Now()
	began := l.fleet.Now()
	if err := l.turnFor(ctx, length/3); err != nil {
		return pause{}, err
	}
	asked := askBeside(event)
	if err := l.turnFor(ctx, length-length/3); err != nil {
		return pause{}, err
	}
	took := l.fleet.Now() - began
	var happened happening
	select {
	case happened = <-asked:
	case <-time.After(patience):
		return pause{}, errors.New("一分钟没有答复 / there was no answer for a minute")
	}
	if l.refused > 0 {
		return pause{}, fmt.Errorf("%d 笔被拒 / %[1]d refused, the last with %s", l.refused, l.lastCode)
	}
	return pause{
		TPS: float64(l.answered) / (float64(took) / 1e9), P50: milliseconds(l.latency, 50), P99: milliseconds(l.latency, 99),
		Longest: float64(l.latency.Max()) / 1e3, Silence: float64(l.silence) / 1e6, Took: float64(happened.took.Microseconds()) / 1e3,
	}, happened.err
}

// happening is what became of an event.
type happening struct {
	took time.Duration
	err  error
}

func askBeside(event func() error) <-chan happening {
	done := make(chan happening, 1)
	go func() {
		began := time.Now()
		err := event()
		done <- happening{time.Since(began), err}
	}()
	return done
}

// controlAsker asks the switch through its control socket, as its owner's programs do.
type controlAsker struct{ client http.Client }

func newControlAsker(data string) *controlAsker {
	return &controlAsker{http.Client{Timeout: patience, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", data+"/control.sock")
	}}}}
}

func (a *controlAsker) do(ctx context.Context, event string) error {
	switch event {
	case "day_switch":
		var status struct {
			Day string `json:"business_day"`
		}
		if err := a.ask(ctx, http.MethodGet, "/status", nil, &status); err != nil {
			return err
		}
		return a.ask(ctx, http.MethodPost, "/day/switch", map[string]string{"day": status.Day}, new(struct{}))
	case "checkpoint":
		return a.ask(ctx, http.MethodPost, "/checkpoint", nil, new(struct{}))
	case "index":
		return a.ask(ctx, http.MethodPost, "/index/write", nil, new(struct{}))
	case "compaction":
		return a.ask(ctx, http.MethodPost, "/compact", nil, new(struct{}))
	}
	return nil
}

// deny reports cards lost, one after another, and then reads the whole list of denied cards page by page, as whoever hands it out does.
func (a *controlAsker) deny(ctx context.Context, cards []uint64) error {
	for _, card := range cards {
		change := map[string]any{"card": card, "state": "lost", "operator": "bench"}
		if err := a.ask(ctx, http.MethodPost, "/cards/state", change, new(struct{})); err != nil {
			return err
		}
	}
	for from := json.RawMessage("{}"); ; {
		var page struct {
			Next json.RawMessage `json:"next"`
			Last bool            `json:"last"`
		}
		if err := a.ask(ctx, http.MethodPost, "/cards/denied", map[string]any{"from": from, "most": 1000}, &page); err != nil || page.Last {
			return err
		}
		from = page.Next
	}
}

func (a *controlAsker) ask(ctx context.Context, method, path string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://switch"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	reply, err := a.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = reply.Body.Close() }()
	contents, err := io.ReadAll(reply.Body)
	if err == nil && reply.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, path, reply.Status, contents)
	}
	if err == nil {
		err = json.Unmarshal(contents, answer)
	}
	return err
}

// printPauses prints the worst and the middle round of each event.
func printPauses(out io.Writer, all map[string][]pause) {
	fmt.Fprintf(out, "\n%-12s %10s %9s %9s %16s %16s %16s\n", "event", "tps", "p50 ms", "p99 ms", "longest ms, med", "longest ms, max", "silence ms, max")
	for _, event := range pauseEvents {
		pick := func(value func(p pause) float64) []float64 {
			values := make([]float64, 0, len(all[event]))
			for _, p := range all[event] {
				values = append(values, value(p))
			}
			return values
		}
		longest := pick(func(p pause) float64 { return p.Longest })
		fmt.Fprintf(out, "%-12s %10.0f %9.2f %9.2f %16.2f %16.2f %16.2f\n", event, median(pick(func(p pause) float64 { return p.TPS })),
			median(pick(func(p pause) float64 { return p.P50 })), median(pick(func(p pause) float64 { return p.P99 })), median(longest), slices.Max(longest),
			slices.Max(pick(func(p pause) float64 { return p.Silence })))
	}
}
