package transaction

import (
	"context"
	"encoding/binary"

	"onecard/ledger"
	"onecard/ledger/invariant"
	"onecard/ledger/money"
)

const (
	// linesPerEntry is how many lines of a batch one entry carries when it is handed in.
	linesPerEntry = 512
	// linesPerTurn is how many lines of approved batches are posted with each group: few enough that nobody waits for them.
	linesPerTurn = 64
	// claimsPerTap is how many lines that wait for a holder one tap of his posts; the rest come with the next.
	claimsPerTap = 32
	// maxBatchLines bounds a batch.
	maxBatchLines = 1_000_000
)

// batches is the batches of the ledger's life, their lines as long as they are open.
type batches struct {
	list   []*batchRun
	number map[uint64]*batchRun // by sequence of the first entry
	claims ledger.Table[claim]
	open   int // approved, with lines left
}

func newBatches() batches { return batches{number: make(map[uint64]*batchRun)} }

func (bs *batches) add(b *batchRun) {
	b.index = uint32(len(bs.list))
	bs.list = append(bs.list, b)
	bs.number[b.number] = b
}

// batchRun is a batch and how far it has come.
type batchRun struct {
	number    uint64
	index     uint32 // in the list
	kind      Kind
	state     BatchState
	operator  uint16
	approver  uint16
	programme uint16 // as in operations: 1 general subsidy, 2 + row; 0 main
	merchant  uint32
	atTap     bool
	replace   bool
	startDay  uint32
	claimDay  uint32
	expiryDay uint32
	document  string
	reason    string
	wanted    uint32 // lines that were announced
	lines     []batchLine
	total     money.Fen
	posted    uint32
	moved     money.Fen
	refused   uint32
	cursor    uint32 // lines before it are done
	day       uint32
	key       Key
	contents  uint64
}

type batchLine struct {
	amount money.Fen
	holder uint32 // row from 1
	done   bool
}

// claim is a line that waits for its holder: a list through all batches, oldest first.
type claim struct {
	batch uint32 // index in list
	line  uint32
	next  uint32 // index + 1
}

// payload of a batch's first entry:
//
//	kind u8 | operator uvarint | purse, merchant uvarint | flags u8 (1 at tap, 2 replace) | start, claim, expiry day uvarint |
//	lines uvarint | total uvarint | key 16 bytes | contents u64 | document, reason text
func (b *batchRun) encode() []byte {
	p := binary.AppendUvarint([]byte{byte(b.kind)}, uint64(b.operator))
	p = binary.AppendUvarint(binary.AppendUvarint(p, uint64(b.programme)), uint64(b.merchant))
	var flags byte
	if b.atTap {
		flags |= 1
	}
	if b.replace {
		flags |= 2
	}
	p = append(p, flags)
	for _, v := range []uint64{uint64(b.startDay), uint64(b.claimDay), uint64(b.expiryDay), uint64(b.wanted), uint64(b.total)} {
		p = binary.AppendUvarint(p, v)
	}
	p = binary.BigEndian.AppendUint64(append(p, b.key[:]...), b.contents)
	return appendText(appendText(p, b.document), b.reason)
}

func decodeBatch(p *payloadReader) *batchRun {
	b := &batchRun{kind: Kind(p.byte()), operator: uint16(p.uvarint()), programme: uint16(p.uvarint()), merchant: uint32(p.uvarint())}
	flags := p.byte()
	b.atTap, b.replace = flags&1 != 0, flags&2 != 0
	b.startDay, b.claimDay, b.expiryDay = uint32(p.uvarint()), uint32(p.uvarint()), uint32(p.uvarint())
	b.wanted, b.total = uint32(p.uvarint()), money.Fen(p.uvarint())
	b.key, b.contents = Key(p.take(16)), p.u64()
	b.document, b.reason = p.string(), p.string()
	return b
}

