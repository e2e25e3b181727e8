package money

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestParseAndPrint(t *testing.T) {
	for text, want := range map[string]Fen{
		"0": 0, "12": 1200, "12.5": 1250, "12.50": 1250, "-0.05": -5, "92233720368547758.07": math.MaxInt64, "00.10": 10,
	} {
		got, err := Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "-", ".", ".5", "5.", "1.234", "1,000", " 1", "1 ", "+1", "1e3", "--1", "1.-5", "92233720368547758.08", "１"} {
		_, err := Parse(text)
		require.Error(t, err, "%q must be refused", text)
	}
	require.Equal(t, "¥1,234,567.05", Fen(123456705).Yuan())
	require.Equal(t, "-¥0.05", Fen(-5).Yuan())
	require.Equal(t, "-92233720368547758.08", Fen(math.MinInt64).String())
}

func TestPrintedAmountReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Fen(rapid.Int64Range(-math.MaxInt64, math.MaxInt64).Draw(t, "fen"))
		got, err := Parse(a.String())
		if err != nil || got != a {
			t.Fatalf("%d printed as %s reads back as %d, %v", a, a, got, err)
		}
	})
}

func TestOverflowIsRefused(t *testing.T) {
	_, err := Max.Add(1)
	require.ErrorIs(t, err, ErrOverflow)
	_, err = Fen(math.MinInt64).Add(-1)
	require.ErrorIs(t, err, ErrOverflow)
	_, err = Fen(math.MinInt64).Sub(1)
	require.ErrorIs(t, err, ErrOverflow)
	_, err = Fen(0).Sub(math.MinInt64)
	require.ErrorIs(t, err, ErrOverflow)
	sum, err := Fen(5).Add(-7)
	require.NoError(t, err)
	require.Equal(t, Fen(-2), sum)
}
