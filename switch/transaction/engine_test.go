package transaction_test

import (
	"context"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/switch/transaction"
)

func accountID(id uint32) ledger.AccountID { return ledger.AccountID(id) }

// TestStories runs the scripts in testdata: handbook 3.2, 3.4, 3.6, 3.8, 3.12 with the handbook's numbers.
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
			case "disk":
				require.NoError(t, s.engine.SetDiskLow(context.Background(), d.HasArg("low")))
				return "ok\n"
			case "group":
				return s.group(d)
			}
			r := s.request(d)
			if r.Load != 0 {
				r.Origin, r.Terminal = 0, 0
				require.NoError(t, s.engine.Submit(r))
				s.look(func(*transaction.State) {})
				return s.heard()
			}
			return s.send(r)
		})
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
