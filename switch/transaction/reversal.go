package transaction

import (
	"onecard/ledger"
	"onecard/ledger/money"
)

// reversal decides a 0400 (wire handbook 3.6). It never asks whether the terminal is suspended, the card is lost or the disk is low:
// giving money back must always work. An unknown original is approved and leaves a tombstone that refuses it when it comes.
func (d *decider) reversal(r *Request, out *Decision) (result, *LoadOrder) {
	s := d.state
	if r.Terminal == 0 || uint32(r.Terminal) > s.terminals.Len() {
		return d.answer(out, ReasonNotSignedOn), nil
	}
	earlier, v := s.look(r.Terminal, r.Batch, r.Trace, true)
	if v == decided && earlier.amount == r.Amount && earlier.number == r.Card {
		return d.again(earlier, out), nil
	}
	d.begin(KindReversal)
	d.identify(r)
	var order *LoadOrder
	switch v {
	case decided:
		d.refuse(ReasonDuplicateDiffers)
	case beyondWindow:
		d.refuse(ReasonOriginalTooOld)
	default:
		if order = d.reverse(r); len(d.entry.Legs) > 0 && s.book.Check(&d.entry) != ledger.Accepted {
			order = d.unfit()
		}
	}
	return d.write(r, out), order
}

// unfit refuses a reversal whose money cannot be moved any more: the holder's account has been closed meanwhile, or frozen with the load in it.
func (d *decider) unfit() *LoadOrder {
	d.entry.Legs = d.entry.Legs[:0]
	d.record.main, d.record.subsidy, d.record.hasBalance, d.record.balance = 0, 0, false, 0
	d.refuse(ReasonAccountState)
	return nil
}

func (d *decider) refuse(reason Reason, numbers ...money.Fen) {
	d.record.reason, d.record.code = reason, reason.Code()
	copy(d.record.numbers[:], numbers)
}

// reverse finds the original and says what becomes of it.
func (d *decider) reverse(r *Request) *LoadOrder {
	original, v := d.state.look(r.Terminal, r.Batch, r.Trace, false)
	switch {
	case v == beyondWindow:
		d.refuse(ReasonOriginalTooOld)
		return nil
	case v == neverDecided:
		d.refuse(ReasonOriginalUnknown)
		return nil
	}
	d.record.original = original.sequence
	switch {
	case original.number != r.Card:
		d.refuse(ReasonOriginalCard)
	case original.amount != r.Amount:
		d.refuse(ReasonOriginalAmount, r.Amount, original.amount)
	case original.phase == phaseTombstone || original.phase == phaseReversed:
		d.refuse(ReasonAlreadyReversed)
	case original.reason != ReasonNone:
		d.refuse(ReasonOriginalRefused)
	case original.kind == KindPurchase && d.state.refunds.sum(original.sequence) > 0:
		d.refuse(ReasonRefundedAtDesk, d.state.refunds.sum(original.sequence))
	case original.kind == KindPurchase:
		d.refund(original)
	case original.kind == KindLoad:
		return d.reverseLoad(original)
	default:
		d.refuse(ReasonOriginalRefused) // a balance enquiry or a passage moved nothing
	}
	return nil
}

// refund gives a purchase back to the legs it came from.
func (d *decider) refund(original *answered) {
	s := d.state
	h := s.holders.At(s.cards.At(original.card - 1).Holder)
	main, subsidy := original.numbers[0], original.numbers[1]
	price := original.price()
	if legs, split := s.splits[s.rowOf(d.record.terminal, d.record.trace, false)]; split {
		for _, l := range legs {
			d.leg(s.returnsTo(h, l.Account, d.day), -l.Amount)
		}
	} else {
		d.pay(&s.merchants[s.Terminal(d.record.terminal).Merchant], &price, -1)
		d.leg(h.Main, main)
		d.leg(h.Subsidy, subsidy)
	}
	d.refuse(ReasonNone)
	d.record.price, d.record.amount = price, price.Payable()
	d.record.main, d.record.subsidy = main, subsidy
	d.record.hasBalance, d.record.balance = true, s.balanceAfter(h, d.day, d.entry.Legs)
}

