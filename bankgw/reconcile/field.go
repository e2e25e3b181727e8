package reconcile

import (
	"fmt"

	"onecard/ledger/money"
)

// decimal reads digits and nothing else; ok is false for none at all, for more than 19, and for any other byte.
func decimal(text []byte) (n uint64, ok bool) {
	if len(text) == 0 || len(text) > 19 {
		return 0, false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// number reads a number of at most so many digits, from least to most.
func (r *reading) number(at field, text []byte, digits int, least, most uint64) uint64 {
	n, ok := decimal(text)
	switch {
	case !ok || len(text) > digits:
		r.faults.addValue(r.line, at, text, fmt.Sprintf("为 1 至 %d 位数字", digits), fmt.Sprintf("be 1 to %d digits", digits))
		return 0
	case n < least || n > most:
		r.faults.addValue(r.line, at, text, fmt.Sprintf("在 %d 与 %d 之间", least, most), fmt.Sprintf("be from %d to %d", least, most))
		return 0
	}
	return n
}

func (r *reading) amount(text []byte, digits int) money.Fen {
	return money.Fen(r.number(fieldAmount, text, digits, 1, uint64(AmountMax)))
}

// date reads YYYYMMDD.
func (r *reading) date(at field, text []byte) Day {
	n, ok := decimal(text)
	if ok && len(text) == 8 {
		if day, real := dayOf(int(n/10000), int(n/100%100), int(n%100)); real {
			return day
		}
	}
	r.faults.addValue(r.line, at, text, "为日期 YYYYMMDD", "be a date YYYYMMDD")
	return 0
}

// moment reads YYYYMMDD and hhmmss, which stand side by side in both formats.
func (r *reading) moment(text []byte) Moment {
	const dateDigits = 8
	if len(text) != dateDigits+6 {
		r.faults.addValue(r.line, fieldTime, text, "为时间 YYYYMMDDhhmmss", "be a time YYYYMMDDhhmmss")
		return 0
	}
	day := r.date(fieldTime, text[:dateDigits])
	n, ok := decimal(text[dateDigits:])
	hour, minute, second := n/10000, n/100%100, n%100
	if !ok || hour > 23 || minute > 59 || second > 59 {
		r.faults.addValue(r.line, fieldTime, text, "为时间 YYYYMMDDhhmmss", "be a time YYYYMMDDhhmmss")
		return 0
	}
	return day.at(int64(hour*3600 + minute*60 + second))
}

func (r *reading) kind(text []byte) Kind {
	if len(text) == 2 && text[0] == '0' && text[1] >= '1' && text[1] <= '3' {
		return Kind(text[1] - '0')
	}
	r.faults.addValue(r.line, fieldType, text, "为 01 圈存、02 冲正或 03 提现", "be 01, a load, 02, its reversal, or 03, a withdrawal")
	return 0
}

func (r *reading) code(text []byte) (c Code) {
	if len(text) != len(c) || !alphanumeric(text[0]) || !alphanumeric(text[1]) {
		r.faults.addValue(r.line, fieldCode, text, "为两位应答码", "be a response code of two characters")
		return c
	}
	return Code{text[0], text[1]}
}

func alphanumeric(c byte) bool { return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' }

// institution reads up to eleven digits, as DE 32 has them.
func (r *reading) institution(at field, text []byte) string {
	if _, ok := decimal(text); !ok || len(text) > institutionDigits {
		r.faults.addValue(r.line, at, text, "为至多 11 位机构代码", "be an institution of at most 11 digits")
		return ""
	}
	return string(text)
}

const (
	institutionDigits = 11
	cardDigitsShown   = 10
)

// card reads a masked bank card. One that is not masked is refused: we do not want it in our house.
func (r *reading) card(text []byte) (c MaskedCard) {
	if !masked(text) {
		r.faults.addValue(r.line, fieldCard, text, "为掩码卡号,至多露出 10 位", "be masked, with at most 10 digits shown")
		return c
	}
	copy(c[:], text)
	return c
}

// masked says whether a text is a bank card with at most ten digits shown.
func masked(text []byte) bool {
	shown, hidden := 0, 0
	for _, b := range text {
		switch {
		case b == '*':
			hidden++
		case b >= '0' && b <= '9':
			shown++
		}
	}
	return len(text) <= cardDigits && shown+hidden == len(text) && hidden > 0 && shown <= cardDigitsShown
}
