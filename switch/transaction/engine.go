package transaction

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"onecard/ledger"
	"onecard/ledger/invariant"
)

// Bounds of the engine's queues.
const (
	// inboxBound is how many bank answers and operators' jobs may wait for the owner; a full inbox refuses and the asker keeps his.
	inboxBound = 8192
	// groupBytes closes a group early: Pebble takes larger batches by a slower path.
	groupBytes = 768 << 10
)

// ErrBusy says that the engine's inbox is full: keep what you have and submit it again.
var ErrBusy = errors.New("the owner's inbox is full")

// ErrStopped says that the owner has ended before it did what was asked.
var ErrStopped = errors.New("交换机已停止 / the switch has stopped")

// Events are called by the owner goroutine; they must be quick. Any of them may be nil.
type Events struct {
	// Answered is called with the decisions of one group when they are durable, before they are sent.
	Answered func(decisions []Decision)
	// Group is called for each block handed to the journal.
	Group func(entries uint32, bytes int)
	// LoadState is called when a load changes its state at the bank: "sent", "confirmed", "declined", "unknown", "reversed", "late".
	LoadState func(state string)
	// CheckpointSkipped is called at the start with why a checkpoint could not be used; an older one, or replaying more, takes its place.
	CheckpointSkipped func(err error)
	// WithdrawalState is called when a withdrawal to a bank account changes its state: "sent", "paid", "declined", "unknown", "manual", "late".
	WithdrawalState func(state string)
}

// Config is what an engine is made of.
type Config struct {
	Journal     ledger.Journal
	Checkpoints ledger.Checkpoints // nil: replay everything
	Stage       ledger.Stage       // nil: an import must fit in one block
	Routes      []Route
	Site        Site   // used when the ledger is empty
	DaySwitch   uint16 // minute after local midnight at which a business day begins; below minutesPerDay
	Events      Events
	Withdrawals WithdrawalTerms
}

// Engine owns the state and decides. Its methods may be called by any goroutine unless they say otherwise.
type Engine struct {
	config  Config
	decider decider        // owner: Run
	state   *State         // owner: Run
	journal ledger.Journal // owner: Run
	door    Door
	bank    Bank

	inbox    chan Request
	jobs     chan func()
	requests []Request        // owner: Run
	pipeline                  // owner: Run
	head     ledger.Head      // owner: Run; of the newest block appended
	restored uint64           // sequence of the checkpoint that Open found
	waiting  map[uint64]asker // owner: Run; who waits for which open load
	echo     int64            // owner: Run; last number given to an answer that stores nothing
	failure  error            // owner: Run; of the journal. It stays: what was decided after it is not on disk
	stopped  chan struct{}    // closed when Run has ended
	late     sync.Mutex       // held by whoever does what was the owner's when there is none any more
	// importing keeps a second import out while a large one is brought in. Owner: Run
	importing bool
}

// asker is who waits for an answer, and since when.
type asker struct {
	origin   Origin
	received int64
}

type bankOrder struct {
	reverse  bool
	withdraw bool
	order    LoadOrder
}

// Open brings the state back: the newest checkpoint, then every block after it. An empty ledger gets its genesis entry, at time now.
func Open(ctx context.Context, c Config, now int64) (*Engine, error) {
	e := &Engine{
		config: c, journal: c.Journal, inbox: make(chan Request, inboxBound), jobs: make(chan func(), inboxBound), waiting: make(map[uint64]asker),
		stopped: make(chan struct{}),
	}
	if err := e.restore(); err != nil {
		return nil, err
	}
	if err := e.replay(ctx); err != nil {
		return nil, err
	}
	e.decider.state = e.state
	for i := range c.Routes {
		invariant.Hold(e.decider.routes[c.Routes[i].Kind] == nil, "two routes for kind %d", c.Routes[i].Kind)
		e.decider.routes[c.Routes[i].Kind] = &c.Routes[i]
	}
	// A log may hold blocks that are not durable yet. What is answered from now on rests on them.
	if err := e.journal.Wait(e.head.Sequence); err != nil {
		return nil, fmt.Errorf("waiting for entry %d to be durable: %w", e.head.Sequence, err)
	}
	e.pipeline.begin()
	e.echo = max(now, e.state.lastTime)
	if e.state.book.Sequence() == 0 {
		first := genesis(c.Site, now)
		e.beginGroup(businessDay(c.Site.ZoneSeconds, c.DaySwitch, now))
		e.add(&first)
		e.awaitDayEnd()
		return e, e.settle()
	}
	e.awaitDayEnd()
	if err := e.state.checkSite(c.Site); err != nil {
		return nil, err
	}
	return e, e.finishImport(now)
}

// RestoredFrom is the sequence of the checkpoint that the state was brought back from; 0: everything was replayed.
func (e *Engine) RestoredFrom() uint64 { return e.restored }

// Submit hands over what the bank said, or another request that comes from inside the house.
func (e *Engine) Submit(r Request) error {
	select {
	case e.inbox <- r:
		e.door.Wake()
		return nil
	default:
		return ErrBusy
	}
}

