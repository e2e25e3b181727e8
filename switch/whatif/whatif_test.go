package whatif_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/ledger"
	"onecard/ledger/ledgertest"
	"onecard/ledger/money"
	"onecard/switch/campus"
	"onecard/switch/campus/consumption"
	"onecard/switch/rules"
	"onecard/switch/rules/rulestest"
	"onecard/switch/transaction"
	"onecard/switch/whatif"
)

// blocks is a ledger in memory.
type blocks struct{ all []ledger.Block }

func (j *blocks) Append(b ledger.Block) error {
	copied, err := ledger.OpenBlock(append([]byte(nil), b.Bytes()...))
	j.all = append(j.all, copied)
	return err
}

func (j *blocks) Wait(uint64) error { return nil }

func (j *blocks) Head() ledger.Head {
	if len(j.all) == 0 {
		return ledger.Head{}
	}
	return j.all[len(j.all)-1].Head()
}

func (j *blocks) Replay(_ context.Context, after uint64, visit func(ledger.Block) error) error {
	for _, b := range j.all {
		if b.Last() <= after {
			continue
		}
		if err := visit(b); err != nil {
			return err
		}
	}
	return nil
}

func (j *blocks) DayBegins(day uint32) (after uint64, err error) {
	for _, b := range j.all {
		if b.Day() >= day {
			break
		}
		after = b.Last()
	}
	return after, nil
}

// script is a door through which a test's requests come, one turn each, and then the end.
type script struct {
	requests []transaction.Request
	end      context.CancelFunc
}

func (s *script) Poll(_ time.Duration, requests []transaction.Request) ([]transaction.Request, error) {
	if len(s.requests) == 0 {
		s.end()
		return requests, nil
	}
	requests = append(requests, s.requests[0])
	s.requests = s.requests[1:]
	return requests, nil
}
func (*script) Answer([]transaction.Decision) {}
func (*script) Wake()                         {}

type noBank struct{}

func (noBank) Load(transaction.LoadOrder)     {}
func (noBank) Reverse(transaction.LoadOrder)  {}
func (noBank) Withdraw(transaction.LoadOrder) {}

var (
	classes   = []string{"student", "staff", "temporary"}
	merchants = []string{"103410054110001", "103410054110002", "103410054110003"}
	china     = time.FixedZone("CST", 8*3600)
	monday    = time.Date(2026, 11, 23, 6, 0, 0, 0, china)
)

func day(t time.Time) uint32 { return uint32((t.Unix() + 8*3600) / 86400) }

// world is a small campus with a ledger.
type world struct {
	journal *blocks
	engine  *transaction.Engine
}

func newWorld(t require.TestingT) *world {
	w := &world{journal: &blocks{}}
	w.open(t, monday)
	dir := &transaction.Directory{}
	for i, class := range classes {
		dir.Classes = append(dir.Classes, transaction.ClassRow{Code: class, PINDay: money.Fen(10000 * i), DayCount: 8})
	}
	for i, code := range merchants {
		m := transaction.MerchantCode([]byte(code))
		dir.Merchants = append(dir.Merchants, transaction.MerchantRow{Code: m})
		dir.Terminals = append(dir.Terminals, transaction.TerminalRow{Code: transaction.TerminalCode([]byte(fmt.Sprintf("POS%05d", i))), Merchant: m, Type: transaction.TerminalPOS, SealedKey: []byte{1}})
	}
	for i := range 4 {
		number := fmt.Sprint(i)
		dir.Holders = append(dir.Holders, transaction.HolderRow{Number: number, Class: classes[i%3], OpeningMain: money.Fen(9000 * (i + 1)), OpeningSubsidy: 1500})
		dir.Cards = append(dir.Cards, transaction.CardRow{Number: card(i), Holder: number, PINValue: 1234})
	}
	faults, err := w.engine.ImportBeforeRun(dir, monday.UnixMicro())
	require.NoError(t, err)
	require.Empty(t, faults)
	return w
}

func card(i int) transaction.CardNumber { return 9156000000000001 + transaction.CardNumber(i) }

