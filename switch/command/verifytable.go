package command

import (
	"fmt"
	"io"
	"time"

	"onecard/ledger/money"
)

// findingsShown is how many findings are printed; the JSON has more.
const findingsShown = 20

// print shows the result to people: a table that lines up, the balance sheet, what was found.
func (r *verifyResult) print(out io.Writer) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(out, "%s  %s\n", pad(name, 26), fmt.Sprintf(format, args...))
	}
	line("账本 / ledger", "%s", r.Data)
	line("区块 / blocks", "%s", thousands(r.Blocks))
	line("条目 / entries", "%s%s", thousands(r.Entries), span(r.FirstDay, r.LastDay))
	if r.MovedOut.UpTo > 0 {
		line("档案 / archive", "第 %s 条及以前读自 / entries up to %[1]s were read from %[2]s", thousands(r.MovedOut.UpTo), r.MovedOut.Archive)
	}
	line("末条 / head", "%d  %.16s…", r.Head.Sequence, r.Head.Hash)
	if r.partial {
		line("范围 / range", "只查形式、哈希与链;金额须从头重放 / form, hashes and chain only: money is checked from the first block on")
	} else {
		r.printWhole(line)
		r.printSheet(out)
	}
	r.printFindings(out)
}

func (r *verifyResult) printWhole(line func(name, format string, args ...any)) {
	line("见证 / witness", "%s %d (%d)", mark(r.Witness.OK), r.Witness.Sequence, r.Witness.Slots)
	line("余额之和 / sum", "%s %s", mark(r.Sum == 0), yuanText(r.Sum))
	line("借方 / debits", "%s", yuanText(r.Debits))
	line("贷方 / credits", "%s %s", yuanText(r.Credits), mark(r.Debits == r.Credits))
	line("流动 / moved", "%s", yuanText(r.Moved))
	line("账户 / accounts", "%s", thousands(uint64(r.Accounts)))
	line("未了结 / open", "冻结 / holds %d · 圈存 / loads %d · 提现 / withdrawals %d", r.OpenHolds, r.OpenLoads, r.OpenPaying)
	line("重复 / duplicates", "%s %d", mark(r.Duplicates == 0), r.Duplicates)
	line("索引 / index", "%s 至 / to %s · %s 处 / places · 错 / wrong %d", mark(r.Index.Wrong == 0), thousands(r.Index.To), thousands(r.Index.Checked), r.Index.Wrong)
	line("汇总 / totals", "%s 至 / to %s · %s 个 / totals · 错 / wrong %d", mark(r.Totals.Wrong == 0), thousands(r.Totals.To), thousands(r.Totals.Checked), r.Totals.Wrong)
	if r.Checkpoint.Sequence > 0 {
		line("检查点 / checkpoint", "%s %s", mark(r.Checkpoint.OK), thousands(r.Checkpoint.Sequence))
	}
	if r.receipts != nil {
		line("回执 / receipts", "%s 应答 / acknowledged %s · 丢失 / lost %d · 重复 / doubled %d", mark(r.Lost+r.Doubled == 0), thousands(r.Acknowledged), r.Lost, r.Doubled)
		if r.receipts.Torn {
			line("", "回执文件末条不全(写入时中断) / the last receipt is cut: its writer was stopped there")
		}
	}
}

// printSheet prints the balance sheet: debits and credits of every code, equal at the bottom.
func (r *verifyResult) printSheet(out io.Writer) {
	fmt.Fprintf(out, "\n%s%s%s%s%s\n", pad("科目", 6), pad("名称 / name", 44), padLeft("户数 / count", 14), padLeft("借方余额 / debit", 22), padLeft("贷方余额 / credit", 22))
	var debit, credit int64
	for _, row := range r.ByCode {
		debit, credit = debit+row.Debit, credit+row.Credit
		fmt.Fprintf(out, "%s%s%s%s%s\n", pad(fmt.Sprint(row.Code), 6), pad(row.NameZh+" / "+row.NameEn, 44), padLeft(thousands(row.Count), 14), padLeft(yuanText(row.Debit), 22), padLeft(yuanText(row.Credit), 22))
	}
	fmt.Fprintf(out, "%s%s%s%s%s\n", pad("", 6), pad("合计 / total", 44), pad("", 14), padLeft(yuanText(debit), 22), padLeft(yuanText(credit), 22))
	fmt.Fprintf(out, "%s%s%s%s\n\n", pad("", 6), pad("差额 / difference", 44), pad("", 14), padLeft(yuanText(debit-credit), 22))
}

func (r *verifyResult) printFindings(out io.Writer) {
	for i, finding := range r.Findings {
		if i == findingsShown {
			fmt.Fprintf(out, "……另有 %d 项,见 --json / %[1]d more: see --json\n", r.Faults-findingsShown)
			break
		}
		where := ""
		if finding.Block > 0 {
			where = fmt.Sprintf("区块 / block %d ", finding.Block)
		}
		if finding.Entry > 0 {
			where += fmt.Sprintf("条目 / entry %d ", finding.Entry)
		}
		fmt.Fprintf(out, "✗ %s%s\n", where, finding.Text)
	}
	verdict := "✓ 账本无误 / the ledger is sound"
	if !r.OK {
		verdict = fmt.Sprintf("✗ %s 项发现 / findings", thousands(r.Faults))
	}
	fmt.Fprintf(out, "%s  %s\n", verdict, r.took.Round(10*time.Millisecond))
}

func mark(ok bool) string {
	if ok {
		return "✓"
	}
	return "✗"
}

func span(first, last string) string {
	if first == "" {
		return ""
	}
	return "  " + first + " … " + last
}

func fenText(fen int64) string  { return money.Fen(fen).String() }
func yuanText(fen int64) string { return money.Fen(fen).Yuan() }
