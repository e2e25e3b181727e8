package console

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// Settlement is what knows how a merchant's sheet is worked out and how banks want to be paid.
type Settlement interface {
	// Lines works out a sheet's lines for business days, both included, with what is deducted and adjusted by hand.
	Lines(ctx context.Context, merchant string, from, to uint32, deductions, adjustments []transaction.SheetLine) ([]transaction.SheetLine, money.Fen, error)
	// Title says what a line is, for people.
	Title(code string) string
	// Payout writes approved sheets as the file that a bank is given: "csv" or "fixed".
	Payout(ctx context.Context, w io.Writer, sheets []transaction.Sheet, format string) error
}

// SettlementLine is one line of a settlement sheet's formula.
type SettlementLine struct {
	Code   string `json:"code"`
	Title  string `json:"title"`
	Amount Yuan   `json:"amount"`
	Text   string `json:"text,omitempty"`
}

// SettlementSheet is a settlement sheet (结算单) for those who look at it.
type SettlementSheet struct {
	Number       string           `json:"number"`
	Merchant     string           `json:"merchant"`
	MerchantName string           `json:"merchant_name,omitempty"`
	From         Day              `json:"from"`
	To           Day              `json:"to"`
	State        string           `json:"state" enum:"drafted,checked,approved,paid,closed,cancelled"`
	Lines        []SettlementLine `json:"lines"`
	Payable      Yuan             `json:"payable"`
	Drafter      string           `json:"drafter"`
	Checker      string           `json:"checker,omitempty"`
	Approver     string           `json:"approver,omitempty"`
	Document     string           `json:"document,omitempty"`
	Reason       string           `json:"reason,omitempty"`
}

type settlementItem struct {
	Amount Yuan   `json:"amount"`
	Text   string `json:"text" minLength:"1" maxLength:"100" doc:"事由 / why"`
}

type settlementAsked struct {
	Idempotency
	Body struct {
		Merchant    string           `json:"merchant" minLength:"15" maxLength:"15"`
		From        Day              `json:"from"`
		To          Day              `json:"to"`
		Deductions  []settlementItem `json:"deductions,omitempty" maxItems:"20" doc:"代扣:房租、水电、违约金 / rent, water, power, penalties"`
		Adjustments []settlementItem `json:"adjustments,omitempty" maxItems:"20" doc:"调整:更正以前的结算单 / corrections of earlier sheets"`
	}
}

type settlementStep struct {
	Idempotency
	Numbered
	Body struct {
		Document string `json:"document,omitempty" maxLength:"40" doc:"付款:银行流水号 / payment: the bank's reference"`
		Reason   string `json:"reason,omitempty" maxLength:"200" doc:"作废:事由 / cancellation: why"`
	}
}

type settlementAnswer struct {
	Status int
	Body   SettlementSheet
}

type settlementsAsked struct {
	State    string `query:"state" enum:"drafted,checked,approved,paid,closed,cancelled"`
	Merchant string `query:"merchant" maxLength:"15"`
}

type settlementsAnswer struct {
	Body struct {
		Sheets []SettlementSheet `json:"sheets"`
	}
}

type payoutAsked struct {
	Format string `query:"format" enum:"csv,fixed" default:"csv"`
	Bank   string `query:"bank" maxLength:"40" doc:"只要这家银行的 / of this bank only"`
}

