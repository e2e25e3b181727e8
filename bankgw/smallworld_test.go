package bankgw_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"onecard/bankgw"
	"onecard/bankgw/banksim"
	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

const (
	proofAmount = money.Fen(5000)
	proofTrace  = 7
)

// move of a history: an action, and the point in it at which the machine dies; 0: it does not.
type move struct {
	action string
	dieAt  int64
}

func (s move) String() string {
	if s.dieAt == 0 {
		return s.action
	}
	return fmt.Sprintf("%s†%d", s.action, s.dieAt)
}

// smallWorld is the real core and the real gateway with one kiosk, one card, one load, and a bank whose every move is chosen.
type smallWorld struct {
	*world
	puppet *puppet
	wrong  *wrongdoing
	points atomic.Int64 // at which the machine could have died in this step
	dieAt  int64
	heard  map[string]bool // codes that the terminal was told of its load, in any life
	opened uint32          // business day at the start
	before int             // blocks of the site itself
	order  transaction.LoadOrder
	pays   *payingBank // nil: the world is of a load
}

// proofConfig has one line, no echo of a quiet line, and waits of one or two ticks.
func proofConfig() bankgw.Config {
	c := bankgw.DefaultConfig()
	c.Links, c.RequestTimeout, c.NotFoundAfter, c.ReversalBackOff = 1, tick, 2*tick, []time.Duration{tick}
	c.WithdrawalBackOff, c.QueryTimeout = []time.Duration{tick}, tick
	c.EchoInterval, c.ReconnectMin, c.ReconnectMax = time.Hour, tick, tick
	return c
}

func newSmallWorld(t testing.TB, site *disk, forgets bool, wrong *wrongdoing, pays *payingBank) (*smallWorld, error) {
	p, err := newPuppet(forgets)
	if err != nil {
		return nil, err
	}
	w := &smallWorld{puppet: p, wrong: wrong, heard: make(map[string]bool), before: len(site.blocks), world: &world{
		t: t, network: p.network, config: proofConfig(), disk: &disk{blocks: slices.Clone(site.blocks)}, log: func(string, ...any) {},
	}}
	if pays != nil {
		w.pays = pays.begin(p)
		w.config.Dialect.Features, w.config.WithdrawalExpiry = pays.features, pays.expiry
	}
	if wrong.configure != nil {
		wrong.configure(&w.config)
	}
	w.passes = func(string) bool { return w.points.Add(1) != w.dieAt }
	w.begin()
	w.rest()
	return w, w.life.engine.Look(context.Background(), func(s *transaction.State) { w.opened = s.BusinessDay() })
}

// begin is world.start, with the wrongdoing between core and gateway.
func (w *smallWorld) begin() {
	l := &life{world: w.world, ended: make(chan struct{})}
	l.machine = &machine{network: w.network, passing: func(out, delivered bool) bool {
		return !out && delivered || l.passes("frame")
	}}
	l.engine = openEngine(w.t, w.disk, l, time.Now())
	submit := func(r transaction.Request) error {
		if l.isDead() {
			return errDied
		}
		return l.engine.Submit(r)
	}
	gateway, err := bankgw.New(w.config, bankgw.Keys{MAC: bankKey}, func(r transaction.Request) error { return w.wrong.outcome(w, r, submit) }, bankgw.Events{},
		bankgw.Options{Dial: l.machine.dial, Seed: 1})
	if err != nil {
		w.t.Error(err)
		return
	}
	l.gateway = gateway
	l.door = &door{incoming: make(chan []transaction.Request, 64), wake: make(chan struct{}, 1), answered: func(d transaction.Decision) {
		if d.Kind == transaction.KindLoad && d.Reason == transaction.ReasonNone {
			w.heard[d.Code.String()] = true
		}
	}}
	l.engine.Connect(l.door, &wrongBank{w})
	running, stop := context.WithCancel(context.Background())
	carrying, signOff := context.WithCancel(context.Background())
	l.stop, l.signOff = stop, signOff
	w.life = l
	w.lives.Go(func() {
		if err := l.gateway.Run(carrying); err != nil {
			w.t.Error(err)
		}
	})
	w.lives.Go(func() {
		defer close(l.ended)
		if err := l.engine.Run(running, time.Now().UnixMicro()); err != nil && !l.isDead() {
			w.t.Error(err)
		}
	})
}

// settleTime lets every frame and block of a step arrive; it is far below a tick.
const settleTime = 50 * time.Millisecond

