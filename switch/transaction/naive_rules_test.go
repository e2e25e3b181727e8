package transaction_test

import (
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

type verdictOf struct {
	reason   transaction.Reason
	numbers  transaction.Numbers
	parts    [2]money.Fen
	verified bool
}

// judge goes through handbook 3.1 from top to bottom.
func (n *naive) judge(r *transaction.Request, day uint32, found *fact, tooOld bool) (transaction.Reason, transaction.Numbers, [2]money.Fen, bool) {
	v := verdictOf{reason: n.standing(r, found, tooOld)}
	if v.reason == transaction.ReasonNone {
		card := n.cards[r.Card]
		switch r.Kind {
		case transaction.KindPurchase:
			v = n.purchase(r, day, card)
		case transaction.KindLoad:
			v = n.load(r, day, card)
		}
	}
	return v.reason, v.numbers, v.parts, v.verified
}

// standing: terminal, sequence, kind, card. In this campus persons and merchants are in order.
func (n *naive) standing(r *transaction.Request, found *fact, tooOld bool) transaction.Reason {
	allowed := map[transaction.TerminalType][]transaction.Kind{
		transaction.TerminalPOS:   {transaction.KindPurchase, transaction.KindBalance, transaction.KindLoad},
		transaction.TerminalKiosk: {transaction.KindBalance, transaction.KindLoad},
		transaction.TerminalGate:  {transaction.KindPassage},
	}
	may := false
	for _, kind := range allowed[n.types[r.Terminal]] {
		may = may || kind == r.Kind
	}
	card := n.cards[r.Card]
	switch {
	case tooOld:
		return transaction.ReasonTraceTooOld
	case found != nil && (found.stone || found.reversed && sameRequest(&found.request, r)):
		return transaction.ReasonReversedBefore
	case found != nil:
		return transaction.ReasonDuplicateDiffers
	case n.suspended[r.Terminal]:
		return transaction.ReasonTerminalSuspended
	case !may:
		return transaction.ReasonKindNotAllowed
	case card == nil:
		return transaction.ReasonCardUnknown
	case card.state == transaction.CardLost:
		return transaction.ReasonCardLost
	case card.state == transaction.CardFrozen:
		return transaction.ReasonCardFrozen
	case card.state == transaction.CardClosed:
		return transaction.ReasonCardClosed
	}
	return transaction.ReasonNone
}

func refused(reason transaction.Reason, numbers ...money.Fen) verdictOf {
	v := verdictOf{reason: reason}
	copy(v.numbers[:], numbers)
	return v
}

func (n *naive) pin(r *transaction.Request, card *naiveCard) verdictOf {
	switch {
	case n.tries[card.holder] >= 3 || card.pin == 0:
		return refused(transaction.ReasonPINLocked)
	case r.PINValue != card.pin:
		return refused(transaction.ReasonPINWrong, money.Fen(2-n.tries[card.holder]))
	}
	return verdictOf{verified: true}
}

func (n *naive) purchase(r *transaction.Request, day uint32, card *naiveCard) verdictOf {
	class := n.classes[card.holder]
	spent, count := n.spent(card.holder, day)
	v := verdictOf{}
	switch {
	case r.Amount == 0:
		return refused(transaction.ReasonAmountZero)
	case class.DayCount > 0 && count >= class.DayCount:
		return refused(transaction.ReasonDayCount, money.Fen(count), money.Fen(class.DayCount))
	case class.DayAmount > 0 && spent+r.Amount > class.DayAmount:
		return refused(transaction.ReasonDayAmount, spent, r.Amount, class.DayAmount)
	case r.PINValue != 0:
		if v = n.pin(r, card); v.reason != transaction.ReasonNone {
			return v
		}
	case class.PINSingle > 0 && r.Amount > class.PINSingle:
		return refused(transaction.ReasonPINNeededSingle, r.Amount, class.PINSingle)
	case class.PINDay > 0 && spent+r.Amount > class.PINDay:
		return refused(transaction.ReasonPINNeededDay, spent, r.Amount, class.PINDay)
	}
	main, subsidy := n.purses[card.holder][0], n.purses[card.holder][1]
	fromSubsidy := min(subsidy, r.Amount)
	switch {
	case r.Purse == transaction.PurseSubsidy:
		main = 0
	case r.Purse == transaction.PurseMain || class.RefusePartial && subsidy < r.Amount:
		subsidy, fromSubsidy = 0, 0
	}
	if main+subsidy < r.Amount {
		short := refused(transaction.ReasonFunds, main+subsidy, r.Amount)
		short.verified = v.verified
		return short
	}
	v.parts = [2]money.Fen{r.Amount - fromSubsidy, fromSubsidy}
	return v
}

// spent adds up the purchases of a day that were not given back.
func (n *naive) spent(holder int, day uint32) (amount money.Fen, count uint32) {
	for _, f := range n.facts {
		if f.request.Kind == transaction.KindPurchase && f.answer.Reason == transaction.ReasonNone && !f.reversed && f.day == day && n.cards[f.request.Card].holder == holder {
			amount, count = amount+f.request.Amount, count+1
		}
	}
	return amount, count
}

func (n *naive) load(r *transaction.Request, day uint32, card *naiveCard) verdictOf {
	class := n.classes[card.holder]
	loaded, coming := n.loaded(card.holder, day)
	has := n.purses[card.holder][0] + coming
	switch {
	case r.Amount == 0:
		return refused(transaction.ReasonAmountZero)
	case class.LoadSingle > 0 && r.Amount > class.LoadSingle:
		return refused(transaction.ReasonLoadSingle, r.Amount, class.LoadSingle)
	case class.LoadDay > 0 && loaded+r.Amount > class.LoadDay:
		return refused(transaction.ReasonLoadDay, loaded, r.Amount, class.LoadDay)
	case class.PurseCap > 0 && has+r.Amount > class.PurseCap:
		return refused(transaction.ReasonPurseCap, has, r.Amount, class.PurseCap)
	case r.PINValue == 0:
		return refused(transaction.ReasonPINNeededLoad)
	}
	return n.pin(r, card)
}

// loaded adds up the loads of a day that brought money or still may, and what is on its way on any day.
func (n *naive) loaded(holder int, day uint32) (loaded, coming money.Fen) {
	for _, l := range n.loads {
		if n.cards[l.fact.request.Card].holder != holder {
			continue
		}
		if l.fact.day == day && !l.gone {
			loaded += l.fact.request.Amount
		}
		if !l.ended && !l.returning {
			coming += l.fact.request.Amount
		}
	}
	return loaded, coming
}

// compareCounters: what the engine counts is what adding up gives (I13).
func (n *naive) compareCounters(t *rapid.T, holder int, h *transaction.Holder) {
	spent, count := n.spent(holder, uint32(h.CounterDay))
	loaded, coming := n.loaded(holder, uint32(h.CounterDay))
	require.Equal(t, []any{uint32(spent), uint16(count), uint32(loaded), uint32(coming), uint8(n.tries[holder])}, []any{h.DayAmount, h.DayCount, h.DayLoaded, h.Loading, h.PINTries}, "counters of holder %d", holder+1)
}

func (n *naive) reversal(r *transaction.Request, d *transaction.Decision) {
	earlier, late := n.find(r, true)
	if earlier != nil && earlier.request.Amount == r.Amount && earlier.request.Card == r.Card {
		n.again(earlier, r.Origin)
		return
	}
	f := &fact{request: *r, day: dayOf(d.Time), kept: !late && earlier == nil}
	d.Sequence = n.record(d.Time)
	switch {
	case late:
		d.Reason = transaction.ReasonOriginalTooOld
	case earlier != nil:
		d.Reason = transaction.ReasonDuplicateDiffers
	default:
		n.giveBack(r, d)
	}
	d.Code = d.Reason.Code()
	f.answer = *d
	n.facts = append(n.facts, f)
	if d.Reason == transaction.ReasonOriginalUnknown {
		stone := *f
		stone.stone = true
		n.facts = append(n.facts, &stone)
	}
	n.said = append(n.said, *d)
}

func (n *naive) giveBack(r *transaction.Request, d *transaction.Decision) {
	original, tooOld := n.find(r, false)
	switch {
	case tooOld:
		d.Reason = transaction.ReasonOriginalTooOld
	case original == nil:
		d.Reason = transaction.ReasonOriginalUnknown
	case original.request.Card != r.Card:
		d.Reason = transaction.ReasonOriginalCard
	case original.request.Amount != r.Amount:
		d.Reason, d.Numbers = transaction.ReasonOriginalAmount, transaction.Numbers{r.Amount, original.request.Amount}
	case original.reversed || original.stone:
		d.Reason = transaction.ReasonAlreadyReversed
	case original.answer.Reason != transaction.ReasonNone:
		d.Reason = transaction.ReasonOriginalRefused
	case original.request.Kind == transaction.KindLoad:
		n.takeBack(original, d)
	case original.request.Kind == transaction.KindPurchase:
		original.reversed = true
		purse := &n.purses[n.cards[r.Card].holder]
		purse[0], purse[1] = purse[0]+original.answer.Main, purse[1]+original.answer.Subsidy
		d.Main, d.Subsidy, d.HasBalance, d.Balance = original.answer.Main, original.answer.Subsidy, true, purse[0]+purse[1]
	default:
		d.Reason = transaction.ReasonOriginalRefused
	}
}

// takeBack reverses a load: one that waits is cancelled, one that was credited is taken out of the purse if it is still there.
func (n *naive) takeBack(original *fact, d *transaction.Decision) {
	id := original.answer.Sequence
	l := n.loadOf(id)
	purse := &n.purses[n.cards[original.request.Card].holder]
	if !original.open {
		if purse[0] < original.request.Amount {
			d.Reason = transaction.ReasonOriginalNotRefunded
			return
		}
		purse[0] -= original.request.Amount
		l.ended, l.returning, l.gone = false, true, true
		d.Main, d.HasBalance, d.Balance = original.request.Amount, true, purse[0]+purse[1]
	} else if asker := n.waiting[id]; asker != 0 {
		told := *d
		told.Origin, told.Kind, told.Sequence, told.Day = asker, transaction.KindLoad, id, original.answer.Day
		told.Reason, told.Code = transaction.ReasonReversedBefore, transaction.ReasonReversedBefore.Code()
		n.said = append(n.said, told)
	}
	delete(n.waiting, id)
	original.open, original.reversed, l.reversing = false, true, true
	n.ordered = append(n.ordered, naiveOrder{id: id, reverse: true, time: asked(l), amount: original.request.Amount})
}

// asked is when the load was decided: the day's order of requests is the order of its entries.
func asked(l *naiveLoad) int64 { return l.fact.request.Received }

func (n *naive) loadOf(id uint64) *naiveLoad {
	for _, l := range n.loads {
		if l.id == id {
			return l
		}
	}
	return nil
}

// outcome takes what the bank says.
func (n *naive) outcome(r *transaction.Request, now int64) {
	l := n.loadOf(r.Load)
	known := l != nil && !l.ended
	switch r.Kind {
	case transaction.KindLoadLate:
		n.record(now)
		return
	case transaction.KindLoadReversed:
		if !known || !l.reversing {
			return
		}
		n.record(now)
		l.ended, l.reversing = true, false
		if !l.returning {
			l.gone = true
		}
		l.returning = false
		return
	}
	if !known || l.reversing && r.Kind == transaction.KindLoadUnknown {
		return
	}
	n.record(now)
	if l.reversing {
		return // late
	}
	n.answerLoad(l, r, now)
}

func (n *naive) answerLoad(l *naiveLoad, r *transaction.Request, now int64) {
	d := &l.fact.answer
	d.Time, d.Origin = now, n.waiting[l.id]
	purse := &n.purses[n.cards[l.fact.request.Card].holder]
	switch r.Kind {
	case transaction.KindLoadConfirmed:
		purse[0] += l.fact.request.Amount
		d.Code, d.Main, d.HasBalance, d.Balance = transaction.Approved, l.fact.request.Amount, true, purse[0]+purse[1]
		l.ended = true
	case transaction.KindLoadDeclined:
		d.Reason, d.Code = transaction.ReasonBankDeclined, r.BankCode
		if r.BankCode == transaction.Approved || r.BankCode == transaction.BankCannotOperate {
			d.Reason, d.Code = transaction.ReasonBankUnreachable, transaction.BankCannotOperate
		} else if r.BankCode == transaction.BankTurnsDay {
			d.Reason = transaction.ReasonBankTurnsDay
		}
		l.ended, l.gone = true, true
	case transaction.KindLoadUnknown:
		d.Reason, d.Code = transaction.ReasonBankTimeout, transaction.BankTimeout
		l.reversing = true
		n.ordered = append(n.ordered, naiveOrder{id: l.id, reverse: true, time: asked(l), amount: l.fact.request.Amount})
	}
	l.fact.open = false
	if d.Origin != 0 {
		n.said = append(n.said, *d)
	}
	delete(n.waiting, l.id)
}

// reopen is what a restart does: nobody waits any more, what had been sent is unknown, what was being reversed is told again.
func (n *naive) reopen(now int64) {
	n.waiting, n.diskLow = map[uint64]transaction.Origin{}, false
	for _, l := range n.loads {
		switch {
		case l.ended:
		case l.reversing:
			n.ordered = append(n.ordered, naiveOrder{id: l.id, reverse: true, repeat: true, time: asked(l), amount: l.fact.request.Amount})
		default:
			n.handle(transaction.Request{Kind: transaction.KindLoadUnknown, Load: l.id, Received: now})
		}
	}
}
