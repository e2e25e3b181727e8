package reconcile

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/text/width"

	"onecard/ledger/money"
)

// Write prints the result for people: what was compared, the tally, the equation, every exception, and what is open by age. Accounts are
// masked.
func (r *Result) Write(to io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "银行对账 bank reconciliation  %s  银行 bank %s  学校 school %s\n", r.File.Day, r.File.Bank, r.School)
	fmt.Fprintf(&b, "文件 file %s  sha256 %s\n\n", r.Name, r.File.SHA256)
	r.writeTally(&b)
	r.writeEquation(&b)
	r.writeItems(&b)
	r.writeAgeing(&b)
	_, err := io.WriteString(to, b.String())
	return err
}

func (r *Result) writeTally(b *strings.Builder) {
	t := table{head: []string{"情形 case", "笔数 count", "我方 ours", "银行 bank"}, right: 0b1110}
	for _, c := range r.Tally {
		t.add(c.Case.Chinese()+" "+c.Case.String(), strconv.Itoa(c.Count), c.Ours.String(), c.Bank.String())
	}
	t.write(b)
}

func (r *Result) writeEquation(b *strings.Builder) {
	e := &r.Equation
	t := table{right: 0b10}
	t.add("银行合计 bank total", e.Bank.String())
	t.add("− 我方合计 our total", e.Ours.String())
	t.add("= 差额 difference", e.Difference.String())
	t.add("Σ 长款 bank only", signed(e.BankOnly))
	t.add("− Σ 短款 campus only", signed(-e.CampusOnly))
	if e.PaidOnly != 0 || e.TakenOnly != 0 {
		t.add("− Σ 提现:银行已付我方未扣 withdrawals paid only", signed(-e.PaidOnly))
		t.add("+ Σ 提现:我方已扣银行未付 withdrawals taken only", signed(e.TakenOnly))
	}
	t.add("+ Σ 金额差 amount differences", signed(e.Amounts))
	t.add("± 跨日及往日 cut-off items", signed(e.CutOff))
	t.add("未解释 unexplained", e.Unexplained.String())
	t.add("期初挂账 open before", e.Opening.String())
	t.add("期末挂账 open now", e.Closing.String())
	t.write(b)
	if e.Balanced() {
		b.WriteString("全部可解释 all is explained\n\n")
	} else {
		b.WriteString("!! 存在未解释差额 NOT EXPLAINED\n\n")
	}
}

func (r *Result) writeItems(b *strings.Builder) {
	if len(r.Items) == 0 {
		b.WriteString("没有例外 no exceptions\n\n")
		return
	}
	t := table{
		head:  []string{"流水号 sequence", "清算日 day", "情形 case", "我方状态 state", "账户 account", "我方 ours", "银行 bank", "差额 diff", "建议 action", "天 days", "说明 meaning"},
		right: 1<<5 | 1<<6 | 1<<7 | 1<<9,
	}
	for _, i := range r.Items {
		t.add(fmt.Sprintf("%012d", i.Sequence), i.Day.String(), i.caseText(), stateZh[i.State]+" "+i.State.String(), i.Account.String(),
			i.Ours.String(), i.Bank.String(), signed(i.Difference), actionZh[i.Action]+" "+i.Action.String(), strconv.Itoa(i.Age), i.Chinese+" / "+i.English)
	}
	t.write(b)
}

// caseText names the case of an item, and which way its money goes where that is not the usual one.
func (i *Item) caseText() string {
	text := i.Case.Chinese() + " " + i.Case.String()
	if i.Withdrawal {
		text = "提现 withdrawal: " + text
	}
	return text
}

func (r *Result) writeAgeing(b *strings.Builder) {
	t := table{head: []string{"账龄(天) age in days", "长款 long", "金额 amount", "短款 short", "金额 amount"}, right: 0b11110}
	for _, bucket := range r.Ageing {
		if bucket.Long.Count+bucket.Short.Count == 0 {
			continue
		}
		t.add(bucket.days(), strconv.Itoa(bucket.Long.Count), bucket.Long.Sum.String(), strconv.Itoa(bucket.Short.Count), bucket.Short.Sum.String())
	}
	if len(t.rows) == 0 {
		b.WriteString("没有挂账 nothing is open\n")
		return
	}
	t.write(b)
}

// days prints 0, 2–3 or >30.
func (b *Bucket) days() string {
	switch {
	case b.To < 0:
		return ">" + strconv.Itoa(b.From-1)
	case b.To == b.From:
		return strconv.Itoa(b.From)
	}
	return fmt.Sprintf("%d–%d", b.From, b.To)
}

// signed prints an amount with its sign, and nothing special about nothing.
func signed(amount money.Fen) string {
	if amount > 0 {
		return "+" + amount.String()
	}
	return amount.String()
}

// table lines up columns of Chinese and English text.
type table struct {
	head  []string
	right uint // bit per column that is set to the right
	rows  [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) write(b *strings.Builder) {
	all := t.rows
	if t.head != nil {
		all = append([][]string{t.head}, t.rows...)
	}
	widths := make([]int, len(all[0]))
	for _, row := range all {
		for i, cell := range row {
			widths[i] = max(widths[i], columns(cell))
		}
	}
	for _, row := range all {
		var line strings.Builder
		for i, cell := range row {
			gap := strings.Repeat(" ", widths[i]-columns(cell))
			if i > 0 {
				line.WriteString("  ")
			}
			if t.right&(1<<i) != 0 {
				line.WriteString(gap + cell)
			} else {
				line.WriteString(cell + gap)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	b.WriteString("\n")
}

// columns is how wide a text is on a terminal: a Chinese character takes two.
func columns(text string) int {
	n := 0
	for _, r := range text {
		n++
		if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
			n++
		}
	}
	return n
}
