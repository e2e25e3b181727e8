package console_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger/money"
	"onecard/switch/console"
)

// TestOneNameOnePosting: 50 clients send the same request under the same name at once.
func TestOneNameOnePosting(t *testing.T) {
	s := newSite(t)
	s.must("zhang", "drawer_open", `{"desk":"D01","amount":"0"}`)
	before := s.spendable("2026001")
	var posted, repeated atomic.Int32
	var numbers sync.Map
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			a := s.send("zhang", http.MethodPost, "/operations/cash_deposit", "one-name-0001", `{"desk":"D01","holder":"2026001","amount":"10.00"}`)
			numbers.Store(a.receipt.Number, true)
			switch {
			case a.status == http.StatusCreated && !a.receipt.Repeated:
				posted.Add(1)
			case a.status == http.StatusOK && a.receipt.Repeated:
				repeated.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, posted.Load())
	require.EqualValues(t, 49, repeated.Load())
	count := 0
	numbers.Range(func(any, any) bool { count++; return true })
	require.Equal(t, 1, count, "one number for all")
	require.Equal(t, before+1000, s.spendable("2026001"))
}

// TestKilledAndStartedAgain: after kill -9 the same name gets the same receipt, a proposal still waits, the drawer is still open, the sheet
// and the audit log go on.
func TestKilledAndStartedAgain(t *testing.T) {
	s := newSite(t)
	s.must("zhang", "drawer_open", `{"desk":"D01","amount":"100.00"}`)
	deposit := func(amount string) answer {
		return s.send("zhang", http.MethodPost, "/operations/cash_deposit", "before-the-crash", `{"desk":"D01","holder":"2026001","amount":"`+amount+`"}`)
	}
	first := deposit("10.00")
	require.Equal(t, http.StatusCreated, first.status)
	proposal := s.post("wang", "/operations/adjustment", `{"holder":"2026002","amount":"1.00","reason":"更正"}`)
	require.Equal(t, http.StatusAccepted, proposal.status)
	batch := s.send("wang", http.MethodPost, "/batches", "batch-before", `{"kind":"subsidy","programme":"aid","reason":"补助","lines":[{"holder":"2026003","amount":"5.00"}]}`)
	require.Equal(t, http.StatusAccepted, batch.status)

	s = s.killed()
	again := deposit("10.00")
	require.Equal(t, http.StatusOK, again.status, "%s", again.body)
	require.True(t, again.receipt.Repeated)
	again.receipt.Repeated = false
	require.Equal(t, first.receipt, again.receipt)
	other := deposit("11.00")
	require.Equal(t, http.StatusConflict, other.status)
	require.Equal(t, first.receipt.Number, other.problem.First.Number, "both are shown")
	require.Equal(t, "10.00", other.problem.First.Amount.String())

	require.Equal(t, string(batch.body), string(s.send("wang", http.MethodPost, "/batches", "batch-before", `{"kind":"subsidy","programme":"aid","reason":"补助","lines":[{"holder":"2026003","amount":"5.00"}]}`).body))
	approved := s.post("zhao", "/proposals/"+proposal.receipt.Number+"/approve", "{}")
	require.Equal(t, http.StatusCreated, approved.status, "%s", approved.body)
	s = s.killed()
	repeated := s.post("zhao", "/proposals/"+proposal.receipt.Number+"/approve", "{}")
	require.Equal(t, http.StatusOK, repeated.status)
	require.Equal(t, approved.receipt.Number, repeated.receipt.Number)
	taken := s.post("wu", "/proposals/"+proposal.receipt.Number+"/approve", "{}")
	require.Equal(t, http.StatusConflict, taken.status)
	require.Equal(t, "proposal_decided", taken.problem.Rule)

	s.must("zhang", "drawer_close", `{"desk":"D01","amount":"110.00"}`)
	var sheet console.Sheet
	s.get("sun", "/desks/D01/sheet", &sheet)
	require.Len(t, sheet.Drawers, 1)
	require.Equal(t, "0.00", sheet.Drawers[0].Difference.String())
	s.balanced()
	s.stop()
	report, err := console.CheckAudit(s.folder, console.AuditKey{7}, sheet.AuditHead)
	require.NoError(t, err)
	require.Empty(t, report.Faults)
}

