package transaction

import (
	"context"
	"fmt"

	"onecard/ledger"
	"onecard/ledger/money"
)

// checkBatch says why a batch may not be handed in, naming the line; otherwise it is the batch to be written.
func (s *State) checkBatch(batch *Batch) (*batchRun, *Refused) {
	b := &batchRun{
		kind: batch.Kind, atTap: batch.AtTap, replace: batch.Replace, startDay: batch.StartDay, claimDay: batch.ClaimDay, expiryDay: batch.ExpiryDay,
		document: batch.Document, reason: batch.Reason, key: batch.Key, wanted: uint32(len(batch.Lines)),
	}
	row, known := CatalogueOf(batch.Kind)
	n, roles := s.serving(batch.Operator)
	switch {
	case batch.Key == Key{}:
		return nil, &Refused{"key", "required", "须给出幂等键", "an idempotency key is needed"}
	case !known || batch.Kind != KindSubsidyIssued && batch.Kind != KindDeduction && batch.Kind != KindSubsidyReturned && batch.Kind != KindCountsIssued:
		return nil, &Refused{"kind", "batch_kind", "批量业务须为补贴发放、计次发放、扣款或补贴清退", "a batch issues subsidies or counts, deducts, or returns subsidies"}
	case n == 0 || roles&row.Roles == 0:
		return nil, &Refused{"operator", "role", "操作员没有办理该批量业务的角色", "the operator may not hand in such a batch"}
	case len(batch.Lines) == 0 || len(batch.Lines) > maxBatchLines:
		return nil, &Refused{"lines", "lines_bound", "批量须有 1 至 1,000,000 行", "a batch has 1 to 1,000,000 lines"}
	case batch.Reason == "" || len(batch.Reason) > maxReason || len(batch.Document) > maxDocument:
		return nil, &Refused{"reason", "required", "须写明事由(最多 200 字节),单据号最多 40 字节", "say why (200 bytes at most); the document has at most 40"}
	case batch.Kind == KindDeduction && (batch.AtTap || batch.Replace):
		return nil, &Refused{"at_tap", "not_heeded", "扣款不能刷卡领取或清零", "a deduction is not claimed at a tap and replaces nothing"}
	}
	b.operator = n
	if refusal := s.checkBatchPurse(batch, b); refusal != nil {
		return nil, refusal
	}
	return b, nil
}

// checkBatchPurse finds the purse or the merchant that the batch is about.
func (s *State) checkBatchPurse(batch *Batch, b *batchRun) *Refused {
	if batch.Kind == KindDeduction {
		i, ok := s.MerchantByCode(batch.Merchant)
		if !ok {
			return &Refused{"merchant", "merchant_known", "商户未登记", "the merchant is not registered"}
		}
		b.merchant = i + 1
		return nil
	}
	if batch.Programme == purseSubsidy {
		b.programme = 1
	} else {
		n, ok := s.programmeByCode[batch.Programme]
		if !ok {
			return &Refused{"programme", "purse_known", "没有该补贴项目", "there is no such programme"}
		}
		b.programme = n + 2
		p := &s.programmes[n]
		if provided := p.Account == ledger.CodeSubsidyPurse || p.Account == ledger.CodeCountPurse; !provided {
			return &Refused{"programme", "purse_provided", "该钱包不是补贴钱包", "that purse does not hold a subsidy"}
		}
	}
	counts := b.programme >= 2 && s.programmes[b.programme-2].Set == CountSet
	if batch.Kind != KindSubsidyReturned && counts != (batch.Kind == KindCountsIssued) {
		return &Refused{"programme", "purse_kind", "计次与金额不能混发", "counts are issued to count purses, money to others"}
	}
	return nil
}

// checkTwice refuses a list that names a holder twice: it is nearly always a slip of the spreadsheet, and as many lines as one likes for one
// holder would be posted at one tap of his, while everybody else waits. It runs where the batch is handed in, not on the owner.
func (batch *Batch) checkTwice() *Refused {
	if len(batch.Lines) > maxBatchLines {
		return nil // refused as a whole
	}
	first := make(map[string]int, len(batch.Lines))
	for i := range batch.Lines {
		holder := batch.Lines[i].Holder
		if before, twice := first[holder]; twice {
			return &Refused{fmt.Sprintf("lines[%d]", i), "holder_twice", fmt.Sprintf("第 %d 行:持卡人 %q 已在第 %d 行,请合并或分批提交", i+1, holder, before+1), fmt.Sprintf("line %d: holder %q stands in line %d already: add them up, or hand in two batches", i+1, holder, before+1)}
		}
		first[holder] = i
	}
	return nil
}

// checkLines looks at every line, some at a time so that nobody waits for a long list. What makes a line good stays so: nobody is ever
// unregistered.
func (e *Engine) checkLines(ctx context.Context, batch *Batch) (total money.Fen, err error) {
	for from := 0; from < len(batch.Lines); from += linesPerLook {
		var refusal *Refused
		err := e.Look(ctx, func(s *State) {
			refusal = s.checkSomeLines(batch, from, min(len(batch.Lines), from+linesPerLook), &total)
		})
		if err != nil {
			return 0, err
		}
		if refusal != nil {
			return 0, refusal
		}
	}
	return total, nil
}

// linesPerLook is how many lines of a batch are checked in one go.
const linesPerLook = 4096

