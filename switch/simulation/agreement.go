package simulation

import (
	"fmt"
	"strconv"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// agreementBook is what a holder has signed with the bank.
type agreementBook struct {
	active               bool
	single, day, purse   money.Fen
	threshold, automatic money.Fen
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
		threshold := []money.Fen{0, 500, 2_000}[w.rng.IntN(3)]
		op.Threshold = &threshold
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
	h.agreement = agreementBook{l.Kind != transaction.KindBankUnsigned, b.Single, b.Day, b.Purse, b.Threshold, b.Automatic}
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
