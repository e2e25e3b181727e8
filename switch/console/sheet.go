package console

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// DeskView is a cash desk and what is in its drawer.
type DeskView struct {
	Desk     string `json:"desk"`
	Open     bool   `json:"open"`
	Operator string `json:"operator,omitempty" doc:"who opened the drawer"`
	Opened   string `json:"opened,omitempty" doc:"number of the entry that opened it"`
	Float    Yuan   `json:"float"`
	Receipts Yuan   `json:"receipts"`
	Payments Yuan   `json:"payments"`
	Expected Yuan   `json:"expected" doc:"float and receipts less payments"`
	Acts     uint32 `json:"acts"`
}

type desksAnswer struct {
	Body struct {
		Desks []DeskView `json:"desks"`
	}
}

// Sheet is the day sheet of a desk: what went through its drawers on a business day.
type Sheet struct {
	Desk        string   `json:"desk"`
	BusinessDay Day      `json:"business_day"`
	Drawers     []Drawer `json:"drawers"`
	AuditHead   string   `json:"audit_head" doc:"where the audit log stood: onecard audit check --noted"`
	Printed     string   `json:"printed"`
}

// Drawer is one turn at a desk, from opening to counting.
type Drawer struct {
	Operator   string      `json:"operator"`
	Opened     string      `json:"opened" doc:"number of the entry"`
	OpenedAt   string      `json:"opened_at"`
	Closed     string      `json:"closed,omitempty"`
	ClosedAt   string      `json:"closed_at,omitempty"`
	Float      Yuan        `json:"float"`
	Receipts   Yuan        `json:"receipts"`
	Payments   Yuan        `json:"payments"`
	Expected   Yuan        `json:"expected"`
	Counted    *Yuan       `json:"counted,omitempty"`
	Difference *Yuan       `json:"difference,omitempty" doc:"counted less expected"`
	Acts       []SheetLine `json:"acts"`
}

// SheetLine is one act at the desk.
type SheetLine struct {
	Number   string `json:"number"`
	Time     string `json:"time"`
	Kind     string `json:"kind"`
	KindZH   string `json:"kind_zh"`
	Holder   string `json:"holder,omitempty"`
	Receipt  *Yuan  `json:"receipt,omitempty"`
	Payment  *Yuan  `json:"payment,omitempty"`
	Document string `json:"document,omitempty"`
}

type sheetAsked struct {
	Desk string `path:"desk" maxLength:"20"`
	Day  string `query:"day" format:"date" doc:"会计日,缺省今天 / business day; today when left out"`
}

type sheetAnswer struct{ Body Sheet }

func (c *Console) registerDesks(api huma.API) {
	register(c, api, route{
		id: "desks", method: http.MethodGet, path: "/desks", chinese: "收银台", english: "cash desks", need: readers, tag: "desks",
	}, c.listDesks)
	register(c, api, route{
		id: "sheet", method: http.MethodGet, path: "/desks/{desk}/sheet", chinese: "收银台日报", english: "day sheet of a desk", need: readers, tag: "desks",
	}, c.showSheet)
}

func (c *Console) listDesks(ctx context.Context, _ person, _ *struct{}, _ *note) (*desksAnswer, error) {
	a := &desksAnswer{}
	a.Body.Desks = []DeskView{}
	return a, c.core.Look(ctx, func(s *transaction.State) {
		for _, d := range s.Desks() {
			v := DeskView{Desk: d.Code, Float: Yuan(d.Float), Receipts: Yuan(d.Receipts), Payments: Yuan(d.Payments), Expected: Yuan(d.Expected()), Acts: d.Acts}
			if v.Open = d.Operator != 0; v.Open {
				v.Operator, v.Opened = operatorName(s, d.Operator), transaction.ReferenceOf(d.Opened).String()
			}
			a.Body.Desks = append(a.Body.Desks, v)
		}
	})
}

func (c *Console) showSheet(ctx context.Context, _ person, in *sheetAsked, n *note) (*sheetAnswer, error) {
	n.subject = "desk " + in.Desk
	day, err := ParseDay(in.Day)
	if err != nil {
		return nil, problem(http.StatusUnprocessableEntity, "day", "日期须写作 2026-11-26", "write the day as 2026-11-26").at("query.day", in.Day)
	}
	var desk transaction.Desk
	number := uint16(0)
	if err := c.core.Look(ctx, func(s *transaction.State) {
		desk, _ = s.DeskByCode(in.Desk)
		number = s.DeskNumber(in.Desk)
		if day == 0 {
			day = Day(s.BusinessDay())
		}
	}); err != nil {
		return nil, err
	}
	if number == 0 {
		return nil, problem(http.StatusNotFound, "desk_known", "收银台 "+in.Desk+" 未登记", "desk "+in.Desk+" is not registered").at("path.desk", in.Desk)
	}
	lines, err := c.turns(ctx, number, uint32(day))
	if err != nil {
		return nil, err
	}
	sheet := Sheet{Desk: in.Desk, BusinessDay: day, AuditHead: c.audit.Mark().String(), Printed: local(c.clock(), c.zone), Drawers: []Drawer{}}
	return &sheetAnswer{sheet}, c.core.Look(ctx, func(s *transaction.State) {
		for i := range lines {
			sheet.add(s, &lines[i], &desk, c)
		}
	})
}

