package command

import (
	"fmt"
	"io"
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"onecard/switch/console"
)

func newDeskBankCommand(flags *deskFlags) *cobra.Command {
	c := group(&cobra.Command{
		Use:   "bank",
		Short: "银行:链路、密钥,与银行对账圈存、提现并提请处理 / banks: links, keys, reconciliation of every load and withdrawal and what to put right",
		Long: `会计日日切之后,用银行的对账文件与账本逐笔核对。文件整份接收或整份拒收;同一文件重做结果相同;对账本身不记账。
propose 按结果提请补账、追回、了结、提现补扣与退还,由审核人用 desk approve 批准后才入账。
After a business day is closed its loads and withdrawals are compared with the bank's file, one by one. The file is taken whole or not at all, the same file again
gives the same result, and comparing posts nothing. propose asks for what the result says; a second person approves it.`,
		Example: `  onecard desk bank status
  onecard desk bank drain icbc 1
  onecard desk bank reconcile icbc 2026-11-25 ICBC20261125.txt
  onecard desk bank show icbc 2026-11-25
  onecard desk bank propose icbc 2026-11-25`,
	})
	c.AddCommand(newBankStatusCommand(flags), newBankKeyCommand(flags), newBankLinkCommand(flags, "drain", "停用一条链路 / take a link out of work"), newBankLinkCommand(flags, "resume", "恢复一条链路 / put a link back to work"))
	c.AddCommand(newBankReconcileCommand(flags), newBankShowCommand(flags), newBankTotalsCommand(flags), newBankDaysCommand(flags), newBankProposeCommand(flags))
	return c
}

func bankDayPath(args []string) string {
	return "/banks/" + url.PathEscape(args[0]) + "/days/" + url.PathEscape(args[1])
}

func newBankReconcileCommand(flags *deskFlags) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use: "reconcile BANK DAY FILE", Short: "核对一日 / compare a day", Args: usage(cobra.ExactArgs(3)),
		Long: `核对一个会计日。有未解释的差额或待处理的项目时退出码为 3。
Compares a business day. When something is not explained or is to be put right the exit code is 3.`,
		Example: "  onecard desk bank reconcile icbc 2026-11-25 ICBC20261125.txt --format a",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			file, err := os.ReadFile(args[2])
			if err != nil {
				return fmt.Errorf("对账文件 / the bank's file: %w", err)
			}
			var day console.BankDay
			body := struct {
				Format string `json:"format"`
				File   []byte `json:"file"`
			}{format, file}
			if err := client.Act(c.Context(), bankDayPath(args), console.NewName(), body, &day); err != nil {
				return err
			}
			return flags.tellBankDay(c.OutOrStdout(), &day)
		}),
	}
	c.Flags().StringVar(&format, "format", "a", "a:竖线分隔;b:71 字节定长 / a: bars between fields; b: lines of 71 bytes")
	return c
}

func newBankShowCommand(flags *deskFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show BANK DAY", Short: "一日的结果 / what came of a day", Args: usage(cobra.ExactArgs(2)), Example: "  onecard desk bank show icbc 2026-11-25",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			var day console.BankDay
			if err := client.Ask(c.Context(), bankDayPath(args), nil, &day); err != nil {
				return err
			}
			return flags.tellBankDay(c.OutOrStdout(), &day)
		}),
	}
}

func newBankDaysCommand(flags *deskFlags) *cobra.Command {
	return &cobra.Command{
		Use: "days BANK", Short: "已对账的日期 / days that were compared", Args: usage(cobra.ExactArgs(1)), Example: "  onecard desk bank days icbc",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			var page struct{ Days []string }
			if err := client.Ask(c.Context(), "/banks/"+url.PathEscape(args[0])+"/days", nil, &page); err != nil {
				return err
			}
			if flags.asJSON {
				return printJSON(c.OutOrStdout(), page.Days)
			}
			for _, day := range page.Days {
				fmt.Fprintln(c.OutOrStdout(), day)
			}
			return nil
		}),
	}
}

func newBankProposeCommand(flags *deskFlags) *cobra.Command {
	return &cobra.Command{
		Use: "propose BANK DAY", Short: "提请补账、追回、了结、补扣、退还 / propose what is to be put right", Args: usage(cobra.ExactArgs(2)), Example: "  onecard desk bank propose icbc 2026-11-25",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			var page struct{ Proposals []console.BankProposal }
			if err := client.Act(c.Context(), bankDayPath(args)+"/proposals", console.NewName(), struct{}{}, &page); err != nil {
				return err
			}
			if flags.asJSON {
				return printJSON(c.OutOrStdout(), page.Proposals)
			}
			t := textTable{head: []string{"记录 / record", "业务 / operation", "金额 / amount", "待审编号 / proposal", ""}, right: 1 << 2}
			for _, p := range page.Proposals {
				said := p.Refused
				if p.Repeated {
					said = "此前已提请 / proposed before"
				}
				t.add(fmt.Sprint(p.Record), p.Kind, p.Amount.String(), p.Proposal, said)
			}
			t.write(c.OutOrStdout())
			return nil
		}),
	}
}