// Connect says where requests come from and where loads go. It is called once, before Run and before anything submits.
func (e *Engine) Connect(door Door, bank Bank) { e.door, e.bank = door, bank }

// Run is the owner goroutine: it takes what has arrived, decides it, has it written and answers, until the context ends. Loads that
// were open when the ledger was closed are taken up first, at time now. It is called once.
//
// The wait for the disk is here, on this goroutine, and not on one of its own: a hand-over costs more than it saves (ledger study 3.4).
// What happens meanwhile is said in pipeline.go.
func (e *Engine) Run(ctx context.Context, now int64) error {
	defer close(e.stopped)
	stop := context.AfterFunc(ctx, e.door.Wake)
	defer stop()
	if err := e.resumeLoads(now); err != nil {
		return err
	}
	if err := e.cycle(); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := e.turn(e.patience()); err != nil {
			return err
		}
	}
	if err := e.takeInbox(); err != nil {
		return err
	}
	return e.settle()
}

// patience is how long a turn may wait for requests: not at all while answers wait for the disk or jobs for us.
func (e *Engine) patience() time.Duration {
	if e.flying != nil || e.open.begun || len(e.open.decisions) > 0 || len(e.inbox) > 0 || len(e.jobs) > 0 || e.linesWait() {
		return 0
	}
	return -1
}

func (e *Engine) turn(wait time.Duration) error {
	var err error
	if e.requests, err = e.door.Poll(wait, e.requests[:0]); err != nil {
		return fmt.Errorf("taking requests: %w", err)
	}
	for rest := e.requests; len(rest) > 0; {
		near := rest[:min(len(rest), warmRequests)]
		rest = rest[len(near):]
		if len(near) > 1 {
			e.state.warm(near)
		}
		for i := range near {
			if err := e.handle(&near[i]); err != nil {
				return err
			}
			if e.open.begun && e.open.builder.Size() > groupBytes {
				if err := e.cycle(); err != nil {
					return err
				}
			}
		}
	}
	if err := e.takeInbox(); err != nil {
		return err
	}
	if e.linesWait() {
		if err := e.postLines(); err != nil {
			return err
		}
	}
	if err := e.cycle(); err != nil {
		return err
	}
	for n := len(e.jobs); n > 0; n-- {
		(<-e.jobs)()
		if e.failure != nil {
			return e.failure // the job's asker hears of it too, but it is the owner who must stop
		}
	}
	return nil
}

// takeInbox decides what the bank has said.
func (e *Engine) takeInbox() error {
	for n := len(e.inbox); n > 0; n-- {
		r := <-e.inbox
		if err := e.handle(&r); err != nil {
			return err
		}
	}
	return nil
}

// add writes an entry into the open group and applies it.
func (e *Engine) add(entry *ledger.Entry) uint64 {
	sequence := e.open.builder.Add(entry)
	e.state.apply(sequence, e.open.day, entry)
	return sequence
}

// addDecided is add for the decider's entry, whose record need not be read again.
func (e *Engine) addDecided() uint64 {
	d := &e.decider
	sequence := e.open.builder.Add(&d.entry)
	e.state.applyRecord(sequence, e.open.day, &d.entry, &d.record)
	return sequence
}

// setClock says what time it is for what is decided next, and closes the business day when its time has passed.
func (e *Engine) setClock(now int64) error {
	d := &e.decider
	d.now = max(now, e.state.lastTime)
	d.day, d.minute = e.state.localDay(d.now)
	if d.now < d.dayEnds {
		return nil
	}
	return e.turnDay(businessDay(e.state.zone, e.config.DaySwitch, d.now))
}

// handle decides one request into the open group.
func (e *Engine) handle(r *Request) error {
	if err := e.setClock(r.Received); err != nil {
		return err
	}
	if e.state.batches.open > 0 && (r.Kind == KindPurchase || r.Kind == KindBalance) {
		if err := e.claim(r); err != nil {
			return err
		}
	}
	d := &e.decider
	e.open.decisions = append(e.open.decisions, Decision{Origin: r.Origin, Kind: r.Kind, Received: r.Received, Time: d.now, Day: e.state.business.day, Terminal: r.Terminal, Batch: r.Batch})
	out := &e.open.decisions[len(e.open.decisions)-1]
	said, order := e.decide(r, out)
	if said == resultEntry {
		if !e.open.begun {
			e.beginGroup(e.state.business.day)
		}
		sequence := e.addDecided()
		e.recorded(r, out, sequence, order)
		if r.Kind == KindPurchase {
			e.afterPurchase(out)
		}
	} else {
		e.unrecorded(r, out, said)
	}
	if out.Origin == 0 || said == resultLater {
		e.open.decisions = e.open.decisions[:len(e.open.decisions)-1]
	}
	return nil
}

