package bankgw

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"onecard/switch/transaction"
)

// reversal is a load that must be taken back at the bank. It leaves only by the bank's answer. Owner: Run.
type reversal struct {
	order    transaction.LoadOrder
	fate     *fate
	cause    string // DE 60.1
	own      bool   // nobody asked for it: see takeBack
	attempts int    // since the start of the gateway
	refusals int    // of the bank
	refusal  transaction.ResponseCode
	due      time.Time // when it may be sent (again)
	exchange *exchange // nil: not in flight
}

// reversals wait their turn, oldest load first. How many there can be is bounded by the loads that are open in the ledger.
type reversals struct {
	list     []*reversal // by load
	byLoad   map[uint64]*reversal
	inFlight int
	lookAt   time.Time // nothing is due before; zero: look now
	idle     bool      // nothing is due at all until something changes
	blocked  bool      // one is due and found no link
}

// changed says that something may be sent that could not before.
func (q *reversals) changed() { q.lookAt, q.idle, q.blocked = time.Time{}, false, false }

func (q *reversals) add(r *reversal) {
	q.list = slices.Insert(q.list, q.place(r.order.Load), r)
	q.byLoad[r.order.Load] = r
	q.changed()
}

// place is where a load's reversal stands, or would.
func (q *reversals) place(load uint64) int {
	i, _ := slices.BinarySearchFunc(q.list, load, func(r *reversal, load uint64) int { return cmp.Compare(r.order.Load, load) })
	return i
}

func (q *reversals) remove(r *reversal) {
	if i := q.place(r.order.Load); i < len(q.list) && q.list[i] == r {
		q.list = slices.Delete(q.list, i, i+1)
	}
	delete(q.byLoad, r.order.Load)
	q.changed()
}

// takeReversal takes an order to reverse. A load that is still in flight is not waited for any more: its answer will be late.
func (g *Gateway) takeReversal(now time.Time, o *transaction.LoadOrder) {
	if r := g.reversals.byLoad[o.Load]; r != nil {
		r.own = false
		return
	}
	cause := causeTerminal
	ex := g.loads[o.Load]
	if ex != nil {
		g.finish(ex)
		g.fates.remember(ex, fateUnknown, false)
	}
	f := g.fates.byLoad[o.Load]
	if f == nil {
		f = g.fates.add(&fate{order: *o, end: fateUnknown})
	}
	if ex == nil && f.end != fateConfirmed {
		cause = causeNoAnswer
	}
	f.end = fateUnknown
	g.reversals.add(&reversal{order: *o, fate: f, cause: cause, due: now})
}

// takeBack reverses what the bank says it took although the card was not credited: it declined and then approved, or did not find the
// original and then approved it. The load has ended in the ledger, so it can never be credited, and taking it back is right whatever
// the bank's books say: not found is an answer. The ledger has the late answer as evidence; when the gateway dies before the bank has
// answered, the day's reconciliation settles it.
func (g *Gateway) takeBack(now time.Time, f *fate) {
	if g.reversals.byLoad[f.order.Load] == nil {
		g.reversals.add(&reversal{order: f.order, fate: f, cause: causeNoAnswer, own: true, due: now})
	}
}

// sendReversals sends what is due, oldest first, as far as links and the window allow.
func (g *Gateway) sendReversals(now time.Time) (next time.Time) {
	q := &g.reversals
	switch {
	case g.phase > phaseDraining || q.idle:
		return time.Time{}
	case now.Before(q.lookAt):
		return q.lookAt
	}
	q.lookAt = time.Time{}
	for i := 0; i < len(q.list); i++ {
		r := q.list[i]
		if r.exchange != nil {
			continue
		}
		if now.Before(r.due) {
			q.lookAt = earliest(q.lookAt, r.due)
			continue
		}
		if q.inFlight >= g.config.MaxReversalsInFlight {
			break // the end of one of them is a change
		}
		if g.sendReversal(now, r); i < len(q.list) && q.list[i] != r {
			i-- // it was given up
		}
	}
	q.idle = q.lookAt.IsZero()
	return q.lookAt
}

