package transaction

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"onecard/ledger"
	"onecard/ledger/invariant"
	"onecard/ledger/money"
)

// The business day (会计日) is the date that money is booked to (handbook 3.11). It is a part of the state and not of the clock: the books
// have one open day, everything is posted to it, and an entry of its own closes it and opens the next. That entry is the first of its
// block, so a day is a run of whole blocks, and a day that was closed never gets another.
//
// The calendar day is another thing: limits and counters, opening hours and a card's last day go by the clock on the wall. With a switch at
// 23:00 a purchase at 23:30 counts on today's limits and stands in tomorrow's books.
//
// Sales do not wait for a switch: the block in the making is sent on its way and the next one begins with the switch, as it would begin with
// any other entry.

// business is which business day is open.
type business struct {
	day      uint32 // days since 1970 at the site; 0: nothing was ever posted
	ended    uint32 // newest day with a day-end; 0 none
	switched bool   // an entry has opened it: another one is needed to close it. Older ledgers went from date to date by themselves
}

// switchShift is how far behind local midnight the business day begins; it is negative when it begins on the evening before. A switch in
// the morning ends yesterday, one in the afternoon begins tomorrow: the business day is the date on which most of it lies.
func switchShift(minute uint16) int64 {
	shift := int64(minute)
	if shift >= minutesPerDay/2 {
		shift -= minutesPerDay
	}
	return shift * 60 * microsPerSecond
}

// businessDay is the business day that the clock asks for. The one that is open may be ahead of it.
func businessDay(zone int32, switchMinute uint16, micros int64) uint32 {
	day, _ := dayAt(zone, micros-switchShift(switchMinute))
	return day
}

// beginning is the first moment at which the clock asks for a business day.
func beginning(zone int32, switchMinute uint16, day uint32) int64 {
	return (int64(day)*secondsPerDay-int64(zone))*microsPerSecond + switchShift(switchMinute)
}

// BusinessDay is the open business day, in days since 1970 at the site. Every day before it is closed.
func (s *State) BusinessDay() uint32 { return s.business.day }

// calendarDay is the date at the site of a moment: what limits and counters go by.
func (s *State) calendarDay(micros int64) uint32 {
	day, _ := s.localDay(micros)
	return day
}

// followDay takes the day of the block that an entry stands in.
func (s *State) followDay(sequence uint64, day uint32) {
	if day == s.business.day {
		return
	}
	if s.business.switched || day < s.business.day {
		invariant.Fail("entry %d stands in business day %d, open is %d", sequence, day, s.business.day)
	}
	s.business.day = day // a ledger of the time before day switches: days were dates
}

// DaySwitch is the payload of a day switch. Days between the one that it closes and the one that it opens had no posting.
//
//	closes u32 | opens u32 | n uvarint, (set u8, code uvarint, accounts uvarint, balance varint) ...
//
// The control totals are those at the end of the closed day, as the owner had them in memory: whoever replays the log to this point must
// arrive at the same (handbook 3.11, check 3).
type DaySwitch struct {
	Closes, Opens uint32
	Totals        []ledger.ControlTotal // by set and code
}

// Append writes the payload behind dst.
func (d *DaySwitch) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(dst, d.Closes), d.Opens)
	dst = binary.AppendUvarint(dst, uint64(len(d.Totals)))
	for _, t := range d.Totals {
		dst = binary.AppendUvarint(append(dst, byte(t.Set)), uint64(t.Code))
		dst = binary.AppendVarint(binary.AppendUvarint(dst, uint64(t.Accounts)), int64(t.Balance))
	}
	return dst
}

// ReadDaySwitch reads the payload of an entry of KindDaySwitch.
func ReadDaySwitch(payload []byte) (DaySwitch, error) {
	p := payloadReader{b: payload}
	d := DaySwitch{Closes: p.u32(), Opens: p.u32()}
	for n := p.uvarint(); n > 0 && !p.bad; n-- {
		d.Totals = append(d.Totals, ledger.ControlTotal{
			Set: ledger.AccountSet(p.byte()), Code: ledger.AccountCode(p.uvarint()), Accounts: uint32(p.uvarint()), Balance: money.Fen(p.varint()),
		})
	}
	return d, p.done(KindDaySwitch)
}

// applyDaySwitch opens the next day.
func (s *State) applyDaySwitch(sequence uint64, day uint32, e *ledger.Entry) {
	d, err := ReadDaySwitch(e.Payload)
	if err != nil || d.Closes != s.business.day || d.Opens != day || d.Opens <= d.Closes {
		invariant.Fail("entry %d closes business day %d and opens %d in a block of %d, open is %d", sequence, d.Closes, d.Opens, day, s.business.day)
	}
	if !slices.Equal(d.Totals, s.book.ControlTotals()) {
		invariant.Fail("entry %d closes business day %d with the control totals %v, the books have %v", sequence, d.Closes, d.Totals, s.book.ControlTotals())
	}
	s.business.day, s.business.switched = d.Opens, true
	s.batches.lapse(s, day)
}

// turnDay closes the open business day and opens another: what is in the making goes to the disk under the old day, and the block that
// follows begins with the switch. REQUIRES: opens is after the open day; the decider's time is set.
func (e *Engine) turnDay(opens uint32) error {
	if e.open.begun {
		if err := e.cycle(); err != nil {
			return err
		}
	}
	d := DaySwitch{Closes: e.state.business.day, Opens: opens, Totals: e.state.book.ControlTotals()}
	e.beginGroup(opens)
	e.add(&ledger.Entry{Kind: KindDaySwitch, Time: e.decider.now, Payload: d.Append(nil)})
	e.awaitDayEnd()
	return nil
}

// awaitDayEnd says when the clock asks for the day after the open one.
func (e *Engine) awaitDayEnd() {
	e.decider.dayEnds = beginning(e.state.zone, e.config.DaySwitch, e.state.business.day+1)
}

// TurnDay closes the open business day if its time has passed, durably: what the clock does when nobody asks anything.
func (e *Engine) TurnDay(ctx context.Context, now int64) error {
	return e.command(ctx, func() error { return e.setClock(now) })
}

// CloseDay closes the open business day at once, although its time has not come, durably, and opens the next one. There is no way back: what
// is sold from now on stands in the next day's books. closes names the day that is meant, so that whoever asks twice closes one.
func (e *Engine) CloseDay(ctx context.Context, closes uint32, now int64) error {
	return e.command(ctx, func() error {
		if err := e.setClock(now); err != nil {
			return err
		}
		if open := e.state.business.day; open != closes {
			return fmt.Errorf("要关闭的会计日是 %s,当前开放的是 %s / the day to be closed is %[1]s, the open one is %[2]s: %w", ledger.DateOf(closes), ledger.DateOf(open), ErrDayNotOpen)
		}
		return e.turnDay(closes + 1)
	})
}

// ErrDayNotOpen says that another business day is open.
var ErrDayNotOpen = errors.New("会计日已关闭或未开始:请重新查看 / that day is closed or has not begun: look again")

// whenDurable answers when everything that the owner has written is on disk: at once when that is so already.
func (e *Engine) whenDurable(durable chan<- error) {
	switch {
	case e.open.begun:
		e.open.done = append(e.open.done, durable)
	case e.flying != nil:
		e.flying.done = append(e.flying.done, durable)
	default:
		durable <- nil
	}
}
