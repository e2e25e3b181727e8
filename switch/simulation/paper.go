package simulation

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// The office writes papers: each asks for one operation, under a key of its own, and is handed in again until it is answered.

func (w *world) key() (key transaction.Key) {
	w.keys++
	binary.BigEndian.PutUint64(key[:], w.keys)
	return key
}

// desk is what an operator at a desk does next.
func (w *world) desk() {
	switch n := w.rng.IntN(20); {
	case n < 3:
		w.second()
	case n == 3:
		w.handIn()
	case n < 6:
		w.decideBatch()
	case n == 6:
		if w.rng.IntN(2) == 0 {
			w.lookForLoads()
			return
		}
		w.expireHolds()
	case n == 7 && len(w.paperList) > 0: // handed in again though it was answered
		w.ask(w.paperList[len(w.paperList)-1-w.rng.IntN(min(len(w.paperList), 10))])
	default:
		for _, p := range w.paperList[max(0, len(w.paperList)-20):] {
			if !p.answered {
				w.ask(p)
				return
			}
		}
		w.ask(w.write())
	}
}

// ask hands a paper in.
func (w *world) ask(p *paper) {
	if w.errand != nil {
		return
	}
	now, op := w.clockNow(), p.op
	p.tries++
	p.refused = false // it is another try: what was not possible may be now
	w.send(orderOperation, func(ctx context.Context) (err error) {
		p.receipt, err = w.engine.Operate(ctx, &op, now)
		return err
	}, func(err error) { w.answered(p, p.receipt, err) })
}

// answered holds what the office was told against the log.
func (w *world) answered(p *paper, r transaction.Receipt, err error) {
	var refused *transaction.Refused
	done := p.entry != 0 || p.proposal != 0
	result := resultDone
	switch {
	case errors.As(err, &refused):
		result = resultRefused
		if done {
			w.find("I4", "%s is refused (%s) and entry %d or %d stands for it", p.op.Document, refused.Rule, p.entry, p.proposal)
		}
		if p.answered = refused.Rule != "disk_low"; p.answered {
			p.refused = true
		}
	case err != nil:
		w.find("open", "%s: %v", p.op.Document, err)
	default:
		if r.Sequence == 0 || r.Sequence != p.entry && r.Sequence != p.proposal || r.Pending && r.Sequence != p.proposal {
			w.find("I3", "the office was told that %s is record %d, the log says %d and proposal %d", p.op.Document, r.Sequence, p.entry, p.proposal)
		}
		if r.Repeated && p.tries == 1 {
			w.find("I4", "%s was handed in once and is said to be repeated", p.op.Document)
		}
		p.answered = true
	}
	if err == nil && r.Repeated {
		w.coverage.order(orderRepeated, result, w.errandMet)
		return
	}
	w.coverage.operation(p.op.Kind, result, w.errandMet)
	if refused != nil {
		w.coverage.rule(p.op.Kind, refused.Rule)
	}
}

// second is the second person: approves, or rejects, what waits.
func (w *world) second() {
	var open []*paper
	for _, p := range w.paperList {
		if p.proposal != 0 && p.entry == 0 && !p.closed {
			open = append(open, p)
		}
	}
	if len(open) == 0 {
		return
	}
	p := open[w.rng.IntN(len(open))]
	who, now := []string{"approver", "approver", "approver", "approver", "gone", "cashier1", p.op.Operator}[w.rng.IntN(7)], w.clockNow()
	if w.rng.IntN(8) == 0 {
		w.send(orderReject, func(ctx context.Context) error { return w.engine.Reject(ctx, p.proposal, who, "no", now) }, func(err error) {
			if err == nil && !p.closed {
				w.find("I3", "the office was told that proposal %d is closed, and it is not", p.proposal)
			}
		})
		return
	}
	var r transaction.Receipt
	w.send(orderApprove, func(ctx context.Context) (err error) {
		r, err = w.engine.Approve(ctx, p.proposal, who, now)
		return err
	}, func(err error) {
		if err == nil && (p.entry == 0 || r.Sequence != p.entry) {
			w.find("I3", "the office was told that proposal %d is record %d, the log says %d", p.proposal, r.Sequence, p.entry)
		}
	})
}

