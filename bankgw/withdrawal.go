package bankgw

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"onecard/switch/transaction"
)

// Withdrawals (提现, wire handbook 4.2 and 5.2: 0200 with 290000, repeated as 0201): the bank is asked to pay an account, until it has answered.
//
// A credit is never reversed here. What a reversal would have to prove, that the holder has not been paid, it cannot: its 25 may come before the
// original does, and taking money from an account that was paid is another debit, which needs its holder's money to be there. A repeat under the
// same trace, reference and times pays once at most at a bank that remembers what it has answered (wire handbook 1.5), and its answer is good
// for every copy. So a withdrawal that is not answered is, in rounds: asked about (0600) where the bank can be asked, and repeated (0201) where that
// said nothing. A bank that does not remember refusals has the feature withdrawal_once: it is asked about its one copy and never sent another,
// and "not found" is believed when the copy is too old to arrive.
//
// Only a definite answer ends it: 00 with our amount, or a refusal of the account. A code about the bank's health (not_now_codes), or about the
// message or the line once there is more than one copy, says nothing of what was paid.
//
//	order -> 0200 --(silence: unknown is told once)--> [0600 ->] 0201 -> pause -> ... -> paid | declined | given up

// errNoWithdrawals: the bank has no message for withdrawals.
var errNoWithdrawals = errors.New("该银行没有提现报文 / this bank has no message for withdrawals")

// withdrawal is one that has no answer. Owner: Run.
type withdrawal struct {
	order      transaction.LoadOrder
	copies     int  // that can have left the house, in any life; 2 stands for more
	rounds     int  // of asking again, since the start of the gateway
	told       bool // unknown
	asks       withdrawalAsk
	waits      bool      // asks is in flight
	sent, due  time.Time // when asks was sent; when it is given up, or may be sent
	link       *link     // that asks, or the one before, went out on; nil: none in this life
	generation uint64
}

// withdrawalAsk is what is sent, or is to be sent next.
type withdrawalAsk uint8

const (
	askPay   withdrawalAsk = iota // 0200
	askQuery                      // 0600
	askAgain                      // 0201
)

// withdrawals wait for the bank, oldest first. How many there can be is bounded by those that are open in the ledger.
type withdrawals struct {
	list     []*withdrawal
	byNumber map[uint64]*withdrawal
	inFlight int
	lookAt   time.Time // nothing is due before; zero: look now
	blocked  bool      // one is due and found no line
	ended    fates
}

func newWithdrawals() withdrawals {
	return withdrawals{byNumber: make(map[uint64]*withdrawal), ended: fates{byLoad: make(map[uint64]*fate)}}
}

// again is how many of those that were not answered may be asked about at the same time.
const withdrawalsAgain = 16

func (q *withdrawals) place(number uint64) (int, bool) {
	return slices.BinarySearchFunc(q.list, number, func(w *withdrawal, number uint64) int { return cmp.Compare(w.order.Load, number) })
}

func (q *withdrawals) add(w *withdrawal) {
	i, _ := q.place(w.order.Load)
	q.list = slices.Insert(q.list, i, w)
	q.byNumber[w.order.Load] = w
	q.lookAt = time.Time{}
}

// end takes one off the list and remembers how it ended, for what the bank still says.
func (q *withdrawals) end(w *withdrawal, end fateEnd) {
	if i, there := q.place(w.order.Load); there {
		q.list = slices.Delete(q.list, i, i+1)
	}
	delete(q.byNumber, w.order.Load)
	q.rest(w)
	q.ended.add(&fate{order: w.order, end: end})
}

// rest says that nothing of it is in flight any more.
func (q *withdrawals) rest(w *withdrawal) {
	if w.waits {
		w.waits = false
		q.inFlight--
	}
	q.lookAt = time.Time{}
}

// knows says whether an answer is about a withdrawal.
func (q *withdrawals) knows(a *answer) bool {
	return q.byNumber[a.load] != nil || q.ended.byLoad[a.load] != nil
}