func (w *smallWorld) rest() {
	time.Sleep(settleTime)
	synctest.Wait()
}

// do takes a step and lets all come to rest. It returns how many points there were to die at.
func (w *smallWorld) do(s move) (points int64) {
	w.points.Store(0)
	w.dieAt = s.dieAt
	w.act(s.action)
	w.rest()
	points = w.points.Load()
	w.dieAt = 0
	if w.life.isDead() {
		<-w.life.ended // the dead gateway still waits for answers that cannot come; nobody hears what it says
		w.begin()
		w.rest()
	}
	return points
}

func (w *smallWorld) act(action string) {
	p := w.puppet
	if name, ok := strings.CutPrefix(action, "hear "); ok {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.say(name)
		return
	}
	switch action {
	case "withdraw":
		w.askWithdrawal()
	case "load":
		w.ask(transaction.KindLoad, proofTrace, proofAmount)
	case "terminal reverses":
		w.ask(transaction.KindReversal, proofTrace, proofAmount)
	case "day switch":
		_ = w.life.engine.CloseDay(context.Background(), w.opened, time.Now().UnixMicro()) // a machine that dies in it says so
	case "crash":
		w.life.die()
	case "time":
		if next := fingerprintOf(w.life.gateway, time.Now()).next(); !next.IsZero() {
			time.Sleep(time.Until(next) + 2*settleTime)
		}
	default:
		p.mu.Lock()
		defer p.mu.Unlock()
		w.actBank(action)
	}
}

func (w *smallWorld) actBank(action string) {
	p := w.puppet
	switch action {
	case "bank pays":
		p.state = banksim.Paid
	case "bank refuses the account":
		p.state = banksim.Declined
	case "bank refuses the message":
		w.pays.pending, w.pays.refused = false, true
	case "bank finds nothing":
		w.pays.nothing = true
	case "bank approves":
		p.bookLoad("00")
	case "bank declines":
		p.bookLoad("51")
	case "bank reverses":
		p.bookReversal()
	case "line breaks":
		p.cut = true
		p.hangUp()
	case "line returns":
		p.cut = false
	case "cut-over begins":
		p.tell(201)
	case "cut-over ends":
		p.tell(202)
	}
}

// actions that are possible now. Time passes only while the gateway waits for a moment.
func (w *smallWorld) actions() []string {
	p := w.puppet
	p.mu.Lock()
	defer p.mu.Unlock()
	list := []string{"load", "terminal reverses", "crash"}
	if w.pays != nil {
		list = w.payingActions()
	}
	if w.pays == nil && p.load != nil && p.state == 0 && w.bookable() {
		list = append(list, "bank approves", "bank declines")
	}
	if p.reversalMatters() {
		list = append(list, "bank reverses")
	}
	if p.conn != nil {
		list = append(list, "cut-over begins", "cut-over ends")
		answers := p.answers()
		if w.pays != nil {
			answers = w.payingAnswers()
		}
		for _, name := range answers {
			if name != "0430/25" || w.fresh() {
				list = append(list, "hear "+name)
			}
		}
	}
	if p.cut {
		list = append(list, "line returns")
	} else {
		list = append(list, "line breaks")
	}
	if w.entries()[transaction.KindDaySwitch] == 0 {
		list = append(list, "day switch")
	}
	if !fingerprintOf(w.life.gateway, time.Now()).next().IsZero() {
		list = append(list, "time")
	}
	return list
}

// bookable says that the bank may still book the original. A bank that forgets reversals that find nothing books it before not_found_after
// has passed, or never: that is what the key asks of a bank.
func (w *smallWorld) bookable() bool {
	return !w.puppet.forgets || w.age() < 2
}

// fresh says that a 25 may still arrive. One that was said before the original was booked does so before not_found_after has passed, or
// never: nothing in a 0430 tells which repeat of the reversal it answers.
func (w *smallWorld) fresh() bool {
	return !w.puppet.forgets || w.puppet.state != banksim.Debited && w.puppet.state != banksim.Reversed || w.age() < 2
}

// entries is how many of each kind the ledger has about the load, and of day switches.
type entries map[transaction.Kind]int

func (w *smallWorld) entries() entries { counted, _ := w.ledger(); return counted }

// age is how many ticks old the load is, 2 at most; what is not there yet is young.
func (w *smallWorld) age() time.Duration {
	_, decided := w.ledger()
	if decided == 0 {
		return 0
	}
	return min(time.Since(time.UnixMicro(decided))/tick, 2)
}

