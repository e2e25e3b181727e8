package main

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// bin counts the latencies above the bin before and up to a bound.
type bin struct {
	UpTo  float64 `json:"up_to_ms"`
	Count int64   `json:"count"`
}

// binBounds are in milliseconds, a third or so of a power of two apart.
var binBounds = [...]float64{0.25, 0.35, 0.5, 0.7, 1, 1.4, 2, 2.8, 4, 5.6, 8, 11, 16, 22, 32, 45, 64, 90, 128, 256, 512, 1024, 2048, 4096, 60_000}

// binsOf sorts a histogram into bins, from the first that is not empty to the last.
func binsOf(h *hdrhistogram.Histogram) []bin {
	bins := make([]bin, len(binBounds))
	for i, bound := range binBounds {
		bins[i].UpTo = bound
	}
	first, last := len(bins), 0
	for _, bar := range h.Distribution() {
		if bar.Count == 0 {
			continue
		}
		i := 0
		for i < len(bins)-1 && float64(bar.To)/1e3 > bins[i].UpTo {
			i++
		}
		bins[i].Count += bar.Count
		first, last = min(first, i), max(last, i)
	}
	if first > last {
		return nil
	}
	return bins[first : last+1]
}

// printBins draws the histogram, with the share of all up to each bound. The tail is a sliver where it is too short for a bar.
func printBins(out io.Writer, bins []bin) {
	total, most := int64(0), int64(1)
	for _, b := range bins {
		total += b.Count
		most = max(most, b.Count)
	}
	fmt.Fprintf(out, "\n延迟分布 latency histogram   %d 笔 purchases\n", total)
	sum := int64(0)
	for _, b := range bins {
		sum += b.Count
		bar := strings.Repeat("█", int(math.Round(44*float64(b.Count)/float64(most))))
		if b.Count > 0 && bar == "" {
			bar = "▏"
		}
		fmt.Fprintf(out, "  ≤ %8g ms %11d %8.4f%%  %s\n", b.UpTo, b.Count, 100*float64(sum)/float64(max(total, 1)), bar)
	}
}

func verdict(ok bool) string {
	if ok {
		return "✓"
	}
	return "✗"
}

// print is the part of the page that a person reads.
func (r *latencyResult) print(out io.Writer) {
	const column = 44
	fmt.Fprintf(out, "\n%s %8s %9s %9s %9s %9s\n", wide("开环 open loop", column), "count", "p50 ms", "p99 ms", "p99.9 ms", "max ms")
	row := func(title string, s syncTimes) {
		fmt.Fprintf(out, "%s %8d %9.2f %9.2f %9.2f %9.2f\n", wide(title, column), s.Count, s.P50, s.P99, s.P999, s.Max)
	}
	row(fmt.Sprintf("消费 purchases %.0f/s", r.Accepted), syncTimes{r.Sent, r.P50, r.P99, r.P999, r.Max})
	row("裸 fdatasync 之前 bare, before", r.Before)
	row("裸 fdatasync 之中 bare, meanwhile", r.Meanwhile)
	row("裸 fdatasync 之后 bare, after", r.After)
	fmt.Fprintf(out, "%s %8s %8.1fx %8.1fx\n", wide("消费为前后裸延迟的倍数 times the bare", column), "", r.RatioP50, r.RatioP99)
	fmt.Fprintf(out, "%s %8s %9s %9s %9s\n", wide("目标 targets", column), "", fmt.Sprintf("%s ≤%gx", verdict(r.RatioP50 <= ratioP50Most), ratioP50Most),
		fmt.Sprintf("%s ≤%dx", verdict(r.RatioP99 <= ratioP99Most), ratioP99Most), fmt.Sprintf("%s <%dms", verdict(r.P999 < p999Most), p999Most))
	fmt.Fprintf(out, "交换机 switch %.2f us/笔 request   组 group %.0f   等待落盘 sync wait %.2f ms   客户端 client %.2f us   自身滞后 own lag p99 %.2f ms   超时 timeouts %d\n", r.CPU, r.Group, r.SyncWait, r.Client, r.Lag, r.Timeouts)
	if r.Void {
		fmt.Fprintln(out, "作废:发生器滞后 / VOID: the generator lagged")
	}
	printBins(out, r.Bins)
	if len(r.Events) > 0 {
		fmt.Fprintf(out, "\n%s %8s %10s %12s %12s\n", wide("事件 event", 26), "at s", "took ms", "p99 near ms", "max near ms")
	}
	for _, e := range r.Events {
		p99, most := r.near(e)
		fmt.Fprintf(out, "%s %8.1f %10.1f %12.2f %12.2f\n", wide(e.Title, 26), e.At, e.Took, p99, most)
	}
	fmt.Fprintln(out, r.Machine)
}

// around is an event with what was near it, for the page.
type around struct {
	mark
	P99, Max float64
}

// Around is the events with what was near them.
func (r *latencyResult) Around() []around {
	all := make([]around, 0, len(r.Events))
	for _, e := range r.Events {
		a := around{mark: e}
		a.P99, a.Max = r.near(e)
		all = append(all, a)
	}
	return all
}

// bar is a bin with its length, of the longest.
type bar struct {
	bin
	Share float64
}

// Bars are the bins for the page.
func (r *latencyResult) Bars() []bar {
	most := int64(1)
	for _, b := range r.Bins {
		most = max(most, b.Count)
	}
	bars := make([]bar, 0, len(r.Bins))
	for _, b := range r.Bins {
		bars = append(bars, bar{b, float64(b.Count) / float64(most)})
	}
	return bars
}

// near is the worst of the series while an event went on and half a second after it.
func (r *latencyResult) near(e mark) (p99, most float64) {
	for _, m := range r.Series {
		if m.At+sliceSpan.Seconds() > e.At && m.At < e.At+e.Took/1e3+0.5 {
			p99, most = max(p99, m.P99), max(most, m.Max)
		}
	}
	return p99, most
}
