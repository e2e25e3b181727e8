package ledger

import "onecard/ledger/money"

// adding is a sum of all balances in the making. The accounts below upTo are in it, and what is posted to them meanwhile is added too: so what comes out at
// the end is the sum at one moment, though a hundred million accounts were never looked at in one, and none was copied.
type adding struct {
	upTo uint32
	sum  money.Fen
}

func (a *adding) post(leg *Leg) {
	if uint32(leg.Account) < a.upTo {
		a.sum += leg.Amount
	}
}

// AddUp adds the balances of so many accounts more. At the last it says what all of them hold, which is zero or the books are broken, and starts again.
// The sum is computed from the accounts, not remembered.
func (b *Book) AddUp(accounts uint32) (sum money.Fen, whole bool) {
	a := &b.adding
	end := min(b.accounts.Len(), a.upTo+accounts)
	for ; a.upTo < end; a.upTo++ {
		a.sum += b.accounts.At(a.upTo).Balance
	}
	if whole = end == b.accounts.Len(); whole {
		sum, *a = a.sum, adding{}
	}
	return sum, whole
}

// Taking is how many moments of the accounts are being taken, or were not ended.
func (b *Book) Taking() int { return len(b.accounts.streams) }

// Balances shares the accounts as they are now.
func (b *Book) Balances(how *Sharing) *Moment[Account] { return b.accounts.Share(how) }
