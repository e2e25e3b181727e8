package command

import (
	"fmt"

	"github.com/spf13/cobra"

	"onecard/switch/console"
)

// newDeskBankBalanceCommand asks the bank what a holder's account has.
func newDeskBankBalanceCommand(flags *deskFlags) *cobra.Command {
	var holder string
	c := &cobra.Command{
		Use: "bank-balance --holder HOLDER", Args: usage(cobra.NoArgs),
		Short: "向银行查询签约账户余额 / ask the bank what a holder's signed account has",
		Long: `向银行发 0200(300000),答复只显示、不留存。银行须有 balance 功能(dialect.features)。
Asks the bank (0200, 300000). What it says is shown and kept nowhere. The bank must have the feature balance.`,
		Example: "  onecard desk bank-balance --holder 2026001",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, _ []string) error {
			var b console.BankBalance
			if err := client.Act(c.Context(), "/bank/balance", console.NewName(), map[string]string{"holder": holder}, &b); err != nil {
				return err
			}
			if flags.asJSON {
				return printJSON(c.OutOrStdout(), b)
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "银行账户 account  %s\n可用余额 balance  %s\n", b.Account, b.Balance)
			return err
		}),
	}
	c.Flags().StringVar(&holder, "holder", "", fieldWords["holder"])
	_ = c.MarkFlagRequired("holder")
	return c
}
