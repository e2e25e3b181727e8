package transaction_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/switch/transaction"
)

type entry = ledger.Entry

func accountID(id uint32) ledger.AccountID { return ledger.AccountID(id) }

// TestStories runs the scripts in testdata: handbook 3.2, 3.4, 3.6, 3.8, 3.11, 3.12 with the handbook's numbers.
func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := newStory(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			switch d.Cmd {
			case "campus":
				s.cast()
				return "ok\n"
			case "books":
				return s.printBooks()
			case "restart":
				before := s.printBooks()
				s.close()
				s.open()
				require.Equal(t, before, s.printBooks(), "books differ after a restart")
				return s.heard()
			case "checkpoint":
				snapshot, err := s.engine.Snapshot(context.Background())
				require.NoError(t, err)
				require.NoError(t, s.checkpoints.SaveCheckpoint(context.Background(), snapshot))
				return "ok\n"
			case "card":
				return s.changeCard(d)
			case "holder", "gate":
				return s.register(d)
			case "disk":
				require.NoError(t, s.engine.SetDiskLow(context.Background(), d.HasArg("low")))
				return "ok\n"
			case "group":
				return s.group(d)
			case "day":
				return s.day(d)
			case "sales":
				return s.sales(d)
			case "rules":
				return s.publish(d)
			case "versions":
				return s.versions()
			case "records":
				return s.records()
			}
			if said, ok := s.centreCommand(d); ok {
				return said
			}
			r := s.request(d)
			if r.Load != 0 {
				r.Origin, r.Terminal = 0, 0
				require.NoError(t, s.engine.Submit(r))
				s.look(func(*transaction.State) {})
				return s.heard()
			}
			said := s.send(r)
			if d.Cmd == "buy" {
				s.remember(said)
			}
			return said
		})
		s.audit()
	})
}

// group sends the requests of its input lines together, so that they are decided in one group.
func (s *story) group(d *datadriven.TestData) string {
	var requests []transaction.Request
	for _, line := range strings.Split(strings.TrimSpace(d.Input), "\n") {
		cmd, args, err := datadriven.ParseLine(line)
		require.NoError(s.t, err)
		requests = append(requests, s.request(&datadriven.TestData{Pos: d.Pos, Cmd: cmd, CmdArgs: args}))
	}
	return s.send(requests...)
}

// register imports one more holder with his card, or one more gate with its door.
//
//	holder card=5 main=50.00 subsidy=1.20 class=student groups=3 bank=0 pin=0 expires=2026-11-24
//	gate terminal=GATE0002 group=3 weekdays=1111100 from=22:00 to=06:00
func (s *story) register(d *datadriven.TestData) string {
	text := map[string]string{"class": "student", "main": "0", "subsidy": "0", "groups": "0", "bank": "6217000012345678", "pin": "1234", "from": "00:00", "to": "00:00"}
	for _, arg := range d.CmdArgs {
		text[arg.Key] = strings.Join(arg.Vals, "")
	}
	number := func(key string, base int) uint64 {
		n, err := strconv.ParseUint(text[key], base, 64)
		require.NoError(s.t, err, key)
		return n
	}
	dir := &transaction.Directory{}
	if d.Cmd == "gate" {
		grant := transaction.Grant{Group: uint8(number("group", 10)), From: minute(text["from"]), To: minute(text["to"])}
		for i, day := range text["weekdays"] { // from Monday
			if day == '1' {
				grant.Weekdays |= 1 << i
			}
		}
		row := terminalRow(text["terminal"], "103410054110001", transaction.TerminalGate)
		row.Door = "door of " + text["terminal"]
		dir.Doors, dir.Terminals = []transaction.DoorRow{{Code: row.Door, Grants: []transaction.Grant{grant}}}, []transaction.TerminalRow{row}
	} else {
		h := transaction.HolderRow{Number: "holder" + text["card"], Class: text["class"], BankAccount: number("bank", 10), OpeningMain: fen(text["main"]), OpeningSubsidy: fen(text["subsidy"])}
		for _, group := range strings.Split(text["groups"], ";") {
			n, _ := strconv.Atoi(group)
			h.Groups |= 1 << n
		}
		c := transaction.CardRow{Number: 9156000000000000 + transaction.CardNumber(number("card", 10)), Holder: h.Number, PINValue: number("pin", 10)}
		if text["expires"] != "" {
			day, err := time.Parse(time.DateOnly, text["expires"])
			require.NoError(s.t, err)
			c.ExpiryDay = uint32(day.Unix() / 86400)
		}
		dir.Holders, dir.Cards = []transaction.HolderRow{h}, []transaction.CardRow{c}
	}
	faults, err := s.engine.Import(context.Background(), dir, s.now.UnixMicro())
	require.NoError(s.t, err)
	if len(faults) > 0 {
		return fmt.Sprintln(faults)
	}
	return "ok\n"
}

func minute(clock string) uint16 {
	at, err := time.Parse("15:04", clock)
	if err != nil {
		panic(err)
	}
	return uint16(at.Hour()*60 + at.Minute())
}

func (s *story) changeCard(d *datadriven.TestData) string {
	var number int
	var state string
	d.ScanArgs(s.t, "number", &number)
	d.ScanArgs(s.t, "to", &state)
	to, err := transaction.ParseCardState(state)
	require.NoError(s.t, err)
	change := transaction.CardStateChange{Card: 9156000000000000 + transaction.CardNumber(number), To: to, Operator: "test"}
	if err := s.engine.ChangeCard(context.Background(), change, s.now.UnixMicro()); err != nil {
		return err.Error() + "\n"
	}
	return "ok\n"
}
