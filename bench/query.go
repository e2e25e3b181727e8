package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/spf13/cobra"

	"onecard/terminals/emulator/samplecampus"
)

// queries measures what a question about the past takes, of a switch that is quiet and of one that is busy.
type queries struct {
	lunch
	rate float64
	per  int
}

func newQueryCommand() *cobra.Command {
	q := queries{lunch: defaultLunch(), rate: 20_000, per: 50}
	q.text, q.json = "", ""
	c := &cobra.Command{
		Use: "query", Short: "流水、汇总、余额查询的时延,空闲与满负荷 / statements, totals and balances, quiet and under load", Args: cobra.NoArgs,
		Long: `经控制套接字轮流询问持卡人、卡、商户、终端的流水(每页 50 条)、当日汇总与某一时刻的余额:先在午餐流量中询问,再在空闲时询问。
Asks over the control socket, in turn, for statements (50 lines a page), totals of the day and a balance at a moment: during lunch traffic,
then of the quiet switch.`,
		RunE: func(c *cobra.Command, _ []string) error { return q.run(c.Context(), c.OutOrStdout()) },
	}
	q.add(c)
	c.Flags().Float64Var(&q.rate, "rate", q.rate, "每秒笔数 / requests a second")
	c.Flags().Float64Var(&q.seconds, "seconds", q.seconds, "秒数 / seconds")
	c.Flags().IntVar(&q.pos, "pos", q.pos, "收款机台数 / POS terminals")
	c.Flags().IntVar(&q.per, "questions", q.per, "每秒询问次数 / questions a second")
	c.Flags().StringVar(&q.json, "json", "", "结果写入 JSON / write the results as JSON")
	return c
}

// queryResult is the JSON of a run.
type queryResult struct {
	Rate     float64                 `json:"rate"`
	Accepted float64                 `json:"accepted_tps"`
	P99      float64                 `json:"purchase_p99_ms"` // of the purchases meanwhile
	Busy     map[string]queryLatency `json:"busy"`
	Quiet    map[string]queryLatency `json:"quiet"`
}

type queryLatency struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

func (q *queries) run(ctx context.Context, out io.Writer) error {
	fmt.Fprintf(out, "查询 query   %d POS   %d 持卡人 holders   %g/s   种子 seed %d\n", q.pos, holders, q.rate, q.seed)
	site, err := newSite(ctx, q.common, samplecampus.New(campusOptions(q.seed, q.pos)), "", nil)
	if err != nil {
		return err
	}
	defer site.remove()
	h := &house{site: site, servers: make(map[string]*process)}
	if h.receipts, err = site.newReceipts(); err != nil {
		return err
	}
	defer h.end()
	if h.servers["switch"], err = site.serve(ctx); err != nil {
		return err
	}
	asker := newAsker(site.campus, h.servers["switch"].control, q.per, q.seed)
	asking, stop := context.WithCancel(ctx)
	defer stop()
	asked := make(chan error, 1)
	go func() { asked <- asker.ask(asking) }()
	row, err := q.serve(ctx, h, q.rate)
	stop()
	if err := errors.Join(err, <-asked); err != nil {
		return err
	}
	result := queryResult{Rate: q.rate, Accepted: row.Accepted, P99: row.P99, Busy: asker.latencies()}
	quiet, end := context.WithTimeout(ctx, time.Duration(q.seconds*float64(time.Second)))
	defer end()
	asker.seen = map[string]*hdrhistogram.Histogram{}
	if err := asker.ask(quiet); err != nil {
		return err
	}
	result.Quiet = asker.latencies()
	result.print(out)
	fmt.Fprintln(out, machine(site.folder))
	if q.json != "" {
		text, err := json.MarshalIndent(&result, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(q.json, append(text, '\n'), 0o644); err != nil {
			return fmt.Errorf("writing the results: %w", err)
		}
	}
	return h.close(ctx, out)
}

func (r *queryResult) print(out io.Writer) {
	fmt.Fprintf(out, "消费 purchases %8.0f/s accepted, p99 %.2f ms\n%-20s %8s %9s %9s %9s %9s\n", r.Accepted, r.P99, "", "count", "busy p50", "busy p99", "quiet p50", "quiet p99")
	for _, name := range questionNames {
		b, q := r.Busy[name], r.Quiet[name]
		fmt.Fprintf(out, "%-20s %8d %9.2f %9.2f %9.2f %9.2f\n", name, b.Count, b.P50, b.P99, q.P50, q.P99)
	}
}

// asker asks one question after another over the control socket.
type asker struct {
	campus *samplecampus.Campus
	client http.Client
	per    int
	random *rand.Rand
	seen   map[string]*hdrhistogram.Histogram
}

var questionNames = [...]string{"statement holder", "statement card", "statement merchant", "statement terminal", "totals merchants", "totals terminals", "totals month", "balance holder", "balance merchant"}

func newAsker(campus *samplecampus.Campus, control string, per int, seed uint64) *asker {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", control)
	}
	return &asker{
		campus: campus, client: http.Client{Transport: &http.Transport{DialContext: dial}}, per: per, random: newRandom(seed),
		seen: map[string]*hdrhistogram.Histogram{},
	}
}

// ask asks until the context ends.
func (a *asker) ask(ctx context.Context) error {
	tick := time.NewTicker(time.Second / time.Duration(max(a.per, 1)))
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		name := questionNames[i%len(questionNames)]
		path, question := a.question(name)
		began := time.Now()
		if err := a.once(path, question); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if a.seen[name] == nil {
			a.seen[name] = newHistogram()
		}
		_ = a.seen[name].RecordValue(max(1, time.Since(began).Microseconds())) // at most a minute: the client would have given up
	}
}

// question draws who is asked about.
func (a *asker) question(name string) (path string, question map[string]any) {
	holder := a.campus.Holders[a.random.IntN(len(a.campus.Holders))]
	merchant := a.campus.Merchants[a.random.IntN(len(a.campus.Merchants))].Code
	now := time.Now()
	day, month, before := now.Format(time.DateOnly), now.Format("2006-01"), now.Add(-5*time.Second).UTC().Format(time.RFC3339Nano)
	switch name {
	case "statement holder":
		return "statement", map[string]any{"holder": holder.Number}
	case "statement card":
		return "statement", map[string]any{"card": holder.Card}
	case "statement merchant":
		return "statement", map[string]any{"merchant": merchant}
	case "statement terminal":
		return "statement", map[string]any{"terminal": a.campus.Terminals[a.random.IntN(len(a.campus.Terminals))].Code}
	case "totals merchants":
		return "totals", map[string]any{"from": day}
	case "totals terminals":
		return "totals", map[string]any{"from": day, "by": "terminal"}
	case "totals month":
		return "totals", map[string]any{"unit": "month", "from": month, "merchant": merchant, "by": "terminal"}
	case "balance holder":
		return "balance", map[string]any{"holder": holder.Number, "at": before}
	}
	return "balance", map[string]any{"merchant": merchant, "at": before}
}

func (a *asker) once(path string, question map[string]any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	reply, err := a.client.Post("http://switch/query/"+path, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	text, err := io.ReadAll(reply.Body)
	if err := errors.Join(err, reply.Body.Close()); err != nil {
		return err
	}
	if reply.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", reply.Status, text)
	}
	return nil
}

func (a *asker) latencies() map[string]queryLatency {
	all := map[string]queryLatency{}
	for name, h := range a.seen {
		all[name] = queryLatency{h.TotalCount(), milliseconds(h, 50), milliseconds(h, 99), float64(h.Max()) / 1e3}
	}
	return all
}
