package demo

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// drawCanteens shows who sells how much and who waits where, the busiest first when not all fit.
func drawCanteens(c *canvas, y, height int, m *Model) {
	x, columns := c.heading(y, false, "食堂商铺", "canteens, shops", "排队 queue")
	list := m.Canteens
	if len(list) > height-1 {
		list = slices.Clone(list)
		slices.SortStableFunc(list, func(a, b Canteen) int { return int(b.Turnover - a.Turnover) })
		list = list[:height-1]
	}
	most := 0.0
	for _, k := range list {
		most = max(most, float64(k.Turnover))
	}
	barColumns := columns - 12 - 13 - 5
	for i, k := range list {
		row := y + 1 + i
		c.put(x, row, plain, left(k.Name, 11))
		c.put(x+12, row, barred, bar(float64(k.Turnover), most, barColumns))
		c.putRight(x+columns-5, row, plain, k.Turnover.Yuan())
		queue := faint
		if k.Queue > 3 {
			queue = warn
		}
		c.putRight(x+columns, row, queue, fmt.Sprint(k.Queue))
	}
}

// drawRefusals shows why requests were refused, the most frequent first.
func drawRefusals(c *canvas, y, height int, m *Model) {
	x, columns := c.heading(y, true, "拒绝原因", "refused, by reason", "")
	list := slices.Clone(m.Traffic.Refused)
	slices.SortStableFunc(list, func(a, b Refusal) int { return int(int64(b.Count) - int64(a.Count)) })
	if len(list) == 0 {
		c.put(x, y+1, faint, "还没有 / none yet")
	}
	if len(list) > height-1 {
		list = list[:height-1]
	}
	for i, refusal := range list {
		row := y + 1 + i
		c.put(x, row, warn, refusal.Code)
		at := c.put(x+3, row, plain, cut(refusal.ZH, columns-10))
		if rest := x + columns - 8 - at; rest >= 8 {
			c.put(at+1, row, faint, cut(refusal.EN, rest))
		}
		c.putRight(x+columns, row, plain, countText(refusal.Count))
	}
}

func drawBank(c *canvas, y, height int, m *Model) {
	b := &m.Bank
	x, columns := c.heading(y, false, "银行", "bank", "")
	switch {
	case b.Cut:
		c.put(x, y+1, bad, cut(fmt.Sprintf("线路已断 CUT %s  在途 %d  待冲正 %d", spanText(b.CutFor), b.InFlight, b.Reversals), columns))
	case !b.Known:
		c.put(x, y+1, faint, "未知 / not known: the switch is down")
	default:
		state := good
		if b.LinksUp < b.Links {
			state = warn
		}
		at := c.put(x, y+1, state, strings.Repeat("●", b.LinksUp)+strings.Repeat("○", max(0, b.Links-b.LinksUp)))
		at = c.put(at+1, y+1, faint, "链路 links")
		at = c.put(at+2, y+1, plain, fmt.Sprint(b.InFlight))
		at = c.put(at+1, y+1, faint, "在途")
		reversals := plain
		if b.Reversals > 0 {
			reversals = warn
		}
		at = c.put(at+2, y+1, reversals, fmt.Sprint(b.Reversals))
		text := "待冲正"
		if b.Reversals > 0 && b.OldestReversal > 0 {
			text += " " + spanText(b.OldestReversal)
		}
		c.put(at+1, y+1, faint, text)
	}
	text := fmt.Sprintf("圈存 %s %s 拒 %d 断 %d 超时 %d", countText(b.Credited), b.CreditedFen.Yuan(), b.Declined, b.Unreachable, b.Silent)
	if columns > 50 {
		text = fmt.Sprintf("圈存 loads %s %s  拒绝 %d  断线 %d  超时冲正 %d", countText(b.Credited), b.CreditedFen.Yuan(), b.Declined, b.Unreachable, b.Silent)
	}
	c.put(x, y+2, plain, cut(text, columns))
	if height > 3 {
		c.put(x, y+3, faint, cut(fmt.Sprintf("银行侧 at the bank: 扣款 %s  已冲正 %s", countText(b.DebitedAtBank), countText(b.ReversedAtBank)), columns))
	}
}

