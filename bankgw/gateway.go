package bankgw

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// Bounds that are not worth a key.
const (
	happeningsBound = 16                    // what lines' goroutines have to tell; they wait when it is full
	answersTogether = 64                    // messages that a line tells at once at most
	networkRoom     = 8                     // echoes, sign-ons and our answers to the bank's own, beside what is in flight
	fatesBound      = 8192                  // ended loads remembered to tell late and repeated answers
	badBeforeClose  = 5                     // messages in a row that are none close a link
	busyPause       = 20 * time.Millisecond // before outcomes are offered again to a full inbox
	cutOverMax      = 10 * time.Minute      // the bank's end of cut-over may get lost
	keyAskPause     = time.Minute           // between requests for a new key that nobody has ordered
)

// Options are what a test replaces.
type Options struct {
	Dial DialFunc // nil: TCP
	Seed uint64   // of the jitter of reconnects; 0: drawn
}

// Gateway is transaction.Bank over ISO 8583 links to one bank.
type Gateway struct {
	config Config
	dial   DialFunc
	framer *iso8583.BankFramer
	submit func(transaction.Request) error
	events Events

	handover   handover
	happenings chan happening
	spare      chan []answer  // of happenings that have been taken
	running    sync.WaitGroup // lines' goroutines

	// Owner of all below: Run.
	writer    codec
	ring      *keyRing // Run changes it
	rekey     rekey
	random    *rand.Rand
	links     []*link
	turn      int // of the last link chosen among equals
	loads     map[uint64]*exchange
	mux       map[muxKey]*exchange
	deadlines []*exchange // of loads and reversals, oldest first; ended ones are skipped
	queries   []*exchange // likewise, of queries
	reversals reversals
	signings  signings
	fates     fates
	totals    totals

	withdrawals withdrawals

	outcomes []transaction.Request // not yet taken by the owner, in their order
	offerAt  time.Time             // when outcomes are offered again
	newest   uint64                // load taken last: they come in order, so a smaller one is a duplicate
	trace    uint32                // DE 11 of network messages
	signOnAt time.Time             // the next daily sign-on
	cutOver  time.Time             // until when the bank turns its day; zero: it does not
	phase    phase
	stopBy   time.Time
	taken    []order

	mu     sync.Mutex
	status Status // guarded by mu
}

// phase is how far a polite stop is.
type phase uint8

const (
	phaseRunning    phase = iota
	phaseDraining         // no new loads; answers are waited for
	phaseSigningOff       // nothing in flight; links sign off
	phaseEnded
)

// New prepares a gateway; nothing is connected before Run. submit hands an outcome to the owner (Engine.Submit); when it returns an error
// the outcome is kept and offered again.
func New(c Config, keys Keys, submit func(transaction.Request) error, events Events, o Options) (*Gateway, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	dial, err := c.TLS.over(o.Dial)
	if err != nil {
		return nil, err
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	g := &Gateway{
		config: c, dial: dial, submit: submit, events: events,
		handover:   handover{wake: make(chan struct{}, 1)},
		happenings: make(chan happening, happeningsBound), spare: make(chan []answer, happeningsBound),
		random: rand.New(rand.NewPCG(o.Seed, 0)),
		loads:  make(map[uint64]*exchange), mux: make(map[muxKey]*exchange), signings: signings{mux: make(map[muxKey]*asked)},
		reversals: reversals{byLoad: make(map[uint64]*reversal)}, fates: fates{byLoad: make(map[uint64]*fate)}, totals: totals{known: make(map[uint32]Totals)},
		withdrawals: newWithdrawals(),
	}
	if g.framer, err = newFramer(&g.config); err != nil {
		return nil, KeyError{"framing", err.Error()}
	}
	mode, _ := bankMACMode(c.MACMode)
	g.ring = newKeyRing(mode, keys)
	if g.writer, err = newCodec(&g.config, g.ring); err != nil {
		return nil, err
	}
	g.rekey.checkValue = g.ring.checkValue(keys.MAC)
	for i := range c.Links {
		g.links = append(g.links, &link{number: i, address: c.Addresses[i%len(c.Addresses)]})
	}
	g.publish()
	return g, nil
}

// Load asks the bank for money (transaction.Bank). It never blocks.
func (g *Gateway) Load(o transaction.LoadOrder) {
	if !g.handover.give(order{LoadOrder: o}) {
		// After the stop nothing leaves the house. An owner who cannot take this now takes the load up as unknown at the next start.
		g.refuseStopped(&order{LoadOrder: o})
	}
}

// Reverse takes a load back (transaction.Bank). It never blocks. After the stop nothing needs to be done: the ledger gives it again at the
// next start.
func (g *Gateway) Reverse(o transaction.LoadOrder) {
	g.handover.give(order{LoadOrder: o, reverse: true})
}

// Run holds the links and carries loads and reversals until the context ends; then it takes no new load, waits for answers up to
// stop_timeout, signs off and closes the links. The owner must outlive it, to take the last outcomes.
func (g *Gateway) Run(ctx context.Context) error {
	defer g.end()
	timer := time.NewTimer(0)
	defer timer.Stop()
	stop := ctx.Done()
	for {
		now := time.Now()
		next := g.step(now)
		if g.phase == phaseEnded {
			return nil
		}
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(next.Sub(now))
		}
		select {
		case h := <-g.happenings:
			g.happened(time.Now(), &h)
		case <-g.handover.wake:
		case <-timer.C:
		case <-stop:
			stop = nil
			g.phase, g.stopBy = phaseDraining, time.Now().Add(g.config.StopTimeout)
		}
	}
}