// applyBatch takes what is said about a batch into the state.
func (s *State) applyBatch(sequence uint64, day uint32, e *ledger.Entry) {
	p := payloadReader{b: e.Payload}
	if e.Kind == KindBatch {
		b := decodeBatch(&p)
		b.number, b.day = sequence, day
		s.batches.add(b)
		s.keys.remember(b.key, keyed{sequence, b.contents, day})
		invariant.Hold(p.done(e.Kind) == nil, "batch %d cannot be read", sequence)
		return
	}
	b := s.batches.number[p.uvarint()]
	invariant.Hold(b != nil, "entry %d is about a batch that is not there", sequence)
	switch e.Kind {
	case KindBatchLines: // batch uvarint | (holder, amount uvarint) ...
		for len(p.b) > 0 && !p.bad {
			s.addLine(b, batchLine{holder: uint32(p.uvarint()), amount: money.Fen(p.uvarint())})
		}
	case KindBatchDecided: // batch uvarint | state u8 | operator uvarint | reason text
		s.batches.decide(s, b, BatchState(p.byte()), uint16(p.uvarint()))
		p.string()
	case KindLineRefused: // batch uvarint | line uvarint | rule text
		line := uint32(p.uvarint())
		p.string()
		s.batches.finish(s, b, line)
		b.refused++
	}
	invariant.Hold(p.done(e.Kind) == nil, "entry %d about batch %d cannot be read", sequence, b.number)
}

// addLine appends a line and puts it on its holder's list.
func (s *State) addLine(b *batchRun, line batchLine) {
	n := s.batches.claims.Append(claim{batch: b.index, line: uint32(len(b.lines))}) + 1
	b.lines = append(b.lines, line)
	h := s.holders.At(line.holder - 1)
	if h.Claims == 0 {
		s.holders.Edit(line.holder - 1).Claims = n
		return
	}
	last := h.Claims
	for s.batches.claims.At(last-1).next != 0 {
		last = s.batches.claims.At(last - 1).next
	}
	s.batches.claims.Edit(last - 1).next = n
}

func (bs *batches) decide(s *State, b *batchRun, to BatchState, by uint16) {
	if to == BatchApproved {
		b.state, b.approver = to, by
		bs.open++
		return
	}
	if b.state == BatchApproved {
		bs.open--
	}
	b.state = to
	bs.drop(s, b)
}

// drop takes what is left of a batch off the holders' lists and forgets its lines.
func (bs *batches) drop(s *State, b *batchRun) {
	for i := range b.lines {
		if !b.lines[i].done {
			bs.unlist(s, b, uint32(i))
		}
	}
	b.lines = nil
	for _, other := range bs.list {
		if other.lines != nil {
			return
		}
	}
	bs.claims = ledger.Table[claim]{} // nobody waits for anything
}

// done counts a line whose entry has been posted.
func (bs *batches) done(s *State, number uint64, line uint32, amount money.Fen) {
	b := bs.number[number]
	invariant.Hold(b != nil && line < uint32(len(b.lines)), "a line of batch %d that is not there", number)
	b.posted++
	b.moved += amount
	bs.finish(s, b, line)
}

// finish takes a line off its holder's list. It is done once: an entry for a line that is done already stops the process.
func (bs *batches) finish(s *State, b *batchRun, line uint32) {
	invariant.Hold(!b.lines[line].done, "line %d of batch %d is posted twice", line+1, b.number)
	b.lines[line].done = true
	bs.unlist(s, b, line)
	for b.cursor < uint32(len(b.lines)) && b.lines[b.cursor].done {
		b.cursor++
	}
	if b.cursor == b.wanted && b.state == BatchApproved {
		b.state = BatchDone
		bs.open--
		bs.drop(s, b)
	}
}

// unlist takes a line off its holder's list.
func (bs *batches) unlist(s *State, b *batchRun, line uint32) {
	who := b.lines[line].holder - 1
	before := uint32(0)
	for n := s.holders.At(who).Claims; n != 0; n = bs.claims.At(n - 1).next {
		c := bs.claims.At(n - 1)
		if c.batch != b.index || c.line != line {
			before = n
			continue
		}
		if before == 0 {
			s.holders.Edit(who).Claims = c.next
		} else {
			bs.claims.Edit(before - 1).next = c.next
		}
		return
	}
}

// lapse ends the batches whose last day for claiming has passed.
func (bs *batches) lapse(s *State, day uint32) {
	for _, b := range bs.list {
		if b.state == BatchApproved && b.atTap && b.claimDay != 0 && day > b.claimDay {
			b.state = BatchDone
			bs.open--
			bs.drop(s, b)
		}
	}
}

// SubmitBatch hands a batch in, durably. It may be interrupted anywhere: the same batch with the same key goes on where it stood.
func (e *Engine) SubmitBatch(ctx context.Context, batch *Batch, now int64) (BatchStatus, error) {
	var number uint64
	if refusal := batch.checkTwice(); refusal != nil {
		return BatchStatus{}, refusal
	}
	contents := contentsOf(batch) // here and not on the owner, whom a long list would hold up
	total, err := e.checkLines(ctx, batch)
	if err != nil {
		return BatchStatus{}, err
	}
	err = e.command(ctx, func() error {
		b, err := e.announce(batch, contents, total, now)
		if err == nil {
			number = b.number
		}
		return err
	})
	for more := true; err == nil && more; {
		err = e.command(ctx, func() error {
			var err error
			more, err = e.moreLines(number, batch, now)
			return err
		})
	}
	if err != nil {
		return BatchStatus{}, err
	}
	return e.batchStatus(ctx, number)
}

