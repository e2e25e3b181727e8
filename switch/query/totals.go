package query

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// periodsMax bounds the days or months of one question.
const periodsMax = 366

// periods are consecutive days or months.
type periods struct {
	unit        transaction.PeriodUnit
	first, last uint32
}

func (q *TotalsQuestion) periods() (p periods, err error) {
	if q.To == "" {
		q.To = q.From
	}
	layout := time.DateOnly
	switch p.unit = transaction.PeriodDay; q.Unit {
	case "", "day":
		q.Unit = "day"
	case "month":
		p.unit, layout = transaction.PeriodMonth, "2006-01"
	default:
		return p, wrong("unit", "unit %q: 请写 day 或 month / write day or month", q.Unit)
	}
	for _, f := range [...]struct {
		field, text string
		to          *uint32
	}{{"from", q.From, &p.first}, {"to", q.To, &p.last}} {
		t, err := time.Parse(layout, f.text)
		if err != nil || t.Year() < 1970 {
			return p, wrong(f.field, "%s %q: 请写如 %[3]s / write it such as %[3]s", f.field, f.text, map[string]string{"day": "2026-11-26", "month": "2026-11"}[q.Unit])
		}
		if *f.to = uint32(t.Unix() / secondsPerDay); p.unit == transaction.PeriodMonth {
			*f.to = transaction.MonthOf(*f.to)
		}
	}
	if p.first > p.last || p.last-p.first >= periodsMax {
		return p, wrong("to", "区间须由早到晚,至多 %d 个日或月 / from must not be after to, and there may be %[1]d days or months at most", periodsMax)
	}
	return p, nil
}

func (p periods) name(period uint32) string {
	if p.unit == transaction.PeriodMonth {
		return fmt.Sprintf("%04d-%02d", period/12, period%12+1)
	}
	return ledger.DateOf(period)
}

// breakdown says which cells answer what rows are asked for.
type breakdown struct {
	space transaction.TotalSpace
	key   func(transaction.Total) uint64 // what makes a row
	flow  bool
	all   bool // the cells of account 0, which stand for all merchants, when no merchant is given
}

var breakdowns = map[string]breakdown{
	"merchant": {space: transaction.TotalMerchant, key: func(t transaction.Total) uint64 { return uint64(t.Account) }},
	"terminal": {space: transaction.TotalTerminal, key: func(t transaction.Total) uint64 { return uint64(t.Second) }},
	"meal":     {space: transaction.TotalClass, key: func(t transaction.Total) uint64 { return uint64(t.Meal) }, all: true},
	"class":    {space: transaction.TotalClass, key: func(t transaction.Total) uint64 { return uint64(t.Class) }, all: true},
	"period":   {space: transaction.TotalMerchant, key: func(t transaction.Total) uint64 { return uint64(t.Period) }, all: true},
	"purse":    {space: transaction.TotalFlow, key: func(t transaction.Total) uint64 { return uint64(t.Second & 0xFFFF) }, flow: true, all: true},
	"kind":     {space: transaction.TotalFlow, key: func(t transaction.Total) uint64 { return uint64(t.Second >> 16) }, flow: true, all: true},
	"account":  {space: transaction.TotalAccount, key: func(t transaction.Total) uint64 { return uint64(t.Account) }, flow: true},
}

// ranges are the cells of some periods: of one account, of all (account 0 and all), or of every account but 0.
func (b *breakdown) ranges(p periods, account ledger.AccountID) []ledger.CellRange {
	ranges := make([]ledger.CellRange, 0, p.last-p.first+1)
	for period := p.first; period <= p.last; period++ {
		from, to := account, account+1
		if account == 0 && !b.all {
			from, to = 1, 1<<32-1
		}
		ranges = append(ranges, ledger.CellRange{
			From: transaction.TotalKey(b.space, p.unit, period, from, 0, 0, 0), To: transaction.TotalKey(b.space, p.unit, period, to, 0, 0, 0),
		})
	}
	return ranges
}

// Totals answers with rows.
func (r *Reader) Totals(ctx context.Context, q TotalsQuestion) (Totals, error) {
	p, err := q.periods()
	if err != nil {
		return Totals{}, err
	}
	if q.By == "" {
		q.By = "merchant"
		if q.Merchant != "" {
			q.By = "terminal"
		}
	}
	b, ok := breakdowns[q.By]
	if !ok {
		return Totals{}, wrong("by", "by %q: 请写 merchant、terminal、meal、class、period、purse、kind 或 account / write merchant, terminal, meal, class, period, purse, kind or account", q.By)
	}
	account := ledger.AccountID(0)
	if q.Merchant != "" {
		if failed := r.Look(ctx, func(s *transaction.State) { account, err = merchantAccount(s, q.Merchant) }); failed != nil || err != nil {
			return Totals{}, firstOf(failed, err)
		}
	}
	sums, order := map[uint64]*ledger.Sums{}, []uint64{}
	var total ledger.Sums
	upTo, err := r.Store.Cells(b.ranges(p, account), func(key ledger.CellKey, cell *ledger.Sums) error {
		row := b.key(transaction.ReadTotal(key))
		if sums[row] == nil {
			sums[row], order = new(ledger.Sums), append(order, row)
		}
		sums[row].Add(cell)
		total.Add(cell)
		return nil
	})
	if err != nil {
		return Totals{}, err
	}
	slices.Sort(order)
	answer := Totals{Unit: q.Unit, From: q.From, To: q.To, Merchant: q.Merchant, By: q.By, UpTo: upTo, Rows: []Row{}, Total: rowOf(&total, b.flow)}
	for _, row := range order {
		if *sums[row] != (ledger.Sums{}) {
			answer.Rows = append(answer.Rows, rowOf(sums[row], b.flow))
			answer.Rows[len(answer.Rows)-1].Key = fmt.Sprint(row)
		}
	}
	return answer, r.nameRows(ctx, &answer, p)
}

