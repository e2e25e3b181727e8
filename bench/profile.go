package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
)

// profiling takes the switch's processor profile while it is measured and says which stage of a request the time goes to.
//
// The profiler samples a running thread a hundred times a second of processor time, in the kernel as outside it, so a stage's share of the
// samples times what the request cost by /proc is what the stage costs. A short span has few samples: a second of a busy processor has a
// hundred, and a stage of five of them may as well have three.
type profiling struct {
	path  string // where profiles go; "": none are taken
	taken map[string][]*profile.Profile
}

func (p *profiling) on() bool { return p.path != "" }

// stage is a part of the way of a request through the switch, and where its time is spent.
type stage struct {
	Name      string  `json:"stage"`
	Title     string  `json:"title"`
	CPU       float64 `json:"us_per_request"`
	Share     float64 `json:"share"`
	functions []string
}

// stages in the order of the way. A look belongs to the stage of its innermost function that is listed here: memory that is moved and
// system calls belong to who asked for them. A name that ends in a dot or a slash is of a package or a type; of two that fit, the longer says more.
var stages = []stage{
	{Name: "read", Title: "收报 read", functions: []string{
		"onecard/terminals/reactor.readNow", "onecard/terminals/reactor.(*Conn).receive", "onecard/terminals/reactor.(*Loop).Poll", "onecard/terminals/reactor.(*Loop).ready",
		"onecard/terminals/reactor.(*Loop).glance", "onecard/terminals/reactor.(*Loop).dispatch", "onecard/terminals/reactor.(*Loop).accept", "onecard/terminals.(*Server).Poll",
	}},
	{Name: "decode", Title: "解码 decode", functions: []string{
		"onecard/switch/iso8583.(*Message).", "onecard/terminals.(*Session).Receive", "onecard/terminals.(*Session).frame", "onecard/terminals.(*Session).parse", "onecard/terminals.(*Session).financial",
		"onecard/terminals.(*pendingTable).put", "onecard/terminals.(*Session).keep", "onecard/terminals.(*handler).",
	}},
	{Name: "MAC", Title: "报文鉴别 MAC", functions: []string{"onecard/switch/iso8583.(*MAC)."}},
	{Name: "warm", Title: "预取 warm the caches", functions: []string{"onecard/switch/transaction.(*State).warm"}},
	{Name: "decide", Title: "判定 decide", functions: []string{"onecard/switch/transaction.(*decider).", "onecard/switch/transaction.(*Case).", "onecard/switch/transaction.(*Engine).", "onecard/switch/campus/", "onecard/switch/rules."}},
	{Name: "apply", Title: "记账 apply", functions: []string{"onecard/switch/transaction.(*State).apply", "onecard/ledger.(*Book).Apply", "onecard/switch/transaction.(*Engine).add"}},
	{Name: "record", Title: "成条 record", functions: []string{"onecard/switch/transaction.(*decider).write", "onecard/switch/transaction.(*record).append"}},
	{Name: "journal", Title: "落盘 journal, sync", functions: []string{
		"onecard/ledger.(*BlockBuilder).", "onecard/ledger/pebblestore.(*Store).Append", "onecard/ledger/pebblestore.(*Store).Wait", "onecard/ledger/pebblestore.(*Store).land",
		"onecard/ledger/pebblestore.(*witness).", "onecard/ledger/pebblestore.(*testimony).", "onecard/ledger/pebblestore.(*clerk).", "onecard/ledger/pebblestore.(*flight).",
		"github.com/cockroachdb/pebble/v2/record.", "github.com/cockroachdb/pebble/v2.(*commitPipeline).", "github.com/cockroachdb/pebble/v2/wal.",
	}},
	{Name: "encode", Title: "编码 encode", functions: []string{
		"onecard/switch/iso8583.(*Builder).", "onecard/switch/iso8583.(*Echo).", "onecard/terminals.(*Sessions).", "onecard/terminals.(*Session).answer", "onecard/terminals.(*Server).Answer", "onecard/terminals.(*pendingTable).take", "onecard/terminals.(*Session).goOn",
	}},
	{Name: "write", Title: "应答 answer, write", functions: []string{"onecard/terminals/reactor.(*Conn).flush", "onecard/terminals/reactor.(*Loop).Flush", "onecard/terminals/reactor.writeNow", "onecard/terminals.(*Server).settle"}},
	{Name: "index", Title: "索引 index", functions: []string{"onecard/ledger/pebblestore.(*indexer).", "onecard/switch/transaction.(*Register).", "onecard/ledger/pebblestore.(*batches).", "onecard/ledger/pebblestore.(*lists).", "onecard/ledger/pebblestore.(*cells)."}},
	{Name: "compaction", Title: "压实 flush, compaction", functions: []string{"github.com/cockroachdb/pebble/v2.(*DB).compact", "github.com/cockroachdb/pebble/v2.(*DB).flush", "github.com/cockroachdb/pebble/v2.(*DB).runCompaction", "github.com/cockroachdb/pebble/v2/sstable.", "github.com/cockroachdb/pebble/v2/internal/compact."}},
	{Name: "checkpoint", Title: "检查点 checkpoint", functions: []string{"onecard/ledger/pebblestore.(*Store).SaveCheckpoint", "onecard/switch/transaction.(*Engine).Snapshot", "onecard/switch/daemon.(*server).saveCheckpoint"}},
	{Name: "metrics", Title: "计量 metrics", functions: []string{"onecard/switch/telemetry.", "onecard/switch/daemon.(*server).engineEvents", "onecard/switch/daemon.(*server).storeEvents", "net/http.", "runtime/pprof."}},
	{Name: "runtime", Title: "运行时 runtime, GC", functions: []string{
		"runtime.gcBgMarkWorker", "runtime.gcAssistAlloc", "runtime.bgsweep", "runtime.bgscavenge", "runtime.schedule", "runtime.findRunnable", "runtime.mcall", "runtime.park_m",
		"runtime.mstart", "runtime.sysmon", "runtime.mstart1",
	}},
	{Name: "other", Title: "其他 other"},
}

