package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMeasuring runs what measures once, small, against the real switch: every figure is there. None is judged: the machine may be busy.
func TestMeasuring(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the switch and loads it")
	}
	binary := builtSwitch(t)
	t.Run("latency", func(t *testing.T) { smallLatency(t, binary) })
	t.Run("growth", func(t *testing.T) { smallGrowth(t, binary) })
	t.Run("nation", func(t *testing.T) { smallNation(t, binary) })
	t.Run("peers", func(t *testing.T) { smallPeers(t, binary) })
}

func readJSON[T any](t *testing.T, path string) T {
	t.Helper()
	var value T
	contents, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(contents, &value))
	return value
}

func smallLatency(t *testing.T, binary string) {
	folder := t.TempDir()
	l := defaultLatency()
	l.common = common{binary: binary, work: folder, seed: 3}
	l.rate, l.seconds, l.connections, l.holders, l.syncSeconds = 300, 1, 8, 500, 0.1
	l.json, l.profile.path = filepath.Join(folder, "latency.json"), filepath.Join(folder, "latency.pprof")
	var out bytes.Buffer
	require.NoError(t, l.run(t.Context(), &out), out.String())
	r := readJSON[latencyResult](t, l.json)
	require.Positive(t, r.Sent)
	require.Len(t, r.Series, 10)
	require.Len(t, r.Events, len(l.events))
	counted := int64(0)
	for _, b := range r.Bins {
		counted += b.Count
	}
	require.Equal(t, r.Sent, counted)
	for name, figure := range map[string]float64{"p50": r.P50, "p99": r.P99, "before": r.Before.P50, "meanwhile": r.Meanwhile.P50, "after": r.After.P50, "ratio": r.RatioP50} {
		require.Positive(t, figure, name)
	}
	require.FileExists(t, l.profile.path)
	require.Contains(t, out.String(), "名单 list")
}

// The series goes by the moment that was due, with exact quantiles.
func TestSeries(t *testing.T) {
	p := newPaced(1000, newRandom(1), nil)
	p.slices = [][]uint32{{3000, 1000, 2000}, {}}
	require.Equal(t, []moment{{At: 0, Count: 3, P50: 2, P99: 3, Max: 3}, {At: 0.1}}, p.series())
	r := latencyResult{Series: []moment{{At: 0, P99: 9, Max: 90}, {At: 1, P99: 2, Max: 4}, {At: 1.4, P99: 3, Max: 3}, {At: 1.8, P99: 8, Max: 8}}}
	p99, most := r.near(mark{At: 1.05, Took: 100})
	require.InDelta(t, 3, p99, 0)
	require.InDelta(t, 4, most, 0)
}

func TestBins(t *testing.T) {
	h := newHistogram()
	require.Empty(t, binsOf(h))
	for _, took := range []time.Duration{300 * time.Microsecond, 320 * time.Microsecond, 3 * time.Millisecond} {
		require.NoError(t, h.RecordValue(took.Microseconds()))
	}
	bins := binsOf(h)
	require.Equal(t, bin{0.35, 2}, bins[0])
	require.Equal(t, bin{4, 1}, bins[len(bins)-1])
}

