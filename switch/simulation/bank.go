package simulation

import (
	"slices"

	"onecard/switch/transaction"
)

// bank is the bank with its link and our gateway. The gateway's memory ends with the owner's life; the bank's does not.
type bank struct {
	w       *world
	book    map[uint64]*position
	ordered map[uint64]bool // loads that the core has asked for, ever
	asking  map[uint64]transaction.LoadOrder
	undoing map[uint64]transaction.LoadOrder
	moods   [moodCount]uint64
	said    map[wordAbout]bool
	payouts map[uint64]*payout
	paying  map[uint64]bool // withdrawals that the gateway still asks about
}

// position is one load in the bank's book.
type position struct {
	debited      bool // the holder's account is charged now
	stone        bool // reversed, before or after it came
	contradicted bool
	filed        bool // it stands in the bank's file, or does not: nothing changes it any more
}

// mood is what the bank does with a load.
type mood uint8

const (
	moodApproves mood = iota
	moodDeclines
	moodUnreachable // nothing leaves the house
	moodLost        // the request does not arrive
	moodSilent      // it is charged and no answer comes
	moodLate        // it is charged and the answer comes too late
	moodLateDecline // a refusal that comes too late
	moodTwice       // two answers
	moodThrice      // and one that comes when everything is over
	moodGarbled     // a refusal that says approved
	moodEmpty       // a refusal that says nothing
	moodContradicts // declined, and then charged and approved
	moodSlowRequest // the request arrives after its reversal
	moodFlips       // approved, and then declined though it is charged
	moodUnasked     // says that it took a reversal that nobody sent
	moodCount
)

const bankTimeout = 30 * second

func newBank(w *world) *bank {
	return &bank{w: w, book: map[uint64]*position{}, ordered: map[uint64]bool{}, said: map[wordAbout]bool{}, payouts: map[uint64]*payout{}}
}

// begin is a new gateway.
func (b *bank) begin() {
	b.asking, b.undoing, b.paying = map[uint64]transaction.LoadOrder{}, map[uint64]transaction.LoadOrder{}, map[uint64]bool{}
}

func (b *bank) at(id uint64) *position {
	if b.book[id] == nil {
		b.book[id] = &position{}
	}
	return b.book[id]
}

// Load is called by the owner when the load is durable.
func (b *bank) Load(o transaction.LoadOrder) {
	w := b.w
	w.checkOrder(&o, false)
	if b.ordered[o.Load] {
		w.find("I4", "load %d is asked for twice", o.Load)
	}
	b.ordered[o.Load] = true
	b.asking[o.Load] = o
	w.mix(20, o.Load, uint64(o.Amount))
	m := mood(0)
	if !w.calm {
		m = w.odds.moods[w.rng.IntN(len(w.odds.moods))]
	}
	b.moods[m]++
	life := w.lives
	if !w.calm && w.rng.IntN(8) == 0 {
		w.agenda.add(w.now+w.between(1, 90*second), happensBank, func() { b.giveUp(o.Load) })
	}
	w.later(w.between(bankTimeout, bankTimeout+second), happensBank, life, func() { b.timeout(o.Load) })
	switch m {
	case moodUnreachable:
		w.later(w.between(0, second), happensBank, life, func() { b.outcome(o.Load, transaction.KindLoadDeclined, transaction.BankCannotOperate) })
	case moodLost:
	case moodSlowRequest:
		w.agenda.add(w.now+w.between(40*second, 90*second), happensBank, func() { b.receive(o, m) })
	default:
		w.agenda.add(w.now+w.between(1, second), happensBank, func() { b.receive(o, m) })
	}
}

