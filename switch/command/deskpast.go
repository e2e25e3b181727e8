package command

import (
	"github.com/spf13/cobra"

	"onecard/switch/console"
	"onecard/switch/query"
)

func newDeskStatementCommand(flags *deskFlags) *cobra.Command {
	given := questionFlags{}
	c := &cobra.Command{
		Use: "statement (--holder N | --card N | --merchant N | --terminal N | --operator CODE | --record N)", Short: "流水 / a statement, page by page",
		Example: "  onecard desk statement --holder 2026001 --from 2026-11-01\n  onecard desk statement --operator zhang --limit 200",
		Args:    usage(cobra.NoArgs),
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, _ []string) error {
			var answer query.Statement
			if err := client.Ask(c.Context(), "/statements", given.values(), &answer); err != nil {
				return err
			}
			return tellStatement(&answer, flags.asJSON, c.OutOrStdout())
		}),
	}
	given.add(c, "holder", "学号、工号 / the holder's number")
	given.add(c, "card", "卡号 / card number")
	given.add(c, "merchant", "商户号 / merchant")
	given.add(c, "terminal", "终端号 / terminal")
	given.add(c, "operator", "操作员 / operator")
	given.add(c, "record", "一条记录 / one record")
	given.add(c, "from", "起 / from: 2026-11-26, 2026-11-26 12:30")
	given.add(c, "to", "止;日期即当日终了 / to; a date is the end of that day")
	given.add(c, "limit", "每页条数 / lines a page")
	given.add(c, "after", "上一页的 --after / as the page before says")
	given.add(c, "up-to", "上一页的 --up-to / as the page before says")
	return c
}
