package console_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"onecard/ledger/money"
	"onecard/switch/console"
)

// TestStories: what an accountant would do at the desks, and what he would see. Commands:
//
//	act WHO KIND [key=NAME]     POST /operations/KIND with the input as its body; prints the slip, or the refusal
//	approve WHO NUMBER          a second person; prints the slip
//	reject WHO NUMBER           the input is the body
//	batch WHO                   POST /batches with the input
//	turn WHO NUMBER approve|reject|cancel
//	done NUMBER                 waits until a batch is done
//	holder NUMBER               the purses
//	sheet DESK                  the day sheet
//	proposals                   what waits
func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		s := newSite(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			tell := map[string]func(*site, *datadriven.TestData) string{
				"act": tellAct, "approve": tellApprove, "reject": tellReject, "batch": tellBatch, "turn": tellTurn, "done": tellDone, "holder": tellHolder,
				"sheet": tellSheet, "proposals": tellProposals,
			}[d.Cmd]
			require.NotNil(t, tell, d.Cmd)
			text := tell(s, d)
			s.balanced()
			return text
		})
	})
}

func word(d *datadriven.TestData, i int) string { return d.CmdArgs[i].Key }

func tellAct(s *site, d *datadriven.TestData) string {
	key := console.NewName()
	for _, arg := range d.CmdArgs {
		if arg.Key == "key" {
			key = arg.Vals[0]
		}
	}
	return told(s, s.send(word(d, 0), http.MethodPost, "/operations/"+word(d, 1), key, d.Input))
}

// told is the slip of what was done, or the refusal.
func told(s *site, a answer) string {
	if a.status >= 400 {
		var b strings.Builder
		fmt.Fprintf(&b, "%d %s: %s / %s\n", a.status, a.problem.Rule, a.problem.DetailZH, a.problem.Detail)
		for _, f := range a.problem.Errors {
			fmt.Fprintf(&b, "  %s %s: %s / %s\n", f.Location, f.Rule, f.MessageZH, f.Message)
		}
		return b.String()
	}
	var b strings.Builder
	require.NoError(s.t, a.receipt.Slip(&b, console.Slip58))
	return b.String()
}

func tellApprove(s *site, d *datadriven.TestData) string {
	return told(s, s.post(word(d, 0), "/proposals/"+word(d, 1)+"/approve", "{}"))
}

func tellReject(s *site, d *datadriven.TestData) string {
	a := s.post(word(d, 0), "/proposals/"+word(d, 1)+"/reject", d.Input)
	if a.status >= 400 {
		return told(s, a)
	}
	return fmt.Sprintf("%d closed\n", a.status)
}

func tellBatch(s *site, d *datadriven.TestData) string {
	return toldBatch(s, s.post(word(d, 0), "/batches", d.Input))
}

func toldBatch(s *site, a answer) string {
	if a.status >= 400 {
		return told(s, a)
	}
	return fmt.Sprintf("%d %s", a.status, a.body)
}

func tellTurn(s *site, d *datadriven.TestData) string {
	a := s.post(word(d, 0), "/batches/"+word(d, 1)+"/"+word(d, 2), d.Input)
	if a.status >= 400 {
		return told(s, a)
	}
	return fmt.Sprintf("%d approved by %s\n", a.status, regexp.MustCompile(`"approver":"([a-z]*)"`).FindSubmatch(a.body)[1])
}

func tellDone(s *site, d *datadriven.TestData) string {
	var b console.BatchStatus
	for range 1000 {
		if s.get("sun", "/batches/"+word(d, 0), &b); b.State == "done" {
			return fmt.Sprintf("%s posted %d refused %d moved %s\n", b.State, b.Posted, b.Refused, b.Moved)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return b.State
}

func tellHolder(s *site, d *datadriven.TestData) string {
	var h console.HolderView
	s.get("sun", "/holders/"+word(d, 0), &h)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s spendable %s\n", h.Number, h.Name, h.Spendable)
	for _, p := range h.Purses {
		if p.Count != nil {
			fmt.Fprintf(&b, "  %-8s %d %8d times\n", p.Purse, p.Code, *p.Count)
			continue
		}
		fmt.Fprintf(&b, "  %-8s %d %8s %s\n", p.Purse, p.Code, money.Fen(*p.Balance), p.Expiry)
	}
	if h.Debt != nil {
		fmt.Fprintf(&b, "  debt          %8s\n", *h.Debt)
	}
	return b.String()
}

func tellSheet(s *site, d *datadriven.TestData) string {
	var sheet console.Sheet
	s.get("sun", "/desks/"+word(d, 0)+"/sheet", &sheet)
	var b strings.Builder
	require.NoError(s.t, sheet.Print(&b))
	return regexp.MustCompile(`\n打印[^\n]*\n`).ReplaceAllString(b.String(), "")
}

func tellProposals(s *site, _ *datadriven.TestData) string {
	var all struct{ Proposals []console.Proposal }
	s.get("sun", "/proposals", &all)
	var b strings.Builder
	for _, p := range all.Proposals {
		fmt.Fprintf(&b, "%s %s %s %s %s\n", p.Number, p.Asked.KindZH, p.Asked.Amount, p.Asked.Operator, p.Asked.Reason)
	}
	return b.String()
}
