package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/spf13/cobra"

	"onecard/terminals/emulator/samplecampus"
)

// nation puts every student of a country into one process: does it fit, does it come back, does it hold the rush.
type nation struct {
	common
	holders     int
	part        int
	rate        float64
	seconds     float64
	connections int
	sales       int // before the kill: some for the recovery to bring back
	audit       bool
	json        string
	profile     profiling
}

// Targets (bench/README.md, Figures).
const (
	nationResidentMost = 10 << 30
	nationStartMost    = 60 // seconds
)

// nationAuditMost is up to how many holders the books are closed without being asked: the auditor keeps books of its own in memory.
const nationAuditMost = 5_000_000

// nationResult is the JSON of a run.
type nationResult struct {
	Machine       string         `json:"machine"`
	Holders       int            `json:"holders"`
	Imports       int            `json:"imports"`
	ImportSeconds float64        `json:"import_seconds"`
	Disk          int64          `json:"disk_bytes"`
	Resident      int64          `json:"resident_bytes"` // after the start, or after the rush if that is more
	StartSeconds  float64        `json:"start_seconds"`  // from kill -9 under load to the first answer
	Recovery      float64        `json:"recovery_seconds"`
	Rush          *latencyResult `json:"rush"`
}

func newNationCommand() *cobra.Command {
	n := nation{holders: 50_000_000, part: importMost, rate: 25_000, seconds: 300, connections: 2000, sales: 200_000, json: "out/nation.json"}
	c := &cobra.Command{
		Use: "nation", Short: "五千万人在一个进程里:内存、断电后启动、全国高峰 / fifty million holders in one process: memory, start after kill -9, the rush", Args: cobra.NoArgs,
		Long: `用产品自己的导入命令分批导入(每批至多一千万行),在负载下 kill -9,测到首个应答的时间与常驻内存,再以开环定速跑全国高峰。
先检查磁盘与内存是否够用;结束后删除数据(--keep 保留)。五千万人约需磁盘 28 GiB、内存 17 GiB,一小时以上;先用 --holders 1000000 试。
Imports by the product's own command in parts of at most ten million rows, kills the switch with SIGKILL under load, takes the time to the
first answer and the resident memory, and plays the national rush in an open loop. Disk and memory are checked before; the data goes afterwards
(--keep leaves it). Fifty million take about 28 GiB of disk, 17 GiB of memory and more than an hour: try --holders 1000000 first.`,
		RunE: func(c *cobra.Command, _ []string) error { return n.run(c.Context(), c.OutOrStdout()) },
	}
	n.add(c)
	f := c.Flags()
	f.IntVar(&n.holders, "holders", n.holders, "持卡人数 / card holders")
	f.IntVar(&n.part, "import-rows", n.part, "每次导入的人数,至多 10000000 / people of one import, at most 10000000")
	f.Float64Var(&n.rate, "rate", n.rate, "每秒笔数 / purchases a second")
	f.Float64Var(&n.seconds, "seconds", n.seconds, "高峰秒数 / seconds of the rush")
	f.IntVar(&n.connections, "connections", n.connections, "终端连接数 / terminals, a connection each")
	f.IntVar(&n.sales, "sales", n.sales, "强杀之前的消费笔数 / purchases before the kill")
	f.BoolVar(&n.audit, "audit", false, "五百万人以上也复算账本,内存另需约同样多 / close the books above five million holders too, which takes about as much memory again")
	f.StringVar(&n.json, "json", n.json, "结果写入 JSON / write the result as JSON")
	f.StringVar(&n.profile.path, "profile", "", "高峰时取交换机处理器剖面写入此文件,并按阶段列出 / take the switch's processor profile of the rush, write it here, and list it by stage")
	return c
}

func (n *nation) run(ctx context.Context, out io.Writer) error {
	if n.part > 10_000_000 || n.connections > 8000 {
		return errors.New("每次导入至多 10000000 行,连接至多 8000 / at most 10000000 rows an import and 8000 connections")
	}
	if err := n.profile.check(); err != nil {
		return err
	}
	fmt.Fprintf(out, "全国 nation   %s 持卡人 holders   %g/s x %g s   %d 连接 connections   种子 seed %d\n", grouped(float64(n.holders)), n.rate, n.seconds, n.connections, n.seed)
	part := min(n.part, n.holders)
	disk := int64(n.holders)*crowdLedgerBytes + int64(part)*crowdFileBytes + 4<<30
	if err := room(out, n.work, disk, int64(n.holders)*crowdMemoryBytes+int64(part)*importRowBytes); err != nil {
		return err
	}
	s, err := newCrowd(ctx, n.common, n.connections, n.holders, n.part, "", out)
	if err != nil {
		return err
	}
	defer s.remove()
	r := &nationResult{Holders: n.holders, Imports: 1 + max(0, n.holders-len(s.campus.Holders)+n.part-1)/n.part, ImportSeconds: s.imported.Seconds()}
	h := &house{site: s, servers: map[string]*process{}, random: newRandom(n.seed), profile: &n.profile}
	if h.receipts, err = s.newReceipts(); err != nil {
		return err
	}
	defer h.end()
	if err := n.restart(ctx, h, r, out); err != nil {
		return err
	}
	if err := n.rush(ctx, h, r, out); err != nil {
		return err
	}
	r.Machine = machine(s.folder)
	r.print(out)
	if n.json != "" {
		if err := writeJSON(n.json, r); err != nil {
			return err
		}
	}
	if n.audit || n.holders <= nationAuditMost {
		fmt.Fprintln(out, "复算 / auditing …")
		return h.close(ctx, out)
	}
	return nil
}

