package rules

import "onecard/ledger/money"

// Purse is one of a holder's purses that may pay for a swipe. Of one kind the caller lists those first that expire first.
type Purse struct {
	Number    uint32 // the caller's name for it
	Kind      PurseKind
	Available money.Fen
	Entitled  money.Fen // what it may give to this swipe, such as what is left of its amount per meal; negative: no bound
	Expiry    uint32    // last day the money can be used: the caller sorts by it
	WholeOnly bool      // with less than it is asked for it is left alone, whatever the order says
}

// Split takes payable from the purses in the debit order (handbook 3.4) and writes what each gives into parts, which has a place for every
// purse. usable is what they could give together: below payable the parts mean nothing.
//
// A subsidy gives what it has. Where partial subsidies are refused, one that has less than it is asked for, which is the rest of the amount
// or what it is entitled to give, is left alone.
func (o *Order) Split(payable money.Fen, purses []Purse, parts []money.Fen) (usable money.Fen) {
	clear(parts)
	rest := payable
	for _, kind := range o.Kinds {
		if kind == 0 {
			break
		}
		for i := range purses {
			p := &purses[i]
			if p.Kind != kind {
				continue
			}
			asked := rest
			if p.Entitled >= 0 {
				asked = min(asked, p.Entitled)
			}
			gives := min(asked, max(0, p.Available))
			if (o.RefusePartial && kind != MainPurse || p.WholeOnly) && gives < asked {
				continue
			}
			parts[i] = gives
			rest -= gives
			if kind == MainPurse { // what it could give beyond is what a refusal names
				usable += max(0, p.Available)
			} else {
				usable += gives
			}
		}
	}
	return usable
}

// Kept is what a desk keeps of a deposit and what of it can be used (handbook 3.3).
func (f LoadFee) Kept(deposit money.Fen) (fee, usable money.Fen) {
	fee = f.Deposit.Of(deposit)
	return fee, deposit - fee
}
