package simulation

import (
	"encoding/binary"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// reckoning is a second set of books, kept from durable entries alone. It folds entry after entry, and judges each by what the books said
// before it: nothing in it is carried over from the engine, counters are added up anew each time they are asked for.
type reckoning struct {
	campus *campus
	window uint32
	asked  func(l *transaction.Line) (*transaction.Request, bool) // what the terminal sent
	find   func(invariant, format string, args ...any)

	sequence uint64
	time     int64
	day      uint32 // of the newest block
	first    uint64 // its first entry
	open     uint32 // the business day that is open
	switchAt uint16 // minute at which the clock ends a business day
	ordered  uint32 // the business day that the office asked to close before its time
	switches int
	balances []money.Fen // by account; row 0 is none
	purses   []bool      // which of them must not go below zero
	holds    map[uint64]holdBook
	held     []money.Fen           // by account
	states   []ledger.AccountState // by account
	legsOf   map[uint64][]ledger.Leg
	payable  []ledger.AccountID // by merchant
	holders  []*holderBook
	byNumber map[string]int
	cards    []cardBook
	byCard   map[transaction.CardNumber]int
	rows     [2][][]remembered // originals and reversals, by terminal and trace
	newest   []uint32          // batch, by terminal
	loads    map[uint64]*loadBook

	withdrawals map[uint64]*withdrawalBook
	unsettled   int // loads that have not ended
	asking      int // of them, those whose terminal waits for the bank
	lines       []transaction.Line
	identity    map[identity]uint64 // the entry that decided it
	touched     []int               // holders whose books have moved since the last comparison
	owed        int                 // card's row + 1 whose holder must get an automatic load with the next entry; 0 none
	late        map[uint64]bool     // loads about which the bank said something too late
	confirmed   int
	centre
}

type identity struct {
	terminal     transaction.TerminalID
	batch, trace uint32
	reversal     bool
}

type holderBook struct {
	row           *transaction.HolderRow
	class         *transaction.ClassRow
	main, subsidy ledger.AccountID
	spent         []spending
	loads         []*loadBook
	tries         int
	left          bool         // his account was closed
	others        []*purseBook // of programmes, and what he owes; newest first
	account       uint64       // at the bank
	agreement     agreementBook
}

type spending struct {
	entry    uint64
	day      uint32
	amount   money.Fen
	reversed bool
}

type cardBook struct {
	row    *transaction.CardRow
	state  transaction.CardState
	holder int
}

// remembered is a row of the window of answers.
type remembered struct {
	batch, trace uint32
	entry        uint64
	contents     contents
	reason       transaction.Reason
	day          uint32
	card         uint32
	main         money.Fen
	subsidy      money.Fen
	open         bool // a load that has no answer
	reversed     bool
	stone        bool
}

// contents is what makes a request the same as another of its identity.
type contents struct {
	kind      transaction.Kind
	card      transaction.CardNumber
	amount    money.Fen
	purse     transaction.Purse
	direction transaction.Direction
}

type loadStage uint8

const (
	loadEnded loadStage = iota
	loadSent
	loadReversing
	loadReturning
	loadStages
)

type loadBook struct {
	id       uint64
	holder   int
	amount   money.Fen
	day      uint32
	time     int64
	card     transaction.CardNumber
	stage    loadStage
	account  uint64
	alone    bool // automatic: no terminal waits for it
	credited bool // the holder has the money
	gone     bool // it counts for no limit any more
	manual   bool // given up: the office looks into the bank's file
	told     answerOfLoad
	row      *remembered
}

// answerOfLoad is what the terminal is told about a load that went to the bank.
type answerOfLoad struct {
	ready   bool
	reason  transaction.Reason
	code    transaction.ResponseCode
	balance money.Fen
	time    int64
}

func newReckoning(c *campus, window uint32) *reckoning {
	return &reckoning{
		campus: c, window: window, balances: make([]money.Fen, 1), purses: make([]bool, 1), held: make([]money.Fen, 1), states: make([]ledger.AccountState, 1), holds: map[uint64]holdBook{},
		legsOf: map[uint64][]ledger.Leg{}, centre: newCentre(),
		byNumber: map[string]int{}, byCard: map[transaction.CardNumber]int{}, loads: map[uint64]*loadBook{}, withdrawals: map[uint64]*withdrawalBook{}, identity: map[identity]uint64{},
		late: map[uint64]bool{}, newest: []uint32{0},
	}
}

// block folds a durable block.
func (k *reckoning) block(b ledger.Block) {
	if b.First() != k.sequence+1 {
		k.find("I5", "block at %d after entry %d", b.First(), k.sequence)
	}
	if b.Day() < k.day {
		k.find("I5", "the day goes back from %d to %d at entry %d", k.day, b.Day(), b.First())
	}
	k.day, k.first = b.Day(), b.First()
	err := b.Each(func(sequence uint64, e *ledger.Entry) error {
		k.entry(sequence, b.Day(), e)
		return nil
	})
	if err != nil {
		k.find("I5", "block at %d: %v", b.First(), err)
	}
}

func (k *reckoning) entry(sequence uint64, day uint32, e *ledger.Entry) {
	if e.Time < k.time {
		k.find("I5", "time goes back at entry %d", sequence)
	}
	k.sequence, k.time = sequence, e.Time
	line, _ := transaction.ReadEntry(sequence, day, e)
	k.lines = append(k.lines, line)
	k.businessDay(&line, e)
	k.behindPurchase(&line)
	switch e.Kind {
	case transaction.KindGenesis, transaction.OpeningKind, transaction.KindDaySwitch:
	case transaction.KindDirectory:
		k.directory(e)
	case transaction.KindCardState:
		k.cards[line.Card-1].state = line.To
	case transaction.KindPurchase, transaction.KindBalance, transaction.KindPassage, transaction.KindLoad:
		k.request(&line, e)
	case transaction.KindReversal:
		k.reversal(&line, e)
	case transaction.KindLoadConfirmed, transaction.KindLoadDeclined, transaction.KindLoadUnknown, transaction.KindLoadReversed, transaction.KindLoadLate, transaction.KindLoadManual:
		k.outcome(&line, e)
	case transaction.KindWithdrawalPaid, transaction.KindWithdrawalDeclined, transaction.KindWithdrawalUnknown, transaction.KindWithdrawalManual, transaction.KindWithdrawalLate:
		k.payoutOutcome(&line, e)
	default:
		k.settlement(sequence, day, e)
	}
	k.post(sequence, e)
}

// post moves the money.
func (k *reckoning) post(sequence uint64, e *ledger.Entry) {
	var sum money.Fen
	for _, o := range e.Opens {
		k.balances = append(k.balances, 0)
		k.purses = append(k.purses, o.Flags&ledger.MustNotOverdraw != 0)
		k.held, k.states = append(k.held, 0), append(k.states, ledger.AccountOpen)
	}
	for _, leg := range e.Legs {
		if int(leg.Account) >= len(k.balances) {
			k.find("I1", "entry %d moves money of account %d, which is not open", sequence, leg.Account)
			continue
		}
		sum += leg.Amount
		k.balances[leg.Account] += leg.Amount
	}
	if sum != 0 {
		k.find("I1", "the legs of entry %d sum to %d", sequence, sum)
	}
	switch e.Hold.Op {
	case ledger.HoldNone:
	case ledger.HoldOpen:
		k.holds[sequence] = holdBook{e.Hold.From, e.Hold.To, e.Hold.Amount, e.Hold.Expires}
		k.held[e.Hold.From] += e.Hold.Amount
	default:
		h, ok := k.holds[e.Hold.ID]
		if !ok {
			k.find("I6", "entry %d releases hold %d, which is not open", sequence, e.Hold.ID)
		}
		k.held[h.from] -= h.amount
		delete(k.holds, e.Hold.ID)
	}
	for _, leg := range e.Legs {
		if k.purses[leg.Account] && k.free(leg.Account) < 0 {
			k.find("I2", "entry %d leaves %d in purse %d", sequence, k.free(leg.Account), leg.Account)
		}
	}
	for _, s := range e.States {
		k.states[s.Account] = s.State
	}
	if len(e.Legs) > 0 {
		k.legsOf[sequence] = append([]ledger.Leg(nil), e.Legs...)
	}
}

// holdBook is an open hold.
type holdBook struct {
	from, to ledger.AccountID
	amount   money.Fen
	expires  int64
}

// free is what an account can give.
func (k *reckoning) free(account ledger.AccountID) money.Fen {
	return k.balances[account] - k.held[account]
}

// Row types of a directory entry's payload that the books depend on.
const (
	rowMerchant = 2
	rowTerminal = 4
	rowHolder   = 5
	rowCard     = 6

	rowTerms      = 7
	rowProgramme  = 8
	rowOperator   = 9
	rowAccountSet = 10
	rowDesk       = 11
)

func (k *reckoning) directory(e *ledger.Entry) {
	next := ledger.AccountID(len(k.balances))
	switch e.Payload[0] {
	case rowMerchant:
		k.payable = append(k.payable, next)
	case rowTerminal:
		k.newest = append(k.newest, 0)
		for class := range k.rows {
			k.rows[class] = append(k.rows[class], make([]remembered, k.window))
		}
	case rowHolder:
		number := string(e.Payload[2 : 2+e.Payload[1]])
		row := k.campus.holders[number]
		h := &holderBook{row: row, main: next, subsidy: next + 1, account: row.BankAccount}
		for i := range k.campus.directory.Classes {
			if c := &k.campus.directory.Classes[i]; c.Code == row.Class {
				h.class = c
			}
		}
		k.byNumber[number] = len(k.holders)
		k.holders = append(k.holders, h)
	case rowTerms, rowProgramme, rowOperator, rowAccountSet, rowDesk:
		k.register(e)
	case rowCard:
		row := k.campus.cards[transaction.CardNumber(binary.BigEndian.Uint64(e.Payload[1:]))]
		k.byCard[row.Number] = len(k.cards)
		k.cards = append(k.cards, cardBook{row, row.State, k.byNumber[row.Holder]})
	}
}

func (k *reckoning) available(h *holderBook) (main, subsidy money.Fen) {
	return k.free(h.main), k.free(h.subsidy)
}

// spentOn adds up the purchases of a day that were not given back.
func (h *holderBook) spentOn(day uint32) (amount money.Fen, count int) {
	for i := len(h.spent) - 1; i >= 0 && h.spent[i].day >= day; i-- {
		if s := &h.spent[i]; s.day == day && !s.reversed {
			amount, count = amount+s.amount, count+1
		}
	}
	return amount, count
}

// loadedOn adds up the loads of a day that brought money or still may, and what is on its way of any day.
func (h *holderBook) loadedOn(day uint32) (loaded, coming money.Fen) {
	for _, l := range h.loads {
		if l.day == day && !l.gone {
			loaded += l.amount
		}
		if l.stage == loadSent || l.stage == loadReversing {
			coming += l.amount
		}
	}
	return loaded, coming
}

// compareSerial: newer is the shorter way round (RFC 1982).
func newer(a, b uint32) bool {
	ahead := (int64(a) - int64(b) + numberSpace) % numberSpace
	return ahead != 0 && ahead <= numberSpace/2
}

// look finds the row of an identity; found says it was decided, gone that a newer one has taken its place.
func (k *reckoning) look(id identity) (row *remembered, found, gone bool) {
	class := 0
	if id.reversal {
		class = 1
	}
	row = &k.rows[class][id.terminal-1][id.trace%k.window]
	switch {
	case row.entry == 0:
		return row, false, false
	case row.batch == id.batch && row.trace == id.trace:
		return row, true, false
	case newer(row.batch, id.batch), row.batch == id.batch && newer(row.trace, id.trace):
		return row, false, true
	}
	return row, false, false
}

// undone says whether what a request asks for stands as taken back.
func (k *reckoning) undone(r *transaction.Request) bool {
	if r.Terminal == 0 || int(r.Terminal) >= len(k.newest) {
		return false
	}
	row, found, _ := k.look(identity{r.Terminal, r.Batch, r.Trace, r.Kind == transaction.KindReversal})
	return found && (row.reversed || row.stone)
}

func identityOf(l *transaction.Line) identity {
	return identity{l.Terminal, l.Batch, l.Trace, l.Kind == transaction.KindReversal}
}

func (k *reckoning) numberOf(l *transaction.Line) transaction.CardNumber {
	if l.Card == 0 {
		return l.Number
	}
	return k.cards[l.Card-1].row.Number
}

// legs holds an entry's legs against those that it must have, in any order.
func (k *reckoning) legs(e *ledger.Entry, want ...ledger.Leg) {
	seen := 0
	for _, w := range want {
		if w.Amount == 0 {
			continue
		}
		seen++
		ok := false
		for _, leg := range e.Legs {
			ok = ok || leg == w
		}
		if !ok {
			k.find("I3", "entry %d of kind %d does not move %d on account %d: it has %v and must have %v", k.sequence, e.Kind, w.Amount, w.Account, e.Legs, want)
		}
	}
	if seen != len(e.Legs) {
		k.find("I3", "entry %d of kind %d has %d legs and must have %d", k.sequence, e.Kind, len(e.Legs), seen)
	}
}

// once: an identity has one effect (I4). What is only a refusal of a second use is none.
func (k *reckoning) once(l *transaction.Line) {
	switch l.Reason {
	case transaction.ReasonDuplicateDiffers, transaction.ReasonTraceTooOld, transaction.ReasonReversedBefore, transaction.ReasonOriginalTooOld:
		return
	}
	id := identityOf(l)
	if first := k.identity[id]; first != 0 {
		k.find("I4", "entries %d and %d decide the same identity: terminal %d, batch %d, trace %d", first, l.Sequence, l.Terminal, l.Batch, l.Trace)
	}
	k.identity[id] = l.Sequence
}

func (k *reckoning) seeBatch(l *transaction.Line) {
	if n := &k.newest[l.Terminal]; *n == 0 || newer(l.Batch, *n) {
		*n = l.Batch
	}
}
