package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

// growth asks whether a purchase costs more when there are more holders, or more behind them in the ledger. Every size is a ledger of its
// own; rounds go over all sizes, so that the machine's moods fall on all of them.
type growth struct {
	common
	holders []int
	records []int
	base    int // holders of the ledgers that differ in their records
	shape   string
	seconds float64
	rounds  int
	json    string
	profile profiling
}

// growthMost is the target: what the last size costs, of the first.
const growthMost = 1.15

// growthPoint is one size.
type growthPoint struct {
	Holders  int     `json:"holders"`
	Records  int     `json:"records"` // stored before the measurement
	TPS      float64 `json:"tps"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	CPU      float64 `json:"cpu_us_per_request"`
	Ratio    float64 `json:"ratio"`            // of the first size, median of the rounds
	Bytes    float64 `json:"bytes_per_record"` // of the block
	Disk     int64   `json:"disk_bytes"`
	Resident int64   `json:"resident_bytes"`
	Stages   []stage `json:"stages,omitempty"` // with --profile

	site     *site
	receipts *receipts
	rounds   []measured
}

// growthResult is the JSON of a run.
type growthResult struct {
	Machine      string        `json:"machine"`
	Shape        string        `json:"shape"`
	Rounds       int           `json:"rounds"`
	Seconds      float64       `json:"seconds"`
	ByHolders    []growthPoint `json:"by_holders"`
	ByRecords    []growthPoint `json:"by_records"`
	RatioHolders float64       `json:"ratio_holders"` // last to first
	RatioRecords float64       `json:"ratio_records"`
}

func newGrowthCommand() *cobra.Command {
	g := growth{holders: []int{10_000, 100_000, 1_000_000}, records: []int{0, 10_000_000}, base: 100_000, shape: "64x32", seconds: 3, rounds: 3, json: "out/growth.json"}
	c := &cobra.Command{
		Use: "growth", Short: "每笔开销随持卡人数与已存记录数的变化 / what a purchase costs with more holders and with more records stored", Args: cobra.NoArgs,
		Long: `每种规模一本账:不同的持卡人数,和不同的已存记录数(先以消费写入)。各轮依次测所有规模,取中位数,列出末值与首值之比(目标 1.15)。
最后复算每本账并与收据核对。
A ledger for each size: numbers of holders, and numbers of records that purchases have put there before. Every round measures all sizes;
medians, and the ratio of the last to the first (target 1.15). At the end each ledger is replayed and held against the receipts.`,
		Example: `  bin/bench growth
  bin/bench growth --holders 10000,1000000,10000000 --records 0,10000000,100000000`,
		RunE: func(c *cobra.Command, _ []string) error { return g.run(c.Context(), c.OutOrStdout()) },
	}
	g.add(c)
	f := c.Flags()
	f.IntSliceVar(&g.holders, "holders", g.holders, "持卡人数,由少到多 / card holders, from few to many")
	f.IntSliceVar(&g.records, "records", g.records, "已存记录数,由少到多,0 为新账 / records stored before, from few to many; 0 is a new ledger")
	f.IntVar(&g.base, "records-holders", g.base, "比较记录数时的持卡人数 / card holders of the ledgers that differ in their records")
	f.StringVar(&g.shape, "shape", g.shape, "连接数x每连接在途数 / connections x requests in flight on each")
	f.Float64Var(&g.seconds, "seconds", g.seconds, "每次测量秒数 / seconds of one measurement")
	f.IntVar(&g.rounds, "rounds", g.rounds, "轮数,取中位数 / rounds; medians are shown")
	f.StringVar(&g.profile.path, "profile", "", "测量时取交换机处理器剖面写入此文件,每种规模一份,并按阶段列出 / take the switch's processor profile meanwhile, write it here, one for each size, and list it by stage")
	f.StringVar(&g.json, "json", g.json, "结果写入 JSON / write the result as JSON")
	return c
}

// growthRecordBytes is what a stored record takes on the disk with its indexes until compactions have come round, at most.
const growthRecordBytes = 160

func (g *growth) run(ctx context.Context, out io.Writer) error {
	shapes, err := parseShapes([]string{g.shape})
	if err = errors.Join(err, g.profile.check()); err != nil {
		return err
	}
	fmt.Fprintf(out, "规模 growth   %s   %d 轮 rounds x %g s   种子 seed %d\n", g.shape, g.rounds, g.seconds, g.seed)
	if err := g.room(out); err != nil {
		return err
	}
	var points []*growthPoint
	defer func() {
		for _, p := range points {
			_ = p.receipts.file.Close()
			p.site.remove()
		}
	}()
	of := func(holders, records int) (*growthPoint, error) {
		at := slices.IndexFunc(points, func(p *growthPoint) bool { return p.Holders == holders && p.Records == records })
		if at >= 0 {
			return points[at], nil
		}
		p := &growthPoint{Holders: holders, Records: records}
		if err := g.prepare(ctx, p, shapes[0], out); err != nil {
			return nil, err
		}
		points = append(points, p)
		return p, nil
	}
	byHolders, byRecords := make([]*growthPoint, len(g.holders)), make([]*growthPoint, len(g.records))
	for i, n := range g.holders {
		if byHolders[i], err = of(n, 0); err != nil {
			return err
		}
	}
	for i, n := range g.records {
		if byRecords[i], err = of(g.base, n); err != nil {
			return err
		}
	}
	if err := g.measure(ctx, points, shapes[0], out); err != nil {
		return err
	}
	r := &growthResult{Machine: machine(g.work), Shape: g.shape, Rounds: g.rounds, Seconds: g.seconds}
	r.ByHolders, r.RatioHolders = summariseGrowth(byHolders)
	r.ByRecords, r.RatioRecords = summariseGrowth(byRecords)
	r.print(out)
	stages := map[string][]stage{}
	for _, list := range [][]growthPoint{r.ByHolders, r.ByRecords} {
		for i := range list {
			title := list[i].title()
			if _, shown := stages[title]; !shown {
				if stages[title], err = g.profile.close(out, title, list[i].CPU); err != nil {
					return err
				}
			}
			list[i].Stages = stages[title]
		}
	}
	fmt.Fprintln(out, r.Machine)
	if g.json != "" {
		if err := writeJSON(g.json, r); err != nil {
			return err
		}
	}
	return closeGrowth(ctx, points, out)
}

// room asks for the space that all sizes together will need.
func (g *growth) room(out io.Writer) error {
	sizes := len(g.holders) + len(g.records) // at most: a size that stands in both is one ledger
	people, most, records := len(g.records)*g.base, g.base, 0
	for _, n := range g.holders {
		people, most = people+n, max(most, n)
	}
	for _, n := range g.records {
		records += n
	}
	disk := int64(sizes)*emptyLedgerBytes + int64(people)*crowdLedgerBytes + int64(most)*crowdFileBytes + int64(records)*growthRecordBytes
	return room(out, g.work, disk, int64(most)*crowdMemoryBytes+int64(min(most, importMost))*importRowBytes)
}

// prepare makes a ledger of one size.
func (g *growth) prepare(ctx context.Context, p *growthPoint, of shape, out io.Writer) (err error) {
	began := time.Now()
	fmt.Fprintf(out, "准备 preparing   持卡人 holders %11s   记录 records %12s …\n", grouped(float64(p.Holders)), grouped(float64(p.Records)))
	if p.site, err = newCrowd(ctx, g.common, max(of.connections, restartTerminals), p.Holders, importMost, "", out); err != nil {
		return err
	}
	if p.receipts, err = p.site.newReceipts(); err == nil && p.Records > 0 {
		err = fillLedger(ctx, p.site, p.Records, out)
	}
	if err == nil && p.Records > 0 {
		fmt.Fprintf(out, "  已存 stored %s   %.0f s\n", grouped(float64(p.Records)), time.Since(began).Seconds())
	}
	if err != nil {
		p.site.remove()
	}
	return err
}

// fillLedger puts so many purchases into the ledger, a few million at a time to say how it goes, and lets the switch index and stop.
func fillLedger(ctx context.Context, s *site, purchases int, out io.Writer) error {
	const step = 2_000_000
	began := time.Now()
	for done := 0; done < purchases; done += step {
		r := restart{common: s.common}
		if err := r.fill(ctx, s, min(step, purchases-done)); err != nil {
			return err
		}
		if now := min(done+step, purchases); now < purchases {
			rate := float64(now) / time.Since(began).Seconds()
			fmt.Fprintf(out, "  … 写入 storing %s / %s   %.0f/s   还需 left %.0f s\n", grouped(float64(now)), grouped(float64(purchases)), rate, float64(purchases-now)/rate)
		}
	}
	p, err := s.serve(ctx)
	if err != nil {
		return err
	}
	if err := p.indexed(ctx); err != nil {
		p.kill()
		return err
	}
	return p.stop()
}

// measure goes over all sizes in each round.
func (g *growth) measure(ctx context.Context, points []*growthPoint, of shape, out io.Writer) error {
	random := newRandom(g.seed)
	for round := range g.rounds {
		for _, p := range points {
			server, err := p.site.serve(ctx)
			if err != nil {
				return err
			}
			if round == 0 {
				if err := server.atRest(ctx); err != nil {
					server.kill()
					return err
				}
			}
			h := &house{site: p.site, servers: map[string]*process{"switch": server}, receipts: p.receipts, random: random}
			m, err := p.measure(ctx, h, server, of, g.seconds, &g.profile)
			if err != nil {
				server.kill()
				return err
			}
			if err := server.stop(); err != nil {
				return err
			}
			p.rounds = append(p.rounds, m)
			fmt.Fprintf(out, "  %d/%d 持卡人 holders %11s  记录 records %12s %9.0f/s  p50 %7.2f ms  p99 %7.2f ms  cpu %6.2f us\n",
				round+1, g.rounds, grouped(float64(p.Holders)), grouped(float64(p.Records)), m.tps, m.p50, m.p99, m.cpu)
		}
	}
	return nil
}

// atRest waits until what an import has left to be done is done: its statements are indexed, and nothing is compacted any more. What purchases leave is theirs.
func (p *process) atRest(ctx context.Context) error {
	const look, calmLooks, looks = 500 * time.Millisecond, 6, 600
	if err := p.indexed(ctx); err != nil {
		return err
	}
	_, calm, err := steady(ctx, look, calmLooks, looks, 0, func() (int64, error) {
		bytes, err := p.metrics(ctx, "onecard_pebble_disk_bytes")
		if err != nil {
			return 0, err
		}
		return int64(bytes[0]), nil
	})
	if err == nil && !calm {
		err = fmt.Errorf("交换机仍在整理导入的数据 / the switch is still at work on what was imported after %s", looks*look)
	}
	return err
}

// measure turns the load once unmeasured, so that caches and logs of a switch that has just started are those of one that has been running.
func (p *growthPoint) measure(ctx context.Context, h *house, server *process, of shape, seconds float64, profile *profiling) (measured, error) {
	if _, err := h.measure(ctx, "switch", of, min(seconds, 2)); err != nil {
		return measured{}, err
	}
	bytes := func() (journal, float64, error) {
		at, err := server.scrape(ctx)
		if err != nil {
			return at, 0, err
		}
		written, err := server.metrics(ctx, "onecard_journal_bytes_total")
		if err != nil {
			return at, 0, err
		}
		return at, written[0], nil
	}
	before, writtenBefore, err := bytes()
	if err != nil {
		return measured{}, err
	}
	h.profile, h.title = profile, p.title()
	m, err := h.measure(ctx, "switch", of, seconds)
	if err != nil {
		return m, err
	}
	after, writtenAfter, err := bytes()
	if err != nil {
		return m, err
	}
	p.Bytes = (writtenAfter - writtenBefore) / max(1, after.entries-before.entries)
	if p.Disk, err = folderBytes(p.site.path("data")); err != nil {
		return m, err
	}
	p.Resident, err = server.resident()
	return m, err
}

// title names the profiles of a size.
func (p *growthPoint) title() string {
	return fmt.Sprintf("%d-holders-%d-records", p.Holders, p.Records)
}

// summariseGrowth takes medians; a ratio is the median of the rounds' ratios.
func summariseGrowth(points []*growthPoint) (summary []growthPoint, last float64) {
	pick := func(p *growthPoint, value func(m measured) float64) float64 {
		values := make([]float64, 0, len(p.rounds))
		for _, m := range p.rounds {
			values = append(values, value(m))
		}
		return median(values)
	}
	for _, p := range points {
		p.TPS, p.CPU = pick(p, func(m measured) float64 { return m.tps }), pick(p, func(m measured) float64 { return m.cpu })
		p.P50, p.P99 = pick(p, func(m measured) float64 { return m.p50 }), pick(p, func(m measured) float64 { return m.p99 })
		ratios := make([]float64, 0, len(p.rounds))
		for i, m := range p.rounds {
			ratios = append(ratios, m.cpu/points[0].rounds[i].cpu)
		}
		p.Ratio = median(ratios)
		last = p.Ratio
		summary = append(summary, *p)
	}
	return summary, last
}

// closeGrowth closes the books of every size.
func closeGrowth(ctx context.Context, points []*growthPoint, out io.Writer) error {
	for _, p := range points {
		fmt.Fprintf(out, "复算 auditing   持卡人 holders %s   记录 records %s …\n", grouped(float64(p.Holders)), grouped(float64(p.Records)))
		if err := p.receipts.put(); err != nil {
			return err
		}
		a, err := p.site.verify(ctx)
		if err != nil {
			return err
		}
		if err := a.report(out, nil); err != nil {
			return err
		}
	}
	return nil
}

// All is every size, for the page.
func (r *growthResult) All() []growthPoint { return slices.Concat(r.ByHolders, r.ByRecords) }

func (r *growthResult) print(out io.Writer) {
	fmt.Fprintf(out, "\n规模 growth   %s, cpu us/req 为每笔处理器时间 / processor time of a purchase\n", r.Shape)
	fmt.Fprintf(out, "%11s %12s %11s %9s %9s %11s %7s %9s %9s %13s\n", "holders", "records", "tps", "p50 ms", "p99 ms", "cpu us/req", "ratio", "B/record", "disk MiB", "resident MiB")
	for _, p := range r.All() {
		fmt.Fprintf(out, "%11s %12s %11.0f %9.2f %9.2f %11.2f %7.2f %9.1f %9.0f %13.0f\n",
			grouped(float64(p.Holders)), grouped(float64(p.Records)), p.TPS, p.P50, p.P99, p.CPU, p.Ratio, p.Bytes, float64(p.Disk)/(1<<20), float64(p.Resident)/(1<<20))
	}
	fmt.Fprintf(out, "末值比首值 last to first   持卡人 holders %.2f %s   记录 records %.2f %s   目标 target ≤ %g\n",
		r.RatioHolders, verdict(r.RatioHolders <= growthMost), r.RatioRecords, verdict(r.RatioRecords <= growthMost), growthMost)
}
