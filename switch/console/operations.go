package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// operationBody is every field that an operation can have; the schema of a kind keeps those of its row of the catalogue.
type operationBody struct {
	Desk          string `json:"desk,omitempty" maxLength:"20" doc:"收银台 / cash desk"`
	Holder        string `json:"holder,omitempty" maxLength:"32" doc:"持卡人学号、工号 / the holder's number"`
	OtherHolder   string `json:"other_holder,omitempty" maxLength:"32" doc:"转入方学号、工号 / the number of who gets it"`
	Merchant      string `json:"merchant,omitempty" maxLength:"15" doc:"商户号 15 位 / merchant, 15 characters"`
	OtherMerchant string `json:"other_merchant,omitempty" maxLength:"15" doc:"转入商户号 / merchant who gets it"`
	Purse         string `json:"purse,omitempty" maxLength:"16" doc:"main、subsidy 或补贴项目代码;缺省 main / main, subsidy or a programme's code; main when left out"`
	OtherPurse    string `json:"other_purse,omitempty" maxLength:"16" doc:"转入钱包 / purse that gets it"`
	Terminal      string `json:"terminal,omitempty" maxLength:"8" doc:"终端号 8 位 / terminal, 8 characters"`
	Amount        *Yuan  `json:"amount,omitempty"`
	Count         *int64 `json:"count,omitempty" minimum:"1" maximum:"1000000" doc:"次数,用于计次钱包,代替金额 / counts, for count purses, in place of an amount"`
	All           bool   `json:"all,omitempty" doc:"全部余额,代替金额 / all there is, in place of an amount"`
	Unit          *Yuan  `json:"unit,omitempty"`
	Original      string `json:"original,omitempty" pattern:"^[0-9]{1,20}$" doc:"原记录号(DE 37)/ record of the original"`
	Occurred      string `json:"occurred,omitempty" format:"date-time" doc:"交易发生时间 / when it was"`
	Until         string `json:"until,omitempty" format:"date-time" doc:"冻结到期时间 / when the hold ends by itself"`
	Tariff        string `json:"tariff,omitempty" maxLength:"32" doc:"现行规则中的费率代码,与读数一起代替金额 / code of a tariff of the rules in force, with a reading in place of an amount"`
	Reading       uint64 `json:"reading,omitempty" maximum:"4294967296" doc:"读数,最小单位:毫升、秒、瓦时、次 / what was used, in millilitres, seconds, watt hours or uses"`
	Expiry        Day    `json:"expiry,omitempty"`
	State         string `json:"state,omitempty" enum:"open,frozen,retained" doc:"账户状态 / state of the accounts"`
	AgreementBody
	Document string `json:"document,omitempty" maxLength:"40" doc:"单据号,最多 40 字节 / number of the paper behind it, at most 40 bytes"`
	Reason   string `json:"reason,omitempty" maxLength:"200" doc:"事由,最多 200 字节 / why, at most 200 bytes"`
}

// Idempotency is the header of every POST.
type Idempotency struct {
	Key string `header:"Idempotency-Key" required:"true" minLength:"8" maxLength:"128" pattern:"^[!-~]+$" patternDescription:"8 to 128 visible characters" doc:"此请求的名字:同名重发得到第一张凭条,不会重复入账 / the request's own name: the same name again gets the first receipt"`
}

type operationAsked struct {
	Idempotency
	Body operationBody
}

type receiptAnswer struct {
	Status int
	Body   Receipt
}

// counted are the kinds whose amount is always a number of counts; mayCount those where it depends on the purse or the original.
var (
	counted  = []transaction.Kind{transaction.KindCountsIssued, transaction.KindCountSale}
	mayCount = []transaction.Kind{transaction.KindRefund, transaction.KindSubsidyReturned, transaction.KindAdjustment}
)

// registerOperations makes one path for each row of the catalogue.
func (c *Console) registerOperations(api huma.API) {
	whole := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[operationBody](), false, "Operation")
	transaction.Catalogue(func(row transaction.CatalogueRow) {
		r := route{
			id: row.Label, method: http.MethodPost, path: "/operations/" + row.Label, chinese: row.Chinese, english: row.English, need: row.Roles,
			tag: "operations", schema: operationSchema(whole, &row), status: http.StatusCreated,
		}
		switch {
		case row.Kind == transaction.KindBankWithdrawal:
			r.chinese, r.english = r.chinese+"(超过限额双人)", r.english+" (two persons above a bound)"
		case row.TwoPersons:
			r.chinese, r.english = r.chinese+"(双人)", r.english+" (two persons)"
		}
		register(c, api, r, func(ctx context.Context, who person, in *operationAsked, n *note) (*receiptAnswer, error) {
			return c.operate(ctx, who, &row, in, n)
		})
	})
}