// stageOf is the index of the stage that a look belongs to.
func stageOf(s *profile.Sample) int {
	for _, location := range s.Location {
		for _, line := range location.Line { // innermost first
			if line.Function == nil {
				continue
			}
			if i := stageOfFunction(line.Function.Name); i >= 0 {
				return i
			}
		}
	}
	return len(stages) - 1
}

// stageOfFunction is the index of the stage that a function is listed in, or -1.
func stageOfFunction(name string) int {
	found, longest := -1, 0
	for i := range stages {
		for _, listed := range stages[i].functions {
			if len(listed) > longest && strings.HasPrefix(name, listed) {
				found, longest = i, len(listed)
			}
		}
	}
	return found
}

// costs spreads what a request costs over the stages.
func costs(p *profile.Profile, cpu float64) []stage {
	result := slices.Clone(stages)
	total := 0.0
	for _, sample := range p.Sample {
		samples := float64(sample.Value[0])
		result[stageOf(sample)].Share += samples
		total += samples
	}
	for i := range result {
		result[i].Share /= max(total, 1)
		result[i].CPU = result[i].Share * cpu
	}
	return result
}

// fetch takes a profile of whole seconds from the operations port. It is called beside the load.
func (p *profiling) fetch(ctx context.Context, of *process, name string, seconds float64) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", of.operations, max(1, int(seconds))), nil)
	if err != nil {
		return err
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("taking a profile: %w", err)
	}
	contents, err := io.ReadAll(reply.Body)
	_ = reply.Body.Close()
	if err != nil || reply.StatusCode != http.StatusOK {
		return fmt.Errorf("taking a profile: %s: %w", reply.Status, err)
	}
	read, err := profile.ParseData(contents)
	if err != nil {
		return fmt.Errorf("reading a profile: %w", err)
	}
	if p.taken == nil {
		p.taken = map[string][]*profile.Profile{}
	}
	p.taken[name] = append(p.taken[name], read)
	return nil
}

// close merges what was taken under a name, writes it for go tool pprof, and prints where the time goes.
func (p *profiling) close(out io.Writer, name string, cpu float64) ([]stage, error) {
	if len(p.taken[name]) == 0 {
		return nil, nil
	}
	merged, err := profile.Merge(p.taken[name])
	if err != nil {
		return nil, fmt.Errorf("merging profiles: %w", err)
	}
	var contents bytes.Buffer
	if err := merged.Write(&contents); err != nil {
		return nil, fmt.Errorf("writing a profile: %w", err)
	}
	path := p.path
	if len(p.taken) > 1 {
		extension := filepath.Ext(path)
		path = strings.TrimSuffix(path, extension) + "-" + name + extension
	}
	if err := writeFile(path, contents.Bytes()); err != nil {
		return nil, fmt.Errorf("writing a profile: %w", err)
	}
	result := costs(merged, cpu)
	samples := int64(0)
	for _, sample := range merged.Sample {
		samples += sample.Value[0]
	}
	printStages(out, name, path, samples, result)
	return result, nil
}

func printStages(out io.Writer, name, path string, samples int64, of []stage) {
	fmt.Fprintf(out, "\n时间去向 where the time goes   %s   %d 次采样 samples   %s\n%s %14s %7s\n", name, samples, path, wide("阶段 stage", 26), "us/request", "share")
	total := 0.0
	for _, s := range of {
		if s.CPU > 0 {
			fmt.Fprintf(out, "%s %14.3f %6.1f%%  %s\n", wide(s.Title, 26), s.CPU, 100*s.Share, strings.Repeat("█", int(40*s.Share+0.5)))
		}
		total += s.CPU
	}
	fmt.Fprintf(out, "%s %14.3f\n", wide("合计 in all", 26), total)
}

// check refuses a place that cannot be written before a run of minutes.
func (p *profiling) check() error {
	if !p.on() {
		return nil
	}
	if info, err := os.Stat(p.path); err == nil && info.IsDir() {
		return fmt.Errorf("--profile %s 是文件夹 / is a folder", p.path)
	}
	return nil
}
