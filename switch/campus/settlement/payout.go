package settlement

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"onecard/ledger/money"
)

// Payment is one line of a payout file (商户解款文件).
type Payment struct {
	Sheet    uint64
	Merchant string
	Bank     string
	Account  string
	Payee    string
	Amount   money.Fen // > 0
	From, To string    // days, 2026-11-26
}

// WriteCSV writes the file as CSV with a header and a trailer: what the bank must find to begin at all is the number of payments and their
// sum. Amounts are in yuan.
//
//	sheet,merchant,bank,account,payee,amount,from,to
//	TOTAL,count,,,,sum,,
func WriteCSV(w io.Writer, payments []Payment) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"sheet", "merchant", "bank", "account", "payee", "amount", "from", "to"}}
	for i := range payments {
		p := &payments[i]
		rows = append(rows, []string{strconv.FormatUint(p.Sheet, 10), p.Merchant, p.Bank, p.Account, p.Payee, p.Amount.String(), p.From, p.To})
	}
	rows = append(rows, []string{"TOTAL", strconv.Itoa(len(payments)), "", "", "", sum(payments).String(), "", ""})
	return out.WriteAll(rows)
}

// Widths of the fixed-width file's fields, in bytes; numbers stand right with zeros before them, text left with spaces behind.
const (
	widthSheet    = 12
	widthMerchant = 15
	widthBank     = 40
	widthAccount  = 40
	widthPayee    = 40
	widthAmount   = 15 // fen
)

// WriteFixed writes the file as many banks read it: one line a payment, fields at fixed bytes, amounts in fen, UTF-8.
//
//	D sheet 12 | merchant 15 | bank 40 | account 40 | payee 40 | amount 15 | from 8 | to 8
//	T count 12 | sum 15
func WriteFixed(w io.Writer, payments []Payment) error {
	for i := range payments {
		p := &payments[i]
		_, err := fmt.Fprintf(w, "D%0*d%s%s%s%s%0*d%s%s\r\n", widthSheet, p.Sheet, column(p.Merchant, widthMerchant), column(p.Bank, widthBank), column(p.Account, widthAccount),
			column(p.Payee, widthPayee), widthAmount, int64(p.Amount), strings.ReplaceAll(p.From, "-", ""), strings.ReplaceAll(p.To, "-", ""))
		if err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "T%0*d%0*d\r\n", widthSheet, len(payments), widthAmount, int64(sum(payments)))
	return err
}

// column cuts a text to a number of bytes, never inside a character, and fills it up.
func column(text string, width int) string {
	for len(text) > width {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text + strings.Repeat(" ", width-len(text))
}

func sum(payments []Payment) (total money.Fen) {
	for i := range payments {
		total += payments[i].Amount
	}
	return total
}
