package simulation

import (
	"slices"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// ask is one message of a terminal with all its repeats.
type ask struct {
	request  transaction.Request
	terminal *terminal
	serial   uint64 // order in which terminals thought of them
	sends    int
	came     int // how often it reached the switch
	life     int // of the switch, in which it was sent first
	heard    bool
}

type askKey struct {
	identity identity
	contents contents
}

func keyOf(r *transaction.Request) askKey {
	c := contents{r.Kind, r.Card, r.Amount, r.Purse, r.Direction}
	return askKey{identity{r.Terminal, r.Batch, r.Trace, r.Kind == transaction.KindReversal}, c}
}

// terminal is a terminal with its habits, most of them bad.
type terminal struct {
	w       *world
	id      transaction.TerminalID
	row     *transaction.TerminalRow
	batch   uint32
	trace   uint32
	memory  []*ask // newest last
	pending []*ask // sent, not answered
	newest  uint64 // serial of the newest message that has come
}

const memoryBound = 24

func (t *terminal) nextTrace() uint32 {
	t.trace = t.trace%numberSpace + 1
	return t.trace
}

// newAsk registers a message. One with the same identity and contents is the same message.
func (t *terminal) newAsk(r transaction.Request) *ask {
	w := t.w
	identified := r.Terminal != 0 && r.Kind != transaction.KindSignOn && r.Kind != transaction.KindSignOff && r.Kind != transaction.KindEcho
	if identified {
		if known := w.asks[keyOf(&r)]; known != nil {
			return known
		}
	}
	w.serial++
	a := &ask{request: r, terminal: t, serial: w.serial, life: w.lives}
	if identified {
		w.asks[keyOf(&r)] = a
		if t.memory = append(t.memory, a); len(t.memory) > memoryBound {
			t.memory = slices.Delete(t.memory, 0, 1)
		}
	}
	return a
}

// draft makes a request that has not been sent.
func (t *terminal) draft(kind transaction.Kind) transaction.Request {
	w := t.w
	r := transaction.Request{
		Kind: kind, Terminal: t.id, TerminalCode: t.row.Code, MerchantCode: t.row.Merchant, Batch: t.batch, Trace: t.nextTrace(), Card: w.drawCard(), EntryMode: 51,
	}
	switch kind {
	case transaction.KindPurchase:
		r.Amount, r.PINValue = w.drawAmount(), w.drawPIN(3)
		r.Purse = transaction.Purse([]int{0, 0, 0, 0, 1, 2}[w.rng.IntN(6)])
	case transaction.KindLoad:
		r.Amount, r.PINValue = w.drawLoad(), w.drawPIN(9)
	case transaction.KindPassage:
		r.Direction = transaction.Direction(1 + w.rng.IntN(2))
	}
	return r
}

func (w *world) drawCard() transaction.CardNumber {
	if w.rng.IntN(40) == 0 {
		return unknownCard
	}
	if w.rng.IntN(3) > 0 { // few of the holders eat often
		return w.campus.numbers[w.rng.IntN(7)]
	}
	return w.campus.numbers[w.rng.IntN(len(w.campus.numbers))]
}

func (w *world) drawAmount() money.Fen {
	amounts := [...]money.Fen{0, 1, 5, 12, 30, 50, 50, 60, 80, 100, 120, 121, 150, 200, 300, 301, 500, 800, 1900, 500_000, 500_001}
	if w.rng.IntN(2) == 0 {
		return amounts[4+w.rng.IntN(6)]
	}
	return amounts[w.rng.IntN(len(amounts))]
}

func (w *world) drawLoad() money.Fen {
	amounts := [...]money.Fen{0, 1, 100, 200, 300, 400, 600, 800, 900, 901, 1200, 3000, 9000}
	return amounts[w.rng.IntN(len(amounts))]
}

// drawPIN gives the right PIN in so many of ten.
func (w *world) drawPIN(right int) uint64 {
	switch n := w.rng.IntN(10); {
	case n < right:
		return rightPIN
	case n == 9 && right < 9 || n == 9 && w.rng.IntN(2) == 0:
		return wrongPIN
	}
	return 0
}

func (t *terminal) ownKind() transaction.Kind {
	switch n := t.w.rng.IntN(20); {
	case n == 0:
		return []transaction.Kind{transaction.KindPurchase, transaction.KindBalance, transaction.KindLoad, transaction.KindPassage}[t.w.rng.IntN(4)]
	case t.row.Type == transaction.TerminalGate:
		return transaction.KindPassage
	case t.row.Type == transaction.TerminalKiosk && n < 16, n < 3:
		return transaction.KindLoad
	case t.row.Type == transaction.TerminalKiosk, n < 5:
		return transaction.KindBalance
	}
	return transaction.KindPurchase
}

// act does what the terminal does next.
func (t *terminal) act() {
	w := t.w
	if w.calm {
		return
	}
	w.agenda.add(w.now+w.between(t.thinks(), 2*t.thinks()), happensTerminal, t.act)
	if len(t.pending) > 0 && w.rng.IntN(8) > 0 {
		return
	}
	n := w.rng.IntN(100)
	if w.diskLow && w.rng.IntN(3) == 0 {
		n = 52 // what was answered before is answered still
	}
	switch {
	case n < 52:
		t.send(t.newAsk(t.draft(t.ownKind())))
	case n < 60:
		t.again()
	case n < 78:
		t.takeBack()
	case n < 83:
		t.otherContents()
	case n < 88:
		t.stoneFirst()
	case n < 91:
		t.oldTrace()
	case n < 93:
		t.restart()
	case n < 96:
		t.formalities()
	case n < 98 && w.odds.rush:
		t.rush()
	default:
		t.unsigned()
	}
}

func (t *terminal) thinks() int64 { return t.w.odds.thinking }

// again repeats something that was asked before, answered or not.
func (t *terminal) again() {
	if len(t.memory) > 0 {
		t.send(t.memory[len(t.memory)-1-min(len(t.memory)-1, t.w.rng.IntN(12))])
	}
}

// takeBack reverses what the terminal remembers: mostly the newest, mostly with the right contents.
func (t *terminal) takeBack() {
	if len(t.memory) == 0 {
		return
	}
	w := t.w
	r := t.memory[len(t.memory)-1-min(len(t.memory)-1, w.rng.IntN(1+w.rng.IntN(14)))].request
	if stuck := t.stuck(); stuck != nil && w.rng.IntN(4) > 0 {
		r = stuck.request
	}
	r.Kind, r.PINValue, r.Purse, r.Direction = transaction.KindReversal, 0, 0, 0
	r.Cause = [2]byte{'9', '8'}
	switch w.rng.IntN(14) {
	case 0:
		r.Amount++
	case 1:
		r.Card = w.drawCard()
	}
	t.send(t.newAsk(r))
}

// stuck finds what was bought or loaded before the holder's account was closed or frozen.
func (t *terminal) stuck() *ask {
	w := t.w
	for i := len(t.memory) - 1; i >= 0; i-- {
		a := t.memory[i]
		r := &a.request
		card, known := w.books.byCard[r.Card]
		if !known || r.Kind != transaction.KindPurchase && r.Kind != transaction.KindLoad || r.Terminal == 0 || int(r.Terminal) >= len(w.books.newest) {
			continue
		}
		row, found, _ := w.books.look(identity{r.Terminal, r.Batch, r.Trace, false})
		if !found || row.reason != transaction.ReasonNone || row.reversed || row.stone || row.open {
			continue
		}
		state := w.books.states[w.books.holders[w.books.cards[card].holder].main]
		if state == ledger.AccountClosed || state == ledger.AccountFrozen && r.Kind == transaction.KindLoad {
			return a
		}
	}
	return nil
}

// otherContents uses an identity a second time for something else.
func (t *terminal) otherContents() {
	if len(t.memory) == 0 {
		return
	}
	w := t.w
	r := t.memory[w.rng.IntN(len(t.memory))].request
	switch w.rng.IntN(4) {
	case 0:
		r.Amount += 10
	case 1:
		r.Card = w.drawCard()
	case 2:
		if r.Kind != transaction.KindReversal {
			r.Kind, r.Amount, r.Direction = transaction.KindBalance, 0, 0
		}
	case 3:
		if r.Kind != transaction.KindReversal {
			r.Purse = transaction.Purse(w.rng.IntN(3))
		}
	}
	t.send(t.newAsk(r))
}

// stoneFirst sends a reversal before its original, which may follow.
func (t *terminal) stoneFirst() {
	w := t.w
	original := t.draft(t.ownKind())
	r := original
	r.Kind, r.PINValue, r.Purse, r.Direction = transaction.KindReversal, 0, 0, 0
	t.send(t.newAsk(r))
	if w.rng.IntN(3) > 0 {
		w.agenda.add(w.now+w.between(second, 40*second), happensTerminal, func() {
			if !w.calm {
				t.send(t.newAsk(original))
			}
		})
	}
}

// oldTrace counts from where a terminal stood long ago.
func (t *terminal) oldTrace() {
	w := t.w
	r := t.draft(t.ownKind())
	r.Trace = (t.trace+2*numberSpace-1-uint32(w.rng.IntN(3*int(w.odds.window))))%numberSpace + 1
	if w.rng.IntN(3) == 0 {
		r.Batch = (t.batch+2*numberSpace-2)%numberSpace + 1
	}
	if w.rng.IntN(3) == 0 {
		r.Kind, r.PINValue, r.Purse, r.Direction = transaction.KindReversal, 0, 0, 0
	}
	t.send(t.newAsk(r))
}

// restart forgets everything, what is under way included, and signs on.
func (t *terminal) restart() {
	for _, a := range t.pending {
		a.heard = true // nobody waits for it
	}
	t.memory, t.pending = nil, nil
	t.trace = uint32(t.w.rng.IntN(40))
	t.send(t.newAsk(transaction.Request{Kind: transaction.KindSignOn, TerminalCode: t.row.Code, MerchantCode: t.row.Merchant}))
}

// formalities: sign-ons that are not needed or cannot be, sign-offs, echoes.
func (t *terminal) formalities() {
	r := transaction.Request{Kind: transaction.KindSignOn, TerminalCode: t.row.Code, MerchantCode: t.row.Merchant}
	switch t.w.rng.IntN(5) {
	case 0:
		r.TerminalCode = terminalCode(99)
	case 1:
		r.MerchantCode = merchantCode(99)
	case 2:
		r.Kind, r.Terminal = transaction.KindSignOff, t.id
	case 3:
		r.Kind, r.Terminal = transaction.KindEcho, t.id
	}
	t.send(t.newAsk(r))
}

// unsigned asks without a session.
func (t *terminal) unsigned() {
	r := t.draft(t.ownKind())
	r.Terminal = 0
	if t.w.rng.IntN(4) == 0 {
		r.Kind = transaction.KindReversal
	}
	t.send(t.newAsk(r))
}

// rush hands over a day's offline records at once: more than a group that is waited for. The others do what they do in the same moment.
func (t *terminal) rush() {
	w := t.w
	w.hurry = w.now + w.delay()
	for range 130 + w.rng.IntN(60) {
		t.send(t.newAsk(t.draft(t.ownKind())))
	}
	for range 6 {
		for _, other := range w.terminals {
			switch w.rng.IntN(5) {
			case 0:
				other.formalities()
			case 1:
				other.otherContents()
			case 2:
				other.again()
			case 3:
				other.takeBack()
			case 4:
				other.unsigned()
			}
		}
	}
	w.hurry = 0
}

// spendAndTakeBack reverses a load after its money is gone.
func (t *terminal) spendAndTakeBack(a *ask) {
	w := t.w
	i, known := w.books.byCard[a.request.Card]
	if !known {
		return
	}
	till := w.terminals[w.rng.IntN(2)]
	r := till.draft(transaction.KindPurchase)
	main, _ := w.books.available(w.books.holders[w.books.cards[i].holder])
	r.Card, r.Purse, r.PINValue, r.Amount = a.request.Card, transaction.PurseMain, rightPIN, main
	till.send(till.newAsk(r))
	w.agenda.add(w.now+w.between(second, 20*second), happensTerminal, func() {
		if !w.calm {
			t.reverse(a)
		}
	})
}

func (t *terminal) reverse(a *ask) {
	r := a.request
	r.Kind, r.PINValue, r.Purse, r.Direction, r.Cause = transaction.KindReversal, 0, 0, 0, [2]byte{'9', '8'}
	t.send(t.newAsk(r))
}

// send brings a message on its way, once more or for the first time.
func (t *terminal) send(a *ask) {
	w := t.w
	delay := w.delay()
	if w.hurry > 0 {
		delay = w.hurry - w.now
	}
	a.sends++
	a.heard = false
	if !slices.Contains(t.pending, a) {
		t.pending = append(t.pending, a)
	}
	if w.calm || !w.chance(w.odds.loss) {
		w.agenda.add(w.now+delay, happensRequest, func() { w.arrive(a) })
	}
	if !w.calm && w.chance(w.odds.double) {
		w.agenda.add(w.now+w.delay()+w.delay(), happensRequest, func() { w.arrive(a) })
	}
	sends := a.sends
	w.agenda.add(w.now+w.between(8*second, 20*second), happensTimeout, func() {
		if !a.heard && a.sends == sends {
			t.unanswered(a)
		}
	})
}

// unanswered repeats, or takes back what moves money. A reversal is repeated until it is answered.
func (t *terminal) unanswered(a *ask) {
	kind := a.request.Kind
	if a.sends <= 2 || kind != transaction.KindPurchase && kind != transaction.KindLoad || t.w.rng.IntN(2) == 0 || a.request.Terminal == 0 {
		t.send(a)
		return
	}
	t.forget(a)
	t.reverse(a)
}

func (t *terminal) forget(a *ask) {
	a.heard = true
	t.pending = slices.DeleteFunc(t.pending, func(p *ask) bool { return p == a })
}

// hear takes an answer.
func (t *terminal) hear(a *ask, d *transaction.Decision) {
	if a.heard {
		return
	}
	t.forget(a)
	if a.request.Kind == transaction.KindSignOn && d.SignOn != nil && d.Terminal == t.id {
		t.batch = d.SignOn.Batch
	}
	if a.request.Kind == transaction.KindLoad && d.Reason == transaction.ReasonNone && !t.w.calm {
		switch t.w.rng.IntN(6) {
		case 0:
			t.reverse(a)
		case 1:
			t.spendAndTakeBack(a)
		}
	}
}