func (w *world) expireHolds() {
	now := w.clockNow()
	w.send(orderExpire, func(ctx context.Context) error { _, err := w.engine.ExpireHolds(ctx, now); return err }, func(err error) {
		if err != nil {
			w.find("open", "holds that end: %v", err)
		}
		for id, h := range w.books.holds { // each is looked at: no order matters
			if h.expires != 0 && h.expires <= now {
				w.find("I6", "hold %d has ended at %d and is open", id, h.expires)
			}
		}
	})
}

// write writes a paper about an operation of the catalogue.
func (w *world) write() *paper {
	var rows []transaction.CatalogueRow
	transaction.Catalogue(func(row transaction.CatalogueRow) { rows = append(rows, row) })
	row := rows[w.rng.IntN(len(rows))]
	switch w.rng.IntN(6) { // drawers, cash and subsidies are the daily bread
	case 0:
		row, _ = transaction.CatalogueOf([]transaction.Kind{transaction.KindDrawerOpened, transaction.KindCashDeposit, transaction.KindCashDeposit, transaction.KindSubsidyIssued}[w.rng.IntN(4)])
	case 1:
		row, _ = transaction.CatalogueOf([]transaction.Kind{transaction.KindRefund, transaction.KindFundsHeld, transaction.KindMeterStarted, transaction.KindDepositReversed}[w.rng.IntN(4)])
	}
	if w.rng.IntN(6) == 0 { // what is seldom possible is asked for more often
		row, _ = transaction.CatalogueOf([]transaction.Kind{
			transaction.KindWithdrawal, transaction.KindSubsidyReturned, transaction.KindCashHandedIn, transaction.KindCountSale, transaction.KindCardDepositReturned,
			transaction.KindDepartmentTransfer, transaction.KindTransfer, transaction.KindThirdPartySettled, transaction.KindLoadMadeUp, transaction.KindLoadClosed,
			transaction.KindBankSigned, transaction.KindBankChanged, transaction.KindAutomaticLoad, transaction.KindAutomaticLoad,
			transaction.KindBankWithdrawal, transaction.KindBankWithdrawal, transaction.KindWithdrawalCharged, transaction.KindWithdrawalReturned,
		}[w.rng.IntN(18)])
	}
	w.papersWritten++
	op := transaction.Operation{Kind: row.Kind, Key: w.key(), Document: fmt.Sprintf("paper-%d", w.papersWritten), Operator: w.operatorFor(row.Roles)}
	if w.rng.IntN(3) == 0 {
		op.Reason = "note"
	}
	for _, name := range row.Needs {
		if w.rng.IntN(60) > 0 {
			w.fill(&op, name)
		}
	}
	for _, name := range row.May {
		if w.rng.IntN(2) == 0 {
			w.fill(&op, name)
		}
	}
	w.byTheFile(&op)
	p := &paper{op: op}
	w.paperList = append(w.paperList, p)
	w.books.papers[op.Document] = p
	return p
}

func (w *world) operatorFor(roles transaction.Role) string {
	all := staff()
	if w.rng.IntN(12) > 0 {
		fit := slices.DeleteFunc(slices.Clone(all), func(o transaction.OperatorRow) bool { return o.Roles&roles == 0 || o.Suspended })
		return fit[w.rng.IntN(len(fit))].Code
	}
	return append(all, transaction.OperatorRow{Code: "nobody"})[w.rng.IntN(len(all)+1)].Code
}

