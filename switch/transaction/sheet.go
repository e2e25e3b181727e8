package transaction

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"onecard/ledger"
	"onecard/ledger/invariant"
	"onecard/ledger/money"
)

// Kinds of entries about settlement sheets. Values are stored: never renumber.
const (
	KindSheetDrafted Kind = 90
	KindSheetMoved   Kind = 91 // checked, approved, paid, closed or cancelled; approval and payment move money
)

// SheetState is where a settlement sheet (结算单) is in its life (handbook 3.10).
type SheetState uint8

const (
	SheetDrafted   SheetState = iota
	SheetChecked              // by the card office
	SheetApproved             // by finance: fees and deductions are booked, the sheet stands
	SheetPaid                 // the bank has been told, with its reference
	SheetClosed               // the merchant has agreed, or the time for it has passed
	SheetCancelled            // before it was approved
)

var sheetStates = [...]string{"drafted", "checked", "approved", "paid", "closed", "cancelled"}

func (s SheetState) String() string { return sheetStates[s] }

// ParseSheetState reads what String prints.
func ParseSheetState(name string) (SheetState, bool) {
	i := slices.Index(sheetStates[:], name)
	return SheetState(max(i, 0)), i >= 0
}

// SheetLine is one line of the formula: what it is, and what it adds to or takes from what the merchant is paid.
type SheetLine struct {
	Code   string    `json:"code"`
	Amount money.Fen `json:"amount"`
	Text   string    `json:"text,omitempty"` // of deductions and adjustments: why
}

// Codes of lines that move money when the sheet is approved. All others say where the merchant's credit came from.
const (
	LineServiceFee = "service_fee"
	LineDeduction  = "deduction"
	LineAdjustment = "adjustment"
)

// LineCarried is what the sheet before came to below nothing: nobody was paid it, so this sheet pays that much less. It moves no money, for
// the merchant's account has it already.
const LineCarried = "carried"

// Sheet is what a merchant is paid for a run of closed business days. It is never edited once it is paid: corrections go to the next one.
type Sheet struct {
	Number   uint64      `json:"number"` // sequence of its first entry
	Merchant string      `json:"merchant"`
	From     uint32      `json:"from"` // business days, both included
	To       uint32      `json:"to"`
	Lines    []SheetLine `json:"lines"`
	Payable  money.Fen   `json:"payable"` // sum of the lines
	State    SheetState  `json:"state"`
	Drafter  string      `json:"drafter"`
	Checker  string      `json:"checker,omitempty"`
	Approver string      `json:"approver,omitempty"`
	Document string      `json:"document,omitempty"` // the bank's reference
	Reason   string      `json:"reason,omitempty"`   // of a cancellation
}

// sheets are the settlement sheets of all merchants.
type sheets struct {
	of       map[uint64]*Sheet
	merchant map[string][]*Sheet // by merchant, in the order that they were drawn up
}

func newSheets() sheets { return sheets{make(map[uint64]*Sheet), make(map[string][]*Sheet)} }

func (all *sheets) add(sheet *Sheet) {
	all.of[sheet.Number] = sheet
	all.merchant[sheet.Merchant] = append(all.merchant[sheet.Merchant], sheet)
}

// last is a merchant's newest sheet that was not cancelled; nil when it has none. Sheets follow each other, so it is the one that reaches
// furthest.
func (all *sheets) last(merchant string) *Sheet {
	for _, sheet := range slices.Backward(all.merchant[merchant]) {
		if sheet.State != SheetCancelled {
			return sheet
		}
	}
	return nil
}

// reach is the last day of a merchant's sheets. When all were cancelled the first has said where they begin; 0 when there are none.
func (all *sheets) reach(merchant string) uint32 {
	own := all.merchant[merchant]
	switch last := all.last(merchant); {
	case last != nil:
		return last.To
	case len(own) > 0:
		return own[0].From - 1
	}
	return 0
}

// Sheets lists the sheets, oldest first.
func (s *State) Sheets() []Sheet {
	list := make([]Sheet, 0, len(s.sheets.of))
	for _, sheet := range s.sheets.of {
		list = append(list, *sheet)
	}
	slices.SortFunc(list, func(a, b Sheet) int { return cmp.Compare(a.Number, b.Number) })
	return list
}