func drawSwitch(c *canvas, y, height int, m *Model) {
	s := &m.Switch
	x, columns := c.heading(y, true, "交换机", "switch", fmt.Sprintf("终端 %d/%d", m.Terminals.SignedOn, m.Terminals.Total))
	if !s.Up {
		c.put(x, y+1, bad, cut(fmt.Sprintf("已断电 DOWN %.1f s,终端在重试 / terminals retry", s.Down.Seconds()), columns))
	} else {
		text := fmt.Sprintf("落盘 %s  每组 %.1f 笔  #%s", latencyText(s.Sync), s.Group, countText(s.Sequence))
		if columns > 50 {
			text = fmt.Sprintf("落盘 sync %s  每组 group %.1f 笔  第 %s 号", latencyText(s.Sync), s.Group, countText(s.Sequence))
		}
		if s.DiskLow {
			text = "磁盘空间低,新交易拒绝 96 / disk low"
		}
		c.put(x, y+1, plain, cut(text, columns))
	}
	switch {
	case s.Kills == 0:
		c.put(x, y+2, faint, cut(fmt.Sprintf("pid %d,按 k 断电试试 / press k: nothing is lost", s.PID), columns))
	case s.Recovery == 0:
		c.put(x, y+2, warn, cut(fmt.Sprintf("断电 %d 次,正在恢复 / recovering", s.Kills), columns))
	default:
		c.put(x, y+2, plain, cut(fmt.Sprintf("断电 %d 次 恢复 %s(账本 %s)重发 %s", s.Kills, latencyText(s.Recovery), latencyText(s.LedgerRecovery), countText(m.Terminals.Repeated)), columns))
	}
	if height > 3 {
		c.put(x, y+3, faint, cut(fmt.Sprintf("最长落盘 longest sync %s  放弃 given up %d", latencyText(s.SyncLongest), m.Terminals.GivenUp), columns))
	}
}

// noticeRows is how many lines of the feed the keys may take.
const noticeRows = 3

func drawFeed(c *canvas, y, height int, m *Model) {
	c.put(1, y, strong, "刚才")
	at := c.put(6, y, faint, "just now")
	for x := at + 1; x < c.width-1; x++ {
		c.put(x, y, faint, "─")
	}
	row := y + 1
	end := y + height
	for i := 0; i < len(m.Notices) && i < min(noticeRows, height-3) && row < end; i++ {
		e := &m.Notices[i]
		c.put(1, row, faint, clockText(e.Clock))
		look := accent
		if e.Tone == toneTrouble {
			look = bad
		}
		c.put(10, row, look, cut(e.Text, c.width-11))
		row++
	}
	for i := 0; i < len(m.Events) && row < end; i++ {
		drawEvent(c, row, &m.Events[i])
		row++
	}
}

func drawEvent(c *canvas, y int, e *Event) {
	c.put(1, y, faint, clockText(e.Clock))
	x := c.put(10, y, plain, left(e.Where, 11))
	x = c.put(x+1, y, faint, left(mask(e.Card), 16))
	x = c.put(x+1, y, plain, left(e.Name, 7))
	x = c.put(x+1, y, plain, left(e.What, 4))
	amount := ""
	if e.Amount != 0 {
		amount = e.Amount.Yuan()
	}
	x = c.put(x+1, y, plain, right(amount, 9))
	look, sign := good, "✓"
	if e.Tone != toneApproved {
		look, sign = warn, "✗"
	}
	c.put(x+2, y, look, sign)
	c.put(x+4, y, look, cut(e.Text, c.width-x-5))
}

// drawBeam draws the books as a balance: debits on the left, credits on the right. It hangs level because every fen that leaves one account
// enters another; it would tilt to the heavier side if ever one did not.
func drawBeam(c *canvas, y int, m *Model) {
	b := &m.Books
	look, level := good, y+1
	leftRow, rightRow := level, level
	switch {
	case b.Difference > 0:
		look, leftRow, rightRow = bad, level+1, level-1
	case b.Difference < 0:
		look, leftRow, rightRow = bad, level-1, level+1
	}
	if b.Stale {
		look = faint
	}
	middle := c.width / 2
	arm := c.width/2 - 26
	for i := 1; i <= arm; i++ {
		left, right := level, level
		if i > arm/2 {
			left, right = leftRow, rightRow
		}
		c.put(middle-i, left, look, "━")
		c.put(middle+i, right, look, "━")
	}
	c.put(middle, level, look, "┻")
	debits, credits := "Σ借 "+b.Debits.Yuan(), "Σ贷 "+b.Credits.Yuan()
	c.putRight(middle-arm-1, leftRow, plain, cut(debits, 24))
	c.put(middle+arm+2, rightRow, plain, cut(credits, 24))
	c.put(middle, y+2, look, "▲")
	text := "Σ借 − Σ贷 = " + b.Difference.Yuan()
	if b.Stale {
		text += " (断电前 / before the kill)"
	}
	if b.Difference != 0 {
		text = "差 " + b.Difference.Yuan() + " 账不平 BOOKS BROKEN"
	}
	c.put(middle-textWidth(text)/2, y, look, text)
}

// noticeFor is how long what a key has done stays in sight.
const noticeFor = 25 * time.Second
