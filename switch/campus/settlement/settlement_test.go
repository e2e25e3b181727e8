package settlement_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/ledger/money"
	"onecard/switch/campus/settlement"
)

// TestFormula plays testdata: sheet fee=1% with a line a figure; deduction and adjustment say why.
func TestFormula(t *testing.T) {
	datadriven.RunTest(t, "testdata/formula_3_10", func(t *testing.T, d *datadriven.TestData) string {
		var f settlement.Figures
		var terms settlement.Terms
		figures := map[string]*money.Fen{
			"gross": &f.Gross, "late": &f.Late, "reversed": &f.Reversed, "refunded": &f.Refunded, "merchant_discount": &f.MerchantDiscount,
			"school_discount": &f.SchoolDiscount, "management_fee": &f.ManagementFee,
		}
		var fee int
		d.ScanArgs(t, "per_ten_thousand", &fee)
		terms.ServiceFee = uint16(fee)
		for _, line := range strings.Split(strings.TrimSpace(d.Input), "\n") {
			words := strings.SplitN(line, " ", 3)
			amount, err := money.Parse(words[1])
			require.NoError(t, err)
			switch words[0] {
			case "deduction":
				terms.Deductions = append(terms.Deductions, settlement.Item{Amount: amount, Text: words[2]})
			case "carried":
				terms.Carried = amount
			case "adjustment":
				terms.Adjustments = append(terms.Adjustments, settlement.Item{Amount: amount, Text: words[2]})
			default:
				*figures[words[0]] = amount
			}
		}
		lines, payable, err := settlement.Lines(f, terms)
		if err != nil {
			return err.Error() + "\n"
		}
		var b strings.Builder
		for _, line := range lines {
			fmt.Fprintf(&b, "%-20s %12s %s\n", line.Code, line.Amount, line.Text)
		}
		fmt.Fprintf(&b, "%-20s %12s\n%-20s %12s\n", "net sales", f.NetSales(), "payable", payable)
		return b.String()
	})
}

// TestLinesSumToPayable: whatever the figures, the lines add up to what is paid and every line has a title.
func TestLinesSumToPayable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Int64Range(0, 1e10)
		draw := func(name string) money.Fen { return money.Fen(amount.Draw(t, name)) }
		f := settlement.Figures{Gross: draw("gross"), Late: draw("late"), Reversed: draw("reversed"), Refunded: draw("refunded"), MerchantDiscount: draw("discount")}
		terms := settlement.Terms{ServiceFee: rapid.Uint16Range(0, 5000).Draw(t, "fee"), Deductions: []settlement.Item{{Amount: draw("rent") + 1, Text: "rent"}}}
		lines, payable, err := settlement.Lines(f, terms)
		require.NoError(t, err)
		var sum money.Fen
		for _, line := range lines {
			sum += line.Amount
			require.NotEmpty(t, settlement.LineTitle(line.Code))
		}
		require.Equal(t, payable, sum)
		fee := settlement.ServiceFee(f.NetSales(), terms.ServiceFee)
		require.GreaterOrEqual(t, fee, money.Fen(0))
		require.LessOrEqual(t, fee, max(0, f.NetSales()))
		require.Equal(t, f.NetSales()-fee-terms.Deductions[0].Amount, payable)
	})
}

func TestPayoutFiles(t *testing.T) {
	payments := []settlement.Payment{
		{Sheet: 41, Merchant: "103410054110001", Bank: "中国工商银行", Account: "6222000000000001", Payee: "第一食堂", Amount: 4_570_944, From: "2026-11-23", To: "2026-11-23"},
		{Sheet: 42, Merchant: "103410054110002", Bank: "ICBC", Account: "6222,\"x\"", Payee: strings.Repeat("食", 20), Amount: 1, From: "2026-11-23", To: "2026-11-24"},
	}
	var text, fixed bytes.Buffer
	require.NoError(t, settlement.WriteCSV(&text, payments))
	require.Equal(t, `sheet,merchant,bank,account,payee,amount,from,to
41,103410054110001,中国工商银行,6222000000000001,第一食堂,45709.44,2026-11-23,2026-11-23
42,103410054110002,ICBC,"6222,""x""",食食食食食食食食食食食食食食食食食食食食,0.01,2026-11-23,2026-11-24
TOTAL,2,,,,45709.45,,
`, text.String())
	require.NoError(t, settlement.WriteFixed(&fixed, payments))
	lines := strings.Split(strings.TrimSuffix(fixed.String(), "\r\n"), "\r\n")
	require.Len(t, lines, 3)
	for _, line := range lines[:2] {
		require.Len(t, line, 1+12+15+40+40+40+15+8+8)
	}
	require.Equal(t, "D000000000041103410054110001", lines[0][:28])
	require.Equal(t, "0000000045709442026112320261123", lines[0][148:])
	require.Equal(t, strings.Repeat("食", 13)+" ", lines[1][108:148])
	require.Equal(t, "T000000000002000000004570945", lines[2])
}
