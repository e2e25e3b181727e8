package console_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger/money"
	"onecard/switch/console"
	"onecard/switch/transaction"
)

// TestBankBalance: the bank is asked about a signed account alone, what it says is shown and nothing is written; whatever it does not say is a refusal
// that names the rule (wire handbook 5.2).
func TestBankBalance(t *testing.T) {
	s := newSite(t)
	s.must("chen", "bank_sign", signBody)
	s.bank.heard()
	before := s.sequence()
	has := money.Fen(123_456)
	s.bank.will(paperReply{said: console.BankSaid{Agreed: true, Code: "00", Balance: &has}})
	a := s.post("zhang", "/bank/balance", `{"holder":"2026015"}`)
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	var told console.BankBalance
	require.NoError(t, json.Unmarshal(a.body, &told))
	require.Equal(t, console.BankBalance{Account: "6222********5678", Balance: 123_456}, told)
	require.Equal(t, []string{"3 6222020012345678   "}, s.bank.heard())
	for _, c := range []struct {
		reply  paperReply
		holder string
		status int
		rule   string
	}{
		{noLink, "2026015", 503, "bank_unreachable"},
		{silence, "2026015", 504, "bank_silent"},
		{paperReply{said: console.BankSaid{Code: "14", Chinese: "无效卡号", English: "no such account"}}, "2026015", 422, "bank_refused"},
		{paperReply{said: console.BankSaid{Agreed: true, Code: "00"}}, "2026015", 502, "bank_balance_told"},
		{paperReply{err: &transaction.Refused{Field: "holder", Rule: "bank_balance", Chinese: "不提供", English: "does not"}}, "2026015", 422, "bank_balance"},
		{paperReply{}, "2026014", 422, "signed_not"},
		{paperReply{}, "9999999", 422, "holder_known"},
	} {
		s.bank.will(c.reply)
		a := s.post("zhang", "/bank/balance", `{"holder":"`+c.holder+`"}`)
		require.Equal(t, c.status, a.status, "%s: %s", c.rule, a.body)
		require.Equal(t, c.rule, a.problem.Rule, "%s", a.body)
	}
	require.Equal(t, before, s.sequence(), "nothing is written")
	require.Equal(t, http.StatusForbidden, s.post("zhao", "/bank/balance", `{"holder":"2026015"}`).status)
}
