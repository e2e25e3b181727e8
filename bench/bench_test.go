package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/terminals/emulator"
	"onecard/terminals/emulator/samplecampus"
)

// startLimit turns a limit on a goroutine of its own until the test ends.
func startLimit(t testing.TB, durable bool, campus *samplecampus.Campus) *limit {
	t.Helper()
	l, err := newLimit(durable, t.TempDir(), campus)
	require.NoError(t, err)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				l.loop.Close()
				return
			default:
			}
			if err := l.turn(); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	t.Cleanup(func() { close(stop); l.loop.Wake(); <-done })
	return l
}

func loopOn(t testing.TB, address string, campus *samplecampus.Campus, s shape, anyMAC bool, memory *emulator.Memory) *closedLoop {
	t.Helper()
	r := &closedLoop{cards: cardsOf(campus), random: newRandom(1), latency: newHistogram()}
	c := emulator.FleetConfig{Address: address, Devices: devices(campus, s.connections, s.inFlight), OnAnswer: r.onAnswer, Memory: memory, Deadline: time.Minute}
	for i := range c.Devices {
		c.Devices[i].AnyMAC = anyMAC
	}
	f, err := emulator.NewFleet(c)
	require.NoError(t, err)
	t.Cleanup(f.Close)
	r.fleet = f
	require.NoError(t, f.ConnectAll(20*time.Second))
	return r
}

// Both limits answer every request of the client that measures the switch; floor's answers bear good MACs, and what it was sent is on the
// disk in order.
func TestLimits(t *testing.T) {
	campus := samplecampus.New(campusOptions(1, 8))
	for _, durable := range []bool{false, true} {
		memory := emulator.NewMemory()
		l := startLimit(t, durable, limitCampus(1, 8))
		r := loopOn(t, l.loop.Addr().String(), campus, shape{8, 4}, !durable, memory)
		for device := range 8 {
			for range 4 {
				r.send(device)
			}
		}
		for r.answered < 2000 {
			require.NoError(t, r.turnFor(t.Context(), time.Millisecond))
		}
		r.stopping = true
		require.NoError(t, r.drain(t.Context()))
		require.Equal(t, emulator.FleetStats{Connected: 8, SignedOn: 8, Sent: r.answered, Answered: r.answered}, r.fleet.Stats())
		require.EqualValues(t, r.answered, memory.Len())
		require.EqualValues(t, r.answered, r.latency.TotalCount())
		if !durable {
			continue
		}
		require.EqualValues(t, r.answered, memory.Approved())
		require.EqualValues(t, r.answered, l.number)
	}
}

func TestShapes(t *testing.T) {
	shapes, err := parseShapes([]string{"64x1", "2000x1"})
	require.NoError(t, err)
	require.Equal(t, []shape{{64, 1}, {2000, 1}}, shapes)
	for _, bad := range []string{"64", "0x1", "64x65", "x", "9000x1", "64x1x1"} {
		_, err := parseShapes([]string{bad})
		require.Error(t, err, bad)
	}
}

// A ratio is the median of the rounds' ratios, not the ratio of the medians.
func TestSummary(t *testing.T) {
	rounds := map[string][]measured{
		"echo":   {{tps: 100}, {tps: 200}, {tps: 400}},
		"floor":  {{tps: 50}, {tps: 100}, {tps: 100}},
		"switch": {{tps: 40, p50: 3, group: 7}, {tps: 60, p50: 1, group: 9}, {tps: 90, p50: 2, group: 8}},
	}
	r := summarise(shape{64, 1}, rounds)
	require.InDelta(t, 60, r.TPS, 0)
	require.InDelta(t, 200, r.Echo, 0)
	require.InDelta(t, 2, r.P50, 0)
	require.InDelta(t, 8, r.Group, 0)
	require.InDelta(t, 0.3, r.RatioEcho, 1e-9)
	require.InDelta(t, 0.8, r.RatioFloor, 1e-9)
	require.Zero(t, median(nil))
	require.InDelta(t, 1.5, median([]float64{2, 1}), 0)
	folder := t.TempDir()
	require.NoError(t, writeSaturation(filepath.Join(folder, "a", "s.json"), filepath.Join(folder, "b.txt"), []result{r}))
	contents, err := os.ReadFile(filepath.Join(folder, "a", "s.json"))
	require.NoError(t, err)
	for _, key := range []string{"connections", "in_flight", "tps", "p50_ms", "p99_ms", "p999_ms", "cpu_us_per_request", "group_mean", "echo_tps", "floor_tps", "ratio_echo", "ratio_floor"} {
		require.Contains(t, string(contents), `"`+key+`"`)
	}
	contents, err = os.ReadFile(filepath.Join(folder, "b.txt"))
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(string(contents), "BenchmarkSaturate/64x1-"), "benchstat wants every round")
}

