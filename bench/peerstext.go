package main

import (
	"fmt"
	"io"
	"slices"
)

// peerRow is one system in one shape.
type peerRow struct {
	System string  `json:"system"`
	Title  string  `json:"title"`
	Shape  string  `json:"shape"` // connections x purchases in flight on each
	TPS    float64 `json:"tps"`
	P50    float64 `json:"p50_ms"`
	P99    float64 `json:"p99_ms"`
	CPU    float64 `json:"cpu_us_per_request"`
	Client float64 `json:"client_cpu_us_per_request"`
	Switch float64 `json:"switch_is_times"` // what is compared of the switch, of this: median of the rounds' ratios
	Best   bool    `json:"best"`            // of its system
}

// peersResult is the JSON of a run.
type peersResult struct {
	Machine    string    `json:"machine"`
	Versions   string    `json:"versions"`
	Rounds     int       `json:"rounds"`
	Seconds    float64   `json:"seconds"`
	Rows       []peerRow `json:"rows"`
	PostgreSQL float64   `json:"switch_is_times_postgresql"` // at its best shape
	Alone      float64   `json:"switch_is_times_postgresql_one_transaction_each"`
	Redis      float64   `json:"switch_is_times_redis"`
}

// quotedRow is of another day and another client, for orientation: so many purchases a second with 64 in flight, and with 2,048.
type quotedRow struct{ Title, Single, Many string }

var quotedPeers = []quotedRow{
	{"TigerBeetle, 单笔 single transfers, 忙 busy", "1.3 – 7.9 k/s", "61 – 73 k/s"},
	{"TigerBeetle, 单笔 single transfers, 静 quiet", "8 – 16 k/s", "76 – 115 k/s"},
	{"TigerBeetle, 8,000 笔一批 batches, 忙 busy", "", "140 – 176 k/s"},
	{"TigerBeetle, 8,000 笔一批 batches, 静 quiet", "", "192 – 244 k/s"},
}

// work is a thing that is done for a purchase.
type work struct{ Chinese, English string }

// Who does what for a purchase.
var (
	workOfAll = []work{
		{"卡与终端的查找、状态、有效期", "card and terminal looked up, their states, expiry"},
		{"重复检查(终端,批次,流水号),相同应答", "duplicates by (terminal, batch, trace), the same answer again"},
		{"日次数与日金额限额,余额检查", "the day's count and amount limits, balance"},
		{"借贷两腿,流水,落盘后应答", "two legs, journal, an answer after the sync"},
	}
	workOfSwitch = []work{
		{"ISO 8583 报文,请求验 MAC,应答生成 MAC", "ISO 8583 frames, a MAC checked and a MAC made"},
		{"规则与费率、商户时段、钱包组合、餐次、密码门限", "prices and rules, opening times, purses, meals, PIN thresholds"},
		{"冲正与墓碑,逐字节相同的重发应答,内容不同拒绝(94)", "reversals with tombstones, byte-for-byte repeats, 94 for other contents"},
		{"哈希链账块,第二份见证同步,日根与签名", "hash-chained blocks, a second synced witness, a signed root a day"},
		{"持卡人、卡、商户、终端流水索引,日月汇总", "statement indexes of holder, card, merchant, terminal; totals by day and month"},
		{"名单、计量、检查点", "deny list, metrics, checkpoints"},
	}
)

// WorkOfAll is workOfAll, for the page.
func (r *peersResult) WorkOfAll() []work { return workOfAll }

// WorkOfSwitch is workOfSwitch, for the page.
func (r *peersResult) WorkOfSwitch() []work { return workOfSwitch }

func printWork(out io.Writer, title string, of []work) {
	fmt.Fprintln(out, title)
	for _, w := range of {
		fmt.Fprintf(out, "  %s  %s\n", wide(w.Chinese, 50), w.English)
	}
}

// Quoted is quotedPeers with the switch of this run above them.
func (r *peersResult) Quoted() []quotedRow {
	own := quotedRow{Title: "交换机,本次 the switch, this run"}
	for _, row := range r.Rows {
		switch {
		case row.System == "switch" && row.Shape == "64x1":
			own.Single = grouped(row.TPS) + " /s"
		case row.System == "switch" && row.Shape == "64x32":
			own.Many = grouped(row.TPS) + " /s"
		}
	}
	return append([]quotedRow{own}, quotedPeers...)
}