// turnDays is how far back the opening of a drawer is looked for that was open when the day began.
const turnDays = 14

// turns are the acts at a desk on a day; a drawer that was open when the day began comes with what went before.
func (c *Console) turns(ctx context.Context, desk uint16, day uint32) ([]transaction.OperationLine, error) {
	lines, err := c.deskActs(ctx, desk, day)
	for back := uint32(1); err == nil && back <= turnDays && len(lines) > 0 && lines[0].Kind != transaction.KindDrawerOpened; back++ {
		var before []transaction.OperationLine
		before, err = c.deskActs(ctx, desk, day-back)
		for i := len(before) - 1; i >= 0; i-- {
			if before[i].Kind == transaction.KindDrawerOpened {
				before = before[i:]
				break
			}
		}
		lines = append(before, lines...)
	}
	return lines, err
}

// add takes one act at the desk into the sheet.
func (sheet *Sheet) add(s *transaction.State, o *transaction.OperationLine, desk *transaction.Desk, c *Console) {
	number, at := transaction.ReferenceOf(o.Sequence).String(), local(o.Time, c.zone)
	if o.Kind == transaction.KindDrawerOpened || len(sheet.Drawers) == 0 {
		sheet.Drawers = append(sheet.Drawers, Drawer{Operator: operatorName(s, o.Operator), Acts: []SheetLine{}})
	}
	d := &sheet.Drawers[len(sheet.Drawers)-1]
	switch o.Kind {
	case transaction.KindDrawerOpened:
		d.Opened, d.OpenedAt, d.Float, d.Expected = number, at, Yuan(o.Amount), Yuan(o.Amount)
		return
	case transaction.KindDrawerClosed:
		counted, difference := Yuan(o.Amount), Yuan(o.Amount-o.Balance)
		d.Closed, d.ClosedAt, d.Counted, d.Difference, d.Expected = number, at, &counted, &difference, Yuan(o.Balance)
		d.Float = d.Expected - d.Receipts + d.Payments
		return
	}
	row, _ := transaction.CatalogueOf(o.Kind)
	line := SheetLine{Number: number, Time: at, Kind: row.Label, KindZH: row.Chinese, Document: o.Document}
	if who := subject(s, o.Holder); who != nil {
		line.Holder = maskNumber(who.Number)
	}
	var cash money.Fen
	for _, l := range o.Legs {
		if l.Account == desk.Cash {
			cash -= l.Amount // an asset: a debit is money that comes in
		}
	}
	switch amount := Yuan(cash); {
	case amount > 0:
		line.Receipt = &amount
		d.Receipts += amount
	case amount < 0:
		amount = -amount
		line.Payment = &amount
		d.Payments += amount
	}
	d.Expected = d.Float + d.Receipts - d.Payments
	d.Acts = append(d.Acts, line)
}

// Print prints the sheet for the finance office.
func (sheet *Sheet) Print(out io.Writer) error {
	var failed error
	say := func(format string, args ...any) {
		if failed == nil {
			_, failed = fmt.Fprintf(out, format, args...)
		}
	}
	say("收银台日报 / day sheet   %s   会计日 / business day %s\n", sheet.Desk, sheet.BusinessDay)
	if len(sheet.Drawers) == 0 {
		say("  当日无现金业务 / nothing went through the drawer\n")
	}
	for i := range sheet.Drawers {
		d := &sheet.Drawers[i]
		say("\n钱箱 / drawer   经办 / by %s   开 / opened %s   清点 / counted %s\n", d.Operator, clock(d.OpenedAt), clock(d.ClosedAt))
		for _, l := range d.Acts {
			say("%s\n", strings.TrimRight(fmt.Sprintf("  %s  %s  %s  %s  %s  %s  %s", l.Number, clock(l.Time), padded(l.KindZH, 16), padded(l.Holder, 12),
				ahead(amountOr(l.Receipt), 12), ahead(amountOr(l.Payment), 12), l.Document), " "))
		}
		say("  %s %s\n  %s %s\n  %s %s\n  %s %s\n", ahead("备用金 / float", 30), ahead(d.Float.String(), 14), ahead("+ 收入 / receipts", 30), ahead(d.Receipts.String(), 14),
			ahead("- 支出 / payments", 30), ahead(d.Payments.String(), 14), ahead("= 应有 / expected", 30), ahead(d.Expected.String(), 14))
		if d.Counted != nil {
			say("  %s %s\n  %s %s\n", ahead("实点 / counted", 30), ahead(d.Counted.String(), 14), ahead("差额 / difference", 30), ahead(d.Difference.String(), 14))
		}
	}
	say("\n打印 / printed %s   审计日志 / audit log %s\n", sheet.Printed, sheet.AuditHead)
	return failed
}

// clock is the time of day of an RFC 3339 moment.
func clock(at string) string {
	if len(at) < 19 {
		return "-"
	}
	return at[11:19]
}

func amountOr(y *Yuan) string {
	if y == nil {
		return ""
	}
	return y.String()
}
