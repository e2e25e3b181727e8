package simulation

import (
	"context"
	"errors"
	"fmt"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// batchBook is a batch as its entries tell it.
type batchBook struct {
	number   uint64
	sheet    *sheet
	lines    []lineBook
	state    transaction.BatchState
	operator uint64
	moved    money.Fen
	posted   int
}

type lineBook struct {
	holder int
	amount money.Fen
	done   bool
}

// sheet is a batch that the office has handed in, until it is in.
type sheet struct {
	batch    transaction.Batch
	number   uint64
	refused  bool
	answered bool
}

// batch enters what is said about one: lines as they were handed in, a second person's word, lines that could not be posted.
func (k *reckoning) batch(sequence uint64, e *ledger.Entry) {
	in := numbersIn{e.Payload}
	k.legs(e)
	k.noHold(e)
	if e.Kind == transaction.KindBatch {
		in.skip(1)
		b := &batchBook{number: sequence, operator: in.number()}
		in.number()
		in.number()
		in.skip(1)
		for range 5 {
			in.number()
		}
		in.skip(24)
		b.sheet = k.sheets[in.text()]
		if b.sheet == nil || b.sheet.number != 0 || b.sheet.refused {
			k.find("I4", "entry %d announces a batch that was not handed in, or twice", sequence)
			return
		}
		b.sheet.number, k.batches[sequence] = sequence, b
		return
	}
	b := k.batches[in.number()]
	if b == nil {
		k.find("I4", "entry %d is about a batch that is not there", sequence)
		return
	}
	switch e.Kind {
	case transaction.KindBatchLines:
		for len(in.b) > 0 {
			n := len(b.lines)
			line := lineBook{holder: int(in.number()) - 1, amount: money.Fen(in.number())}
			if n >= len(b.sheet.batch.Lines) || k.holders[line.holder].row.Number != b.sheet.batch.Lines[n].Holder || line.amount != b.sheet.batch.Lines[n].Amount {
				k.find("I4", "entry %d writes line %d of batch %d otherwise than it was handed in", sequence, n+1, b.number)
				return
			}
			b.lines = append(b.lines, line)
		}
	case transaction.KindBatchDecided:
		to := transaction.BatchState(in.b[0])
		in.skip(1)
		by := in.number()
		if to == transaction.BatchApproved && (b.state != transaction.BatchProposed || by == b.operator || len(b.lines) != len(b.sheet.batch.Lines) ||
			k.operators[by-1].Roles&transaction.RoleApprover == 0 || k.operators[by-1].Suspended) {
			k.find("I12", "entry %d approves batch %d", sequence, b.number)
		}
		b.state = to
	case transaction.KindLineRefused:
		k.finish(b, int(in.number()))
	}
}

// finish: a line is posted or refused once, and only of an approved batch whose time it is.
func (k *reckoning) finish(b *batchBook, line int) *lineBook {
	if b.state != transaction.BatchApproved || line >= len(b.lines) || b.lines[line].done {
		k.find("I4", "entry %d posts or refuses line %d of batch %d a second time, or unasked", k.sequence, line+1, b.number)
		return &lineBook{}
	}
	if !k.due(b) {
		k.find("day", "entry %d posts line %d of batch %d on day %d", k.sequence, line+1, b.number, k.open)
	}
	b.lines[line].done = true
	for _, l := range b.lines {
		if !l.done {
			return &b.lines[line]
		}
	}
	b.state = transaction.BatchDone
	return &b.lines[line]
}

func (k *reckoning) due(b *batchBook) bool {
	s := &b.sheet.batch
	return s.StartDay <= k.open && (!s.AtTap || s.ClaimDay == 0 || k.open <= s.ClaimDay)
}

// batchLine: a line moves what its batch says it moves, to the fen.
func (k *reckoning) batchLine(l *transaction.OperationLine, e *ledger.Entry, h *holderBook) {
	b := k.batches[l.Batch]
	if b == nil || h == nil {
		k.find("I4", "operation %d is a line of batch %d, which is not there", l.Sequence, l.Batch)
		return
	}
	line := k.finish(b, int(l.Line))
	if line.holder != int(l.Holder)-1 || line.amount != 0 && line.amount != l.Amount {
		k.find("I4", "operation %d is line %d of batch %d and moves %d of holder %d", l.Sequence, l.Line+1, l.Batch, l.Amount, l.Holder)
	}
	b.posted++
	b.moved += l.Amount
	account := k.purse(h, l.Purse)
	var want []ledger.Leg
	move := func(from, to ledger.AccountID, fen money.Fen) {
		want = append(want, ledger.Leg{Account: from, Amount: -fen}, ledger.Leg{Account: to, Amount: fen})
	}
	switch l.Kind {
	case transaction.KindDeduction:
		move(account, k.payable[l.Merchant-1], l.Amount)
	case transaction.KindSubsidyReturned:
		if line.amount == 0 && l.Amount != k.free(account) {
			k.find("I3", "operation %d clears %d of %d", l.Sequence, l.Amount, k.free(account))
		}
		move(account, k.provider(l.Purse), l.Amount)
	default:
		left := k.free(account)
		if !b.sheet.batch.Replace || left <= 0 {
			left = k.ended(h, l)
		}
		move(account, k.provider(l.Purse), left)
		move(k.provider(l.Purse), account, l.Amount)
		k.expires(h, l, left)
	}
	k.legs(e, want...)
	k.noHold(e)
}

// claimed: who taps has been given what waits for him before he is answered.
func (k *reckoning) claimed(l *transaction.Line) {
	card := &k.cards[l.Card-1]
	h := k.holders[card.holder]
	if l.Kind != transaction.KindPurchase && l.Kind != transaction.KindBalance || card.state != transaction.CardActive || h.row.State != transaction.HolderActive || h.left {
		return
	}
	for _, s := range k.sheetList {
		b := k.batches[s.number]
		if b == nil || b.state != transaction.BatchApproved || !k.due(b) {
			continue
		}
		for i := range b.lines {
			if b.lines[i].holder == card.holder && !b.lines[i].done {
				k.find("I4", "holder %d has tapped with entry %d, and line %d of batch %d still waits for him", card.holder, l.Sequence, i+1, b.number)
			}
		}
	}
}

// handIn hands a batch in, or goes on with one that was interrupted. Its steps are made on the owner's goroutine, one block each.
func (w *world) handIn() {
	k := w.books
	var s *sheet
	for _, old := range k.sheetList {
		if !old.answered {
			s = old
		}
	}
	if s == nil {
		if len(k.sheetList) >= 4 {
			return
		}
		s = w.writeSheet()
		k.sheets[s.batch.Document] = s
		k.sheetList = append(k.sheetList, s)
	}
	status, err := w.engine.SubmitBatchBeforeRun(&s.batch, w.clockNow())
	w.tell("batch %s: %+v %v", s.batch.Document, status, err)
	met := w.about(w.clockNow())
	var refused *transaction.Refused
	switch {
	case err == nil:
		s.answered = true
		if b := k.batches[status.Number]; b == nil || b.sheet != s || len(b.lines) != len(s.batch.Lines) {
			w.find("I4", "batch %s was taken as %d and the log does not hold it", s.batch.Document, status.Number)
		}
		w.coverage.order(orderBatch, resultDone, met)
	case errors.As(err, &refused):
		s.answered, s.refused = true, true
		w.coverage.order(orderBatch, resultRefused, met)
		if s.number != 0 {
			w.find("I4", "batch %s is refused and the log holds it: %v", s.batch.Document, err)
		}
	default:
		w.coverage.order(orderBatch, resultUnheard, met)
	}
	w.submitted++
}

func (w *world) writeSheet() *sheet {
	kinds := []transaction.Kind{transaction.KindSubsidyIssued, transaction.KindSubsidyIssued, transaction.KindSubsidyIssued, transaction.KindDeduction, transaction.KindSubsidyReturned, transaction.KindCountsIssued}
	w.papersWritten++
	b := transaction.Batch{
		Kind: kinds[w.rng.IntN(len(kinds))], Key: w.key(), Operator: "accountant", Document: fmt.Sprintf("batch-%d", w.papersWritten), Reason: "term",
	}
	switch b.Kind {
	case transaction.KindDeduction:
		b.Merchant = merchantCode(0).String()
	case transaction.KindCountsIssued:
		b.Programme = "tickets"
	default:
		b.Programme = []string{"subsidy", "meal", "lab"}[w.rng.IntN(3)]
	}
	if b.Kind == transaction.KindSubsidyIssued {
		b.AtTap, b.Replace = w.rng.IntN(2) == 0, w.rng.IntN(3) == 0
		if b.AtTap && w.rng.IntN(2) == 0 {
			b.ClaimDay = w.books.open + uint32(w.rng.IntN(2))
		}
	}
	if w.rng.IntN(4) == 0 {
		b.StartDay = w.books.open + 1
	}
	if w.rng.IntN(3) == 0 && b.Kind != transaction.KindDeduction && b.Kind != transaction.KindSubsidyReturned && b.Programme != "subsidy" {
		b.ExpiryDay = localDay(w.clockNow()) + uint32(w.rng.IntN(4))
	}
	for i, h := range w.books.holders {
		if w.rng.IntN(3) == 0 {
			continue
		}
		amount := money.Fen(20 + 10*i)
		if b.Kind == transaction.KindSubsidyReturned && w.rng.IntN(2) == 0 {
			amount = 0
		}
		b.Lines = append(b.Lines, transaction.BatchLine{Holder: h.row.Number, Amount: amount})
	}
	if w.rng.IntN(10) == 0 {
		b.Lines = append(b.Lines, transaction.BatchLine{Holder: "nobody", Amount: 1})
	}
	return &sheet{batch: b}
}

// decideBatch approves, rejects or cancels one.
func (w *world) decideBatch() {
	var open []*batchBook
	for _, s := range w.books.sheetList {
		if b := w.books.batches[s.number]; b != nil && b.state <= transaction.BatchApproved {
			open = append(open, b)
		}
	}
	if len(open) == 0 {
		return
	}
	b := open[w.rng.IntN(len(open))]
	who, now := []string{"approver", "approver", "approver", "accountant", "gone"}[w.rng.IntN(5)], w.clockNow()
	to, call := transaction.BatchApproved, func(ctx context.Context) (transaction.BatchStatus, error) {
		return w.engine.DecideBatch(ctx, b.number, who, true, "", now)
	}
	switch w.rng.IntN(12) {
	case 0:
		to, call = transaction.BatchRejected, func(ctx context.Context) (transaction.BatchStatus, error) {
			return w.engine.DecideBatch(ctx, b.number, who, false, "no", now)
		}
	case 1:
		to, call = transaction.BatchCancelled, func(ctx context.Context) (transaction.BatchStatus, error) {
			return w.engine.CancelBatch(ctx, b.number, who, "no", now)
		}
	}
	w.send(orderBatchDecided, func(ctx context.Context) error { _, err := call(ctx); return err }, func(err error) {
		if err == nil && b.state != to && !(to == transaction.BatchApproved && b.state == transaction.BatchDone) {
			w.find("I4", "the office was told that batch %d is in state %d, the log says %d", b.number, to, b.state)
		}
	})
}

// batchesDone: of what was approved and may be posted, nothing is left.
func (w *world) batchesDone() bool {
	for _, s := range w.books.sheetList {
		if b := w.books.batches[s.number]; b != nil && b.state == transaction.BatchApproved && !s.batch.AtTap && w.books.due(b) {
			return false
		}
	}
	return true
}
