package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"onecard/ledger/money"
	"onecard/switch/daemon"
	"onecard/switch/whatif"
)

func newWhatIfCommand() *cobra.Command {
	var flags configFlags
	var ask whatIfFlags
	c := &cobra.Command{
		Use:   "whatif --rules FILE --from DAY --to DAY",
		Short: "若按另一份规则,过去的交易会怎样 / what past purchases would come to under other rules",
		Long: `按另一份规则重新计价过去若干会计日的消费,逐商户、逐身份给出实际、试算与差额:笔数、拒绝、原价、优惠(其中学校承担)、管理费、应付、商户所得。
计数与累计按试算结果重新推算(优惠用得早、限额到得早都算进去);假定人和交易照旧,该输密码的输密码;余额按当时余额减去多付的部分判断。
不写账本。交换机在运行时经控制套接字进行;停机的账本和备份则只读打开。
Prices the purchases of some business days again and tells, per merchant and per class, what happened, what would have, and the difference.
Counters follow from the new verdicts. People and purchases are taken as they were, whoever is asked for his PIN types it, and a purse pays
if what its holder had, less what he would have paid more before, is enough. Nothing is written. A running switch is asked through its
control socket; the ledger of one that does not run, or a backup, is opened read-only.`,
		Example: `  onecard whatif --data /var/lib/onecard --rules new.yaml --from 2026-11-01 --to 2026-11-30
  onecard whatif --data /backup/1125 --rules new.yaml --from 2026-11-25 --to 2026-11-25 --json`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			question, err := ask.question()
			if err != nil {
				return err
			}
			config, err := flags.load()
			if err != nil {
				return err
			}
			result, err := runWhatIf(c.Context(), &config, question, c.ErrOrStderr())
			if err != nil {
				return err
			}
			if ask.json {
				out := json.NewEncoder(c.OutOrStdout())
				out.SetIndent("", "  ")
				return out.Encode(result)
			}
			return tellWhatIf(c.OutOrStdout(), result)
		},
	}
	flags.add(c)
	c.Flags().StringVar(&ask.rules, "rules", "", "规则文件 / file of rules")
	c.Flags().StringVar(&ask.from, "from", "", "起始会计日,如 2026-11-01 / first business day")
	c.Flags().StringVar(&ask.to, "to", "", "截止会计日 / last business day")
	c.Flags().BoolVar(&ask.json, "json", false, "输出 JSON / print JSON")
	return c
}

type whatIfFlags struct {
	rules, from, to string
	json            bool
}

func (f *whatIfFlags) question() (q daemon.WhatIfQuestion, err error) {
	if f.rules == "" || f.from == "" || f.to == "" {
		return q, withCode(exitUsage, errors.New("请给出 --rules、--from 和 --to / give --rules, --from and --to"))
	}
	for _, day := range []struct {
		text string
		into *uint32
	}{{f.from, &q.From}, {f.to, &q.To}} {
		at, err := time.Parse(time.DateOnly, day.text)
		if err != nil || at.Unix() < secondsADay {
			return q, withCode(exitUsage, fmt.Errorf("日期 %q 须写成 2026-11-01 / write the day %[1]q as 2026-11-01", day.text))
		}
		*day.into = uint32(at.Unix() / secondsADay)
	}
	if q.From > q.To {
		return q, withCode(exitUsage, errors.New("起始日晚于截止日 / the first day is after the last"))
	}
	q.Tables, err = readRules(f.rules)
	return q, err
}

const secondsADay = 24 * 60 * 60

func runWhatIf(ctx context.Context, config *daemon.Config, q daemon.WhatIfQuestion, said io.Writer) (*whatif.Result, error) {
	progress := func(sequence uint64) {
		fmt.Fprintf(said, "\r已读至第 %s 条 / read up to record %[1]s", thousands(sequence))
	}
	defer fmt.Fprintln(said)
	client := daemon.NewClient(config.Data.Directory)
	faults, err := client.CheckRules(ctx, q.Tables)
	switch {
	case errors.Is(err, daemon.ErrNotRunning):
		return daemon.WhatIf(ctx, config, q, progress)
	case err != nil:
		return nil, err
	case len(faults) > 0:
		return nil, tellFaults(said, faults)
	}
	return client.WhatIf(ctx, q, progress)
}

func tellWhatIf(out io.Writer, r *whatif.Result) error {
	fmt.Fprintf(out, "会计日 / business days %s – %s,读 %s 条 / records read\n", r.From, r.To, thousands(r.Entries))
	for _, part := range []struct {
		head string
		rows []whatif.Row
	}{{"商户 / merchant", r.Merchants}, {"身份 / class", r.Classes}, {"合计 / total", []whatif.Row{r.Total}}} {
		t := textTable{
			head: []string{
				part.head, "", "笔数 / count", "拒绝 / refused", "密码 / PIN", "原价 / list", "优惠 / discount", "学校承担 / school", "管理费 / fee", "应付 / payable", "商户得 / merchant",
			},
			right: 1<<11 - 1<<2,
		}
		for i := range part.rows {
			row := &part.rows[i]
			difference := row.WhatIf.Minus(&row.Actual)
			name := row.Code
			if row.Name != "" {
				name += " " + row.Name
			}
			t.add(whatIfCells(name, "实际 / actual", &row.Actual, money.Fen.String)...)
			t.add(whatIfCells("", "试算 / what if", &row.WhatIf, money.Fen.String)...)
			t.add(whatIfCells("", "差 / difference", &difference, signed)...)
		}
		fmt.Fprintln(out)
		t.write(out)
	}
	return nil
}

func whatIfCells(name, what string, s *whatif.Sums, text func(money.Fen) string) []string {
	count := func(n int64) string { return fmt.Sprint(n) }
	return []string{
		name, what, count(s.Count), count(s.Refused), count(s.PINAsked), text(s.List), text(s.Discount), text(s.School), text(s.Fee), text(s.Payable), text(s.Merchant()),
	}
}

func signed(a money.Fen) string {
	if a > 0 {
		return "+" + a.String()
	}
	return a.String()
}
