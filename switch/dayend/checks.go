package dayend

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"onecard/ledger"
	"onecard/ledger/money"
)

// findingsKept bounds the findings of a check that a statement carries; all are counted.
const findingsKept = 50

var checkNames = [...]struct{ zh, en string }{
	{"平衡式:期初 + 收入 − 支出 = 期末", "the equation: opening + in − out = closing"},
	{"借方合计 = 贷方合计", "debits = credits"},
	{"内存余额 = 日志重放 = 总账", "balances in memory = replay of the log = control accounts"},
	{"终端累计 = 入账合计", "totals of terminals = what was accepted"},
	{"未了事项", "what the day leaves open"},
	{"收银日结单", "cash sheets"},
	{"银行对账", "bank statement"},
	{"昨日期末 = 今日期初,哈希相连", "closing of the day before = opening, chained by hash"},
}

// run makes the eight checks in their order.
func (c *checker) run() {
	c.statement.Passed = true
	for i, check := range []func(*Check){c.balance, c.debitsAndCredits, c.threeParties, c.terminalTotals, c.openItems, c.drawers, c.bank, c.dayBefore} {
		out := Check{Number: i + 1, NameZh: checkNames[i].zh, NameEn: checkNames[i].en, Result: Passed}
		check(&out)
		if out.Faults > 0 {
			out.Result, c.statement.Passed = Failed, false
		}
		c.statement.Checks = append(c.statement.Checks, out)
	}
}

// fault writes one thing down that does not agree.
func (out *Check) fault(f Finding, chinese, english string, args ...any) {
	if out.Faults++; len(out.Findings) < findingsKept {
		f.Text = fmt.Sprintf(chinese, args...) + " / " + fmt.Sprintf(english, args...)
		out.Findings = append(out.Findings, f)
	}
}

func (out *Check) says(chinese, english string, args ...any) {
	out.Says = fmt.Sprintf(chinese, args...) + " / " + fmt.Sprintf(english, args...)
}

