package daemon

import (
	"context"
	"io"
	"time"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/campus/settlement"
	"onecard/switch/query"
	"onecard/switch/transaction"
)

// settlements hands the console what the settlement subsystem knows, with the totals that stand behind the ledger.
type settlements struct{ s *server }

// Lines works out a sheet from the totals of its days and the merchant's terms.
func (d settlements) Lines(ctx context.Context, merchant string, from, to uint32, deductions, adjustments []transaction.SheetLine) ([]transaction.SheetLine, money.Fen, error) {
	var terms transaction.MerchantTerms
	var carried money.Fen
	var refusal *transaction.Refused
	err := d.s.opened.engine.Look(ctx, func(s *transaction.State) {
		i, known := s.MerchantByCode(merchant)
		if !known {
			refusal = &transaction.Refused{Field: "merchant", Rule: "merchant_known", Chinese: "商户未登记", English: "the merchant is not registered"}
			return
		}
		terms, carried = s.Terms(i), s.Carried(merchant)
	})
	if err != nil {
		return nil, 0, err
	}
	if refusal != nil {
		return nil, 0, refusal
	}
	figures, err := d.figures(ctx, merchant, from, to)
	if err != nil {
		return nil, 0, err
	}
	lines, payable, err := settlement.Lines(figures, settlement.Terms{
		ServiceFee: terms.ServiceFee, Carried: carried, Deductions: items(deductions), Adjustments: items(adjustments),
	})
	if err != nil {
		return nil, 0, &transaction.Refused{Field: "deductions", Rule: "item", Chinese: err.Error(), English: "see above"}
	}
	return lines, payable, nil
}

func items(lines []transaction.SheetLine) []settlement.Item {
	list := make([]settlement.Item, 0, len(lines))
	for _, line := range lines {
		list = append(list, settlement.Item{Amount: line.Amount, Text: line.Text})
	}
	return list
}

// Totals come behind the ledger; a sheet waits for them this long.
const (
	totalsPatience = 5 * time.Second
	totalsPause    = 20 * time.Millisecond
)

// figures adds up a merchant's totals once they have come as far as the ledger has now: the days of a sheet are closed and change no more.
func (d settlements) figures(ctx context.Context, merchant string, from, to uint32) (settlement.Figures, error) {
	question := query.TotalsQuestion{From: ledger.DateOf(from), To: ledger.DateOf(to), Merchant: merchant, By: "period"}
	head := d.s.opened.store.Head().Sequence
	for began := time.Now(); ; time.Sleep(totalsPause) {
		totals, err := d.s.reader.Totals(ctx, question)
		if err != nil {
			return settlement.Figures{}, err
		}
		if totals.UpTo >= head {
			return figuresOf(totals.Total.Sales), nil
		}
		if time.Since(began) > totalsPatience || ctx.Err() != nil {
			return settlement.Figures{}, &transaction.Refused{Field: "to", Rule: "totals_behind", Chinese: "汇总尚未追上账本,请稍后再试", English: "the totals have not caught up with the ledger: try again in a moment"}
		}
	}
}

func figuresOf(t *query.Sales) settlement.Figures {
	if t == nil {
		return settlement.Figures{}
	}
	return settlement.Figures{
		Gross: t.List - t.LateGross, Late: t.LateGross, Reversed: t.Reversed, Refunded: t.Refunded, MerchantDiscount: t.MerchantDiscount,
		SchoolDiscount: t.SchoolDiscount, ManagementFee: t.Fee,
	}
}

// Title says what a line is.
func (settlements) Title(code string) string { return settlement.LineTitle(code) }

// Payout writes the file for the bank.
func (d settlements) Payout(ctx context.Context, w io.Writer, sheets []transaction.Sheet, format string) error {
	payments := make([]settlement.Payment, 0, len(sheets))
	err := d.s.opened.engine.Look(ctx, func(s *transaction.State) {
		for _, sheet := range sheets {
			i, _ := s.MerchantByCode(sheet.Merchant)
			terms := s.Terms(i)
			payments = append(payments, settlement.Payment{
				Sheet: sheet.Number, Merchant: sheet.Merchant, Bank: terms.Bank, Account: terms.Account, Payee: terms.Payee, Amount: sheet.Payable,
				From: ledger.DateOf(sheet.From), To: ledger.DateOf(sheet.To),
			})
		}
	})
	if err != nil {
		return err
	}
	if format == "fixed" {
		return settlement.WriteFixed(w, payments)
	}
	return settlement.WriteCSV(w, payments)
}
