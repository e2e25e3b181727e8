package dayend

import (
	"fmt"
	"strings"

	"onecard/ledger/money"
)

// Text prints a statement for people, amounts in yuan; in the double entry as an accountant writes it, debits of assets positive.
func Text(s *Statement) string {
	var b strings.Builder
	fmt.Fprintf(&b, "会计日 / business day %s · %s – %s · 第 %d – %d 条 / entries\n", s.Day, s.Opened, s.Closed, s.First, s.Last)
	fmt.Fprintf(&b, "%s\n\n", map[bool]string{true: "✓ 日结通过 / the day-end has passed", false: "✗ 日结未通过 / the day-end has failed"}[s.Passed])
	for i := range s.Checks {
		c := &s.Checks[i]
		mark := map[Result]string{Passed: "✓", Failed: "✗", Listed: "·"}[c.Result]
		fmt.Fprintf(&b, "%s %d %s / %s\n    %s\n", mark, c.Number, c.NameZh, c.NameEn, c.Says)
		for _, f := range c.Findings {
			fmt.Fprintf(&b, "    ! %s\n", f.Text)
		}
		if more := c.Faults - uint64(len(c.Findings)); more > 0 {
			fmt.Fprintf(&b, "    ! 另有 %d 处 / %[1]d more\n", more)
		}
	}
	b.WriteString("\n全部个人钱包 / all personal purses\n")
	equationText(&b, &s.Equation)
	doubleEntryText(&b, s)
	return b.String()
}

func equationText(b *strings.Builder, e *Equation) {
	fmt.Fprintf(b, "  %16s  期初 / opening\n", e.Opening)
	for _, a := range e.In {
		fmt.Fprintf(b, "  %16s  %s / %s\n", "+"+a.Amount.String(), a.NameZh, a.NameEn)
	}
	fmt.Fprintf(b, "  %16s  收入合计 / total in\n", e.TotalIn)
	for _, a := range e.Out {
		fmt.Fprintf(b, "  %16s  %s / %s\n", "−"+a.Amount.String(), a.NameZh, a.NameEn)
	}
	fmt.Fprintf(b, "  %16s  支出合计 / total out\n  %16s  期末 / closing\n", e.TotalOut, e.Closing)
}

// asset says whether a code stands on the debit side of the chart.
func asset(code uint16) bool { return code < 2000 || code >= 6000 }

func doubleEntryText(b *strings.Builder, s *Statement) {
	b.WriteString("\n复式记账 / double entry\n")
	var assets, others money.Fen
	for i := range s.DoubleEntry {
		p := &s.DoubleEntry[i]
		change := p.Credits - p.Debits
		sign := money.Fen(1)
		if asset(p.Code) {
			sign = -1
		}
		if p.Set == 0 {
			if asset(p.Code) {
				assets -= change
			} else {
				others += change
			}
		}
		if p.Debits == 0 && p.Credits == 0 {
			continue
		}
		fmt.Fprintf(b, "  %d-%d %s / %s:", p.Set, p.Code, p.NameZh, p.NameEn)
		for _, m := range p.Moves {
			for _, amount := range []money.Fen{-m.Debits, m.Credits} {
				if amount != 0 {
					fmt.Fprintf(b, " %s", signed(sign*amount))
				}
			}
		}
		fmt.Fprintf(b, " = %s\n", signed(sign*change))
	}
	fmt.Fprintf(b, "  资产 / assets %s, 负债与收入 / liabilities and income %s\n", signed(assets), signed(others))
}

// signed prints an amount with its sign.
func signed(f money.Fen) string {
	if f < 0 {
		return "−" + (-f).String()
	}
	return "+" + f.String()
}
