package query

import (
	"context"
	"fmt"
	"slices"

	"onecard/ledger"
	"onecard/switch/transaction"
)

const (
	linesMax     = 1000
	linesDefault = 50
)

// page is where a page of a statement begins and ends.
type page struct {
	first, last uint64 // entries that may stand on it
	limit       int
	newestFirst bool
}

// Statement answers with a page.
func (r *Reader) Statement(ctx context.Context, q StatementQuestion) (Statement, error) {
	if q.Limit == 0 {
		q.Limit = linesDefault
	}
	if q.Limit < 0 || q.Limit > linesMax {
		return Statement{}, wrong("limit", "limit 须为 1 至 %d / limit must be 1 to %[1]d", linesMax)
	}
	found, err := r.find(ctx, &q.Subject)
	if err != nil {
		return Statement{}, err
	}
	answer := Statement{About: found.about, Lines: []Line{}}
	if answer.UpTo, err = r.Store.ReadTo(); err != nil {
		return Statement{}, err
	}
	if q.UpTo != 0 {
		answer.UpTo = min(answer.UpTo, q.UpTo)
	}
	entries, err := r.entries(found, &q, &answer)
	if err != nil {
		return Statement{}, err
	}
	answer.Lines, err = r.lines(ctx, found, entries, answer.UpTo)
	return answer, err
}

// read is an entry as it stands in the ledger.
type read struct {
	sequence uint64
	day      uint32
	entry    ledger.Entry
	line     transaction.Line
	act      transaction.OperationLine // of an operation
}

// entries reads the entries of a page and says where the next begins.
func (r *Reader) entries(found *subject, q *StatementQuestion, answer *Statement) ([]read, error) {
	if q.Record != 0 {
		if q.Record > answer.UpTo {
			return nil, wrong("record", "账本中没有第 %d 条(至 %d) / the ledger has no entry %[1]d (it ends at %[2]d)", q.Record, answer.UpTo)
		}
		e, err := r.entry(q.Record)
		return []read{e}, err
	}
	p := page{limit: q.Limit + 1, newestFirst: !q.OldestFirst}
	var err error
	if p.first, p.last, err = r.span(q.From, q.To, answer.UpTo); err != nil {
		return nil, err
	}
	var entries []read
	for after := q.After; len(entries) <= q.Limit; {
		if p.turn(after); p.first > p.last {
			break
		}
		sequences, err := r.merge(found.lists, &p)
		if err != nil {
			return nil, err
		}
		for _, sequence := range sequences {
			e, err := r.entry(sequence)
			if err != nil {
				return nil, err
			}
			if found.tells(&e) {
				entries = append(entries, e)
			}
			after = sequence
		}
		if len(sequences) < p.limit {
			break
		}
	}
	if len(entries) > q.Limit {
		entries = entries[:q.Limit]
		answer.Next = entries[q.Limit-1].sequence
	}
	return entries, nil
}

// turn goes on behind an entry.
func (p *page) turn(after uint64) {
	switch {
	case after == 0:
	case p.newestFirst:
		p.last = min(p.last, after-1)
	default:
		p.first = max(p.first, after+1)
	}
}

