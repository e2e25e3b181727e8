package transaction

import (
	"context"

	"onecard/ledger"
	"onecard/ledger/money"
)

// Automatic loads (自动圈存, handbook 2.7, 3.8): where a holder has signed for it and has less than his threshold, the switch asks the bank
// without him, at most once on a date.
//
// It is a load as any other: pending on disk before the bank hears of it, credited on the bank's evidence alone, reversed until answered. It has
// no terminal, batch and trace, and so no row in the duplicate table: nobody asks for it twice, nobody waits for its answer, nobody reverses it.
// What makes it happen once is the date in the holder's agreement, which the entry itself moves: whatever crashes between, either the entry is
// there and the date too, or neither. The date moves when the bank is asked, not when it pays: an account without money is asked once a day.
//
// At a tap the load stands behind the purchase, in the same block. The purchase is answered as if there were none: it is not held up, and a
// refusal for want of funds stays one. In the night whoever has not tapped is looked for, card after card.

// automaticTerminal and automaticMerchant are DE 41 and 42 of automatic loads.
var (
	automaticTerminal = TerminalCode{'A', 'U', 'T', 'O', 'L', 'O', 'A', 'D'}
	automaticMerchant = MerchantCode{'0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0'}
)

// automatic puts a load on the table for a card's holder (row + 1), if one is due; the entry is then to be written.
func (d *decider) automatic(card uint32) bool {
	s := d.state
	c := s.cards.At(card - 1)
	a := s.signed(c.Holder)
	if a == nil || a.Automatic == 0 || a.LastAutomatic == d.day || d.diskLow || d.cardReason(c) != ReasonNone {
		return false
	}
	h, route := s.holders.At(c.Holder), d.routes[KindLoad]
	main := s.book.Account(h.Main)
	if route == nil || route.Automatic == nil || h.State != HolderActive || main.State != ledger.AccountOpen || main.Available()+money.Fen(h.Loading) >= money.Fen(a.Threshold) {
		return false
	}
	request := Request{Kind: KindLoad, Card: c.Number, Amount: money.Fen(a.Automatic)}
	s.rulesAt(d.now)
	k := Case{Request: &request, Card: c, card: card, Holder: h, Class: &s.classes[h.Class], Day: d.day, Minute: d.minute, state: s}
	if outcome := route.Automatic(&k); outcome.Reason != ReasonNone {
		return false
	}
	d.begin(KindLoad)
	d.record.automatic, d.record.card, d.record.amount = true, card, request.Amount
	d.entry.Hold = ledger.HoldAction{Op: ledger.HoldOpen, From: AccountLoadInTransit, To: h.Main, Amount: request.Amount}
	d.payload = d.record.append(d.payload[:0], KindLoad)
	d.entry.Payload = d.payload
	return true
}

// afterPurchase asks the bank for money behind a purchase that left little, or that there was too little for.
func (e *Engine) afterPurchase(out *Decision) {
	d := &e.decider
	if e.state.agreements.rows.Len() == 0 || out.Reason != ReasonNone && out.Reason != ReasonFunds || d.record.card == 0 {
		return
	}
	if d.automatic(d.record.card) {
		e.orderAutomatic()
	}
}

// orderAutomatic writes the load on the table; the bank is asked when it is durable. REQUIRES: a group has begun.
func (e *Engine) orderAutomatic() {
	sequence := e.add(&e.decider.entry)
	e.open.orders = append(e.open.orders, bankOrder{order: e.state.loads[sequence].order})
	e.loadState("sent")
}

// applyAutomatic does what an automatic load's entry says.
func (s *State) applyAutomatic(sequence uint64, day uint32, e *ledger.Entry, r *record) {
	today := s.calendarDay(e.Time)
	holder := s.cards.At(r.card - 1).Holder
	s.applyHolder(holder, today, e.Kind, r)
	s.agreements.rows.Edit(s.agreements.of[holder]).LastAutomatic = today
	s.openLoad(sequence, day, e.Time, s.holders.At(holder).BankAccount, r)
}

// automaticLooks is how many cards one call of LoadAutomatically looks at before others have their turn.
const automaticLooks = 8192

// LoadAutomatically looks through the cards from one on for holders with less than their threshold and asks the bank for each, durably, while
// fewer than inFlight loads of any kind are open: those that wait to be reversed count too, so that a bank that answers nothing is soon asked
// nothing. It may be begun again from the start at any time: whoever has had his load of the date is passed over.
//
// reachable says of which accounts the bank can be asked now; nil: of all. Whoever is due and whose bank cannot be asked is counted and left alone,
// so that he still has his load of the date when it can.
func (e *Engine) LoadAutomatically(ctx context.Context, from uint32, inFlight int, now int64, reachable func(account uint64) bool) (looked LookedForLoads, err error) {
	err = e.command(ctx, func() error {
		var err error
		looked, err = e.loadAutomatically(from, inFlight, now, reachable)
		return err
	})
	return looked, err
}

// LookedForLoads says how far a call of LoadAutomatically came.
type LookedForLoads struct {
	Next  uint32 // where to go on
	Asked int    // loads
	Left  int    // holders who are due, and whose bank cannot be asked
	Full  bool   // as many loads are open as may be: wait for the bank
	Done  bool   // every card has been looked at
}

func (e *Engine) loadAutomatically(from uint32, inFlight int, now int64, reachable func(account uint64) bool) (looked LookedForLoads, err error) {
	if err := e.setClock(now); err != nil {
		return LookedForLoads{Next: from}, err
	}
	if e.state.agreements.rows.Len() == 0 {
		return LookedForLoads{Done: true}, nil
	}
	next, asked, left := from, 0, 0
	last := min(e.state.cards.Len(), from+automaticLooks)
	for ; next < last && len(e.state.loads) < inFlight; next++ {
		if !e.decider.automatic(next + 1) {
			continue
		}
		if reachable != nil && !reachable(e.state.holders.At(e.state.cards.At(next).Holder).BankAccount) {
			left++
			continue
		}
		if !e.open.begun {
			e.beginGroup(e.state.business.day)
		}
		e.orderAutomatic()
		asked++
	}
	return LookedForLoads{Next: next, Asked: asked, Left: left, Full: next < last, Done: next >= e.state.cards.Len()}, nil
}
