package command

import (
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"

	"onecard/switch/console"
)

func newBankStatusCommand(flags *deskFlags) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "银行、链路与密钥 / banks, their links and keys", Args: usage(cobra.NoArgs), Example: "  onecard desk bank status",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, _ []string) error {
			var page struct{ Banks []console.BankView }
			if err := client.Ask(c.Context(), "/banks", nil, &page); err != nil {
				return err
			}
			if flags.asJSON {
				return printJSON(c.OutOrStdout(), page.Banks)
			}
			for i := range page.Banks {
				tellBank(c.OutOrStdout(), &page.Banks[i])
			}
			return nil
		}),
	}
}

func newBankKeyCommand(flags *deskFlags) *cobra.Command {
	return &cobra.Command{
		Use: "keys BANK", Short: "向银行申请新的 MAC 密钥 / ask the bank for a new MAC key", Args: usage(cobra.ExactArgs(1)),
		Long: `银行用区域主密钥(zmk_file)加密下发新密钥,校验无误即启用;旧密钥在 key_overlap 内仍可收。结果看 desk bank status。
The bank sends the new key under the zone master key (zmk_file); it is in force once its check value and MAC are right, and what comes in may be
signed with the old one for key_overlap more. desk bank status shows what came of it.`,
		Example: "  onecard desk bank keys icbc",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			return flags.orderBank(c, client, "/banks/"+url.PathEscape(args[0])+"/key")
		}),
	}
}

func newBankLinkCommand(flags *deskFlags, order, short string) *cobra.Command {
	return &cobra.Command{
		Use: order + " BANK LINK", Short: short, Args: usage(cobra.ExactArgs(2)),
		Long: `链路从 0 起计。停用:不再派新业务,等在途的答完,签退;重启后恢复工作。
Links count from 0. A link that is drained gets nothing new, waits for what is in flight and signs off; after a restart it works again.`,
		Example: "  onecard desk bank " + order + " icbc 1",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			return flags.orderBank(c, client, "/banks/"+url.PathEscape(args[0])+"/links/"+url.PathEscape(args[1])+"/"+order)
		}),
	}
}

// orderBank gives an order and prints how the bank stands.
func (flags *deskFlags) orderBank(c *cobra.Command, client *console.Client, path string) error {
	var bank console.BankView
	if err := client.Act(c.Context(), path, console.NewName(), struct{}{}, &bank); err != nil {
		return err
	}
	if flags.asJSON {
		return printJSON(c.OutOrStdout(), bank)
	}
	tellBank(c.OutOrStdout(), &bank)
	return nil
}

func tellBank(out io.Writer, b *console.BankView) {
	fmt.Fprintf(out, "%s  在途 in flight %d,未答冲正 reversals %d\n", b.Bank, b.InFlight, b.Reversals)
	if b.CutOverUntil != "" {
		fmt.Fprintf(out, "银行日切,圈存答 90,至 / the bank turns its day, loads are answered 90, until %s\n", b.CutOverUntil)
	}
	k := &b.Key
	since := k.Since
	if since == "" {
		since = "人工给出 / given by hand"
	}
	fmt.Fprintf(out, "密钥 key KCV %s,%s", k.CheckValue, since)
	switch {
	case !k.ByLink:
		fmt.Fprint(out, ",不在链路上更换 / not changed over the link")
	case k.Waiting:
		fmt.Fprint(out, ",已申请新密钥 / a new one was asked for")
	}
	if k.LastRefusal != "" {
		fmt.Fprintf(out, ",上次未换成 / the last change failed: %s", k.LastRefusal)
	}
	fmt.Fprintln(out)
	t := textTable{head: []string{"链路 / link", "地址 / address", "状态 / state", "在途 / in flight", "", ""}, right: 1 | 1<<3}
	for i := range b.Links {
		l := &b.Links[i]
		drained := ""
		if l.Draining {
			drained = "已停用 / drained"
		}
		t.add(fmt.Sprint(l.Link), l.Address, l.State, fmt.Sprint(l.InFlight), drained, l.LastError)
	}
	t.write(out)
	fmt.Fprintln(out)
}