// step does one turn's work and returns when it wants to be called again. What it costs is shared by all orders and messages that came
// together.
func (g *Gateway) step(now time.Time) (next time.Time) {
	g.takeErrands(now)
	g.takeOrders(now)
	g.takeSignings(now)
	next = earliest(g.tick(now), g.offer(now))
	g.flush()
	g.publish()
	return next
}

// end closes what is still open and waits for the lines' goroutines.
func (g *Gateway) end() {
	for _, l := range g.links {
		g.drop(l)
	}
	g.running.Wait()
	g.closeSignings()
	for _, o := range g.handover.close() {
		g.refuseStopped(&o) // as in Load
	}
	g.publish()
}

// earliest of two moments; zero is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// tick does what is due and returns when it wants to be called again.
func (g *Gateway) tick(now time.Time) (next time.Time) {
	g.expire(now) // first: it makes links suspect
	next = earliest(earliest(g.tickWithdrawals(now), g.expireSignings(now)), g.signOnDaily(now))
	for _, l := range g.links {
		next = earliest(next, g.tickLink(now, l))
	}
	next = earliest(next, g.sendReversals(now))
	next = earliest(next, g.tickKeys(now))
	next = earliest(next, g.sendTotals(now))
	for _, waiting := range [2][]*exchange{g.deadlines, g.queries} { // looked at after everything that sends
		if len(waiting) > 0 {
			next = earliest(next, waiting[0].deadline)
		}
	}
	if g.phase == phaseDraining {
		if drained := len(g.loads)+len(g.signings.mux)+g.withdrawals.inFlight == 0 && g.reversals.inFlight == 0 && len(g.outcomes) == 0; drained || !now.Before(g.stopBy) {
			g.signOff(now)
		}
	}
	if g.phase == phaseSigningOff {
		quiet := !slices.ContainsFunc(g.links, func(l *link) bool { return l.state != LinkDown })
		if quiet && len(g.outcomes) == 0 || !now.Before(g.stopBy) {
			g.phase = phaseEnded
		}
	}
	if g.phase != phaseRunning {
		next = earliest(next, g.stopBy)
	}
	return next
}

// signOff gives up what is still in flight and says goodbye on every link.
func (g *Gateway) signOff(now time.Time) {
	g.phase, g.stopBy = phaseSigningOff, now.Add(g.config.SignOnTimeout)
	for _, ex := range slices.Concat(g.deadlines, g.queries) {
		if !ex.ended {
			g.abandon(now, ex, faultTimeout)
		}
	}
	g.leaveWithdrawals()
	for _, l := range g.links {
		wasUp := l.state == LinkUp
		if wasUp {
			g.enter(l, LinkSigningOff)
		}
		if !wasUp || !g.askNetwork(now, l, functionSignOff, g.config.SignOnTimeout) {
			g.drop(l)
		}
	}
}

// outcomeOf makes the request that tells the owner what became of a load.
func outcomeOf(kind transaction.Kind, load uint64, code transaction.ResponseCode) transaction.Request {
	return transaction.Request{Kind: kind, Received: time.Now().UnixMicro(), Load: load, BankCode: code}
}

func (g *Gateway) tell(kind transaction.Kind, load uint64, code transaction.ResponseCode) {
	g.outcomes = append(g.outcomes, outcomeOf(kind, load, code))
}

// tellSaid is tell of what the bank has answered: its own number and its settlement date go with it.
func (g *Gateway) tellSaid(kind transaction.Kind, o *transaction.LoadOrder, code transaction.ResponseCode, a *answer) {
	r := outcomeOf(kind, o.Load, code)
	r.BankTrace, r.BankDay = a.bank, g.bankDay(o, a)
	g.outcomes = append(g.outcomes, r)
}

// tellNumbered is tell with the bank's own number.
func (g *Gateway) tellNumbered(kind transaction.Kind, load uint64, code transaction.ResponseCode, bank [12]byte) {
	r := outcomeOf(kind, load, code)
	r.BankTrace = bank
	g.outcomes = append(g.outcomes, r)
}

// offer hands the outcomes to the owner, in their order, until he is busy.
func (g *Gateway) offer(now time.Time) (next time.Time) {
	if now.Before(g.offerAt) {
		return g.offerAt
	}
	g.offerAt = time.Time{}
	for i := range g.outcomes {
		if err := g.submit(g.outcomes[i]); err != nil {
			g.outcomes = slices.Delete(g.outcomes, 0, i)
			g.offerAt = now.Add(busyPause)
			if errors.Is(err, transaction.ErrBusy) {
				g.events.ownerBusy()
			}
			return g.offerAt
		}
	}
	took := len(g.outcomes) > 0
	g.outcomes = g.outcomes[:0]
	if took && g.phase != phaseRunning {
		return now // a stop may have waited for this
	}
	return time.Time{}
}
