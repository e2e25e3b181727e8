package ledger

import (
	"cmp"
	"slices"

	"onecard/ledger/invariant"
	"onecard/ledger/money"
)

// ControlTotal is the control account (总账科目) of one code in one account set: what all its accounts hold together, kept from leg to leg, so
// that the owner can say it at any moment without going through the accounts.
type ControlTotal struct {
	Set      AccountSet
	Code     AccountCode
	Accounts uint32 // ever opened
	Balance  money.Fen
}

// maxControls bounds the pairs of set and code: the chart has some twenty codes.
const maxControls = 1 << 12

// control finds the control account of a set and code, and makes it when it is the first.
func (b *Book) control(set AccountSet, code AccountCode) uint16 {
	for i := range b.controls {
		if b.controls[i].Code == code && b.controls[i].Set == set {
			return uint16(i)
		}
	}
	if len(b.controls) == maxControls {
		invariant.Fail("more than %d codes of accounts", maxControls)
	}
	b.controls = append(b.controls, ControlTotal{Set: set, Code: code})
	return uint16(len(b.controls) - 1)
}

// restoreControls adds the control accounts up from accounts that came out of a checkpoint.
func (b *Book) restoreControls() {
	for i := uint32(1); i < b.accounts.Len(); i++ {
		a := b.accounts.Edit(i)
		a.control = b.control(a.Set, a.Code)
		b.controls[a.control].Accounts++
		b.controls[a.control].Balance += a.Balance
	}
}

// openAccount adds a row to the book.
func (b *Book) openAccount(a Account) {
	a.control = b.control(a.Set, a.Code)
	b.controls[a.control].Accounts++
	b.controls[a.control].Balance += a.Balance
	b.accounts.Append(a)
}

// ControlTotals returns the control accounts, by set and code.
func (b *Book) ControlTotals() []ControlTotal {
	totals := slices.Clone(b.controls)
	slices.SortFunc(totals, func(x, y ControlTotal) int {
		return cmp.Or(cmp.Compare(x.Set, y.Set), cmp.Compare(x.Code, y.Code))
	})
	return totals
}
