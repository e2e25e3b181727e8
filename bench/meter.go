package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// newHistogram counts latencies of 1 us to 60 s with three digits, in microseconds.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, 60_000_000, 3) }

func milliseconds(h *hdrhistogram.Histogram, quantile float64) float64 {
	return float64(h.ValueAtQuantile(quantile)) / 1e3
}

// journal is what the switch's own metrics say of its groups.
type journal struct{ groups, entries, waits, waited float64 }

// scrape reads the switch's metrics. The scrape costs the switch some processor time: it is made outside of the measured span.
func (p *process) scrape(ctx context.Context) (journal, error) {
	values, err := p.metrics(ctx, "onecard_journal_group_entries_sum", "onecard_journal_group_entries_count", "onecard_journal_append_duration_seconds_count", "onecard_journal_append_duration_seconds_sum")
	if err != nil {
		return journal{}, err
	}
	return journal{entries: values[0], groups: values[1], waits: values[2], waited: values[3]}, nil
}

// metrics reads values without labels, in the order of their names; one that is not there is 0.
func (p *process) metrics(ctx context.Context, names ...string) ([]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.operations+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reading metrics: %w", err)
	}
	defer func() { _ = reply.Body.Close() }()
	values := make([]float64, len(names))
	lines := bufio.NewScanner(reply.Body)
	for lines.Scan() {
		name, number, _ := strings.Cut(lines.Text(), " ")
		if i := slices.Index(names, name); i >= 0 {
			if values[i], err = strconv.ParseFloat(number, 64); err != nil {
				return nil, fmt.Errorf("reading metrics: %w", err)
			}
		}
	}
	return values, lines.Err()
}

// mean is the entries of a group between two looks.
func (j journal) mean(before journal) float64 {
	if j.groups == before.groups {
		return 0
	}
	return (j.entries - before.entries) / (j.groups - before.groups)
}

// syncWait is how long a group waited for the disk between two looks, in milliseconds.
func (j journal) syncWait(before journal) float64 {
	if j.waits == before.waits {
		return 0
	}
	return 1e3 * (j.waited - before.waited) / (j.waits - before.waits)
}

// machine describes where a run was made: a figure without it says nothing.
func machine(folder string) string {
	memory, system := "?", "?"
	if contents, err := os.ReadFile("/proc/meminfo"); err == nil {
		if fields := strings.Fields(string(contents)); len(fields) > 1 {
			if kib, err := strconv.Atoi(fields[1]); err == nil {
				memory = fmt.Sprintf("%d GiB", (kib+1<<19)>>20)
			}
		}
	}
	if name, err := fileSystem(folder); err == nil {
		system = name
	}
	model := ""
	if contents, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(contents)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				model = " (" + strings.TrimLeft(strings.TrimSpace(name), ": ") + ")"
				break
			}
		}
	}
	return fmt.Sprintf("机器 machine  %d cpu%s · %s · %s · %s · %s", runtime.NumCPU(), model, memory, system, runtime.Version(), time.Now().Format("2006-01-02 15:04"))
}

// fileSystem is the type of the mount that a folder is on: the longest mount point that contains it.
func fileSystem(folder string) (string, error) {
	absolute, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	contents, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return "", err
	}
	best, name := "", "?"
	for line := range strings.Lines(string(contents)) {
		fields := strings.Fields(line)
		if len(fields) < 3 || len(fields[1]) < len(best) {
			continue
		}
		if fields[1] == "/" || absolute == fields[1] || strings.HasPrefix(absolute, fields[1]+"/") {
			best, name = fields[1], fields[2]
		}
	}
	return name, nil
}

// availableMemory is what the system can give without swapping.
func availableMemory() (int64, error) {
	contents, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, fmt.Errorf("free memory: %w", err)
	}
	for line := range strings.Lines(string(contents)) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("free memory: /proc/meminfo is not as expected")
}
