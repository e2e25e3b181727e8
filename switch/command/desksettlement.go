package command

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"onecard/switch/console"
)

func newDeskSettlementCommand(flags *deskFlags) *cobra.Command {
	c := group(&cobra.Command{
		Use:   "settlement",
		Short: "商户结算单:起草、复核、批准、付款、归档 / merchants' settlement sheets: draw up, check, approve, pay, close",
		Long: `结算单只结算已日切的日子,同一商户的日子首尾相接,不重不漏。起草人、复核人(卡务)、批准人须为不同的人;批准时服务费与代扣入账,
付款后不再改动,更正写在下一张上。
A sheet settles closed business days; a merchant's sheets follow each other, no day twice and none left out. Who draws up, who checks (the card
office) and who approves are different people. Fees and deductions are booked on approval; a paid sheet is never edited, corrections go to the next.`,
		Example: `  onecard desk settlement draft --merchant 898300000000001 --from 2026-11-24 --to 2026-11-24 --deduct "1500.00 房租"
  onecard desk settlement check 000000000123; onecard desk settlement approve 000000000123
  onecard desk settlement payout --bank 中国工商银行 --format fixed --to payout.txt
  onecard desk settlement pay 000000000123 --document ICBC-0001`,
	})
	c.AddCommand(newSettlementDraftCommand(flags), newSettlementListCommand(flags), newSettlementShowCommand(flags), newSettlementPayoutCommand(flags))
	for _, step := range [][2]string{
		{"check", "复核 / check: the card office"},
		{"approve", "批准,另一人 / approve: another person"},
		{"pay", "付款 / pay, with the bank's reference"},
		{"close", "归档 / close"},
		{"cancel", "作废,批准之前 / cancel before it is approved"},
	} {
		c.AddCommand(newSettlementStepCommand(flags, step[0], step[1]))
	}
	return c
}

// item is a deduction or an adjustment as the API takes it.
type item struct {
	Amount string `json:"amount"`
	Text   string `json:"text"`
}

// itemsOf reads "1500.00 rent".
func itemsOf(flag string, values []string) ([]item, error) {
	var list []item
	for _, value := range values {
		amount, text, ok := strings.Cut(value, " ")
		if !ok {
			return nil, withCode(exitUsage, fmt.Errorf(`--%s %q 须为 "金额 事由" / must be "amount why"`, flag, value))
		}
		list = append(list, item{amount, text})
	}
	return list, nil
}

func newSettlementDraftCommand(flags *deskFlags) *cobra.Command {
	var merchant, from, to string
	var deduct, adjust []string
	c := &cobra.Command{
		Use: "draft --merchant CODE --from DAY --to DAY", Short: "起草 / draw up", Args: usage(cobra.NoArgs),
		Example: `  onecard desk settlement draft --merchant 898300000000001 --from 2026-11-24 --to 2026-11-24 --deduct "1500.00 房租"`,
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, _ []string) error {
			deductions, err := itemsOf("deduct", deduct)
			if err != nil {
				return err
			}
			adjustments, err := itemsOf("adjust", adjust)
			if err != nil {
				return err
			}
			if to == "" {
				to = from
			}
			body := map[string]any{"merchant": merchant, "from": from, "to": to}
			if len(deductions) > 0 {
				body["deductions"] = deductions
			}
			if len(adjustments) > 0 {
				body["adjustments"] = adjustments
			}
			var sheet console.SettlementSheet
			if err := client.Act(c.Context(), "/settlements", console.NewName(), body, &sheet); err != nil {
				return err
			}
			return tellSheet(c, flags, &sheet)
		}),
	}
	c.Flags().StringVar(&merchant, "merchant", "", "商户号 15 位 / merchant, 15 characters")
	c.Flags().StringVar(&from, "from", "", "首日 / first day, 2026-11-24")
	c.Flags().StringVar(&to, "to", "", "末日,默认同首日 / last day, default the first")
	c.Flags().StringArrayVar(&deduct, "deduct", nil, `代扣,"金额 事由",可重复 / a deduction, "amount why", may be repeated`)
	c.Flags().StringArrayVar(&adjust, "adjust", nil, `调整,"金额 事由",可负 / an adjustment, may be negative`)
	return c
}

func newSettlementStepCommand(flags *deskFlags, step, short string) *cobra.Command {
	var document, reason string
	c := &cobra.Command{
		Use: step + " NUMBER", Short: short, Args: usage(cobra.ExactArgs(1)), Example: "  onecard desk settlement " + step + " 000000000123",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			var sheet console.SettlementSheet
			path := "/settlements/" + url.PathEscape(args[0]) + "/" + step
			if err := client.Act(c.Context(), path, console.NewName(), map[string]string{"document": document, "reason": reason}, &sheet); err != nil {
				return err
			}
			return tellSheet(c, flags, &sheet)
		}),
	}
	if step == "pay" {
		c.Flags().StringVar(&document, "document", "", "银行流水号 / the bank's reference")
	}
	if step == "cancel" {
		c.Flags().StringVar(&reason, "reason", "", "事由 / why")
	}
	return c
}

