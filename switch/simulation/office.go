package simulation

import (
	"context"
	"fmt"
	"time"

	"onecard/switch/transaction"
)

// errand is one thing that an operator asks of the running switch. It is asked as the daemon asks: from a goroutine of its own, that waits
// until what it asked for is durable. The world lets it put its order into the owner's queue, and takes its answer at a fixed poll later, so
// that nothing depends on which goroutine is quicker.
type errand struct {
	kind order
	done chan error
	then func(error)
	sent uint64 // poll
	met  faults
}

// errandPolls is how many polls an order may take: its job, the group it opened, and a group on its way before that.
const errandPolls = 4

// hangs is how long, in real time, an order that should have been answered is waited for.
const hangs = 10 * time.Second

func (w *world) send(kind order, call func(ctx context.Context) error, then func(error)) {
	if w.errand != nil {
		return
	}
	e := &errand{kind: kind, met: w.about(w.clockNow()), done: make(chan error, 1), then: then, sent: w.polls}
	go func() { e.done <- call(context.Background()) }()
	select {
	case <-w.wake:
	case err := <-e.done:
		e.done <- err
	}
	w.errand = e
	w.submitted++
	if w.odds.deaths > 0 && !w.calm && w.rng.IntN(30) == 0 {
		w.strike()
	}
}

// awaitErrand takes the answer of an order when it must have come.
func (w *world) awaitErrand(ended bool) {
	e := w.errand
	if e == nil || !ended && w.polls < e.sent+errandPolls {
		return
	}
	w.errand, w.errandMet = nil, e.met
	timer := time.NewTimer(hangs)
	defer timer.Stop()
	select {
	case err := <-e.done:
		w.tell("%s: %v", orders[e.kind], err)
		w.coverage.order(e.kind, resultOf(err, ended), e.met)
		if !ended || err == nil { // what he was told is true, whatever came after
			e.then(err)
		}
	case <-timer.C:
		w.find("liveness", "%s was never answered", orders[e.kind])
	}
}

// habits enters what happens by itself: operators, checkpoints, the clock, nights and deaths.
func (w *world) habits() {
	w.habit(w.odds.office, happensOffice, w.operate)
	w.habit(w.odds.desk, happensOffice, w.desk)
	w.habit(w.odds.keeping, happensKeeping, w.keep)
	w.habit(w.odds.nights, happensClock, w.night)
	if w.odds.clockMost > 0 {
		w.habit(7*minute, happensClock, w.stepClock)
	}
	if w.odds.deaths > 0 {
		w.habit(w.odds.deaths, happensFault, w.strike)
	}
}

func (w *world) habit(every int64, what happening, run func()) {
	w.agenda.add(w.now+w.between(every/2, every*3/2), what, func() {
		if w.calm {
			return
		}
		run()
		w.habit(every, what, run)
	})
}

func (w *world) operate() {
	switch n := w.rng.IntN(10); {
	case n < 4 && w.odds.disk:
		w.setDisk(!w.diskLow)
	case n < 5:
		w.register()
	case n < 6:
		w.closeDay()
	case n < 7:
		w.lookAtClock()
	default:
		w.changeCard()
	}
}

func (w *world) setDisk(low bool) {
	if w.errand != nil {
		return
	}
	w.send(orderDisk, func(ctx context.Context) error { return w.engine.SetDiskLow(ctx, low) }, func(err error) {
		if err != nil {
			w.find("open", "the disk: %v", err)
		}
	})
	w.diskLow, w.diskSince = low, w.polls
}

// changeCard moves a card to another state. When the operator is told that it is done, it is in the log.
func (w *world) changeCard() {
	i := w.rng.IntN(len(w.books.cards))
	card := &w.books.cards[i]
	change := transaction.CardStateChange{Card: card.row.Number, To: transaction.CardState(w.rng.IntN(3)), Operator: "office"}
	if i > 8 && w.rng.IntN(6) == 0 {
		change.To = transaction.CardClosed
	}
	if card.state != transaction.CardActive && w.rng.IntN(2) == 0 {
		change.To = transaction.CardActive
	}
	now := w.clockNow()
	w.send(orderCard, func(ctx context.Context) error { return w.engine.ChangeCard(ctx, change, now) }, func(err error) {
		switch {
		case err == nil && w.books.cards[i].state != change.To:
			w.find("I3", "the office was told that card %d is %s, the log says %s", i, change.To, w.books.cards[i].state)
		case err != nil && card.state != transaction.CardClosed && card.state != change.To:
			w.find("I3", "card %d may be %s: %v", i, change.To, err)
		}
	})
}

