package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// chart is what a plot shows: curves over the same places on the axis below.
type chart struct {
	wide           bool
	xTitle, yTitle string
	xs             []float64
	xLog, yLog     bool
	xMarked        bool // the axis says exactly the places that were measured
	low, high      float64
	curves         []curve
	events         []mark
}

// curve is a row of values, one for each place. Its class says its colour.
type curve struct {
	title, class string
	dots         bool
	ys           []float64
}

// plot is a chart laid out for the page, in the units of its drawing: page.html writes it down as SVG, so that the page needs no script, is
// sharp at every size and can be printed.
type plot struct {
	Width, Height, Left, Right, Top, Bottom float64
	XTitle, YTitle                          string
	XTicks, YTicks                          []tick
	Lines                                   []drawnCurve
	Events                                  []drawnEvent
}

// Tall, Middle and Centre are of the drawn area.
func (p *plot) Tall() float64   { return p.Bottom - p.Top }
func (p *plot) Middle() float64 { return (p.Left + p.Right) / 2 }
func (p *plot) Centre() float64 { return (p.Top + p.Bottom) / 2 }

type tick struct {
	At   float64
	Text string
}

type drawnCurve struct {
	Title, Class, Points string
	Dots                 []dot
}

type dot struct {
	X, Y float64
	Text string
}

type drawnEvent struct {
	X, Width, TextX, TextY float64
	Text                   string
}

// draw lays a chart out.
func (c *chart) draw() *plot {
	p := &plot{Width: 540, Height: 300, Left: 66, Top: 14, XTitle: c.xTitle, YTitle: c.yTitle}
	if c.wide {
		p.Width, p.Height = 1080, 380
	}
	p.Right, p.Bottom = p.Width-18, p.Height-48
	x := scale{c.xs[0], c.xs[len(c.xs)-1], p.Left, p.Right, c.xLog}
	y := scale{c.low, c.high, p.Bottom, p.Top, c.yLog}
	places := x.ticks(besideClosest)
	if c.xMarked {
		places = c.xs
	}
	for _, v := range places {
		if n := len(p.XTicks); n == 0 || x.at(v)-p.XTicks[n-1].At >= besideClosest { // or the texts would overlap
			p.XTicks = append(p.XTicks, tick{x.at(v), short(v)})
		}
	}
	for _, v := range y.ticks(aboveClosest) {
		p.YTicks = append(p.YTicks, tick{y.at(v), short(v)})
	}
	for _, curve := range c.curves {
		drawn := drawnCurve{Title: curve.title, Class: curve.class}
		var points strings.Builder
		for i, v := range curve.ys {
			at := dot{x.at(c.xs[i]), y.at(v), fmt.Sprintf("%s: %s, %s", curve.title, short(c.xs[i]), grouped2(v))}
			fmt.Fprintf(&points, "%g,%g ", at.X, at.Y)
			if curve.dots {
				drawn.Dots = append(drawn.Dots, at)
			}
		}
		drawn.Points = strings.TrimSpace(points.String())
		p.Lines = append(p.Lines, drawn)
	}
	p.place(c.events, x)
	return p
}

// place puts each event's name at the top, in as many rows as it takes for names to lie apart.
func (p *plot) place(events []mark, x scale) {
	const column, row = 6.1, 15.0 // of the letters, as the page sets them
	var rows []float64
	for _, e := range events {
		text := fmt.Sprintf("%s %.0f ms", e.Title, e.Took)
		drawn := drawnEvent{X: x.at(e.At), Text: text}
		drawn.Width = max(1.5, x.at(e.At+e.Took/1e3)-drawn.X)
		length := column * float64(columnsOf(text))
		drawn.TextX = max(p.Left, min(drawn.X+4, p.Right-length))
		i := 0
		for i < len(rows) && rows[i] > drawn.TextX {
			i++
		}
		if i == len(rows) {
			rows = append(rows, 0)
		}
		rows[i] = drawn.TextX + length + 8
		drawn.TextY = p.Top + row*float64(i+1) - 3
		p.Events = append(p.Events, drawn)
	}
}

// scale turns values into places of a drawing.
type scale struct {
	low, high float64
	from, to  float64
	log       bool
}

// at is the place of a value, to a tenth. What a logarithm does not have lies at the edge.
func (s scale) at(v float64) float64 {
	low, high := s.low, s.high
	if s.log {
		v, low, high = math.Log(max(v, low)), math.Log(low), math.Log(high)
	}
	if high == low {
		return s.from
	}
	return math.Round(10*(s.from+(v-low)/(high-low)*(s.to-s.from))) / 10
}

// How near ticks may lie to each other, in units of the drawing: beside each other, and above each other.
const (
	besideClosest = 44
	aboveClosest  = 26
)

