package console_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger/money"
	"onecard/switch/query"
)

// TestQuestionsAboutThePast: statement, balance at an entry, totals and day statements over HTTP, and what is asked wrongly.
func TestQuestionsAboutThePast(t *testing.T) {
	s := newSite(t)
	s.must("zhang", "drawer_open", `{"desk":"D01","amount":"0"}`)
	first := s.must("zhang", "cash_deposit", `{"desk":"D01","holder":"2026001","amount":"10.00"}`)
	s.must("zhang", "cash_deposit", `{"desk":"D01","holder":"2026001","amount":"5.00"}`)
	s.must("zhang", "cash_deposit", `{"desk":"D01","holder":"2026002","amount":"1.00"}`)

	var page query.Statement
	s.get("sun", "/statements?holder=2026001&limit=1", &page)
	require.Len(t, page.Lines, 1)
	require.Equal(t, money.Fen(500), page.Lines[0].Amount)
	require.NotZero(t, page.Next)
	s.get("sun", "/statements?operator=zhang", &page)
	require.Len(t, page.Lines, 4)
	var balance query.Balance
	s.get("sun", "/balances?holder=2026001&entry="+first.Number, &balance)
	require.Equal(t, money.Fen(6000), balance.Sum)
	s.get("sun", "/totals?from=2026-11-26&by=kind", &query.Totals{})
	var days struct{ Days []string }
	s.get("sun", "/days", &days)
	require.Equal(t, []string{"2026-11-25"}, days.Days)
	require.Equal(t, http.StatusOK, s.get("sun", "/days/2026-11-25", nil).status)

	for path, rule := range map[string]string{
		"/statements":                           "question",
		"/statements?holder=1&card=2":           "question",
		"/statements?holder=2026001&from=soon":  "question",
		"/statements?holder=2026001&limit=1001": "invalid_fields",
		"/totals":                               "invalid_fields",
		"/totals?from=2026-11-26&by=weather":    "invalid_fields",
		"/balances?holder=9999":                 "question",
		"/balances?all=true":                    "invalid_fields",
		"/days/2026-11-24":                      "day_ended",
		"/days/yesterday":                       "invalid_fields",
	} {
		a := s.get("sun", path, nil)
		require.Equal(t, rule, a.problem.Rule, "%s: %s", path, a.body)
	}
	require.Empty(t, s.events.failed)
}