// Sheet returns one sheet.
func (s *State) Sheet(number uint64) (Sheet, bool) {
	sheet, ok := s.sheets.of[number]
	if !ok {
		return Sheet{}, false
	}
	return *sheet, true
}

// Carried is what a merchant's next sheet takes over from the one before: a negative amount, or nothing.
func (s *State) Carried(merchant string) money.Fen {
	if last := s.sheets.last(merchant); last != nil {
		return min(0, last.Payable)
	}
	return 0
}

// DraftSheet keeps a sheet, durably. The days of a merchant's sheets follow each other: none is settled twice, none is left out.
func (e *Engine) DraftSheet(ctx context.Context, draft Sheet, now int64) (Sheet, error) {
	var kept Sheet
	err := e.command(ctx, func() error {
		if refusal := e.state.checkDraft(&draft); refusal != nil {
			return refusal
		}
		if err := e.prepare(now); err != nil {
			return err
		}
		e.completeChart()
		encoded, err := json.Marshal(&draft)
		invariant.Hold(err == nil, "a sheet cannot be written: %v", err)
		kept = *e.state.sheets.of[e.add(&ledger.Entry{Kind: KindSheetDrafted, Time: e.decider.now, Payload: encoded})]
		return nil
	})
	return kept, err
}

func (s *State) checkDraft(draft *Sheet) *Refused {
	_, known := s.MerchantByCode(draft.Merchant)
	last := s.sheets.reach(draft.Merchant)
	var sum, carried money.Fen
	for _, line := range draft.Lines {
		sum += line.Amount
		if line.Code == LineCarried {
			carried += line.Amount
		}
	}
	switch {
	case !known:
		return &Refused{"merchant", "merchant_known", "商户未登记", "the merchant is not registered"}
	case draft.From > draft.To || draft.From == 0:
		return &Refused{"from", "period", "起始日晚于截止日", "the sheet would end before it begins"}
	case draft.To >= s.business.day:
		return &Refused{"to", "day_open", fmt.Sprintf("会计日 %s 尚未日切,只能结算已关闭的日子", ledger.DateOf(draft.To)), fmt.Sprintf("business day %s is not closed yet: only closed days are settled", ledger.DateOf(draft.To))}
	case last != 0 && draft.From != last+1:
		return &Refused{"from", "period_follows", fmt.Sprintf("该商户已结算到 %s,须从 %s 开始", ledger.DateOf(last), ledger.DateOf(last+1)), fmt.Sprintf("the merchant is settled to %s: begin at %s", ledger.DateOf(last), ledger.DateOf(last+1))}
	case sum != draft.Payable:
		return &Refused{"payable", "lines_sum", fmt.Sprintf("各行合计 %s,应付 %s", sum, draft.Payable), fmt.Sprintf("the lines sum to %s, payable is %s", sum, draft.Payable)}
	case carried != s.Carried(draft.Merchant):
		return &Refused{"lines", "carried", fmt.Sprintf("上一张结算单结转 %s,本张为 %s,请重新起草", s.Carried(draft.Merchant), carried), fmt.Sprintf("the sheet before leaves %s to be carried, this one carries %s: draw it up again", s.Carried(draft.Merchant), carried)}
	}
	return s.checkRole("drafter", draft.Drafter, RoleAccountant)
}

// checkRole says whether an operator is registered and has one of the roles.
func (s *State) checkRole(field, operator string, roles Role) *Refused {
	n, has := s.serving(operator)
	switch {
	case n == 0:
		return &Refused{field, "operator_known", fmt.Sprintf("操作员 %q 未登记或已停用", operator), fmt.Sprintf("operator %q is not registered or is suspended", operator)}
	case has&roles == 0:
		return &Refused{field, "role", fmt.Sprintf("操作员 %s 须有 %s 之一", operator, roles), fmt.Sprintf("operator %s needs one of the roles %s", operator, roles)}
	}
	return nil
}

// sheetMove is the payload of a sheet's step: sheet uvarint | to u8 | operator uvarint | document, reason text.
type sheetMove struct {
	sheet            uint64
	to               SheetState
	operator         uint16
	document, reason string
}

func (m *sheetMove) append(dst []byte) []byte {
	dst = append(binary.AppendUvarint(dst, m.sheet), byte(m.to))
	return appendText(appendText(binary.AppendUvarint(dst, uint64(m.operator)), m.document), m.reason)
}

