package transaction

import (
	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/rules"
)

// Spaces of the statement index: which list of entries an id is the number of.
const (
	StatementCard     byte = 'C' // id is the card's index + 1
	StatementTerminal byte = 'T' // id is a TerminalID
	StatementLoad     byte = 'L' // id is the sequence of a load's entry: what the bank said about it
	StatementAccount  byte = 'A' // id is an AccountID: what moved it; of a purse only what no card or operation names its holder for
	StatementHolder   byte = 'H' // id is the holder's row + 1: the operations that name him
	StatementOperator byte = 'O' // id is the operator's number; where an entry has only his name, OperatorID
)

// SharedStatements are the spaces in which neighbours may share a list: there are many numbers, each with some entries a day.
const SharedStatements = string(rune(StatementCard)) + string(rune(StatementHolder))

// OperatorID is the number under which an operator's acts are listed: the 64-bit FNV-1a hash of his name. Should two names ever share it,
// the reader, who sees the name in each entry, tells them apart.
func OperatorID(name string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * prime
	}
	return h
}

// Statements says whose statements an entry belongs to; it is the key function of the store's index.
//
// What the bank says about a load names the load and nobody else, so it is listed under the load: a reader finds the load under its card
// or terminal and its end under its own number, and prints one line for both. Carrying card and terminal in every outcome was weighed:
// it would put a load on a statement two or three times, at moments that mean nothing to its holder. Where it moves a purse it is listed
// under that purse too, for whoever adds up what moved it.
func (g *Register) Statements(sequence uint64, e *ledger.Entry, emit func(space byte, id uint64)) {
	g.learn(sequence, e)
	if e.Kind == KindPurchase {
		if g.plain.read(sequence, e.Payload); g.plain.understood {
			emit(StatementTerminal, uint64(g.plain.terminal))
			if g.plain.card != 0 {
				emit(StatementCard, uint64(g.plain.card))
			}
			g.listAccounts(e, g.plain.card != 0, emit)
			return
		}
	}
	named := false // the entry names its holder's card
	if desk := deskOfEntry(e); desk != 0 {
		emit(StatementDesk, uint64(desk))
	}
	switch e.Kind {
	case KindPurchase, KindBalance, KindPassage, KindLoad, KindReversal:
		terminal, card, ok := owners(e.Payload)
		if !ok {
			return
		}
		if terminal != 0 {
			emit(StatementTerminal, uint64(terminal))
		}
		if named = card != 0; named {
			emit(StatementCard, uint64(card))
		}
	case KindLoadConfirmed, KindLoadDeclined, KindLoadUnknown, KindLoadReversed, KindLoadLate, KindLoadManual,
		KindWithdrawalPaid, KindWithdrawalDeclined, KindWithdrawalUnknown, KindWithdrawalManual, KindWithdrawalLate:
		var r loadRecord
		if r.decode(e.Payload, e.Kind) == nil {
			emit(StatementLoad, r.load)
		}
	case KindCardState:
		if c, err := decodeCardState(e.Payload); err == nil {
			emit(StatementCard, uint64(c.index)+1)
			emit(StatementOperator, OperatorID(c.operator))
		}
	case KindProposal:
		p := payloadReader{b: e.Payload}
		if operator := p.uvarint(); operator != 0 {
			emit(StatementOperator, operator)
		}
	}
	if IsOperation(e.Kind) {
		named = g.listOperation(e, emit)
	}
	g.listAccounts(e, named, emit)
}

// listAccounts lists an entry under the accounts that it moves, but for purses of a holder whom it names.
func (g *Register) listAccounts(e *ledger.Entry, named bool, emit func(space byte, id uint64)) {
	for i := range e.Legs {
		if account := e.Legs[i].Account; !(named && IsPurse(g.code(account))) && !moved(e.Legs[:i], account) {
			emit(StatementAccount, uint64(account))
		}
	}
}

// listOperation lists an operation under whom it names, and says whether its holder is among them.
func (g *Register) listOperation(e *ledger.Entry, emit func(space byte, id uint64)) (named bool) {
	r := &g.operation
	if r.decode(e.Payload, e.Kind) != nil {
		return false
	}
	one := func(space byte, id, before uint64) {
		if id != 0 && id != before {
			emit(space, id)
		}
	}
	one(StatementOperator, uint64(r.operator), 0)
	one(StatementOperator, uint64(r.approver), uint64(r.operator))
	one(StatementHolder, uint64(r.holder), 0)
	one(StatementHolder, uint64(r.otherHolder), uint64(r.holder))
	one(StatementTerminal, uint64(r.terminal), 0)
	if byHand(e.Kind) || withdrawalByHand(e.Kind) {
		one(StatementLoad, r.original, 0)
	}
	return r.holder != 0
}

func moved(legs []ledger.Leg, account ledger.AccountID) bool {
	for i := range legs {
		if legs[i].Account == account {
			return true
		}
	}
	return false
}

