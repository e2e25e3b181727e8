package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"onecard/terminals/emulator"
	"onecard/terminals/emulator/samplecampus"
)

// conductor holds the whole performance together. All of it belongs to the goroutine that calls turn, but for what is marked.
type conductor struct {
	options *Options
	place   *place
	campus  *samplecampus.Campus
	places  Places
	log     *os.File

	fleet    *emulator.Fleet
	memory   *emulator.Memory
	paper    *paper
	crowd    *crowd
	tally    *tally
	bank     *bank
	child    *child
	watch    *watcher
	output   output
	keys     chan byte     // from the keyboard
	script   []pressed     // from the options, in order
	asides   chan func()   // results of what was done aside, to be taken in here
	busy     int           // asides that have not come back
	gone     atomic.Bool   // set aside: the killed switch is gone
	began    time.Time     // of the traffic
	ran      time.Duration // the traffic, when it is over
	settling time.Time     // when loads began to be waited for
	asked    map[int64]tap // by the moment of the tap: those that have no answer yet
	last     int64         // the newest of these moments: no two taps have the same

	killing killing
	lost    lostCard
	receipt receipt
	journal journalView
	phase   string
	quit    bool // the day is to be closed
	hurry   bool // at once
	spilt   int64
	painted int64
}

// paintInterval is how long a frame stands.
const paintInterval = int64(200 * time.Millisecond)

// spillInterval is how often receipts are printed.
const spillInterval = int64(100 * time.Millisecond)

// newFleet makes the terminals of the campus.
func (c *conductor) newFleet() error {
	devices := make([]emulator.DeviceConfig, len(c.campus.Terminals))
	for i := range devices {
		t := &c.campus.Terminals[i]
		devices[i] = emulator.DeviceConfig{Code: t.Code, Merchant: c.campus.MerchantOf(t), Key: t.Key, Mode: c.campus.MACModeOf(), InFlight: 16}
	}
	c.memory = emulator.NewMemory()
	var err error
	c.fleet, err = emulator.NewFleet(emulator.FleetConfig{
		Address: c.places.Terminals, Devices: devices, OnAnswer: c.answered, Memory: c.memory, Deadline: 15 * time.Second,
		RetryLeast: 20 * time.Millisecond, RetryMost: 300 * time.Millisecond, Queue: 256, Seed: c.place.note.Seed,
	})
	return err
}

// perform lets the campus eat until the day is to be closed: ctx says so, among others. life is that of errands, which go on after it.
func (c *conductor) perform(ctx, life context.Context) error {
	now := c.fleet.Now()
	c.began = time.Now()
	c.crowd.began, c.crowd.planned = now, now
	c.tally.start(now)
	return c.turnUntil(life, 0, func() bool {
		return c.quit || ctx.Err() != nil || c.options.Duration > 0 && time.Since(c.began) >= c.options.Duration
	})
}

// errSlow says that something was not done in its time.
var errSlow = errors.New("未在时限内完成 / not done in time")

// turnUntil turns until it is done, or the limit (0: none) has passed, or nobody wants to wait any longer.
func (c *conductor) turnUntil(life context.Context, limit time.Duration, done func() bool) error {
	for begin := time.Now(); !done(); {
		if c.hurry || limit > 0 && time.Since(begin) > limit {
			return errSlow
		}
		if err := c.turn(life); err != nil {
			return err
		}
	}
	return nil
}

