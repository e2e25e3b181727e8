package bankgw

import (
	"time"

	"onecard/switch/transaction"
)

// muxKey is how an answer finds its request: the class of the message, DE 41, DE 11 (as jPOS's QMUX) and the date of DE 7, because traces
// come round. A second request with the key of one in flight is not sent.
type muxKey struct {
	class    class
	terminal transaction.TerminalCode
	trace    uint32
	date     monthDay
}

type class uint8

const (
	classLoad class = iota
	classReversal
	classQuery
	classSigning
)

func (g *Gateway) keyOf(c class, o *transaction.LoadOrder) muxKey {
	return muxKey{c, o.TerminalCode, traceOf(o.Load), monthDayOf(g.config.local(o.Time))}
}

// exchange is a request on its way to the bank. Owner: Run.
type exchange struct {
	key        muxKey
	order      transaction.LoadOrder
	reversal   *reversal // nil: a load, or the query about one
	link       *link
	generation uint64
	deadline   time.Time
	ended      bool // answered or given up; it leaves the deadlines when its turn comes
}

// takeOrders takes what the owner has given.
func (g *Gateway) takeOrders(now time.Time) {
	g.taken = g.handover.take(g.taken[:0])
	for i := range g.taken {
		switch o := &g.taken[i]; {
		case o.reverse:
			g.takeReversal(now, &o.LoadOrder)
		case o.withdraw:
			g.takeWithdrawal(now, &o.LoadOrder)
		default:
			g.takeLoad(now, &o.LoadOrder)
		}
	}
}

// takeLoad sends a load, or declines it because nothing has left.
func (g *Gateway) takeLoad(now time.Time, o *transaction.LoadOrder) {
	if o.Load <= g.newest {
		g.events.loadRefused(refusedDuplicate) // what becomes of the first one is its outcome
		return
	}
	g.newest = o.Load
	key := g.keyOf(classLoad, o)
	l, windowFull := g.choose(g.config.MaxInFlight)
	switch {
	case g.phase != phaseRunning:
		g.decline(o, refusedStopping, transaction.BankCannotOperate)
	case now.Before(g.cutOver):
		g.decline(o, refusedCutOver, transaction.BankTurnsDay)
	case g.mux[key] != nil:
		g.decline(o, refusedKeyInUse, transaction.BankCannotOperate)
	case l == nil && windowFull:
		g.decline(o, refusedWindow, transaction.BankCannotOperate)
	case l == nil:
		g.decline(o, refusedNoLink, transaction.BankCannotOperate)
	default:
		frame, err := g.writer.load(o)
		if err != nil {
			g.events.fault(faultEncoding)
			g.decline(o, refusedEncoding, transaction.FormatError)
			return
		}
		g.exchange(now, l, mtiLoad, frame, &exchange{key: key, order: *o})
	}
}

func (g *Gateway) decline(o *transaction.LoadOrder, cause refusal, code transaction.ResponseCode) {
	g.events.loadRefused(cause)
	g.tell(transaction.KindLoadDeclined, o.Load, code)
}

// exchange sends a request and waits for its answer.
func (g *Gateway) exchange(now time.Time, l *link, mti string, frame []byte, ex *exchange) {
	ex.link, ex.generation = l, l.generation
	g.mux[ex.key] = ex
	if ex.key.class == classQuery {
		ex.deadline = now.Add(g.config.QueryTimeout)
		g.queries = append(g.queries, ex)
	} else {
		ex.deadline = now.Add(g.config.RequestTimeout)
		g.deadlines = append(g.deadlines, ex)
	}
	if ex.reversal == nil {
		g.loads[ex.order.Load] = ex
		l.loads++
	}
	g.send(l, mti, frame)
}

// finish ends an exchange.
func (g *Gateway) finish(ex *exchange) {
	ex.ended = true
	delete(g.mux, ex.key)
	if ex.reversal != nil {
		g.reversals.changed() // a key or a place in the window is free
		ex.reversal.exchange = nil
		g.reversals.inFlight--
		return
	}
	delete(g.loads, ex.order.Load)
	if ex.generation == ex.link.generation {
		ex.link.loads--
	}
}

