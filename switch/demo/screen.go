package demo

import (
	"fmt"
	"strings"
	"time"
)

// The least screen that holds everything.
const (
	leastWidth  = 80
	leastHeight = 24
)

// rows says how a screen's height is shared out.
type rows struct{ charts, middle, status, feed int }

// shareOut gives each part its least and what is left in turn: 24 rows are enough, more make charts taller and the feed longer.
func shareOut(height int) rows {
	r := rows{charts: 3, middle: 6, status: 3, feed: 4}
	extra := height - leastHeight
	if extra >= 6 {
		r.status, extra = 4, extra-1
	}
	grow := min(3, extra/4)
	r.charts += grow
	more := min(8, extra/3+min(1, extra/8))
	r.middle += more
	r.feed += extra - grow - more
	return r
}

// draw makes a frame. It looks at nothing but the model and the size.
func draw(m *Model, width, height int) *canvas {
	c := newCanvas(width, height)
	if width < leastWidth || height < leastHeight {
		c.put(0, 0, warn, cut(fmt.Sprintf("窗口 %d×%d 太小", width, height), width))
		c.put(0, 1, warn, cut(fmt.Sprintf("请放大到 %d×%d", leastWidth, leastHeight), width))
		c.put(0, 2, faint, cut(fmt.Sprintf("please enlarge to %d×%d", leastWidth, leastHeight), width))
		return c
	}
	r := shareOut(height)
	drawTitle(c, m)
	drawNumbers(c, 2, m)
	y := 4
	drawCharts(c, y, r.charts, m)
	y += r.charts
	drawCanteens(c, y, r.middle, m)
	drawRefusals(c, y, r.middle, m)
	y += r.middle
	drawBank(c, y, r.status, m)
	drawSwitch(c, y, r.status, m)
	y += r.status
	drawFeed(c, y, r.feed, m)
	y += r.feed
	drawBeam(c, y, m)
	drawKeys(c, height-1, m)
	return c
}

// half is where the right half of the screen begins.
func (c *canvas) half() int { return c.width/2 + 1 }

// heading draws a panel's title with a thin line behind it, and returns the columns that the panel has.
func (c *canvas) heading(y int, rightHalf bool, zh, en, note string) (x, columns int) {
	x, columns = 1, c.half()-3
	if rightHalf {
		x, columns = c.half(), c.width-c.half()-1
	}
	at := c.put(x, y, strong, zh)
	at = c.put(at+1, y, faint, en)
	line := x + columns - at - 1
	if note != "" {
		line -= textWidth(note) + 1
	}
	for i := range line {
		c.put(at+1+i, y, faint, "─")
	}
	if note != "" {
		c.putRight(x+columns, y, faint, note)
	}
	return x, columns
}

func drawTitle(c *canvas, m *Model) {
	c.fill(0, titled)
	name := " 校园一卡通 onecard"
	if c.width >= 110 {
		name += "  演示 DEMO:虚构的人,真实的账 / made-up people, real books"
	} else {
		name += "  演示 DEMO"
	}
	c.put(0, 0, titled, name)
	zh, en := mealOf(m.Clock)
	clock := fmt.Sprintf("%s %s  %s  第 %d 轮  ×%g  %s ", zh, en, clockText(m.Clock), m.Round, m.Speed, spanText(m.Elapsed))
	c.putRight(c.width, 0, titled, clock)
	p := &m.Places
	text := fmt.Sprintf("终端 %s  银行 %s  指标 %s  状态 %s", p.Terminals, p.Bank, p.Metrics, p.Status)
	if textWidth(text) > c.width-2 {
		text = fmt.Sprintf("终端 %s  银行 %s  %s", p.Terminals, p.Bank, p.Metrics)
	}
	c.put(1, 1, faint, cut(text, c.width-2))
}