// Withdraw asks the bank to pay (transaction.Bank). It never blocks.
func (g *Gateway) Withdraw(o transaction.LoadOrder) {
	if !g.handover.give(order{LoadOrder: o, withdraw: true}) {
		g.refuseStopped(&order{LoadOrder: o, withdraw: true})
	}
}

// refuseStopped declines what nothing has left the house of; what may have left is given again at the next start.
func (g *Gateway) refuseStopped(o *order) {
	switch {
	case o.reverse || o.withdraw && o.Repeat:
	case o.withdraw:
		_ = g.submit(outcomeOf(transaction.KindWithdrawalDeclined, o.Load, transaction.BankCannotOperate))
	default:
		_ = g.submit(outcomeOf(transaction.KindLoadDeclined, o.Load, transaction.BankCannotOperate))
	}
}

// takeWithdrawal asks the bank, or declines because nothing has left. What may have left in another life is asked about.
func (g *Gateway) takeWithdrawal(now time.Time, o *transaction.LoadOrder) {
	q := &g.withdrawals
	if q.byNumber[o.Load] != nil || q.ended.byLoad[o.Load] != nil {
		g.events.loadRefused(refusedDuplicate)
		return
	}
	if o.Repeat {
		copies := 2 // nobody knows how many
		if g.config.Dialect.Has(FeatureWithdrawalOnce) {
			copies = 1
		}
		q.add(&withdrawal{order: *o, copies: copies, told: true, asks: g.nextAsk(askPay), due: now})
		return
	}
	l, windowFull := g.choose(g.config.MaxInFlight)
	cause, code := refusedNoLink, transaction.BankCannotOperate
	switch {
	case !g.config.Dialect.TakesWithdrawals():
		cause, code = refusedEncoding, transaction.NotSupported
	case g.phase != phaseRunning:
		cause = refusedStopping
	case now.Before(g.cutOver):
		cause, code = refusedCutOver, transaction.BankTurnsDay
	case l == nil && windowFull, q.inFlight >= g.config.MaxInFlight:
		cause = refusedWindow
	case l != nil:
		w := &withdrawal{order: *o}
		q.add(w)
		if g.sendWithdrawal(now, w, l) {
			return
		}
		cause, code = refusedEncoding, transaction.FormatError
		q.end(w, fateDeclined)
	}
	g.events.loadRefused(cause)
	g.tell(transaction.KindWithdrawalDeclined, o.Load, code)
}

// nextAsk is what follows something that was not answered: a round begins with the question, where the bank can be asked.
func (g *Gateway) nextAsk(before withdrawalAsk) withdrawalAsk {
	d := &g.config.Dialect
	if d.Has(FeatureWithdrawalOnce) || d.Has(FeatureQuery) && before != askQuery {
		return askQuery
	}
	return askAgain
}

// sendWithdrawal sends what is to be asked; false when it cannot be written.
func (g *Gateway) sendWithdrawal(now time.Time, w *withdrawal, l *link) bool {
	mti, patience := mtiLoad, g.config.RequestTimeout
	var frame []byte
	var err error
	switch w.asks {
	case askQuery:
		mti, patience = mtiQuery, g.config.QueryTimeout
		frame, err = g.writer.query(&w.order)
	case askAgain:
		mti = mtiWithdrawalRepeat
		fallthrough
	default:
		frame, err = g.writer.withdrawal(mti, &w.order)
	}
	if err != nil {
		g.events.fault(faultEncoding)
		return false
	}
	if w.asks != askQuery {
		w.copies = min(w.copies+1, 2)
	}
	w.waits, w.sent, w.due, w.link, w.generation = true, now, now.Add(patience), l, l.generation
	g.withdrawals.inFlight++
	g.withdrawals.lookAt = time.Time{}
	g.send(l, mti, frame)
	return true
}