func (m *sheetMove) decode(src []byte) error {
	p := payloadReader{b: src}
	*m = sheetMove{p.uvarint(), SheetState(p.byte()), uint16(p.uvarint()), p.string(), p.string()}
	p.bad = p.bad || m.to > SheetCancelled
	return p.done(KindSheetMoved)
}

// MoveSheet takes a sheet one step further, durably: checked by the card office, approved by another person than drew it up, paid with the
// bank's reference, closed; or cancelled before it was approved.
func (e *Engine) MoveSheet(ctx context.Context, number uint64, to SheetState, operator, document, reason string, now int64) (Sheet, error) {
	var moved Sheet
	err := e.command(ctx, func() error {
		sheet, ok := e.state.sheets.of[number]
		if !ok {
			return &Refused{"sheet", "sheet_known", "没有这张结算单", "there is no such sheet"}
		}
		if refusal := e.state.checkMove(sheet, to, operator, document, reason); refusal != nil {
			return refusal
		}
		if err := e.prepare(now); err != nil {
			return err
		}
		move := sheetMove{number, to, e.state.OperatorNumber(operator), document, reason}
		entry := ledger.Entry{Kind: KindSheetMoved, Time: e.decider.now, Legs: e.state.sheetLegs(sheet, to), Payload: move.append(nil)}
		if r := e.state.book.Check(&entry); r != ledger.Accepted {
			return &Refused{"sheet", r.String(), "账簿不接受:" + r.String(), "the books do not take it: " + r.String()}
		}
		e.add(&entry)
		moved = *sheet
		return nil
	})
	return moved, err
}

func (s *State) checkMove(sheet *Sheet, to SheetState, operator, document, reason string) *Refused {
	roles := map[SheetState]Role{
		SheetChecked: RoleCards, SheetApproved: RoleApprover, SheetPaid: RoleAccountant, SheetClosed: RoleAccountant | RoleApprover,
		SheetCancelled: RoleAccountant | RoleApprover | RoleCards,
	}
	if refusal := s.checkRole("operator", operator, roles[to]); refusal != nil {
		return refusal
	}
	merchant, _ := s.MerchantByCode(sheet.Merchant) // as it was when the sheet was drawn up: nobody leaves the directory
	department := s.Terms(merchant).Department
	from := map[SheetState][]SheetState{
		SheetChecked: {SheetDrafted}, SheetApproved: {SheetChecked}, SheetPaid: {SheetApproved}, SheetClosed: {SheetPaid}, SheetCancelled: {SheetDrafted, SheetChecked},
	}
	if department { // its money stays in the house
		from[SheetPaid] = nil
	}
	if department || sheet.Payable <= 0 { // nobody is paid
		from[SheetClosed] = []SheetState{SheetApproved}
	}
	switch {
	case !slices.Contains(from[to], sheet.State):
		return &Refused{"state", "sheet_state", fmt.Sprintf("结算单 %d 现为 %s,不能变为 %s", sheet.Number, sheet.State, to), fmt.Sprintf("sheet %d is %s and cannot become %s", sheet.Number, sheet.State, to)}
	case to == SheetApproved && (operator == sheet.Drafter || operator == sheet.Checker):
		return &Refused{"operator", "two_persons", "起草人和复核人不能批准同一结算单", "who drew up or checked a sheet cannot approve it"}
	case to == SheetChecked && operator == sheet.Drafter:
		return &Refused{"operator", "two_persons", "起草人不能复核自己的结算单", "nobody checks his own sheet"}
	case to == SheetPaid && document == "":
		return &Refused{"document", "required", "付款须给出银行流水号", "give the bank's reference of the payment"}
	case to == SheetCancelled && reason == "":
		return &Refused{"reason", "required", "作废须写明事由", "say why the sheet is cancelled"}
	case len(document) > maxDocument || len(reason) > maxReason:
		return &Refused{"reason", "length", "单据号或事由过长", "the document or the reason is too long"}
	}
	if to == SheetCancelled && s.sheets.reach(sheet.Merchant) != sheet.To {
		return &Refused{"sheet", "sheet_last", "其后已有结算单,请在下一张上更正", "a later sheet follows it: correct on the next one"}
	}
	owed := s.book.Account(s.payableOf(sheet)).Available()
	if to == SheetApproved {
		owed += sheet.moves()
	}
	if (to == SheetApproved || to == SheetPaid) && owed < sheet.Payable {
		return &Refused{"payable", "payable", fmt.Sprintf("账上应付 %s,少于结算单 %s", owed, sheet.Payable), fmt.Sprintf("the merchant is owed %s, less than the sheet's %s", owed, sheet.Payable)}
	}
	if to == SheetPaid && sheet.Payable <= 0 {
		return &Refused{"payable", "nothing_to_pay", "应付不大于零,无需付款,结转下一张", "nothing is to be paid: it is carried to the next sheet"}
	}
	return nil
}

