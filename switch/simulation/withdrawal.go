package simulation

import (
	"maps"
	"slices"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// Withdrawals to bank accounts: the bank with our gateway, which asks until it is answered, and the second set of books.

// bounds of the site; the second set of books holds every withdrawal to them.
const (
	withdrawalDay        money.Fen = 6_000
	withdrawalTwoPersons money.Fen = 400
)

func withdrawalTerms() transaction.WithdrawalTerms {
	return transaction.WithdrawalTerms{Takes: func(uint64) bool { return true }, Day: withdrawalDay, TwoPersons: withdrawalTwoPersons}
}

// payout is one withdrawal in the bank's book. What it has decided it says to every copy.
type payout struct {
	decided, paid bool
	filed         bool // it stands in the bank's file, or does not: nothing changes it any more
}

type withdrawalBook struct {
	id      uint64
	holder  int
	amount  money.Fen
	day     uint32
	date    uint32
	time    int64
	account uint64
	card    transaction.CardNumber
	unknown bool
	manual  bool // given up: the office looks into the bank's file
	ended   bool
	posted  bool // the money has left
}

func (b *bank) payout(id uint64) *payout {
	if b.payouts[id] == nil {
		b.payouts[id] = &payout{}
	}
	return b.payouts[id]
}

// Withdraw is called by the owner when the withdrawal is durable, and again in every later life until it has ended.
func (b *bank) Withdraw(o transaction.LoadOrder) {
	w := b.w
	k := w.books.withdrawals[o.Load]
	switch {
	case k == nil:
		w.find("I10", "the bank is asked about withdrawal %d, which is not durable", o.Load)
		return
	case k.ended || k.manual:
		w.find("I6", "the bank is asked about withdrawal %d, which has ended or was given up", o.Load)
	case b.ordered[o.Load] && !o.Repeat:
		w.find("I4", "withdrawal %d is asked for twice", o.Load)
	}
	if o.Day != k.day || o.Amount != k.amount || o.Time != k.time || o.Card != k.card || o.BankAccount != k.account {
		w.find("I6", "the order about withdrawal %d says %+v", o.Load, o)
	}
	b.ordered[o.Load] = true
	w.mix(23, o.Load, uint64(o.Amount))
	if !o.Repeat && !w.calm && w.rng.IntN(8) == 0 {
		w.later(w.between(0, second), happensBank, w.lives, func() { b.outcome(o.Load, transaction.KindWithdrawalDeclined, transaction.BankCannotOperate) })
		return
	}
	b.paying[o.Load] = true
	b.pay(o.Load, w.lives)
}

// pay is one copy of the request, and what the gateway does when it is not answered.
func (b *bank) pay(id uint64, life int) {
	w := b.w
	if !b.paying[id] {
		return
	}
	w.later(w.between(10*second, 30*second), happensBank, life, func() {
		if !b.paying[id] && w.rng.IntN(10) > 0 { // one in ten says so though it was answered
			return
		}
		b.outcome(id, transaction.KindWithdrawalUnknown, transaction.ResponseCode{})
		if !w.calm && b.paying[id] && w.rng.IntN(8) == 0 {
			delete(b.paying, id)
			for range 1 + w.rng.IntN(2) {
				b.outcome(id, transaction.KindWithdrawalManual, transaction.SystemBusy)
			}
			return
		}
		b.pay(id, life)
	})
	if lost := !w.calm && w.rng.IntN(3) == 0; lost {
		return
	}
	w.agenda.add(w.now+w.between(1, 20*second), happensBank, func() { b.decide(id) })
}

// decide is the bank's own work, and its answer on its way to whichever gateway lives then.
func (b *bank) decide(id uint64) {
	p := b.payout(id)
	if !p.decided {
		p.decided = true
		p.paid = !p.filed && b.w.rng.IntN(4) > 0 // what its file does not have it never pays
	}
	if !b.w.calm && b.w.rng.IntN(4) == 0 {
		return
	}
	for range 1 + b.w.rng.IntN(2) {
		b.w.agenda.add(b.w.now+b.w.between(1, 40*second), happensBank, func() { b.tellPayout(id) })
	}
}

func (b *bank) tellPayout(id uint64) {
	p, asked := b.payout(id), b.paying[id]
	kind, code := transaction.KindWithdrawalPaid, transaction.Approved
	if !p.paid {
		kind, code = transaction.KindWithdrawalDeclined, []transaction.ResponseCode{{'1', '4'}, transaction.Approved, {}}[b.w.rng.IntN(3)]
	}
	switch {
	case asked:
		delete(b.paying, id)
	case b.w.rng.IntN(3) == 0:
		kind = transaction.KindWithdrawalLate
	}
	b.outcome(id, kind, code)
}

// openWithdrawals of the books, oldest first.
func (k *reckoning) openWithdrawals() (open []*withdrawalBook) {
	for _, id := range slices.Sorted(maps.Keys(k.withdrawals)) {
		if b := k.withdrawals[id]; !b.ended {
			open = append(open, b)
		}
	}
	return open
}

// withdrawing is what a holder has on its way to the bank.
func (k *reckoning) withdrawing(holder int) (sum money.Fen) {
	for _, b := range k.withdrawals {
		if !b.ended && b.holder == holder {
			sum += b.amount
		}
	}
	return sum
}

// withdrawn adds up what a holder has asked for on a date, what did not come to be left aside.
func (k *reckoning) withdrawn(holder int, date uint32) (sum money.Fen) {
	for _, b := range k.withdrawals {
		if b.holder == holder && b.date == date && (!b.ended || b.posted) {
			sum += b.amount
		}
	}
	return sum
}

// withdrawal judges what a desk has asked for, and enters it.
func (k *reckoning) withdrawal(l *transaction.OperationLine, e *ledger.Entry, h *holderBook) {
	holder, date := int(l.Holder)-1, localDay(l.Time)
	b := &withdrawalBook{id: l.Sequence, holder: holder, amount: l.Amount, day: l.Day, date: date, time: l.Time, account: h.account}
	if e.Hold.Op != ledger.HoldOpen || e.Hold.From != h.main || e.Hold.To != transaction.AccountLoadInTransit || e.Hold.Amount != l.Amount || k.free(h.main) < l.Amount {
		k.find("I6", "withdrawal %d of %d holds %+v of %d", l.Sequence, l.Amount, e.Hold, k.free(h.main))
	}
	if h.account == 0 || l.Bank.Account != h.account || l.Bank.Before != h.account || k.states[h.main] != ledger.AccountOpen {
		k.find("I3", "withdrawal %d goes to account %d, holder %d has %d", l.Sequence, l.Bank.Account, l.Holder, h.account)
	}
	if k.withdrawn(holder, date)+l.Amount > withdrawalDay {
		k.find("I3", "withdrawal %d of %d is above the bound of its day", l.Sequence, l.Amount)
	}
	if l.Card != 0 {
		card := &k.cards[l.Card-1]
		b.card = card.row.Number
		if card.holder != holder {
			k.find("I3", "withdrawal %d names the card of another", l.Sequence)
		}
	}
	k.withdrawals[l.Sequence] = b
}

// payoutOutcome judges the bank's word about a withdrawal, and enters it.
func (k *reckoning) payoutOutcome(l *transaction.Line, e *ledger.Entry) {
	b := k.withdrawals[l.Load]
	if l.Kind == transaction.KindWithdrawalLate {
		k.legs(e)
		k.noHold(e)
		return
	}
	if b == nil || b.ended {
		k.find("I6", "entry %d of kind %d is about withdrawal %d, which is not open", l.Sequence, l.Kind, l.Load)
		return
	}
	h, release := k.holders[b.holder], ledger.HoldNone
	k.touched = append(k.touched, b.holder)
	switch l.Kind {
	case transaction.KindWithdrawalPaid:
		release = ledger.HoldPost
		k.legs(e, ledger.Leg{Account: h.main, Amount: -b.amount}, ledger.Leg{Account: transaction.AccountLoadInTransit, Amount: b.amount})
		b.ended, b.posted = true, true
	case transaction.KindWithdrawalDeclined:
		release = ledger.HoldVoid
		k.legs(e)
		b.ended = true
		if l.Code == transaction.Approved || l.Code == (transaction.ResponseCode{}) {
			k.find("I6", "entry %d declines withdrawal %d with %q", l.Sequence, b.id, l.Code)
		}
	case transaction.KindWithdrawalUnknown:
		k.legs(e)
		if b.unknown {
			k.find("I6", "entry %d says a second time that nothing is known of withdrawal %d", l.Sequence, b.id)
		}
		b.unknown = true
	case transaction.KindWithdrawalManual:
		k.legs(e)
		if b.manual || !b.unknown {
			k.find("I6", "entry %d gives withdrawal %d up, which was answered or given up", l.Sequence, b.id)
		}
		b.manual = true
	}
	if has := k.spendable(h, e); l.HasBalance && l.Balance != has {
		k.find("I3", "entry %d says holder %d has %d, he has %d", l.Sequence, b.holder+1, l.Balance, has)
	}
	k.releases(l.Sequence, e, release, b.id)
}

func (k *reckoning) releases(sequence uint64, e *ledger.Entry, release ledger.HoldOp, id uint64) {
	if e.Hold.Op != release || release != ledger.HoldNone && e.Hold.ID != id {
		k.find("I6", "entry %d of kind %d does %+v to the hold of withdrawal %d", sequence, e.Kind, e.Hold, id)
	}
}

// payoutByHand judges what two persons did to a withdrawal that was given up, and enters it.
func (k *reckoning) payoutByHand(l *transaction.OperationLine, e *ledger.Entry) (want []ledger.Leg) {
	b := k.withdrawals[l.Original]
	if b == nil || b.ended || !b.manual || l.Amount != b.amount || int(l.Holder) != b.holder+1 {
		k.find("I6", "operation %d of kind %d settles withdrawal %d, which was not given up", l.Sequence, l.Kind, l.Original)
		return nil
	}
	b.ended = true
	if l.Kind == transaction.KindWithdrawalReturned {
		k.releases(l.Sequence, e, ledger.HoldVoid, b.id)
		return nil
	}
	b.posted = true
	k.releases(l.Sequence, e, ledger.HoldPost, b.id)
	return []ledger.Leg{{Account: k.holders[b.holder].main, Amount: -b.amount}, {Account: transaction.AccountLoadInTransit, Amount: b.amount}}
}

// drawPayout finds a withdrawal that an operation is right for.
func (w *world) drawPayout(kind transaction.Kind) uint64 {
	var found []uint64
	for _, b := range w.books.openWithdrawals() {
		if b.manual && w.bank.payout(b.id).paid == (kind == transaction.KindWithdrawalCharged) {
			found = append(found, b.id)
		}
	}
	if len(found) == 0 {
		return uint64(1 + w.rng.IntN(int(w.books.sequence)+1))
	}
	return found[w.rng.IntN(len(found))]
}

// payoutByTheFile keeps the office from settling a withdrawal against the bank's file. The bank makes the file when the office looks: what it has
// not paid by then it will not pay any more.
func (w *world) payoutByTheFile(op *transaction.Operation) {
	b := w.books.withdrawals[op.Original]
	if b == nil || op.Kind != transaction.KindWithdrawalCharged && op.Kind != transaction.KindWithdrawalReturned {
		return
	}
	op.Amount = b.amount
	if p := w.bank.payout(op.Original); b.manual && !b.ended && p.paid == (op.Kind == transaction.KindWithdrawalCharged) {
		p.filed = true
	} else {
		op.Original = 1 // the making of the ledger: no withdrawal
	}
}

// answerPayouts is the bank's answer to what was given up, in calm weather: nobody is left who would look into the file.
func (w *world) answerPayouts() {
	for _, b := range w.books.openWithdrawals() {
		if p := w.bank.payout(b.id); b.manual {
			p.decided = true
			w.bank.tellPayout(b.id)
		}
	}
}

// reconcilePayouts holds the bank's book against ours (I6): what has ended is the same on both sides.
func (w *world) reconcilePayouts() {
	for _, id := range slices.Sorted(maps.Keys(w.books.withdrawals)) {
		if b := w.books.withdrawals[id]; b.ended && b.posted != w.bank.payout(id).paid {
			w.find("I6", "withdrawal %d of %d: paid by the bank %t, posted %t", id, b.amount, w.bank.payout(id).paid, b.posted)
		}
	}
}
