package transaction

import (
	"onecard/ledger"
	"onecard/ledger/invariant"
	"onecard/ledger/money"
)

// decider holds what deciding one request needs, reused from request to request.
type decider struct {
	state   *State
	routes  [256]*Route
	entry   ledger.Entry
	record  record
	kase    Case // the request on the table; kept here because what is handed to a route escapes
	outcome Outcome
	card    *Card   // of the request; nil when the card is unknown
	holder  *Holder // of the card
	legs    [15]ledger.Leg
	payload []byte
	now     int64
	day     uint32 // date at the site; the business day is the state's
	minute  uint16
	dayEnds int64 // when the clock asks for the next business day
	diskLow bool  // the journal is short of space: new work is refused, reversals pass
}

// result says what became of a request.
type result uint8

const (
	resultEntry  result = iota // the entry is to be written; the decision waits for it
	resultAnswer               // nothing is written; the decision waits for what is being written
	resultLater                // nothing to say yet
)

// begin starts an entry.
func (d *decider) begin(kind Kind) {
	d.entry = ledger.Entry{Kind: kind, Time: d.now, Legs: d.legs[:0]}
	d.record = record{}
}

// original decides a purchase, balance enquiry, load or passage, in the order of handbook 3.1.
func (d *decider) original(r *Request, out *Decision) result {
	s := d.state
	if r.Terminal == 0 || uint32(r.Terminal) > s.terminals.Len() {
		return d.answer(out, ReasonNotSignedOn)
	}
	row, v := s.look(r.Terminal, r.Batch, r.Trace, false)
	if v == decided && row.phase != phaseTombstone && row.phase != phaseReversed && row.sameContents(r) {
		return d.again(row, out)
	}
	if d.diskLow {
		return d.answer(out, ReasonDiskLow)
	}
	if v != neverDecided && s.Terminal(r.Terminal).Suspended {
		return d.answer(out, ReasonTerminalSuspended) // the identity is another request's: nothing to record under it
	}
	d.begin(r.Kind)
	d.identify(r)
	s.rulesAt(d.now)
	d.judge(r, row, v)
	d.settle(r, &d.outcome)
	return d.write(r, out)
}

// identify copies the request's identity into the record and finds the card.
func (d *decider) identify(r *Request) {
	d.record.terminal, d.record.batch, d.record.trace = r.Terminal, r.Batch, r.Trace
	d.record.amount, d.record.purse, d.record.direction = r.Amount, r.Purse, r.Direction
	d.card, d.holder = nil, nil
	row := r.cardRow
	if row == 0 {
		i, ok := d.state.cardRow(r.Card)
		if !ok {
			d.record.number = r.Card
			return
		}
		row = i + 1
	}
	d.record.card = row
	d.card = d.state.cards.At(row - 1)
	d.holder = d.state.holders.At(d.card.Holder)
}

// judge leaves in outcome what is decided.
func (d *decider) judge(r *Request, row *answered, v verdict) {
	t, route := d.state.Terminal(r.Terminal), d.routes[r.Kind]
	if reason, number := d.admit(r, t, route, row, v); reason != ReasonNone {
		d.outcome = Outcome{Reason: reason, Numbers: Numbers{number}}
		return
	}
	h := d.holder
	k := &d.kase // field by field: the room for its purses need not be cleared
	k.Request, k.Terminal, k.Merchant, k.Card, k.Holder, k.Class = r, t, &d.state.merchants[t.Merchant], d.card, h, &d.state.classes[h.Class]
	k.Day, k.Minute, k.state, k.card = d.day, d.minute, d.state, d.record.card
	d.outcome = route.Decide(k)
}

// admit goes through the steps before the route's own; the first refusal wins.
func (d *decider) admit(r *Request, t *Terminal, route *Route, row *answered, v verdict) (Reason, money.Fen) {
	switch {
	case v == beyondWindow:
		return ReasonTraceTooOld, 0
	case v == decided && (row.phase == phaseTombstone || row.phase == phaseReversed && row.sameContents(r)):
		return ReasonReversedBefore, 0
	case v == decided:
		return ReasonDuplicateDiffers, 0
	case t.Suspended:
		return ReasonTerminalSuspended, 0
	case route == nil || !route.serves(t.Type):
		return ReasonKindNotAllowed, 0
	case d.card == nil:
		return ReasonCardUnknown, 0
	}
	if reason := d.cardReason(d.card); reason != ReasonNone {
		return reason, 0
	}
	h := d.holder
	switch {
	case h.State != HolderActive:
		return ReasonHolderState, 0
	case (r.Kind == KindPurchase || r.Kind == KindLoad) && d.state.book.Account(h.Main).State != ledger.AccountOpen:
		return ReasonAccountState, 0
	case h.Owes && r.Kind == KindPurchase:
		return ReasonDebt, d.state.Debt(h)
	case d.state.merchants[t.Merchant].Closed:
		return ReasonMerchantClosed, 0
	}
	return ReasonNone, 0
}