func (w *world) open(t require.TestingT, now time.Time) {
	routes := campus.Routes([]campus.Subsystem{consumption.New(consumption.DefaultConfig())})
	engine, err := transaction.Open(context.Background(), transaction.Config{Journal: w.journal, Routes: routes, Site: transaction.Site{Window: 16, ZoneSeconds: 8 * 3600}}, now.UnixMicro())
	require.NoError(t, err)
	w.engine = engine
}

func (w *world) publish(t require.TestingT, tables *rules.Tables, now time.Time) {
	_, faults, err := w.engine.PublishRulesBeforeRun(&transaction.Publication{Tables: tables, Author: "lin", Reason: "test"}, now.UnixMicro())
	require.NoError(t, err)
	require.Empty(t, faults)
}

func (w *world) send(t require.TestingT, requests []transaction.Request) {
	ctx, cancel := context.WithCancel(context.Background())
	w.engine.Connect(&script{requests, cancel}, noBank{})
	require.NoError(t, w.engine.Run(ctx, requests[0].Received))
}

func (w *world) ask(t require.TestingT, tables *rules.Tables, from, to time.Time) *whatif.Result {
	look := func(_ context.Context, look func(*transaction.State)) error { look(w.engine.State()); return nil }
	r, err := whatif.Run(context.Background(), whatif.Question{Tables: tables, From: day(from), To: day(to)}, w.journal, look, nil)
	require.NoError(t, err)
	return r
}

// anyRequests draws purchases and reversals over some days.
func anyRequests(t *rapid.T) []transaction.Request {
	now := monday
	var requests []transaction.Request
	for i := range rapid.IntRange(5, 60).Draw(t, "requests") {
		now = now.Add(time.Duration(rapid.IntRange(1, 240).Draw(t, "minutes")) * time.Minute)
		r := transaction.Request{
			Kind: transaction.KindPurchase, Terminal: transaction.TerminalID(rapid.IntRange(1, len(merchants)).Draw(t, "terminal")), Batch: 1, Trace: uint32(i + 1),
			Card: card(rapid.IntRange(0, 4).Draw(t, "card")), Amount: money.Fen(rapid.IntRange(0, 2500).Draw(t, "amount")), Purse: transaction.Purse(rapid.IntRange(0, 2).Draw(t, "purse")),
			PINValue: []uint64{0, 0, 1234, 1234, 9}[rapid.IntRange(0, 4).Draw(t, "pin")],
		}
		if i > 0 && rapid.IntRange(0, 4).Draw(t, "reversal") == 0 {
			r = requests[len(requests)-1-rapid.IntRange(0, min(i-1, 3)).Draw(t, "back")]
			r.Kind = transaction.KindReversal
		}
		r.Origin, r.Received = transaction.Origin(i+1), now.UnixMicro()
		requests = append(requests, r)
	}
	return requests
}

// TestTheSameRulesChangeNothing: under the rules that were in force the what-if gives what happened, to the fen; an auditor finds nothing wrong
// with the ledger, and every record adds up.
func TestTheSameRulesChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		tables := rulestest.Tables(t, classes, merchants)
		w.publish(t, tables, monday)
		requests := anyRequests(t)
		w.send(t, requests)
		auditor := ledgertest.New()
		for _, b := range w.journal.all {
			auditor.Block(b.First(), b.Bytes())
		}
		require.Empty(t, auditor.Finish().Findings)
		w.checkRecords(t)
		r := w.ask(t, tables, monday, monday.AddDate(0, 1, 0))
		for _, rows := range [][]whatif.Row{r.Merchants, r.Classes, {r.Total}} {
			for _, row := range rows {
				row.WhatIf.PINAsked = 0
				require.Equal(t, row.Actual, row.WhatIf, "%s", row.Code)
			}
		}
		others := rulestest.Tables(t, classes, merchants)
		o := w.ask(t, others, monday, monday.AddDate(0, 1, 0))
		require.Equal(t, r.Total.Actual, o.Total.Actual)
		checkSums(t, o)
	})
}

