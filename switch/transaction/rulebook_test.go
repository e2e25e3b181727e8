package transaction_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"onecard/switch/rules"
	"onecard/switch/rules/rulefile"
	"onecard/switch/transaction"
)

// publish reads a file of rules, or returns to an older version: rules [effective=2026-11-24T00:00] [return=1] [at=12:00]
func (s *story) publish(d *datadriven.TestData) string {
	p := &transaction.Publication{Author: "lin", Approver: "zhao", Reason: "秋季学期"}
	for _, arg := range d.CmdArgs {
		switch value := strings.Join(arg.Vals, ""); arg.Key {
		case "effective":
			at, err := time.ParseInLocation("2006-01-02T15:04", value, china)
			require.NoError(s.t, err)
			p.Effective = at.UnixMicro()
		case "return":
			_, err := fmt.Sscan(value, &p.ReturnTo)
			require.NoError(s.t, err)
		case "at":
			s.setClock(value)
		case "author":
			p.Author = value
		}
	}
	if d.Input != "" {
		var err error
		p.Tables, err = rulefile.Read("rules.yaml", []byte(d.Input))
		require.NoError(s.t, err)
	}
	version, faults, err := s.engine.PublishRules(context.Background(), p, s.now.UnixMicro())
	if err = errors.Join(err, joined(faults)); err != nil {
		return err.Error() + "\n"
	}
	return fmt.Sprintf("version %d, tables of %d, from %s\n", version.Number, version.Names, time.UnixMicro(version.Effective).In(china).Format("2006-01-02 15:04"))
}

func joined(faults []rules.Fault) error {
	var all []error
	for _, f := range faults {
		all = append(all, errors.New(f.String()))
	}
	return errors.Join(all...)
}

// versions lists what has been published, and which is in force now.
func (s *story) versions() string {
	var b strings.Builder
	s.look(func(state *transaction.State) {
		for _, v := range state.RulesVersions() {
			fmt.Fprintf(&b, "%d: tables of %d, from %s, by %s with %s: %s\n", v.Number, v.Names, time.UnixMicro(v.Effective).In(china).Format("2006-01-02 15:04"), v.Author, v.Approver, v.Reason)
		}
		number, until := state.RulesInForce(s.now.UnixMicro())
		fmt.Fprintf(&b, "in force: %d", number)
		if until != math.MaxInt64 {
			fmt.Fprintf(&b, " until %s", time.UnixMicro(until).In(china).Format("2006-01-02 15:04"))
		}
	})
	return b.String() + "\n"
}

// records prints what a statement reads of the last purchases and reversals.
func (s *story) records() string {
	var b strings.Builder
	for _, block := range s.journal.blocks {
		require.NoError(s.t, block.Each(func(sequence uint64, e *entry) error {
			if e.Kind != transaction.KindPurchase && e.Kind != transaction.KindReversal {
				return nil
			}
			line, ok := transaction.ReadEntry(sequence, block.Day(), e)
			require.True(s.t, ok)
			p := &line.Price
			fmt.Fprintf(&b, "%d %d %-13s class %d meal %d rules %d: list %s discount %s fee %s how %d, amount %s, legs", sequence, line.Kind, line.Reason, line.Class, line.Meal, line.Version, p.List, p.Discount, p.Fee, p.How, line.Amount)
			for _, l := range e.Legs {
				fmt.Fprintf(&b, " %d:%s", l.Account, l.Amount)
			}
			b.WriteString("\n")
			return nil
		}))
	}
	return b.String()
}

// TestRulesBeforeRun: a ledger that nobody serves takes a version too, and the next owner finds it.
func TestRulesBeforeRun(t *testing.T) {
	s := &story{t: t, journal: &memoryJournal{}, checkpoints: &memoryCheckpoints{}, now: noon}
	open := func() *transaction.Engine {
		e, err := transaction.Open(t.Context(), transaction.Config{Journal: s.journal, Routes: routes(), Site: transaction.DefaultSite()}, noon.UnixMicro())
		require.NoError(t, err)
		return e
	}
	e := open()
	faults, err := e.ImportBeforeRun(&transaction.Directory{Classes: []transaction.ClassRow{{Code: "staff"}}}, noon.UnixMicro())
	require.NoError(t, err)
	require.Empty(t, faults)
	tables := &rules.Tables{Fees: []rules.Fee{{Scope: rules.Scope{Classes: []string{"staff"}}, Rate: 100}}}
	_, wrong, err := e.PublishRulesBeforeRun(&transaction.Publication{Tables: &rules.Tables{Fees: []rules.Fee{{Scope: rules.Scope{Classes: []string{"nobody"}}}}}, Author: "lin", Reason: "x"}, noon.UnixMicro())
	require.NoError(t, err)
	require.Len(t, wrong, 1)
	before := len(s.journal.blocks)
	_, wrong, err = e.PublishRulesBeforeRun(&transaction.Publication{Tables: tables, Author: "lin", Reason: "x"}, noon.UnixMicro())
	require.NoError(t, err)
	require.Empty(t, wrong)
	require.Greater(t, len(s.journal.blocks), before)
	state := open().State()
	require.Len(t, state.RulesVersions(), 1)
	require.Equal(t, tables.Append(nil), state.RulesVersions()[0].Tables)
}