// expire gives up what has waited too long. All loads and reversals wait equally long, and all queries, so the oldest of each comes first.
func (g *Gateway) expire(now time.Time) {
	g.expireQueries(now)
	for len(g.deadlines) > 0 {
		ex := g.deadlines[0]
		if !ex.ended && now.Before(ex.deadline) {
			return
		}
		g.deadlines[0] = nil
		g.deadlines = g.deadlines[1:]
		if ex.ended {
			continue
		}
		if ex.generation == ex.link.generation && ex.link.heard.Before(ex.deadline.Add(-g.config.RequestTimeout)) {
			ex.link.suspect = true // nothing has come since it was sent
		}
		why := faultTimeout
		if ex.reversal != nil {
			why = faultReversalTimeout
		} else if g.query(now, ex) {
			continue
		}
		g.abandon(now, ex, why)
	}
}

// abandon gives up waiting: a load is unknown, a reversal is due again later.
func (g *Gateway) abandon(now time.Time, ex *exchange, why fault) {
	g.events.fault(why)
	g.finish(ex)
	if ex.reversal != nil {
		g.postpone(now, ex.reversal)
		return
	}
	g.unknown(ex, false)
}

func (g *Gateway) unknown(ex *exchange, answered bool) {
	g.fates.remember(ex, fateUnknown, answered)
	g.tell(transaction.KindLoadUnknown, ex.order.Load, transaction.BankTimeout)
}

// loadAnswered weighs a 0210. Only the answer that fits in everything credits.
func (g *Gateway) loadAnswered(now time.Time, a *answer) {
	ex := g.loads[a.load]
	if ex == nil {
		g.lateAnswer(now, a)
		return
	}
	if !a.names(&ex.key) {
		g.events.fault(faultIdentity)
		return // it still waits for an answer that fits, and is reversed without
	}
	g.finish(ex)
	switch {
	case a.code == transaction.Approved && a.hasAmount && a.amount == ex.order.Amount:
		g.fates.remember(ex, fateConfirmed, true)
		g.tellSaid(transaction.KindLoadConfirmed, &ex.order, a.code, a)
	case a.code == transaction.Approved:
		g.events.fault(faultAmount)
		g.unknown(ex, true)
	case a.uncertain:
		g.events.fault(faultUncertain)
		g.unknown(ex, true)
	default:
		g.fates.remember(ex, fateDeclined, true)
		g.tellSaid(transaction.KindLoadDeclined, &ex.order, a.told, a)
	}
}

// lateAnswer weighs a 0210 that nothing waits for. It never credits. It is evidence for the ledger once, and where the card was not
// credited and no reversal covers what the bank now says it took, it is taken back.
func (g *Gateway) lateAnswer(now time.Time, a *answer) {
	f := g.fates.byLoad[a.load]
	if r := g.reversals.byLoad[a.load]; r != nil {
		f = r.fate
	}
	switch {
	case f == nil && g.mux[g.keyOfAnswer(now, classLoad, a)] != nil:
		g.events.fault(faultReference)
		return
	case f == nil:
		g.events.fault(faultUnmatched)
		return
	case !a.isAbout(g, classLoad, &f.order):
		g.events.fault(faultIdentity)
		return
	}
	took := a.code == transaction.Approved || a.uncertain
	f.answered = !took // what was taken must be found: a 25 that was said before it was taken may still come
	switch {
	case f.end == fateConfirmed && took, f.end == fateDeclined && !took:
		g.events.fault(faultDuplicate)
		return
	case f.end == fateConfirmed, f.end == fateDeclined:
		g.events.fault(faultContradiction)
	default:
		g.events.fault(faultLate)
	}
	if !f.reported {
		f.reported = true
		g.tellSaid(transaction.KindLoadLate, &f.order, a.code, a)
	}
	if took && (f.end == fateDeclined || f.end == fateNotFound) {
		g.takeBack(now, f)
	}
}
