package simulation

import (
	"bytes"
	"context"

	"onecard/ledger"
	"onecard/ledger/ledgertest"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// delivery is one arrival of a message at the switch; its number is the origin of the request.
type delivery struct {
	ask      *ask
	life     int
	faults   faults
	answered bool
	undone   bool   // what it asks for had been taken back when it came
	batch    uint32 // newest of its terminal when it came
}

// arrive hands a message to the switch.
func (w *world) arrive(a *ask) {
	r := a.request
	r.Received = w.clockNow()
	w.deliveries = append(w.deliveries, delivery{ask: a, life: w.lives, faults: w.faultsOf(a, r.Received), undone: w.books.undone(&r), batch: w.books.newest[a.terminal.id]})
	r.Origin = transaction.Origin(len(w.deliveries))
	w.waiting[waits(r.Kind)]++
	w.lot = append(w.lot, r)
	w.mix(uint64(r.Kind), uint64(r.Terminal), uint64(r.Batch), uint64(r.Trace), uint64(r.Card), uint64(r.Amount))
	w.tell("%d asks %d: batch %d trace %d card %d amount %d", r.Terminal, r.Kind, r.Batch, r.Trace, uint64(r.Card)%1000, r.Amount)
}

// waits tells loads, which wait for the bank, from everything else.
func waits(kind transaction.Kind) int {
	if kind == transaction.KindLoad {
		return 0
	}
	return 1
}

// Answer takes what the switch says to terminals, and holds it against the log.
func (w *world) Answer(decisions []transaction.Decision) {
	for i := range decisions {
		d := &decisions[i]
		if d.Origin == 0 || int(d.Origin) > len(w.deliveries) {
			w.find("I3", "an answer to origin %d, who asked nothing", d.Origin)
			continue
		}
		to := &w.deliveries[d.Origin-1]
		if to.answered || to.life != w.lives {
			w.find("I3", "a second answer to one request: %+v", *d)
		}
		to.answered = true
		w.waiting[waits(to.ask.request.Kind)]--
		w.mix(uint64(d.Origin), uint64(d.Reason), d.Sequence, uint64(d.Balance), uint64(d.Time))
		if d.Silent {
			continue
		}
		w.told++
		w.tell("%d is told %d %s %s, entry %d, balance %d, replayed %t", to.ask.request.Terminal, d.Kind, d.Code, d.Reason, d.Sequence, d.Balance, d.Replayed)
		w.weigh(&to.ask.request, d)
		if d.SignOn != nil && to.batch != 0 && !newer(d.SignOn.Batch, to.batch) {
			w.find("I4", "terminal %d is given batch %d, it had used %d", d.SignOn.Terminal, d.SignOn.Batch, to.batch)
		}
		if to.undone && d.Kind != transaction.KindReversal && d.Reason == transaction.ReasonNone {
			w.find("I7", "terminal %d is told that entry %d is approved, which had been taken back", d.Terminal, d.Sequence)
		}
		w.coverage.answer(to.ask.request.Kind, d.Reason, to.faults)
		if w.calm || !w.chance(w.odds.loss) {
			said, a := *d, to.ask
			w.agenda.add(w.now+w.delay(), happensAnswer, func() { a.terminal.hear(a, &said) })
		}
	}
}

// weigh: an answer says what the durable log says, and nothing that is not in it (I3, I10).
func (w *world) weigh(r *transaction.Request, d *transaction.Decision) {
	if d.Kind != r.Kind {
		w.find("I3", "a request of kind %d is answered as %d", r.Kind, d.Kind)
	}
	if d.Code != d.Reason.Code() && d.Reason != transaction.ReasonBankDeclined {
		w.find("I3", "%s is said with code %s", d.Reason, d.Code)
	}
	if d.Sequence == 0 {
		w.weighLoose(r, d)
		return
	}
	if d.Sequence > w.books.sequence {
		w.find("I10", "entry %d is answered and the log is durable up to %d", d.Sequence, w.books.sequence)
		return
	}
	l := &w.books.lines[d.Sequence-1]
	c := contents{l.Kind, w.books.numberOf(l), l.Amount, l.Purse, l.Direction}
	if (askKey{identityOf(l), c}) != keyOf(r) {
		w.find("I3", "entry %d is the answer to another request", d.Sequence)
		return
	}
	want := transaction.Decision{
		Day: l.Day, Reason: l.Reason, Code: l.Code, Time: l.Time, HasBalance: l.HasBalance, Balance: l.Balance, Main: l.Main, Subsidy: l.Subsidy, Numbers: l.Numbers,
	}
	if l.Kind == transaction.KindLoad && l.Reason == transaction.ReasonNone {
		b := w.books.loads[l.Sequence]
		if !b.told.ready {
			w.find("I10", "load %d is answered with %s and nothing durable says so", l.Sequence, d.Reason)
			return
		}
		want.Reason, want.Code, want.Time = b.told.reason, b.told.code, b.told.time
		if want.Reason == transaction.ReasonNone {
			want.HasBalance, want.Balance, want.Main = true, b.told.balance, b.amount
		}
	}
	got := transaction.Decision{
		Day: d.Day, Reason: d.Reason, Code: d.Code, Time: d.Time, HasBalance: d.HasBalance, Balance: d.Balance, Main: d.Main, Subsidy: d.Subsidy, Numbers: d.Numbers,
	}
	if got != want {
		w.find("I3", "entry %d is answered with %+v and recorded as %+v", d.Sequence, got, want)
	}
}

// weighLoose: what is answered without an entry promises nothing.
func (w *world) weighLoose(r *transaction.Request, d *transaction.Decision) {
	if d.HasBalance || d.Main != 0 || d.Subsidy != 0 || d.Replayed {
		w.find("I3", "an answer without an entry says %+v", *d)
	}
	known := r.Terminal != 0 && int(r.Terminal) <= len(w.terminals)
	ok := false
	switch d.Reason {
	case transaction.ReasonNone:
		ok = r.Kind == transaction.KindSignOn || r.Kind == transaction.KindSignOff || r.Kind == transaction.KindEcho
	case transaction.ReasonNotSignedOn:
		ok = !known
	case transaction.ReasonDiskLow:
		ok = w.odds.disk && r.Kind != transaction.KindReversal
	case transaction.ReasonTerminalSuspended:
		ok = known && w.campus.directory.Terminals[r.Terminal-1].Suspended || r.Kind == transaction.KindSignOn
	case transaction.ReasonTerminalUnknown, transaction.ReasonMerchantMismatch:
		ok = r.Kind == transaction.KindSignOn
	}
	if !ok {
		w.find("I3", "a request of kind %d is answered with %s and no entry", r.Kind, d.Reason)
	}
}

// inspect looks at everything that must be true between two events.
func (w *world) inspect() {
	s := w.engine.State()
	book := s.Book()
	if w.books.switches != w.switches {
		w.switches, w.turned = w.books.switches, w.polls
	}
	if sum := book.Sum(); sum != 0 {
		w.find("I1", "all accounts sum to %d", sum)
	}
	for id := ledger.AccountID(1); uint32(id) <= book.Accounts(); id++ {
		if a := book.Account(id); a.Flags&ledger.MustNotOverdraw != 0 && a.Available() < 0 {
			w.find("I2", "purse %d has %d", id, a.Available())
		}
	}
	if book.Sequence() != w.books.sequence || w.finding != nil {
		return // a group is on its way: it is compared when it has landed
	}
	if w.waiting[1] != 0 || w.waiting[0] > w.books.asking {
		w.find("liveness", "everything is durable, %d loads and %d other requests are not answered, and %d loads are at the bank", w.waiting[0], w.waiting[1], w.books.asking)
	}
	w.checked++
	w.compareBooks(s)
	if w.checked%16 == 0 {
		w.reconcile()
	}
	if w.checked%w.odds.rebuilding == 0 {
		w.compareRebuilt(w.engine, false)
	}
}

// compareBooks: the running state says what the durable entries say.
func (w *world) compareBooks(s *transaction.State) {
	k, book := w.books, s.Book()
	if int(book.Accounts()) != len(k.balances)-1 {
		w.find("I5", "%d accounts, the log opened %d", book.Accounts(), len(k.balances)-1)
		return
	}
	for id := 1; id < len(k.balances); id++ {
		if has := book.Account(ledger.AccountID(id)).Balance; has != k.balances[id] {
			w.find("I5", "account %d has %d, its entries say %d", id, has, k.balances[id])
		}
	}
	if book.Holds() != len(k.holds) || s.OpenLoads() != k.unsettled {
		w.find("I6", "%d holds and %d open loads, the log says %d and %d", book.Holds(), s.OpenLoads(), len(k.holds), k.unsettled)
	}
	if open := len(k.openWithdrawals()); s.OpenWithdrawals() != open {
		w.find("I6", "%d open withdrawals, the log says %d", s.OpenWithdrawals(), open)
	}
	touched := k.touched
	k.touched = k.touched[:0]
	if w.checked%64 == 0 {
		for i := range k.holders {
			w.compareHolder(s, i)
		}
		return
	}
	for _, i := range touched {
		w.compareHolder(s, i)
	}
}

// compareHolder: what the engine counts is what adding up gives (I13, I14).
func (w *world) compareHolder(s *transaction.State, i int) {
	h, k := s.Holder(uint32(i)), w.books.holders[i]
	spent, count := k.spentOn(uint32(h.CounterDay))
	loaded, coming := k.loadedOn(uint32(h.CounterDay))
	if money.Fen(h.DayAmount) != spent || int(h.DayCount) != count {
		w.find("I13", "holder %d spent %d in %d purchases on day %d, adding up gives %d in %d", i, h.DayAmount, h.DayCount, h.CounterDay, spent, count)
	}
	if money.Fen(h.DayLoaded) != loaded || money.Fen(h.Loading) != coming {
		w.find("I13", "holder %d loaded %d on day %d and %d is on its way, adding up gives %d and %d", i, h.DayLoaded, h.CounterDay, h.Loading, loaded, coming)
	}
	if int(h.PINTries) != k.tries {
		w.find("I14", "holder %d has %d wrong PINs, the log says %d", i, h.PINTries, k.tries)
	}
}

// compareRebuilt opens a second owner on the log, and holds every section of the state against the first's (I5).
func (w *world) compareRebuilt(engine *transaction.Engine, fromCheckpoint bool) {
	live, err := engine.SnapshotBeforeRun()
	if err != nil {
		return // the journal has died meanwhile
	}
	config := w.config(true)
	if !fromCheckpoint && w.rng.IntN(2) == 0 {
		config.Checkpoints = &w.checkpoints
	}
	other, err := transaction.Open(context.Background(), config, w.clockNow())
	if err != nil {
		w.find("I5", "a second owner: %v", err)
		return
	}
	rebuilt, err := other.SnapshotBeforeRun()
	if err != nil || rebuilt.Head != live.Head || len(rebuilt.Sections) != len(live.Sections) {
		w.find("I5", "a second owner is at entry %d, not at %d: %v", rebuilt.Head.Sequence, live.Head.Sequence, err)
		return
	}
	a, b := encodeCheckpoint(live), encodeCheckpoint(rebuilt)
	for name, parts := range a.sections {
		if !bytes.Equal(bytes.Join(parts, nil), bytes.Join(b.sections[name], nil)) {
			w.find("I5", "section %s differs from the one that the log makes", name)
		}
	}
}

// close ends the history: an auditor that shares nothing with us reads the whole log, and the bank's book is the same as ours.
func (w *world) close() {
	if w.finding != nil {
		return
	}
	auditor := ledgertest.New()
	for _, b := range w.journal.blocks {
		auditor.Block(b.First(), b.Bytes())
	}
	for _, f := range auditor.Finish().Findings {
		w.find("audit", "%+v", f)
	}
	w.reconcile()
	w.strangers()
	w.mix(w.journal.head.Sequence)
	for i := range 4 {
		w.mix(uint64(w.journal.head.Hash[i])<<8 | uint64(w.journal.head.Hash[i+4]))
	}
}
