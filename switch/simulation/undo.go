package simulation

import (
	"onecard/ledger"
	"onecard/switch/transaction"
)

// reversal judges a reversal and enters it (wire handbook 3.6).
func (k *reckoning) reversal(l *transaction.Line, e *ledger.Entry) {
	if _, ok := k.asked(l); !ok {
		k.find("I3", "entry %d records a reversal that nobody sent", l.Sequence)
		return
	}
	k.once(l)
	k.seeBatch(l)
	k.noHold(e)
	id := identityOf(l)
	row, found, gone := k.look(id)
	if found && row.contents.card == k.numberOf(l) && row.contents.amount == l.Amount {
		k.find("I4", "reversal %d records again what entry %d has answered", l.Sequence, row.entry)
	}
	want := transaction.ReasonNone
	var original *remembered
	switch {
	case found:
		want = transaction.ReasonDuplicateDiffers
	case gone:
		want = transaction.ReasonOriginalTooOld
	default:
		original, want = k.mayReverse(l)
	}
	if l.Reason != want {
		k.find("I7", "reversal %d says %s where the books say %s", l.Sequence, l.Reason, want)
		return
	}
	if want == transaction.ReasonNone {
		k.undo(l, e, original)
	} else {
		k.legs(e)
	}
	if found || gone {
		return
	}
	answer := remembered{batch: l.Batch, trace: l.Trace, entry: l.Sequence, contents: contents{kind: l.Kind, card: k.numberOf(l), amount: l.Amount}, reason: l.Reason, day: l.Day, card: l.Card}
	*row = answer
	if want == transaction.ReasonOriginalUnknown {
		id.reversal = false
		stone, _, _ := k.look(id)
		answer.stone = true
		*stone = answer
	}
}

// mayReverse finds the original and says what becomes of it.
func (k *reckoning) mayReverse(l *transaction.Line) (*remembered, transaction.Reason) {
	id := identityOf(l)
	id.reversal = false
	original, found, gone := k.look(id)
	switch {
	case gone:
		return nil, transaction.ReasonOriginalTooOld
	case !found:
		return nil, transaction.ReasonOriginalUnknown
	case original.contents.card != k.numberOf(l):
		return nil, transaction.ReasonOriginalCard
	case original.contents.amount != l.Amount:
		return nil, transaction.ReasonOriginalAmount
	case original.stone || original.reversed:
		return nil, transaction.ReasonAlreadyReversed
	case original.reason != transaction.ReasonNone:
		return nil, transaction.ReasonOriginalRefused
	case original.contents.kind == transaction.KindPurchase && k.refunded[original.entry] > 0:
		return nil, transaction.ReasonRefundedAtDesk
	case original.contents.kind == transaction.KindPurchase && k.states[k.holders[k.cards[original.card-1].holder].main] == ledger.AccountClosed:
		return nil, transaction.ReasonAccountState
	case original.contents.kind == transaction.KindPurchase:
		return original, transaction.ReasonNone
	case original.contents.kind == transaction.KindLoad:
		if original.open {
			return original, transaction.ReasonNone
		}
		h := k.holders[k.cards[original.card-1].holder]
		if main, _ := k.available(h); main < original.contents.amount {
			return nil, transaction.ReasonOriginalNotRefunded
		}
		if state := k.states[h.main]; state == ledger.AccountFrozen || state == ledger.AccountClosed {
			return nil, transaction.ReasonAccountState
		}
		return original, transaction.ReasonNone
	}
	return nil, transaction.ReasonOriginalRefused
}

// undo gives a purchase back to the purses it came from, and takes a load back.
func (k *reckoning) undo(l *transaction.Line, e *ledger.Entry, original *remembered) {
	original.reversed = true
	holder := k.cards[original.card-1].holder
	h := k.holders[holder]
	k.touched = append(k.touched, holder)
	if l.Original != original.entry {
		k.find("I7", "reversal %d names entry %d, its original is %d", l.Sequence, l.Original, original.entry)
	}
	if original.contents.kind == transaction.KindPurchase {
		var want []ledger.Leg
		for _, leg := range k.legsOf[original.entry] {
			want = append(want, ledger.Leg{Account: k.returnsTo(h, leg.Account, localDay(l.Time)), Amount: -leg.Amount})
		}
		k.legs(e, want...)
		k.refunded[original.entry] += original.contents.amount
		k.unmeal(h, localDay(k.lines[original.entry-1].Time), k.legsOf[original.entry])
		for i := range h.spent {
			if h.spent[i].entry == original.entry {
				h.spent[i].reversed = true
			}
		}
		k.says(l, h, e)
		return
	}
	b := k.loads[original.entry]
	if original.open {
		k.legs(e)
		original.open = false
		k.asking--
		b.stage = loadReversing
		b.told = answerOfLoad{ready: true, reason: transaction.ReasonReversedBefore, code: transaction.ReasonReversedBefore.Code(), time: l.Time}
		return
	}
	if b.stage != loadEnded || !b.credited {
		k.find("I6", "reversal %d takes back load %d, which was not credited", l.Sequence, b.id)
	}
	k.legs(e, ledger.Leg{Account: h.main, Amount: -b.amount}, ledger.Leg{Account: transaction.AccountLoadInTransit, Amount: b.amount})
	b.stage, b.credited, b.gone = loadReturning, false, true
	k.unsettled++
	k.says(l, h, e)
}