// receive is the bank's own work.
func (b *bank) receive(o transaction.LoadOrder, m mood) {
	p := b.at(o.Load)
	if p.filed {
		return
	}
	soon, tooLate := b.w.between(1, 2*second), b.w.between(31*second, 80*second)
	if p.stone {
		b.reply(o.Load, soon, transaction.NotPermittedHolder, false)
		return
	}
	switch m {
	case moodDeclines, moodLateDecline, moodGarbled, moodEmpty:
		code := map[mood]transaction.ResponseCode{moodDeclines: transaction.InsufficientFunds, moodLateDecline: transaction.NotPermittedHolder, moodGarbled: transaction.Approved}[m]
		if m == moodLateDecline {
			soon = tooLate
		}
		b.reply(o.Load, soon, code, false)
		if b.w.rng.IntN(3) == 0 {
			b.reply(o.Load, soon+b.w.between(1, 50*second), code, false)
		}
	case moodContradicts:
		p.contradicted = true
		b.reply(o.Load, soon, transaction.InsufficientFunds, false)
		b.reply(o.Load, tooLate, transaction.Approved, true)
		p.debited = true
	default:
		p.debited = true
		switch m {
		case moodSilent:
		case moodLate:
			b.reply(o.Load, tooLate, transaction.Approved, true)
		case moodTwice, moodThrice:
			b.reply(o.Load, soon, transaction.Approved, true)
			b.reply(o.Load, soon+b.w.between(0, 15*second), transaction.Approved, true)
			if m == moodThrice {
				b.reply(o.Load, tooLate, transaction.Approved, true)
			}
		default:
			b.reply(o.Load, soon, transaction.Approved, true)
		}
	}
	switch m {
	case moodFlips:
		for range 1 + b.w.rng.IntN(2) {
			b.reply(o.Load, soon+b.w.between(1, 60*second), transaction.NotPermittedHolder, false)
		}
	case moodUnasked:
		for range 1 + b.w.rng.IntN(2) {
			b.w.later(b.w.between(0, 2*second), happensBank, b.w.lives, func() {
				if b.unasked(o.Load) { // or it would be a lie
					b.outcome(o.Load, transaction.KindLoadReversed, transaction.Approved)
				}
			})
		}
	}
}

// unasked says whether nobody has asked for a load's reversal: neither on its way to the bank nor on its way to the disk.
func (b *bank) unasked(id uint64) bool {
	_, undoing := b.undoing[id]
	if l := b.w.books.loads[id]; l != nil && (l.stage == loadReversing || l.stage == loadReturning) {
		return false // asked, whether or not the gateway still does
	}
	return !undoing && len(b.w.lot) == 0 && b.w.engine.State().Book().Sequence() == b.w.books.sequence
}

// reply brings the bank's answer to whichever gateway lives then.
func (b *bank) reply(id uint64, after int64, code transaction.ResponseCode, approved bool) {
	b.w.agenda.add(b.w.now+after, happensBank, func() { b.answer(id, code, approved) })
}

// answer is the gateway's: in time, or late. Now and then it does not notice that it is late: the core must.
func (b *bank) answer(id uint64, code transaction.ResponseCode, approved bool) {
	kind := transaction.KindLoadDeclined
	if approved {
		kind = transaction.KindLoadConfirmed
	}
	if _, asking := b.asking[id]; !asking && b.w.rng.IntN(3) > 0 {
		kind = transaction.KindLoadLate
	} else if asking && b.w.rng.IntN(20) == 0 {
		for range 1 + b.w.rng.IntN(2) {
			b.outcome(id, transaction.KindLoadLate, code)
		}
	}
	b.outcome(id, kind, code)
}

func (b *bank) timeout(id uint64) {
	if _, asking := b.asking[id]; asking || b.w.rng.IntN(10) == 0 { // one in ten says so though it was answered
		b.outcome(id, transaction.KindLoadUnknown, transaction.ResponseCode{})
		if b.w.rng.IntN(4) == 0 {
			b.w.later(b.w.between(1, 10*second), happensBank, b.w.lives, func() { b.outcome(id, transaction.KindLoadUnknown, transaction.ResponseCode{}) })
		}
	}
}

