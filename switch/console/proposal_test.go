package console_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/switch/console"
)

// TestProposalAskedAgain: the answer to a proposal was lost and it is sent again under its name: while it waits, when it is approved, and when
// it was rejected. It is never proposed twice.
func TestProposalAskedAgain(t *testing.T) {
	s := newSite(t)
	ask := func() answer {
		return s.send("wang", http.MethodPost, "/operations/adjustment", "lost-answer", `{"holder":"2026002","amount":"1.00","reason":"更正"}`)
	}
	first := ask()
	require.Equal(t, http.StatusAccepted, first.status)
	again := ask()
	require.Equal(t, first.receipt.Number, again.receipt.Number, again.body)
	require.Equal(t, "pending", again.receipt.Status)
	require.True(t, again.receipt.Repeated)
	other := s.send("wang", http.MethodPost, "/operations/adjustment", "lost-answer", `{"holder":"2026002","amount":"2.00","reason":"更正"}`)
	require.Equal(t, "key_reused", other.problem.Rule)
	require.Equal(t, first.receipt.Number, other.problem.First.Number)
	approved := s.post("zhao", "/proposals/"+first.receipt.Number+"/approve", `{}`)
	require.Equal(t, approved.receipt.Number, ask().receipt.Number)

	withdrawn := func() answer {
		return s.send("wang", http.MethodPost, "/operations/adjustment", "withdrawn-one", `{"holder":"2026002","amount":"1.00","reason":"更正"}`)
	}
	second := withdrawn()
	require.Equal(t, http.StatusOK, s.post("wang", "/proposals/"+second.receipt.Number+"/reject", `{"reason":"误"}`).status)
	require.Equal(t, "proposal_closed", withdrawn().problem.Rule)
}

// TestOldProposal: whether a proposal of two months ago was approved is not remembered, and nobody is told that it was rejected.
func TestOldProposal(t *testing.T) {
	s := newSite(t)
	asked := s.post("wang", "/operations/adjustment", `{"holder":"2026002","amount":"1.00","reason":"更正"}`)
	require.Equal(t, http.StatusAccepted, asked.status)
	approve := func() answer { return s.post("zhao", "/proposals/"+asked.receipt.Number+"/approve", `{}`) }
	require.Equal(t, http.StatusCreated, approve().status)
	s.clock.Add((40 * 24 * time.Hour).Microseconds())
	s.must("zhang", "drawer_open", `{"desk":"D01","amount":"0"}`)
	var found console.Proposal
	s.get("zhao", "/proposals/"+asked.receipt.Number, &found)
	require.Equal(t, "decided", found.Status)
	require.Equal(t, "proposal_decided", approve().problem.Rule)
}
