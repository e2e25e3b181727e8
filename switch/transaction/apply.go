package transaction

import (
	"onecard/ledger"
	"onecard/ledger/invariant"
	"onecard/ledger/money"
)

// apply changes the state by one entry, in the running switch and after a restart alike. What does not fit stops the process: the entry
// is on disk, or about to be, and is the truth.
func (s *State) apply(sequence uint64, day uint32, e *ledger.Entry) {
	s.applyRecord(sequence, day, e, nil)
}

// applyRecord is apply for whoever has the record of an original already; nil: it is read from the entry. The simulation holds what was
// applied in one way against what is applied in the other, at each restart.
func (s *State) applyRecord(sequence uint64, day uint32, e *ledger.Entry, r *record) {
	s.book.Apply(sequence, e)
	s.lastTime = e.Time
	if e.Kind == KindDaySwitch {
		s.applyDaySwitch(sequence, day, e)
		return
	}
	s.followDay(sequence, day)
	switch e.Kind {
	case KindGenesis:
		s.applyGenesis(e)
	case KindDirectory:
		s.applyDirectory(e)
	case OpeningKind:
	case KindDayEnd:
		s.applyDayEnd(sequence, e)
	case KindCardState:
		s.applyCardState(e)
	case KindRules:
		s.applyRules(sequence, e)
	case KindPurchase, KindBalance, KindPassage, KindLoad:
		s.applyOriginal(sequence, day, e, r)
	case KindPurse:
		invariant.Hold(s.applyPurse(e), "purse entry %d cannot be read", sequence)
	case KindProposal:
		s.applyProposal(sequence, day, e)
	case KindProposalClosed:
		s.applyProposalClosed(e)
	case KindBatch, KindBatchLines, KindBatchDecided, KindLineRefused:
		s.applyBatch(sequence, day, e)
	case KindSheetDrafted, KindSheetMoved:
		s.applySheet(sequence, e)
	case KindReversal:
		s.applyReversal(sequence, day, e)
	case KindLoadConfirmed, KindLoadDeclined, KindLoadUnknown, KindLoadReversed, KindLoadLate, KindLoadManual:
		s.applyLoadOutcome(e)
	case KindWithdrawalPaid, KindWithdrawalDeclined, KindWithdrawalUnknown, KindWithdrawalManual, KindWithdrawalLate:
		s.applyWithdrawalOutcome(e)
	default:
		if IsOperation(e.Kind) {
			s.applyOperation(sequence, day, e)
			return
		}
		invariant.Fail("entry %d is of kind %d, which this program does not know: it was written by a newer one", sequence, e.Kind)
	}
}

// applyOriginal remembers the answer, moves the counters and opens a load.
func (s *State) applyOriginal(sequence uint64, day uint32, e *ledger.Entry, r *record) {
	if r == nil {
		r = &s.read
		if r.decode(e.Payload, e.Kind) != nil {
			invariant.Fail("entry %d cannot be read", sequence)
		}
	}
	if r.automatic {
		s.applyAutomatic(sequence, day, e, r)
		return
	}
	s.newBatch(r.terminal, r.batch)
	var c *Card
	if r.card != 0 {
		c = s.cards.At(r.card - 1)
		s.applyHolder(c.Holder, s.calendarDay(e.Time), e.Kind, r)
	}
	at := s.rowOf(r.terminal, r.trace, false)
	row := s.answers.Edit(at)
	if v := row.verdict(r.batch, r.trace); v == beyondWindow || v == decided && row.phase != phaseTombstone {
		return // the row belongs to a newer request, or to the first with this identity
	}
	row.remember(sequence, day, e, r)
	if c != nil {
		row.number = c.Number
	}
	if e.Kind == KindLoad && r.reason == ReasonNone {
		row.phase, row.asked = phaseOpen, e.Time
		account := s.holders.At(c.Holder).BankAccount
		row.numbers[2] = money.Fen(account)
		s.openLoad(sequence, day, e.Time, account, r)
	}
	if e.Kind == KindPurchase && r.reason == ReasonNone {
		h := s.holders.At(c.Holder)
		if s.keepLegs(at, h, e) {
			s.useMeals(h, mealDay(s.calendarDay(e.Time), r.price.How), r.price.meal, e.Legs)
		}
	} else if len(s.splits) > 0 {
		delete(s.splits, at)
	}
}

