package demo

import (
	"context"
	"time"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
	"onecard/terminals/emulator"
)

// What the keys do.

// press does what a key asks for.
func (c *conductor) press(life context.Context, key byte) {
	const interrupt, endOfText = 3, 4
	switch key {
	case 'q', 'Q', interrupt, endOfText:
		if c.quit {
			c.hurry = true
		}
		c.quit = true
	}
	if c.phase != "" {
		return
	}
	switch key {
	case 'b', 'B':
		c.cutBank()
	case 'k', 'K':
		c.kill(life)
	case 'l', 'L':
		c.reportLost(life)
	case 'r', 'R':
		c.sayAgain()
	}
}

// cutBank is key b.
func (c *conductor) cutBank() {
	c.bank.toggle(c.fleet.Now())
	if c.bank.cutAt != 0 {
		c.say(toneTrouble, "银行线路已切断:圈存不扣款即拒(91)或冲正,消费照常 / bank line cut: loads are refused or reversed, purchases go on")
		return
	}
	c.say(toneTrick, "银行线路已恢复:重新签到,补发冲正 / bank line restored: links sign on, reversals go out")
}

// killing is the state of key k.
type killing struct {
	on        bool // from the kill until the switch is ready again
	at        int64
	kills     int
	recovery  time.Duration // of the last kill, until the first answer; 0: none yet
	ledger    time.Duration // of that, opening the ledger
	goneAt    int64         // when the conductor knew that the process was gone; 0: not yet
	repeated  int64         // by the fleet, before the kill
	announced bool
	failed    error
}

// readyLimit is how long a start of the switch may take.
const readyLimit = 2 * time.Minute

// kill is key k: SIGKILL, and a new process on the same data.
func (c *conductor) kill(life context.Context) {
	if c.killing.on {
		return
	}
	k := &c.killing
	*k = killing{on: true, at: c.fleet.Now(), kills: k.kills + 1, repeated: c.fleet.Stats().Repeated}
	c.gone.Store(false)
	c.say(toneTrouble, "kill -9 %d:交换机被断电,正在重启 / the switch was killed and is being restarted", c.child.process.Pid)
	old := c.child
	c.aside(func() func() {
		old.kill()
		c.gone.Store(true)
		fresh, err := c.startSwitch()
		if err == nil {
			_, err = fresh.awaitReady(life, readyLimit)
		}
		return func() {
			if fresh != nil {
				c.child = fresh
			}
			k.on, k.failed = false, err
		}
	})
}

// heardAfterKill takes the time of the first answer after a kill.
func (c *conductor) heardAfterKill(now int64) {
	if k := &c.killing; k.kills > 0 && k.recovery == 0 && k.goneAt != 0 {
		k.recovery = time.Duration(now - k.at)
	}
}

// afterKill tells how the recovery went, when that is known.
func (c *conductor) afterKill() {
	k := &c.killing
	if k.failed != nil {
		c.say(toneTrouble, "重启失败 / the restart failed: %v", k.failed)
		k.failed, c.quit = nil, true
	}
	s := c.watch.now().status
	if k.kills == 0 || k.announced || k.on || k.recovery == 0 || s == nil || s.PID != c.child.process.Pid {
		return
	}
	k.ledger = time.Duration(s.RecoveryMS * 1e6)
	for at := range c.asked {
		if at <= k.goneAt {
			return // was in flight and has no answer yet
		}
	}
	k.announced = true
	repeated := c.fleet.Stats().Repeated - k.repeated
	c.say(toneTrick, "断电 %s 后又有应答(开账 %s),重发 %d 笔,在途的全部有了答复 / answers again after %s, %d repeated, all that were in flight are answered",
		latencyText(k.recovery), latencyText(k.ledger), repeated, latencyText(k.recovery), repeated)
}

func (c *conductor) switchView(now int64, s *status) SwitchView {
	k := &c.killing
	v := SwitchView{
		Up: k.kills == 0 || k.recovery != 0, Kills: k.kills, Recovery: k.recovery, LedgerRecovery: k.ledger, PID: c.child.process.Pid,
		Group: c.journal.group, Sync: c.journal.sync, SyncLongest: c.journal.longest,
	}
	if !v.Up {
		v.Down = time.Duration(now - k.at)
	}
	if s != nil {
		v.LedgerKnown, v.Sequence, v.DiskLow = true, s.Sequence, s.DiskLow
	}
	return v
}

// lostCard is the state of key l.
type lostCard struct {
	on       bool
	reported int64 // when the report was durable
}

// reportLost is key l: a card that is about to be tapped is reported lost, and held against the terminal all the same.
func (c *conductor) reportLost(life context.Context) {
	if c.lost.on || c.killing.on {
		c.say(toneTrouble, "请稍候再挂失:正忙 / not just now: still busy")
		return
	}
	now := c.fleet.Now()
	t := c.crowd.nextBuyer(now+int64(300*time.Millisecond), now+int64(900*time.Millisecond))
	t.purpose = forLost
	c.lost = lostCard{on: true}
	c.crowd.people[t.holder].away = true
	h := &c.campus.Holders[t.holder]
	c.aside(func() func() {
		err := c.watch.control.reportLost(life, h.Card)
		return func() {
			if err != nil {
				c.lost.on = false
				c.say(toneTrouble, "挂失未成 %s / the report failed: %v", mask(h.Card), err)
				return
			}
			c.lost.reported = c.fleet.Now()
			h.State = "lost"
			c.say(toneTrick, "挂失 %s %s:已落盘,正走向%s / reported lost, durable; its holder is about to tap", mask(h.Card), h.Name, c.placeOf(&t))
			t.at = max(t.at, c.lost.reported)
			c.crowd.add(&t)
		}
	})
}

