package ledgertest

import (
	"encoding/json"
	"math"
)

// Settlement sheets (handbook 3.10): each line against the auditor's own totals of its days, each step against the one before, the money of
// approval and payment against the lines.

// States of a sheet, in the order of its life.
const (
	sheetDrafted = iota
	sheetChecked
	sheetApproved
	sheetPaid
	sheetClosed
	sheetCancelled
)

// sheet is what a draft says, and where it stands.
type sheet struct {
	Merchant string `json:"merchant"`
	From     uint32 `json:"from"`
	To       uint32 `json:"to"`
	Lines    []struct {
		Code   string `json:"code"`
		Amount int64  `json:"amount"`
	} `json:"lines"`
	Payable int64  `json:"payable"`
	Drafter string `json:"drafter"`

	merchant   uint32
	serviceFee uint64 // as the terms were when it was drawn up
	checker    string
	state      byte
}

// sheets are the drafts by their number, and each merchant's in their order.
type sheets struct {
	of   map[uint64]*sheet
	list map[uint32][]*sheet
}

// last is a merchant's newest sheet that stands; nil when it has none.
func (s *sheets) last(merchant uint32) *sheet {
	list := s.list[merchant]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].state != sheetCancelled {
			return list[i]
		}
	}
	return nil
}

// begins is the day with which a merchant's next sheet begins; false when it may be any.
func (s *sheets) begins(merchant uint32) (day uint32, said bool) {
	if last := s.last(merchant); last != nil {
		return last.To + 1, true
	}
	if list := s.list[merchant]; len(list) > 0 {
		return list[0].From, true
	}
	return 0, false
}

func (a *Auditor) sheetEntry() {
	a.noHold()
	if a.entry.kind == kindSheetDrafted {
		a.draftedSheet()
		return
	}
	a.checkFlow(&operation{})
	a.movedSheet()
}

func (s *sheet) sum(code string) (sum int64) {
	for _, line := range s.Lines {
		if line.Code == code {
			sum += line.Amount
		}
	}
	return sum
}

// draftedSheet: a sheet as JSON. Its days are closed and follow those of the merchant's last one, its lines are what was sold on them.
func (a *Auditor) draftedSheet() {
	a.noMoney()
	s := &sheet{}
	var code [15]byte
	err := json.Unmarshal(a.entry.payload, s)
	copy(code[:], s.Merchant)
	row, known := a.campus.merchantByCode[code]
	if err != nil || !known || len(s.Merchant) != len(code) {
		a.malformedPayload()
		return
	}
	s.merchant = row
	begins, said := a.sheets.begins(row)
	switch {
	case s.From == 0 || s.From > s.To || s.To >= a.entry.day:
		a.note("商户 %s 的结算单由 %d 到 %d,会计日 %d 尚未关闭", "the sheet of merchant %s is from %d to %d, and business day %d is open", s.Merchant, s.From, s.To, a.entry.day)
	case said && s.From != begins:
		a.note("商户 %s 的下一张结算单应由 %d 起,此单由 %d 起:有日子结算两次或漏结", "the next sheet of merchant %s begins with %d, this one with %d: a day is settled twice or not at all", s.Merchant, begins, s.From)
	}
	carried := int64(0)
	if last := a.sheets.last(row); last != nil {
		carried = min(0, last.Payable)
	}
	if says := s.sum("carried"); says != carried {
		a.note("商户 %s 结算单结转 %s,上一张应结转 %s", "the sheet of merchant %s carries %s, the one before leaves %s", s.Merchant, yuan(says), yuan(carried))
	}
	s.serviceFee = a.campus.merchants[row].serviceFee
	a.sheets.of[a.entry.sequence], a.sheets.list[row] = s, append(a.sheets.list[row], s)
	a.checkPayable(s)
}

// sheetLines are the lines that say where the credit came from, and those that move money on approval.
var sheetLines = map[string]bool{
	"gross": true, "late": true, "reversed": true, "refunded": true, "merchant_discount": true,
	"service_fee": true, "deduction": true, "adjustment": true, "carried": true,
}

// checkLines compares a sheet that is approved with the totals of its days. A draft may be wrong: that is why two more persons look at it.
func (a *Auditor) checkLines(s *sheet) {
	t := a.soldBy(a.campus.merchants[s.merchant].payable, s.From, s.To)
	net := t[saleList] - t[saleReversed] - t[saleRefunded] - t[saleByMerchant]
	fee := int64(0)
	if net > 0 {
		fee = share(net, int64(s.serviceFee))
	}
	for _, line := range []struct {
		code string
		is   int64
	}{
		{"gross", t[saleList] - t[saleLateGross]},
		{"late", t[saleLateGross]},
		{"reversed", -t[saleReversed]},
		{"refunded", -t[saleRefunded]},
		{"merchant_discount", -t[saleByMerchant]},
	} {
		if says := s.sum(line.code); says != line.is {
			a.note("商户 %s 结算单的 %s 为 %s,按这些日子的流水应为 %s", "the sheet of merchant %s says %s %s, the records of its days give %s", s.Merchant, line.code, yuan(says), yuan(line.is))
		}
	}
	if says := -s.sum("service_fee"); says < 0 || says > fee {
		a.note("商户 %s 结算单收服务费 %s,按约定至多 %s", "the sheet of merchant %s takes a service fee of %s, agreed is %s", s.Merchant, yuan(says), yuan(fee))
	}
}