// tickWithdrawals gives up what has waited too long and sends what is due.
func (g *Gateway) tickWithdrawals(now time.Time) (next time.Time) {
	q := &g.withdrawals
	if len(q.list) == 0 || now.Before(q.lookAt) && !q.blocked {
		return q.lookAt
	}
	q.lookAt, q.blocked = time.Time{}, false
	for _, w := range slices.Clone(q.list) {
		if w.waits && !now.Before(w.due) {
			g.events.fault(faultTimeout)
			if w.generation == w.link.generation && w.link.heard.Before(w.sent) {
				w.link.suspect = true // nothing has come since it was sent
			}
			g.unanswered(now, w)
		}
		if !w.waits && q.byNumber[w.order.Load] == w && !now.Before(w.due) {
			g.askWithdrawal(now, w)
		}
		if q.byNumber[w.order.Load] == w && now.Before(w.due) {
			next = earliest(next, w.due)
		}
	}
	q.lookAt = next
	return next
}

// askWithdrawal sends what is due, behind what went before it on the same line while that stands. Without a line it waits for one, and without
// a question to ask for a person.
func (g *Gateway) askWithdrawal(now time.Time, w *withdrawal) {
	if g.phase != phaseRunning || g.withdrawals.inFlight >= withdrawalsAgain+g.config.MaxInFlight {
		return // the end of one of them is a turn
	}
	if w.asks == askQuery && !g.config.Dialect.Has(FeatureQuery) { // a bank that is neither asked nor sent anything twice
		g.unanswered(now, w)
		return
	}
	l := w.link
	if l == nil || w.generation != l.generation || !l.usable() {
		l, _ = g.choose(0)
	}
	if g.withdrawals.blocked = g.withdrawals.blocked || l == nil; l != nil && !g.sendWithdrawal(now, w, l) {
		g.unanswered(now, w)
	}
}

// unanswered goes on to the next question: at once within a round, after a pause behind it.
func (g *Gateway) unanswered(now time.Time, w *withdrawal) {
	g.withdrawals.rest(w)
	if !w.told {
		w.told = true
		g.tell(transaction.KindWithdrawalUnknown, w.order.Load, transaction.BankTimeout)
	}
	before := w.asks
	w.asks, w.due = g.nextAsk(before), now
	if first := before == askPay && w.asks == askQuery; first || before == askQuery && w.asks == askAgain {
		return
	}
	if g.config.WithdrawalExpiry > 0 && !now.Before(time.UnixMicro(w.order.Time).Add(g.config.WithdrawalExpiry)) {
		g.events.fault(faultGivenUp)
		g.withdrawals.end(w, fateUnknown)
		g.tell(transaction.KindWithdrawalManual, w.order.Load, transaction.BankTimeout)
		return
	}
	w.due = now.Add(g.config.WithdrawalBackOff[min(w.rounds, len(g.config.WithdrawalBackOff)-1)])
	w.rounds++
}

// aboutTheMessage are codes of a bank that has not looked at what the message asks for.
var aboutTheMessage = []transaction.ResponseCode{
	transaction.InvalidTransaction, transaction.FormatError, transaction.NotSupported, transaction.UnregisteredDevice, transaction.PINFormat,
	transaction.MACError, transaction.AcquirerStateBad,
}

// withdrawalAnswered weighs a 0210 about a withdrawal. It is good for every copy, whenever it comes.
func (g *Gateway) withdrawalAnswered(now time.Time, a *answer) {
	w := g.withdrawals.byNumber[a.load]
	order := &transaction.LoadOrder{}
	if w != nil {
		order = &w.order
	} else {
		order = &g.withdrawals.ended.byLoad[a.load].order
	}
	if !a.isAbout(g, classLoad, order) {
		g.events.fault(faultIdentity)
		return
	}
	if w == nil {
		g.lateWithdrawal(a)
		return
	}
	g.weighWithdrawal(now, w, a, a)
}

