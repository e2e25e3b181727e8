// Package money counts in fen, the smallest unit of the yuan, as whole numbers.
//
// The one idea: money is an integer with checked arithmetic, and only the ends of the system (a page, a CSV file, a receipt) ever
// see yuan. There is no float, no implicit rounding and no currency conversion here.
package money

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Fen is an amount of money in fen (1/100 yuan). Negative amounts are debits where a sign is meaningful.
type Fen int64

// Max is the largest amount: about 92 thousand million million yuan.
const Max Fen = math.MaxInt64

// ErrOverflow says that a sum or a parsed amount does not fit.
var ErrOverflow = errors.New("amount does not fit in 64 bits of fen")

// Add returns a+b, or ErrOverflow.
func (a Fen) Add(b Fen) (Fen, error) {
	c := a + b
	if (c > a) != (b > 0) && b != 0 {
		return 0, ErrOverflow
	}
	return c, nil
}

// Sub returns a-b, or ErrOverflow.
func (a Fen) Sub(b Fen) (Fen, error) {
	c := a - b
	if (c < a) != (b > 0) && b != 0 {
		return 0, ErrOverflow
	}
	return c, nil
}

// String prints yuan with two decimals and no separators: "-12.05".
func (a Fen) String() string {
	sign, u := "", uint64(a)
	if a < 0 {
		sign, u = "-", -u
	}
	return fmt.Sprintf("%s%d.%02d", sign, u/100, u%100)
}

// Yuan prints for people: "¥1,234.50".
func (a Fen) Yuan() string {
	s := a.String()
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	whole, cents := s[:len(s)-3], s[len(s)-3:]
	var b strings.Builder
	for i, r := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	return sign + "¥" + b.String() + cents
}

// Parse reads yuan such as "12", "12.5", "12.50", "-0.05". It refuses more than two decimals, spaces, signs inside and anything
// that does not fit: money is never rounded on its way in.
func Parse(s string) (Fen, error) {
	digits, negative := strings.CutPrefix(s, "-")
	whole, cents, point := strings.Cut(digits, ".")
	if whole == "" || point && (cents == "" || len(cents) > 2) {
		return 0, fmt.Errorf("amount %q: write yuan with at most two decimals, such as 12.50", s)
	}
	cents += "00"[len(cents):]
	var total uint64
	for _, r := range whole + cents {
		if r < '0' || r > '9' {
			return 0, fmt.Errorf("amount %q: write yuan with at most two decimals, such as 12.50", s)
		}
		if total > (math.MaxInt64-uint64(r-'0'))/10 {
			return 0, fmt.Errorf("amount %q: %w", s, ErrOverflow)
		}
		total = total*10 + uint64(r-'0')
	}
	if negative {
		return -Fen(total), nil
	}
	return Fen(total), nil
}