// SubmitBatchBeforeRun is SubmitBatch for a ledger that nobody serves yet.
func (e *Engine) SubmitBatchBeforeRun(batch *Batch, now int64) (BatchStatus, error) {
	if refusal := batch.checkTwice(); refusal != nil {
		return BatchStatus{}, refusal
	}
	var total money.Fen
	if refusal := e.state.checkSomeLines(batch, 0, len(batch.Lines), &total); refusal != nil {
		return BatchStatus{}, refusal
	}
	b, err := e.announce(batch, contentsOf(batch), total, now)
	for more := true; err == nil && more; {
		if more, err = e.moreLines(b.number, batch, now); err == nil {
			err = e.settle()
		}
	}
	if err != nil {
		return BatchStatus{}, err
	}
	status, _ := e.state.Batch(b.number)
	return status, nil
}

func (e *Engine) batchStatus(ctx context.Context, number uint64) (status BatchStatus, err error) {
	err = e.Look(ctx, func(s *State) { status, _ = s.Batch(number) })
	return status, err
}

// announce writes the batch's first entry, or finds the one that the key stands for.
func (e *Engine) announce(batch *Batch, contents uint64, total money.Fen, now int64) (*batchRun, error) {
	if before, seen := e.state.keys.of[batch.Key]; seen {
		b := e.state.batches.number[before.sequence]
		if b == nil || before.contents != contents {
			return nil, &Refused{"key", "key_reused", "幂等键已用于另一笔业务", "the key was used for something else"}
		}
		return b, nil
	}
	b, refusal := e.state.checkBatch(batch)
	if refusal != nil {
		return nil, refusal
	}
	b.contents, b.total = contents, total
	if err := e.prepare(now); err != nil {
		return nil, err
	}
	e.completeChart()
	sequence := e.add(&ledger.Entry{Kind: KindBatch, Time: e.decider.now, Payload: b.encode()})
	return e.state.batches.number[sequence], nil
}

// moreLines writes the next lines; false when all are there.
func (e *Engine) moreLines(number uint64, batch *Batch, now int64) (bool, error) {
	b := e.state.batches.number[number]
	if b.state != BatchProposed || uint32(len(b.lines)) == b.wanted {
		return false, nil
	}
	if err := e.prepare(now); err != nil {
		return false, err
	}
	p := binary.AppendUvarint(nil, number)
	from := len(b.lines)
	for _, line := range batch.Lines[from:min(len(batch.Lines), from+linesPerEntry)] {
		row, _ := e.state.holderRow([]byte(line.Holder))
		p = binary.AppendUvarint(binary.AppendUvarint(p, uint64(row)+1), uint64(line.Amount))
	}
	e.add(&ledger.Entry{Kind: KindBatchLines, Time: e.decider.now, Payload: p})
	return uint32(len(b.lines)) < b.wanted, nil
}

// DecideBatch approves a batch on a second person's word, or rejects it.
func (e *Engine) DecideBatch(ctx context.Context, number uint64, operator string, approve bool, reason string, now int64) (BatchStatus, error) {
	to := BatchRejected
	if approve {
		to = BatchApproved
	}
	return e.turnBatch(ctx, number, operator, to, reason, now)
}

// CancelBatch stops a batch: what has been posted stays, what is left is not posted.
func (e *Engine) CancelBatch(ctx context.Context, number uint64, operator, reason string, now int64) (BatchStatus, error) {
	return e.turnBatch(ctx, number, operator, BatchCancelled, reason, now)
}

func (e *Engine) turnBatch(ctx context.Context, number uint64, operator string, to BatchState, reason string, now int64) (BatchStatus, error) {
	err := e.command(ctx, func() error {
		if refusal := e.state.checkTurn(number, operator, to, reason); refusal != nil {
			return refusal
		}
		if err := e.prepare(now); err != nil {
			return err
		}
		p := append(binary.AppendUvarint(nil, number), byte(to))
		p = binary.AppendUvarint(p, uint64(e.state.OperatorNumber(operator)))
		e.add(&ledger.Entry{Kind: KindBatchDecided, Time: e.decider.now, Payload: appendText(p, reason)})
		return nil
	})
	if err != nil {
		return BatchStatus{}, err
	}
	return e.batchStatus(ctx, number)
}