func (k *reckoning) says(l *transaction.Line, h *holderBook, e *ledger.Entry) {
	if has := k.spendable(h, e); !l.HasBalance || l.Balance != has {
		k.find("I3", "entry %d says the holder has %d, he has %d", l.Sequence, l.Balance, has)
	}
}

// outcome judges what the bank said and enters it. Credit only on evidence that came before any reversal (I15).
func (k *reckoning) outcome(l *transaction.Line, e *ledger.Entry) {
	b := k.loads[l.Load]
	if l.Kind == transaction.KindLoadLate {
		k.legs(e)
		k.noHold(e)
		k.late[l.Load] = true
		return
	}
	if b == nil || b.stage == loadEnded {
		k.find("I6", "entry %d of kind %d ends load %d, which is not open", l.Sequence, l.Kind, l.Load)
		return
	}
	h := k.holders[b.holder]
	k.touched = append(k.touched, b.holder)
	release := ledger.HoldVoid
	switch l.Kind {
	case transaction.KindLoadConfirmed:
		if b.stage != loadSent {
			k.find("I15", "entry %d credits load %d, which is being reversed", l.Sequence, b.id)
		}
		release = ledger.HoldPost
		k.legs(e, ledger.Leg{Account: transaction.AccountLoadInTransit, Amount: -b.amount}, ledger.Leg{Account: h.main, Amount: b.amount})
		b.stage, b.credited = loadEnded, true
		k.confirmed++
		k.answer(b, l)
		k.says(l, h, e)
	case transaction.KindLoadDeclined:
		if b.stage != loadSent || l.Code == transaction.Approved || l.Code == (transaction.ResponseCode{}) {
			k.find("I6", "entry %d declines load %d with %q", l.Sequence, b.id, l.Code)
		}
		k.legs(e)
		b.stage, b.gone = loadEnded, true
		k.answer(b, l)
	case transaction.KindLoadUnknown:
		if b.stage != loadSent {
			k.find("I6", "entry %d does not know about load %d, which is being reversed already", l.Sequence, b.id)
		}
		k.legs(e)
		release = ledger.HoldNone
		b.stage = loadReversing
		k.answer(b, l)
	case transaction.KindLoadManual:
		if b.stage == loadSent || b.manual {
			k.find("I6", "entry %d gives load %d up, which is not being reversed", l.Sequence, b.id)
		}
		k.legs(e)
		release = ledger.HoldNone
		b.manual = true
	case transaction.KindLoadReversed:
		k.legs(e)
		switch b.stage {
		case loadSent:
			k.find("I7", "entry %d: load %d is reversed and nobody asked for it", l.Sequence, b.id)
		case loadReturning:
			release = ledger.HoldNone
		}
		b.stage, b.gone = loadEnded, true
	}
	if b.stage == loadEnded {
		k.unsettled--
	}
	if e.Hold.Op != release || release != ledger.HoldNone && e.Hold.ID != b.id {
		k.find("I6", "entry %d of kind %d does %+v to the hold of load %d", l.Sequence, l.Kind, e.Hold, b.id)
	}
}

// answer is what the terminal hears about a load, and what a repeat hears again.
func (k *reckoning) answer(b *loadBook, l *transaction.Line) {
	if b.alone {
		return
	}
	k.asking--
	b.told = answerOfLoad{ready: true, reason: l.Reason, code: l.Code, balance: l.Balance, time: l.Time}
	if row := b.row; row != nil && row.entry == b.id {
		row.open, row.reason = false, l.Reason
		row.main = 0
		if l.Reason == transaction.ReasonNone {
			row.main = b.amount
		}
	}
}