func newSettlementListCommand(flags *deskFlags) *cobra.Command {
	var state, merchant string
	c := &cobra.Command{
		Use: "list", Short: "结算单列表 / settlement sheets", Args: usage(cobra.NoArgs), Example: "  onecard desk settlement list --state approved",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, _ []string) error {
			query := url.Values{}
			for name, value := range map[string]string{"state": state, "merchant": merchant} {
				if value != "" {
					query.Set(name, value)
				}
			}
			var page struct{ Sheets []console.SettlementSheet }
			if err := client.Ask(c.Context(), "/settlements", query, &page); err != nil {
				return err
			}
			if flags.asJSON {
				return printJSON(c.OutOrStdout(), page.Sheets)
			}
			t := textTable{head: []string{"编号 / number", "商户 / merchant", "名称 / name", "自 / from", "至 / to", "应付 / payable", "状态 / state"}, right: 1 << 5}
			for i := range page.Sheets {
				s := &page.Sheets[i]
				t.add(s.Number, s.Merchant, s.MerchantName, s.From.String(), s.To.String(), s.Payable.String(), s.State)
			}
			t.write(c.OutOrStdout())
			_, err := fmt.Fprintf(c.OutOrStdout(), "\n共 %d 张 / %[1]d sheets\n", len(page.Sheets))
			return err
		}),
	}
	c.Flags().StringVar(&state, "state", "", "状态 / state: drafted, checked, approved, paid, closed, cancelled")
	c.Flags().StringVar(&merchant, "merchant", "", "商户号 / merchant")
	return c
}

func newSettlementShowCommand(flags *deskFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show NUMBER", Short: "一张结算单,逐行 / one sheet, line by line", Args: usage(cobra.ExactArgs(1)), Example: "  onecard desk settlement show 000000000123",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, args []string) error {
			var sheet console.SettlementSheet
			if err := client.Ask(c.Context(), "/settlements/"+url.PathEscape(args[0]), nil, &sheet); err != nil {
				return err
			}
			return tellSheet(c, flags, &sheet)
		}),
	}
}

func newSettlementPayoutCommand(flags *deskFlags) *cobra.Command {
	var bank, format, to string
	c := &cobra.Command{
		Use: "payout", Short: "商户解款文件:已批准未付的 / payout file of what is approved and not paid", Args: usage(cobra.NoArgs),
		Example: "  onecard desk settlement payout --bank 中国工商银行 --format fixed --to payout.txt",
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, _ []string) error {
			query := url.Values{"format": {format}}
			if bank != "" {
				query.Set("bank", bank)
			}
			var file string
			if err := client.Ask(c.Context(), "/payouts", query, &file); err != nil {
				return err
			}
			if to == "" {
				_, err := fmt.Fprint(c.OutOrStdout(), file)
				return err
			}
			out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err != nil {
				return fmt.Errorf("解款文件不覆盖已有文件 / a payout file replaces no other: %w", err)
			}
			_, err = out.WriteString(file)
			return errors.Join(err, out.Sync(), out.Close())
		}),
	}
	c.Flags().StringVar(&bank, "bank", "", "只要这家银行的 / of this bank only")
	c.Flags().StringVar(&format, "format", "csv", "csv 或 fixed / csv or fixed")
	c.Flags().StringVar(&to, "to", "", "写入新文件 / write to a new file")
	return c
}

// tellSheet prints a sheet with its formula.
func tellSheet(c *cobra.Command, flags *deskFlags, s *console.SettlementSheet) error {
	if flags.asJSON {
		return printJSON(c.OutOrStdout(), s)
	}
	out := c.OutOrStdout()
	fmt.Fprintf(out, "结算单 settlement sheet %s  %s %s  %s..%s  %s\n\n", s.Number, s.Merchant, s.MerchantName, s.From, s.To, s.State)
	t := textTable{head: []string{"项目 / line", "金额 / amount", "说明 / why"}, right: 1 << 1}
	for _, line := range s.Lines {
		t.add(line.Title, line.Amount.String(), line.Text)
	}
	t.add("应付 payable", s.Payable.String(), "")
	t.write(out)
	_, err := fmt.Fprintf(out, "\n起草 drafted %s  复核 checked %s  批准 approved %s  流水号 reference %s\n", s.Drafter, dash(s.Checker), dash(s.Approver), dash(s.Document))
	return err
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