// sendReversal sends one, behind its original on the same line while that stands, so that it cannot overtake it. Without a line it waits
// for one: that is a change.
func (g *Gateway) sendReversal(now time.Time, r *reversal) {
	key := g.keyOf(classReversal, &r.order)
	l := r.fate.link
	if l == nil || r.fate.generation != l.generation || !l.usable() {
		l, _ = g.choose(0)
	}
	if l == nil || g.mux[key] != nil {
		g.reversals.blocked = l == nil
		return
	}
	mti := mtiReversal
	if r.order.Repeat || r.attempts > 0 {
		mti = mtiRepeat
	}
	frame, err := g.writer.reversal(mti, r.cause, &r.order, now)
	if err != nil { // it could not have been sent as a load either; it stays, for a person to see
		g.events.fault(faultEncoding)
		g.postpone(now, r)
		return
	}
	r.attempts++
	r.exchange = &exchange{key: key, order: r.order, reversal: r}
	g.reversals.inFlight++
	g.exchange(now, l, mti, frame, r.exchange)
}

// postpone makes a reversal due again after the next pause, or gives it up when it has gone on long enough.
func (g *Gateway) postpone(now time.Time, r *reversal) {
	old := g.config.ReversalExpiry > 0 && !now.Before(time.UnixMicro(r.order.Time).Add(g.config.ReversalExpiry))
	if old || r.refusals >= g.config.ReversalRefusals {
		g.giveUp(r)
		return
	}
	step := min(max(r.attempts-1, 0), len(g.config.ReversalBackOff)-1)
	r.due = now.Add(g.config.ReversalBackOff[step])
	g.reversals.changed()
}

// giveUp leaves a load to two persons and the bank's file (domain handbook 3.8). What the bank says about it later is still heard. A reversal of
// our own making belongs to a load that has ended in the ledger: it is in the file or it is not, and reconciliation finds it.
func (g *Gateway) giveUp(r *reversal) {
	g.events.fault(faultGivenUp)
	g.reversals.remove(r)
	if !r.own {
		g.tell(transaction.KindLoadManual, r.order.Load, r.refusal)
	}
}

// reversalAnswered weighs a 0430. It is good for every repeat of its reversal.
func (g *Gateway) reversalAnswered(now time.Time, a *answer) {
	r := g.reversals.byLoad[a.load]
	switch {
	case r == nil && g.fates.byLoad[a.load] != nil:
		g.events.fault(faultDuplicate)
		return
	case r == nil && g.mux[g.keyOfAnswer(now, classReversal, a)] != nil:
		g.events.fault(faultReference)
		return
	case r == nil || r.attempts == 0:
		g.events.fault(faultUnmatched)
		return
	case !a.isAbout(g, classReversal, &r.order):
		g.events.fault(faultIdentity)
		return
	case a.hasAmount && a.amount != r.order.Amount:
		g.events.fault(faultAmount)
		return
	}
	believedAt := time.UnixMicro(r.order.Time).Add(g.config.NotFoundAfter)
	if r.exchange != nil {
		g.finish(r.exchange)
	}
	switch {
	case a.code == transaction.Approved:
		g.reversed(r, fateReversed, a)
	case a.notFound && !r.fate.answered && g.saidAt(now, &r.order, a).Before(believedAt):
		g.events.fault(faultNotFoundYet)
		if !now.Before(believedAt) {
			g.postpone(now, r)
			return
		}
		r.due = believedAt
		if a.sent != "" {
			r.due = believedAt.Truncate(time.Second).Add(time.Second) // DE 7 has whole seconds: this repeat is after it
		}
		g.reversals.changed()
	case a.notFound:
		g.reversed(r, fateNotFound, a)
	default:
		g.events.fault(faultReversalRefused)
		r.refusals, r.refusal = r.refusals+1, a.code
		g.postpone(now, r)
	}
}

// saidAt is when the bank can have said an answer at the earliest: when the repeat was sent that it answers, where the dialect gives each repeat a
// time of its own (the source sent) and the bank gives it back; else it is known only when it has come. So a 25 that was said to an early
// repeat, before the original was booked, and has been under way for long, is not taken for one that was said now.
func (g *Gateway) saidAt(now time.Time, o *transaction.LoadOrder, a *answer) time.Time {
	if a.sent == "" {
		return now
	}
	decided := g.config.local(o.Time)
	for _, year := range []int{decided.Year(), decided.Year() + 1} {
		sent, err := time.Parse("20060102150405", fmt.Sprintf("%04d%s", year, a.sent))
		if sent = sent.Add(-g.config.Zone); err == nil && !sent.Before(decided.Truncate(time.Second).Add(-g.config.Zone)) && !sent.After(now) {
			return sent
		}
	}
	return time.Time{} // no time at which we sent anything: it is believed no more than an early one
}

func (g *Gateway) reversed(r *reversal, end fateEnd, a *answer) {
	g.reversals.remove(r)
	r.fate.end = end
	if !r.own {
		g.tellSaid(transaction.KindLoadReversed, &r.order, a.code, a)
	}
}