// balance is check 1: at every dimension, and no line without a name.
func (c *checker) balance(out *Check) {
	s := c.statement
	all := append(append([]Equation{s.Equation}, s.ByPurse...), s.ByClass...)
	for i := range all {
		e := &all[i]
		if should := e.Opening + e.TotalIn - e.TotalOut; should != e.Closing {
			out.fault(Finding{Amount: e.Closing - should}, "“%[1]s”期初 %[2]s + 收入 %[3]s − 支出 %[4]s = %[5]s,期末为 %[6]s,差 %[7]s",
				"%[1]s: opening %[2]s + in %[3]s − out %[4]s = %[5]s, closing is %[6]s, off by %[7]s", e.Of, e.Opening, e.TotalIn, e.TotalOut, should, e.Closing, e.Closing-should)
		}
	}
	for _, p := range append(slices.Clone(s.Merchants), s.Areas...) {
		if should := p.Opening + p.sum(); should != p.Closing {
			out.fault(Finding{Code: uint16(ledger.CodeMerchantPayable), Amount: p.Closing - should}, "商户 %[1]s 应为 %[2]s,期末为 %[3]s,差 %[4]s",
				"merchant %[1]s should be owed %[2]s, closing is %[3]s, off by %[4]s", p.Of, should, p.Closing, p.Closing-should)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(c.book.strange)) {
		entries := c.book.strange[kind]
		out.fault(Finding{}, "类型 %[1]d 的 %[2]d 条移动了钱包,平衡式中没有它的行", "%[2]d entries of kind %[1]d moved purses, and the equation has no line for them", kind, entries)
	}
	out.says("期初 %[1]s + 收入 %[2]s − 支出 %[3]s = 期末 %[4]s", "opening %[1]s + in %[2]s − out %[3]s = closing %[4]s", s.Equation.Opening, s.Equation.TotalIn, s.Equation.TotalOut, s.Equation.Closing)
}

// debitsAndCredits is check 2: in the day, and in each account set at its beginning and end.
func (c *checker) debitsAndCredits(out *Check) {
	debits, credits := c.book.turnover[0], c.book.turnover[1]
	if debits != credits {
		out.fault(Finding{Amount: credits - debits}, "借方 %[1]s,贷方 %[2]s,差 %[3]s", "debits %[1]s, credits %[2]s, off by %[3]s", debits, credits, credits-debits)
	}
	sets := map[uint8]money.Fen{}
	for _, p := range c.statement.DoubleEntry {
		sets[p.Set] += p.Credits - p.Debits
		if should := p.Opening - p.Debits + p.Credits; should != p.Closing {
			out.fault(Finding{Code: p.Code, Amount: p.Closing - should}, "帐套 %[1]d 科目 %[2]d 应为 %[3]s,期末为 %[4]s,差 %[5]s",
				"code %[2]d of set %[1]d should be %[3]s, closing is %[4]s, off by %[5]s", p.Set, p.Code, should, p.Closing, p.Closing-should)
		}
	}
	for _, set := range slices.Sorted(maps.Keys(sets)) {
		sum := sets[set]
		if sum != 0 {
			out.fault(Finding{Amount: sum}, "帐套 %[1]d 借贷相差 %[2]s", "debits and credits of set %[1]d differ by %[2]s", set, sum)
		}
	}
	out.says("借方 %[1]s = 贷方 %[2]s", "debits %[1]s = credits %[2]s", debits, credits)
}

// threeParties is check 3, account by account, and against the control accounts that the day switch carries.
func (c *checker) threeParties(out *Check) {
	log, memory := c.book.closing.Fen, c.in.Memory.Fen
	for id := 1; id < max(len(log), len(memory)); id++ {
		account := Finding{Account: uint32(id)}
		if id < len(c.in.Campus.Accounts) {
			account.Code = uint16(c.in.Campus.Accounts[id].Code)
		}
		switch {
		case id >= len(log) || id >= len(memory):
			out.fault(account, "账户 %[1]d 只在一方存在:日志 %[2]d 户,内存 %[3]d 户", "account %[1]d is with one party alone: the log has %[2]d accounts, memory %[3]d", id, len(log)-1, len(memory)-1)
			id = max(len(log), len(memory)) // the rest is the same
		case log[id] != memory[id]:
			account.Amount = memory[id] - log[id]
			out.fault(account, "账户 %[1]d(%[2]d)内存为 %[3]s,日志重放为 %[4]s,差 %[5]s", "account %[1]d (%[2]d) has %[3]s in memory and %[4]s by the log, off by %[5]s", id, account.Code, memory[id], log[id], account.Amount)
		}
	}
	if c.book.unfit != 0 {
		out.fault(Finding{}, "条目 %[1]d 记到从未开立的账户", "entry %[1]d moves an account that was never opened", c.book.unfit)
	}
	replayed := c.in.Campus.sum(&c.book.closing)
	for _, t := range c.in.Switch.Totals {
		has := replayed.codes[codeKey{t.Set, t.Code}]
		if has != t {
			out.fault(Finding{Code: uint16(t.Code), Amount: t.Balance - has.Balance}, "科目 %[1]d 日切记 %[2]d 户 %[3]s,重放为 %[4]d 户 %[5]s", "code %[1]d: the day switch has %[2]d accounts with %[3]s, the replay %[4]d with %[5]s",
				t.Code, t.Accounts, t.Balance, has.Accounts, has.Balance)
		}
		delete(replayed.codes, codeKey{t.Set, t.Code})
	}
	for _, key := range sortedKeys(replayed.codes, replayed.codes, nil) {
		t := replayed.codes[key]
		out.fault(Finding{Code: uint16(key.code), Amount: -t.Balance}, "日切未记科目 %[1]d(%[2]s)", "the day switch leaves out code %[1]d (%[2]s)", key.code, t.Balance)
	}
	out.says("%[1]d 户逐户相符", "%[1]d accounts agree one by one", len(log)-1)
	if out.Faults > 0 {
		out.says("%[1]d 处不符", "%[1]d do not agree", out.Faults)
	}
}

// terminalTotals is check 4. A terminal that has sent nothing is listed with what was accepted from it.
func (c *checker) terminalTotals(out *Check) {
	own := 0
	for _, t := range c.statement.Terminals {
		if t.Own == nil {
			continue
		}
		own++
		if accepted := (TerminalTotals{t.Sales, t.SalesAmount, t.Reversals, t.ReversalAmount}); *t.Own != accepted {
			out.fault(Finding{Amount: accepted.SalesAmount - accepted.ReversalAmount - (t.Own.SalesAmount - t.Own.ReversalAmount)},
				"终端 %[1]s 自报消费 %[2]d 笔 %[3]s、冲正 %[4]d 笔 %[5]s,入账消费 %[6]d 笔 %[7]s、冲正 %[8]d 笔 %[9]s",
				"terminal %[1]s says %[2]d sales of %[3]s and %[4]d reversals of %[5]s, accepted were %[6]d sales of %[7]s and %[8]d reversals of %[9]s",
				t.Code, t.Own.Sales, t.Own.SalesAmount, t.Own.Reversals, t.Own.ReversalAmount, t.Sales, t.SalesAmount, t.Reversals, t.ReversalAmount)
		}
	}
	out.says("%[1]d 台终端有交易,%[2]d 台报了累计", "%[1]d terminals sold, %[2]d have sent totals", len(c.statement.Terminals), own)
	if own < len(c.statement.Terminals) {
		out.Result = Listed
	}
}

// openItems is check 5: they are attached, none of them is a fault.
func (c *checker) openItems(out *Check) {
	byKind, order := map[string]int{}, []string{}
	for _, item := range c.statement.Open {
		if byKind[item.What]++; byKind[item.What] == 1 {
			order = append(order, item.What)
		}
	}
	if len(order) == 0 {
		out.says("无", "none")
		return
	}
	out.Result = Listed
	for i, what := range order {
		if i > 0 {
			out.Says += ", "
		}
		out.Says += fmt.Sprintf("%s %d", what, byKind[what])
	}
}

// drawers is check 6: what was counted is what must have been there.
func (c *checker) drawers(out *Check) {
	open := 0
	for _, d := range c.statement.Drawers {
		switch {
		case d.Closed == 0:
			open++
		case d.Counted != d.Expected:
			out.fault(Finding{Code: uint16(ledger.CodeCash), Amount: d.Counted - d.Expected}, "收银台 %[1]s(%[2]s)应有 %[3]s,清点 %[4]s,差 %[5]s",
				"desk %[1]s (%[2]s) should have held %[3]s, %[4]s was counted, off by %[5]s", d.Desk, d.Operator, d.Expected, d.Counted, d.Counted-d.Expected)
		}
	}
	out.says("%[1]d 张,未清点 %[2]d 个钱箱", "%[1]d sheets, %[2]d drawers not counted", len(c.statement.Drawers)-open, open)
	if open > 0 {
		out.Result = Listed
	}
}

// bank is check 7.
func (c *checker) bank(out *Check) {
	given := 0
	for _, b := range c.statement.Bank {
		if b.Bank == nil {
			continue
		}
		given++
		if *b.Bank != b.Books {
			out.fault(Finding{Account: b.Account, Code: b.Code, Amount: *b.Bank - b.Books}, "账户 %[1]d(%[2]d)银行为 %[3]s,账面为 %[4]s,差 %[5]s",
				"account %[1]d (%[2]d): the bank has %[3]s, the books %[4]s, off by %[5]s", b.Account, b.Code, *b.Bank, b.Books, *b.Bank-b.Books)
		}
	}
	out.says("%[1]d 个账户,银行给出 %[2]d 个余额", "%[1]d accounts, %[2]d balances of the bank", len(c.statement.Bank), given)
	if given < len(c.statement.Bank) {
		out.Result = Listed
	}
}

// dayBefore is check 8: what the statement of the day before said is what this day began with, and the chain goes on from its last block.
func (c *checker) dayBefore(out *Check) {
	digest := c.in.Opening.Digest()
	was := c.statement.DayBefore
	switch {
	case was == nil && c.in.Span.First == 1:
		out.says("账本的第一天,期初为零", "the first day of the ledger, opening with nothing")
	case was == nil:
		out.Result = Listed
		out.says("前一日没有日结单;期初由日志重放得出", "there is no statement of the day before; the opening is from a replay of the log")
	default:
		if was.Last != c.in.Span.First-1 {
			out.fault(Finding{}, "前一日止于第 %[1]d 条,本日始于第 %[2]d 条", "the day before ended with entry %[1]d, this one begins with %[2]d", was.Last, c.in.Span.First)
		}
		if !bytes.Equal(was.LastBlock, c.firstPrevious[:]) {
			out.fault(Finding{}, "本日首块所接的哈希 %[1]x 不是前一日末块的 %[2]x", "the first block follows %[1]x, the last block of the day before is %[2]x", c.firstPrevious[:8], []byte(was.LastBlock[:8]))
		}
		if !bytes.Equal(was.Balances, digest[:]) {
			out.fault(Finding{}, "期初余额的摘要与前一日期末的不符", "the opening balances are not the closing balances that the day before was signed with")
		}
		out.says("接 %[1]s 第 %[2]d 条", "follows entry %[2]d of %[1]s", was.Day, was.Last)
	}
}