// remember makes the row that of an answer.
func (a *answered) remember(sequence uint64, day uint32, e *ledger.Entry, r *record) {
	*a = answered{
		batch: r.batch, trace: r.trace, number: r.number, amount: r.asked(), balance: r.balance, numbers: r.numbers,
		sequence: sequence, time: e.Time, day: day, card: r.card, code: r.code, kind: e.Kind, reason: r.reason,
		purse: r.purse, direction: r.direction, hasBalance: r.hasBalance,
	}
	if r.reason == ReasonNone {
		a.numbers = Numbers{r.main, r.subsidy}
		if e.Kind == KindPurchase {
			a.asked = int64(r.price.pack())
		}
	}
}

func (s *State) newBatch(id TerminalID, batch uint32) {
	if t := s.terminals.At(uint32(id) - 1); t.Batch == 0 || compareSerial(batch, t.Batch) > 0 {
		s.terminals.Edit(uint32(id) - 1).Batch = batch
	}
}

// applyHolder moves the holder's counters: PIN tries, the date's spending, money on its way from the bank.
func (s *State) applyHolder(holder, day uint32, kind Kind, r *record) {
	approved := r.reason == ReasonNone
	counts := approved && (kind == KindPurchase || kind == KindLoad)
	if !counts && !r.pinVerified && r.reason != ReasonPINWrong {
		return
	}
	h := s.holders.Edit(holder)
	if r.reason == ReasonPINWrong {
		h.PINTries++
	}
	if r.pinVerified {
		h.PINTries = 0
	}
	if !counts {
		return
	}
	h.turnDay(day)
	if kind == KindPurchase {
		h.count(r)
		return
	}
	h.DayLoaded = plus(h.DayLoaded, r.amount)
	h.Loading = plus(h.Loading, r.amount)
}

func (s *State) openLoad(sequence uint64, day uint32, time int64, account uint64, r *record) {
	c := s.cards.At(r.card - 1)
	terminal, merchant := s.deviceOf(r.terminal)
	s.loads[sequence] = load{
		order: LoadOrder{
			Load: sequence, Time: time, Day: day, Amount: r.amount, Card: c.Number, BankAccount: account, TerminalCode: terminal, MerchantCode: merchant,
		},
		holder: c.Holder, terminal: r.terminal, batch: r.batch, trace: r.trace, state: loadSent,
	}
}

// deviceOf is what the bank is told of where a load was asked for.
func (s *State) deviceOf(id TerminalID) (TerminalCode, MerchantCode) {
	if id == 0 {
		return automaticTerminal, automaticMerchant
	}
	t := s.Terminal(id)
	return t.Code, s.merchants[t.Merchant].Code
}

// applyReversal remembers the reversal's answer and marks its original.
func (s *State) applyReversal(sequence uint64, day uint32, e *ledger.Entry) {
	var r record
	if r.decode(e.Payload, e.Kind) != nil {
		invariant.Fail("entry %d cannot be read", sequence)
	}
	s.newBatch(r.terminal, r.batch)
	if _, v := s.look(r.terminal, r.batch, r.trace, true); v != neverDecided {
		return // the row belongs to a newer reversal, or to the first with this identity
	}
	var answer answered
	answer.remember(sequence, day, e, &r)
	if r.card != 0 {
		answer.number = s.cards.At(r.card - 1).Number
	}
	*s.answers.Edit(s.rowOf(r.terminal, r.trace, true)) = answer
	switch r.reason {
	case ReasonNone:
		s.giveBack(&r, s.answers.Edit(s.rowOf(r.terminal, r.trace, false)))
	case ReasonOriginalUnknown:
		stone := answer
		stone.phase = phaseTombstone
		*s.answers.Edit(s.rowOf(r.terminal, r.trace, false)) = stone
	}
}

