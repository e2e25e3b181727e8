package command

import (
	"fmt"

	"github.com/spf13/cobra"

	"onecard/switch/console"
)

// newDeskVerifyCommand asks the bank about an account: what to do after it did not answer.
func newDeskVerifyCommand(flags *deskFlags) *cobra.Command {
	var holder, account, name, number string
	c := &cobra.Command{
		Use: "bank-verify --holder HOLDER --account ACCOUNT --name NAME --id-number NUMBER", Args: usage(cobra.NoArgs),
		Short: "向银行验证持卡人与账户 / ask the bank whether an account is a holder's, and whether it is signed",
		Long: `向银行发 0100(330000):姓名、证件号是否与账户相符,银行是否已有其签约。什么都不改变。签约、解约未获银行答复时先查此项,再以同一 --key 重发。
Asks the bank (0100, 330000) whether name and identity number are the account's, and whether it has an agreement with the holder. Nothing changes.
After a bank-sign or bank-unsign that the bank did not answer: ask this, then send the same again with the same --key.`,
		Example: "  onecard desk bank-verify --holder 2026001 --account 6222020012345678 --name 李小明 --id-number 110101200001011234",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, _ []string) error {
			var v console.Verification
			body := map[string]string{"holder": holder, "account": account, "name": name, "id_number": number}
			if err := client.Act(c.Context(), "/bank/verify", console.NewName(), body, &v); err != nil {
				return err
			}
			if flags.asJSON {
				return printJSON(c.OutOrStdout(), v)
			}
			signed := map[string]string{"Y": "已签约 signed", "N": "未签约 not signed"}[v.Signed]
			if signed == "" {
				signed = "未告知 not said"
			}
			bound := map[bool]string{true: "已绑定 bound", false: "未绑定 not bound"}[v.Bound]
			_, err := fmt.Fprintf(c.OutOrStdout(), "银行 bank      %s %s / %s\n银行签约 there  %s\n账本绑定 ledger %s\n", v.Code, v.DetailZH, v.Detail, signed, bound)
			return err
		}),
	}
	for flag, into := range map[string]*string{"holder": &holder, "account": &account, "name": &name, "id-number": &number} {
		c.Flags().StringVar(into, flag, "", fieldWords[fieldOf(flag)])
		_ = c.MarkFlagRequired(flag)
	}
	return c
}

func fieldOf(flag string) string {
	if flag == "id-number" {
		return "id_number"
	}
	return flag
}

// newDeskLoadsCommand makes up for a night that was missed.
func newDeskLoadsCommand(flags *deskFlags) *cobra.Command {
	return &cobra.Command{
		Use: "auto-load-now", Args: usage(cobra.NoArgs),
		Short: "立即为余额低于起充额的签约者发起自动圈存 / ask the bank now for everybody below his threshold",
		Long: `夜间任务(loads.automatic_at)错过时使用。每人每日至多一次:当日已发起的会跳过,可重复执行。角色:accountant。
For a night (loads.automatic_at) that was missed. At most once a day for each: whoever has had his is passed over, so it may be run again.`,
		Example: "  onecard desk auto-load-now",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, _ []string) error {
			var a console.AutomaticLoads
			if err := client.Act(c.Context(), "/bank/automatic-loads", console.NewName(), struct{}{}, &a); err != nil {
				return err
			}
			if flags.asJSON {
				return printJSON(c.OutOrStdout(), a)
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "已发起 / asked of the bank: %d\n", a.Asked)
			return err
		}),
	}
}
