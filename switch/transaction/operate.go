package transaction

import (
	"context"
	"encoding/binary"
	"encoding/json"

	"onecard/ledger"
	"onecard/ledger/invariant"
	"onecard/ledger/money"
)

// Proposal is an operation that waits for a second person.
type Proposal struct {
	Number    uint64 // sequence of its entry
	Operation Operation
	Time      int64
	Day       uint32
}

// Operate carries an operation out, durably, or keeps it for a second person when its kind asks for one. What is not possible comes back as
// *Refused and nothing is written. The key of an operation that was carried out before gets the first receipt.
func (e *Engine) Operate(ctx context.Context, op *Operation, now int64) (Receipt, error) {
	var receipt Receipt
	err := e.command(ctx, func() error {
		var err error
		receipt, err = e.operate(op, now)
		return err
	})
	return receipt, err
}

// OperateBeforeRun is Operate for a ledger that nobody serves yet.
func (e *Engine) OperateBeforeRun(op *Operation, now int64) (Receipt, error) {
	receipt, err := e.operate(op, now)
	if err == nil {
		err = e.settle()
	}
	return receipt, err
}

func noSuchOperation() *Refused {
	return &Refused{"kind", "kind_known", "没有这种业务", "there is no such operation"}
}

func (e *Engine) operate(op *Operation, now int64) (Receipt, error) {
	row, ok := CatalogueOf(op.Kind)
	if !ok {
		return Receipt{}, noSuchOperation()
	}
	if op.Key == (Key{}) {
		return Receipt{}, &Refused{"key", "required", "须给出幂等键", "an idempotency key is needed"}
	}
	contents := contentsOfOperation(op)
	if before, seen := e.state.keys.of[op.Key]; seen {
		return e.repeated(before, op.Kind, contents)
	}
	if e.decider.diskLow {
		return Receipt{}, &Refused{"", "disk_low", "磁盘空间不足,暂停办理", "the disk is low: nothing new is taken"}
	}
	if err := e.prepare(now); err != nil {
		return Receipt{}, err
	}
	e.completeChart()
	asked := *op
	a := e.act(&asked, contents)
	if !a.identify(&row) || !a.fields(&row) || !row.act(a) || !e.possible(a) {
		return Receipt{}, a.refusal
	}
	if row.TwoPersons && !a.alone {
		return e.propose(op, a), nil
	}
	return e.carryOut(a), nil
}

// repeated answers a key that was seen before: with what was posted, or with the proposal that still waits or was closed.
func (e *Engine) repeated(before keyed, kind Kind, contents uint64) (Receipt, error) {
	if before.contents != contents {
		return Receipt{}, &Refused{"key", "key_reused", "幂等键已用于另一笔业务(记录 " + ReferenceOf(before.sequence).String() + ")", "the key was used for something else, record " + ReferenceOf(before.sequence).String()}
	}
	return Receipt{Sequence: before.sequence, Kind: kind, Day: before.day, Pending: e.state.ProposalOpen(before.sequence), Repeated: true}, nil
}

func (e *Engine) act(op *Operation, contents uint64) *act {
	a := &act{state: e.state, op: op, now: e.decider.now, day: e.state.business.day, local: e.decider.day, terms: &e.config.Withdrawals}
	a.record.key, a.record.contents = op.Key, contents
	a.entry = ledger.Entry{Kind: op.Kind, Time: e.decider.now}
	return a
}

// possible asks the book whether the entry fits, purses that are still to be opened left aside: they are empty and only receive.
func (e *Engine) possible(a *act) bool {
	if len(a.entry.Legs) > 15 {
		return a.refuse("", "legs", "分录太多", "too many legs for one entry")
	}
	known := a.entry
	known.Legs = nil
	for _, l := range a.entry.Legs {
		if opening, ok := a.opening(l.Account); ok {
			l.Account, _ = e.state.SiteAccount(opening.Set, ledger.CodeSuspense)
		}
		known.Legs = append(known.Legs, l)
	}
	switch r := e.state.book.Check(&known); r {
	case ledger.Accepted:
		return true
	case ledger.FundsInsufficient:
		return a.refuse("amount", "funds", "余额不足", "the balance does not cover it")
	case ledger.AccountNotOpen:
		return a.refuse("holder", "account_open", "账户已冻结、保留或关闭", "an account is frozen, retained or closed")
	case ledger.AccountNotEmpty:
		return a.refuse("holder", "account_holds", "账户仍有冻结资金", "an account still has holds on it")
	default:
		return a.refuse("", r.String(), "账簿不接受:%[1]s", "the books do not take it: %[1]s", r)
	}
}

