package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestScale(t *testing.T) {
	for _, c := range []struct {
		title string
		scale scale
		ticks []float64
	}{
		{"three of every power of ten where there is room", scale{1, 60, 0, 300, true}, []float64{1, 2, 5, 10, 20, 50}},
		{"fewer where there is not", scale{0.05, 5e6, 0, 300, true}, []float64{0.1, 1, 10, 100, 1000, 1e4, 1e5, 1e6}},
		{"round steps from nothing", scale{0, 9.1, 0, 270, false}, []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{"steps of five", scale{0, 60, 0, 350, false}, []float64{0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60}},
		{"a part of a power of ten", scale{3.1, 4.4, 0, 100, true}, []float64{3.5, 4}},
		{"nothing between equal ends but the one", scale{7, 7, 0, 300, false}, []float64{7}},
	} {
		require.Len(t, c.scale.ticks(aboveClosest), len(c.ticks), c.title)
		require.InDeltaSlice(t, c.ticks, c.scale.ticks(aboveClosest), 1e-9, c.title)
	}
	s := scale{1, 100, 0, 200, true}
	require.Equal(t, []float64{0, 100, 200}, []float64{s.at(1), s.at(10), s.at(100)})
	require.Zero(t, s.at(0), "what a logarithm does not have lies at the edge")
	down := scale{0, 10, 250, 10, false}
	require.Equal(t, []float64{250, 130, 10}, []float64{down.at(0), down.at(5), down.at(10)})
	require.Equal(t, []string{"0.5", "1,024", "2 k", "1.5 M", "100 k"}, []string{short(0.5), short(1024), short(2000), short(1.5e6), short(1e5)})
}

// Names of events that lie close to each other stand in rows of their own, and none leaves the plot.
func TestEventsLieApart(t *testing.T) {
	of := &latencyResult{
		Series: []moment{{At: 0, Count: 1, P50: 1, P99: 2, Max: 3}, {At: 5, Count: 0}, {At: 10, Count: 1, P50: 1, P99: 2, Max: 3}},
		Events: []mark{{Title: "检查点 checkpoint", At: 1, Took: 90}, {Title: "压实 compaction", At: 1.5, Took: 1000}, {Title: "日切 day switch", At: 9.9, Took: 5}},
	}
	p := latencyPlot(of)
	require.Len(t, p.Lines, 3)
	require.Len(t, p.Events, 3)
	require.Equal(t, "检查点 checkpoint 90 ms", p.Events[0].Text)
	require.Less(t, p.Events[0].TextY, p.Events[1].TextY)
	require.Equal(t, p.Events[0].TextY, p.Events[2].TextY)
	require.Less(t, p.Events[2].TextX+100, p.Right)
	require.Equal(t, "66,", p.Lines[0].Points[:3], "the second without purchases is left out")
	require.Nil(t, latencyPlot(nil))
	require.Nil(t, latencyPlot(&latencyResult{}))
}

func TestPlotsOfSizes(t *testing.T) {
	p := throughputPlot([]result{{Connections: 1, InFlight: 1, TPS: 1000, Floor: 2000, Echo: 9000}, {Connections: 64, InFlight: 1, TPS: 9000, Floor: 9500, Echo: 20000}, {Connections: 64, InFlight: 32, TPS: 300000}})
	require.Equal(t, []string{"1", "64"}, []string{p.XTicks[0].Text, p.XTicks[1].Text})
	require.Len(t, p.Lines[0].Dots, 2, "one in flight alone")
	require.Greater(t, p.Lines[0].Dots[0].Y, p.Lines[0].Dots[1].Y, "more is higher")
	require.Nil(t, throughputPlot([]result{{Connections: 64, InFlight: 32, TPS: 1}}))

	size := func(p *growthPoint) int { return p.Records }
	p = costPlot([]growthPoint{{Records: 0, CPU: 5}, {Records: 1_000_000, CPU: 5}, {Records: 100_000_000, CPU: 8}}, "记录", size)
	require.Len(t, p.XTicks, 2, "a million lies too close to nothing for a text of its own")
	require.Equal(t, []float64{p.Left, p.Bottom}, []float64{p.Lines[1].Dots[0].X, p.Bottom})
	require.Nil(t, costPlot([]growthPoint{{Records: 0, CPU: 5}}, "记录", size))
}