// firstOf is the first error there is.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func rowOf(s *ledger.Sums, flow bool) Row {
	if flow {
		return Row{Flow: &Flow{
			s[transaction.FlowCount], money.Fen(s[transaction.FlowIn]), money.Fen(s[transaction.FlowOut]), money.Fen(s[transaction.FlowIn] - s[transaction.FlowOut]),
		}}
	}
	return Row{Sales: &Sales{
		Count: s[transaction.SaleCount], List: money.Fen(s[transaction.SaleList]), MerchantDiscount: money.Fen(s[transaction.SaleMerchantDiscount]),
		SchoolDiscount: money.Fen(s[transaction.SaleSchoolDiscount]), Fee: money.Fen(s[transaction.SaleFee]),
		Main: money.Fen(s[transaction.SaleMain]), Subsidy: money.Fen(s[transaction.SaleSubsidy]), Water: money.Fen(s[transaction.SaleWater]),
		Electronic: money.Fen(s[transaction.SaleElectronic]), Tickets: s[transaction.SaleTickets],
		Reversals: s[transaction.SaleReversals], Reversed: money.Fen(s[transaction.SaleReversed]),
		Refunds: s[transaction.SaleRefunds], Refunded: money.Fen(s[transaction.SaleRefunded]),
		Late: s[transaction.SaleLate], LateGross: money.Fen(s[transaction.SaleLateGross]),
		Net: money.Fen(s[transaction.SaleList] - s[transaction.SaleMerchantDiscount] - s[transaction.SaleReversed] - s[transaction.SaleRefunded]),
	}}
}

// nameRows puts codes and names in place of the numbers that keys have.
func (r *Reader) nameRows(ctx context.Context, t *Totals, p periods) error {
	err := r.Look(ctx, func(s *transaction.State) {
		merchants := map[string]string{}
		if t.By == "merchant" || t.By == "account" {
			for i := range s.Merchants() {
				m := s.MerchantAt(i)
				merchants[fmt.Sprint(m.Payable)] = m.Code.String()
			}
		}
		for i := range t.Rows {
			t.Rows[i].name(s, t.By, p, merchants)
		}
	})
	for i := range t.Rows {
		if row := &t.Rows[i]; t.By == "merchant" {
			row.Name = r.Name("merchant", row.Key)
		}
	}
	return err
}

func (row *Row) name(s *transaction.State, by string, p periods, merchants map[string]string) {
	var number uint64
	_, _ = fmt.Sscan(row.Key, &number)
	switch by {
	case "merchant":
		row.Key = merchants[row.Key]
	case "terminal":
		if number > 0 && number <= uint64(s.Terminals()) {
			row.Key = s.Terminal(transaction.TerminalID(number)).Code.String()
		}
	case "class":
		row.Name = s.ClassCode(uint8(number))
	case "period":
		row.Key = p.name(uint32(number))
	case "purse":
		row.Name = AccountName(ledger.AccountCode(number))
	case "kind":
		row.Name = KindName(transaction.Kind(number))
	case "account":
		if id := ledger.AccountID(number); s.Book().Known(id) {
			row.Name = strings.TrimSpace(AccountName(s.Book().Account(id).Code) + " " + merchants[row.Key])
		}
	}
}

// accountNames is the chart of accounts (handbook 3.11).
var accountNames = map[ledger.AccountCode]string{
	ledger.CodeCash: "库存现金 / cash", ledger.CodeBankCustody: "银行存款 / bank, in custody", ledger.CodeLoadInTransit: "圈存在途 / bank loads in transit",
	ledger.CodeThirdPartyTransit: "第三方在途 / third parties in transit", ledger.CodeSubsidyReceivable: "应收补贴 / subsidies receivable",
	ledger.CodeHolderDebt: "持卡人欠款 / owed by holders", ledger.CodeMainPurse: "主钱包 / main purses", ledger.CodeSubsidyPurse: "补贴钱包 / subsidy purses",
	ledger.CodeWaterPurse: "水控钱包 / water purses", ledger.CodeElectronicAccount: "电子账户 / electronic accounts", ledger.CodeCountPurse: "计次钱包 / count purses",
	ledger.CodeMerchantPayable: "应付商户 / payable to merchants", ledger.CodeDeposits: "卡押金 / card deposits", ledger.CodeManagementFee: "管理费 / management fees",
	ledger.CodeSuspense: "待查 / suspense", ledger.CodeUnclaimed: "无人认领 / unclaimed", ledger.CodeCardIncome: "卡工本费收入 / card income",
	ledger.CodeServiceIncome: "服务费收入 / service income", ledger.CodeDeductionIncome: "商户代扣 / merchant deductions",
	ledger.CodeLostCardLoss: "挂失卡损失 / loss on lost cards", ledger.CodeSchoolDiscount: "学校承担优惠 / discounts borne by the school",
}

// AccountName is what accounts of a code are called.
func AccountName(code ledger.AccountCode) string {
	if name, ok := accountNames[code]; ok {
		return name
	}
	return fmt.Sprint(code)
}
