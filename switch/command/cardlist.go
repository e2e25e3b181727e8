package command

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"onecard/switch/daemon"
	"onecard/switch/transaction"
)

func newCardListCommand() *cobra.Command {
	var data string
	var from uint64
	var asJSON bool
	c := &cobra.Command{
		Use:   "list --data DIR [--from VERSION] [--json]",
		Short: "列出拒用的卡,或某版本以来的变化 / the cards that are denied, or what has changed since a version",
		Long: `列出拒用名单(黑名单):挂失、冻结、注销的卡。版本号是造成变化的账本记录号,只增不减。--from 给出已知版本,只列此后的变化,每卡一行,取最后状态;
变化多于名单、或版本过旧时列出全部名单,替换已知的名单。卡号打印时掩码;--json 给出全部卡号,供导入设备。交换机须在运行。
The deny list: cards that are lost, frozen or closed. A version is the number of the ledger record that made the change and only grows. With a
version (--from) only what has changed since is listed, a line a card with its last state; the whole list comes, and replaces what was known,
when there are more changes than cards on it or the version is too old. Card numbers are masked; as JSON they are whole, for devices. The
switch must be running.`,
		Example: `  onecard card list --data /var/lib/onecard
  onecard card list --data /var/lib/onecard --from 1005 --json`,
		Args: usage(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := daemon.NewClient(data).DenyList(c.Context(), from)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(list)
			}
			return printDenyList(c.OutOrStdout(), from, &list)
		},
	}
	c.Flags().StringVar(&data, "data", "data", "数据目录 / data folder")
	c.Flags().Uint64Var(&from, "from", 0, "已知版本;0 列出全部 / the version that is known; 0: the whole list")
	c.Flags().BoolVar(&asJSON, "json", false, "JSON,卡号不掩码 / as JSON, with whole card numbers")
	_ = c.MarkFlagDirname("data")
	return c
}

func printDenyList(out io.Writer, from uint64, list *daemon.DenyList) error {
	table := textTable{head: []string{"版本 / version", "卡 / card", "拒用 / denied"}, right: 1}
	for _, e := range list.Entries {
		denied := "- 移出 / taken off"
		if e.Denied {
			denied = "+ 拒用 / denied"
		}
		table.add(strconv.FormatUint(e.Version, 10), transaction.CardNumber(e.Card).String(), denied)
	}
	table.write(out)
	what := fmt.Sprintf("版本 %d 以来的变化 / changes since version %[1]d", from)
	if list.Whole || from == 0 {
		what = "全部名单,替换已知的 / the whole list, in place of what was known"
	}
	_, err := fmt.Fprintf(out, "%s: %d;名单版本 / version of the list: %d\n", what, len(list.Entries), list.Head)
	return err
}
