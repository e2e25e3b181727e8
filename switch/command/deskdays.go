package command

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"onecard/switch/console"
	"onecard/switch/dayend"
	"onecard/switch/query"
)

// questionFlags are flags that become parameters of a question when they are given: --up-to is up_to.
type questionFlags map[string]*string

func (q questionFlags) add(c *cobra.Command, name, words string) {
	q[strings.ReplaceAll(name, "-", "_")] = c.Flags().String(name, "", words)
}

func (q questionFlags) values() url.Values {
	asked := url.Values{}
	for parameter, value := range q {
		if *value != "" {
			asked.Set(parameter, *value)
		}
	}
	return asked
}

func newDeskTotalsCommand(flags *deskFlags) *cobra.Command {
	given := questionFlags{}
	c := &cobra.Command{
		Use: "totals --from DAY", Short: "日、月汇总 / totals of days and months", Args: usage(cobra.NoArgs),
		Example: "  onecard desk totals --from 2026-11-26 --by meal\n  onecard desk totals --unit month --from 2026-11 --merchant 898300000000001",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, _ []string) error {
			var answer query.Totals
			if err := client.Ask(c.Context(), "/totals", given.values(), &answer); err != nil {
				return err
			}
			return tellTotals(&answer, flags.asJSON, c.OutOrStdout())
		}),
	}
	given.add(c, "unit", "day 或 month / day or month")
	given.add(c, "from", "起始日或月 / first day or month")
	given.add(c, "to", "截止日或月(含) / last day or month")
	given.add(c, "merchant", "商户号 / merchant")
	given.add(c, "by", "行:merchant、terminal、meal、class、period、purse、kind 或 account / what the rows are")
	return c
}

func newDeskBalanceCommand(flags *deskFlags) *cobra.Command {
	given := questionFlags{}
	c := &cobra.Command{
		Use: "balance (--holder N | --card N | --merchant N | --account N) [--at MOMENT]", Short: "任一时刻的余额 / a balance as it was", Args: usage(cobra.NoArgs),
		Example: `  onecard desk balance --holder 2026001 --at "2026-11-26 12:00:00"`,
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, _ []string) error {
			var answer query.Balance
			if err := client.Ask(c.Context(), "/balances", given.values(), &answer); err != nil {
				return err
			}
			return tellBalance(&answer, flags.asJSON, c.OutOrStdout())
		}),
	}
	given.add(c, "holder", "学号、工号 / the holder's number")
	given.add(c, "card", "卡号 / the card's number")
	given.add(c, "merchant", "商户号 / merchant")
	given.add(c, "account", "账户号 / number of an account")
	given.add(c, "at", "时刻;只写日期即当日终了 / the moment; a date is the end of that day")
	return c
}

func newDeskDayCommand(flags *deskFlags) *cobra.Command {
	return &cobra.Command{
		Use: "day [DAY]", Short: "日结单:不写日期则列出已日结的日子 / the signed statement of a day; without one, the days there are", Args: usage(cobra.MaximumNArgs(1)),
		Example: "  onecard desk day\n  onecard desk day 2026-11-26",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			if len(args) == 0 {
				var list struct{ Days []string }
				if err := client.Ask(c.Context(), "/days", nil, &list); err != nil {
					return err
				}
				if flags.asJSON {
					return printJSON(c.OutOrStdout(), list.Days)
				}
				for _, day := range list.Days {
					fmt.Fprintln(c.OutOrStdout(), day)
				}
				_, err := fmt.Fprintf(c.OutOrStdout(), "\n共 %d 日 / %[1]d days\n", len(list.Days))
				return err
			}
			var signed json.RawMessage
			if err := client.Ask(c.Context(), "/days/"+url.PathEscape(args[0]), nil, &signed); err != nil {
				return err
			}
			if flags.asJSON {
				return printJSON(c.OutOrStdout(), signed)
			}
			var statement struct{ Statement dayend.Statement }
			if err := json.Unmarshal(signed, &statement); err != nil {
				return fmt.Errorf("日结单无法读取 / the statement cannot be read: %w", err)
			}
			return printDay(&statement.Statement, c.OutOrStdout())
		}),
	}
}
