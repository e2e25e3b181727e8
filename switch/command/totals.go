package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"onecard/switch/daemon"
	"onecard/switch/query"
)

func newTotalsCommand() *cobra.Command {
	var flags configFlags
	var ask query.TotalsQuestion
	var day, month string
	var asJSON bool
	c := &cobra.Command{
		Use:   "totals --data DIR (--day DAY | --month MONTH | --from DAY --to DAY)",
		Short: "日、月汇总 / totals of days and months",
		Long: `按会计日或月汇总,不扫描流水:消费按商户、终端、餐次、身份类别(merchant、terminal、meal、class)或逐日、逐月(period);
持卡人钱包的收付按钱包或业务(purse、kind);其他账户的借贷(account)。交换机运行时由它回答,停止时只读打开账本。
Totals of business days or months, read and not added up: sales by merchant, terminal, meal, class or period; what moved on holders'
purses by purse or kind; the turnover of all other accounts. A running switch answers; of one that was stopped the ledger is opened
read-only.`,
		Example: `  onecard totals --data /var/lib/onecard --day 2026-11-26
  onecard totals --data /var/lib/onecard --month 2026-11 --merchant 103410054110001 --by meal
  onecard totals --data /var/lib/onecard --from 2026-11-01 --to 2026-11-26 --by period --json`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			given := 0
			for _, text := range []string{day, month, ask.From} {
				if text != "" {
					given++
				}
			}
			if given != 1 {
				return withCode(exitUsage, errors.New("请给出 --day、--month 或 --from 之一 / give one of --day, --month and --from"))
			}
			switch {
			case day != "":
				ask.From = day
			case month != "" || len(ask.From) == len("2006-01"):
				ask.Unit, ask.From = "month", month+ask.From
			}
			config, err := flags.load()
			if err != nil {
				return err
			}
			return runTotals(c.Context(), &config, ask, asJSON, c.OutOrStdout())
		},
	}
	flags.add(c)
	f := c.Flags()
	f.StringVar(&day, "day", "", "会计日,如 2026-11-26 / a business day")
	f.StringVar(&month, "month", "", "月,如 2026-11 / a month")
	f.StringVar(&ask.From, "from", "", "起始日或月 / first day or month")
	f.StringVar(&ask.To, "to", "", "截止日或月(含) / last day or month")
	f.StringVar(&ask.Merchant, "merchant", "", "商户号 / merchant, DE 42")
	f.StringVar(&ask.By, "by", "", "merchant、terminal、meal、class、period、purse、kind 或 account / what the rows are")
	f.BoolVar(&asJSON, "json", false, "输出 JSON / print JSON")
	return c
}

func runTotals(ctx context.Context, config *daemon.Config, question query.TotalsQuestion, asJSON bool, out io.Writer) error {
	answer, err := asked(ctx, config, question, (*daemon.Client).Totals, (*query.Reader).Totals)
	if err != nil {
		return err
	}
	return tellTotals(&answer, asJSON, out)
}

func tellTotals(answer *query.Totals, asJSON bool, out io.Writer) error {
	if asJSON {
		return printJSON(out, answer)
	}
	span := answer.From
	if answer.To != answer.From {
		span += " – " + answer.To
	}
	fmt.Fprintf(out, "%s\n\n", strings.TrimSpace(span+" "+answer.Merchant))
	t := totalsTable(answer.Total.Flow != nil, answer.By)
	answer.Total.Key = "合计 / total"
	for _, row := range append(answer.Rows, answer.Total) {
		addTotals(&t, &row)
	}
	t.write(out)
	return nil
}

var rowWords = map[string]string{
	"merchant": "商户 / merchant", "terminal": "终端 / terminal", "meal": "餐次 / meal", "class": "类别 / class", "period": "期间 / period",
	"purse": "钱包 / purse", "kind": "业务 / kind", "account": "账户 / account",
}

func totalsTable(flow bool, by string) textTable {
	if flow {
		return textTable{head: []string{rowWords[by], "", "笔数 / count", "收入 / in", "支出 / out", "净额 / net"}, right: 0b111100}
	}
	return textTable{head: []string{
		rowWords[by], "", "笔数 / count", "标价 / list", "商户优惠 / by merchant", "学校优惠 / by school", "管理费 / fee", "主 / main", "补贴 / subsidy",
		"冲正 / reversed", "退货 / refunded", "净额 / net",
	}, right: 0b111111111100}
}

func addTotals(t *textTable, row *query.Row) {
	if f := row.Flow; f != nil {
		t.add(row.Key, row.Name, strconv.FormatInt(f.Count, 10), f.In.String(), f.Out.String(), f.Net.String())
		return
	}
	s := row.Sales
	t.add(row.Key, row.Name, strconv.FormatInt(s.Count, 10), s.List.String(), s.MerchantDiscount.String(), s.SchoolDiscount.String(), s.Fee.String(), s.Main.String(),
		s.Subsidy.String(), s.Reversed.String(), s.Refunded.String(), s.Net.String())
}
