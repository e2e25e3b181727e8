package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"onecard/switch/console"
)

func newDeskProposalsCommand(flags *deskFlags) *cobra.Command {
	return &cobra.Command{
		Use: "proposals", Short: "待另一人审核的业务 / what waits for a second person", Args: usage(cobra.NoArgs), Example: "  onecard desk proposals",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, _ []string) error {
			var all []console.Proposal
			query := url.Values{}
			for {
				var page struct {
					Proposals []console.Proposal
					Next      string
				}
				if err := client.Ask(c.Context(), "/proposals", query, &page); err != nil {
					return err
				}
				all = append(all, page.Proposals...)
				if page.Next == "" {
					break
				}
				query.Set("after", page.Next)
			}
			if flags.asJSON {
				return printJSON(c.OutOrStdout(), all)
			}
			t := textTable{head: []string{"编号 / number", "时间 / time", "业务 / kind", "持卡人或商户 / who", "金额 / amount", "经办 / by", "事由 / reason"}, right: 1 << 4}
			for i := range all {
				r := &all[i].Asked
				t.add(r.Number, moment(r.Time), r.KindZH, whom(r), quantity(r.Amount, r.Count), r.Operator, r.Reason)
			}
			t.write(c.OutOrStdout())
			_, err := fmt.Fprintf(c.OutOrStdout(), "\n共 %d 笔待审 / %[1]d wait\n", len(all))
			return err
		}),
	}
}

// whom says whom a receipt is about.
func whom(r *console.Receipt) string {
	if r.Holder != nil {
		return strings.TrimSpace(r.Holder.Number + " " + r.Holder.Name)
	}
	return r.Merchant
}

// moment is an RFC 3339 time for a table.
func moment(at string) string { return strings.Replace(at[:min(19, len(at))], "T", " ", 1) }

func newDeskApproveCommand(flags *deskFlags) *cobra.Command {
	var reason, key, paper string
	c := &cobra.Command{
		Use: "approve NUMBER", Short: "审核通过一笔待审业务,须为另一人 / approve a proposal: another person", Args: usage(cobra.ExactArgs(1)),
		Example: "  onecard desk proposals\n  onecard desk approve 000000000123",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			if key == "" {
				key = console.NewName()
			}
			var r console.Receipt
			if err := client.Act(c.Context(), "/proposals/"+url.PathEscape(args[0])+"/approve", key, map[string]string{"reason": reason}, &r); err != nil {
				return unanswered(err, key)
			}
			return tellReceipt(c, flags, &r, paper)
		}),
	}
	c.Flags().StringVar(&reason, "reason", "", "事由,记入审计日志 / why, for the audit log")
	c.Flags().StringVar(&key, "key", "", "业务的名字 / the act's name (Idempotency-Key)")
	c.Flags().StringVar(&paper, "paper", "58", "凭条纸宽 58 或 80,毫米 / paper of the receipt in millimetres")
	return c
}

func newDeskRejectCommand(flags *deskFlags) *cobra.Command {
	var reason, key string
	c := &cobra.Command{
		Use: "reject NUMBER --reason WHY", Short: "驳回待审业务,或撤回自己提交的 / reject a proposal, or withdraw one's own", Args: usage(cobra.ExactArgs(1)),
		Example: "  onecard desk reject 000000000123 --reason 缺单据",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			if reason == "" {
				return withCode(exitUsage, withHelp(c, errors.New("请给出 --reason / give --reason")))
			}
			if key == "" {
				key = console.NewName()
			}
			var p console.Proposal
			if err := client.Act(c.Context(), "/proposals/"+url.PathEscape(args[0])+"/reject", key, map[string]string{"reason": reason}, &p); err != nil {
				return unanswered(err, key)
			}
			if flags.asJSON {
				return printJSON(c.OutOrStdout(), p)
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "%s 已驳回,未动一分钱 / %[1]s is closed: nothing was moved\n", p.Number)
			return err
		}),
	}
	c.Flags().StringVar(&reason, "reason", "", "事由 / why")
	c.Flags().StringVar(&key, "key", "", "业务的名字 / the act's name (Idempotency-Key)")
	return c
}

func newDeskSheetCommand(flags *deskFlags) *cobra.Command {
	var day string
	c := &cobra.Command{
		Use: "sheet DESK [--day DAY]", Short: "收银台日报:备用金+收入-支出=应有,实点,差额 / day sheet of a cash desk", Args: usage(cobra.ExactArgs(1)),
		Example: "  onecard desk sheet D01\n  onecard desk sheet D01 --day 2026-11-25 --json",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			query := url.Values{}
			if day != "" {
				query.Set("day", day)
			}
			var sheet console.Sheet
			if err := client.Ask(c.Context(), "/desks/"+url.PathEscape(args[0])+"/sheet", query, &sheet); err != nil {
				return err
			}
			if flags.asJSON {
				if err := printJSON(c.OutOrStdout(), sheet); err != nil {
					return err
				}
			} else if err := sheet.Print(c.OutOrStdout()); err != nil {
				return err
			}
			for i := range sheet.Drawers {
				if d := sheet.Drawers[i].Difference; d != nil && *d != 0 {
					return withCode(exitFindings, fmt.Errorf("钱箱差额 %s / the drawer differs by %[1]s", d))
				}
			}
			return nil
		}),
	}
	c.Flags().StringVar(&day, "day", "", "会计日,缺省今天 / business day, today when left out")
	return c
}

