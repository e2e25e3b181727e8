package command

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"onecard/switch/console"
	"onecard/switch/transaction"
)

// deskNames are the commands of operations that have a shorter name than their label; "drawer open" is a command within a group.
var deskNames = map[string]string{
	"cash_deposit": "deposit", "withdrawal": "withdraw", "deduction": "deduct", "adjustment": "adjust", "reversal": "reverse",
	"drawer_open": "drawer open", "drawer_close": "drawer close", "meter_start": "meter start", "meter_settle": "meter settle", "meter_cancel": "meter cancel",
	"hold_release": "release", "hold_settle": "settle", "load_make_up": "load make-up", "load_claim": "load claim", "load_close": "load close",
	"bank_withdrawal": "bank-withdraw", "withdrawal_charge": "withdrawal charge", "withdrawal_return": "withdrawal return",
}

// deskGroups are the commands that hold others.
var deskGroups = map[string]string{
	"drawer":     "钱箱:开启、清点 / the cash drawer: open it, count and close it",
	"meter":      "计量消费 / metered use",
	"withdrawal": "提现到银行卡:未了结的清单,按银行对账文件补扣、退还 / withdrawals to bank accounts: what is open, charge and return by the bank's file",
	"load":       "按银行对账文件处理圈存:补账、追回、了结 / loads by the bank's file: make up, claim, close",
}

// fieldWords say what the flags of an operation mean.
var fieldWords = map[string]string{
	"desk": "收银台 / cash desk ($ONECARD_DESK)", "holder": "持卡人学号、工号 / the holder's number", "other_holder": "转入方学号、工号 / number of who gets it",
	"merchant": "商户号 15 位 / merchant, 15 characters", "other_merchant": "转入商户号 / merchant who gets it",
	"purse": "main、subsidy 或项目代码 / main, subsidy or a programme's code", "other_purse": "转入钱包 / purse that gets it", "terminal": "终端号 8 位 / terminal, 8 characters",
	"amount": "金额,元 / yuan, such as 12.30", "count": "次数 / counts", "unit": "取整单位 0.01、0.10、1.00 / what cash is paid in",
	"original": "原记录号 / record of the original", "occurred": "发生时间 / when it was, 2026-11-26T12:00:00+08:00", "until": "到期时间 / when it ends by itself",
	"tariff": "费率代码 / code of a tariff of the rules in force", "reading": "读数,毫升、秒、瓦时、次 / what was used: ml, s, Wh, uses",
	"expiry": "资金有效期 / last day of the money, 2026-12-31", "state": "账户状态 / state of the accounts: open, frozen, retained", "document": "单据号 / number of the paper", "reason": "事由 / why",
	"account": "银行账号 / bank account, 8 to 19 digits", "other_account": "新银行账号 / bank account that takes its place",
	"identity": "身份核验 / how the holder was known: id_card, passport, records, guardian", "signed": "三方协议日期 / day of the three-party agreement, 2026-11-26",
	"single_limit": "本人单笔限额 / his own limit of one load", "day_limit": "本人单日限额 / his own limit of a day", "purse_limit": "本人钱包上限 / what his purse may hold",
	"name": "姓名,只发往银行 / name, for the bank alone", "id_number": "证件号,只发往银行 / identity number, for the bank alone",
	"threshold": "自动圈存起充额,0 停用 / automatic loads begin below it, 0 ends them",
}

// samples are what an example gives for a field.
var samples = map[string]string{
	"desk": "D01", "holder": "2026001", "other_holder": "2026002", "merchant": "100000000000001", "other_merchant": "100000000000002", "purse": "subsidy",
	"terminal": "10000001", "amount": "100.00", "count": "10", "original": "000000000123", "occurred": "2026-11-26T12:00:00+08:00", "state": "frozen",
	"document": "ZP-2026-0012", "reason": "经批准",
	"account": "6222020012345678", "other_account": "6222020087654321", "identity": "id_card", "signed": "2026-11-26", "threshold": "100.00",
	"name": "李小明", "id_number": "110101200001011234",
}

// exampleOf is a command line with everything that is needed.
func exampleOf(name string, needs, may []string) string {
	var b strings.Builder
	b.WriteString("  onecard desk " + name)
	for _, field := range needs {
		b.WriteString(" --" + flagOf(field) + " " + samples[field])
	}
	if slices.Contains(may, "amount") {
		b.WriteString(" --amount " + samples["amount"])
	}
	return b.String()
}

