package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"onecard/ledger/invariant"
	"onecard/switch/campus/access"
	"onecard/switch/campus/bankload"
	"onecard/switch/campus/consumption"
	"onecard/switch/transaction"
)

// odds are what a seed is like. They are drawn once, so that one seed is a storm and another nearly a quiet day.
type odds struct {
	window     uint32
	switchAt   uint16 // minute after midnight at which a business day begins
	thinking   int64  // of a terminal between two acts
	delayMost  int64  // of a message
	gather     int64  // messages that come this close together are one lot
	loss       int    // of messages, per mille
	double     int
	bankLoss   int
	undoMost   int64 // time that the bank takes over a reversal
	deaths     int64 // from one to the next; 0 none
	deposed    int   // per mille of deaths
	clockMost  int64 // a step of the clock; 0 none
	nights     int64 // from one jump towards midnight to the next
	office     int64
	desk       int64 // from one paper to the next
	disk       bool
	rush       bool
	keeping    int64 // from one checkpoint to the next
	rebuilding uint64
	moods      []mood
}

func drawOdds(rng *rand.Rand) odds {
	pick := func(from ...int64) int64 { return from[rng.IntN(len(from))] }
	o := odds{
		window: uint32(pick(8, 16, 32)), switchAt: uint16(pick(0, 0, 150, 23*60)), thinking: pick(2, 5, 15) * second, delayMost: pick(second/20, second/2, 6*second), gather: pick(0, second/10, second),
		loss: int(pick(0, 10, 50, 200)), double: int(pick(0, 20, 150)), bankLoss: int(pick(0, 100, 400)), undoMost: pick(3, 30) * second,
		deaths: pick(0, 10, 3, 1) * minute, deposed: int(pick(0, 500, 900)), clockMost: pick(0, 2*second, 10*minute, oneDay),
		nights: pick(4, 10, 30) * minute, office: pick(1, 3, 10) * minute / 2, desk: pick(2, 6, 20) * second, disk: rng.IntN(2) == 0, rush: rng.IntN(3) == 0,
		keeping: pick(2, 7, 30) * minute, rebuilding: uint64(pick(150, 400, 900)),
	}
	o.moods = []mood{moodApproves, moodApproves, moodApproves}
	for m := range moodCount {
		if rng.IntN(2) == 0 {
			o.moods = append(o.moods, m)
		}
	}
	return o
}

// Finding is an invariant that did not hold.
type Finding struct {
	Seed      uint64 `json:"seed"`
	Event     uint64 `json:"event"`
	Invariant string `json:"invariant"`
	Text      string `json:"text"`
}

func (f *Finding) Error() string {
	return fmt.Sprintf("seed %d, event %d: %s: %s", f.Seed, f.Event, f.Invariant, f.Text)
}

var (
	errFound    = errors.New("simulated: an invariant does not hold")
	errFinished = errors.New("simulated: the day is over")
)

// world is one seed at work.
type world struct {
	seed     uint64
	rng      *rand.Rand
	odds     odds
	campus   *campus
	agenda   agenda
	now      int64 // of the world
	clock    int64 // how far the switch's clock is off
	budget   uint64
	events   uint64
	hash     uint64
	finding  *Finding
	still    func() // see Run
	calm     bool   // no faults any more: everything must come to its end
	deadline uint64 // event by which it must have
	tell     func(format string, args ...any)

	journal       journal
	checkpoints   checkpoints
	books         *reckoning
	terminals     []*terminal
	bank          *bank
	asks          map[askKey]*ask
	deliveries    []delivery
	serial        uint64
	keys          uint64
	papersWritten int
	paperList     []*paper
	hurry         int64 // > 0: everything sent now arrives at that moment
	told          uint64
	coverage      *Coverage

	// Of the life of one owner.
	engine    *transaction.Engine
	cancel    context.CancelFunc
	wake      chan struct{}
	lives     int
	death     death
	deposed   bool   // how the last one ended
	born      uint64 // poll at which it began
	waiting   [2]int // requests that are not answered: loads, and others
	lot       []transaction.Request
	submitted int
	polls     uint64
	errand    *errand
	errandMet faults // what was unusual when it was asked for
	diskLow   bool
	diskSince uint64 // poll in which that was ordered
	turned    uint64 // poll in which the date or the business day turned
	switches  int    // of the business day, seen so far
	today     uint32
	checked   uint64
}