// lostTapped tells what the lost card's tap was answered.
func (c *conductor) lostTapped(t *tap, a *emulator.Answer, now int64) {
	c.lost.on = false
	h := &c.campus.Holders[t.holder]
	if a.Code != codeLost {
		c.say(toneTrouble, "挂失卡 %s 得到应答 %s,应为 41 / the lost card was answered %s, not 41", mask(h.Card), a.Code, a.Code)
		return
	}
	c.say(toneTrick, "挂失卡 %s %s 在%s刷卡:拒绝 41,距挂失 %d ms / refused 41, %d ms after the report", mask(h.Card), h.Name, c.placeOf(t),
		time.Duration(now-c.lost.reported).Milliseconds(), time.Duration(now-c.lost.reported).Milliseconds())
}

// kept is a receipt somebody holds in his hand.
type kept struct {
	device    int
	tap       tap
	batch     uint32
	trace     uint32
	reference emulator.Reference
	balance   money.Fen
}

// receipt is the state of key r.
type receipt struct {
	last  kept // the newest receipt
	again kept // the one that was sent again
	on    bool
	sent  bool // the repeat
	since int64
}

// againLimit is how long the answer to a repeat is waited for: the terminal may have to sign on first.
const againLimit = int64(10 * time.Second)

func (r *receipt) waiting() bool { return r.on }

// endReceipt gives the holder his card back.
func (c *conductor) endReceipt() {
	c.crowd.people[c.receipt.again.tap.holder].away = false
	c.receipt.on, c.paper.search = false, nil
}

// sayAgain is key r: the terminal of the last receipt sends its message once more, as if the answer had been lost.
func (c *conductor) sayAgain() {
	r := &c.receipt
	switch {
	case r.on:
		return
	case r.last.trace == 0:
		c.say(toneTrouble, "还没有小票 / there is no receipt yet")
		return
	}
	// What is printed about this transaction from here on is the answer to the repeat.
	if err := c.memory.Spill(c.paper); err != nil {
		c.say(toneTrouble, "小票写不下 / receipts cannot be written: %v", err)
		return
	}
	r.again, r.on, r.sent, r.since = r.last, true, false, c.fleet.Now()
	c.crowd.people[r.again.tap.holder].away = true
	c.paper.search = &search{terminal: c.campus.Terminals[r.again.device].Code, batch: r.again.batch, trace: r.again.trace}
}

// checkReceipt looks whether the terminal has printed the answer to the repeat.
func (c *conductor) checkReceipt() {
	r := &c.receipt
	if !r.on || c.paper.search == nil {
		return
	}
	if !r.sent {
		r.sent = c.fleet.Repeat(r.again.device, r.again.trace) == nil // else the terminal is not signed on: a moment later
	}
	for _, p := range c.paper.search.found {
		if p.reference != r.again.reference || p.code != emulator.Approved {
			c.say(toneTrouble, "重发得到不同应答 %s %s,原为 %s / the repeat was answered differently", p.code, p.reference, r.again.reference)
			c.endReceipt()
			return
		}
	}
	switch {
	case len(c.paper.search.found) > 0:
		c.paper.search = nil
		kiosk := c.crowd.kiosks[c.crowd.random.IntN(len(c.crowd.kiosks))]
		c.send(&tap{at: c.fleet.Now(), kind: emulator.KindBalance, device: kiosk, holder: r.again.tap.holder, purpose: forRemainder, again: true})
	case c.fleet.Now()-r.since > againLimit:
		c.say(toneTrouble, "重发没有应答,请再按 r / no answer to the repeat: press r again")
		c.endReceipt()
	}
}

// remainderTold holds the balance that the kiosk shows against the receipt.
func (c *conductor) remainderTold(a *emulator.Answer) {
	r := &c.receipt
	defer c.endReceipt()
	h := &c.campus.Holders[r.again.tap.holder]
	if !a.Approved() || !a.HasBalance {
		c.say(toneTrick, "重发 %s 流水 %06d:同一参考号 %s,未再扣款 / sent again: same reference, no second debit", mask(h.Card), r.again.trace, r.again.reference)
		return
	}
	verdict, en := "余额未变", "no second debit"
	if a.Balance != r.again.balance {
		verdict, en = "余额有变(另有交易)", "balance moved by something else"
	}
	c.say(toneTrick, "重发 %s ¥%s:同一参考号 %s,%s %s / sent again: same answer, %s", h.Name, r.again.tap.amount, r.again.reference, verdict, a.Balance.Yuan(), en)
}

// givenUp ends a trick whose tap was never answered.
func (c *conductor) givenUp(t *tap) {
	switch t.purpose {
	case forLost:
		c.lost.on = false
		c.say(toneTrouble, "挂失卡刷卡没有应答 / no answer to the lost card's tap")
	case forRemainder:
		c.endReceipt()
	}
}

// codeText is what a response code means.
func codeText(code emulator.ResponseCode) string {
	zh, en := iso8583.ResponseText(code.String())
	return zh + " / " + en
}