// moves is what approval will add to what the merchant is owed: fees and deductions take, adjustments may give.
func (sheet *Sheet) moves() (sum money.Fen) {
	for _, line := range sheet.Lines {
		if _, moves := lineAccounts[line.Code]; moves {
			sum += line.Amount
		}
	}
	return sum
}

func (s *State) payableOf(sheet *Sheet) ledger.AccountID {
	merchant, _ := s.MerchantByCode(sheet.Merchant)
	return s.merchants[merchant].Payable
}

// sheetLegs is the money that a step moves: on approval fees, deductions and adjustments; on payment what is left.
func (s *State) sheetLegs(sheet *Sheet, to SheetState) []ledger.Leg {
	payable := s.payableOf(sheet)
	switch to {
	case SheetPaid:
		return []ledger.Leg{{Account: payable, Amount: -sheet.Payable}, {Account: AccountBankCustody, Amount: sheet.Payable}}
	case SheetApproved:
		sums := map[ledger.AccountID]money.Fen{}
		for _, line := range sheet.Lines {
			if code, moves := lineAccounts[line.Code]; moves {
				sums[s.site(code)] -= line.Amount
			}
		}
		var legs []ledger.Leg
		var total money.Fen
		for _, account := range slices.Sorted(maps.Keys(sums)) {
			if sums[account] != 0 {
				legs = append(legs, ledger.Leg{Account: account, Amount: sums[account]})
				total += sums[account]
			}
		}
		if total != 0 {
			legs = append(legs, ledger.Leg{Account: payable, Amount: -total})
		}
		return legs
	}
	return nil
}

// lineAccounts is where lines that move money go.
var lineAccounts = map[string]ledger.AccountCode{
	LineServiceFee: ledger.CodeServiceIncome, LineDeduction: ledger.CodeDeductionIncome, LineAdjustment: ledger.CodeSuspense,
}

// applySheet takes a sheet's entry into the state.
func (s *State) applySheet(sequence uint64, e *ledger.Entry) {
	if e.Kind == KindSheetDrafted {
		sheet := new(Sheet)
		invariant.Hold(json.Unmarshal(e.Payload, sheet) == nil, "sheet %d cannot be read", sequence)
		sheet.Number, sheet.State = sequence, SheetDrafted
		s.sheets.add(sheet)
		return
	}
	var m sheetMove
	invariant.Hold(m.decode(e.Payload) == nil, "step %d of a sheet cannot be read", sequence)
	sheet := s.sheets.of[m.sheet]
	invariant.Hold(sheet != nil, "step %d of a sheet that is not there", sequence)
	sheet.State = m.to
	who := s.operatorCode(m.operator)
	switch m.to {
	case SheetChecked:
		sheet.Checker = who
	case SheetApproved:
		sheet.Approver = who
	case SheetPaid:
		sheet.Document = m.document
	case SheetCancelled:
		sheet.Reason = m.reason
	}
}

func (s *State) encodeSheets() []byte {
	var p []byte
	for _, sheet := range s.Sheets() {
		encoded, err := json.Marshal(&sheet)
		invariant.Hold(err == nil, "a sheet cannot be written: %v", err)
		p = appendText(p, string(encoded))
	}
	return p
}

func (s *State) restoreSheets(part []byte) error {
	p := payloadReader{b: part}
	for len(p.b) > 0 && !p.bad {
		sheet := new(Sheet)
		if json.Unmarshal([]byte(p.string()), sheet) != nil {
			return ledger.ErrMalformed
		}
		s.sheets.add(sheet)
	}
	return p.done(KindSheetDrafted)
}
