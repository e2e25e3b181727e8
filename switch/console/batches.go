package console

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// batchBody hands in many operations of one kind.
type batchBody struct {
	Kind      string      `json:"kind" enum:"subsidy,subsidy_return,deduction,counts" doc:"业务 / kind of the catalogue"`
	Programme string      `json:"programme,omitempty" maxLength:"16" doc:"补贴项目,或 subsidy / programme, or subsidy for the general one"`
	Merchant  string      `json:"merchant,omitempty" maxLength:"15" doc:"扣款:收款商户 / deductions: who gets them"`
	AtTap     bool        `json:"at_tap,omitempty" doc:"刷卡领取 / each holder claims his line at his next tap"`
	Replace   bool        `json:"replace,omitempty" doc:"清零补贴 / what is left in the purse goes back first"`
	Start     Day         `json:"start,omitempty"`
	Claim     Day         `json:"claim,omitempty"`
	Expiry    Day         `json:"expiry,omitempty"`
	Document  string      `json:"document,omitempty" maxLength:"40" doc:"单据号 / number of the paper behind it"`
	Reason    string      `json:"reason" minLength:"1" maxLength:"200" doc:"事由 / why"`
	Lines     []batchLine `json:"lines" minItems:"1" maxItems:"200000"`
}

type batchLine struct {
	Holder string `json:"holder" minLength:"1" maxLength:"32" doc:"学号、工号 / the holder's number"`
	Amount *Yuan  `json:"amount,omitempty"`
	Count  *int64 `json:"count,omitempty" minimum:"1" maximum:"1000000"`
}

type batchAsked struct {
	Idempotency
	Body batchBody
}

// BatchStatus is a batch for those who look at it.
type BatchStatus struct {
	Number    string `json:"number"`
	Kind      string `json:"kind"`
	KindZH    string `json:"kind_zh"`
	State     string `json:"state" enum:"proposed,approved,rejected,cancelled,done"`
	Operator  string `json:"operator"`
	Approver  string `json:"approver,omitempty"`
	Programme string `json:"programme,omitempty"`
	Document  string `json:"document,omitempty"`
	Lines     uint32 `json:"lines"`
	Posted    uint32 `json:"posted"`
	Refused   uint32 `json:"refused"`
	Total     *Yuan  `json:"total,omitempty"`
	Moved     *Yuan  `json:"moved,omitempty"`
	Counts    *int64 `json:"counts,omitempty" doc:"of all lines, where the money is counts"`
	Counted   *int64 `json:"counted,omitempty" doc:"of the lines posted"`
}

type batchAnswer struct {
	Status int
	Body   BatchStatus
}

type batchesAnswer struct {
	Body struct {
		Batches []BatchStatus `json:"batches"`
		Next    string        `json:"next,omitempty"`
	}
}

func (c *Console) registerBatches(api huma.API) {
	register(c, api, route{
		id: "batch_submit", method: http.MethodPost, path: "/batches", chinese: "提交批量业务", english: "hand in a batch", need: transaction.RoleAccountant, tag: "batches",
		bodyMax: batchBodyMax, status: http.StatusAccepted,
	}, c.submitBatch)
	register(c, api, route{
		id: "batches", method: http.MethodGet, path: "/batches", chinese: "批次列表", english: "all batches, the newest first", need: readers, tag: "batches",
	}, c.listBatches)
	register(c, api, route{
		id: "batch", method: http.MethodGet, path: "/batches/{number}", chinese: "一个批次", english: "one batch", need: readers, tag: "batches",
	}, c.showBatch)
	for _, turn := range []struct {
		id, chinese, english string
		to                   transaction.BatchState
		need                 transaction.Role
	}{
		{"approve", "批次审核通过", "approve a batch: a second person", transaction.BatchApproved, transaction.RoleApprover},
		{"reject", "驳回批次", "reject a batch, or withdraw one's own", transaction.BatchRejected, transaction.RoleApprover | transaction.RoleAccountant},
		{"cancel", "停止批次,已入账的不动", "stop a batch: what has been posted stays", transaction.BatchCancelled, transaction.RoleApprover | transaction.RoleAccountant},
	} {
		register(c, api, route{
			id: "batch_" + turn.id, method: http.MethodPost, path: "/batches/{number}/" + turn.id, chinese: turn.chinese, english: turn.english, need: turn.need, tag: "batches",
		}, func(ctx context.Context, who person, in *decisionAsked, n *note) (*batchAnswer, error) {
			return c.turnBatch(ctx, who, in, n, turn.to)
		})
	}
}

func (c *Console) submitBatch(ctx context.Context, who person, in *batchAsked, n *note) (*batchAnswer, error) {
	b := &in.Body
	kind, _ := kindOf(b.Kind) // the schema knows these only
	batch := &transaction.Batch{
		Kind: kind, Key: keyOf(who.code, in.Key), Operator: who.code, Programme: b.Programme, Merchant: b.Merchant, AtTap: b.AtTap, Replace: b.Replace,
		StartDay: uint32(b.Start), ClaimDay: uint32(b.Claim), ExpiryDay: uint32(b.Expiry), Document: b.Document, Reason: b.Reason,
		Lines: make([]transaction.BatchLine, len(b.Lines)),
	}
	n.subject, n.reason = fmt.Sprintf("batch of %d lines", len(b.Lines)), b.Reason
	counts := kind == transaction.KindCountsIssued
	if kind == transaction.KindSubsidyReturned {
		if err := c.core.Look(ctx, func(s *transaction.State) { counts = countPurse(s, b.Programme) }); err != nil {
			return nil, err
		}
	}
	for i := range b.Lines {
		line := &batch.Lines[i]
		line.Holder = b.Lines[i].Holder
		var wrong *Problem
		if line.Amount, wrong = b.Lines[i].quantity(i, counts, kind == transaction.KindSubsidyReturned); wrong != nil {
			return nil, wrong
		}
	}
	status, err := c.core.SubmitBatch(ctx, batch, c.clock())
	if err != nil {
		return nil, c.withFirst(ctx, err, who, in.Key)
	}
	n.outcome, n.record = "pending", status.Number
	return &batchAnswer{http.StatusAccepted, batchStatus(&status)}, nil
}