// postLines posts the next lines of approved batches into the open group. They carry the moment of the newest entry: nobody asked for them
// just now.
func (e *Engine) postLines() error {
	left := linesPerTurn
	for i := 0; i < len(e.state.batches.list) && left > 0 && e.state.batches.open > 0; i++ {
		b := e.state.batches.list[i]
		if b.state != BatchApproved || b.atTap || b.startDay > e.state.business.day {
			continue
		}
		for ; left > 0 && b.state == BatchApproved; left-- {
			if err := e.postLine(b, b.cursor, e.state.lastTime); err != nil {
				return err
			}
		}
	}
	return nil
}

// linesWait says whether a turn has lines to post.
func (e *Engine) linesWait() bool {
	if e.state.batches.open == 0 || e.decider.diskLow {
		return false
	}
	for _, b := range e.state.batches.list {
		if b.state == BatchApproved && !b.atTap && b.startDay <= e.state.business.day {
			return true
		}
	}
	return false
}

// claim posts what waits for the holder of a card who has just tapped, so that he can spend it at once.
func (e *Engine) claim(r *Request) error {
	row, ok := e.state.cardRow(r.Card)
	if !ok {
		return nil
	}
	c := e.state.cards.At(row)
	if h := e.state.holders.At(c.Holder); c.State != CardActive || h.State != HolderActive {
		return nil
	}
	posted := 0
	for n := e.state.holders.At(c.Holder).Claims; n != 0 && posted < claimsPerTap; {
		waiting := *e.state.batches.claims.At(n - 1)
		n = waiting.next
		b := e.state.batches.list[waiting.batch]
		if b.state != BatchApproved || b.startDay > e.state.business.day || b.atTap && b.claimDay != 0 && e.state.business.day > b.claimDay {
			continue
		}
		if err := e.postLine(b, waiting.line, r.Received); err != nil {
			return err
		}
		posted++
	}
	return nil
}

// postLine posts one line, or records why it cannot be.
func (e *Engine) postLine(b *batchRun, line uint32, now int64) error {
	if err := e.prepare(now); err != nil {
		return err
	}
	l := &b.lines[line]
	op := Operation{Kind: b.kind, Amount: l.amount, All: l.amount == 0}
	a := e.act(&op, 0)
	a.record.operator, a.record.approver, a.record.holder = b.operator, b.approver, l.holder
	a.record.purse, a.record.merchant, a.record.batch, a.record.line, a.record.expiry = b.programme, b.merchant, b.number, line, b.expiryDay
	if a.line(b) && e.possible(a) {
		e.carryOut(a)
		return nil
	}
	p := binary.AppendUvarint(binary.AppendUvarint(nil, b.number), uint64(line))
	e.add(&ledger.Entry{Kind: KindLineRefused, Time: e.decider.now, Payload: appendText(p, a.refusal.Rule)})
	return nil
}

// line decides one line of a batch.
func (a *act) line(b *batchRun) bool {
	h := a.state.holders.At(a.record.holder - 1)
	if a.state.book.Account(h.Main).State != ledger.AccountOpen {
		return a.refuse("holder", "account_open", "持卡人账户未开放", "the holder's account is not open")
	}
	account := h.Main
	switch {
	case b.programme == 1:
		account = h.Subsidy
	case b.programme >= 2:
		var ok bool
		if account, ok = a.programmePurse("purse", a.record.holder, b.programme-2, b.kind != KindSubsidyReturned); !ok {
			return false
		}
	}
	switch b.kind {
	case KindDeduction:
		if !a.affords(account, a.op.Amount) {
			return false
		}
		a.record.amount = a.op.Amount
		a.move(account, a.state.merchants[b.merchant-1].Payable, a.op.Amount)
	case KindSubsidyReturned:
		if a.op.All {
			a.op.Amount = a.available(account)
		}
		if a.op.Amount == 0 || !a.affords(account, a.op.Amount) {
			return a.refuse("amount", "nothing_left", "钱包已空", "the purse is empty")
		}
		a.record.amount = a.op.Amount
		a.move(account, a.provider(), a.op.Amount)
	default:
		a.record.amount = a.op.Amount
		if left := a.available(account); b.replace && left > 0 {
			a.move(account, a.provider(), left)
		} else {
			a.sendBackExpired(h, account)
		}
		a.move(a.provider(), account, a.op.Amount)
	}
	return true
}