func TestMoneyLine(t *testing.T) {
	good := audit{OK: true, Moved: 123456, Acknowledged: 10}
	require.True(t, good.clean())
	require.Contains(t, good.line(), "¥1,234.56")
	for _, spoil := range []func(a *audit){
		func(a *audit) { a.OK = false }, func(a *audit) { a.Sum = 1 }, func(a *audit) { a.Duplicates = 1 }, func(a *audit) { a.Lost = 1 }, func(a *audit) { a.Doubled = 1 },
	} {
		bad := good
		spoil(&bad)
		require.False(t, bad.clean())
	}
}

// A server is ready when it says so; one that ends before is an error, not a hang.
func TestProcess(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	p, err := start(t.Context(), "script", log, "/bin/sh", "-c", "trap 'exit 0' TERM; echo starting; echo why >&2; echo ready terminals=1.2.3.4:5 operations=6.7.8.9:10; while :; do sleep 0.05; done")
	require.NoError(t, err)
	require.Equal(t, "1.2.3.4:5", p.address)
	require.Equal(t, "6.7.8.9:10", p.operations)
	_, err = p.cpu()
	require.NoError(t, err)
	require.NoError(t, p.stop())
	contents, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Equal(t, "why\n", string(contents))
	_, err = start(t.Context(), "script", log, "/bin/sh", "-c", "exit 3")
	require.ErrorIs(t, err, errNotReady)
}

func TestMachine(t *testing.T) {
	line := machine(t.TempDir())
	require.NotContains(t, line, "?")
	require.Contains(t, line, "GiB")
}

// Commands say what is wrong with their flags before they do anything.
func TestCommandLine(t *testing.T) {
	for _, args := range [][]string{{"saturate", "--shapes", "7"}, {"kill", "--binary", "/none"}, {"dance"}} {
		root := newRoot()
		root.SetArgs(args)
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		require.Error(t, root.Execute(), args)
	}
	var help bytes.Buffer
	root := newRoot()
	root.SetArgs([]string{"kill", "--help"})
	root.SetOut(&help)
	require.NoError(t, root.Execute())
	require.Contains(t, help.String(), "rounds=N acknowledged=M lost=0 doubled=0")
}

// BenchmarkLimits is for profiles: client and server in one process.
func BenchmarkLimits(b *testing.B) {
	campus := samplecampus.New(campusOptions(1, 2000))
	for _, durable := range []bool{false, true} {
		for _, s := range []shape{{64, 1}, {64, 32}, {2000, 1}} {
			b.Run(map[bool]string{false: "echo/", true: "floor/"}[durable]+s.String(), func(b *testing.B) {
				l := startLimit(b, durable, limitCampus(1, 2000))
				r := loopOn(b, l.loop.Addr().String(), campus, s, !durable, nil)
				for device := range s.connections {
					for range s.inFlight {
						r.send(device)
					}
				}
				b.ReportAllocs()
				b.ResetTimer()
				for r.answered = 0; r.answered < int64(b.N); {
					if err := r.fleet.Poll(time.Millisecond); err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				r.stopping = true
				_ = r.drain(b.Context())
			})
		}
	}
}

// TestNothingIsNoTest: a run of no rounds would report lost=0 without having looked.
func TestNothingIsNoTest(t *testing.T) {
	for _, line := range []string{"kill --rounds 0", "kill --connections -1", "lunch --rate 100,0", "saturate --seconds 0", "saturate --rounds 0", "restart --purchases 0"} {
		root := newRoot()
		root.SetArgs(append(strings.Fields(line), "--binary", "nowhere"))
		root.SetOut(io.Discard)
		require.ErrorContains(t, root.ExecuteContext(t.Context()), "must be above 0", line)
	}
	root := newRoot()
	root.SetArgs([]string{"kill", "--binary", "nowhere", "--work", t.TempDir()})
	root.SetOut(io.Discard)
	require.ErrorContains(t, root.ExecuteContext(t.Context()), "no switch to measure", "what is there by default is above 0")
}