// quantity is a line's amount or count; nothing, which takes everything, is for clearing only.
func (l *batchLine) quantity(i int, counts, mayBeAll bool) (money.Fen, *Problem) {
	at := func(field string, value any) string { return fmt.Sprintf("body.lines[%d].%s", i, field) }
	switch {
	case counts && l.Amount != nil:
		return 0, problem(http.StatusUnprocessableEntity, "count_needed", fmt.Sprintf("第 %d 行:计次以次数计,请给 count", i+1), fmt.Sprintf("line %d: give count, the programme counts", i+1)).at(at("amount", nil), nil)
	case !counts && l.Count != nil:
		return 0, problem(http.StatusUnprocessableEntity, "amount_needed", fmt.Sprintf("第 %d 行:该项目以金额计,请给 amount", i+1), fmt.Sprintf("line %d: give amount, the programme holds money", i+1)).at(at("count", nil), nil)
	case l.Amount != nil:
		return money.Fen(*l.Amount), nil
	case l.Count != nil:
		return money.Fen(*l.Count), nil
	case mayBeAll:
		return 0, nil
	}
	return 0, problem(http.StatusUnprocessableEntity, "required", fmt.Sprintf("第 %d 行:缺少金额", i+1), fmt.Sprintf("line %d: the amount is missing", i+1)).at(at("amount", nil), nil)
}

func (c *Console) listBatches(ctx context.Context, _ person, in *Paged, _ *note) (*batchesAnswer, error) {
	a := &batchesAnswer{}
	a.Body.Batches = []BatchStatus{}
	return a, c.core.Look(ctx, func(s *transaction.State) {
		all := s.Batches()
		for i := len(all) - 1; i >= 0; i-- {
			if before := in.after(); before != 0 && all[i].Number >= before {
				continue
			}
			if len(a.Body.Batches) == in.Limit {
				a.Body.Next = a.Body.Batches[len(a.Body.Batches)-1].Number
				return
			}
			a.Body.Batches = append(a.Body.Batches, batchStatus(&all[i]))
		}
	})
}

func (c *Console) findBatch(ctx context.Context, in Numbered) (status transaction.BatchStatus, err error) {
	number, err := in.sequence()
	if err != nil {
		return status, err
	}
	known := false
	if err := c.core.Look(ctx, func(s *transaction.State) { status, known = s.Batch(number) }); err != nil {
		return status, err
	}
	if !known {
		return status, problem(http.StatusNotFound, "batch_known", "没有编号 "+in.Number+" 的批次", "there is no batch "+in.Number).at("path.number", in.Number)
	}
	return status, nil
}

func (c *Console) showBatch(ctx context.Context, _ person, in *Numbered, n *note) (*batchAnswer, error) {
	n.subject = "batch " + in.Number
	status, err := c.findBatch(ctx, *in)
	if err != nil {
		return nil, err
	}
	return &batchAnswer{http.StatusOK, batchStatus(&status)}, nil
}

// turnBatch brings a batch into another state. One that is there already, by the same person, is left as it is.
func (c *Console) turnBatch(ctx context.Context, who person, in *decisionAsked, n *note, to transaction.BatchState) (*batchAnswer, error) {
	n.subject, n.reason, n.outcome = "batch "+in.Number, in.Body.Reason, "done"
	status, err := c.findBatch(ctx, in.Numbered)
	if err != nil {
		return nil, err
	}
	n.record = status.Number
	approved := status.State == transaction.BatchApproved || status.State == transaction.BatchDone
	switch {
	case to == transaction.BatchApproved && approved && status.Approver == who.code, to != transaction.BatchApproved && status.State == to:
		n.outcome = "repeated"
	case to == transaction.BatchCancelled:
		status, err = c.core.CancelBatch(ctx, status.Number, who.code, in.Body.Reason, c.clock())
	default:
		status, err = c.core.DecideBatch(ctx, status.Number, who.code, to == transaction.BatchApproved, in.Body.Reason, c.clock())
	}
	if err != nil {
		return nil, err
	}
	return &batchAnswer{http.StatusOK, batchStatus(&status)}, nil
}

var batchStates = [...]string{"proposed", "approved", "rejected", "cancelled", "done"}

func batchStatus(b *transaction.BatchStatus) BatchStatus {
	row, _ := transaction.CatalogueOf(b.Kind)
	s := BatchStatus{
		Number: transaction.ReferenceOf(b.Number).String(), Kind: row.Label, KindZH: row.Chinese, State: batchStates[b.State], Operator: b.Operator, Approver: b.Approver,
		Programme: b.Programme, Document: b.Document, Lines: b.Lines, Posted: b.Posted, Refused: b.Refused,
	}
	if b.Kind == transaction.KindCountsIssued {
		total, moved := int64(b.Total), int64(b.Moved)
		s.Counts, s.Counted = &total, &moved
		return s
	}
	total, moved := Yuan(b.Total), Yuan(b.Moved)
	s.Total, s.Moved = &total, &moved
	return s
}

// kindOf finds a kind by its label.
func kindOf(label string) (kind transaction.Kind, ok bool) {
	transaction.Catalogue(func(row transaction.CatalogueRow) {
		if row.Label == label {
			kind, ok = row.Kind, true
		}
	})
	return kind, ok
}