// fill draws a field of an operation by its name.
func (w *world) fill(op *transaction.Operation, name string) {
	merchants := func() string { return merchantCode(w.rng.IntN(3)).String() }
	switch name {
	case "desk":
		op.Desk = w.deskFor(op.Operator)
	case "holder":
		op.Holder = w.drawHolder(op.Kind)
	case "other_holder":
		op.OtherHolder = w.drawHolder(op.Kind)
	case "merchant":
		op.Merchant = merchants()
	case "other_merchant":
		op.OtherMerchant = merchants()
	case "purse":
		op.Purse = w.drawPurse(op.Kind)
	case "other_purse":
		op.OtherPurse = w.drawPurse(op.Kind)
	case "terminal":
		op.Terminal = terminalCode(1 + w.rng.IntN(3)).String()
	case "amount":
		if !transaction.IsAgreement(op.Kind) || w.rng.IntN(8) == 0 { // agreements draw it with the threshold
			op.Amount = w.drawSum(op.Kind)
		}
	case "all":
		if op.Amount == 0 {
			op.All = true
		}
	case "unit":
		op.Unit = []money.Fen{1, 10, 100, 7}[w.rng.IntN(4)]
	case "original":
		op.Original = w.drawOriginal(op.Kind)
	case "evidence":
		op.Evidence = w.evidence(op.Original)
	case "occurred":
		op.Occurred = w.clockNow() - w.between(-second, 60*minute)
	case "until":
		op.Until = w.clockNow() + w.between(-second, 20*minute)
	case "expiry":
		op.Expiry = localDay(w.clockNow()) + uint32(w.rng.IntN(4))
	case "state":
		op.State = []transaction.AccountState{transaction.AccountsOpen, transaction.AccountsOpen, transaction.AccountsOpen, transaction.AccountsFrozen, transaction.AccountsRetained}[w.rng.IntN(5)]
	case "account", "other_account", "identity", "signed", "single_limit", "day_limit", "purse_limit", "threshold":
		w.fillAgreement(op, name)
	case "document", "tariff", "reading": // the office's meters tell amounts
	case "reason":
		op.Reason = "because"
	default:
		w.find("open", "the office cannot fill in the field %s", name)
	}
}

func (w *world) deskFor(operator string) string {
	for _, code := range w.books.deskRows {
		if d := w.books.desks[code]; d.operator != 0 && w.books.operators[d.operator-1].Code == operator && w.rng.IntN(8) > 0 {
			return code
		}
	}
	return []string{"desk1", "desk2", "desk1", "desk2", "desk1", "desk2", "desk9"}[w.rng.IntN(7)]
}

func (w *world) drawHolder(kind transaction.Kind) string {
	n := len(w.books.holders)
	if w.rng.IntN(40) == 0 {
		return "nobody"
	}
	switch kind {
	case transaction.KindAccountClosed, transaction.KindUnclaimed: // few may go, or nobody is left to eat
		return w.books.holders[8+w.rng.IntN(n-8)].row.Number
	}
	for range 8 {
		h := w.books.holders[w.rng.IntN(n)]
		counts := h.programme(3) != nil && w.books.balances[h.programme(3).account] > 0
		subsidy := w.books.balances[h.subsidy] > 0
		unfit := kind == transaction.KindBankSigned && h.account != 0 || kind == transaction.KindAutomaticLoad && !h.agreement.active
		if unfit || kind == transaction.KindCountSale && !counts || kind == transaction.KindSubsidyReturned && !subsidy {
			continue
		}
		return h.row.Number
	}
	return w.books.holders[w.rng.IntN(n)].row.Number
}

func (w *world) drawPurse(kind transaction.Kind) string {
	if w.rng.IntN(10) == 0 {
		return []string{"main", "subsidy", "meal", "lab", "water", "tickets", "nothing"}[w.rng.IntN(7)]
	}
	switch kind {
	case transaction.KindSubsidyReturned:
		return []string{"subsidy", "subsidy", "subsidy", "meal", "lab"}[w.rng.IntN(5)]
	case transaction.KindSubsidyIssued, transaction.KindSubsidyReceived:
		return []string{"subsidy", "meal", "lab"}[w.rng.IntN(3)]
	case transaction.KindCountsIssued, transaction.KindCountSale:
		return "tickets"
	}
	return []string{"main", "water"}[w.rng.IntN(2)]
}

