package simulation

import (
	"context"
	"fmt"
	"strconv"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// agreementBook is what a holder has signed with the bank.
type agreementBook struct {
	active               bool
	single, day, purse   money.Fen
	threshold, automatic money.Fen
	last                 uint32 // date of the last automatic load
}

// fillAgreement draws a field of an operation on an agreement: accounts few enough that two holders want the same one.
func (w *world) fillAgreement(op *transaction.Operation, name string) {
	fresh := func() string { return fmt.Sprint(6222_0000_0000_0000 + w.rng.IntN(12)) }
	limit := func() money.Fen { return []money.Fen{1_000, 5_000, 20_000, 60_000}[w.rng.IntN(4)] }
	switch name {
	case "account":
		op.Account = fresh()
		if i, ok := w.books.byNumber[op.Holder]; ok && w.rng.IntN(8) > 0 && w.books.holders[i].account != 0 {
			op.Account = strconv.FormatUint(w.books.holders[i].account, 10)
		}
	case "other_account":
		op.OtherAccount = fresh()
	case "identity":
		op.Identity = []transaction.IdentityCheck{transaction.IdentityIDCard, transaction.IdentityGuardian, "face"}[min(w.rng.IntN(30)/14, 2)]
	case "signed":
		op.Signed = localDay(w.clockNow()) - uint32(w.rng.IntN(3))
	case "single_limit":
		op.SingleLimit = limit()
	case "day_limit":
		op.DayLimit = limit()
	case "purse_limit":
		op.PurseLimit = limit()
	case "threshold":
		threshold := []money.Fen{0, 500, 2_000, 5_000, 5_000}[w.rng.IntN(5)]
		op.Threshold = &threshold
		if threshold > 0 {
			op.Amount = []money.Fen{300, 1_000}[w.rng.IntN(2)]
		}
	}
}

// agreement takes an agreement into the books: one account is one holder's, and nothing changes while money is on its way.
func (k *reckoning) agreement(l *transaction.OperationLine, h *holderBook) {
	b := &l.Bank
	if b.Before != h.account {
		k.find("I3", "agreement %d says that holder %d had account %d, he had %d", l.Sequence, l.Holder, b.Before, h.account)
	}
	if _, coming := h.loadedOn(0); coming > 0 && b.Account != b.Before && b.Before != 0 {
		k.find("I6", "agreement %d changes the account while %d is on its way from the bank", l.Sequence, coming)
	}
	if b.Account != b.Before && k.withdrawing(int(l.Holder)-1) > 0 {
		k.find("I6", "agreement %d changes the account while a withdrawal is on its way", l.Sequence)
	}
	if b.Account != 0 && b.Account != b.Before {
		for i, other := range k.holders {
			if other.account == b.Account {
				k.find("I3", "agreement %d gives holder %d the account of holder %d", l.Sequence, l.Holder, i+1)
			}
		}
	}
	if l.Kind == transaction.KindBankSigned && h.agreement.active || l.Kind == transaction.KindAutomaticLoad && !h.agreement.active {
		k.find("I3", "agreement %d of kind %d while signed is %t", l.Sequence, l.Kind, h.agreement.active)
	}
	h.account = b.Account
	h.agreement = agreementBook{l.Kind != transaction.KindBankUnsigned, b.Single, b.Day, b.Purse, b.Threshold, b.Automatic, h.agreement.last}
}

// loadLimits are the class's, and below them those that the holder has signed for.
func (h *holderBook) loadLimits() transaction.ClassRow {
	limits := *h.class
	if !h.agreement.active {
		return limits
	}
	for _, b := range []struct {
		into *money.Fen
		own  money.Fen
	}{{&limits.LoadSingle, h.agreement.single}, {&limits.LoadDay, h.agreement.day}, {&limits.PurseCap, h.agreement.purse}} {
		if b.own > 0 && (*b.into == 0 || b.own < *b.into) {
			*b.into = b.own
		}
	}
	return limits
}

// request judges an entry that a terminal asked for, or an automatic load, which nobody did.
func (k *reckoning) request(l *transaction.Line, e *ledger.Entry) {
	if l.Automatic {
		k.automatic(l, e)
		return
	}
	k.original(l, e)
	if l.Kind == transaction.KindPurchase && l.Card != 0 && (l.Reason == transaction.ReasonNone || l.Reason == transaction.ReasonFunds) {
		after := k.free(k.holders[k.cards[l.Card-1].holder].main) - l.Main
		if k.wants(int(l.Card), l.Time, after) {
			k.owed = int(l.Card)
		}
	}
}

// behindPurchase: where a load is due, it is the very next entry, and of that card.
func (k *reckoning) behindPurchase(l *transaction.Line) {
	if k.owed != 0 && (!l.Automatic || int(l.Card) != k.owed) {
		k.find("I3", "entry %d stands where an automatic load of card %d is due", l.Sequence, k.owed)
	}
	k.owed = 0
}

// wants says whether an automatic load is due for a card's holder (row + 1) who has so much in his main purse.
func (k *reckoning) wants(n int, at int64, has money.Fen) bool {
	card := &k.cards[n-1]
	h := k.holders[card.holder]
	a, limits, day := &h.agreement, h.loadLimits(), localDay(at)
	loaded, coming := h.loadedOn(day)
	within := func(limit, sum money.Fen) bool { return limit == 0 || sum <= limit }
	return a.active && a.automatic > 0 && a.last != day && has+coming < a.threshold &&
		card.state == transaction.CardActive && (card.row.ExpiryDay == 0 || day <= card.row.ExpiryDay) &&
		h.row.State == transaction.HolderActive && !h.left && k.states[h.main] == ledger.AccountOpen &&
		within(limits.LoadSingle, a.automatic) && within(limits.LoadDay, loaded+a.automatic) && within(limits.PurseCap, has+coming+a.automatic)
}

// automatic judges a load that no terminal asked for.
func (k *reckoning) automatic(l *transaction.Line, e *ledger.Entry) {
	if l.Kind != transaction.KindLoad || l.Terminal != 0 || l.Batch != 0 || l.Trace != 0 || l.Reason != transaction.ReasonNone || l.PINVerified || l.Card == 0 {
		k.find("I3", "entry %d is no automatic load: %+v", l.Sequence, *l)
		return
	}
	h := k.holders[k.cards[l.Card-1].holder]
	if l.Amount != h.agreement.automatic || !k.wants(int(l.Card), l.Time, k.free(h.main)) {
		k.find("I3", "entry %d loads %d automatically, which is not due: %+v", l.Sequence, l.Amount, h.agreement)
	}
	h.agreement.last = localDay(l.Time)
	k.effects(l, e)
}

// lookForLoads is what the house does in the night: it looks for whoever has not tapped.
func (w *world) lookForLoads() {
	now, from := w.clockNow(), uint32(w.rng.IntN(2)*w.rng.IntN(4))
	bound := 1 + w.rng.IntN(6)
	w.send(orderLoads, func(ctx context.Context) error {
		_, err := w.engine.LoadAutomatically(ctx, from, bound, now, nil)
		return err
	}, func(err error) {
		if err != nil {
			w.find("open", "automatic loads: %v", err)
		}
	})
}