func (b *bank) outcome(id uint64, kind transaction.Kind, code transaction.ResponseCode) {
	if kind != transaction.KindLoadReversed && kind != transaction.KindLoadLate && kind != transaction.KindLoadManual {
		delete(b.asking, id)
	}
	b.w.submit(transaction.Request{Kind: kind, Load: id, BankCode: code, BankTrace: [12]byte{'B'}, Received: b.w.clockNow()})
}

// Reverse is called by the owner when the reversal is durable. The gateway repeats it until it is answered.
func (b *bank) Reverse(o transaction.LoadOrder) {
	w := b.w
	w.checkOrder(&o, true)
	w.mix(21, o.Load, uint64(o.Amount))
	if _, twice := b.undoing[o.Load]; twice {
		w.find("I7", "the reversal of load %d is ordered twice in one life", o.Load)
	}
	delete(b.asking, o.Load)
	b.undoing[o.Load] = o
	b.sendReversal(o.Load, w.lives)
}

func (b *bank) sendReversal(id uint64, life int) {
	w := b.w
	if _, ok := b.undoing[id]; !ok {
		return
	}
	if !w.calm && w.rng.IntN(12) == 0 {
		delete(b.undoing, id)
		b.giveUp(id)
		return
	}
	w.later(w.between(20*second, 60*second), happensBank, life, func() { b.sendReversal(id, life) })
	if !w.calm && w.chance(w.odds.bankLoss) {
		return
	}
	w.agenda.add(w.now+w.between(1, 2*second), happensBank, func() {
		p := b.at(id)
		if p.filed && !w.unfiled(id) {
			return
		}
		p.stone, p.debited = true, false
		if w.calm || !w.chance(w.odds.bankLoss) {
			w.agenda.add(w.now+w.between(1, w.odds.undoMost), happensBank, func() { b.reversed(id) })
		}
	})
}

func (b *bank) reversed(id uint64) {
	if _, ok := b.undoing[id]; !ok && b.w.rng.IntN(4) > 0 {
		return // an answer to the life before; one in four is taken for this one's
	}
	delete(b.undoing, id)
	b.w.submit(transaction.Request{Kind: transaction.KindLoadReversed, Load: id, BankCode: transaction.Approved, BankTrace: [12]byte{'B'}, Received: b.w.clockNow()})
}

// checkOrder: what leaves the house is durable, and says what the record says.
func (w *world) checkOrder(o *transaction.LoadOrder, reverse bool) {
	l := w.books.loads[o.Load]
	if l == nil {
		w.find("I10", "the bank is asked about load %d, which is not durable", o.Load)
		return
	}
	if reverse && l.stage != loadReversing && l.stage != loadReturning {
		w.find("I10", "the bank is asked to reverse load %d, of which the log does not say so", o.Load)
	}
	if o.Day != w.books.lines[o.Load-1].Day || o.Amount != l.amount || o.Time != l.time || o.Card != l.card || o.BankAccount != l.account {
		w.find("I6", "the order about load %d says %+v", o.Load, *o)
	}
}

// reconcile holds the bank's book against ours (I6): what has ended is the same on both sides, the rest is on its way.
func (w *world) reconcile() {
	w.reconcilePayouts()
	for _, h := range w.books.holders {
		for _, l := range h.loads {
			p := w.bank.book[l.id]
			if l.stage != loadEnded || p != nil && p.contradicted && !l.credited {
				continue
			}
			if charged := p != nil && p.debited; charged != l.credited {
				w.find("I6", "load %d of %d: charged by the bank %t, credited %t", l.id, l.amount, charged, l.credited)
			}
		}
	}
}

// strangers are loads in the bank's book that the log does not hold.
func (w *world) strangers() {
	ids := make([]uint64, 0, len(w.bank.book))
	for id := range w.bank.book {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if w.books.loads[id] == nil {
			w.find("I6", "the bank knows load %d, the log does not", id)
		}
	}
}
