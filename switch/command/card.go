package command

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"onecard/switch/daemon"
	"onecard/switch/transaction"
)

func newCardCommand() *cobra.Command {
	var data, operator string
	c := &cobra.Command{
		Use:   "card --data DIR CARD lost|active|frozen|closed",
		Short: "挂失、解挂、冻结、注销一张卡 / report a card lost, found, frozen or closed",
		Long: `改变一张卡的状态:lost 挂失,active 解挂或解冻,frozen 冻结,closed 注销(不可恢复)。下一次刷卡即生效。
Changes a card's state: lost, active again, frozen, closed (for good). The next tap sees it. The switch must be running.`,
		Example: `  onecard card --data /var/lib/onecard 9156000000000012 lost
  onecard card --data /var/lib/onecard 9156000000000012 active --operator 卡务-王
  onecard card list --data /var/lib/onecard --from 1005`,
		Args: usage(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, args []string) error {
			number, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return withCode(exitUsage, fmt.Errorf("卡号须为数字 / the card number must be digits"))
			}
			if _, err := transaction.ParseCardState(args[1]); err != nil {
				return withCode(exitUsage, fmt.Errorf("卡的状态 %q:写 active、lost、frozen 或 closed / state of a card: write active, lost, frozen or closed", args[1]))
			}
			if err := daemon.NewClient(data).ChangeCard(c.Context(), daemon.CardChange{Card: number, State: args[1], Operator: operator}); err != nil {
				return err
			}
			masked := transaction.CardNumber(number)
			_, err = fmt.Fprintf(c.OutOrStdout(), "卡 %s 已改为 %s,下次刷卡生效 / card %s is %s from its next tap\n", masked, args[1], masked, args[1])
			return err
		},
	}
	c.Flags().StringVar(&data, "data", "data", "数据目录 / data folder")
	c.Flags().StringVar(&operator, "operator", "", "经办人,记入账本;默认为当前用户 / who asks, recorded in the ledger; default: this user")
	_ = c.MarkFlagDirname("data")
	c.AddCommand(newCardListCommand())
	return c
}