// weighWithdrawal takes what the bank has said of a withdrawal, in a 0210 or in a 0610: said is the code that counts.
func (g *Gateway) weighWithdrawal(now time.Time, w *withdrawal, a, said *answer) {
	definite := !said.uncertain && !said.notNow && (w.copies < 2 || !slices.Contains(aboutTheMessage, said.code))
	switch {
	case said.code == transaction.Approved && a.hasAmount && a.amount == w.order.Amount:
		g.withdrawals.end(w, fateConfirmed)
		g.tellNumbered(transaction.KindWithdrawalPaid, w.order.Load, said.code, a.bank)
	case said.code == transaction.Approved:
		g.events.fault(faultAmount)
		g.leave(now, w)
	case !definite:
		g.events.fault(faultUncertain)
		g.leave(now, w)
	default:
		g.withdrawals.end(w, fateDeclined)
		g.tellNumbered(transaction.KindWithdrawalDeclined, w.order.Load, said.told, a.bank)
	}
}

// leave goes on after an answer that says nothing. One that comes while nothing is in flight changes nothing.
func (g *Gateway) leave(now time.Time, w *withdrawal) {
	if w.waits {
		g.unanswered(now, w)
	}
}

// withdrawalTold weighs a 0610 about a withdrawal. What is not found may still be on its way: it is sent again, or, at a bank that is sent
// nothing twice, was not paid when it is too old to arrive.
func (g *Gateway) withdrawalTold(now time.Time, a *answer) {
	w := g.withdrawals.byNumber[a.load]
	switch {
	case w == nil || w.asks != askQuery || !w.waits:
		g.events.fault(faultUnmatched)
	case !a.isAbout(g, classQuery, &w.order):
		g.events.fault(faultIdentity)
	case a.code == transaction.Approved && a.fate != nil:
		g.weighWithdrawal(now, w, a, a.fate)
	case a.notFound && g.config.Dialect.Has(FeatureWithdrawalOnce) && !w.sent.Before(time.UnixMicro(w.order.Time).Add(g.config.NotFoundAfter)):
		g.withdrawals.end(w, fateNotFound)
		g.tellNumbered(transaction.KindWithdrawalDeclined, w.order.Load, a.told, a.bank)
	default:
		g.events.fault(faultQueryFailed)
		g.unanswered(now, w)
	}
}

// lateWithdrawal weighs an answer to a withdrawal that has ended, or was given up. Of one that was given up it is still the answer.
func (g *Gateway) lateWithdrawal(a *answer) {
	f := g.withdrawals.ended.byLoad[a.load]
	paid := a.code == transaction.Approved && a.hasAmount && a.amount == f.order.Amount
	definite := paid || a.code != transaction.Approved && !a.uncertain && !a.notNow && !slices.Contains(aboutTheMessage, a.code)
	switch {
	case f.end == fateUnknown && definite:
		f.end = fateDeclined
		kind := transaction.KindWithdrawalDeclined
		if paid {
			f.end, kind = fateConfirmed, transaction.KindWithdrawalPaid
		}
		g.tellNumbered(kind, a.load, a.told, a.bank)
		return
	case f.end == fateConfirmed && paid, f.end == fateDeclined && !paid && definite, f.end == fateUnknown:
		g.events.fault(faultDuplicate)
		return
	}
	g.events.fault(faultContradiction)
	if !f.reported {
		f.reported = true
		g.tellNumbered(transaction.KindWithdrawalLate, a.load, a.code, a.bank)
	}
}

// loseWithdrawals: what was in flight on a link that broke is not answered.
func (g *Gateway) loseWithdrawals(now time.Time, l *link) {
	for _, w := range slices.Clone(g.withdrawals.list) {
		if w.waits && w.link == l {
			g.events.fault(faultLinkLost)
			g.unanswered(now, w)
		}
	}
}

// leaveWithdrawals: what is in flight at the stop is unknown; the ledger gives it again at the next start.
func (g *Gateway) leaveWithdrawals() {
	for _, w := range g.withdrawals.list {
		if g.withdrawals.rest(w); !w.told {
			w.told = true
			g.tell(transaction.KindWithdrawalUnknown, w.order.Load, transaction.BankTimeout)
		}
	}
}

// withdrawalOn says whether one is in flight on a link.
func (g *Gateway) withdrawalOn(l *link) bool {
	return slices.ContainsFunc(g.withdrawals.list, func(w *withdrawal) bool { return w.waits && w.link == l && w.generation == l.generation })
}
