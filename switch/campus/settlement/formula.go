package settlement

import (
	"errors"
	"fmt"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// Figures are a merchant's sales over the days of a sheet.
type Figures struct {
	Gross            money.Fen // list price of what was sold in these days, metered use and deductions from holders included
	Late             money.Fen // of prior days, which came late: accounted in these days, not part of Gross
	Reversed         money.Fen
	Refunded         money.Fen
	MerchantDiscount money.Fen // given off by the merchant
	SchoolDiscount   money.Fen // given off and paid by the school: part of Gross already, told beside it
	ManagementFee    money.Fen // paid on top by holders: never the merchant's, told beside it
}

// Terms are what a sheet takes off or adds.
type Terms struct {
	ServiceFee  uint16    // per 10,000 of net sales
	Carried     money.Fen // what the sheet before came to below nothing: <= 0
	Deductions  []Item    // rent, water, power, penalties: > 0
	Adjustments []Item    // corrections of earlier sheets, either way
}

// Item is one agreed deduction or one adjustment.
type Item struct {
	Amount money.Fen
	Text   string
}

// Codes of the lines of a sheet, in their order (handbook 3.10). Those that move money on approval are transaction's.
const (
	LineGross    = "gross"
	LineLate     = "late"
	LineReversed = "reversed"
	LineRefunded = "refunded"
	LineDiscount = "merchant_discount"
)

// LineTitle says what a line is, Chinese and English.
func LineTitle(code string) string {
	titles := map[string]string{
		LineGross: "销售总额 gross sales", LineLate: "前日补传脱机 late offline of prior days", LineReversed: "冲正 reversals",
		LineRefunded: "退货 refunds", LineDiscount: "商户承担优惠 merchant-borne discounts", transaction.LineServiceFee: "服务费 service fee",
		transaction.LineDeduction: "代扣 agreed deduction", transaction.LineAdjustment: "调整 adjustment", transaction.LineCarried: "上期结转 carried from the sheet before",
	}
	return titles[code]
}

// NetSales is what the service fee is a share of.
func (f *Figures) NetSales() money.Fen {
	return f.Gross + f.Late - f.Reversed - f.Refunded - f.MerchantDiscount
}

// maxItems bounds deductions and adjustments of one sheet.
const maxItems = 20

// Lines is the formula: each line with its number, and what is paid. Lines of nothing are left out.
func Lines(f Figures, t Terms) (lines []transaction.SheetLine, payable money.Fen, err error) {
	if len(t.Deductions)+len(t.Adjustments) > maxItems {
		return nil, 0, fmt.Errorf("代扣与调整最多 %d 项 / at most %[1]d deductions and adjustments", maxItems)
	}
	add := func(code string, amount money.Fen, text string) {
		if amount != 0 {
			lines = append(lines, transaction.SheetLine{Code: code, Amount: amount, Text: text})
			payable += amount
		}
	}
	add(LineGross, f.Gross, "")
	add(LineLate, f.Late, "")
	add(LineReversed, -f.Reversed, "")
	add(LineRefunded, -f.Refunded, "")
	add(LineDiscount, -f.MerchantDiscount, "")
	add(transaction.LineServiceFee, -ServiceFee(f.NetSales(), t.ServiceFee), "")
	for _, d := range t.Deductions {
		if d.Amount <= 0 || d.Text == "" {
			return nil, 0, errDeduction
		}
		add(transaction.LineDeduction, -d.Amount, d.Text)
	}
	for _, a := range t.Adjustments {
		if a.Amount == 0 || a.Text == "" {
			return nil, 0, errAdjustment
		}
		add(transaction.LineAdjustment, a.Amount, a.Text)
	}
	add(transaction.LineCarried, t.Carried, "")
	return lines, payable, nil
}

var (
	errDeduction  = errors.New("代扣须大于零并写明事由 / a deduction must be above zero and say why")
	errAdjustment = errors.New("调整不能为零并须写明事由 / an adjustment must not be zero and must say why")
)

// ServiceFee is a share of net sales, per 10,000, half up to the fen; of nothing or less it is nothing.
func ServiceFee(net money.Fen, perTenThousand uint16) money.Fen {
	if net <= 0 {
		return 0
	}
	return (net*money.Fen(perTenThousand) + 5000) / 10_000
}