// giveBack marks a reversed original and undoes its counters; the legs have moved the money.
func (s *State) giveBack(r *record, original *answered) {
	if open, ok := s.loads[original.sequence]; ok {
		open.state = loadReversing
		s.loads[original.sequence] = open
	} else if original.kind == KindLoad {
		s.returnLoad(r.terminal, original)
	}
	original.phase = phaseReversed
	if original.kind != KindPurchase {
		return
	}
	price := original.price()
	day, payable := s.calendarDay(original.time), price.Payable()
	s.refunds.add(original.sequence, payable)
	if legs, split := s.splits[s.rowOf(r.terminal, original.trace, false)]; split {
		s.unuseMeals(s.holders.At(s.cards.At(r.card-1).Holder), mealDay(day, price.How), price.meal, legs)
	}
	s.holders.Edit(s.cards.At(r.card-1).Holder).uncount(day, payable, price.meal, price.How)
}

// returnLoad opens a load again that was credited and has just been taken back: the bank must still be told.
func (s *State) returnLoad(terminal TerminalID, original *answered) {
	c := s.cards.At(original.card - 1)
	row := record{terminal: terminal, batch: original.batch, trace: original.trace, card: original.card, amount: original.amount}
	s.openLoad(original.sequence, original.day, original.asked, s.askedFrom(original), &row)
	back := s.loads[original.sequence]
	back.state = loadReturning
	s.loads[original.sequence] = back
	h := s.holders.Edit(c.Holder)
	if h.countsOn(s.calendarDay(original.asked)) {
		h.DayLoaded = minus(h.DayLoaded, original.amount)
	}
}

// askedFrom is the bank account that a load was asked from, whatever its holder has now. REQUIRES: it was not refused.
func (s *State) askedFrom(original *answered) uint64 {
	if account := uint64(original.numbers[2]); account != 0 {
		return account
	}
	return s.holders.At(s.cards.At(original.card - 1).Holder).BankAccount // a checkpoint of the time when accounts never changed
}

// applyLoadOutcome ends a load, or takes it one state further.
func (s *State) applyLoadOutcome(e *ledger.Entry) {
	var r loadRecord
	invariant.Hold(r.decode(e.Payload, e.Kind) == nil, "load outcome after entry %d cannot be read", s.book.Sequence())
	open, ok := s.loads[r.load]
	if e.Kind == KindLoadLate {
		return
	}
	invariant.Hold(ok, "outcome of load %d, which is not open", r.load)
	if e.Kind == KindLoadManual {
		if open.held() {
			open.state = loadManual
		} else {
			open.state = loadManualReturning
		}
		s.loads[r.load] = open
		return
	}
	reason := ReasonNone
	switch e.Kind {
	case KindLoadDeclined:
		reason = declinedReason(r.code)
	case KindLoadUnknown:
		reason = ReasonBankTimeout
	}
	if e.Kind != KindLoadReversed {
		s.answerLoad(&open, reason, &r, e.Time)
	}
	if e.Kind == KindLoadUnknown {
		open.state = loadReversing
		s.loads[r.load] = open
		return
	}
	s.endLoad(&open, e.Kind == KindLoadConfirmed)
}

// endLoad takes a load off the list, and off its holder's counters.
func (s *State) endLoad(open *load, credited bool) {
	delete(s.loads, open.order.Load)
	if !open.held() {
		return
	}
	h := s.holders.Edit(open.holder)
	h.Loading = minus(h.Loading, open.order.Amount)
	if !credited && h.countsOn(s.calendarDay(open.order.Time)) {
		h.DayLoaded = minus(h.DayLoaded, open.order.Amount)
	}
}

// answerLoad writes the answer of a load into the duplicate table, when its row is still there.
func (s *State) answerLoad(open *load, reason Reason, r *loadRecord, time int64) {
	if open.terminal == 0 {
		return // it is nobody's answer
	}
	i := s.rowOf(open.terminal, open.trace, false)
	if row := s.answers.At(i); row.sequence != r.load || row.phase != phaseOpen {
		return
	}
	row := s.answers.Edit(i)
	row.phase, row.reason, row.code, row.time = phaseAnswered, reason, r.code, time
	row.balance, row.hasBalance = r.balance, reason == ReasonNone
	row.numbers = Numbers{}
	if reason == ReasonNone {
		row.numbers[0], row.numbers[2] = money.Fen(row.amount), money.Fen(open.order.BankAccount)
	}
}

func declinedReason(code ResponseCode) Reason {
	switch code {
	case BankCannotOperate:
		return ReasonBankUnreachable
	case BankTurnsDay:
		return ReasonBankTurnsDay
	}
	return ReasonBankDeclined
}
