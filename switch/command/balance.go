package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"onecard/switch/daemon"
	"onecard/switch/query"
)

func newBalanceCommand() *cobra.Command {
	var flags configFlags
	var ask query.BalanceQuestion
	var card string
	var asJSON bool
	c := &cobra.Command{
		Use:   "balance --data DIR (--holder N | --card N | --merchant N | --account N | --all) [--at TIME | --entry N]",
		Short: "任一时刻的余额 / a balance as it was",
		Long: `持卡人的钱包、商户的应付款、任一内部账户在某一时刻(--at)或某一条之后(--entry)的余额;--all 为当时的试算平衡表,钱包按科目合计。
交换机运行时由它回答,停止时只读打开账本。只写日期即当日终了。
What a holder's purses, a merchant's payable or an account of the site held at a moment, or after an entry; --all is the trial balance of
that moment, with the purses of each code together. A running switch answers; of one that was stopped the ledger is opened read-only. A date
alone is the end of that day.`,
		Example: `  onecard balance --data /var/lib/onecard --holder 20260001 --at "2026-11-26 12:00"
  onecard balance --data /var/lib/onecard --all --at 2026-11-25`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if card != "" {
				if ask.Card, err = strconv.ParseUint(card, 10, 64); err != nil {
					return withCode(exitUsage, errors.New("卡号须为数字 / the card number must be digits"))
				}
			}
			if ask.All && ask.Subject != (query.Subject{}) {
				return withCode(exitUsage, errors.New("--all 不与其他对象同用 / --all goes with nothing else"))
			}
			config, err := flags.load()
			if err != nil {
				return err
			}
			return runBalance(c.Context(), &config, ask, asJSON, c.OutOrStdout())
		},
	}
	flags.add(c)
	addSubject(c, &ask.Subject, &card)
	f := c.Flags()
	f.BoolVar(&ask.All, "all", false, "试算平衡表 / the trial balance")
	f.StringVar(&ask.At, "at", "", "时刻 / the moment")
	f.Uint64Var(&ask.Entry, "entry", 0, "某一条之后 / after this entry")
	f.BoolVar(&asJSON, "json", false, "输出 JSON / print JSON")
	return c
}

func runBalance(ctx context.Context, config *daemon.Config, question query.BalanceQuestion, asJSON bool, out io.Writer) error {
	answer, err := asked(ctx, config, question, (*daemon.Client).Balance, (*query.Reader).Balance)
	if err != nil {
		return err
	}
	return tellBalance(&answer, asJSON, out)
}

func tellBalance(answer *query.Balance, asJSON bool, out io.Writer) error {
	if asJSON {
		return printJSON(out, answer)
	}
	fmt.Fprintf(out, "第 %d 条之后 / after entry %[1]d  %s\n\n", answer.Entry, answer.Time)
	t := textTable{head: []string{"账户 / account", "科目 / code", "", "余额 / balance"}, right: 0b1001}
	for i := range answer.Accounts {
		a := &answer.Accounts[i]
		number := ""
		if a.Account != 0 {
			number = fmt.Sprint(a.Account)
		}
		t.add(number, fmt.Sprint(a.Code), a.Name, a.Balance.String())
	}
	t.add("", "", "合计 / sum", answer.Sum.String())
	t.write(out)
	return nil
}
