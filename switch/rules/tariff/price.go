package tariff

import (
	"fmt"
	"strings"

	"onecard/ledger/money"
)

// Millifen is a thousandth of a fen: a price of 0.025 yuan a litre is 2,500.
type Millifen int64

const millifenPerFen = 1000

// ParsePrice reads a price in yuan with at most five decimals: "0.6259". A price is never rounded on its way in.
func ParsePrice(s string) (Millifen, error) {
	wrong := func() (Millifen, error) {
		return 0, fmt.Errorf("%q 不是单价,写元,至多五位小数,如 \"0.6259\" / %[1]q is no price: write yuan with at most five decimals, as \"0.6259\"", s)
	}
	whole, fraction, _ := strings.Cut(s, ".")
	if len(fraction) > 5 {
		return wrong()
	}
	cents := fraction + "00000"[len(fraction):]
	yuan, err := money.Parse(whole + "." + cents[:2])
	if err != nil || yuan < 0 || yuan > 1_000_000_00 || strings.HasPrefix(s, "-") {
		return wrong()
	}
	rest := Millifen(0)
	for _, digit := range cents[2:] {
		if digit < '0' || digit > '9' {
			return wrong()
		}
		rest = rest*10 + Millifen(digit-'0')
	}
	return Millifen(yuan)*millifenPerFen + rest, nil
}

// String prints yuan with two to five decimals: "0.25", "0.6259".
func (m Millifen) String() string {
	s := fmt.Sprintf("%d.%05d", m/100_000, m%100_000)
	for range 3 {
		s = strings.TrimSuffix(s, "0")
	}
	return s
}

// Rounding is how an exact sum becomes fen, once, at close.
type Rounding uint8

const (
	HalfUp Rounding = iota
	Up
	Down
)

// fen rounds numerator/denominator, in thousandths of a fen, to the fen.
func (r Rounding) fen(numerator, denominator uint64) money.Fen {
	denominator *= millifenPerFen
	whole, rest := numerator/denominator, numerator%denominator
	if r == Up && rest > 0 || r == HalfUp && 2*rest >= denominator {
		whole++
	}
	return money.Fen(whole)
}