// reverseLoad takes a load back. One that still waits for the bank is cancelled and reversed there; one that was credited is taken out of
// the purse first, if it is still in it.
func (d *decider) reverseLoad(original *answered) *LoadOrder {
	s := d.state
	if open, ok := s.loads[original.sequence]; ok {
		d.refuse(ReasonNone)
		return &open.order
	}
	c := s.cards.At(original.card - 1)
	h := s.holders.At(c.Holder)
	if s.book.Account(h.Main).Available() < original.amount {
		d.refuse(ReasonOriginalNotRefunded)
		return nil
	}
	d.leg(h.Main, -original.amount)
	d.leg(AccountLoadInTransit, original.amount)
	d.refuse(ReasonNone)
	d.record.main = original.amount
	d.record.hasBalance, d.record.balance = true, s.balanceAfter(h, d.day, d.entry.Legs)
	t := s.Terminal(d.record.terminal)
	return &LoadOrder{
		Load: original.sequence, Time: original.asked, Day: original.day, Amount: original.amount, Card: c.Number, BankAccount: s.askedFrom(original),
		TerminalCode: t.Code, MerchantCode: s.merchants[t.Merchant].Code,
	}
}

// loadOutcome decides what the bank's evidence does to a load (wire handbook 4.2). Credit only on positive evidence that came in time;
// never both credit and reverse.
func (d *decider) loadOutcome(r *Request, out *Decision) (result, *LoadOrder) {
	open, ok := d.state.loads[r.Load]
	kind := r.Kind
	switch {
	case kind == KindLoadLate:
	case kind == KindLoadManual && (!ok || open.state != loadReversing && open.state != loadReturning):
		return resultLater, nil // settled meanwhile, or said before
	case kind == KindLoadManual:
	case !ok || kind != KindLoadReversed && open.state != loadSent:
		if kind == KindLoadUnknown || kind == KindLoadReversed || !ok {
			return resultLater, nil // said before
		}
		kind = KindLoadLate // approved or declined after its reversal was on disk: reported, never credited
	case kind == KindLoadReversed && open.state == loadSent:
		return resultLater, nil // no reversal was asked for
	}
	d.begin(kind)
	rec := loadRecord{load: r.Load, code: r.BankCode, bank: r.BankTrace, bankDay: r.BankDay}
	out.Kind, out.Sequence, out.Reason = KindLoad, r.Load, ReasonNone
	switch kind {
	case KindLoadConfirmed:
		d.credit(&open, &rec, out)
	case KindLoadDeclined:
		d.entry.Hold = ledger.HoldAction{Op: ledger.HoldVoid, ID: r.Load}
		if rec.code == Approved || rec.code == (ResponseCode{}) { // a refusal that says nothing, or the opposite, must not be heard as approved
			rec.code = BankCannotOperate
		}
		out.Reason = declinedReason(rec.code)
	case KindLoadUnknown:
		rec.code, out.Reason = BankTimeout, ReasonBankTimeout
	case KindLoadReversed:
		if open.held() {
			d.entry.Hold = ledger.HoldAction{Op: ledger.HoldVoid, ID: r.Load}
		}
	}
	out.Code, out.Terminal, out.Batch, out.Time = rec.code, open.terminal, open.batch, d.now
	out.Day = open.order.Day
	d.payload = rec.append(d.payload[:0])
	d.entry.Payload = d.payload
	if kind == KindLoadUnknown {
		return resultEntry, &open.order
	}
	return resultEntry, nil
}

func (d *decider) credit(open *load, rec *loadRecord, out *Decision) {
	h := d.state.holders.At(open.holder)
	d.leg(AccountLoadInTransit, -open.order.Amount)
	d.leg(h.Main, open.order.Amount)
	d.entry.Hold = ledger.HoldAction{Op: ledger.HoldPost, ID: open.order.Load}
	rec.code = Approved
	rec.balance = d.state.balanceAfter(h, d.day, d.entry.Legs)
	out.HasBalance, out.Balance, out.Main = true, rec.balance, open.order.Amount
}