// ledger reads the load's entries, and when it was decided.
func (w *smallWorld) ledger() (counted entries, decided int64) {
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	counted = make(entries)
	for _, b := range w.disk.blocks[w.before:] {
		_ = b.Each(func(_ uint64, e *ledger.Entry) error { // a block is checked when it is opened
			if counted[e.Kind]++; (e.Kind == transaction.KindLoad || e.Kind == transaction.KindBankWithdrawal) && decided == 0 { // another one refuses a repeat
				decided = e.Time
			}
			return nil
		})
	}
	return counted, decided
}

// state is what decides everything that can come: gateway, ledger, bank and what the terminal was told. A late answer changes nothing in
// the core, a cut-over means nothing to a load that was sent, and the age of one is asked for while it is open.
func (w *smallWorld) state() string {
	w.puppet.mu.Lock()
	defer w.puppet.mu.Unlock()
	b, f, age := w.look(), fingerprintOf(w.life.gateway, time.Now()), time.Duration(0)
	known := w.entries()
	if b.opened > 0 {
		age = w.age()
	}
	var seen []transaction.Kind
	for kind := range known {
		if kind != transaction.KindLoadLate && kind != transaction.KindWithdrawalLate {
			seen = append(seen, kind)
		}
	}
	slices.Sort(seen)
	return fmt.Sprint(f.text.String(), f.cutOver && known[transaction.KindLoad] == 0, seen, b, age, w.bookable(), w.heard["00"], w.puppet, w.pays.String())
}

// safe is what holds in every state.
func (w *smallWorld) safe() error {
	w.puppet.mu.Lock()
	defer w.puppet.mu.Unlock()
	b, k := w.look(), w.entries()
	if w.pays != nil {
		return w.safePaying(&b, k)
	}
	held := money.Fen(0)
	if b.openHolds > 0 {
		held = proofAmount
	}
	switch {
	case w.puppet.fault != nil:
		return w.puppet.fault
	case b.sum != 0 || b.difference != 0 || b.suspense != 0 || b.transit != -b.credited:
		return fmt.Errorf("the books do not balance: %+v", b)
	case b.held != held || b.openHolds > b.opened:
		return fmt.Errorf("held %s in %d holds for %d open loads", b.held, b.openHolds, b.opened)
	case k[transaction.KindLoadConfirmed] > 1 || k[transaction.KindLoadReversed] > 1 || b.credited != 0 && b.credited != proofAmount:
		return fmt.Errorf("credited %d times, reversed %d times, %s in the purse", k[transaction.KindLoadConfirmed], k[transaction.KindLoadReversed], b.credited)
	case k[transaction.KindLoadConfirmed] > 0 && k[transaction.KindLoadUnknown] > 0:
		return errors.New("credited and, without the terminal's wish, reversed")
	case b.credited != 0 && w.puppet.state != banksim.Debited:
		return fmt.Errorf("credited, and at the bank it is %q", w.puppet.state)
	case w.heard["00"] && k[transaction.KindLoadConfirmed] == 0:
		return errors.New("the terminal was told of money that was never credited")
	}
	return nil
}

const fairTicks = 40

// fair continues as a bank should: the line stands, what comes is booked and answered at once. What it has not said so far is lost.
// In the end the bank has debited what the card was credited, and nothing is left over.
func (w *smallWorld) fair() error {
	p := w.puppet
	if w.pays != nil {
		return w.fairPaying()
	}
	p.mu.Lock()
	p.cut, p.reversal = false, nil // only what comes from here on
	p.mu.Unlock()
	for range fairTicks {
		w.do(move{action: "time"})
		p.mu.Lock()
		if p.reversal != nil {
			p.say("0430/" + p.bookReversal())
			p.reversal = nil
		}
		p.mu.Unlock()
		w.rest()
		if w.settled() {
			break
		}
	}
	if err := w.safe(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch b := w.look(); {
	case b.credited != p.debited(proofAmount):
		return fmt.Errorf("in the end the bank has debited %s and the card was credited %s", p.debited(proofAmount), b.credited)
	case b.openHolds != 0 || b.opened != 0:
		return fmt.Errorf("in the end %d loads are open, %d holds", b.opened, b.openHolds)
	case !w.settled():
		return fmt.Errorf("the gateway does not come to rest: %+v", w.life.gateway.Status())
	}
	return nil
}

func (w *smallWorld) close() {
	w.life.die()
	w.lives.Wait()
	w.puppet.end()
}
