package ledger

import "onecard/ledger/money"

// Balances freezes the accounts, to be added up by another goroutine while the owner goes on: what it costs him is one copy of each
// chunk of 512 accounts that he edits next.
func (b *Book) Balances() Frozen[Account] { return b.accounts.Freeze() }

// SumOf adds up frozen balances: zero, or the books are broken.
func SumOf(accounts Frozen[Account]) money.Fen {
	var sum money.Fen
	for i := uint32(1); i < accounts.Len(); i++ {
		sum += accounts.At(i).Balance
	}
	return sum
}