func newWorld(seed, budget uint64, coverage *Coverage) *world {
	rng := rand.New(rand.NewPCG(seed, 17))
	w := &world{
		seed: seed, rng: rng, odds: drawOdds(rng), now: start, budget: budget, hash: 14695981039346656037, asks: map[askKey]*ask{}, coverage: coverage,
		tell: func(string, ...any) {},
	}
	w.campus = newCampus(rng)
	w.books = newReckoning(w.campus, w.odds.window)
	w.books.asked, w.books.find, w.books.switchAt = w.askedFor, w.find, w.odds.switchAt
	w.journal = journal{rng: rng, folded: w.books.block}
	w.bank = newBank(w)
	for i := range w.campus.directory.Terminals {
		w.terminals = append(w.terminals, &terminal{
			w: w, id: transaction.TerminalID(i + 1), row: &w.campus.directory.Terminals[i], batch: numberSpace - uint32(rng.IntN(3)), trace: numberSpace - uint32(rng.IntN(60)),
		})
	}
	return w
}

// askedFor finds what the terminal sent that a line records.
func (w *world) askedFor(l *transaction.Line) (*transaction.Request, bool) {
	a := w.asks[askKey{identityOf(l), contents{l.Kind, w.books.numberOf(l), l.Amount, l.Purse, l.Direction}}]
	if a == nil || a.sends == 0 {
		return nil, false
	}
	return &a.request, true
}

// find keeps the first thing that is wrong.
func (w *world) find(invariant, format string, args ...any) {
	if w.finding == nil {
		w.finding = &Finding{w.seed, w.events, invariant, fmt.Sprintf(format, args...)}
		w.tell("FOUND %s: %s", invariant, w.finding.Text)
	}
}

// mix takes values into the hash of the history.
func (w *world) mix(values ...uint64) {
	for _, v := range values {
		w.hash = (w.hash ^ v) * 1099511628211
		w.hash ^= w.hash >> 29
	}
}

func (w *world) chance(perMille int) bool { return perMille > 0 && w.rng.IntN(1000) < perMille }

func (w *world) between(least, most int64) int64 { return least + w.rng.Int64N(max(1, most-least)) }
func (w *world) clockNow() int64                 { return w.now + w.clock }
func (w *world) later(a int64, h happening, life int, run func()) {
	w.agenda.add(w.now+a, h, func() {
		if w.lives == life {
			run()
		}
	})
}

func (w *world) delay() int64 {
	if w.calm {
		return w.between(1, second/10)
	}
	return w.between(1, w.odds.delayMost)
}

func (w *world) config(read bool) transaction.Config {
	c := transaction.Config{Journal: &w.journal, Checkpoints: &w.checkpoints, Site: transaction.Site{Window: w.odds.window, ZoneSeconds: zone}, DaySwitch: w.odds.switchAt, Withdrawals: withdrawalTerms()}
	if read {
		c.Journal, c.Checkpoints = &finished{w.journal.blocks, w.journal.head}, nil
	}
	c.Routes = append(c.Routes, consumption.New(consumption.DefaultConfig()).Routes...)
	c.Routes = append(c.Routes, bankload.New(bankload.Config{}).Routes...)
	c.Routes = append(c.Routes, access.New().Routes...)
	return c
}

// run is the whole history: owners come and go until everything has come to its end.
func (w *world) run() (err error) {
	defer func() {
		if broken, ok := recover().(invariant.Broken); ok {
			w.find("fail-stop", "the core stopped: %s", broken.Text)
			err = w.finding
		}
	}()
	w.begin()
	for w.finding == nil {
		if w.live() {
			break
		}
	}
	w.close()
	if w.finding != nil {
		return w.finding
	}
	return nil
}

// begin makes the ledger and enters the habits of everybody on the agenda.
func (w *world) begin() {
	engine, err := transaction.Open(context.Background(), w.config(false), w.clockNow())
	if err != nil {
		w.find("open", "an empty ledger: %v", err)
		return
	}
	faults, err := engine.ImportBeforeRun(&w.campus.directory, w.clockNow())
	if err != nil || len(faults) > 0 {
		w.find("open", "the first import: %v %v", faults, err)
	}
	for _, row := range staff() {
		if err := engine.SetOperatorBeforeRun(row, "setup", w.clockNow()); err != nil {
			w.find("open", "operator %s: %v", row.Code, err)
		}
	}
	w.today = localDay(w.now)
	for _, t := range w.terminals {
		w.agenda.add(w.now+w.between(1, t.thinks()), happensTerminal, t.act)
	}
	w.habits()
}

