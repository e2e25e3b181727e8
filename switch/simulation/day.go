package simulation

import (
	"context"
	"errors"

	"onecard/ledger"
	"onecard/switch/transaction"
)

// businessDayAt is the business day that the clock asks for when one begins at a minute: a switch in the morning ends yesterday, one in the
// afternoon begins tomorrow.
func businessDayAt(at int64, switchAt uint16) uint32 {
	if switchAt >= 12*60 {
		return localDay(at + (24*60-int64(switchAt))*minute)
	}
	return localDay(at - int64(switchAt)*minute)
}

// businessDay: an entry stands in the open business day, that day has not run out, and only a switch, first of its block, opens another.
func (k *reckoning) businessDay(l *transaction.Line, e *ledger.Entry) {
	asks := businessDayAt(e.Time, k.switchAt)
	switch {
	case e.Kind == transaction.KindGenesis:
		k.open = l.Day
		if l.Day != asks {
			k.find("day", "the ledger begins on day %d, the clock says %d", l.Day, asks)
		}
	case e.Kind != transaction.KindDaySwitch:
		if l.Day != k.open {
			k.find("day", "entry %d stands in day %d, open is %d", l.Sequence, l.Day, k.open)
		}
		if asks > k.open {
			k.find("day", "entry %d stands in day %d, which ended before it: the clock says %d", l.Sequence, l.Day, asks)
		}
	default:
		k.switches++
		if l.Sequence != k.first || l.Closes != k.open || l.Day <= l.Closes {
			k.find("day", "entry %d, in a block from %d, closes day %d and opens %d; open is %d", l.Sequence, k.first, l.Closes, l.Day, k.open)
		}
		if early := asks <= k.open; early && (k.ordered != l.Closes || l.Day != l.Closes+1) || !early && l.Day != asks {
			k.find("day", "entry %d closes day %d and opens %d when the clock says %d", l.Sequence, l.Closes, l.Day, asks)
		}
		k.open = l.Day
	}
}

// closeDay ends the business day before its time, or asks for one that is not open.
func (w *world) closeDay() {
	closes := w.engine.State().BusinessDay()
	if w.rng.IntN(4) == 0 {
		closes--
	}
	wanted, now := closes == w.books.open, w.clockNow()
	if w.errand == nil && wanted {
		w.books.ordered = closes
	}
	w.send(orderCloseDay, func(ctx context.Context) error { return w.engine.CloseDay(ctx, closes, now) }, func(err error) {
		switch {
		case err == nil && w.books.open <= closes:
			w.find("I3", "the office was told that day %d is closed, the log has day %d open", closes, w.books.open)
		case err != nil && !errors.Is(err, transaction.ErrDayNotOpen):
			w.find("I3", "day %d cannot be closed: %v", closes, err)
		}
	})
}

// lookAtClock is what the daemon does when nobody asks anything.
func (w *world) lookAtClock() {
	now := w.clockNow()
	w.send(orderTurnDay, func(ctx context.Context) error { return w.engine.TurnDay(ctx, now) }, func(err error) {
		if asks := businessDayAt(now, w.odds.switchAt); err != nil || asks > w.books.open {
			w.find("day", "the clock was looked at on day %d: %v; open is %d", asks, err, w.books.open)
		}
	})
}