// restart lets the import settle, kills the switch under load and takes the time until it answers again.
func (n *nation) restart(ctx context.Context, h *house, r *nationResult, out io.Writer) error {
	fmt.Fprintln(out, "启动并建索引 / starting, and indexing the import …")
	began := time.Now()
	p, err := h.site.serve(ctx)
	if err != nil {
		return err
	}
	if err = p.indexed(ctx); err == nil {
		err = p.stop()
	}
	if err != nil {
		p.kill()
		return err
	}
	fmt.Fprintf(out, "  %.0f s\n负载下 kill -9 / under load, kill -9 …\n", time.Since(began).Seconds())
	again := restart{common: n.common}
	if err := again.fill(ctx, h.site, n.sales); err != nil { // its end is a kill
		return err
	}
	p, took, err := again.firstAnswer(ctx, h.site)
	if err != nil {
		return err
	}
	h.servers["switch"] = p
	recovery, err := p.metrics(ctx, "onecard_recovery_seconds")
	if err != nil {
		return err
	}
	r.StartSeconds, r.Recovery = took/1e3, recovery[0]
	fmt.Fprintf(out, "  首个应答 first answer after %.1f s, 其中恢复 recovery %.1f s\n", r.StartSeconds, r.Recovery)
	if r.Resident, err = p.settled(ctx); err != nil {
		return err
	}
	r.Disk, err = folderBytes(h.site.path("data"))
	fmt.Fprintf(out, "  常驻 resident %.2f GiB   磁盘 disk %.2f GiB\n", float64(r.Resident)/(1<<30), float64(r.Disk)/(1<<30))
	return err
}

// rush plays the open loop over everybody.
func (n *nation) rush(ctx context.Context, h *house, r *nationResult, out io.Writer) error {
	probe, err := newBareSync(h.site.folder)
	if err != nil {
		return err
	}
	defer probe.close()
	before, err := probe.loopFor(ctx, min(5, n.seconds))
	if err != nil {
		return err
	}
	p := newPaced(n.rate, h.random, func(random *rand.Rand) uint64 { return samplecampus.CardOf(random.IntN(n.holders)) })
	f, err := pacedFleet(h, p, n.connections)
	if err != nil {
		return err
	}
	defer f.Close()
	fmt.Fprintln(out, "高峰 / the rush …")
	if err := p.play(ctx, max(2*warmUp, time.Duration(n.seconds*float64(time.Second)/20)), nil); err != nil {
		return err
	}
	stop := probe.loopBeside(ctx, syncPause)
	rush, err := h.playMeasured(ctx, p, time.Duration(n.seconds*float64(time.Second)), out)
	meanwhile, failed := stop()
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	after, err := probe.loopFor(ctx, min(5, n.seconds))
	if err != nil {
		return err
	}
	rush.compare(before, after)
	rush.Rate, rush.Seconds, rush.Connections, rush.Holders, rush.Meanwhile, rush.Machine = n.rate, n.seconds, n.connections, n.holders, syncTimesOf(meanwhile), machine(h.site.folder)
	if rush.Stages, err = n.profile.close(out, "latency", rush.CPU); err != nil {
		return err
	}
	resident, err := h.servers["switch"].resident()
	if err != nil {
		return err
	}
	r.Resident, r.Rush = max(r.Resident, resident), rush
	rush.print(out)
	return h.receipts.put()
}

func (r *nationResult) print(out io.Writer) {
	const gib = 1 << 30
	row := func(title, value, target string, ok bool) {
		if target != "" {
			target = verdict(ok) + " " + target
		}
		fmt.Fprintf(out, "%s %14s   %s\n", wide(title, 44), value, target)
	}
	fmt.Fprintf(out, "\n全国 nation   %s 持卡人 holders\n", grouped(float64(r.Holders)))
	row(fmt.Sprintf("导入 import, %d 次 runs", r.Imports), fmt.Sprintf("%.0f s", r.ImportSeconds), "", true)
	row("磁盘 on disk", fmt.Sprintf("%.2f GiB", float64(r.Disk)/gib), "", true)
	row("常驻内存 resident memory", fmt.Sprintf("%.2f GiB", float64(r.Resident)/gib), "≤ 10 GiB", r.Resident <= nationResidentMost)
	row("kill -9 后首个应答 first answer after kill -9", fmt.Sprintf("%.1f s", r.StartSeconds), fmt.Sprintf("≤ %d s", nationStartMost), r.StartSeconds <= nationStartMost)
	if r.Rush != nil {
		row(fmt.Sprintf("高峰 rush %.0f/s x %.0f s, p99.9", r.Rush.Rate, r.Rush.Seconds), fmt.Sprintf("%.2f ms", r.Rush.P999), fmt.Sprintf("< %d ms", p999Most), r.Rush.P999 < p999Most)
	}
}
