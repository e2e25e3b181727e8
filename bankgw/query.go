package bankgw

import (
	"time"

	"onecard/switch/transaction"
)

// Asking what became of a load that the bank did not answer in time (wire handbook 4.2 and 5.2: 0600/0610; domain handbook 3.8). Not every
// bank can be asked, and its answer is evidence like any other: approved with our amount credits, a refusal declines. Whatever else it says,
// and when it says nothing, the load is unknown and reversed. Not found is no answer either: the load may still be on its way there, and its
// reversal will refuse it when it comes.
//
// The terminal waits meanwhile, and so does the ledger: the load stands as sent, so a crash makes it unknown at the next start, as it would
// have without a query. A late 0210 that comes while the query is on its way is in time still, and ends it.

// query asks about a load whose time is over; false when the bank cannot be asked.
func (g *Gateway) query(now time.Time, ex *exchange) bool {
	if !g.config.Dialect.Has(FeatureQuery) || g.phase != phaseRunning {
		return false
	}
	key := g.keyOf(classQuery, &ex.order)
	l := g.linkForQuery(ex)
	if l == nil || g.mux[key] != nil {
		return false
	}
	frame, err := g.writer.query(&ex.order)
	if err != nil {
		g.events.fault(faultEncoding)
		return false
	}
	g.events.fault(faultTimeout)
	g.finish(ex)
	g.exchange(now, l, mtiQuery, frame, &exchange{key: key, order: ex.order})
	return true
}

// linkForQuery is the load's own link, behind which the query cannot overtake it, or another; at last its own although it is suspect: a line
// on which only this load stayed unanswered is worth a try, and what is not answered there is reversed.
func (g *Gateway) linkForQuery(ex *exchange) *link {
	own := ex.link
	stands := ex.generation == own.generation && own.state == LinkUp && !own.line.full()
	if stands && !own.suspect {
		return own
	}
	if other, _ := g.choose(0); other != nil {
		return other
	}
	if stands {
		return own
	}
	return nil
}

// expireQueries gives up the queries that were not answered.
func (g *Gateway) expireQueries(now time.Time) {
	for len(g.queries) > 0 {
		ex := g.queries[0]
		if !ex.ended && now.Before(ex.deadline) {
			return
		}
		g.queries[0] = nil
		if g.queries = g.queries[1:]; !ex.ended {
			g.abandon(now, ex, faultQueryFailed)
		}
	}
}

// queryAnswered weighs a 0610: its code is of the query, its fate what the load was answered, its amount the load's.
func (g *Gateway) queryAnswered(a *answer) {
	ex := g.loads[a.load]
	switch {
	case ex == nil || ex.key.class != classQuery:
		g.events.fault(faultUnmatched)
		return
	case !a.names(&ex.key):
		g.events.fault(faultIdentity)
		return
	}
	g.finish(ex)
	told := a.code == transaction.Approved && a.fate != nil
	switch {
	case told && a.fate.code == transaction.Approved && a.hasAmount && a.amount == ex.order.Amount:
		g.fates.remember(ex, fateConfirmed, true)
		g.tellSaid(transaction.KindLoadConfirmed, &ex.order, a.fate.code, a)
	case told && a.fate.code == transaction.Approved:
		g.events.fault(faultAmount)
		g.unknown(ex, true)
	case told && !a.fate.uncertain:
		g.fates.remember(ex, fateDeclined, true)
		g.tellSaid(transaction.KindLoadDeclined, &ex.order, a.fate.told, a)
	default:
		g.events.fault(faultQueryFailed)
		g.unknown(ex, false)
	}
}