// checkRecords: what a record says of its price is what its legs move, and nothing is negative.
func (w *world) checkRecords(t *rapid.T) {
	for _, b := range w.journal.all {
		require.NoError(t, b.Each(func(sequence uint64, e *ledger.Entry) error {
			if e.Kind != transaction.KindPurchase {
				return nil
			}
			line, ok := transaction.ReadEntry(sequence, b.Day(), e)
			require.True(t, ok && line.Priced)
			p := &line.Price
			require.Equal(t, p.List-p.Discount+p.Fee, line.Amount)
			require.True(t, p.Discount >= 0 && p.Discount <= max(0, p.List) && p.Fee >= 0)
			var holders, sum money.Fen
			for _, l := range e.Legs {
				sum += l.Amount
				if code := w.engine.State().Book().Account(l.Account).Code; code == ledger.CodeMainPurse || code == ledger.CodeSubsidyPurse {
					holders -= l.Amount
				}
			}
			require.Zero(t, sum)
			if line.Reason == transaction.ReasonNone {
				require.Equal(t, p.Payable(), holders)
			}
			return nil
		}))
	}
}

// checkSums: merchants, classes and the total say the same, and what holders would pay is what the others would get.
func checkSums(t *rapid.T, r *whatif.Result) {
	for _, rows := range [][]whatif.Row{r.Merchants, r.Classes} {
		var sum whatif.Sums
		for _, row := range rows {
			require.True(t, row.WhatIf.Count >= 0 && row.WhatIf.Refused >= 0 && row.WhatIf.Payable >= 0 && row.WhatIf.Discount <= row.WhatIf.List)
			negative := (&whatif.Sums{}).Minus(&row.WhatIf)
			sum = sum.Minus(&negative)
		}
		require.Equal(t, r.Total.WhatIf, sum)
	}
	total := &r.Total.WhatIf
	require.Equal(t, total.Payable, total.Merchant()-total.School+total.Fee)
}

// TestOtherRules: the numbers of a small case, by hand.
func TestOtherRules(t *testing.T) {
	w := newWorld(t)
	buy := func(trace uint32, holder int, amount money.Fen, at time.Time) transaction.Request {
		return transaction.Request{Kind: transaction.KindPurchase, Origin: 1, Terminal: 1, Batch: 1, Trace: trace, Card: card(holder), Amount: amount, Received: at.UnixMicro()}
	}
	noon := monday.Add(6 * time.Hour)
	reversed := buy(4, 1, 1000, noon.AddDate(0, 0, 1))
	back := reversed
	back.Kind = transaction.KindReversal
	w.send(t, []transaction.Request{
		buy(1, 1, 1350, noon), buy(2, 0, 780, noon), buy(3, 1, 9000, noon.Add(time.Hour)), // a student, a staff member: the last needs a PIN now
		reversed, back, buy(5, 1, 500, noon.AddDate(0, 0, 1)), buy(6, 1, 500, noon.AddDate(0, 0, 2)),
	})
	tables := &rules.Tables{
		Meals:      []rules.Meal{{Number: 1, Code: "lunch", Chinese: "午餐", English: "lunch", From: 660, To: 840}},
		Privileges: []rules.Privilege{{Scope: rules.Scope{Classes: []string{"staff"}}, Mode: rules.ModePercent, Rate: 1200, SchoolBears: true}},
		Fees:       []rules.Fee{{Scope: rules.Scope{Classes: []string{"student"}}, Rate: 1500}},
	}
	r := w.ask(t, tables, monday, monday.AddDate(0, 0, 1))
	require.Equal(t, whatif.Sums{Count: 3, List: 1350 + 780 + 500, Payable: 1350 + 780 + 500}, r.Total.Actual)
	require.Equal(t, whatif.Sums{Count: 3, List: 1350 + 780 + 500, Discount: 162 + 60, School: 162 + 60, Fee: 117, Payable: 1188 + 897 + 440}, r.Total.WhatIf)
	require.Len(t, r.Merchants, 1)
	require.Equal(t, "staff", r.Classes[1].Code)
	require.Equal(t, money.Fen(1350+500), r.Classes[1].WhatIf.Merchant())
	require.Equal(t, "2026-11-23", r.From)
	_, err := whatif.Run(t.Context(), whatif.Question{Tables: tables, From: 2, To: 1}, w.journal, nil, nil)
	require.Error(t, err)
}