func smallGrowth(t *testing.T, binary string) {
	folder := t.TempDir()
	g := growth{
		common: common{binary: binary, work: folder, seed: 3}, holders: []int{100, 2500}, records: []int{0, 3000}, base: 200, shape: "4x8", seconds: 0.2, rounds: 1,
		json: filepath.Join(folder, "growth.json"),
	}
	var out bytes.Buffer
	require.NoError(t, g.run(t.Context(), &out), out.String())
	r := readJSON[growthResult](t, g.json)
	require.Len(t, r.ByHolders, 2)
	require.Len(t, r.ByRecords, 2)
	require.Equal(t, []int{2500, 3000}, []int{r.ByHolders[1].Holders, r.ByRecords[1].Records})
	for _, p := range r.All() {
		require.Positive(t, p.TPS)
		require.Positive(t, p.Bytes)
		require.Positive(t, p.Resident)
	}
	require.Equal(t, 4, strings.Count(out.String(), "丢失 lost 0 ✓"))
	left, err := filepath.Glob(filepath.Join(folder, "bench-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func smallNation(t *testing.T, binary string) {
	folder := t.TempDir()
	n := nation{
		common: common{binary: binary, work: folder, seed: 3}, holders: 2500, part: 1000, rate: 300, seconds: 1, connections: 64, sales: 2000,
		json: filepath.Join(folder, "nation.json"),
	}
	var out bytes.Buffer
	require.NoError(t, n.run(t.Context(), &out), out.String())
	r := readJSON[nationResult](t, n.json)
	require.Equal(t, 3, r.Imports)
	require.Positive(t, r.Resident)
	require.Positive(t, r.StartSeconds)
	require.Positive(t, r.Rush.Sent)
	require.Contains(t, out.String(), "丢失 lost 0 ✓")
}

// The peers answer every purchase that the switch is asked, and their books agree with what they have told.
func smallPeers(t *testing.T, binary string) {
	if _, err := postgresTools(); err != nil {
		t.Skip(err)
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip(err)
	}
	folder := t.TempDir()
	p := peers{
		common: common{binary: binary, work: folder, seed: 3}, clients: []int{3}, batches: []string{"3x4"}, depths: []string{"2x1", "3x8"}, switches: []string{"4x2"},
		seconds: 0.2, rounds: 1, holders: 300, json: filepath.Join(folder, "peers.json"),
	}
	var out bytes.Buffer
	require.NoError(t, p.run(t.Context(), &out), out.String())
	r := readJSON[peersResult](t, p.json)
	require.Len(t, r.Rows, 7)
	for _, row := range r.Rows {
		require.Positive(t, row.TPS, row.Title)
	}
	require.Positive(t, r.PostgreSQL)
	require.Positive(t, r.Alone)
	require.Positive(t, r.Redis)
}

// The page shows what is there, leaves out what is not, and asks no network for anything.
func TestPage(t *testing.T) {
	folder := t.TempDir()
	r := report{from: folder, html: filepath.Join(folder, "bench.html")}
	require.ErrorContains(t, r.run(io.Discard), "no results")
	write := func(name string, value any) { require.NoError(t, writeJSON(filepath.Join(folder, name), value)) }
	write("saturate.json", []result{{Connections: 1, InFlight: 1, TPS: 1234, Echo: 3, Floor: 2}, {Connections: 64, InFlight: 32, TPS: 98765, Stages: []stage{{Title: "判定 decide", CPU: 1.5, Share: 0.5}}}})
	require.NoError(t, r.run(io.Discard))
	page, err := os.ReadFile(r.html)
	require.NoError(t, err)
	require.Contains(t, string(page), "98,765")
	require.NotContains(t, string(page), `id="at-latency"`)
	require.NotContains(t, string(page), "<polyline", "one shape with one in flight is no curve")
	write("latency.json", latencyResult{
		Rate: 20_000, P50: 1, P99: 2, P999: 3, RatioP50: 2, RatioP99: 5, Series: []moment{{At: 0, Count: 1, P50: 1, P99: 2, Max: 3}, {At: 0.1, Count: 1, P50: 2, P99: 3, Max: 4}}, Bins: []bin{{1, 7}},
		Events: []mark{{Name: "list", Title: "名单 <b> list", At: 1, Took: 2}},
	})
	write("peers.json", peersResult{Rounds: 3, PostgreSQL: 60, Redis: 3, Rows: []peerRow{{System: "redis", Title: "Redis 64x1", TPS: 5, Best: true}}})
	write("growth.json", growthResult{ByHolders: []growthPoint{{Holders: 10, CPU: 5}, {Holders: 1000, CPU: 6}}, RatioHolders: 1.2})
	write("nation.json", nationResult{Holders: 50_000_000, StartSeconds: 30, Rush: &latencyResult{P999: 12}})
	write("lunch.json", []serving{{Rate: 37, Accepted: 36}})
	var out bytes.Buffer
	require.NoError(t, r.run(&out))
	page, err = os.ReadFile(r.html)
	require.NoError(t, err)
	for _, part := range []string{`id="at-latency"`, "持卡人 holders</text>", `id="at-nation"`, "50,000,000", "60.0 x", "午餐高峰", "名单 &lt;b&gt; list 2 ms</text>"} {
		require.Contains(t, string(page), part)
	}
	require.Equal(t, 3+2, strings.Count(string(page), `"/></svg>`), "a legend for each curve")
	for _, remote := range []string{"<script", "src=", "@import", "<link", "url("} {
		require.NotContains(t, string(page), remote)
	}
	require.Contains(t, out.String(), "延迟分布")
	write("growth.json", "no result")
	require.ErrorContains(t, r.run(io.Discard), "growth.json")
}