// newDeskActs makes a command for each operation of the catalogue.
func newDeskActs(flags *deskFlags) (all []*cobra.Command) {
	groups := map[string]*cobra.Command{}
	for name, short := range deskGroups {
		groups[name] = group(&cobra.Command{Use: name, Short: short})
		all = append(all, groups[name])
	}
	groups["withdrawal"].AddCommand(newWithdrawalListCommand(flags))
	transaction.Catalogue(func(row transaction.CatalogueRow) {
		name, ok := deskNames[row.Label]
		if !ok {
			name = strings.ReplaceAll(row.Label, "_", "-")
		}
		if of, rest, within := strings.Cut(name, " "); within {
			groups[of].AddCommand(newDeskAct(flags, rest, name, row))
			return
		}
		all = append(all, newDeskAct(flags, name, name, row))
	})
	return all
}

func newDeskAct(flags *deskFlags, name, full string, row transaction.CatalogueRow) *cobra.Command {
	needs, may := console.FieldsOf(&row)
	given := map[string]*string{}
	everything := false
	var key, paper string
	c := &cobra.Command{
		Use: name + useOf(needs), Args: usage(cobra.NoArgs),
		Short: row.Chinese + " / " + row.English,
		Long:  actHelp(&row, needs, may), Example: exampleOf(full, needs, may),
		RunE: flags.asked(func(c *cobra.Command, client *console.Client, _ []string) error {
			body := map[string]any{}
			for field, value := range given {
				if *value != "" {
					body[field] = fieldValue(field, *value)
				}
			}
			if everything {
				body["all"] = true
			}
			for _, field := range needs {
				if _, there := body[field]; !there {
					return withCode(exitUsage, withHelp(c, fmt.Errorf("缺少 --%s / --%[1]s is missing", flagOf(field))))
				}
			}
			if key == "" {
				key = console.NewName()
			}
			var r console.Receipt
			if err := client.Act(c.Context(), "/operations/"+row.Label, key, body, &r); err != nil {
				return unanswered(err, key)
			}
			return tellReceipt(c, flags, &r, paper)
		}),
	}
	for _, field := range append(slices.Clone(needs), may...) {
		if field == "all" {
			c.Flags().BoolVar(&everything, "all", false, "全部余额 / all there is")
			continue
		}
		otherwise := ""
		if field == "desk" && slices.Contains(needs, field) {
			otherwise = envOr("ONECARD_DESK", "")
		}
		given[field] = c.Flags().String(flagOf(field), otherwise, fieldWords[field])
	}
	c.Flags().StringVar(&key, "key", "", "业务的名字,缺省自取 / the act's name (Idempotency-Key), drawn when left out")
	c.Flags().StringVar(&paper, "paper", "58", "凭条纸宽 58 或 80,毫米 / paper of the receipt in millimetres")
	return c
}

func flagOf(field string) string { return strings.ReplaceAll(field, "_", "-") }

// fieldValue is a flag as it stands in JSON: counts and readings are whole numbers, all else is text.
func fieldValue(field, text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); (field == "count" || field == "reading") && err == nil {
		return n
	}
	return text
}

func useOf(needs []string) string {
	var b strings.Builder
	for _, field := range needs {
		b.WriteString(" --" + flagOf(field) + " " + strings.ToUpper(field))
	}
	return b.String()
}

func actHelp(row *transaction.CatalogueRow, needs, may []string) string {
	two := ""
	switch {
	case row.Kind == transaction.KindBankWithdrawal:
		two = "\n超过 withdrawals.two_persons_above_fen 的,由另一人 onecard desk approve。/ Above withdrawals.two_persons_above_fen another person approves it."
	case row.TwoPersons:
		two = "\n双人业务:提交后由另一人 onecard desk approve。/ Two persons: another one approves it with onecard desk approve."
	}
	return fmt.Sprintf("%s。角色 / roles: %s。%s\n必填 / needed: %s\n可选 / may be given: %s", row.Chinese, row.Roles, two, strings.Join(needs, ", "), strings.Join(may, ", "))
}

// tellReceipt prints the slip, or JSON.
func tellReceipt(c *cobra.Command, flags *deskFlags, r *console.Receipt, paper string) error {
	if flags.asJSON {
		return printJSON(c.OutOrStdout(), r)
	}
	width, ok := map[string]console.SlipWidth{"58": console.Slip58, "80": console.Slip80}[paper]
	if !ok {
		return withCode(exitUsage, errors.New("纸宽须为 58 或 80 / the paper must be 58 or 80"))
	}
	if err := r.Slip(c.OutOrStdout(), width); err != nil {
		return err
	}
	if r.Status == "pending" {
		_, err := fmt.Fprintf(c.OutOrStdout(), "另一人 / another person: onecard desk approve %s\n", r.Number)
		return err
	}
	return nil
}