// FieldsOf are the fields of a kind as they stand in JSON: the evidence is read here, not sent.
func FieldsOf(row *transaction.CatalogueRow) (needs, may []string) {
	for _, name := range row.Needs {
		if name != "evidence" {
			needs = append(needs, name)
		}
	}
	may = append(slices.Clone(row.May), "document", "reason")
	switch row.Kind {
	case transaction.KindBankSigned, transaction.KindBankChanged: // the bank wants to know who asks
		needs = append(needs, "name", "id_number")
	case transaction.KindBankUnsigned:
		may = append(may, "name", "id_number")
	}
	switch {
	case slices.Contains(counted, row.Kind):
		needs[slices.Index(needs, "amount")] = "count"
	case slices.Contains(mayCount, row.Kind):
		needs = slices.DeleteFunc(needs, func(name string) bool { return name == "amount" })
		may = append(may, "amount", "count")
	}
	may = slices.DeleteFunc(may, func(name string) bool { return slices.Contains(needs, name) })
	slices.Sort(may)
	return needs, slices.Compact(may)
}

// operationSchema is the whole schema with the fields of one kind.
func operationSchema(whole *huma.Schema, row *transaction.CatalogueRow) *huma.Schema {
	needs, may := FieldsOf(row)
	s := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Required: needs, Properties: map[string]*huma.Schema{}}
	for _, name := range append(slices.Clone(needs), may...) {
		s.Properties[name] = whole.Properties[name]
	}
	return s
}

func (c *Console) operate(ctx context.Context, who person, row *transaction.CatalogueRow, in *operationAsked, n *note) (*receiptAnswer, error) {
	n.subject, n.reason = subjectOf(&in.Body), in.Body.Reason
	o, err := c.operationOf(ctx, row, &in.Body)
	if err != nil {
		return nil, err
	}
	o.Operator, o.Key = who.code, keyOf(who.code, in.Key)
	if err := c.automaticFits(ctx, o); err != nil {
		return nil, err
	}
	if err := c.agreed(ctx, o, &in.Body); err != nil {
		return nil, err
	}
	done, err := c.core.Operate(ctx, o, c.clock())
	left := c.settleBank(ctx, o, &in.Body, err)
	if err != nil {
		return nil, c.withFirst(ctx, err, who, in.Key)
	}
	a, err := c.answerTo(ctx, &done, o, n)
	if err == nil {
		a.Body.Bank.left(left)
	}
	return a, err
}

func (c *Console) answerTo(ctx context.Context, done *transaction.Receipt, o *transaction.Operation, n *note) (*receiptAnswer, error) {
	if done.Repeated {
		return c.answerAgain(ctx, done, n)
	}
	return c.answer(ctx, done, o, n)
}

// subjectOf says in the audit log whom or what an operation is about.
func subjectOf(b *operationBody) string {
	for _, s := range []struct{ what, which string }{{"holder ", b.Holder}, {"merchant ", b.Merchant}, {"record ", b.Original}, {"desk ", b.Desk}} {
		if s.which != "" {
			return s.what + s.which
		}
	}
	return ""
}

// answer makes the receipt: of what was posted from the entry as it stands in the ledger, of a proposal from what was asked.
func (c *Console) answer(ctx context.Context, done *transaction.Receipt, o *transaction.Operation, n *note) (*receiptAnswer, error) {
	n.record, n.outcome = done.Sequence, "done"
	a := &receiptAnswer{Status: http.StatusCreated}
	if done.Pending {
		a.Status, n.outcome = http.StatusAccepted, "pending"
		a.Body = c.pendingReceipt(done, o)
	} else {
		r, err := c.receipt(ctx, done.Sequence)
		if err != nil {
			return nil, err
		}
		a.Body = *r
	}
	return a, nil
}

// answerAgain answers a name that was heard before with what it stands for: what was posted, or the proposal as it waits. One that was
// rejected is not proposed again under its old name.
func (c *Console) answerAgain(ctx context.Context, done *transaction.Receipt, n *note) (*receiptAnswer, error) {
	n.record, n.outcome = done.Sequence, "repeated"
	first, err := c.first(ctx, done.Sequence)
	if err != nil {
		return nil, err
	}
	if first.Status == "pending" && !done.Pending {
		p := problem(http.StatusConflict, "proposal_closed", "该业务曾待审,已驳回或撤回;要再次提交,请换一个 Idempotency-Key", "it was proposed, and rejected or withdrawn: to ask once more use another Idempotency-Key")
		return nil, p
	}
	first.Repeated = true
	return &receiptAnswer{http.StatusOK, *first}, nil
}