// register imports a holder with a card while everything goes on.
func (w *world) register() {
	n := len(w.campus.numbers)
	if n >= 20 {
		return
	}
	dir := &transaction.Directory{
		Holders: []transaction.HolderRow{{Number: fmt.Sprint(firstNumber + 100 + n), Class: "free", Groups: 1, BankAccount: bankAccount, OpeningMain: 5_000, OpeningSubsidy: 10}},
		Cards:   []transaction.CardRow{{Number: firstCard + 100 + transaction.CardNumber(n), Holder: fmt.Sprint(firstNumber + 100 + n), PINValue: rightPIN}},
	}
	if w.campus.cards[dir.Cards[0].Number] != nil || w.errand != nil {
		return
	}
	w.campus.learn(dir)
	now := w.clockNow()
	w.send(orderImport, func(ctx context.Context) error {
		faults, err := w.engine.Import(ctx, dir, now)
		if err == nil && len(faults) > 0 {
			return fmt.Errorf("%d faults", len(faults))
		}
		return err
	}, func(err error) {
		if _, ok := w.books.byCard[dir.Cards[0].Number]; err != nil || !ok {
			w.find("I3", "the office was told about an import: %v; in the log: %t", err, ok)
		}
	})
}

// keep takes a checkpoint, from the owner's goroutine or from another.
func (w *world) keep() {
	if w.rng.IntN(2) == 0 {
		w.send(orderCheckpoint, func(ctx context.Context) error {
			s, err := w.engine.Snapshot(ctx)
			if err == nil {
				err = w.checkpoints.SaveCheckpoint(ctx, s)
				s.Sharing.End()
			}
			return err
		}, func(err error) {
			if err != nil && !w.journal.dead {
				w.find("open", "a checkpoint: %v", err)
			}
		})
		return
	}
	if s, err := w.engine.SnapshotBeforeRun(); err == nil {
		_ = w.checkpoints.SaveCheckpoint(context.Background(), s)
	}
}

// night lets hours pass: to shortly before midnight, or to a moment of the day.
func (w *world) night() {
	ahead := untilMidnight(w.clockNow()) - w.between(second, 4*minute)
	if w.rng.IntN(3) == 0 || ahead <= 0 {
		ahead = w.between(2*60*minute, 9*60*minute)
	}
	w.clock += ahead
	w.tell("the clock is %d s ahead", w.clock/second)
}

func (w *world) stepClock() {
	step := w.between(-w.odds.clockMost, w.odds.clockMost/4+1)
	w.clock += step
	w.tell("the clock steps by %d s", step/second)
}

// strike ends the owner's life: now, or at one of the next things that the journal is asked to do.
func (w *world) strike() {
	w.deposed = w.chance(w.odds.deposed)
	how := diesAtOnce + death(w.rng.IntN(int(deathCount-diesAtOnce)))
	w.tell("death %d", how)
	switch how {
	case diesAtOnce, diesPolitely, diesInRecovery:
		w.death = how
	default:
		w.journal.armed, w.journal.why = how, w.why()
	}
	switch w.rng.IntN(4) {
	case 0: // another node, or one that did not come to write it
		w.checkpoints.newest = w.checkpoints.older
	case 1:
		w.checkpoints.newest, w.checkpoints.older = nil, nil
	}
}

// quieten ends all faults: what was begun must come to its end now.
func (w *world) quieten() {
	w.calm = true
	w.journal.armed = lives
	if w.death == diesInRecovery {
		w.death = diesAtOnce
	}
	w.deadline = w.events + 60*uint64(len(w.agenda.heap)+w.books.unsettled+16)
	w.tell("calm")
	w.agenda.add(w.now, happensOffice, w.relieve)
	w.agenda.add(w.now+40*second, happensBank, w.answerManual)
}

// relieve gives the disk its space back, and tries again while another order is on its way.
func (w *world) relieve() {
	if !w.diskLow {
		return
	}
	w.setDisk(false)
	w.agenda.add(w.now+second, happensOffice, w.relieve)
}

// settled says whether everything has come to its end; in calm weather it must within a bounded number of events.
func (w *world) settled() bool {
	if !w.calm {
		return false
	}
	pending := 0
	for _, t := range w.terminals {
		pending += len(t.pending)
	}
	if pending == 0 && w.batchesDone() && w.books.unsettled == 0 && w.engine.State().OpenLoads() == 0 && w.engine.State().OpenWithdrawals() == 0 && w.errand == nil {
		return true
	}
	if w.events > w.deadline || w.agenda.empty() && w.errand == nil {
		w.find("liveness", "after %d calm events %d requests are unanswered and %d loads open", w.events-w.budget, pending, w.books.unsettled)
	}
	return false
}
