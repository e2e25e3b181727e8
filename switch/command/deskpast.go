package command

import (
	"net/url"

	"github.com/spf13/cobra"

	"onecard/switch/console"
	"onecard/switch/query"
)

// pastFlags are the flags of a question about the past; each is a parameter of the API.
var pastFlags = []struct{ name, parameter, words string }{
	{"holder", "holder", "学号、工号 / the holder's number"},
	{"card", "card", "卡号 / card number"},
	{"merchant", "merchant", "商户号 / merchant"},
	{"terminal", "terminal", "终端号 / terminal"},
	{"operator", "operator", "操作员 / operator"},
	{"record", "record", "一条记录 / one record"},
	{"from", "from", "起 / from: 2026-11-26, 2026-11-26 12:30"},
	{"to", "to", "止;日期即当日终了 / to; a date is the end of that day"},
	{"limit", "limit", "每页条数 / lines a page"},
	{"after", "after", "上一页的 --after / as the page before says"},
	{"up-to", "up_to", "上一页的 --up-to / as the page before says"},
}

func newDeskStatementCommand(flags *deskFlags) *cobra.Command {
	given := map[string]*string{}
	c := &cobra.Command{
		Use: "statement (--holder N | --card N | --merchant N | --terminal N | --operator CODE | --record N)", Short: "流水 / a statement, page by page",
		Example: "  onecard desk statement --holder 2026001 --from 2026-11-01\n  onecard desk statement --operator zhang --limit 200",
		Args:    usage(cobra.NoArgs),
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, _ []string) error {
			asked := url.Values{}
			for parameter, value := range given {
				if *value != "" {
					asked.Set(parameter, *value)
				}
			}
			var answer query.Statement
			if err := client.Ask(c.Context(), "/statements", asked, &answer); err != nil {
				return err
			}
			return tellStatement(&answer, flags.asJSON, c.OutOrStdout())
		}),
	}
	for _, f := range pastFlags {
		given[f.parameter] = c.Flags().String(f.name, "", f.words)
	}
	return c
}