// first is the receipt of what a name stands for: of an operation, or of the proposal of one.
func (c *Console) first(ctx context.Context, sequence uint64) (*Receipt, error) {
	e, day, err := c.entry(sequence)
	if err != nil {
		return nil, err
	}
	if p, ok := transaction.ReadProposal(sequence, day, &e); ok {
		asked := c.openProposal(&p).Asked
		return &asked, nil
	}
	return c.receipt(ctx, sequence)
}

// operationOf puts the body into the core's terms.
func (c *Console) operationOf(ctx context.Context, row *transaction.CatalogueRow, b *operationBody) (*transaction.Operation, error) {
	o := &transaction.Operation{
		Kind: row.Kind, Desk: b.Desk, Holder: b.Holder, OtherHolder: b.OtherHolder, Merchant: b.Merchant, OtherMerchant: b.OtherMerchant,
		Purse: b.Purse, OtherPurse: b.OtherPurse, Terminal: b.Terminal, Tariff: b.Tariff, Reading: b.Reading, All: b.All, Expiry: uint32(b.Expiry),
		State: transaction.AccountState(b.State), Document: b.Document, Reason: b.Reason,
	}
	b.agreement(o)
	if b.Unit != nil {
		o.Unit = money.Fen(*b.Unit)
	}
	for _, t := range []struct {
		text string
		into *int64
	}{{b.Occurred, &o.Occurred}, {b.Until, &o.Until}} {
		if t.text != "" {
			moment, err := time.Parse(time.RFC3339, t.text)
			if err != nil {
				return nil, problem(http.StatusUnprocessableEntity, "time", "时间须为 RFC 3339", "write times as RFC 3339").at("body", t.text)
			}
			*t.into = moment.UnixMicro()
		}
	}
	if b.Original != "" {
		if err := c.original(ctx, row, b.Original, o); err != nil {
			return nil, err
		}
	}
	return o, c.amountOf(ctx, b, o)
}

// original reads the record that an operation is about, where the core wants to see it.
func (c *Console) original(ctx context.Context, row *transaction.CatalogueRow, number string, o *transaction.Operation) error {
	var err error
	if o.Original, err = strconv.ParseUint(number, 10, 64); err != nil || o.Original == 0 {
		return noRecord(number)
	}
	if !slices.Contains(row.Needs, "evidence") {
		return nil
	}
	if o.Evidence, err = c.evidence(ctx, o.Original); errors.Is(err, ErrNoEntry) {
		return noRecord(number)
	}
	return err
}

func noRecord(number string) *Problem {
	return problem(http.StatusUnprocessableEntity, "original_known", fmt.Sprintf("账本中没有记录 %s,请核对凭条上的编号", number), fmt.Sprintf("the ledger has no record %s: check the number on the receipt", number)).
		at("body.original", number)
}

// amountOf takes the amount, or the count where the money is counts: an amount of 3.00 must never be taken for 300 meals.
func (c *Console) amountOf(ctx context.Context, b *operationBody, o *transaction.Operation) error {
	counts, err := c.countsOf(ctx, o)
	if err != nil {
		return err
	}
	switch {
	case b.Amount != nil && b.Count != nil:
		return problem(http.StatusUnprocessableEntity, "amount_or_count", "金额与次数只能给一个", "give an amount or a count, not both").at("body.count", *b.Count)
	case b.Amount != nil && counts:
		return problem(http.StatusUnprocessableEntity, "count_needed", "计次钱包以次数计,请给 count", "that purse holds counts: give count").at("body.amount", b.Amount.String())
	case b.Count != nil && !counts:
		return problem(http.StatusUnprocessableEntity, "amount_needed", "该钱包以金额计,请给 amount", "that purse holds money: give amount").at("body.count", *b.Count)
	case b.Amount != nil:
		o.Amount = money.Fen(*b.Amount)
	case b.Count != nil:
		o.Amount = money.Fen(*b.Count)
	}
	return nil
}

// countsOf says whether an operation moves counts.
func (c *Console) countsOf(ctx context.Context, o *transaction.Operation) (bool, error) {
	switch {
	case slices.Contains(counted, o.Kind):
		return true, nil
	case o.Evidence != nil:
		return o.Evidence.Kind == transaction.KindCountSale, nil
	case !slices.Contains(mayCount, o.Kind):
		return false, nil
	}
	counts := false
	return counts, c.core.Look(ctx, func(s *transaction.State) { counts = countPurse(s, o.Purse) })
}

// countPurse says whether a purse's name is one of a programme of counts.
func countPurse(s *transaction.State, name string) bool {
	for n := 1; n <= s.Programmes(); n++ {
		if p := s.Programme(uint16(n)); p.Code == name {
			return p.Set == transaction.CountSet
		}
	}
	return false
}
