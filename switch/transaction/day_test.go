package transaction_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/dayend"
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
//	day end            the day-end of the newest closed day: the statement as people read it
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
		case "end":
			return s.endDay()
		}
	}
	var open uint32
	s.look(func(state *transaction.State) { open = state.BusinessDay() })
	return fmt.Sprintf("open: %s\n", date(open))
}

// EachOf makes the story the blocks of its ledger.
func (s *story) EachOf(_ context.Context, span ledger.Span, visit func(ledger.Block) error) error {
	for _, b := range s.journal.blocks {
		if b.First() >= span.First && b.Last() <= span.Last {
			if err := visit(b); err != nil {
				return err
			}
		}
	}
	return nil
}

// endDay ends the newest closed day and prints its statement. The days must be ended one after the other.
func (s *story) endDay() string {
	if s.closing.Fen == nil {
		s.closing = dayend.NewBalances()
	}
	accounts, sequence, err := s.engine.Accounts(context.Background())
	require.NoError(s.t, err)
	memory := dayend.Balances{Fen: make([]money.Fen, accounts.Rows)}
	accounts.Each(func(i uint32, a *ledger.Account) { memory.Fen[i] = a.Balance })
	in := dayend.Input{Opening: s.closing, Before: s.ended, Memory: memory, Zone: china, KindName: func(kind transaction.Kind) (string, string) {
		row, _ := transaction.CatalogueOf(kind)
		return row.Chinese, row.English
	}}
	open := s.journal.blocks[len(s.journal.blocks)-1].Day()
	for _, b := range s.journal.blocks {
		switch {
		case b.First() <= s.closing.Head.Sequence || b.Last() > sequence:
		case b.Day() == open:
			opened, err := in.Memory.TakeBack(b)
			require.NoError(s.t, err)
			in.Memory.Drop(opened)
			require.NoError(s.t, b.Each(func(_ uint64, e *ledger.Entry) error {
				if e.Kind == transaction.KindDaySwitch {
					over, err := transaction.ReadDaySwitch(e.Payload)
					in.Switch = dayend.DaySwitch{DaySwitch: over, Time: e.Time}
					return err
				}
				return nil
			}))
		default:
			in.Span = ledger.Span{Day: b.Day(), First: s.closing.Head.Sequence + 1, Last: b.Last(), Followed: true}
		}
	}
	s.look(func(state *transaction.State) { in.Campus = storyCampus(state) })
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	statement, closing, err := dayend.Close(context.Background(), s, &in, key)
	require.NoError(s.t, err)
	_, hash, err := dayend.Sign(&statement, key)
	require.NoError(s.t, err)
	s.closing, s.ended = closing, &dayend.SignedBefore{Statement: statement, Hash: hash}
	_, err = s.engine.RecordDayEnd(context.Background(), transaction.DayEnd{
		Day: uint32(statement.Day), Last: statement.Last, Block: ledger.Hash(statement.Root.LastBlock), Root: [32]byte(statement.Root.Root), Statement: hash, Passed: statement.Passed,
	}, s.now.UnixMicro())
	require.NoError(s.t, err)
	return dayend.Text(&statement)
}

func storyCampus(state *transaction.State) dayend.Campus {
	c := dayend.Campus{Desks: []string{""}, Operators: []string{""}, Accounts: make([]dayend.Account, state.Book().Accounts()+1)}
	for id := range c.Accounts[1:] {
		a := state.Book().Account(accountID(uint32(id + 1)))
		c.Accounts[id+1] = dayend.Account{Set: a.Set, Code: a.Code, Class: dayend.NoClass}
	}
	for _, class := range state.Classes() {
		c.Classes = append(c.Classes, class.Code)
	}
	for row := range state.Holders() {
		state.EachPurse(row, func(id ledger.AccountID) { c.Accounts[id].Class = state.Holder(row).Class })
	}
	for row := range state.Merchants() {
		m := state.MerchantAt(row)
		c.Merchants = append(c.Merchants, dayend.Merchant{Code: m.Code.String()})
		c.Accounts[m.Payable].Merchant = row + 1
	}
	for _, desk := range state.Desks() {
		c.Desks = append(c.Desks, desk.Code)
	}
	for _, operator := range state.Operators() {
		c.Operators = append(c.Operators, operator.Code)
	}
	return c
}

// sales sells the same again and again: sales terminal=POS00001 card=5 amount=5000.00 count=77.
func (s *story) sales(d *datadriven.TestData) string {
	var count int
	d.ScanArgs(s.t, "count", &count)
	approved := 0
	one := datadriven.TestData{Pos: d.Pos, Cmd: "buy"}
	for _, arg := range d.CmdArgs {
		if arg.Key != "count" {
			one.CmdArgs = append(one.CmdArgs, arg)
		}
	}
	for range count {
		if strings.Contains(s.send(s.request(&one)), ": 00 ") {
			approved++
		}
	}
	return fmt.Sprintf("%d of %d approved\n", approved, count)
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