// summarisePeers takes medians and finds the best shape of each system. What is compared is the switch's last shape.
func summarisePeers(contenders []*contender) *peersResult {
	r := new(peersResult)
	var compared *contender
	for _, c := range contenders {
		if c.system == "switch" {
			compared = c
		}
	}
	best := map[string]int{}
	alone := 0.0
	for i, c := range contenders {
		pick := func(value func(m measured) float64) float64 {
			values := make([]float64, 0, len(c.rounds))
			for _, m := range c.rounds {
				values = append(values, value(m))
			}
			return median(values)
		}
		ratios := make([]float64, 0, len(c.rounds))
		for j, m := range c.rounds {
			ratios = append(ratios, compared.rounds[j].tps/m.tps)
		}
		r.Rows = append(r.Rows, peerRow{
			System: c.system, Title: c.title, Shape: c.shape, TPS: pick(func(m measured) float64 { return m.tps }), P50: pick(func(m measured) float64 { return m.p50 }),
			P99: pick(func(m measured) float64 { return m.p99 }), CPU: pick(func(m measured) float64 { return m.cpu }), Client: pick(func(m measured) float64 { return m.client }),
			Switch: median(ratios),
		})
		if c.alone && r.Rows[i].TPS > alone {
			alone, r.Alone = r.Rows[i].TPS, r.Rows[i].Switch
		}
		if at, known := best[c.system]; !known || r.Rows[i].TPS > r.Rows[at].TPS {
			best[c.system] = i
		}
	}
	for system, i := range best {
		r.Rows[i].Best = true
		switch system {
		case "postgresql":
			r.PostgreSQL = r.Rows[i].Switch
		case "redis":
			r.Redis = r.Rows[i].Switch
		}
	}
	return r
}

// print is everything that the run has found.
func (r *peersResult) print(out io.Writer) {
	fmt.Fprintf(out, "\n%s %11s %9s %9s %11s %11s %12s\n", wide("同机对照 peers, ★ 各自最好 best of its own", 48), "purchases/s", "p50 ms", "p99 ms", "cpu us/req", "client us", "the switch is")
	for _, row := range r.Rows {
		star := "  "
		if row.Best {
			star = "★ "
		}
		fmt.Fprintf(out, "%s %11.0f %9.2f %9.2f %11.2f %11.2f %11.1fx\n", wide(star+row.Title, 48), row.TPS, row.P50, row.P99, row.CPU, row.Client, row.Switch)
	}
	r.printRatios(out)
	const column = 26
	fmt.Fprintf(out, "\n%s %s %s\n", wide("引用,非本次测量 quoted, measured elsewhere", 48), wide("64 笔在途 in flight", column), "2,048 笔在途或成批 in flight, or in batches")
	for _, q := range r.Quoted() {
		fmt.Fprintf(out, "%s %s %s\n", wide("  "+q.Title, 48), wide(q.Single, column), q.Many)
	}
	printWork(out, "\n三者都做 all three do", workOfAll)
	printWork(out, "只有交换机做 the switch alone does", workOfSwitch)
	fmt.Fprintf(out, "\n%s\n%s\n", r.Versions, r.Machine)
}

// printRatios is how many times the best of each peer the switch is.
func (r *peersResult) printRatios(out io.Writer) {
	const column = 72
	row := func(title string, times float64, target int) {
		fmt.Fprintf(out, "%s %8.1fx   %s ≥ %d\n", wide(title, column), times, verdict(times >= float64(target)), target)
	}
	fmt.Fprintln(out, "\n交换机为各自最好形状的倍数 the switch, as a multiple of the best shape of")
	row("  PostgreSQL,含成批 batches in one transaction among them", r.PostgreSQL, timesPostgreSQL)
	row("  PostgreSQL,一笔一事务 every purchase a transaction of its own, as here", r.Alone, timesPostgreSQL)
	row("  Redis", r.Redis, timesRedis)
}

// peerBar is a row with its length, of the longest.
type peerBar struct {
	peerRow
	Share float64
	Class string
}

// Bars are the switch and the best of the others, for the page.
func (r *peersResult) Bars() []peerBar {
	most := 1.0
	for _, row := range r.Rows {
		most = max(most, row.TPS)
	}
	var bars []peerBar
	for _, row := range r.Rows {
		if row.Best || row.System == "switch" {
			bars = append(bars, peerBar{row, row.TPS / most, map[string]string{"switch": "", "postgresql": "c", "redis": "b"}[row.System]})
		}
	}
	slices.SortStableFunc(bars, func(a, b peerBar) int { return int(b.TPS - a.TPS) })
	return bars
}
