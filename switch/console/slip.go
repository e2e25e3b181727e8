package console

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/text/width"
)

// SlipWidth is how many columns a receipt printer has: a Chinese character takes two.
type SlipWidth int

// The two papers in use.
const (
	Slip58 SlipWidth = 32 // 58 mm
	Slip80 SlipWidth = 48 // 80 mm
)

// Slip prints a receipt for a receipt printer, Chinese first.
func (r *Receipt) Slip(out io.Writer, paper SlipWidth) error {
	s := slip{width: int(paper)}
	s.rule('=')
	s.centred(r.KindZH)
	s.centred(r.KindEN)
	if r.Repeated {
		s.centred("(重打 / reprint)")
	}
	s.rule('=')
	s.field("编号 No.", r.Number)
	s.field("时间 time", strings.Replace(r.Time[:min(19, len(r.Time))], "T", " ", 1))
	s.field("会计日 day", r.BusinessDay.String())
	s.field("柜台 desk", r.Desk)
	s.field("经办 by", r.Operator)
	s.field("审核 approved", r.Approver)
	s.rule('-')
	s.subject("持卡人 holder", r.Holder)
	s.subject("对方 to", r.OtherHolder)
	s.field("商户 merchant", r.Merchant)
	s.field("对方 to", r.OtherMerch)
	s.field("钱包 purse", purseWords(r.Purse))
	s.field("转入 into", purseWords(r.OtherPurse))
	s.field("费率 tariff", r.Tariff)
	s.field("读数 reading", r.Metered)
	s.field("原记录 original", r.Original)
	r.Bank.slip(&s)
	r.Withdrawal.slip(&s)
	s.field("单据 document", r.Document)
	s.field("事由 reason", r.Reason)
	s.rule('-')
	r.slipFigures(&s)
	if r.Status == "pending" {
		s.rule('-')
		s.centred("待另一人审核,尚未入账")
		s.centred("waits for a second person")
	}
	s.rule('=')
	_, err := io.WriteString(out, s.b.String())
	return err
}

func (r *Receipt) slipFigures(s *slip) {
	switch {
	case r.Count != nil:
		s.field("次数 count", strconv.FormatInt(*r.Count, 10))
	case r.Expected != nil && r.Amount != nil:
		s.field("应有 expected", r.Expected.String())
		s.field("实点 counted", r.Amount.String())
		s.field("差额 difference", (*r.Amount - *r.Expected).String())
	case r.Amount != nil:
		s.field("金额 amount", r.Amount.String())
	}
	if r.Balance != nil {
		s.field("余额 balance", r.Balance.String())
	}
}

// purseWords names the two purses that everybody has; a programme's code stands for itself.
func purseWords(code string) string {
	switch code {
	case "main":
		return "主钱包 main"
	case "subsidy":
		return "补贴 subsidy"
	}
	return code
}

type slip struct {
	b     strings.Builder
	width int
}

// rule draws a line, but not two of the light ones on end.
func (s *slip) rule(c byte) {
	line := strings.Repeat(string(c), s.width) + "\n"
	if c == '=' || !strings.HasSuffix(s.b.String(), line) {
		s.b.WriteString(line)
	}
}

func (s *slip) centred(text string) {
	s.b.WriteString(strings.Repeat(" ", max(0, s.width-columns(text))/2) + text + "\n")
}

func (s *slip) subject(label string, who *Subject) {
	if who != nil {
		s.field(label, strings.TrimSpace(who.Number+" "+who.Name))
	}
}

// field sets the value to the right; one that does not fit takes lines of its own.
func (s *slip) field(label, value string) {
	if value == "" {
		return
	}
	if gap := s.width - columns(label) - columns(value); gap > 0 {
		s.b.WriteString(label + strings.Repeat(" ", gap) + value + "\n")
		return
	}
	s.b.WriteString(label + "\n")
	for _, line := range broken(value, s.width-2) {
		fmt.Fprintf(&s.b, "%s%s\n", strings.Repeat(" ", max(0, s.width-columns(line))), line)
	}
}

// broken cuts text into lines of at most so many columns.
func broken(text string, at int) (lines []string) {
	var line strings.Builder
	used := 0
	for _, r := range text {
		n := columns(string(r))
		if used+n > at {
			lines = append(lines, line.String())
			line.Reset()
			used = 0
		}
		line.WriteRune(r)
		used += n
	}
	return append(lines, line.String())
}

// padded fills text to so many columns; ahead sets it to their right edge.
func padded(text string, to int) string { return text + strings.Repeat(" ", max(0, to-columns(text))) }

func ahead(text string, to int) string { return strings.Repeat(" ", max(0, to-columns(text))) + text }

// columns is how wide text is in print.
func columns(text string) (n int) {
	for _, r := range text {
		n++
		if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
			n++
		}
	}
	return n
}
