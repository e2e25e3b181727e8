package bankgw

import (
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger/money"
)

// TestReadBalance: wire handbook 3.2, DE 54: account type 2, amount type 2, currency 3, C or D, 12 of fen, up to six times.
func TestReadBalance(t *testing.T) {
	for text, want := range map[string]money.Fen{
		"1002156C000000012345":                     12_345, // the handbook's own
		"1001156C000000012345":                     12_345, // what is in it, when nothing says what is available
		"1001156C0000000999991002156C000000012345": 12_345,
		"1002156C0000000123451001156C000000099999": 12_345,
		"1002156D000000000100":                     -100,
		"1002840C0000000555551002156C000000000001": 1,
		"1002156C999999999999":                     999_999_999_999,
		"1002156C000000012345 ":                    12_345,
	} {
		got, ok := readBalance(text)
		require.True(t, ok, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "1002156C00000001234", "1002840C000000012345", "1003156C000000012345", "1002156X000000012345", "1002156C00000001234A", "1002156C-00000012345"} {
		_, ok := readBalance(text)
		require.False(t, ok, text)
	}
}