func newDeskListCommand(flags *deskFlags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "收银台与钱箱 / cash desks and their drawers", Args: usage(cobra.NoArgs), Example: "  onecard desk list",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, _ []string) error {
			var all struct{ Desks []console.DeskView }
			if err := client.Ask(c.Context(), "/desks", nil, &all); err != nil {
				return err
			}
			if flags.asJSON {
				return printJSON(c.OutOrStdout(), all.Desks)
			}
			t := textTable{head: []string{"收银台 / desk", "钱箱 / drawer", "备用金 / float", "收入 / receipts", "支出 / payments", "应有 / expected", "笔数 / acts"}, right: 0x7c}
			for _, d := range all.Desks {
				drawer := "关 / closed"
				if d.Open {
					drawer = d.Operator
				}
				t.add(d.Desk, drawer, d.Float.String(), d.Receipts.String(), d.Payments.String(), d.Expected.String(), fmt.Sprint(d.Acts))
			}
			t.write(c.OutOrStdout())
			return nil
		}),
	}
}

func newDeskHolderCommand(flags *deskFlags) *cobra.Command {
	return &cobra.Command{
		Use: "holder NUMBER", Short: "持卡人的钱包 / a holder's purses", Args: usage(cobra.ExactArgs(1)), Example: "  onecard desk holder 2026001",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			var h console.HolderView
			if err := client.Ask(c.Context(), "/holders/"+url.PathEscape(args[0]), nil, &h); err != nil {
				return err
			}
			if flags.asJSON {
				return printJSON(c.OutOrStdout(), h)
			}
			out := c.OutOrStdout()
			fmt.Fprintf(out, "%s %s   类别 / class %s   可用 / spendable %s", h.Number, h.Name, h.Class, h.Spendable)
			if h.Debt != nil {
				fmt.Fprintf(out, "   欠款 / debt %s", h.Debt)
			}
			fmt.Fprint(out, "\n\n")
			t := textTable{head: []string{"钱包 / purse", "科目 / code", "状态 / state", "余额 / balance", "冻结 / held", "有效期 / until"}, right: 1<<3 | 1<<4}
			for i := range h.Purses {
				p := &h.Purses[i]
				t.add(p.Purse, fmt.Sprint(p.Code), p.State, quantity(p.Balance, p.Count), quantity(p.Held, nil), p.Expiry.String())
			}
			t.write(out)
			return nil
		}),
	}
}

func newDeskReceiptCommand(flags *deskFlags) *cobra.Command {
	var paper string
	c := &cobra.Command{
		Use: "receipt NUMBER", Short: "重打凭条 / print a receipt again", Args: usage(cobra.ExactArgs(1)), Example: "  onecard desk receipt 000000000123 --paper 80",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			var r console.Receipt
			if err := client.Ask(c.Context(), "/receipts/"+url.PathEscape(args[0]), nil, &r); err != nil {
				return err
			}
			r.Repeated = true
			return tellReceipt(c, flags, &r, paper)
		}),
	}
	c.Flags().StringVar(&paper, "paper", "58", "凭条纸宽 58 或 80,毫米 / paper of the receipt in millimetres")
	return c
}

func newDeskCatalogueCommand(flags *deskFlags) *cobra.Command {
	return &cobra.Command{
		Use: "catalogue", Short: "业务目录:字段、角色、是否双人 / the catalogue of operations", Args: usage(cobra.NoArgs), Example: "  onecard desk catalogue",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, _ []string) error {
			var all struct{ Operations []console.CatalogueView }
			if err := client.Ask(c.Context(), "/catalogue", nil, &all); err != nil {
				return err
			}
			if flags.asJSON {
				return printJSON(c.OutOrStdout(), all.Operations)
			}
			t := textTable{head: []string{"业务 / kind", "", "角色 / roles", "双人 / two", "必填 / needed", "可选 / may"}}
			for _, o := range all.Operations {
				two := ""
				if o.TwoPersons {
					two = "是 / yes"
				}
				t.add(o.Kind, o.Chinese, strings.Join(o.Roles, ","), two, strings.Join(o.Needs, ","), strings.Join(o.May, ","))
			}
			t.write(c.OutOrStdout())
			return nil
		}),
	}
}

func newDeskMeCommand(flags *deskFlags) *cobra.Command {
	return &cobra.Command{
		Use: "me", Short: "我是谁,有哪些角色 / who am I, with which roles", Args: usage(cobra.NoArgs), Example: "  onecard desk me",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, _ []string) error {
			if flags.asJSON {
				var raw json.RawMessage
				if err := client.Ask(c.Context(), "/me", nil, &raw); err != nil {
					return err
				}
				return printJSON(c.OutOrStdout(), raw)
			}
			var me console.Me
			if err := client.Ask(c.Context(), "/me", nil, &me); err != nil {
				return err
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "%s   角色 / roles %s   来自 / from %s\n", me.Operator, strings.Join(me.Roles, ","), me.Address)
			return err
		}),
	}
}