// ticks are round values between the ends: 1, 2 and 5 of every power of ten on a logarithmic scale, or fewer where they would lie too close; a
// step of 1, 2 or 5 on a linear one, and where the ends are so near that no power lies between.
func (s scale) ticks(closest float64) []float64 {
	room := max(2, math.Abs(s.to-s.from)/closest)
	for _, of := range [][]float64{{1, 2, 5}, {1, 3}, {1}} {
		if ticks := s.powers(of); s.log && len(ticks) > 1 && (float64(len(ticks)) <= room || len(of) == 1) {
			return ticks
		}
	}
	if s.high <= s.low {
		return []float64{s.low}
	}
	step := math.Pow(10, math.Floor(math.Log10((s.high-s.low)/room)))
	for _, more := range []float64{2, 2.5, 2} {
		if (s.high-s.low)/step > room {
			step *= more
		}
	}
	var ticks []float64
	for i := math.Ceil(s.low / step); i*step <= s.high*(1+1e-9); i++ {
		ticks = append(ticks, i*step)
	}
	return ticks
}

// powers are these multiples of every power of ten between the ends.
func (s scale) powers(of []float64) []float64 {
	var ticks []float64
	if s.low <= 0 {
		return nil
	}
	for power := math.Pow(10, math.Floor(math.Log10(s.low))); power <= s.high; power *= 10 {
		for _, n := range of {
			if v := n * power; v >= s.low && v <= s.high {
				ticks = append(ticks, v)
			}
		}
	}
	return ticks
}

// short writes a value on an axis: 20000 as 20 k, 1024 as it is.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'g', 4, 64) + " M"
	case v >= 1e4 || v >= 1e3 && math.Mod(v, 1e3) == 0:
		return strconv.FormatFloat(v/1e3, 'g', 4, 64) + " k"
	case v >= 1e3:
		return grouped(v)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// grouped2 writes a measured value: whole from a thousand on, with two places below.
func grouped2(v float64) string {
	if v >= 1000 {
		return grouped(v)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// throughputPlot is purchases a second against connections with one in flight on each, beside the limits.
func throughputPlot(of []result) *plot {
	c := chart{wide: true, xTitle: "连接 connections, 各一笔在途 one in flight on each", yTitle: "笔/秒 purchases a second", xLog: true, yLog: true, xMarked: true, low: math.Inf(1)}
	own, floor, echo := curve{title: "交换机 switch", class: "a", dots: true}, curve{title: "floor", class: "c dashed"}, curve{title: "echo", class: "b dotted"}
	for _, r := range of {
		if r.InFlight != 1 || r.TPS <= 0 || len(c.xs) > 0 && float64(r.Connections) <= c.xs[len(c.xs)-1] {
			continue
		}
		c.xs = append(c.xs, float64(r.Connections))
		own.ys, floor.ys, echo.ys = append(own.ys, r.TPS), append(floor.ys, r.Floor), append(echo.ys, r.Echo)
		c.low, c.high = min(c.low, r.TPS/1.5), max(c.high, 1.5*max(r.TPS, r.Floor, r.Echo))
	}
	if len(c.xs) < 2 {
		return nil
	}
	c.curves = []curve{own, floor, echo}
	return c.draw()
}

// latencyPlot is the latency over time with what was forced into it.
func latencyPlot(of *latencyResult) *plot {
	if of == nil {
		return nil
	}
	c := chart{wide: true, xTitle: "秒 seconds", yTitle: "毫秒 ms", yLog: true, low: math.Inf(1), events: of.Events}
	p50, p99, most := curve{title: "p50", class: "a"}, curve{title: "p99", class: "c"}, curve{title: "最大 max", class: "b thin"}
	for _, m := range of.Series {
		if m.Count == 0 || m.P50 <= 0 {
			continue
		}
		c.xs = append(c.xs, m.At)
		p50.ys, p99.ys, most.ys = append(p50.ys, m.P50), append(p99.ys, m.P99), append(most.ys, m.Max)
		c.low, c.high = min(c.low, m.P50/1.6), max(c.high, 4*m.Max)
	}
	if len(c.xs) < 2 {
		return nil
	}
	c.curves = []curve{most, p99, p50}
	return c.draw()
}

// costPlot is what a purchase costs against a size, and the most that it may.
func costPlot(points []growthPoint, title string, size func(p *growthPoint) int) *plot {
	if len(points) < 2 {
		return nil
	}
	c := chart{xTitle: title, yTitle: "CPU us/笔 a purchase", xMarked: true}
	cost, target := curve{title: "测得 measured", class: "a", dots: true}, curve{title: fmt.Sprintf("目标:首值的 %g 倍 target: %[1]g of the first", growthMost), class: "d dashed"}
	c.xLog = size(&points[0]) > 0
	for i := range points {
		c.xs = append(c.xs, float64(size(&points[i])))
		cost.ys, target.ys = append(cost.ys, points[i].CPU), append(target.ys, growthMost*points[0].CPU)
		c.high = max(c.high, 1.15*points[i].CPU, 1.3*growthMost*points[0].CPU)
	}
	c.curves = []curve{target, cost}
	return c.draw()
}