func (w *world) drawSum(kind transaction.Kind) money.Fen {
	switch kind {
	case transaction.KindDrawerOpened, transaction.KindBankStatement:
		return 50_000
	case transaction.KindCountsIssued:
		return money.Fen(1 + w.rng.IntN(8))
	case transaction.KindCountSale:
		return money.Fen(1 + w.rng.IntN(2))
	case transaction.KindSubsidyReturned:
		return []money.Fen{1, 5, 20, 500}[w.rng.IntN(4)]
	case transaction.KindAdjustment:
		return money.Fen(w.rng.IntN(400) - 200)
	case transaction.KindCashHandedIn:
		return []money.Fen{1, 10, 100, 5000}[w.rng.IntN(4)]
	case transaction.KindDrawerClosed:
		return money.Fen(1000 * w.rng.IntN(80))
	case transaction.KindRefund, transaction.KindHoldSettled, transaction.KindMeterSettled, transaction.KindOfflineSale:
		return []money.Fen{1, 10, 30, 50, 60, 120}[w.rng.IntN(6)]
	}
	return []money.Fen{1, 50, 100, 200, 500, 1000, 2000, 200_000_000}[w.rng.IntN(8)]
}

// drawOriginal finds an entry that the operation may be about.
func (w *world) drawOriginal(kind transaction.Kind) uint64 {
	if w.rng.IntN(20) == 0 {
		return uint64(w.rng.IntN(int(w.books.sequence + 3)))
	}
	var found []uint64
	switch kind {
	case transaction.KindHoldReleased, transaction.KindHoldSettled, transaction.KindMeterSettled, transaction.KindMeterCancelled:
		for id := range w.books.holds {
			if w.books.holdings[id] {
				found = append(found, id)
			}
		}
	case transaction.KindRefund:
		for i := len(w.books.lines) - 1; i >= 0 && len(found) < 12; i-- {
			if l := &w.books.lines[i]; l.Kind == transaction.KindPurchase && l.Reason == transaction.ReasonNone {
				found = append(found, l.Sequence)
			}
		}
		found = append(found, w.carriedOut(transaction.KindOfflineSale, transaction.KindDeduction, transaction.KindCountSale, transaction.KindMeterSettled)...)
	case transaction.KindLoadMadeUp, transaction.KindLoadClosed, transaction.KindLoadClaimed:
		return w.drawManual(kind)
	case transaction.KindWithdrawalCharged, transaction.KindWithdrawalReturned:
		return w.drawPayout(kind)
	case transaction.KindCardDepositReturned:
		found = w.carriedOut(transaction.KindCardDeposit)
	case transaction.KindDepositReversed:
		found = w.carriedOut(transaction.KindCashDeposit, transaction.KindFundDeposit, transaction.KindThirdPartyLoad, transaction.KindCardFee, transaction.KindWithdrawal, transaction.KindTransfer, transaction.KindThirdPartyRefunded)
	default:
		return uint64(w.rng.IntN(int(w.books.sequence)))
	}
	if len(found) == 0 {
		return 1
	}
	slices.Sort(found)
	return found[w.rng.IntN(len(found))]
}

func (w *world) carriedOut(kinds ...transaction.Kind) (found []uint64) {
	for i := len(w.paperList) - 1; i >= 0 && len(found) < 8; i-- {
		if p := w.paperList[i]; p.entry != 0 && slices.Contains(kinds, p.op.Kind) {
			found = append(found, p.entry)
		}
	}
	return found
}

// evidence reads an entry from the log, as whoever asks for the operation does.
func (w *world) evidence(sequence uint64) (evidence *transaction.Evidence) {
	for _, b := range w.journal.blocks[:w.journal.durable] {
		if sequence < b.First() || sequence > b.Last() {
			continue
		}
		_ = b.Each(func(at uint64, e *ledger.Entry) error {
			if at == sequence {
				evidence = transaction.EvidenceOf(b.Day(), e)
			}
			return nil
		})
	}
	return evidence
}
