package command

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"

	"onecard/ledger/money"
	"onecard/switch/query"
	"onecard/switch/transaction"
)

// printAbout tells whose statement it is.
func printAbout(out io.Writer, a *query.About) {
	labels := map[string]string{
		"card": "卡 / card     ", "holder": "持卡人 / holder", "merchant": "商户 / merchant", "terminal": "终端 / terminal", "operator": "操作员 / operator",
		"account": "账户 / account", "record": "记录 / record",
	}
	line := strings.TrimSpace(a.Code + " " + a.Name)
	if a.State != "" {
		line += "  " + a.State
	}
	fmt.Fprintf(out, "%s %s\n", labels[a.Kind], line)
	if a.Holder != "" {
		fmt.Fprintf(out, "持卡人 / holder %s\n", strings.TrimSpace(a.Holder+" "+a.HolderName))
	}
	if a.Merchant != "" {
		fmt.Fprintf(out, "商户 / merchant %s\n", strings.TrimSpace(a.Merchant+" "+a.MerchantName))
	}
	switch {
	case len(a.Purses) > 0:
		fmt.Fprintf(out, "余额 / balance  %s(%s)\n", *a.Balance, pursesText(a.Purses))
	case a.Balance != nil:
		fmt.Fprintf(out, "余额 / balance  %s\n", *a.Balance)
	}
	fmt.Fprintln(out)
}

func pursesText(purses []query.Purse) string {
	names := map[string]string{"main": "主 / main", "subsidy": "补贴 / subsidy", "debt": "欠款 / debt"}
	var words []string
	for i := range purses {
		p := &purses[i]
		amount := p.Balance.String()
		if p.Set != 0 {
			amount = strconv.FormatInt(int64(p.Balance), 10)
		}
		words = append(words, cmp.Or(names[p.Name], p.Name)+" "+amount)
	}
	return strings.Join(words, ",")
}

// ofAHolder says whether lines need not say whose they are.
func ofAHolder(a *query.About) bool { return a.Kind == "card" || a.Kind == "holder" }

func statementTable(a *query.About) textTable {
	partner := "卡 / card"
	if ofAHolder(a) {
		partner = "终端 / terminal"
	}
	return textTable{
		head:  []string{"时间 / time", "参考号 / DE 37", "业务 / what", partner, "批次-流水 / trace", "金额 / amount", "变动 / change", "余额 / balance", "结果 / result"},
		right: 1<<5 | 1<<6 | 1<<7,
	}
}

var lineKinds = map[string]string{
	"genesis": "建账 / genesis", "directory": "登记 / directory", "opening": "期初 / opening", "card_state": "卡状态 / card state", "balance": "查询 / balance",
	"purchase": "消费 / purchase", "load": "圈存 / load", "reversal": "冲正 / reversal", "passage": "进门 / way in", "load_confirmed": "圈存入账 / load credited",
	"load_declined": "圈存未成 / load declined", "load_unknown": "圈存无应答 / load without answer", "load_reversed": "圈存已冲正 / load reversed",
	"withdrawal_paid": "提现付款 / withdrawal paid", "withdrawal_declined": "提现未成 / withdrawal declined", "withdrawal_unknown": "提现无应答 / withdrawal without answer",
	"withdrawal_manual": "提现转人工 / withdrawal given up", "withdrawal_late": "提现迟到应答 / withdrawal answered late",
	"load_late": "圈存迟到应答 / load answered late", "day_switch": "日切 / day switch", "day_end": "日结 / day end",
	"proposal": "待审批 / proposal", "proposal_closed": "审批终止 / proposal closed", "purse": "开钱包 / purse opened", "operation_reversal": "业务冲正 / operation reversed",
}

// kindWords are the words for a kind of entry.
func kindWords(kind string) string {
	words := cmp.Or(lineKinds[kind], kind)
	transaction.Catalogue(func(row transaction.CatalogueRow) {
		if row.Label == kind && lineKinds[kind] == "" {
			words = row.Chinese + " / " + row.English
		}
	})
	return words
}