// carryOut writes the entry, the purses that it needs before it.
func (e *Engine) carryOut(a *act) Receipt {
	for _, n := range a.opens {
		e.add(e.state.purseEntry(n.holder, n.programme, e.decider.now))
		id := ledger.AccountID(e.state.book.Accounts())
		invariant.Hold(id == n.stand, "a purse was opened as account %d, not %d", id, n.stand)
	}
	a.tellBalance()
	a.entry.Payload = a.record.append(nil)
	sequence := e.add(&a.entry)
	if a.op.Kind == KindBankWithdrawal {
		e.withdrawalRecorded(sequence)
	}
	return Receipt{Sequence: sequence, Kind: a.op.Kind, Time: a.now, Day: a.day, Amount: a.record.amount, Balance: a.record.balance, Legs: a.entry.Legs}
}

// tellBalance puts what the holder can spend afterwards into the record: his receipt and his statement show it.
func (a *act) tellBalance() {
	told := byHand(a.op.Kind) || withdrawalByHand(a.op.Kind) || a.op.Kind == KindBankWithdrawal
	if a.record.holder == 0 || a.entry.Hold.Op != ledger.HoldNone && !told {
		return
	}
	h := a.state.holders.At(a.record.holder - 1)
	a.record.flags |= recordBalance
	a.record.balance = a.state.balanceAfter(h, a.local, a.entry.Legs) - a.promised()
	if a.op.Kind == KindSubsidyIssued || a.op.Kind == KindCountsIssued {
		a.record.balance += a.revived(h)
	}
}

// promised is what the entry puts on hold for a withdrawal to the bank, or frees of it: less than nothing.
func (a *act) promised() money.Fen {
	if hold, ok := a.state.book.Hold(a.entry.Hold.ID); ok && withdrawalByHand(a.op.Kind) {
		return -hold.Amount
	}
	return a.entry.Hold.Amount
}

// revived is what can be spent, or cannot any more, because the subsidy on the table gives its purse another end.
func (a *act) revived(h *Holder) money.Fen {
	if a.record.purse < 2 {
		return 0
	}
	i, _ := a.state.purse(h, a.record.purse-2)
	p := a.state.purses.At(i)
	account := a.state.book.Account(p.Account)
	moved := legsInto(a.entry.Legs, p.Account)
	then := *p
	then.Expiry = p.expiryWith(account.Balance+moved, &a.record)
	switch now, will := a.state.spends(p, a.local), a.state.spends(&then, a.local); {
	case will && !now:
		return account.Available() + moved
	case now && !will:
		return -account.Available() - moved
	}
	return 0
}

// propose keeps an operation that could be carried out now for a second person. It is looked at again then.
//
//	operator uvarint | key 16 bytes | contents u64 | the operation as JSON
func (e *Engine) propose(op *Operation, a *act) Receipt {
	encoded, err := json.Marshal(op)
	invariant.Hold(err == nil, "an operation cannot be written: %v", err)
	p := binary.AppendUvarint(nil, uint64(a.record.operator))
	p = binary.BigEndian.AppendUint64(append(p, op.Key[:]...), a.record.contents)
	sequence := e.add(&ledger.Entry{Kind: KindProposal, Time: e.decider.now, Payload: append(p, encoded...)})
	return Receipt{Sequence: sequence, Kind: op.Kind, Time: a.now, Day: a.day, Pending: true, Amount: a.record.amount}
}

// Approve carries a proposal out on a second person's word. What has become impossible is refused and the proposal stays open.
func (e *Engine) Approve(ctx context.Context, proposal uint64, approver string, now int64) (Receipt, error) {
	var receipt Receipt
	err := e.command(ctx, func() error {
		var err error
		receipt, err = e.approve(proposal, approver, now)
		return err
	})
	return receipt, err
}

func (e *Engine) approve(number uint64, approver string, now int64) (Receipt, error) {
	p, ok := e.state.proposals[number]
	if !ok {
		return Receipt{}, noProposal(number)
	}
	if err := e.prepare(now); err != nil {
		return Receipt{}, err
	}
	row, _ := CatalogueOf(p.Operation.Kind)
	asked := p.Operation
	a := e.act(&asked, contentsOfOperation(&p.Operation))
	a.record.proposal = number
	if !a.second(approver) || !a.identify(&row) || !a.fields(&row) || !row.act(a) || !e.possible(a) {
		return Receipt{}, a.refusal
	}
	return e.carryOut(a), nil
}