func (s *State) checkSomeLines(batch *Batch, from, to int, total *money.Fen) *Refused {
	for i := from; i < to; i++ {
		line := &batch.Lines[i]
		field := fmt.Sprintf("lines[%d]", i)
		if _, ok := s.holderRow([]byte(line.Holder)); !ok {
			return &Refused{field, "holder_known", fmt.Sprintf("第 %d 行:持卡人 %q 未登记", i+1, line.Holder), fmt.Sprintf("line %d: holder %q is not registered", i+1, line.Holder)}
		}
		clears := batch.Kind == KindSubsidyReturned
		if line.Amount < 0 || line.Amount == 0 && !clears || line.Amount > maxOperation {
			return &Refused{field, "amount_bound", fmt.Sprintf("第 %d 行:金额 %s 不在 0.01 至 %s", i+1, line.Amount, maxOperation), fmt.Sprintf("line %d: the amount %s is not within 0.01 and %s", i+1, line.Amount, maxOperation)}
		}
		*total += line.Amount
	}
	return nil
}

// checkTurn says why a batch may not go into another state.
func (s *State) checkTurn(number uint64, operator string, to BatchState, reason string) *Refused {
	b := s.batches.number[number]
	n, roles := s.serving(operator)
	if b == nil {
		return &Refused{"batch", "batch_known", "没有这个批次", "there is no such batch"}
	}
	if n == 0 {
		return &Refused{"operator", "operator_known", "操作员未登记或已停用", "the operator is not registered or is suspended"}
	}
	switch {
	case to == BatchApproved && n == b.operator:
		return &Refused{"operator", "two_persons", "不能审核自己提交的批次", "nobody approves his own batch: another person must"}
	case to != BatchCancelled && roles&RoleApprover == 0 && n != b.operator:
		return &Refused{"operator", "role", "须有审核角色", "the role approver is needed"}
	case to == BatchCancelled && roles&(RoleApprover|RoleAccountant) == 0:
		return &Refused{"operator", "role", "须有审核或会计角色", "the role approver or accountant is needed"}
	case to == BatchApproved && uint32(len(b.lines)) != b.wanted:
		return &Refused{"batch", "batch_incomplete", fmt.Sprintf("批次只收到 %d / %d 行,请用同一幂等键重新提交", len(b.lines), b.wanted), fmt.Sprintf("only %d of %d lines are here: hand it in again with the same key", len(b.lines), b.wanted)}
	case to != BatchCancelled && b.state != BatchProposed, to == BatchCancelled && b.state != BatchApproved:
		return &Refused{"batch", "batch_state", "批次状态不允许", "the batch is in another state"}
	case to != BatchApproved && reason == "" || len(reason) > maxReason:
		return &Refused{"reason", "required", "须写明事由", "say why"}
	}
	return nil
}

// Batch tells how far a batch has come.
func (s *State) Batch(number uint64) (BatchStatus, bool) {
	b, ok := s.batches.number[number]
	if !ok {
		return BatchStatus{}, false
	}
	return s.statusOf(b), true
}

// Batches lists all batches, oldest first.
func (s *State) Batches() []BatchStatus {
	list := make([]BatchStatus, 0, len(s.batches.list))
	for _, b := range s.batches.list {
		list = append(list, s.statusOf(b))
	}
	return list
}

func (s *State) statusOf(b *batchRun) BatchStatus {
	status := BatchStatus{
		Number: b.number, Kind: b.kind, State: b.state, Operator: s.operatorCode(b.operator), Approver: s.operatorCode(b.approver), Document: b.document,
		Lines: b.wanted, Total: b.total, Posted: b.posted, Moved: b.moved, Refused: b.refused, Programme: s.PurseName(b.programme),
	}
	return status
}

func (s *State) operatorCode(n uint16) string {
	if n == 0 {
		return ""
	}
	return s.operators[n-1].Code
}

// PurseName is what operations call a purse: 0 main, 1 general subsidy, 2 + a programme's row.
func (s *State) PurseName(n uint16) string {
	switch n {
	case 0:
		return purseMain
	case 1:
		return purseSubsidy
	}
	return s.programmes[n-2].Code
}

// PurseBalance is one of a holder's purses for those who look at it.
type PurseBalance struct {
	Name      string
	Account   ledger.AccountID
	Code      ledger.AccountCode
	Set       ledger.AccountSet
	Balance   money.Fen
	Held      money.Fen
	State     ledger.AccountState
	ExpiryDay uint32
}

// Purses lists a holder's purses, what he owes included.
func (s *State) Purses(h *Holder) []PurseBalance {
	one := func(name string, id ledger.AccountID, expiry uint32) PurseBalance {
		a := s.book.Account(id)
		return PurseBalance{name, id, a.Code, a.Set, a.Balance, a.Held, a.State, expiry}
	}
	list := []PurseBalance{one(purseMain, h.Main, 0), one(purseSubsidy, h.Subsidy, 0)}
	for n := h.Purses; n != 0; n = s.purses.At(n - 1).Next {
		p := s.purses.At(n - 1)
		name := "debt"
		if p.Programme != debtProgramme {
			name = s.programmes[p.Programme].Code
		}
		list = append(list, one(name, p.Account, p.Expiry))
	}
	return list
}