func (e *Engine) decide(r *Request, out *Decision) (result, *LoadOrder) {
	switch r.Kind {
	case KindPurchase, KindBalance, KindPassage, KindLoad:
		return e.decider.original(r, out), nil
	case KindReversal:
		return e.decider.reversal(r, out)
	case KindSignOn:
		return e.decider.signOn(r, out), nil
	case KindSignOff, KindEcho:
		return e.decider.answer(out, ReasonNone), nil
	case KindLoadConfirmed, KindLoadDeclined, KindLoadUnknown, KindLoadReversed, KindLoadLate, KindLoadManual:
		return e.decider.loadOutcome(r, out)
	case KindWithdrawalPaid, KindWithdrawalDeclined, KindWithdrawalUnknown, KindWithdrawalManual, KindWithdrawalLate:
		return e.decider.withdrawalOutcome(r), nil
	}
	invariant.Fail("a request of kind %d", r.Kind)
	return resultLater, nil
}

// recorded finishes a decision that has an entry: its sequence, who waits for the bank, what the bank is asked.
func (e *Engine) recorded(r *Request, out *Decision, sequence uint64, order *LoadOrder) {
	kind := e.decider.entry.Kind
	if out.Sequence == 0 {
		out.Sequence = sequence
	}
	switch {
	case kind == KindLoad && out.Reason == ReasonNone:
		e.waiting[sequence] = asker{r.Origin, r.Received}
		e.open.orders = append(e.open.orders, bankOrder{order: e.state.loads[sequence].order})
		out.Origin = 0
		e.loadState("sent")
	case kind == KindReversal && order != nil:
		e.open.orders = append(e.open.orders, bankOrder{reverse: true, order: *order})
		e.cancelWaiting(order, out)
	case isWithdrawalOutcome(kind):
		e.withdrawalState(withdrawalStates[kind])
	case r.Load != 0:
		e.loadOutcomeRecorded(r, out, kind, order)
	}
}

func (e *Engine) loadOutcomeRecorded(r *Request, out *Decision, kind Kind, order *LoadOrder) {
	if kind != KindLoadReversed && kind != KindLoadLate && kind != KindLoadManual {
		out.Origin, out.Received = e.waiting[r.Load].origin, e.waiting[r.Load].received
		delete(e.waiting, r.Load)
	}
	if order != nil {
		e.open.orders = append(e.open.orders, bankOrder{reverse: true, order: *order})
	}
	e.loadState(map[Kind]string{
		KindLoadConfirmed: "confirmed", KindLoadDeclined: "declined", KindLoadUnknown: "unknown", KindLoadReversed: "reversed", KindLoadLate: "late",
		KindLoadManual: "manual",
	}[kind])
}

// cancelWaiting answers who still waits for a load that its terminal has just taken back. The answer carries the load's business day, as every
// answer to it does.
func (e *Engine) cancelWaiting(order *LoadOrder, reversal *Decision) {
	waiting := e.waiting[order.Load]
	delete(e.waiting, order.Load)
	if waiting.origin == 0 {
		return
	}
	cancelled := *reversal
	cancelled.Origin, cancelled.Received, cancelled.Kind, cancelled.Sequence = waiting.origin, waiting.received, KindLoad, order.Load
	cancelled.Day = order.Day
	cancelled.Reason, cancelled.Code, cancelled.HasBalance = ReasonReversedBefore, ReasonReversedBefore.Code(), false
	last := len(e.open.decisions) - 1
	e.open.decisions = append(e.open.decisions, e.open.decisions[last])
	e.open.decisions[last] = cancelled
}

func (e *Engine) loadState(state string) {
	if e.config.Events.LoadState != nil {
		e.config.Events.LoadState(state)
	}
}

// unrecorded finishes a decision that writes nothing.
func (e *Engine) unrecorded(r *Request, out *Decision, said result) {
	if said == resultLater {
		if out.Reason == ReasonInFlight { // the same load asked again: the newest asker is answered, the one before is let go
			before := e.waiting[out.Sequence]
			e.waiting[out.Sequence] = asker{r.Origin, before.received}
			if before.origin != 0 {
				last := len(e.open.decisions) - 1
				silent := Decision{Origin: before.origin, Silent: true}
				e.open.decisions = append(e.open.decisions, e.open.decisions[last])
				e.open.decisions[last] = silent
			}
		}
		return
	}
	if out.Sequence == 0 {
		e.echo = max(e.echo+1, e.decider.now)
		out.Time = e.echo
	}
}

// resumeLoads takes up what was open when the ledger was closed: what had been sent is unknown now, what was being reversed is repeated, what
// was given up stays so.
func (e *Engine) resumeLoads(now int64) error {
	for _, id := range e.state.openLoads() {
		l := e.state.loads[id]
		if l.state == loadSent {
			if err := e.handle(&Request{Kind: KindLoadUnknown, Load: id, Received: now}); err != nil {
				return err
			}
			continue
		}
		if l.state >= loadManual {
			continue
		}
		order := l.order
		order.Repeat = true
		e.open.orders = append(e.open.orders, bankOrder{reverse: true, order: order})
	}
	return e.resumeWithdrawals(now)
}
