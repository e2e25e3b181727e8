package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"onecard/switch/daemon"
)

func newOperatorCommand() *cobra.Command {
	var data string
	c := group(&cobra.Command{
		Use:   "operator",
		Short: "操作员:登记、角色、停用、令牌 / operators: register, roles, suspend, tokens",
		Long: `经控制套接字管理操作员,只有数据目录的所有者能做;每次变更都记入账本。交换机须在运行。
Manages operators through the control socket, which only the owner of the data folder can use; each change stands in the ledger. The switch
must be running.

角色 / roles: cashier 出纳, cards 卡务, accountant 会计, approver 审核, reader 查询, administrator 管理。自己的业务不能自己审核。
Nobody approves his own act, whatever his roles.`,
		Example: `  onecard operator add zhang --roles cashier --data /var/lib/onecard
  onecard operator add wang --roles accountant,approver --data /var/lib/onecard
  onecard operator suspend zhang --data /var/lib/onecard`,
	})
	c.PersistentFlags().StringVar(&data, "data", "data", "数据目录 / data folder")
	_ = c.MarkPersistentFlagDirname("data")
	c.AddCommand(
		newOperatorChange(&data, "add", "add CODE --roles ROLES", "登记一名操作员,显示其令牌一次 / register an operator; his token is shown once"),
		newOperatorChange(&data, "roles", "roles CODE --roles ROLES", "改角色 / give other roles"),
		newOperatorChange(&data, "suspend", "suspend CODE", "停用,立即生效 / suspend, from now on"),
		newOperatorChange(&data, "resume", "resume CODE", "恢复 / take back into service"),
		newOperatorChange(&data, "token", "token CODE", "换发令牌,旧的立即失效 / a new token; the old one is worth nothing from now on"),
		newOperatorList(&data))
	return c
}

func newOperatorChange(data *string, act, use, short string) *cobra.Command {
	change := daemon.OperatorChange{Act: act}
	c := &cobra.Command{
		Use: use, Short: short, Args: usage(cobra.ExactArgs(1)), Example: "  onecard operator " + strings.NewReplacer("CODE", "zhang", "ROLES", "cashier,cards").Replace(use) + " --data /var/lib/onecard",
		RunE: func(c *cobra.Command, args []string) error {
			change.Code = args[0]
			o, err := daemon.NewClient(*data).ChangeOperator(c.Context(), change)
			if err != nil {
				return err
			}
			out := c.OutOrStdout()
			fmt.Fprintf(out, "%s   角色 / roles %s   %s\n", o.Code, o.Roles, suspendedWords(o.Suspended))
			if o.Token == "" {
				return nil
			}
			_, err = fmt.Fprintf(out, "\n%s\n\n! 令牌只显示这一次,等同签名:请直接交给本人,存入 ~/.config/onecard/token(chmod 600)或 ONECARD_TOKEN\n"+
				"! the token is shown this once and is as good as a signature: hand it to its owner, who keeps it in that file or variable\n", o.Token)
			return err
		},
	}
	if act == "add" || act == "roles" {
		c.Flags().StringVar(&change.Roles, "roles", "", "角色,逗号分隔 / with commas: cashier,cards,accountant,approver,reader,administrator")
	}
	c.Flags().StringVar(&change.By, "by", "", "由谁决定,记入账本;默认为当前用户 / who says so, recorded in the ledger; default: this user")
	return c
}

func newOperatorList(data *string) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "全部操作员 / all operators", Args: usage(cobra.NoArgs), Example: "  onecard operator list --data /var/lib/onecard",
		RunE: func(c *cobra.Command, _ []string) error {
			all, err := daemon.NewClient(*data).Operators(c.Context())
			if err != nil {
				return err
			}
			t := textTable{head: []string{"操作员 / operator", "角色 / roles", "状态 / state"}}
			for _, o := range all {
				t.add(o.Code, o.Roles, suspendedWords(o.Suspended))
			}
			t.write(c.OutOrStdout())
			return nil
		},
	}
}

func suspendedWords(suspended bool) string {
	if suspended {
		return "停用 / suspended"
	}
	return "在用 / active"
}
