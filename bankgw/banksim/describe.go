package banksim

import (
	"fmt"
	"strings"

	"onecard/switch/iso8583"
)

const (
	fieldMAC    = 128
	shownInTail = 4
	shownInHead = 6
)

// masked are the fields that hold account or card numbers: the first six and the last four digits are shown.
var masked = map[int]bool{2: true, 102: true, 103: true}

// secret are the fields that are not shown at all (wire handbook 1.5).
var secret = map[int]bool{48: true, 52: true, 61: true, 96: true}

// Describe prints a message on one line, masked, without its MAC.
func Describe(m *iso8583.BankMessage) string {
	var b strings.Builder
	b.WriteString(m.MTI())
	for n := 2; n < fieldMAC; n++ {
		if !m.Has(n) {
			continue
		}
		value := m.String(n)
		switch {
		case secret[n]:
			value = "****"
		case masked[n]:
			value = mask(value)
		}
		fmt.Fprintf(&b, " %d=%s", n, value)
	}
	return b.String()
}

func mask(digits string) string {
	if len(digits) <= shownInHead+shownInTail {
		return "****"
	}
	return digits[:shownInHead] + strings.Repeat("*", len(digits)-shownInHead-shownInTail) + digits[len(digits)-shownInTail:]
}