// live opens an owner and lets it work until it ends. It says whether that was the end of the history.
func (w *world) live() bool {
	w.coverage.deaths[w.death]++
	if w.journal.dead {
		w.coverage.deaths[w.journal.how]++
	}
	if w.lives++; w.lives > 1 {
		w.journal.reopen()
	}
	recovering := w.death == diesInRecovery
	if recovering {
		w.journal.armed, w.journal.why = diesInWait, w.why()
	}
	w.death, w.diskLow, w.diskSince, w.born = lives, false, 0, w.polls
	w.waiting = [2]int{}
	w.bank.begin()
	engine, err := transaction.Open(context.Background(), w.config(false), w.clockNow())
	if err != nil {
		if !w.journal.dead {
			w.find("open", "life %d: %v", w.lives, err)
		}
		return false
	}
	w.engine, w.wake = engine, make(chan struct{}, 1)
	w.tell("life %d from entry %d", w.lives, engine.State().Book().Sequence())
	w.compareRebuilt(engine, true)
	engine.Connect(&door{w, w.wake}, w.bank)
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	err = engine.Run(ctx, w.clockNow())
	cancel()
	w.awaitErrand(true)
	w.tell("life %d ends: %v", w.lives, err)
	w.mix(30, uint64(w.death))
	switch {
	case err == nil && w.death != diesPolitely && !errors.Is(context.Cause(ctx), context.Canceled):
		w.find("open", "the owner ended by itself")
	case errors.Is(err, errFinished):
		return true
	case err != nil && !errors.Is(err, errPower) && !errors.Is(err, errDeposed) && !errors.Is(err, errFound):
		w.find("open", "the owner ended: %v", err)
	}
	w.agenda.add(w.now+w.between(1, 5*second), happensFault, func() {}) // the time that a start takes
	return false
}

// door is the world as one owner's life sees it: a late word from the life before wakes nobody.
type door struct {
	*world
	wake chan struct{}
}

// Wake is called by the engine when something has been put into its queues.
func (d *door) Wake() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Poll is where the world goes on: one event, or as many as bring messages at the same moment.
func (w *world) Poll(_ time.Duration, requests []transaction.Request) ([]transaction.Request, error) {
	w.polls++
	if w.errand != nil {
		w.still()
		select {
		case <-w.wake: // it has another thing to ask for
			w.errand.sent = w.polls
		default:
		}
	}
	w.awaitErrand(false)
	w.inspect()
	w.lot, w.submitted = requests, 0
	for w.finding == nil && w.death == lives && len(w.lot) == len(requests) && w.submitted == 0 {
		if w.settled() {
			return requests, errFinished
		}
		if w.agenda.empty() {
			break
		}
		w.step()
		if w.errand != nil {
			break // the owner must come round for its order to be done
		}
	}
	for w.finding == nil && w.death == lives && len(w.lot) > len(requests) && w.upcomingRequest() {
		w.step()
	}
	switch {
	case w.finding != nil:
		return requests, errFound
	case w.death == diesAtOnce || w.death == diesInRecovery:
		return requests, w.why()
	case w.death == diesPolitely:
		w.cancel()
	}
	return w.lot, nil
}

func (w *world) upcomingRequest() bool {
	return !w.agenda.empty() && w.agenda.upcoming().what == happensRequest && w.agenda.upcoming().at <= w.now+w.odds.gather
}

// step lets one event happen.
func (w *world) step() {
	e := w.agenda.next()
	w.now = max(w.now, e.at)
	w.events++
	w.mix(uint64(e.at), e.order, uint64(e.what))
	e.run()
	if w.events >= w.budget && !w.calm {
		w.quieten()
	}
}

func (w *world) why() error {
	if w.deposed {
		return errDeposed
	}
	return errPower
}

// submit hands over what the bank says.
func (w *world) submit(r transaction.Request) {
	w.tell("bank says %d about load %d", r.Kind, r.Load)
	w.mix(22, uint64(r.Kind), r.Load)
	w.coverBank(&r)
	if err := w.engine.Submit(r); err != nil {
		w.find("open", "the inbox refuses: %v", err)
	}
	w.submitted++
	select { // what wakes from here on is an order
	case <-w.wake:
	default:
	}
}