func statementRow(t *textTable, about *query.About, l *query.Line) {
	what := kindWords(l.Kind)
	if l.Kind == "passage" && l.Direction == "out" {
		what = "出门 / way out"
	}
	amount, trace, balance := "", "", ""
	if l.Kind != "passage" && l.Kind != "card_state" && l.Kind != "balance" && l.Kind != "directory" && l.Kind != "genesis" {
		amount = l.Amount.String()
	}
	if l.Terminal != "" {
		trace = fmt.Sprintf("%06d-%06d", l.Batch, l.Trace)
	}
	if l.Balance != nil {
		balance = l.Balance.String()
	}
	t.add(l.Time, l.Reference, what, partnerText(about, l), trace, amount, changeText(l.Change), balance, lineResult(l))
}

// partnerText is the other side of the line: the terminal on a holder's statement, the card and its holder on another.
func partnerText(about *query.About, l *query.Line) string {
	switch {
	case ofAHolder(about):
		return l.Terminal
	case l.Holder == "" && l.Card != "":
		return l.Card + " ?"
	}
	return strings.TrimSpace(strings.TrimSpace(l.Card+" "+l.Holder) + " " + l.HolderName)
}

func changeText(change money.Fen) string {
	if change == 0 {
		return ""
	}
	if change > 0 {
		return "+" + change.String()
	}
	return change.String()
}

func lineResult(l *query.Line) string {
	switch {
	case l.Kind == "card_state":
		return fmt.Sprintf("改为 %[1]s,经办 %[2]s / now %[1]s, asked by %[2]s", l.State, l.Operator)
	case l.Kind == "load" && len(l.Outcomes) > 0:
		return outcomesText(l.Outcomes)
	case l.Kind == "bank_withdrawal" && len(l.Outcomes) > 0:
		return operationResult(l) + " · " + outcomesText(l.Outcomes)
	case l.Kind == "bank_withdrawal":
		return operationResult(l) + " · 在途,等银行应答 / on its way, waiting for the bank"
	case l.Kind == "load" && l.Reason == "none":
		return "在途,等银行应答 / on its way, waiting for the bank"
	case l.Operator != "":
		return operationResult(l)
	case l.Code == "":
		return ""
	}
	result := fmt.Sprintf("%s %s / %s", l.Code, l.Chinese, l.English)
	if l.Original != 0 {
		result += fmt.Sprintf(" (%012d)", l.Original)
	}
	return result
}

// operationResult says who did it, on whose word, and why.
func operationResult(l *query.Line) string {
	words := []string{"经办 / by " + l.Operator}
	for _, w := range [...]struct{ before, text string }{
		{"复核 / approved by ", l.Approver}, {"柜台 / desk ", l.Desk}, {"钱包 / purse ", l.Purse}, {"对方 / other ", l.Other}, {"单据 / document ", l.Document}, {"", l.Words},
	} {
		if w.text != "" && w.text != "main" {
			words = append(words, w.before+w.text)
		}
	}
	return strings.Join(words, " · ")
}

func outcomesText(outcomes []query.Outcome) string {
	var words []string
	for i := range outcomes {
		o := &outcomes[i]
		words = append(words, outcomeWords(o)+" "+o.Time[len("2006-01-02 "):])
	}
	return strings.Join(words, "; ")
}

func outcomeWords(o *query.Outcome) string {
	switch o.Kind {
	case "load_confirmed":
		return o.Code + " 已入账 / credited"
	case "load_declined":
		return o.Code + " " + o.Chinese + " / " + o.English
	case "load_unknown":
		return o.Code + " 银行未应答,冲正 / no answer from the bank, being reversed"
	case "load_reversed":
		return "银行已冲正 / reversed at the bank"
	}
	if o.Chinese != "" { // of a withdrawal
		return strings.TrimSpace(o.Code + " " + o.Chinese + " / " + o.English)
	}
	return "银行迟到的应答 " + o.Code + ",不入账 / a late answer of the bank, not credited"
}
