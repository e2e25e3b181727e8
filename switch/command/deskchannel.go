package command

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"onecard/switch/console"
)

func newDeskChannelCommand(flags *deskFlags) *cobra.Command {
	c := group(&cobra.Command{
		Use:   "channel",
		Short: "第三方支付通道:下单、查询、退款、对账 / payment channels: orders, refunds, comparisons",
		Long: `订单先落盘再告知通道,只凭通道签名的通知、查询应答或对账文件入账一次。退款先从钱包扣出再请通道退付,结果未知则一直查询。
金额不符、账户已冻结等情形的订单为 manual,处理后用 settle 补办。
An order is on disk before the channel hears of it, and is credited once, on the channel's signed word. A refund leaves the purse before the
channel pays it. An order that waits for a person (manual) is settled once what was in the way has been seen to.`,
		Example: `  onecard desk channel order wechat --holder 2026001 --amount 100.00
  onecard desk channel show wechat OC20261126120000000000001
  onecard desk channel refund wechat OC20261126120000000000001 --amount 40.00 --reason 误充
  onecard desk channel reconcile wechat 2026-11-25`,
	})
	c.AddCommand(newChannelListCommand(flags), newChannelOrderCommand(flags), newChannelShowCommand(flags), newChannelRefundCommand(flags), newChannelSettleCommand(flags),
		newChannelReconcileCommand(flags))
	return c
}

func orderPath(args []string) string {
	return "/channels/" + url.PathEscape(args[0]) + "/orders/" + url.PathEscape(args[1])
}

func newChannelListCommand(flags *deskFlags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "通道列表 / the channels", Args: usage(cobra.NoArgs), Example: "  onecard desk channel list",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, _ []string) error {
			var page struct{ Channels []console.ChannelView }
			if err := client.Ask(c.Context(), "/channels", nil, &page); err != nil {
				return err
			}
			if flags.asJSON {
				return printJSON(c.OutOrStdout(), page.Channels)
			}
			t := textTable{head: []string{"通道 / channel", "名称 / title", "等待 / waiting"}, right: 1 << 2}
			for _, v := range page.Channels {
				t.add(v.Name, v.Title, fmt.Sprint(v.Waiting))
			}
			t.write(c.OutOrStdout())
			return nil
		}),
	}
}

func newChannelOrderCommand(flags *deskFlags) *cobra.Command {
	var holder, amount, key string
	c := &cobra.Command{
		Use: "order CHANNEL --holder NUMBER --amount YUAN", Short: "下单 / make an order", Args: usage(cobra.ExactArgs(1)),
		Example: "  onecard desk channel order wechat --holder 2026001 --amount 100.00",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			return actOnOrder(c, flags, client, "/channels/"+url.PathEscape(args[0])+"/orders", key, map[string]string{"holder": holder, "amount": amount})
		}),
	}
	c.Flags().StringVar(&holder, "holder", "", "学号、工号 / the holder's number")
	c.Flags().StringVar(&amount, "amount", "", "金额,元 / yuan")
	addKey(c, &key)
	return c
}

func addKey(c *cobra.Command, key *string) {
	c.Flags().StringVar(key, "key", "", "业务的名字,缺省自取 / the act's name (Idempotency-Key), drawn when left out")
}

// actOnOrder sends an act under its name and shows the order.
func actOnOrder(c *cobra.Command, flags *deskFlags, client *console.Client, path, key string, body any) error {
	if key == "" {
		key = console.NewName()
	}
	var o console.ChannelOrder
	if err := client.Act(c.Context(), path, key, body, &o); err != nil {
		return unanswered(err, key)
	}
	return tellOrder(c, flags, &o)
}

func newChannelShowCommand(flags *deskFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show CHANNEL NUMBER", Short: "一张订单 / one order", Args: usage(cobra.ExactArgs(2)), Example: "  onecard desk channel show wechat OC20261126120000000000001",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			var o console.ChannelOrder
			if err := client.Ask(c.Context(), orderPath(args), nil, &o); err != nil {
				return err
			}
			return tellOrder(c, flags, &o)
		}),
	}
}