// drawNumbers draws the two lines that are read first.
func drawNumbers(c *canvas, y int, m *Model) {
	t := &m.Traffic
	x := c.put(1, y, strong, right(fmt.Sprintf("%.0f", t.Rate), 5))
	x = c.put(x+1, y, faint, "笔/秒 req/s")
	x = c.put(x+3, y, good, countText(t.Approved))
	x = c.put(x+1, y, faint, "通过 approved")
	x = c.put(x+1, y, plain, percentText(t.Approved, t.Requests))
	x = c.put(x+3, y, plain, countText(t.Requests-t.Approved))
	x = c.put(x+1, y, faint, "拒绝 refused")
	waiting := plain
	if t.Waiting > 50 {
		waiting = warn
	}
	if c.width >= 100 {
		x = c.put(x+3, y, waiting, countText(t.Waiting))
		c.put(x+1, y, faint, "等待 waiting")
	}
	drawLatency(c, y+1, m)
}

func drawLatency(c *canvas, y int, m *Model) {
	figure := func(x int, name string, d time.Duration, s style) int {
		x = c.put(x, y, faint, name)
		c.put(x+1, y, s, left(latencyText(d), 8))
		return x + 10
	}
	x := c.put(1, y, faint, "时延 10 s ")
	x = figure(x, "p50", m.Traffic.Latest.P50, plain)
	x = figure(x, "p99", m.Traffic.Latest.P99, strong)
	x = figure(x, "p99.9", m.Traffic.Latest.P999, plain)
	label := "全程"
	if c.width >= 100 {
		label = "  全程 whole run "
	}
	x = c.put(x, y, faint, label) + 1
	if c.width >= 100 {
		x = figure(x, "p50", m.Traffic.Total.P50, plain)
	}
	x = figure(x, "p99", m.Traffic.Total.P99, plain)
	if c.width >= 90 {
		figure(x, "p99.9", m.Traffic.Total.P999, plain)
	}
}

// chartSeconds is how many seconds one column of a chart stands for.
const chartSeconds = 3

func drawCharts(c *canvas, y, height int, m *Model) {
	rates := thin(m.Traffic.Rates, chartSeconds, mean)
	top := ceiling(max(10, highest(rates)))
	x, columns := c.heading(y, false, "请求/秒", "requests per second", fmt.Sprintf("%.0f", top))
	for i, line := range columnsOf(rates, top, columns, height-1) {
		c.put(x, y+1+i, barred, line)
	}
	tails := make([]float64, len(m.Traffic.Tails))
	for i, d := range m.Traffic.Tails {
		tails[i] = d.Seconds()
	}
	tails = thin(tails, chartSeconds, highest)
	top = ceiling(max(0.001, highest(tails)))
	x, columns = c.heading(y, true, "时延 p99", "of each 3 s", latencyText(time.Duration(top*1e9)))
	for i, line := range columnsOf(tails, top, columns, height-1) {
		c.put(x, y+1+i, accent, line)
	}
}

func drawKeys(c *canvas, y int, m *Model) {
	if m.Phase != "" {
		c.fill(y, titled)
		c.put(1, y, titled, cut(m.Phase, c.width-2))
		return
	}
	bank := [2]string{"断银行线 cut bank", "断线 bank"}
	if m.Bank.Cut {
		bank = [2]string{"接银行线 restore", "接线 bank"}
	}
	x := 1
	for _, k := range [...]struct {
		key   string
		texts [2]string // on a wide screen, on a narrow one
	}{
		{"b", bank},
		{"k", [2]string{"断电重启 kill -9", "断电 kill -9"}},
		{"l", [2]string{"挂失 lost card", "挂失 lost"}},
		{"r", [2]string{"重发小票 say again", "重发 again"}},
		{"q", [2]string{"日结 close the day", "日结 close"}},
	} {
		text, gap := k.texts[1], 2
		if c.width >= 110 {
			text, gap = k.texts[0], 4
		}
		zh, en, _ := strings.Cut(text, " ")
		x = c.put(x, y, keyed, " "+k.key+" ")
		x = c.put(x+1, y, plain, zh)
		x = c.put(x+1, y, faint, en) + gap
	}
}
