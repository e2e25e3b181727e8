package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// report makes one page of what the parts have left in a folder, each as JSON: whatever is there is shown, so that each part may be run
// apart and again. The page needs nothing but itself to be looked at.
type report struct {
	from string
	html string
}

func defaultReport() report { return report{from: "out", html: "out/bench.html"} }

func newReportCommand() *cobra.Command {
	r := defaultReport()
	c := &cobra.Command{
		Use: "report", Short: "由各部分的 JSON 生成一页报告:文字与 HTML / one page from the parts' JSON: text and HTML", Args: cobra.NoArgs,
		Long: `读取文件夹中的 saturate.json、latency.json、peers.json、growth.json、nation.json、lunch.json(有什么用什么),打印一页,
并写出自成一体的 HTML(无需网络)。各部分可分别重测。
Reads what is there of saturate.json, latency.json, peers.json, growth.json, nation.json and lunch.json, prints one page and writes an HTML file
that needs no network. Parts may be measured apart.`,
		RunE: func(c *cobra.Command, _ []string) error { return r.run(c.OutOrStdout()) },
	}
	c.Flags().StringVar(&r.from, "from", r.from, "结果所在文件夹 / folder with the results")
	c.Flags().StringVar(&r.html, "html", r.html, "写入的网页 / the page to write")
	return c
}

// results are what the parts have left.
type results struct {
	Saturate []result       `json:"saturate,omitempty"`
	Latency  *latencyResult `json:"latency,omitempty"`
	Peers    *peersResult   `json:"peers,omitempty"`
	Growth   *growthResult  `json:"growth,omitempty"`
	Nation   *nationResult  `json:"nation,omitempty"`
	Lunch    []serving      `json:"lunch,omitempty"`

	sources []string // the files, with when they were written
}

// readResults reads the parts of a folder.
func readResults(folder string) (*results, error) {
	r := new(results)
	for _, part := range []struct {
		name  string
		value any
	}{
		{"saturate.json", &r.Saturate},
		{"latency.json", &r.Latency},
		{"peers.json", &r.Peers},
		{"growth.json", &r.Growth},
		{"nation.json", &r.Nation},
		{"lunch.json", &r.Lunch},
	} {
		path := filepath.Join(folder, part.name)
		contents, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = json.Unmarshal(contents, part.value)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if info, err := os.Stat(path); err == nil {
			r.sources = append(r.sources, fmt.Sprintf("%s  %s", path, info.ModTime().Format("2006-01-02 15:04")))
		}
	}
	if len(r.sources) == 0 {
		return nil, fmt.Errorf("%s 中没有结果,先运行 bench saturate 等 / no results in %[1]s: run bench saturate and others first", folder)
	}
	return r, nil
}

func (r *report) run(out io.Writer) error {
	read, err := readResults(r.from)
	if err != nil {
		return err
	}
	read.print(out)
	page, err := read.html(machine(r.from))
	if err != nil {
		return err
	}
	if err := writeFile(r.html, page); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	all := strings.TrimSuffix(r.html, filepath.Ext(r.html)) + ".json"
	if err := writeJSON(all, read); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n报告 report   %s   %s\n", r.html, all)
	return nil
}

// print is the page as text.
func (r *results) print(out io.Writer) {
	fmt.Fprintf(out, "\n━━ 校园一卡通交换机 · 测量  bin/bench ━━ %s\n", strings.Join(r.sources, " · "))
	if len(r.Saturate) > 0 {
		fmt.Fprint(out, "\n吞吐 throughput, closed loop")
		printSaturation(out, r.Saturate)
	}
	if r.Peers != nil {
		r.Peers.printRatios(out)
	}
	if r.Growth != nil {
		r.Growth.print(out)
	}
	if r.Nation != nil {
		r.Nation.print(out)
	}
	if r.Latency != nil {
		r.Latency.print(out)
	}
}

//go:embed page
var pageFiles embed.FS

// card is one figure at the top of the page.
type card struct {
	Value, Chinese, English, Target string
	Judged, Good                    bool
}