type payoutAnswer struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (c *Console) registerSettlements(api huma.API) {
	register(c, api, route{
		id: "settlement_draft", method: http.MethodPost, path: "/settlements", chinese: "起草结算单", english: "draw up a merchant's settlement sheet",
		need: transaction.RoleAccountant, tag: "settlements", status: http.StatusCreated,
	}, c.draftSettlement)
	register(c, api, route{
		id: "settlements", method: http.MethodGet, path: "/settlements", chinese: "结算单列表", english: "settlement sheets", need: readers, tag: "settlements",
	}, c.listSettlements)
	register(c, api, route{
		id: "settlement", method: http.MethodGet, path: "/settlements/{number}", chinese: "一张结算单", english: "one settlement sheet", need: readers, tag: "settlements",
	}, c.showSettlement)
	register(c, api, route{
		id: "settlement_payout", method: http.MethodGet, path: "/payouts", chinese: "商户解款文件:已批准未付的结算单", english: "payout file of approved sheets",
		need: transaction.RoleAccountant | transaction.RoleApprover, tag: "settlements",
	}, c.payout)
	for _, step := range []struct {
		name, chinese, english string
		to                     transaction.SheetState
		need                   transaction.Role
	}{
		{"check", "复核结算单", "check a sheet: the card office", transaction.SheetChecked, transaction.RoleCards},
		{"approve", "批准结算单:费用与代扣入账", "approve a sheet: fees and deductions are booked", transaction.SheetApproved, transaction.RoleApprover},
		{"pay", "结算单付款", "pay a sheet", transaction.SheetPaid, transaction.RoleAccountant},
		{"close", "结算单归档", "close a sheet", transaction.SheetClosed, transaction.RoleAccountant | transaction.RoleApprover},
		{"cancel", "作废结算单", "cancel a sheet before it is approved", transaction.SheetCancelled, transaction.RoleAccountant | transaction.RoleApprover | transaction.RoleCards},
	} {
		register(c, api, route{
			id: "settlement_" + step.name, method: http.MethodPost, path: "/settlements/{number}/" + step.name, chinese: step.chinese, english: step.english,
			need: step.need, tag: "settlements",
		}, func(ctx context.Context, who person, in *settlementStep, n *note) (*settlementAnswer, error) {
			return c.moveSettlement(ctx, who, in, n, step.to)
		})
	}
}

// draftSettlement draws a sheet up. Its days can be settled once, so the same request again is refused with what is there: a sheet needs no
// other name than its merchant and its days.
func (c *Console) draftSettlement(ctx context.Context, who person, in *settlementAsked, n *note) (*settlementAnswer, error) {
	n.subject = fmt.Sprintf("%s %s..%s", in.Body.Merchant, in.Body.From, in.Body.To)
	lines, payable, err := c.settlement.Lines(ctx, in.Body.Merchant, uint32(in.Body.From), uint32(in.Body.To), itemLines(transaction.LineDeduction, in.Body.Deductions), itemLines(transaction.LineAdjustment, in.Body.Adjustments))
	if err != nil {
		return nil, err
	}
	sheet, err := c.core.DraftSheet(ctx, transaction.Sheet{
		Merchant: in.Body.Merchant, From: uint32(in.Body.From), To: uint32(in.Body.To), Lines: lines, Payable: payable, Drafter: who.code,
	}, c.clock())
	if err != nil {
		return nil, err
	}
	n.outcome, n.record = "done", sheet.Number
	return &settlementAnswer{http.StatusCreated, c.settlementSheet(&sheet)}, nil
}

func itemLines(code string, items []settlementItem) []transaction.SheetLine {
	lines := make([]transaction.SheetLine, 0, len(items))
	for _, item := range items {
		lines = append(lines, transaction.SheetLine{Code: code, Amount: money.Fen(item.Amount), Text: item.Text})
	}
	return lines
}

func (c *Console) moveSettlement(ctx context.Context, who person, in *settlementStep, n *note, to transaction.SheetState) (*settlementAnswer, error) {
	number, err := in.sequence()
	if err != nil {
		return nil, err
	}
	n.subject, n.reason = "sheet "+in.Number, in.Body.Reason
	sheet, err := c.core.MoveSheet(ctx, number, to, who.code, in.Body.Document, in.Body.Reason, c.clock())
	if err != nil {
		return nil, err
	}
	n.outcome, n.record = "done", sheet.Number
	return &settlementAnswer{http.StatusOK, c.settlementSheet(&sheet)}, nil
}

