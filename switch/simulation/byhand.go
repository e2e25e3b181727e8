package simulation

import (
	"onecard/ledger"
	"onecard/switch/transaction"
)

// Loads whose reversal was given up, and what the office does to them by the bank's file. The bank makes the file when the office looks:
// what it has not taken by then it will not take any more, and what it has it keeps.

// giveUp is the gateway's word that it has asked often enough. Now and then it says so at another time, and goes on asking: the core must bear it.
func (b *bank) giveUp(id uint64) {
	for range 1 + b.w.rng.IntN(2) {
		b.outcome(id, transaction.KindLoadManual, transaction.SystemBusy)
	}
}

// manual lists the loads that wait for the office, of which the bank has taken the money, or has not.
func (w *world) manual(taken bool) (found []uint64) {
	for _, h := range w.books.holders {
		for _, l := range h.loads {
			if l.manual && l.stage == loadReversing && w.bank.at(l.id).debited == taken {
				found = append(found, l.id)
			} else if l.manual && l.stage == loadReturning && !taken && !w.bank.at(l.id).debited {
				found = append(found, l.id)
			}
		}
	}
	return found
}

// drawManual finds a load that an operation is right for.
func (w *world) drawManual(kind transaction.Kind) uint64 {
	found := w.manual(kind == transaction.KindLoadMadeUp)
	if len(found) == 0 {
		return uint64(1 + w.rng.IntN(int(w.books.sequence)+1))
	}
	return found[w.rng.IntN(len(found))]
}

// byTheFile keeps the office from settling a load against the bank's file: it reads what stands there.
func (w *world) byTheFile(op *transaction.Operation) {
	b := w.books.loads[op.Original]
	w.payoutByTheFile(op)
	switch {
	case b == nil:
	case op.Kind == transaction.KindLoadMadeUp:
		op.Amount = b.amount
		fallthrough
	case op.Kind == transaction.KindLoadClosed:
		if p := w.bank.at(op.Original); p.debited == (op.Kind == transaction.KindLoadMadeUp) {
			p.filed = true
		} else {
			op.Original = 1 // the making of the ledger: no load
		}
	}
}

// unfiled says whether the office has read the bank's file for a load and done nothing with it, and never will: the load was not given up
// then, so the core refused, and in calm weather the bank answers its reversal after all.
func (w *world) unfiled(id uint64) bool {
	return w.calm && w.errand == nil && w.batchesDone() && w.books.loads[id].stage != loadEnded
}

// answerManual is the bank's answer to what was given up, in calm weather: nobody is left who would look into the file.
func (w *world) answerManual() {
	open := append(w.manual(true), w.manual(false)...)
	for _, h := range w.books.holders {
		for _, l := range h.loads {
			if l.manual && l.stage == loadReturning && w.bank.at(l.id).debited {
				open = append(open, l.id)
			}
		}
	}
	if w.errand == nil && w.batchesDone() {
		w.answerPayouts()
		for _, id := range open {
			p := w.bank.at(id)
			p.stone, p.debited = true, false
			w.submit(transaction.Request{Kind: transaction.KindLoadReversed, Load: id, BankCode: transaction.Approved, BankTrace: [12]byte{'B'}, Received: w.clockNow()})
		}
	}
	w.agenda.add(w.now+40*second, happensBank, w.answerManual)
}

// byHand judges what two persons did to a load, and enters it.
func (k *reckoning) byHand(l *transaction.OperationLine, e *ledger.Entry) (want []ledger.Leg) {
	b := k.loads[l.Original]
	if b == nil || !b.manual || b.stage == loadEnded || l.Kind == transaction.KindLoadClaimed {
		k.find("I6", "operation %d of kind %d settles load %d, which was not given up", l.Sequence, l.Kind, l.Original)
		return nil
	}
	h := k.holders[b.holder]
	release := ledger.HoldVoid
	switch {
	case l.Kind == transaction.KindLoadMadeUp:
		release = ledger.HoldPost
		want = []ledger.Leg{{Account: transaction.AccountLoadInTransit, Amount: -b.amount}, {Account: h.main, Amount: b.amount}}
		b.credited = true
	case b.stage == loadReturning:
		release = ledger.HoldNone
		fallthrough
	default:
		b.gone = true
	}
	if e.Hold.Op != release || release != ledger.HoldNone && e.Hold.ID != b.id {
		k.find("I6", "operation %d of kind %d does %+v to the hold of load %d", l.Sequence, l.Kind, e.Hold, b.id)
	}
	b.stage = loadEnded
	k.unsettled--
	return want
}
