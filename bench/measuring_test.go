package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
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