// Line is one entry read for a statement. What an entry of its kind does not say is zero.
type Line struct {
	Sequence uint64 // DE 37 is ReferenceOf(Sequence)
	Kind     Kind
	Time     int64  // microseconds since 1970
	Day      uint32 // business day, days since 1970 at the site

	Terminal     TerminalID
	Batch, Trace uint32
	Card         uint32     // index + 1; 0: the card is not registered
	Number       CardNumber // as sent, of a card that is not registered
	Purse        Purse
	Direction    Direction
	PINVerified  bool

	Amount     money.Fen   // asked for; purchases: payable, what was asked for is Price.List
	Price      rules.Price // purchases and their reversals; of the time before prices the list price alone
	Class      uint8       // row of the holder's class
	Meal       uint8       // number of the meal period; 0 none
	Priced     bool        // the record says class, meal and version
	Version    uint32      // of the rules that decided it
	Main       money.Fen   // moved out of (purchase) or into (reversal of one) the main purse; a load's reversal: out of it
	Subsidy    money.Fen
	Code       ResponseCode
	Reason     Reason
	Numbers    Numbers
	HasBalance bool
	Balance    money.Fen // of both purses, after this entry

	Automatic bool // a load that nobody asked for: it has no terminal

	Original uint64 // reversals: the entry that was reversed; 0 unknown
	Load     uint64 // what the bank said: the load's entry
	Bank     [12]byte
	BankDay  uint32 // the bank's settlement date; 0: it has not said

	To       CardState // KindCardState
	Operator string

	Closes uint32 // KindDaySwitch, KindDayEnd: the business day that ends; Day is the one that was open then
}

// ReadEntry reads an entry for a statement. It is false for the making of the ledger and for directory rows.
func ReadEntry(sequence uint64, day uint32, e *ledger.Entry) (Line, bool) {
	line := Line{Sequence: sequence, Kind: e.Kind, Time: e.Time, Day: day}
	switch e.Kind {
	case KindPurchase, KindBalance, KindPassage, KindLoad, KindReversal:
		return line, line.readRequest(e)
	case KindLoadConfirmed, KindLoadDeclined, KindLoadUnknown, KindLoadReversed, KindLoadLate, KindLoadManual,
		KindWithdrawalPaid, KindWithdrawalDeclined, KindWithdrawalUnknown, KindWithdrawalManual, KindWithdrawalLate:
		return line, line.readOutcome(e)
	case KindCardState:
		c, err := decodeCardState(e.Payload)
		line.Card, line.To, line.Operator = c.index+1, c.to, c.operator
		return line, err == nil
	case KindRules:
		v, ok := ReadRules(sequence, e)
		line.Version, line.Operator = v.Number, v.Author
		return line, ok
	case KindDaySwitch:
		d, err := ReadDaySwitch(e.Payload)
		line.Closes = d.Closes
		return line, err == nil
	case KindDayEnd:
		d, err := ReadDayEnd(e.Payload)
		line.Closes = d.Day
		return line, err == nil
	case OpeningKind:
		for i := range e.Legs {
			if e.Legs[i].Amount > 0 {
				line.Amount += e.Legs[i].Amount
			}
		}
		return line, true
	}
	return line, false
}

func (line *Line) readRequest(e *ledger.Entry) bool {
	var r record
	if r.decode(e.Payload, e.Kind) != nil {
		return false
	}
	line.Terminal, line.Batch, line.Trace, line.Card, line.Number = r.terminal, r.batch, r.trace, r.card, r.number
	line.Purse, line.Direction, line.PINVerified = r.purse, r.direction, r.pinVerified
	line.Amount, line.Main, line.Subsidy, line.Code, line.Reason, line.Numbers = r.amount, r.main, r.subsidy, r.code, r.reason, r.numbers
	line.Price, line.Class, line.Meal, line.Version = r.price.Price, r.price.class, r.price.meal, r.price.version
	if line.Priced = r.price.set; !line.Priced {
		line.Price.List = r.amount
	}
	line.HasBalance, line.Balance, line.Original, line.Automatic = r.hasBalance, r.balance, r.original, r.automatic
	return true
}

func (line *Line) readOutcome(e *ledger.Entry) bool {
	var r loadRecord
	if r.decode(e.Payload, e.Kind) != nil {
		return false
	}
	line.Load, line.Code, line.Bank, line.BankDay = r.load, r.code, r.bank, r.bankDay
	switch e.Kind {
	case KindLoadConfirmed, KindWithdrawalPaid:
		line.HasBalance, line.Balance = true, r.balance
	case KindLoadDeclined:
		line.Reason = declinedReason(r.code)
	case KindWithdrawalDeclined:
		line.Reason, line.HasBalance, line.Balance = declinedReason(r.code), true, r.balance
	case KindLoadUnknown, KindWithdrawalUnknown:
		line.Reason = ReasonBankTimeout
	}
	for i := range e.Legs {
		if e.Legs[i].Amount > 0 {
			line.Amount += e.Legs[i].Amount
		}
	}
	return true
}