// turn does what is due and waits a moment for answers.
func (c *conductor) turn(life context.Context) error {
	now := c.fleet.Now()
	c.tally.advance(now)
	if c.phase == "" {
		c.crowd.look(now)
	}
	for t, ok := c.crowd.due(now); ok; t, ok = c.crowd.due(now) {
		c.send(&t)
	}
	gone := c.gone.Load()
	if err := c.fleet.Poll(c.pause(now)); err != nil {
		return err
	}
	if gone && c.killing.goneAt == 0 {
		c.killing.goneAt = now // what was still in a socket then has been read above: answers from here on are the new process's
	}
	c.takeIn(life)
	if now-c.spilt >= spillInterval || c.receipt.waiting() {
		c.spilt = now
		if err := c.memory.Spill(c.paper); err != nil {
			return err
		}
		c.checkReceipt()
	}
	if now-c.painted >= paintInterval {
		c.painted = now
		c.journal.look(c.watch.now())
		c.afterKill()
		c.output.paint(c.model(now))
	}
	if !c.killing.on && !c.child.alive() && c.phase != phaseStopping {
		return c.child.ended()
	}
	return nil
}

// pause is how long answers may be waited for: until the next tap.
func (c *conductor) pause(now int64) time.Duration {
	const most = 10 * time.Millisecond
	if next, ok := c.crowd.next(); ok {
		return max(0, min(most, time.Duration(next-now)))
	}
	return most
}

// takeIn takes in what came from outside: keys, results of asides.
func (c *conductor) takeIn(life context.Context) {
	for {
		select {
		case done := <-c.asides:
			c.busy--
			done()
			continue
		case key := <-c.keys:
			c.press(life, key)
			continue
		default:
		}
		if len(c.script) == 0 || c.began.IsZero() || time.Since(c.began) < c.script[0].after {
			return
		}
		key := c.script[0].key
		c.script = c.script[1:]
		c.press(life, key)
	}
}

// aside does something that takes time in a goroutine of its own. What work returns is called by the conductor.
func (c *conductor) aside(work func() func()) {
	c.busy++
	go func() {
		defer c.output.restoreOnPanic()
		c.asides <- work()
	}()
}

// send holds a card against a terminal.
func (c *conductor) send(t *tap) {
	r := c.crowd.request(t)
	t.at = max(t.at, c.last+1)
	c.last = t.at
	r.Planned = t.at
	if err := c.fleet.Send(t.device, r); err != nil {
		return // the queue at this terminal is too long: he goes elsewhere
	}
	c.asked[t.at] = *t
	c.tally.queue(c.merchantOf(t), +1)
}

// merchantOf is the index of the merchant that a tap is a purchase at, or -1.
func (c *conductor) merchantOf(t *tap) int {
	if t.kind != emulator.KindPurchase {
		return -1
	}
	return c.campus.Terminals[t.device].Merchant
}

// answered is told by the fleet, once for each request.
func (c *conductor) answered(device int, a *emulator.Answer) {
	t, ok := c.asked[a.Planned]
	if !ok {
		return
	}
	delete(c.asked, a.Planned)
	now := c.fleet.Moment()
	code := a.Code
	if a.Kind == emulator.KindReversal {
		code = emulator.ResponseCode(emulator.CauseNoAnswer) // it was taken back: nothing was bought
	}
	merchant := c.merchantOf(&t)
	c.tally.queue(merchant, -1)
	c.tally.answered(&t, code, now, merchant)
	c.heardAfterKill(now)
	c.feed(&t, a, now)
	if a.Kind == emulator.KindReversal {
		c.givenUp(&t)
		return
	}
	if c.phase == "" {
		c.crowd.told(&t, a, now)
	}
	switch t.purpose {
	case forLost:
		c.lostTapped(&t, a, now)
	case forRemainder:
		c.remainderTold(a)
	default:
		if t.kind == emulator.KindPurchase && a.Approved() && a.HasBalance {
			c.receipt.last = kept{device, t, a.Batch, a.Trace, a.Reference, a.Balance}
		}
		if t.twice {
			_ = c.fleet.Repeat(device, a.Trace) // the answer has been lost: asked again; if the link is gone too, not
		}
	}
}

// kindNames are what people call it.
var kindNames = map[emulator.Kind]string{
	emulator.KindPurchase: "消费", emulator.KindLoad: "圈存", emulator.KindBalance: "查询", emulator.KindPassage: "通行",
}