func (c *Console) settlementSheet(s *transaction.Sheet) SettlementSheet {
	sheet := SettlementSheet{
		Number: transaction.ReferenceOf(s.Number).String(), Merchant: s.Merchant, MerchantName: c.names("merchant", s.Merchant), From: Day(s.From), To: Day(s.To),
		State: s.State.String(), Lines: make([]SettlementLine, 0, len(s.Lines)), Payable: Yuan(s.Payable), Drafter: s.Drafter, Checker: s.Checker,
		Approver: s.Approver, Document: s.Document, Reason: s.Reason,
	}
	for _, line := range s.Lines {
		sheet.Lines = append(sheet.Lines, SettlementLine{line.Code, c.settlement.Title(line.Code), Yuan(line.Amount), line.Text})
	}
	return sheet
}

func (c *Console) sheets(ctx context.Context, wanted func(*transaction.Sheet) bool) (sheets []transaction.Sheet, err error) {
	err = c.core.Look(ctx, func(s *transaction.State) {
		for _, sheet := range s.Sheets() {
			if wanted(&sheet) {
				sheets = append(sheets, sheet)
			}
		}
	})
	return sheets, err
}

func (c *Console) listSettlements(ctx context.Context, _ person, in *settlementsAsked, _ *note) (*settlementsAnswer, error) {
	a := &settlementsAnswer{}
	a.Body.Sheets = []SettlementSheet{}
	sheets, err := c.sheets(ctx, func(s *transaction.Sheet) bool {
		return (in.State == "" || s.State.String() == in.State) && (in.Merchant == "" || s.Merchant == in.Merchant)
	})
	for i := len(sheets) - 1; i >= 0; i-- {
		a.Body.Sheets = append(a.Body.Sheets, c.settlementSheet(&sheets[i]))
	}
	return a, err
}

func (c *Console) showSettlement(ctx context.Context, _ person, in *Numbered, n *note) (*settlementAnswer, error) {
	number, err := in.sequence()
	if err != nil {
		return nil, err
	}
	n.subject = "sheet " + in.Number
	sheets, err := c.sheets(ctx, func(s *transaction.Sheet) bool { return s.Number == number })
	if err == nil && len(sheets) == 0 {
		err = problem(http.StatusNotFound, "sheet_known", "没有这张结算单", "there is no such sheet").at("path.number", strconv.FormatUint(number, 10))
	}
	if err != nil {
		return nil, err
	}
	return &settlementAnswer{http.StatusOK, c.settlementSheet(&sheets[0])}, nil
}

// payout is the file of what has been approved and not paid. Asking for it changes nothing: a sheet is paid when its payment is entered.
func (c *Console) payout(ctx context.Context, _ person, in *payoutAsked, n *note) (*payoutAnswer, error) {
	n.subject = "payout " + in.Format
	banks := map[string]string{}
	sheets, err := c.sheets(ctx, func(s *transaction.Sheet) bool { return s.State == transaction.SheetApproved && s.Payable > 0 })
	if err == nil && in.Bank != "" {
		err = c.core.Look(ctx, func(s *transaction.State) {
			for i := range s.Merchants() {
				banks[s.MerchantAt(i).Code.String()] = s.Terms(i).Bank
			}
		})
	}
	if err != nil {
		return nil, err
	}
	var wanted []transaction.Sheet
	for _, sheet := range sheets {
		if in.Bank == "" || banks[sheet.Merchant] == in.Bank {
			wanted = append(wanted, sheet)
		}
	}
	var file bytes.Buffer
	if err := c.settlement.Payout(ctx, &file, wanted, in.Format); err != nil {
		return nil, err
	}
	kind := "text/csv; charset=utf-8"
	if in.Format == "fixed" {
		kind = "text/plain; charset=utf-8"
	}
	return &payoutAnswer{kind, file.Bytes()}, nil
}