// TestTwoHundredClients: 200 clients at once, 5 deposits each, some repeated. Every fen is where it belongs.
func TestTwoHundredClients(t *testing.T) {
	s := newSite(t)
	s.must("zhang", "drawer_open", `{"desk":"D01","amount":"0"}`)
	s.server.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = 200
	const clients, each = 200, 3
	var wrong atomic.Int32
	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() {
			holder := holderNumber(n%100 + 1)
			for i := range each {
				name := fmt.Sprintf("client-%03d-%d", n, i)
				body := fmt.Sprintf(`{"desk":"D01","holder":"%s","amount":"0.%02d"}`, holder, i+1)
				for range 1 + (n+i)%2 {
					if a := s.send("zhang", http.MethodPost, "/operations/cash_deposit", name, body); a.status != http.StatusCreated && a.status != http.StatusOK {
						wrong.Add(1)
					}
				}
			}
		})
	}
	all.Wait()
	require.Zero(t, wrong.Load())
	var desks struct{ Desks []console.DeskView }
	s.get("sun", "/desks", &desks)
	require.EqualValues(t, clients*each, desks.Desks[0].Acts)
	require.Equal(t, money.Fen(clients*(1+2+3)), money.Fen(desks.Desks[0].Expected))
	require.Equal(t, money.Fen(5000+2*6), s.spendable("2026001"))
	s.balanced()
	require.Empty(t, s.events.failed)
}

// TestPages: proposals and batches page by page, each once, while more come.
func TestPages(t *testing.T) {
	s := newSite(t)
	var wanted []string
	for i := range 7 {
		a := s.post("wang", "/operations/adjustment", fmt.Sprintf(`{"holder":"2026001","amount":"%d.00","reason":"更正"}`, i+1))
		wanted = append(wanted, a.receipt.Number)
		require.Equal(t, http.StatusAccepted, s.post("wang", "/batches", fmt.Sprintf(`{"kind":"subsidy","programme":"aid","reason":"补助 %d","lines":[{"holder":"2026003","amount":"5.00"}]}`, i)).status)
	}
	var got []string
	for next := ""; ; {
		var page struct {
			Proposals []console.Proposal
			Next      string
		}
		s.get("zhao", "/proposals?limit=3"+next, &page)
		for _, p := range page.Proposals {
			got = append(got, p.Number)
		}
		if page.Next == "" {
			break
		}
		next = "&after=" + page.Next
	}
	require.Equal(t, wanted, got)
	var batches []string
	for next := ""; ; {
		var page struct {
			Batches []console.BatchStatus
			Next    string
		}
		s.get("zhao", "/batches?limit=2"+next, &page)
		for _, b := range page.Batches {
			batches = append(batches, b.Number)
		}
		if page.Next == "" {
			break
		}
		next = "&after=" + page.Next
		s.post("wang", "/batches", `{"kind":"subsidy","programme":"aid","reason":"one more, and more","lines":[{"holder":"2026003","amount":"5.00"}]}`)
	}
	require.Len(t, batches, 7, "what comes meanwhile is newer than every page")
	require.True(t, slices.IsSortedFunc(batches, func(a, b string) int { return -compare(a, b) }))
}

func compare(a, b string) int {
	if a < b {
		return -1
	} else if a > b {
		return 1
	}
	return 0
}

// cutTransport does what is asked and loses the answer, a few times.
type cutTransport struct {
	under http.RoundTripper
	cuts  atomic.Int32
}

func (c *cutTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := c.under.RoundTrip(r)
	if err == nil && c.cuts.Add(-1) >= 0 {
		_ = response.Body.Close()
		return nil, errors.New("the connection was cut")
	}
	return response, err
}

// TestAClientWhoseAnswerIsLostAsksAgain: under the same name; the deposit is posted once.
func TestAClientWhoseAnswerIsLostAsksAgain(t *testing.T) {
	s := newSite(t)
	s.must("zhang", "drawer_open", `{"desk":"D01","amount":"0"}`)
	cut := &cutTransport{under: s.server.Client().Transport}
	client := console.NewClient(s.server.URL, s.tokens["zhang"], cut)
	client.Pause = func(context.Context, int) {}
	retries := 0
	client.Retry = func(int, error) { retries++ }
	cut.cuts.Store(3)
	var r console.Receipt
	require.NoError(t, client.Act(t.Context(), "/operations/cash_deposit", console.NewName(), map[string]any{"desk": "D01", "holder": "2026001", "amount": "10.00"}, &r))
	require.True(t, r.Repeated)
	require.Equal(t, 3, retries)
	require.Equal(t, money.Fen(6000), s.spendable("2026001"))

	cut.cuts.Store(100)
	err := client.Act(t.Context(), "/operations/cash_deposit", "a-name-of-mine", map[string]any{"desk": "D01", "holder": "2026001", "amount": "10.00"}, &r)
	require.ErrorIs(t, err, console.ErrUnanswered)
	cut.cuts.Store(0)
	require.NoError(t, client.Act(t.Context(), "/operations/cash_deposit", "a-name-of-mine", map[string]any{"desk": "D01", "holder": "2026001", "amount": "10.00"}, &r))
	require.Equal(t, money.Fen(7000), s.spendable("2026001"))
	var p *console.Problem
	require.ErrorAs(t, client.Act(t.Context(), "/operations/cash_deposit", console.NewName(), map[string]any{}, &r), &p)
	require.Equal(t, "invalid_fields", p.Rule)
	require.Contains(t, p.Error(), "body")
}