// cards are the figures that have targets, of the parts that are there.
func (r *results) cards() []card {
	var cards []card
	for _, s := range r.Saturate {
		if s.Connections == 64 && s.InFlight == 32 {
			cards = append(cards, card{Value: grouped(s.TPS), Chinese: "笔/秒,64 连接 x 32 在途", English: "purchases a second, 64 x 32"})
		}
	}
	if p := r.Peers; p != nil {
		cards = append(
			cards,
			judged(fmt.Sprintf("%.1f x", p.Alone), "PostgreSQL 的倍数,一笔一事务", "times PostgreSQL, a transaction each", fmt.Sprintf("≥ %d", timesPostgreSQL), p.Alone >= timesPostgreSQL),
			judged(fmt.Sprintf("%.1f x", p.PostgreSQL), "PostgreSQL 的倍数,含一事务一批", "times PostgreSQL, batches among them", fmt.Sprintf("≥ %d", timesPostgreSQL), p.PostgreSQL >= timesPostgreSQL),
			judged(fmt.Sprintf("%.1f x", p.Redis), "Redis 的倍数", "times Redis", fmt.Sprintf("≥ %d", timesRedis), p.Redis >= timesRedis),
		)
	}
	if l := r.Latency; l != nil {
		cards = append(
			cards,
			judged(fmt.Sprintf("%.1f x", l.RatioP50), "裸 fdatasync,p50", "times a bare fdatasync, p50", fmt.Sprintf("≤ %g", ratioP50Most), l.RatioP50 <= ratioP50Most),
			judged(fmt.Sprintf("%.1f x", l.RatioP99), "裸 fdatasync,p99", "times a bare fdatasync, p99", fmt.Sprintf("≤ %d", ratioP99Most), l.RatioP99 <= ratioP99Most),
			judged(fmt.Sprintf("%.1f ms", l.P999), "p99.9,含强制事件", "p99.9 with events forced in", fmt.Sprintf("< %d ms", p999Most), l.P999 < p999Most),
		)
	}
	if g := r.Growth; g != nil {
		worst := max(g.RatioHolders, g.RatioRecords)
		cards = append(cards, judged(fmt.Sprintf("%.2f x", worst), "规模增大后每笔开销", "cost of a purchase, large to small", fmt.Sprintf("≤ %g", growthMost), worst <= growthMost))
	}
	if n := r.Nation; n != nil {
		cards = append(cards, judged(fmt.Sprintf("%.1f s", n.StartSeconds), grouped(float64(n.Holders))+" 人,kill -9 后启动", "start after kill -9", "≤ 60 s", n.StartSeconds <= nationStartMost))
	}
	return cards
}

func judged(value, chinese, english, target string, good bool) card {
	return card{Value: value, Chinese: chinese, English: english, Target: target, Judged: true, Good: good}
}

// barsMost is the width of the longest bar, in percent of its column.
const barsMost = 100

// html is the page.
func (r *results) html(machine string) ([]byte, error) {
	text := func(name string) string {
		contents, _ := pageFiles.ReadFile("page/" + name) // embedded
		return string(contents)
	}
	t, err := template.New("page").Funcs(template.FuncMap{
		"whole":   func(v any) string { return grouped(number(v)) },
		"fixed":   func(digits int, v float64) string { return fmt.Sprintf("%.*f", digits, v) },
		"percent": func(share float64) float64 { return barsMost * share },
		"mib":     func(bytes int64) string { return grouped(float64(bytes) / (1 << 20)) },
		"gib":     func(bytes int64) string { return fmt.Sprintf("%.1f", float64(bytes)/(1<<30)) },
	}).Parse(text("page.html"))
	if err != nil {
		return nil, fmt.Errorf("making the page: %w", err)
	}
	var holders, records, rush *plot
	if g := r.Growth; g != nil {
		holders = costPlot(g.ByHolders, "持卡人 holders", func(p *growthPoint) int { return p.Holders })
		records = costPlot(g.ByRecords, "已存记录 stored records", func(p *growthPoint) int { return p.Records })
	}
	if r.Nation != nil {
		rush = latencyPlot(r.Nation.Rush)
	}
	var page bytes.Buffer
	err = t.Execute(&page, map[string]any{
		"Style": template.CSS(text("page.css")), "Machine": machine, "Cards": r.cards(), "Sources": r.sources,
		"ThroughputPlot": throughputPlot(r.Saturate), "LatencyPlot": latencyPlot(r.Latency), "HoldersPlot": holders, "RecordsPlot": records, "NationPlot": rush,
		"Saturate": r.Saturate, "Latency": r.Latency, "Peers": r.Peers, "Growth": r.Growth, "Nation": r.Nation, "Lunch": r.Lunch,
	})
	if err != nil {
		return nil, fmt.Errorf("making the page: %w", err)
	}
	return page.Bytes(), nil
}

// number takes what a result may hold.
func number(v any) float64 {
	switch n := v.(type) {
	case int:
		return float64(n)
	case int64:
		return float64(n)
	case float64:
		return n
	}
	return 0
}
