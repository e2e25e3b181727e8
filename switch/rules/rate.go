package rules

import (
	"fmt"
	"strings"

	"onecard/ledger/money"
)

// Rate is a share in hundredths of a percent: 1,200 is 12 %.
type Rate uint32

// Whole is 100 %.
const Whole Rate = 10_000

// Of takes the rate of an amount, rounded half up to the fen. REQUIRES: 0 <= amount <= MaxList.
func (r Rate) Of(amount money.Fen) money.Fen {
	return (amount*money.Fen(r) + money.Fen(Whole)/2) / money.Fen(Whole)
}

// String prints "12 %" or "12.55 %".
func (r Rate) String() string {
	s := fmt.Sprintf("%d.%02d", r/100, r%100)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + " %"
}

// ParseRate reads "12 %", "12%" or "12.55 %". It refuses more than two decimals: a rate is never rounded on its way in.
func ParseRate(s string) (Rate, error) {
	number, ok := strings.CutSuffix(strings.TrimSpace(s), "%")
	hundredths, err := money.Parse(strings.TrimSpace(number))
	if !ok || err != nil || hundredths < 0 || hundredths > 1_000_000 {
		return 0, fmt.Errorf("%q 不是百分比,写法如 \"12 %%\" 或 \"12.55 %%\" / %[1]q is no percentage: write \"12 %%\" or \"12.55 %%\"", s)
	}
	return Rate(hundredths), nil
}
