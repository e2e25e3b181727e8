package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"onecard/switch/console"
)

// newWithdrawalListCommand lists the withdrawals to bank accounts that have not ended.
func newWithdrawalListCommand(flags *deskFlags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "未了结的提现 / withdrawals that the bank has not settled", Args: usage(cobra.NoArgs), Example: "  onecard desk withdrawal list",
		Long: `列出银行尚未了结的提现,款项仍冻结。manual 须待银行对账文件,以 desk bank propose 或 desk withdrawal charge、return 双人处理。
Lists the withdrawals that the bank has not settled: their money is on hold. What is manual waits for the bank's file; then two persons settle it, by
desk bank propose or desk withdrawal charge and return.`,
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, _ []string) error {
			var page struct{ Withdrawals []console.OpenWithdrawal }
			if err := client.Ask(c.Context(), "/bank/withdrawals", nil, &page); err != nil {
				return err
			}
			if flags.asJSON {
				return printJSON(c.OutOrStdout(), page.Withdrawals)
			}
			if len(page.Withdrawals) == 0 {
				_, err := fmt.Fprintln(c.OutOrStdout(), "没有未了结的提现 / no withdrawal is open")
				return err
			}
			t := textTable{head: []string{"记录 / record", "时间 / time", "持卡人 / holder", "账户 / account", "金额 / amount", "冻结 / held", "状态 / state", ""}, right: 1<<4 | 1<<5}
			for i := range page.Withdrawals {
				w := &page.Withdrawals[i]
				t.add(fmt.Sprint(w.Record), w.Time, strings.TrimSpace(w.Holder.Number+" "+w.Holder.Name), w.Account, w.Amount.String(), w.Held.String(), w.State, w.StateZH+" / "+w.StateEN)
			}
			t.write(c.OutOrStdout())
			return nil
		}),
	}
}
