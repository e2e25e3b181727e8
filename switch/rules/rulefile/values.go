package rulefile

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"onecard/ledger/money"
	"onecard/switch/rules"
	"onecard/switch/rules/tariff"
)

// text reads any scalar as it stands.
func (r *reader) text(n node) (string, bool) {
	switch s := n.Node.(type) {
	case *ast.StringNode:
		return s.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	r.fault(n.Node, n.path, "须为一个值 / one value is expected here")
	return "", false
}

func (r *reader) textInto(target *string) func(node) {
	return func(n node) { *target, _ = r.text(n) }
}

// textsInto reads a list of names, or one.
func (r *reader) textsInto(target *[]string) func(node) {
	return func(n node) {
		list, ok := n.Node.(*ast.SequenceNode)
		if !ok {
			if one, ok := r.text(n); ok {
				*target = []string{one}
			}
			return
		}
		for _, value := range list.Values {
			if one, ok := r.text(node{value, n.path}); ok {
				*target = append(*target, one)
			}
		}
		if len(list.Values) == 0 {
			r.fault(n.Node, n.path, "列表为空;对全部生效请删去此键 / the list is empty: leave the key out to take in all")
		}
	}
}

// amountInto reads yuan. Quotes are asked for, because a YAML reader of another house may make a float of 3.00.
func (r *reader) amountInto(target *money.Fen) func(node) {
	return func(n node) {
		s, ok := r.text(n)
		if !ok {
			return
		}
		amount, err := money.Parse(s)
		if _, quoted := n.Node.(*ast.StringNode); err != nil || !quoted {
			r.fault(n.Node, n.path, "金额 %s 须写成带引号的元,如 \"3.00\" / write the amount %[1]s in yuan and in quotes, such as \"3.00\"", s)
			return
		}
		*target = amount
	}
}

// priceInto reads the price of a unit, which has up to five decimals.
func (r *reader) priceInto(target *tariff.Millifen) func(node) {
	return func(n node) {
		s, ok := r.text(n)
		if !ok {
			return
		}
		price, err := tariff.ParsePrice(s)
		if _, quoted := n.Node.(*ast.StringNode); err != nil || !quoted {
			r.fault(n.Node, n.path, "单价 %s 须写成带引号的元,至多五位小数,如 \"0.6259\" / write the price %[1]s in yuan and in quotes, with at most five decimals, such as \"0.6259\"", s)
			return
		}
		*target = price
	}
}

func (r *reader) rateInto(target *rules.Rate) func(node) {
	return func(n node) {
		s, ok := r.text(n)
		if !ok {
			return
		}
		var err error
		if *target, err = rules.ParseRate(s); err != nil {
			r.fault(n.Node, n.path, "%v", err)
		}
	}
}

func countInto[T uint8 | uint32 | uint64](r *reader, most uint64, target *T) func(node) {
	return func(n node) {
		s, ok := r.text(n)
		if !ok {
			return
		}
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil || v > most {
			r.fault(n.Node, n.path, "%q 须为 0 至 %d 的整数 / %[1]q must be a whole number, 0 to %[2]d", s, most)
			return
		}
		*target = T(v)
	}
}

func (r *reader) boolInto(set func(bool)) func(node) {
	return func(n node) {
		b, ok := n.Node.(*ast.BoolNode)
		if !ok {
			r.fault(n.Node, n.path, "须为 true 或 false / true or false is expected here")
			return
		}
		set(b.Value)
	}
}

// choiceInto reads one of some words.
func choiceInto[T any](r *reader, target *T, words []string, values []T) func(node) {
	return func(n node) {
		s, ok := r.text(n)
		if !ok {
			return
		}
		for i, word := range words {
			if s == word {
				*target = values[i]
				return
			}
		}
		r.fault(n.Node, n.path, "%q 须为 / %[1]q must be one of: %s", s, strings.Join(words, ", "))
	}
}

// minuteInto reads "06:30"; "24:00" is the end of the day.
func (r *reader) minuteInto(target *uint16) func(node) {
	return func(n node) {
		s, ok := r.text(n)
		if !ok {
			return
		}
		minute, err := parseMinute(s)
		if err != nil {
			r.fault(n.Node, n.path, "%v", err)
			return
		}
		*target = minute
	}
}

func parseMinute(s string) (uint16, error) {
	hours, minutes, ok := strings.Cut(s, ":")
	h, err1 := strconv.ParseUint(hours, 10, 8)
	m, err2 := strconv.ParseUint(minutes, 10, 8)
	if !ok || err1 != nil || err2 != nil || len(hours) != 2 || len(minutes) != 2 || h > 24 || m > 59 || h == 24 && m > 0 {
		return 0, fmt.Errorf("时间 %q 须写成 \"06:30\" / write the time %[1]q as \"06:30\"", s)
	}
	return uint16(h*60 + m), nil
}

var weekdayNames = [...]string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// weekdaysInto reads "mon-fri", "sat,sun" or a list.
func (r *reader) weekdaysInto(target *uint8) func(node) {
	return func(n node) {
		var parts []string
		r.textsInto(&parts)(n)
		for _, part := range strings.Split(strings.Join(parts, ","), ",") {
			from, to, span := strings.Cut(strings.TrimSpace(part), "-")
			first := weekday(from)
			last := first
			if span {
				last = weekday(to)
			}
			if first < 0 || last < first {
				r.fault(n.Node, n.path, "星期 %q 须写成 mon-fri 或 sat,sun / write the weekdays %[1]q as mon-fri or sat,sun", part)
				return
			}
			for d := first; d <= last; d++ {
				*target |= 1 << d
			}
		}
	}
}

func weekday(name string) int {
	for i, n := range weekdayNames {
		if n == name {
			return i
		}
	}
	return -1
}

var purseNames = [...]string{"auto", "main", "subsidy"}

func (r *reader) pursesInto(target *rules.Purses) func(node) {
	return func(n node) {
		var names []string
		r.textsInto(&names)(n)
		for _, name := range names {
			known := false
			for i, p := range purseNames {
				if p == name {
					*target |= 1 << i
					known = true
				}
			}
			if !known {
				r.fault(n.Node, n.path, "钱包 %q 须为 auto(未指定)、main 或 subsidy / the purse %[1]q must be auto (none named), main or subsidy", name)
			}
		}
	}
}