func (route *Route) serves(t TerminalType) bool {
	for _, served := range route.Terminals {
		if served == t {
			return true
		}
	}
	return false
}

func (d *decider) cardReason(c *Card) Reason {
	switch {
	case c.State == CardLost:
		return ReasonCardLost
	case c.State == CardFrozen:
		return ReasonCardFrozen
	case c.State == CardClosed:
		return ReasonCardClosed
	case c.Expiry != 0 && d.day > uint32(c.Expiry):
		return ReasonCardExpired
	}
	return ReasonNone
}

// settle turns an outcome into the record and the legs, and into a hold for a load.
func (d *decider) settle(r *Request, o *Outcome) {
	d.record.reason, d.record.code, d.record.pinVerified = o.Reason, o.Reason.Code(), o.PINVerified
	d.record.numbers = o.Numbers
	if r.Kind == KindPurchase {
		d.quote(r, o)
	}
	h := d.holder
	if h == nil {
		return
	}
	if o.Reason == ReasonNone {
		switch r.Kind {
		case KindPurchase:
			d.charge(h, o)
		case KindLoad:
			d.entry.Hold = ledger.HoldAction{Op: ledger.HoldOpen, From: AccountLoadInTransit, To: h.Main, Amount: r.Amount}
		}
	}
	if r.Kind != KindPassage && r.Kind != KindLoad && (o.Reason == ReasonNone || o.Reason == ReasonFunds) {
		d.record.hasBalance, d.record.balance = true, d.state.balanceAfter(h, d.day, d.entry.Legs)
	}
}

// charge takes the parts from the purses and gives their sum to the merchant.
func (d *decider) charge(h *Holder, o *Outcome) {
	left := d.record.amount
	for _, part := range o.Parts[:o.parts] {
		left -= part.Amount
		if part.Account == h.Main {
			d.record.main += part.Amount
		} else {
			d.record.subsidy += part.Amount
		}
		d.leg(part.Account, -part.Amount)
	}
	if left != 0 {
		invariant.Fail("parts of a purchase of %d that leave %d", d.record.amount, left)
	}
	d.pay(&d.state.merchants[d.state.Terminal(d.record.terminal).Merchant], &d.record.price, 1)
}

// leg adds a leg, unless nothing moves.
func (d *decider) leg(account ledger.AccountID, amount money.Fen) {
	if amount == 0 {
		return
	}
	d.entry.Legs = append(d.entry.Legs, ledger.Leg{Account: account, Amount: amount})
}

// write finishes the entry and the decision of a request that has a record.
func (d *decider) write(r *Request, out *Decision) result {
	d.payload = d.record.append(d.payload[:0], r.Kind)
	d.entry.Payload = d.payload
	rec := &d.record
	out.Code, out.Reason, out.Batch, out.Terminal = rec.code, rec.reason, rec.batch, rec.terminal
	out.HasBalance, out.Balance, out.Main, out.Subsidy, out.Numbers = rec.hasBalance, rec.balance, rec.main, rec.subsidy, rec.numbers
	if r.Kind == KindPurchase && rec.reason == ReasonNone {
		out.Price, out.Meal = rec.price.Price, rec.price.meal
	}
	return resultEntry
}

// answer makes a decision that writes nothing.
func (d *decider) answer(out *Decision, reason Reason, numbers ...money.Fen) result {
	out.Code, out.Reason = reason.Code(), reason
	copy(out.Numbers[:], numbers)
	return resultAnswer
}

// sameContents says whether a request asks for what the remembered one asked for.
func (a *answered) sameContents(r *Request) bool {
	return a.kind == r.Kind && a.amount == r.Amount && a.purse == r.Purse && a.direction == r.Direction && a.number == r.Card
}

// again gives the first answer once more.
func (d *decider) again(row *answered, out *Decision) result {
	if row.phase == phaseOpen {
		out.Sequence, out.Reason = row.sequence, ReasonInFlight
		return resultLater
	}
	*out = Decision{
		Origin: out.Origin, Kind: row.kind, Received: out.Received, Code: row.code, Reason: row.reason, Sequence: row.sequence, Time: row.time,
		Day: row.day, Terminal: out.Terminal, Batch: row.batch, Replayed: true, HasBalance: row.hasBalance, Balance: row.balance,
	}
	if row.reason == ReasonNone {
		out.Main, out.Subsidy = row.numbers[0], row.numbers[1]
		if row.kind == KindPurchase {
			price := row.price()
			out.Price, out.Meal = price.Price, price.meal
		}
	} else {
		out.Numbers = row.numbers
	}
	return resultAnswer
}
