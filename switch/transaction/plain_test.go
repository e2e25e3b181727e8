package transaction

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/ledger/money"
	"onecard/switch/rules"
)

// TestPlainSale: what statements and totals read of a purchase is what the whole decoding reads; of a record that is cut off they read nothing.
func TestPlainSale(t *testing.T) {
	t.Parallel()
	understood := 0
	rapid.Check(t, func(t *rapid.T) {
		r := drawRecord(t)
		encoded := r.append(nil, KindPurchase)
		require.NoError(t, new(record).decode(encoded, KindPurchase))

		var s plainSale
		s.read(1, encoded)
		plain := r.card != 0 && r.price.set && r.reason == ReasonNone && r.code == r.reason.Code() && r.numbers == (Numbers{})
		require.Equal(t, plain, s.understood)
		if !plain {
			return
		}
		understood++
		require.Equal(t, plainSale{
			sequence: 1, understood: true, terminal: r.terminal, card: r.card, meal: r.price.meal, class: r.price.class, bySchool: r.price.How&rules.SchoolBears != 0,
			list: uint64(r.price.List), discount: uint64(r.price.Discount), fee: uint64(r.price.Fee),
		}, s)
		for cut := range encoded {
			s.read(1, encoded[:cut])
			require.False(t, s.understood, "%d of %d bytes", cut, len(encoded))
		}
		s.read(1, append(encoded, 0))
		require.False(t, s.understood, "a byte too many")
	})
	require.NotZero(t, understood)
}

func drawRecord(t *rapid.T) record {
	number := func(name string) uint64 {
		return rapid.Uint64Range(0, 1<<rapid.IntRange(0, 31).Draw(t, "bits")-1).Draw(t, name)
	}
	rarely := func(name string) bool { return rapid.IntRange(0, 9).Draw(t, name) == 7 }
	r := record{
		terminal: TerminalID(number("terminal")), batch: uint32(number("batch")), trace: uint32(number("trace")), card: uint32(number("card")), amount: money.Fen(number("amount")),
		purse: Purse(rapid.IntRange(0, 2).Draw(t, "purse")), hasBalance: rapid.Bool().Draw(t, "has balance"), pinVerified: rapid.Bool().Draw(t, "pin"),
	}
	if r.hasBalance {
		r.balance = money.Fen(number("balance")) - 5000
	}
	if rapid.Bool().Draw(t, "parts") {
		r.main, r.subsidy = money.Fen(number("main")), money.Fen(number("subsidy"))
	}
	if rarely("refused") {
		r.reason = Reason(rapid.IntRange(1, int(reasonCount)-1).Draw(t, "reason"))
		r.numbers[0] = money.Fen(number("limit"))
	}
	if r.code = r.reason.Code(); rarely("bank's code") {
		r.code = ResponseCode{'Z', '9'}
	}
	if !rarely("without price") {
		r.price = priced{
			set: true, class: uint8(rapid.IntRange(0, 255).Draw(t, "class")), meal: uint8(rapid.IntRange(0, 255).Draw(t, "meal")), version: uint32(number("version")),
			Price: rules.Price{List: money.Fen(number("list")), Discount: money.Fen(number("discount")), Fee: money.Fen(number("fee")), How: rules.How(rapid.IntRange(0, 15).Draw(t, "how"))},
		}
	}
	return r
}
