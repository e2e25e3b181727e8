package simulation

import (
	"onecard/switch/transaction"
)

// fault is what was unusual when a message came. A message may have met several.
type fault uint8

const (
	faultNone      fault = iota
	faultRepeat          // it had come before
	faultOvertaken       // a later one of its terminal came first
	faultPower           // the power has gone since it was first sent, or has just come back
	faultLeader          // the same with the leadership
	faultClock           // its time lies before that of the newest entry
	faultMidnight        // the day has just turned
	faultDisk            // the journal is short of space
	faultRush            // it came among more than are waited for
	faultCount
)

var faultNames = [faultCount]string{"none", "repeat", "overtaken", "power", "leader", "clock", "midnight", "disk", "rush"}

// faults is a set of them, by bit; the empty set is faultNone.
type faults uint16

func (f *faults) add(one fault, met bool) {
	if met {
		*f |= 1 << one
	}
}

func (f faults) each(visit func(fault)) {
	if f == 0 {
		visit(faultNone)
	}
	for one := faultRepeat; one < faultCount; one++ {
		if f>>one&1 == 1 {
			visit(one)
		}
	}
}

// Bounds of the tables: kinds of messages and reasons of answers have smaller numbers.
const (
	kindBound      = 32
	reasonBound    = 128
	bankWords      = 6 // kinds from KindLoadConfirmed on
	operationBound = 80
)

// Coverage counts which message with which answer has met which fault, and what the bank said about loads in which stage.
type Coverage struct {
	answers    [kindBound][reasonBound][faultCount]uint64
	outcomes   [bankWords][loadStages][faultCount]uint64
	orders     [orderCount][resultCount][faultCount]uint64
	operations [operationBound][resultCount][faultCount]uint64 // by kind
	rules      map[string]uint64                               // of refusals at a desk, by kind and rule
	moods      [moodCount]uint64
	deaths     [deathCount]uint64
}

// Add takes another's counts in.
func (c *Coverage) Add(other *Coverage) {
	for kind := range c.answers {
		for reason := range c.answers[kind] {
			for f := range c.answers[kind][reason] {
				c.answers[kind][reason][f] += other.answers[kind][reason][f]
			}
		}
	}
	for word := range c.outcomes {
		for stage := range c.outcomes[word] {
			for f := range c.outcomes[word][stage] {
				c.outcomes[word][stage][f] += other.outcomes[word][stage][f]
			}
		}
	}
	for kind := range c.orders {
		for result := range c.orders[kind] {
			for f := range c.orders[kind][result] {
				c.orders[kind][result][f] += other.orders[kind][result][f]
			}
		}
	}
	for kind := range c.operations {
		for result := range c.operations[kind] {
			for f := range c.operations[kind][result] {
				c.operations[kind][result][f] += other.operations[kind][result][f]
			}
		}
	}
	for name, n := range other.rules {
		c.count(name, n)
	}
	for m := range c.moods {
		c.moods[m] += other.moods[m]
	}
	for d := range c.deaths {
		c.deaths[d] += other.deaths[d]
	}
}

func (c *Coverage) answer(kind transaction.Kind, reason transaction.Reason, met faults) {
	met.each(func(f fault) { c.answers[kind][reason][f]++ })
}

// order is what an operator may ask for.
type order uint8

const (
	orderCard order = iota
	orderImport
	orderDisk
	orderCheckpoint
	orderTurnDay
	orderCloseDay
	orderOperation
	orderRepeated
	orderApprove
	orderReject
	orderExpire
	orderBatch
	orderBatchDecided
	orderLoads
	orderCount
)

// orderResult is what he heard.
type orderResult uint8

const (
	resultDone orderResult = iota
	resultRefused
	resultUnheard // the switch died over it: it may have been done
	resultCount
)

func resultOf(err error, ended bool) orderResult {
	switch {
	case ended && err != nil:
		return resultUnheard
	case err != nil:
		return resultRefused
	}
	return resultDone
}

func (c *Coverage) order(kind order, result orderResult, met faults) {
	met.each(func(f fault) { c.orders[kind][result][f]++ })
}

func (c *Coverage) operation(kind transaction.Kind, result orderResult, met faults) {
	met.each(func(f fault) { c.operations[kind][result][f]++ })
}

// rule counts why a desk refused.
func (c *Coverage) rule(kind transaction.Kind, rule string) {
	row, _ := transaction.CatalogueOf(kind)
	c.count(row.Label+": "+rule, 1)
}

func (c *Coverage) count(name string, n uint64) {
	if c.rules == nil {
		c.rules = map[string]uint64{}
	}
	c.rules[name] += n
}

// soon is how many polls a death, a midnight or a step of the clock is felt.
const soon = 60

// about is what is unusual now, whoever speaks.
func (w *world) about(received int64) faults {
	var f faults
	fresh := w.lives > 1 && w.polls-w.born < soon
	f.add(faultPower, fresh && !w.deposed)
	f.add(faultLeader, fresh && w.deposed)
	f.add(faultClock, received < w.books.time)
	if today := localDay(received); today > w.today {
		w.today, w.turned = today, w.polls
	}
	f.add(faultMidnight, w.turned > 0 && w.polls-w.turned < soon)
	f.add(faultDisk, w.short())
	return f
}

// short says whether the engine, by now, knows that the disk is low: it hears of it at the end of a poll.
func (w *world) short() bool { return w.diskLow == (w.polls > w.diskSince) }

func (w *world) faultsOf(a *ask, received int64) faults {
	f := w.about(received)
	f.add(faultRepeat, a.came > 0)
	f.add(faultOvertaken, a.serial < a.terminal.newest)
	f.add(faultRush, len(w.lot) >= rushLot)
	if a.life < w.lives {
		f.add(faultPower, !w.deposed)
		f.add(faultLeader, w.deposed)
	}
	a.came++
	a.terminal.newest = max(a.terminal.newest, a.serial)
	return f
}

// rushLot is as many requests in a lot as make a group that is not waited for.
const rushLot = 100

func (w *world) coverBank(r *transaction.Request) {
	l := w.books.loads[r.Load]
	if l == nil {
		return
	}
	f := w.about(r.Received)
	f.add(faultRepeat, w.bank.said[wordAbout{r.Load, r.Kind}])
	w.bank.said[wordAbout{r.Load, r.Kind}] = true
	f.each(func(f fault) { w.coverage.outcomes[r.Kind-transaction.KindLoadConfirmed][l.stage][f]++ })
}

type wordAbout struct {
	load uint64
	kind transaction.Kind
}