// ApproveBeforeRun is Approve for a ledger that nobody serves yet.
func (e *Engine) ApproveBeforeRun(proposal uint64, approver string, now int64) (Receipt, error) {
	receipt, err := e.approve(proposal, approver, now)
	if err == nil {
		err = e.settle()
	}
	return receipt, err
}

func noProposal(number uint64) *Refused {
	return &Refused{"proposal", "proposal_open", "没有编号 " + ReferenceOf(number).String() + " 的待审业务", "there is no open proposal " + ReferenceOf(number).String()}
}

// second says whether somebody may be the second person: registered, with the role, and not the first.
func (a *act) second(approver string) bool {
	n, roles := a.state.serving(approver)
	if n == 0 {
		return a.refuse("approver", "operator_known", "操作员 %[1]q 未登记或已停用", "operator %[1]q is not registered or is suspended", approver)
	}
	if roles&RoleApprover == 0 {
		return a.refuse("approver", "role", "操作员 %[1]s 没有审核角色", "operator %[1]s may not approve: it needs the role approver", approver)
	}
	if approver == a.op.Operator {
		return a.refuse("approver", "two_persons", "%[1]s 不能审核自己提交的业务", "%[1]s cannot approve his own act: another person must", approver)
	}
	a.record.approver = n
	return true
}

// Reject closes a proposal without carrying it out. Its own operator may withdraw it; anybody else needs the role approver.
func (e *Engine) Reject(ctx context.Context, proposal uint64, operator, reason string, now int64) error {
	return e.command(ctx, func() error {
		p, ok := e.state.proposals[proposal]
		if !ok {
			return noProposal(proposal)
		}
		n, roles := e.state.serving(operator)
		switch {
		case n == 0:
			return &Refused{"operator", "operator_known", "操作员未登记或已停用", "the operator is not registered or is suspended"}
		case operator != p.Operation.Operator && roles&RoleApprover == 0:
			return &Refused{"operator", "role", "须有审核角色", "the role approver is needed"}
		case reason == "" || len(reason) > maxReason:
			return &Refused{"reason", "required", "须写明事由", "say why"}
		}
		if err := e.prepare(now); err != nil {
			return err
		}
		// proposal uvarint | operator uvarint | reason text
		payload := binary.AppendUvarint(binary.AppendUvarint(nil, proposal), uint64(n))
		e.add(&ledger.Entry{Kind: KindProposalClosed, Time: e.decider.now, Payload: appendText(payload, reason)})
		return nil
	})
}

// SetOperator registers an operator or changes him, durably.
func (e *Engine) SetOperator(ctx context.Context, row OperatorRow, by string, now int64) error {
	return e.command(ctx, func() error { return e.setOperator(&row, by, now) })
}

func (e *Engine) setOperator(row *OperatorRow, by string, now int64) error {
	if err := e.state.checkOperator(row, by); err != nil {
		return err
	}
	if err := e.prepare(now); err != nil {
		return err
	}
	e.add(&ledger.Entry{Kind: KindDirectory, Time: e.decider.now, Payload: encodeOperator(row, by)})
	return nil
}

// SetOperatorBeforeRun is SetOperator for a ledger that nobody serves yet.
func (e *Engine) SetOperatorBeforeRun(row OperatorRow, by string, now int64) error {
	if err := e.setOperator(&row, by, now); err != nil {
		return err
	}
	return e.settle()
}

// ExpireHolds ends the holds whose time has passed, durably: what was promised and never settled is free again.
func (e *Engine) ExpireHolds(ctx context.Context, now int64) (ended int, err error) {
	err = e.command(ctx, func() error {
		expired := e.state.book.Expired(now)
		if len(expired) > 0 {
			if err := e.prepare(now); err != nil {
				return err
			}
		}
		for _, hold := range expired[:min(len(expired), 1000)] {
			owner := e.state.holdings[hold.ID]
			record := operationRecord{amount: hold.Amount, original: hold.ID, holder: owner.holder, merchant: owner.merchant}
			e.add(&ledger.Entry{
				Kind: KindHoldReleased, Time: e.decider.now, Hold: ledger.HoldAction{Op: ledger.HoldExpire, ID: hold.ID}, Payload: record.append(nil),
			})
			ended++
		}
		return nil
	})
	return ended, err
}