// merge reads the lists of a page as one.
func (r *Reader) merge(lists []list, p *page) ([]uint64, error) {
	var all []uint64
	for _, l := range lists {
		some, err := r.Store.Statement(l.space, l.id, p.first, p.last, p.limit, p.newestFirst)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.Sort(all)
	all = slices.Compact(all) // an opening balance of both purses is one entry
	if p.newestFirst {
		slices.Reverse(all)
	}
	return all[:min(p.limit, len(all))], nil
}

func (r *Reader) entry(sequence uint64) (read, error) {
	e, day, err := r.Store.Entry(sequence)
	if err != nil {
		return read{}, err
	}
	found := read{sequence: sequence, day: day, entry: e}
	line, ok := transaction.ReadEntry(sequence, day, &found.entry)
	if !ok {
		line = transaction.Line{Sequence: sequence, Kind: e.Kind, Time: e.Time, Day: day}
	}
	if found.line = line; transaction.IsOperation(e.Kind) {
		if found.act, ok = transaction.ReadOperation(sequence, day, &found.entry); !ok {
			return read{}, fmt.Errorf("第 %d 条无法读取,请运行 verify / entry %[1]d cannot be read: run onecard verify: %w", sequence, ledger.ErrMalformed)
		}
	}
	return found, nil
}

// tells says whether an entry stands on a line of its own.
func (f *subject) tells(e *read) bool {
	if f.folded && isOutcome(e.entry.Kind) {
		return false
	}
	named := f.number != 0 && (e.act.Operator == f.number || e.act.Approver == f.number || e.entry.Kind == transaction.KindProposal)
	return f.as == "" || named || e.line.Operator == f.as
}

func isOutcome(kind transaction.Kind) bool {
	return kind >= transaction.KindLoadConfirmed && kind <= transaction.KindLoadManual ||
		kind >= transaction.KindWithdrawalPaid && kind <= transaction.KindWithdrawalManual || kind == transaction.KindWithdrawalLate
}

// lines puts entries into words.
func (r *Reader) lines(ctx context.Context, found *subject, entries []read, upTo uint64) ([]Line, error) {
	lines := make([]Line, len(entries))
	for i := range entries {
		r.say(&lines[i], &entries[i])
		if kind := entries[i].line.Kind; kind == transaction.KindLoad || kind == transaction.KindBankWithdrawal {
			if err := r.finish(&lines[i], &entries[i], upTo); err != nil {
				return nil, err
			}
		}
	}
	err := r.Look(ctx, func(s *transaction.State) {
		for i := range entries {
			lines[i].find(s, &entries[i], found.own)
		}
	})
	for i := range lines {
		if lines[i].Holder != "" {
			lines[i].HolderName = r.Name("holder", lines[i].Holder)
		}
	}
	return lines, err
}

// say tells what the entry itself says.
func (r *Reader) say(line *Line, e *read) {
	said := &e.line
	*line = Line{
		Sequence: e.sequence, Reference: transaction.ReferenceOf(e.sequence).String(), Time: r.local(said.Time), Micros: said.Time, Day: ledger.DateOf(e.day),
		Kind: KindName(said.Kind), Batch: said.Batch, Trace: said.Trace, Amount: said.Amount, Original: said.Original, Operator: said.Operator,
		Direction: map[transaction.Direction]string{transaction.DirectionIn: "in", transaction.DirectionOut: "out"}[said.Direction],
	}
	if said.HasBalance {
		line.Balance = &said.Balance
	}
	if said.Code != (transaction.ResponseCode{}) {
		line.Code, line.Reason = said.Code.String(), said.Reason.String()
		line.Chinese, line.English = said.Reason.Sentence(said.Numbers), said.Reason.English(said.Numbers)
	}
	if said.Kind == transaction.KindCardState {
		line.State = said.To.String()
	}
	if transaction.IsOperation(said.Kind) {
		r.sayOperation(line, &e.act)
	}
	if said.Card == 0 && said.Number != 0 {
		line.Card = said.Number.String()
	}
}

func (r *Reader) sayOperation(line *Line, act *transaction.OperationLine) {
	line.Amount, line.Original, line.OfBatch, line.Document, line.Words = act.Amount, act.Original, act.Batch, act.Document, act.Reason
	if act.HasBalance {
		line.Balance = &act.Balance
	}
	if act.Occurred != 0 {
		line.Occurred = r.local(act.Occurred)
	}
}

// findOperation puts names to the numbers of an operation.
func (line *Line) findOperation(s *transaction.State, act *transaction.OperationLine) {
	if act.Operator != 0 {
		line.Operator = s.Operators()[act.Operator-1].Code
	}
	if act.Approver != 0 {
		line.Approver = s.Operators()[act.Approver-1].Code
	}
	if act.Desk != 0 {
		line.Desk = s.Desks()[act.Desk-1].Code
	}
	if act.Terminal != 0 {
		line.Terminal = s.Terminal(act.Terminal).Code.String()
	}
	if act.Merchant != 0 {
		line.Merchant = s.MerchantAt(act.Merchant - 1).Code.String()
	}
	if act.Holder != 0 {
		line.Holder, line.Purse = s.HolderNumber(act.Holder-1), s.PurseName(act.Purse)
	}
	if act.OtherHolder != 0 {
		line.Other = s.HolderNumber(act.OtherHolder - 1)
	}
}

// find adds what the state knows of the numbers in an entry.
func (line *Line) find(s *transaction.State, e *read, own []ledger.AccountID) {
	if e.line.Terminal != 0 {
		t := s.Terminal(e.line.Terminal)
		line.Terminal, line.Merchant = t.Code.String(), s.Merchant(t).Code.String()
	}
	holder := e.act.Holder // row + 1
	if e.line.Card != 0 {
		c := s.Card(e.line.Card - 1)
		holder = c.Holder + 1
		line.Card, line.Holder = c.Number.String(), s.HolderNumber(c.Holder)
	}
	line.findOperation(s, &e.act)
	if own == nil && holder != 0 {
		own = ownPurses(s, s.Holder(holder-1))
	}
	line.Change += change(&e.entry, own)
	for _, leg := range e.entry.Legs {
		line.Legs = append(line.Legs, Leg{leg.Account, s.Book().Account(leg.Account).Code, leg.Amount})
	}
}

// finish tells what a load or a withdrawal came to, as far as it had come then.
func (r *Reader) finish(line *Line, e *read, upTo uint64) error {
	said, err := r.Store.Statement(transaction.StatementLoad, e.sequence, e.sequence, upTo, linesMax, false)
	if err != nil {
		return err
	}
	for _, sequence := range said {
		o, err := r.entry(sequence)
		if err != nil {
			return err
		}
		outcome := Outcome{Sequence: sequence, Time: r.local(o.line.Time), Kind: KindName(o.line.Kind), Code: o.line.Code.String()}
		if words, ok := transaction.WithdrawalWords(o.line.Kind, o.line.Code); ok {
			outcome.Chinese, outcome.English = words.Chinese, words.English
		}
		switch o.line.Kind {
		case transaction.KindLoadConfirmed:
			line.Change, line.Balance = o.line.Amount, &o.line.Balance
		case transaction.KindWithdrawalPaid: // the amount with its fee
			line.Change, line.Balance = -o.line.Amount, &o.line.Balance
		case transaction.KindWithdrawalDeclined:
			line.Balance = &o.line.Balance
		case transaction.KindLoadDeclined:
			outcome.Reason, outcome.Chinese, outcome.English = o.line.Reason.String(), o.line.Reason.Sentence(o.line.Numbers), o.line.Reason.English(o.line.Numbers)
		}
		line.Outcomes = append(line.Outcomes, outcome)
	}
	return nil
}

var kindNames = map[transaction.Kind]string{
	transaction.KindGenesis: "genesis", transaction.KindDirectory: "directory", transaction.OpeningKind: "opening", transaction.KindCardState: "card_state",
	transaction.KindBalance: "balance", transaction.KindPurchase: "purchase", transaction.KindLoad: "load", transaction.KindReversal: "reversal",
	transaction.KindPassage: "passage", transaction.KindLoadConfirmed: "load_confirmed", transaction.KindLoadDeclined: "load_declined",
	transaction.KindLoadUnknown: "load_unknown", transaction.KindLoadReversed: "load_reversed", transaction.KindLoadLate: "load_late",
	transaction.KindLoadManual:     "load_manual",
	transaction.KindWithdrawalPaid: "withdrawal_paid", transaction.KindWithdrawalDeclined: "withdrawal_declined", transaction.KindWithdrawalUnknown: "withdrawal_unknown",
	transaction.KindWithdrawalManual: "withdrawal_manual", transaction.KindWithdrawalLate: "withdrawal_late",
	transaction.KindDaySwitch: "day_switch", transaction.KindDayEnd: "day_end", transaction.KindProposal: "proposal", transaction.KindProposalClosed: "proposal_closed",
	transaction.KindPurse: "purse", transaction.KindDepositReversed: "operation_reversal", // "reversal" is a terminal's
}

// KindName is what entries of a kind are called in answers.
func KindName(kind transaction.Kind) string {
	if name, ok := kindNames[kind]; ok {
		return name
	}
	if row, ok := transaction.CatalogueOf(kind); ok {
		return row.Label
	}
	return fmt.Sprintf("kind_%d", kind)
}
