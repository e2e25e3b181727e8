package simulation

import (
	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// ruling is what an entry must say.
type ruling struct {
	reason   transaction.Reason
	numbers  transaction.Numbers
	main     money.Fen
	subsidy  money.Fen
	verified bool
}

func refuse(reason transaction.Reason, numbers ...money.Fen) ruling {
	v := ruling{reason: reason}
	copy(v.numbers[:], numbers)
	return v
}

// original judges a purchase, enquiry, passage or load and enters it in the books.
func (k *reckoning) original(l *transaction.Line, e *ledger.Entry) {
	request, ok := k.asked(l)
	if !ok {
		k.find("I3", "entry %d records a request that nobody sent", l.Sequence)
		return
	}
	k.once(l)
	if l.Card != 0 {
		k.claimed(l)
	}
	id := identityOf(l)
	row, found, gone := k.look(id)
	same := contents{l.Kind, k.numberOf(l), l.Amount, l.Purse, l.Direction}
	if found && !row.stone && !row.reversed && row.contents == same {
		k.find("I4", "entry %d records again what entry %d has answered", l.Sequence, row.entry)
	}
	v := k.judge(l, request, row, found, gone, same)
	k.compare(l, v)
	k.seeBatch(l)
	k.effects(l, e)
	if gone || found && !row.stone {
		return
	}
	*row = remembered{batch: l.Batch, trace: l.Trace, entry: l.Sequence, contents: same, reason: l.Reason, day: l.Day, card: l.Card, main: l.Main, subsidy: l.Subsidy}
	if l.Kind == transaction.KindLoad && l.Reason == transaction.ReasonNone {
		row.open = true
		k.loads[l.Sequence].row = row
	}
}

func (k *reckoning) compare(l *transaction.Line, v ruling) {
	got := ruling{l.Reason, l.Numbers, l.Main, l.Subsidy, l.PINVerified}
	if got.reason != v.reason {
		k.find("I3", "entry %d of kind %d says %s where the books say %s", l.Sequence, l.Kind, l.Reason, v.reason)
	} else if got != v {
		k.find("I3", "entry %d of kind %d (%s) says %+v where the books say %+v", l.Sequence, l.Kind, l.Reason, got, v)
	}
}

// judge goes through handbook 3.1 from top to bottom.
func (k *reckoning) judge(l *transaction.Line, r *transaction.Request, row *remembered, found, gone bool, same contents) ruling {
	terminal := &k.campus.directory.Terminals[l.Terminal-1]
	switch {
	case gone:
		return refuse(transaction.ReasonTraceTooOld)
	case found && (row.stone || row.reversed && row.contents == same):
		return refuse(transaction.ReasonReversedBefore)
	case found:
		return refuse(transaction.ReasonDuplicateDiffers)
	case terminal.Suspended:
		return refuse(transaction.ReasonTerminalSuspended)
	case !serves(terminal.Type, l.Kind):
		return refuse(transaction.ReasonKindNotAllowed)
	case l.Card == 0:
		return refuse(transaction.ReasonCardUnknown)
	}
	card := &k.cards[l.Card-1]
	holder := k.holders[card.holder]
	merchant := k.merchantOf(l.Terminal)
	switch {
	case card.state == transaction.CardLost:
		return refuse(transaction.ReasonCardLost)
	case card.state == transaction.CardFrozen:
		return refuse(transaction.ReasonCardFrozen)
	case card.state == transaction.CardClosed:
		return refuse(transaction.ReasonCardClosed)
	case card.row.ExpiryDay != 0 && localDay(l.Time) > card.row.ExpiryDay:
		return refuse(transaction.ReasonCardExpired)
	case holder.row.State != transaction.HolderActive || holder.left:
		return refuse(transaction.ReasonHolderState)
	case (l.Kind == transaction.KindPurchase || l.Kind == transaction.KindLoad) && k.states[holder.main] != ledger.AccountOpen:
		return refuse(transaction.ReasonAccountState)
	case l.Kind == transaction.KindPurchase && k.owes(holder) > 0:
		return refuse(transaction.ReasonDebt, k.owes(holder))
	case merchant == merchantShut:
		return refuse(transaction.ReasonMerchantClosed)
	}
	switch l.Kind {
	case transaction.KindPurchase:
		return k.purchase(l, r, holder, card)
	case transaction.KindLoad:
		return k.load(l, r, holder, card)
	case transaction.KindPassage:
		return k.passage(l, holder)
	}
	return ruling{}
}

func (k *reckoning) merchantOf(id transaction.TerminalID) int {
	code := k.campus.directory.Terminals[id-1].Merchant
	for i := range k.campus.directory.Merchants {
		if k.campus.directory.Merchants[i].Code == code {
			return i
		}
	}
	return -1
}

func serves(t transaction.TerminalType, kind transaction.Kind) bool {
	switch kind {
	case transaction.KindPurchase:
		return t == transaction.TerminalPOS
	case transaction.KindPassage:
		return t == transaction.TerminalGate
	}
	return t == transaction.TerminalPOS || t == transaction.TerminalKiosk
}

func (h *holderBook) pin(r *transaction.Request, card *cardBook) ruling {
	switch {
	case h.tries >= 3 || card.row.PINValue == 0:
		return refuse(transaction.ReasonPINLocked)
	case r.PINValue != card.row.PINValue:
		return refuse(transaction.ReasonPINWrong, money.Fen(2-h.tries))
	}
	return ruling{verified: true}
}

func (k *reckoning) purchase(l *transaction.Line, r *transaction.Request, h *holderBook, card *cardBook) ruling {
	limits := h.class
	spent, count := h.spentOn(localDay(l.Time))
	v := ruling{}
	m := &k.campus.directory.Merchants[k.merchantOf(l.Terminal)]
	switch {
	case m.Opens != m.Closes && (localMinute(l.Time) < m.Opens || localMinute(l.Time) >= m.Closes):
		return refuse(transaction.ReasonOutsideHours)
	case l.Amount == 0:
		return refuse(transaction.ReasonAmountZero)
	case l.Amount > amountMax:
		return refuse(transaction.ReasonAmountTooLarge, l.Amount, amountMax)
	case limits.DayCount > 0 && count >= int(limits.DayCount):
		return refuse(transaction.ReasonDayCount, money.Fen(count), money.Fen(limits.DayCount))
	case limits.DayAmount > 0 && spent+l.Amount > limits.DayAmount:
		return refuse(transaction.ReasonDayAmount, spent, l.Amount, limits.DayAmount)
	case r.PINValue != 0:
		if v = h.pin(r, card); v.reason != transaction.ReasonNone {
			return v
		}
	case limits.PINSingle > 0 && l.Amount > limits.PINSingle:
		return refuse(transaction.ReasonPINNeededSingle, l.Amount, limits.PINSingle)
	case limits.PINDay > 0 && spent+l.Amount > limits.PINDay:
		return refuse(transaction.ReasonPINNeededDay, spent, l.Amount, limits.PINDay)
	}
	left := k.plan(l, r, h)
	if left > 0 {
		short := refuse(transaction.ReasonFunds, l.Amount-left, l.Amount)
		short.verified = v.verified
		return short
	}
	for _, part := range k.parts {
		if part.Account == h.main {
			v.main -= part.Amount
		} else {
			v.subsidy -= part.Amount
		}
	}
	return v
}

func (k *reckoning) load(l *transaction.Line, r *transaction.Request, h *holderBook, card *cardBook) ruling {
	limits := h.loadLimits()
	loaded, coming := h.loadedOn(localDay(l.Time))
	main, _ := k.available(h)
	switch has := main + coming; {
	case h.account == 0:
		return refuse(transaction.ReasonNoBankAccount)
	case l.Amount == 0:
		return refuse(transaction.ReasonAmountZero)
	case limits.LoadSingle > 0 && l.Amount > limits.LoadSingle:
		return refuse(transaction.ReasonLoadSingle, l.Amount, limits.LoadSingle)
	case limits.LoadDay > 0 && loaded+l.Amount > limits.LoadDay:
		return refuse(transaction.ReasonLoadDay, loaded, l.Amount, limits.LoadDay)
	case limits.PurseCap > 0 && has+l.Amount > limits.PurseCap:
		return refuse(transaction.ReasonPurseCap, has, l.Amount, limits.PurseCap)
	case r.PINValue == 0:
		return refuse(transaction.ReasonPINNeededLoad)
	}
	return h.pin(r, card)
}

func (k *reckoning) passage(l *transaction.Line, h *holderBook) ruling {
	member := false
	for _, g := range k.campus.directory.Doors[0].Grants {
		if h.row.Groups>>g.Group&1 == 0 {
			continue
		}
		now, today := localMinute(l.Time), localDay(l.Time)
		night := g.To < g.From
		if night && now < g.To {
			today-- // the night belongs to the day on which it began
		}
		weekday := (today + 3) % 7 // 1970-01-01 was a Thursday, and 0 is Monday
		hours := g.From == g.To || now >= g.From && now < g.To || night && (now >= g.From || now < g.To)
		if hours && g.Weekdays>>weekday&1 == 1 {
			return ruling{}
		}
		member = true
	}
	if member {
		return refuse(transaction.ReasonOutsideDoorTime)
	}
	return refuse(transaction.ReasonNoPermission)
}

// effects holds the entry's money and hold against what was decided, and enters the counters.
func (k *reckoning) effects(l *transaction.Line, e *ledger.Entry) {
	approved := l.Reason == transaction.ReasonNone
	if l.Card == 0 || !approved || l.Kind != transaction.KindPurchase && l.Kind != transaction.KindLoad {
		k.legs(e)
		k.noHold(e)
		if l.Card != 0 {
			k.tries(l)
			k.balance(l, e)
		}
		return
	}
	k.tries(l)
	holder := k.cards[l.Card-1].holder
	h := k.holders[holder]
	if l.Kind == transaction.KindPurchase {
		k.noHold(e)
		k.legs(e, append(k.parts, ledger.Leg{Account: k.payable[k.merchantOf(l.Terminal)], Amount: l.Amount})...)
		k.meal(h, localDay(l.Time), e.Legs)
		h.spent = append(h.spent, spending{entry: l.Sequence, day: localDay(l.Time), amount: l.Amount})
		k.balance(l, e)
		return
	}
	k.legs(e)
	if want := (ledger.HoldAction{Op: ledger.HoldOpen, From: transaction.AccountLoadInTransit, To: h.main, Amount: l.Amount}); e.Hold != want {
		k.find("I6", "load %d holds %+v and must hold %+v", l.Sequence, e.Hold, want)
	}
	b := &loadBook{id: l.Sequence, holder: holder, amount: l.Amount, day: localDay(l.Time), time: l.Time, card: k.numberOf(l), account: k.holders[holder].account, stage: loadSent}
	b.alone = l.Automatic
	k.loads[l.Sequence] = b
	h.loads = append(h.loads, b)
	k.unsettled++
	if !b.alone {
		k.asking++
	}
}

func (k *reckoning) noHold(e *ledger.Entry) {
	if e.Hold.Op != ledger.HoldNone {
		k.find("I6", "entry %d of kind %d touches a hold", k.sequence, e.Kind)
	}
}

func (k *reckoning) tries(l *transaction.Line) {
	holder := k.cards[l.Card-1].holder
	h := k.holders[holder]
	if l.Reason == transaction.ReasonPINWrong {
		h.tries++
	}
	if l.PINVerified {
		h.tries = 0
	}
	k.touched = append(k.touched, holder)
}

// balance: what an entry says the holder has is what he has after it.
func (k *reckoning) balance(l *transaction.Line, e *ledger.Entry) {
	says := l.Kind != transaction.KindPassage && l.Kind != transaction.KindLoad && (l.Reason == transaction.ReasonNone || l.Reason == transaction.ReasonFunds)
	if l.HasBalance != says {
		k.find("I3", "entry %d of kind %d (%s) says a balance: %t", l.Sequence, l.Kind, l.Reason, l.HasBalance)
	}
	if !l.HasBalance {
		return
	}
	if has := k.spendable(k.holders[k.cards[l.Card-1].holder], e); l.Balance != has {
		k.find("I3", "entry %d says the holder has %d, he has %d", l.Sequence, l.Balance, has)
	}
}
