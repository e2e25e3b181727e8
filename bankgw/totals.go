package bankgw

import (
	"fmt"
	"slices"
	"time"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// A day's totals (wire handbook 5.2: 0520 and 0530). When a business day is closed its totals are given to the gateway. It sends them to a bank with
// the feature totals, again and again until the bank has said what it makes of them (DE 66) and what it has itself, and it answers the bank's own
// 0520 about any day whose totals it was given. Here nothing is compared but figure with figure, for DE 66; what the difference means is for
// the day's reconciliation.

// Totals of a settlement date, from the bank's side: a debit takes from a holder's bank account.
type Totals struct {
	Day            uint32    `json:"day"` // DE 15, in days since 1970
	Debits         uint64    `json:"debits"`
	DebitAmount    money.Fen `json:"debit_amount_fen"`
	Reversed       uint64    `json:"reversed"`
	ReversedAmount money.Fen `json:"reversed_amount_fen"`
	Credits        uint64    `json:"credits,omitempty"` // withdrawals paid to accounts
	CreditAmount   money.Fen `json:"credit_amount_fen,omitempty"`
}

// Settlement codes, DE 66.
const (
	SettlementBalanced    = 1
	SettlementNotBalanced = 2
	SettlementInError     = 3
)

// TotalsSaid is what a bank has said about a day's totals.
type TotalsSaid struct {
	Day uint32
	// Asked: it answers ours. Else the bank has begun.
	Asked bool
	// Silent: it has not answered, and is not asked any more.
	Silent bool
	// Code is its DE 66, 0 when it said none; Refused its DE 39 when that is not 00.
	Code    int
	Refused string
	// Bank is what the bank has; nil: it did not say.
	Bank *Totals
	// File is the name of the day's file (DE 101) when the bank says that it is ready.
	File string
}

const (
	totalsKept     = 64              // days whose totals are remembered
	totalsPause    = 5 * time.Minute // between repeats of an 0520 that was not answered
	totalsAttempts = 12
)

// totals of the days that were given. Owner: Run.
type totals struct {
	known   map[uint32]Totals
	days    []uint32 // in the order in which they were given
	sending []*totalsAsk
}

// totalsAsk is an 0520 of ours.
type totalsAsk struct {
	Totals
	attempts int
	trace    uint32 // of the last one; 0: not sent
	due      time.Time
}

// GiveTotals gives the totals of a closed day, to answer the bank's 0520 with; when send says so, and the bank has the feature totals, they are
// sent. Any goroutine may call it.
func (g *Gateway) GiveTotals(t Totals, send bool) error {
	return g.giveErrand(errand{totals: &t, sendTotals: send && g.config.Dialect.Has(FeatureTotals)})
}

func (g *Gateway) takeTotals(now time.Time, t *Totals, send bool) {
	q := &g.totals
	if _, again := q.known[t.Day]; !again {
		q.days = append(q.days, t.Day)
	}
	q.known[t.Day] = *t
	if len(q.days) > totalsKept {
		delete(q.known, q.days[0])
		q.days = q.days[1:]
	}
	q.sending = slices.DeleteFunc(q.sending, func(ask *totalsAsk) bool { return ask.Day == t.Day })
	if send {
		q.sending = append(q.sending, &totalsAsk{Totals: *t, due: now})
	}
}

// sendTotals sends what is due and gives up what was repeated long enough.
func (g *Gateway) sendTotals(now time.Time) (next time.Time) {
	if g.phase != phaseRunning {
		return time.Time{}
	}
	for _, ask := range slices.Clone(g.totals.sending) {
		if now.Before(ask.due) {
			next = earliest(next, ask.due)
			continue
		}
		if ask.attempts >= totalsAttempts {
			g.endTotals(ask)
			g.events.fault(faultTotalsSilent)
			g.events.totalsSaid(TotalsSaid{Day: ask.Day, Asked: true, Silent: true})
			continue
		}
		ask.due = now.Add(totalsPause)
		next = earliest(next, ask.due)
		l, _ := g.choose(0)
		if l == nil {
			ask.due = now.Add(g.config.ReconnectMax) // not counted: nobody was asked
			next = earliest(next, ask.due)
			continue
		}
		g.trace = g.trace%traceSpace + 1
		frame, err := g.writer.totals(&ask.Totals, g.trace, now)
		if err != nil {
			g.events.fault(faultEncoding)
			g.endTotals(ask)
			continue
		}
		ask.trace, ask.attempts = g.trace, ask.attempts+1
		g.send(l, mtiTotals, frame)
	}
	return next
}

func (g *Gateway) endTotals(ask *totalsAsk) {
	g.totals.sending = slices.DeleteFunc(g.totals.sending, func(other *totalsAsk) bool { return other == ask })
}

// totalsAnswered takes the bank's 0530. An answer to an earlier repeat is good for all of them: it names the day.
func (g *Gateway) totalsAnswered(a *answer) {
	at := slices.IndexFunc(g.totals.sending, func(ask *totalsAsk) bool {
		return ask.attempts > 0 && (a.trace == ask.trace || a.totals.date != "" && a.totals.date == dateOf(ask.Day))
	})
	if at < 0 {
		g.events.fault(faultUnmatched)
		return
	}
	ask := g.totals.sending[at]
	said := TotalsSaid{Day: ask.Day, Asked: true, Code: a.totals.code, Bank: a.totals.of(ask.Day)}
	switch {
	case a.totals.date != "" && a.totals.date != dateOf(ask.Day):
		g.events.fault(faultIdentity) // ours by its trace, of another day
		return
	case a.code != transaction.Approved:
		said.Refused, said.Bank = a.code.String(), nil
		g.events.fault(faultTotalsRefused)
	case a.totals.code < SettlementBalanced || a.totals.code > SettlementInError:
		g.events.fault(faultMalformed)
		return // it is repeated
	}
	g.endTotals(ask)
	g.events.totalsSaid(said)
}

// totalsCame answers the bank's own 0520: with our totals and DE 66, or 25 for a day whose totals are not there.
func (g *Gateway) totalsCame(l *link, a *answer) {
	ours, known := g.dayOf(a.totals.date)
	code, verdict := transaction.Approved, SettlementInError
	bank := a.totals.of(ours.Day)
	switch {
	case !known:
		code = codeNoTotals
		g.events.fault(faultTotalsUnknown)
	case bank == nil:
		g.events.fault(faultMalformed)
	case *bank == ours:
		verdict = SettlementBalanced
	default:
		verdict = SettlementNotBalanced
	}
	frame, err := g.writer.totalsAnswer(a, &ours, verdict, code.String())
	if err == nil && !l.line.full() {
		g.send(l, mtiTotalsAnswer, frame)
	}
	if known {
		g.events.totalsSaid(TotalsSaid{Day: ours.Day, Code: verdict, Bank: bank, File: a.totals.file})
	}
}

// dayOf finds the newest day that was given and has a date.
func (g *Gateway) dayOf(date string) (found Totals, known bool) {
	for day, t := range g.totals.known {
		if dateOf(day) == date && (!known || day > found.Day) {
			found, known = t, true
		}
	}
	return found, known
}

// codeNoTotals is DE 39 to the totals of a day that we have none of.
var codeNoTotals = transaction.ResponseCode{'2', '5'}

// totalsHeard is what an 0520 or 0530 says.
type totalsHeard struct {
	date    string    // MMDD
	code    int       // DE 66
	figures [6]uint64 // see figureSources
	whole   bool      // those that are needed are there
	file    string
}

// of is the figures as totals of a day; nil when they are not whole, or no amounts of money.
func (h *totalsHeard) of(day uint32) *Totals {
	if !h.whole || max(h.figures[1], h.figures[3], h.figures[5]) > uint64(money.Max) {
		return nil
	}
	return &Totals{
		Day: day, Debits: h.figures[0], DebitAmount: money.Fen(h.figures[1]), Reversed: h.figures[2], ReversedAmount: money.Fen(h.figures[3]),
		Credits: h.figures[4], CreditAmount: money.Fen(h.figures[5]),
	}
}

func (t *Totals) append(dst []byte, s source) []byte {
	switch s {
	case sourceSettlementDate:
		return append(dst, dateOf(t.Day)...)
	case sourceDebits:
		return fmt.Appendf(dst, "%010d", t.Debits)
	case sourceDebitAmount:
		return fmt.Appendf(dst, "%016d", int64(t.DebitAmount))
	case sourceReversed:
		return fmt.Appendf(dst, "%010d", t.Reversed)
	case sourceReversedAmount:
		return fmt.Appendf(dst, "%016d", int64(t.ReversedAmount))
	case sourceCredits:
		return fmt.Appendf(dst, "%010d", t.Credits)
	case sourceCreditAmount:
		return fmt.Appendf(dst, "%016d", int64(t.CreditAmount))
	}
	if net := t.DebitAmount - t.ReversedAmount - t.CreditAmount; net < 0 {
		return fmt.Appendf(dst, "C%016d", -int64(net))
	} else {
		return fmt.Appendf(dst, "D%016d", int64(net))
	}
}

// dateOf writes MMDD.
func dateOf(day uint32) string {
	return string(appendDate(nil, time.Unix(int64(day)*secondsPerDay, 0).UTC()))
}
