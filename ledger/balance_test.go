package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/ledger/money"
)

// TestAddUp: what all accounts hold is added up a few at a time while entries are posted to those that are in the sum, those that are not yet, and new ones.
// It is zero; and when a balance has changed by itself, it is by how much.
func TestAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := NewBook()
		open := func(n int) {
			b.Apply(b.Sequence()+1, &Entry{Opens: make([]Opening, n)})
		}
		open(rapid.IntRange(2, 40).Draw(t, "accounts"))
		var amiss money.Fen
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				open(1)
			case 1:
				if b.adding.upTo == 0 { // a change by itself is seen by the next sum that begins
					by := money.Fen(rapid.IntRange(-3, 3).Draw(t, "amiss"))
					b.accounts.Edit(1).Balance += by
					amiss += by
				}
			case 2, 3, 4:
				if sum, whole := b.AddUp(uint32(rapid.IntRange(1, 8).Draw(t, "added up"))); whole {
					require.Equal(t, amiss, sum)
				}
			default:
				from := rapid.IntRange(1, int(b.Accounts())).Draw(t, "from")
				to := from%int(b.Accounts()) + 1
				amount := money.Fen(rapid.IntRange(1, 1000).Draw(t, "amount"))
				b.Apply(b.Sequence()+1, &Entry{Legs: []Leg{{AccountID(from), -amount}, {AccountID(to), amount}}})
			}
		}
		for {
			if sum, whole := b.AddUp(3); whole {
				require.Equal(t, amiss, sum)
				return
			}
		}
	})
}