// checkPayable: a sheet has lines that are known, and they sum to what it says is payable.
func (a *Auditor) checkPayable(s *sheet) {
	var sum int64
	for _, line := range s.Lines {
		if sum += line.Amount; !sheetLines[line.Code] || line.Code == "deduction" && line.Amount >= 0 {
			a.note("商户 %s 结算单有不明的行 %s %s", "the sheet of merchant %s has a line that does not belong: %s %s", s.Merchant, line.Code, yuan(line.Amount))
		}
	}
	if sum != s.Payable {
		a.note("商户 %s 结算单各行合计 %s,应付却为 %s", "the lines of merchant %s's sheet sum to %s, payable is %s", s.Merchant, yuan(sum), yuan(s.Payable))
	}
}

// soldBy adds up a merchant's sales over some days, by meal and class.
func (a *Auditor) soldBy(payable, from, to uint32) (sum Sums) {
	to = min(to, a.lastDay) // no sheet makes the auditor count for ever
	for day := max(from, a.firstDay); day <= to && day < math.MaxUint32; day++ {
		for meal := range byte(16) {
			for class := range max(1, len(a.campus.classes)) {
				if cell := a.totals.days[cellOf('C', 'd', day, payable, 0, meal, byte(class))]; cell != nil {
					for i, n := range cell {
						sum[i] += n
					}
				}
			}
		}
	}
	return sum
}

// movedSheet: sheet uvarint | to u8 | operator uvarint | document, reason text.
func (a *Auditor) movedSheet() {
	r := reader{b: a.entry.payload}
	s, to, operator := a.sheets.of[r.uvarint()], r.byte(), r.uvarint()
	document, reason := r.text(), r.text()
	if !r.done() || s == nil || to == sheetDrafted || to > sheetCancelled || operator == 0 || operator > uint64(len(a.campus.operators)) {
		a.malformedPayload()
		return
	}
	who := a.campus.operators[operator-1]
	if !a.mayFollow(s, to) {
		a.note("商户 %s 的结算单由状态 %d 变为 %d", "the sheet of merchant %s goes from state %d to %d", s.Merchant, s.state, to)
	}
	if to == sheetChecked && who == s.Drafter || to == sheetApproved && (who == s.Drafter || who == s.checker) {
		a.note("商户 %s 的结算单由 %s 一人办理两步", "the sheet of merchant %s: %s did two steps that need two persons", s.Merchant, who)
	}
	if to == sheetPaid && len(document) == 0 || to == sheetCancelled && len(reason) == 0 {
		a.note("商户 %s 的结算单付款无流水号或作废无事由", "the sheet of merchant %s was paid without the bank's reference or cancelled without a reason", s.Merchant)
	}
	if s.state = to; to == sheetChecked {
		s.checker = who
	}
	if to == sheetApproved {
		a.checkLines(s)
	}
	a.checkSheetMoney(s)
}

// mayFollow says which state comes after which; a sheet that nobody is paid, a department's or
// one of nothing, is closed without a payment; only the newest is cancelled.
func (a *Auditor) mayFollow(s *sheet, to byte) bool {
	department := a.campus.merchants[s.merchant].department
	switch to {
	case sheetChecked, sheetApproved:
		return s.state == to-1
	case sheetPaid:
		return s.state == sheetApproved && !department && s.Payable > 0
	case sheetClosed:
		return s.state == sheetPaid || s.state == sheetApproved && (department || s.Payable <= 0)
	}
	return s.state <= sheetChecked && a.sheets.last(s.merchant) == s
}

// checkSheetMoney: approval books the lines that are not sales, payment pays what the sheet says, and no other step moves anything.
func (a *Auditor) checkSheetMoney(s *sheet) {
	owed := a.campus.merchants[s.merchant].payable
	want := map[uint16]int64{}
	switch s.state {
	case sheetApproved:
		want[serviceIncome], want[deductionIncome], want[suspense] = -s.sum("service_fee"), -s.sum("deduction"), -s.sum("adjustment")
		want[payable] = -(want[serviceIncome] + want[deductionIncome] + want[suspense])
	case sheetPaid:
		want[payable], want[custody] = -s.Payable, s.Payable
	}
	for _, l := range a.entry.legs {
		code := a.codeOf(l.account)
		if want[code] -= l.amount; code == payable && l.account != owed {
			a.note("商户 %s 的结算单动用了他人的应付账户 %d:%s", "the sheet of merchant %s moves account %d, what another is owed on: %s", s.Merchant, l.account, yuan(l.amount))
		}
	}
	for code, left := range want {
		if left != 0 {
			a.note("商户 %s 结算单(状态 %d)在科目 %d 的分录与各行相差 %s", "the legs of merchant %s's sheet in state %d differ on code %d by %s from its lines", s.Merchant, s.state, code, yuan(left))
		}
	}
}