func newChannelRefundCommand(flags *deskFlags) *cobra.Command {
	var amount, reason, key string
	c := &cobra.Command{
		Use: "refund CHANNEL NUMBER --amount YUAN --reason WHY", Short: "退款 / a refund", Args: usage(cobra.ExactArgs(2)),
		Example: "  onecard desk channel refund wechat OC20261126120000000000001 --amount 40.00 --reason 误充",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			return actOnOrder(c, flags, client, orderPath(args)+"/refunds", key, map[string]string{"amount": amount, "reason": reason})
		}),
	}
	c.Flags().StringVar(&amount, "amount", "", "金额,元 / yuan")
	c.Flags().StringVar(&reason, "reason", "", "事由 / why")
	addKey(c, &key)
	return c
}

func newChannelSettleCommand(flags *deskFlags) *cobra.Command {
	return &cobra.Command{
		Use: "settle CHANNEL NUMBER", Short: "待人工订单补办 / settle an order that waits for a person", Args: usage(cobra.ExactArgs(2)),
		Example: "  onecard desk channel settle wechat OC20261126120000000000001",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			return actOnOrder(c, flags, client, orderPath(args)+"/settle", "", map[string]string{})
		}),
	}
}

func newChannelReconcileCommand(flags *deskFlags) *cobra.Command {
	var last bool
	c := &cobra.Command{
		Use: "reconcile CHANNEL DAY", Short: "与通道的对账文件核对一日 / hold a day against the channel's file", Args: usage(cobra.ExactArgs(2)),
		Example: "  onecard desk channel reconcile wechat 2026-11-25",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			path := "/channels/" + url.PathEscape(args[0]) + "/reconciliations/" + url.PathEscape(args[1])
			var day console.ChannelDay
			var err error
			if last {
				err = client.Ask(c.Context(), path, nil, &day)
			} else {
				err = client.Act(c.Context(), path, console.NewName(), map[string]string{}, &day)
			}
			if err != nil {
				return err
			}
			return tellChannelDay(c, flags, &day)
		}),
	}
	c.Flags().BoolVar(&last, "last", false, "只看上次的结果 / show the last comparison, make none")
	return c
}

// tellOrder prints an order with its refunds.
func tellOrder(c *cobra.Command, flags *deskFlags, o *console.ChannelOrder) error {
	if flags.asJSON {
		return printJSON(c.OutOrStdout(), o)
	}
	out := c.OutOrStdout()
	fmt.Fprintf(out, "订单 order %s  %s  持卡人 holder %s  %s  %s\n", o.Number, o.Channel, o.Holder, o.Amount, o.State)
	for _, line := range [][2]string{
		{"二维码 pay", o.Pay}, {"支付期限 until", o.Expires}, {"通道交易号 transaction", o.Transaction}, {"入账记录 record", o.Record}, {"原因 cause", o.Cause},
	} {
		if line[1] != "" {
			fmt.Fprintf(out, "  %s %s\n", line[0], line[1])
		}
	}
	for _, r := range o.Refunds {
		fmt.Fprintf(out, "  退款 refund %s  %s  %s  %s\n", r.Number, r.Amount, r.State, dash(r.Cause))
	}
	return nil
}

// tellChannelDay prints a comparison. What is left for a person, or for another day, is exit code 3.
func tellChannelDay(c *cobra.Command, flags *deskFlags, d *console.ChannelDay) error {
	if flags.asJSON {
		if err := printJSON(c.OutOrStdout(), d); err != nil {
			return err
		}
	} else {
		out := c.OutOrStdout()
		fmt.Fprintf(out, "%s %s  相符 equal %d  我方 ours %s 退 refunded %s  通道 theirs %s 退 refunded %s  手续费 fees %s\n", d.Channel, d.Day, d.Equal, d.OursPaid, d.OursRefunded,
			d.TheirsPaid, d.TheirsRefunded, d.Fees)
		t := textTable{head: []string{"号码 / number", "情形 / case", "我方 / ours", "通道 / theirs", "处理 / action", "原因 / cause"}, right: 1<<2 | 1<<3}
		for _, f := range d.Differences {
			t.add(f.Number, f.Case, f.Ours.String(), f.Theirs.String(), f.Action, dash(f.Cause))
		}
		if len(d.Differences) > 0 {
			t.write(out)
		}
	}
	if !d.Settled {
		return withCode(exitFindings, fmt.Errorf("尚有待人工或待次日的差异 / differences are left for a person or for another day"))
	}
	return nil
}
