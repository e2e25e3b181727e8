package bankgw

import (
	"strconv"
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

// processingQuery is DE 3 of a query.
const processingQuery = "380000"

// query asks about a load whose time is over; false when the bank cannot be asked.
func (g *Gateway) query(now time.Time, ex *exchange) bool {
	if g.config.QueryTimeout == 0 || g.phase != phaseRunning {
		return false
	}
	key := keyOf(classQuery, &ex.order)
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

// query is the 0600: the load's own trace and reference, so that it is the same after a restart, and F90.
func (w *writer) query(o *transaction.LoadOrder) ([]byte, error) {
	decided := w.local(o.Time)
	return w.frame(w.begin(mtiQuery).Set(3, processingQuery).Set(7, decided.Format("0102150405")).SetNumber(11, uint64(traceOf(o.Load))).
		Set(32, w.config.Institution).Set(33, w.config.Forwarding).Set(37, transaction.ReferenceOf(o.Load).String()).Set(41, o.TerminalCode.String()).
		Set(42, o.MerchantCode.String()).Set(90, w.original(o)).Set(102, strconv.FormatUint(o.BankAccount, 10)))
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

// queryAnswered weighs a 0610: DE 39 is of the query, DE 44 what the load was answered, DE 4 its amount.
func (g *Gateway) queryAnswered(a *answer) {
	ex := g.mux[muxKey{classQuery, a.terminal, a.trace}]
	switch {
	case ex == nil:
		g.events.fault(faultUnmatched)
		return
	case a.load != ex.order.Load:
		g.events.fault(faultReference)
		return
	}
	g.finish(ex)
	switch told := a.code == transaction.Approved; {
	case told && a.fate == transaction.Approved && a.hasAmount && a.amount == ex.order.Amount:
		g.fates.remember(ex, fateConfirmed, true)
		g.tell(transaction.KindLoadConfirmed, a.load, a.fate, a.bank)
	case told && a.fate == transaction.Approved:
		g.events.fault(faultAmount)
		g.unknown(ex, true)
	case told && a.fate != (transaction.ResponseCode{}) && !uncertainCodes[a.fate.String()]:
		g.fates.remember(ex, fateDeclined, true)
		g.tell(transaction.KindLoadDeclined, a.load, terminalCode(a.fate), a.bank)
	default:
		g.events.fault(faultQueryFailed)
		g.unknown(ex, false)
	}
}