// feed tells the screen of an answer.
func (c *conductor) feed(t *tap, a *emulator.Answer, now int64) {
	clock, _ := c.crowd.clock(now)
	h := &c.campus.Holders[t.holder]
	e := Event{Clock: clock, Card: h.Card, Name: h.Name, What: kindNames[t.kind], Amount: t.amount, Where: c.placeOf(t), Text: a.Text}
	switch {
	case a.Kind == emulator.KindReversal:
		e.Tone, e.Text = toneRefused, "无应答,已冲正 / no answer, reversed"
	case a.Code == emulator.Approved:
		e.Text = "通过"
		if a.HasBalance && t.kind != emulator.KindPassage {
			e.Text = "通过 余 " + a.Balance.Yuan()
		}
	default:
		e.Tone = toneRefused
		if e.Text == "" {
			e.Text = codeText(a.Code)
		}
	}
	c.tally.show(&e, now, t.purpose != forHimself)
}

func (c *conductor) placeOf(t *tap) string {
	terminal := &c.campus.Terminals[t.device]
	switch terminal.Type {
	case samplecampus.Gate:
		return doorName(terminal.Door)
	case samplecampus.Kiosk:
		return "圈存机 " + terminal.Code[6:]
	}
	return c.campus.Merchants[terminal.Merchant].Name
}

// say puts a line above the feed. On a pipe it is a line of its own.
func (c *conductor) say(t tone, format string, args ...any) {
	clock, _ := c.crowd.clock(c.fleet.Now())
	e := Event{Clock: clock, Tone: t, Text: fmt.Sprintf(format, args...)}
	c.tally.notice(&e)
	c.output.say(&e)
}

// model is what is to be shown now.
func (c *conductor) model(now int64) *Model {
	m := &Model{Speed: c.options.Speed, Phase: c.phase, Places: c.places, Traffic: c.tally.view()}
	m.Clock, m.Round = c.crowd.clock(now)
	if !c.began.IsZero() {
		m.Elapsed = time.Since(c.began)
	}
	stats := c.fleet.Stats()
	m.Traffic.Waiting = stats.Waiting + stats.Queued
	m.Terminals = TerminalsView{SignedOn: stats.SignedOn, Total: c.fleet.Len(), Repeated: stats.Repeated, GivenUp: stats.GivenUp}
	m.Canteens = append(m.Canteens, c.tally.canteens...)
	sight := c.watch.now()
	m.Bank = c.bank.viewOf(now, sight.status, &c.tally.loads)
	m.Switch = c.switchView(now, sight.status)
	m.Books = c.books(sight.status)
	for i := range c.tally.notices {
		if e := c.tally.notices[i]; c.recent(now, e.Clock) {
			m.Notices = append(m.Notices, e)
		}
	}
	m.Events = append(m.Events, c.tally.events...)
	return m
}

// recent says whether a moment of the campus's clock is less than noticeFor of real time ago.
func (c *conductor) recent(now int64, clock time.Duration) bool {
	at, _ := c.crowd.clock(now)
	ago := at - clock
	if ago < 0 {
		ago += c.options.Loop
	}
	return float64(ago) < float64(noticeFor)*c.options.Speed
}

// books are the switch's; while it is down, as they were.
func (c *conductor) books(s *status) BooksView {
	if s != nil {
		c.journal.books = BooksView{Debits: s.Debits, Credits: s.Credits, Difference: s.Difference}
		return c.journal.books
	}
	b := c.journal.books
	b.Stale = true
	return b
}

// doorName is what is written over a door.
func doorName(code string) string {
	if name, ok := doorNames[code]; ok {
		return name
	}
	return code
}

var doorNames = map[string]string{"main-gate": "校门", "library": "图书馆", "dorm-1": "学生公寓一", "lab": "实验楼", "gym": "体育馆"}
