package transaction_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/switch/transaction"
)

func date(day uint32) string {
	return time.Unix(int64(day)*86_400, 0).UTC().Format(time.DateOnly)
}

// day is what a story says about business days:
//
//	day switch=23:00   from here on the switch is configured to that minute (it is restarted)
//	day at=23:59       the clock is looked at while nobody asks anything
//	day close=DATE     the day is closed before its time
//	day blocks         the blocks of the ledger from the genesis on, as runs of one day
func (s *story) day(d *datadriven.TestData) string {
	s.tellDays = true
	for _, arg := range d.CmdArgs {
		value := strings.Join(arg.Vals, "")
		switch arg.Key {
		case "switch":
			s.daySwitch = minute(value)
			s.close()
			s.open()
		case "at":
			s.setClock(value)
			require.NoError(s.t, s.engine.TurnDay(context.Background(), s.now.UnixMicro()))
		case "close":
			day, err := time.Parse(time.DateOnly, value)
			require.NoError(s.t, err)
			if err := s.engine.CloseDay(context.Background(), uint32(day.Unix()/86_400), s.now.UnixMicro()); err != nil {
				return err.Error() + "\n"
			}
		case "blocks":
			return s.printDays()
		}
	}
	var open uint32
	s.look(func(state *transaction.State) { open = state.BusinessDay() })
	return fmt.Sprintf("open: %s\n", date(open))
}

// printDays prints the runs of blocks of one business day with the entries in them.
func (s *story) printDays() string {
	var b strings.Builder
	s.look(func(*transaction.State) {
		var day uint32
		for i, block := range s.journal.blocks {
			if i == 0 || block.Day() != day {
				day = block.Day()
				fmt.Fprintf(&b, "%s from entry %d\n", date(day), block.First())
			}
			_ = block.Each(func(sequence uint64, e *ledger.Entry) error {
				if e.Kind == transaction.KindDaySwitch {
					fmt.Fprintf(&b, "  entry %d switches the day at %s, first of its block: %v\n", sequence, clock(e.Time), sequence == block.First())
				}
				return nil
			})
		}
	})
	return b.String()
}

// TestALedgerWithoutDaySwitchesGoesOn: in ledgers of before, days were dates, and blocks went from one to the next by themselves.
func TestALedgerWithoutDaySwitchesGoesOn(t *testing.T) {
	s := newStory(t)
	s.cast()
	s.close()
	old := &memoryJournal{}
	for i, block := range s.journal.blocks { // the same entries, as they were written then: the genesis under no day, the rest under dates
		var builder ledger.BlockBuilder
		builder.Begin(old.head, map[bool]uint32{true: 0, false: block.Day() - 3}[i == 0])
		require.NoError(t, block.Each(func(_ uint64, e *ledger.Entry) error { builder.Add(e); return nil }))
		require.NoError(t, old.Append(builder.Seal()))
	}
	require.NoError(t, old.Wait(0))
	s.journal = old
	s.open()
	var open uint32
	s.look(func(state *transaction.State) { open = state.BusinessDay() })
	require.Equal(t, date(uint32(noon.Unix()/86_400)-3), date(open), "nothing was asked yet: the day of the last block is open")
	require.NoError(t, s.engine.TurnDay(context.Background(), noon.UnixMicro()))
	s.look(func(state *transaction.State) { open = state.BusinessDay() })
	require.Equal(t, date(uint32(noon.Unix()/86_400)), date(open))
	last := old.blocks[len(old.blocks)-1]
	require.Equal(t, open, last.Day())
	require.NoError(t, last.Each(func(_ uint64, e *ledger.Entry) error {
		require.Equal(t, transaction.KindDaySwitch, e.Kind)
		return nil
	}))
	before := s.printBooks()
	s.close()
	s.open()
	require.Equal(t, before, s.printBooks())
}