// tellBankDay prints a comparison. Something that is left to do, or not explained, is a finding.
func (flags *deskFlags) tellBankDay(out io.Writer, day *console.BankDay) error {
	open := 0
	for i := range day.Items {
		if day.Items[i].Open {
			open++
		}
	}
	var found error
	if open > 0 || !day.Balanced {
		found = withCode(exitFindings, errSaid)
	}
	if flags.asJSON {
		if err := printJSON(out, day); err != nil {
			return err
		}
		return found
	}
	fmt.Fprintf(out, "%s %s  银行 bank %d 笔 %s,冲正 reversed %d 笔 %s\n\n", day.Bank, day.Day, day.Loads, day.LoadsSum, day.Reversals, day.ReversalsSum)
	if day.Withdrawals > 0 {
		fmt.Fprintf(out, "提现付款 withdrawals paid %d 笔 %s\n\n", day.Withdrawals, day.WithdrawalsSum)
	}
	cases := textTable{head: []string{"情形 / case", "笔数 / loads", "我方 / ours", "银行 / bank"}, right: 1<<1 | 1<<2 | 1<<3}
	for _, of := range day.Cases {
		cases.add(of.CaseChinese+" "+of.Case, fmt.Sprint(of.Count), of.Ours.String(), of.Bank.String())
	}
	cases.write(out)
	if day.Totals != nil {
		tellBankTotals(out, day.Totals)
	}
	e := &day.Equation
	fmt.Fprintf(out, "\n银行 %s − 我方 %s = %s = 长款 %s − 短款 %s − 提现多付 %s + 提现未付 %s + 金额差 %s + 跨日 %s,未解释 %s;期初未了 %s,现 %s\n",
		e.Bank, e.Ours, e.Difference, e.BankOnly, e.CampusOnly, e.PaidOnly, e.TakenOnly, e.Amounts, e.CutOff, e.Unexplained, e.Opening, e.Closing)
	fmt.Fprintf(out, "bank − ours = bank only − campus only − withdrawals paid only + withdrawals taken only + amounts + cut-off; unexplained %s; open before %s, now %s\n", e.Unexplained, e.Opening, e.Closing)
	if len(day.Items) > 0 {
		fmt.Fprintln(out)
		items := textTable{head: []string{"记录 / record", "日期 / day", "情形 / case", "我方 / ours", "银行 / bank", "天 / days", "提请 / propose", "说明 / says"}, right: 1<<3 | 1<<4 | 1<<5}
		for i := range day.Items {
			it := &day.Items[i]
			of := it.CaseChinese + " " + it.Case
			if it.Withdrawal {
				of = "提现 withdrawal: " + of
			}
			items.add(fmt.Sprint(it.Record), it.Day, of, it.Ours.String(), it.Bank.String(), fmt.Sprint(it.Age), it.Proposal, it.Chinese+" / "+it.English)
		}
		items.write(out)
	}
	return found
}

func newBankTotalsCommand(flags *deskFlags) *cobra.Command {
	return &cobra.Command{
		Use: "totals BANK DAY", Short: "一日双方总额 / both sides' totals of a day", Args: usage(cobra.ExactArgs(2)), Example: "  onecard desk bank totals icbc 2026-11-25",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			var totals console.BankTotals
			if err := client.Ask(c.Context(), bankDayPath(args)+"/totals", nil, &totals); err != nil {
				return err
			}
			if flags.asJSON {
				return printJSON(c.OutOrStdout(), totals)
			}
			tellBankTotals(c.OutOrStdout(), &totals)
			return nil
		}),
	}
}

// tellBankTotals prints both sides' totals.
func tellBankTotals(out io.Writer, t *console.BankTotals) {
	verdicts := map[string]string{
		"balanced": "相符 / balanced", "differs": "不符 / not balanced", "silent": "银行未给出 / the bank said none", "waiting": "待银行应答 / the bank has not answered yet",
		"contradicts": "数字相同,银行说不符 / the same figures, and the bank says that they differ",
	}
	fmt.Fprintf(out, "\n总额 totals:%s %s\n", verdicts[t.Verdict], t.Note)
	table := textTable{head: []string{"", "扣款 / debits", "", "冲正 / reversed", "", "提现 / credits", ""}, right: 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5 | 1<<6}
	row := func(who string, f *console.BankFigures) {
		table.add(who, fmt.Sprint(f.Debits), f.DebitSum.String(), fmt.Sprint(f.Reversed), f.ReversedSum.String(), fmt.Sprint(f.Credits), f.CreditSum.String())
	}
	row("我方 / ours", &t.Ours)
	if t.Bank != nil {
		row("银行 / bank", t.Bank)
	}
	table.write(out)
	for _, differs := range t.Differs {
		fmt.Fprintln(out, differs)
	}
	if t.OfFile == "differs" {
		fmt.Fprintln(out, "已核对的文件与银行总额不符 / the reconciled file is not what the bank's totals say")
	}
	if t.File != "" {
		fmt.Fprintf(out, "文件已备好 / file ready: %s\n", t.File)
	}
}
