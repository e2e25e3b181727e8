package daemon_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/switch/console"
	"onecard/switch/daemon"
)

// TestSettlement: what a terminal sells in a closed business day comes to its merchant through a sheet that three people have had in their
// hands, over HTTP, and the payout file says what the sheet says.
func TestSettlement(t *testing.T) {
	c := newCampus(t)
	r := c.run(t)
	control := daemon.NewClient(c.config.Data.Directory)
	people := map[string]*console.Client{}
	for code, roles := range map[string]string{"wang": "accountant", "li": "cards", "zhao": "approver"} {
		added, err := control.ChangeOperator(t.Context(), daemon.OperatorChange{Act: "add", Code: code, Roles: roles})
		require.NoError(t, err)
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		people[code] = console.NewClient(r.Operations, added.Token, transport)
	}
	terminal := c.terminal(t, r.Terminals, 0)
	merchant := c.MerchantOf(&c.Terminals[0])
	buy(t, terminal, c.Holders[0].Card, 450)
	buy(t, terminal, c.Holders[1].Card, 2550)
	day := openDay(t, control)
	act := func(who, path, body string, into any) error {
		return people[who].Act(t.Context(), path, console.NewName(), json.RawMessage(body), into)
	}
	draft := fmt.Sprintf(`{"merchant":%q,"from":%q,"to":%[2]q,"deductions":[{"amount":"10.00","text":"房租"}]}`, merchant, day)
	var sheet console.SettlementSheet
	require.ErrorContains(t, act("wang", "/settlements", draft, &sheet), "not closed")
	require.NoError(t, control.SwitchDay(t.Context(), day))
	require.ErrorContains(t, act("zhao", "/settlements", draft, &sheet), "accountant")
	require.NoError(t, act("wang", "/settlements", draft, &sheet))
	// 30.00 sold, one percent 0.30, rent 10.00.
	require.Equal(t, "19.70", sheet.Payable.String())
	require.Equal(t, []string{"gross 30.00", "service_fee -0.30", "deduction -10.00"}, linesOf(&sheet))
	require.ErrorContains(t, act("wang", "/settlements", draft, nil), "settled to", "no day twice")

	step := func(who, name, body string) error {
		return act(who, "/settlements/"+sheet.Number+"/"+name, body, &sheet)
	}
	require.ErrorContains(t, step("zhao", "approve", `{}`), "cannot become approved")
	require.NoError(t, step("li", "check", `{}`))
	require.NoError(t, step("zhao", "approve", `{}`))
	var file string
	require.NoError(t, people["wang"].Ask(t.Context(), "/payouts", url.Values{"format": {"csv"}}, &file))
	require.Contains(t, file, merchant+",中国工商银行,")
	require.Contains(t, file, ",19.70,")
	require.NoError(t, people["wang"].Ask(t.Context(), "/payouts", url.Values{"format": {"fixed"}}, &file))
	require.True(t, strings.HasSuffix(file, "T000000000001000000000001970\r\n"), file)
	require.NoError(t, people["wang"].Ask(t.Context(), "/payouts", url.Values{"bank": {"ABC"}}, &file))
	require.Contains(t, file, "TOTAL,0,")
	require.ErrorContains(t, step("wang", "pay", `{}`), "reference")
	require.NoError(t, step("wang", "pay", `{"document":"ICBC-0001"}`))
	require.ErrorContains(t, step("wang", "pay", `{"document":"ICBC-0001"}`), "cannot become paid")
	require.NoError(t, step("wang", "close", `{}`))
	var list struct{ Sheets []console.SettlementSheet }
	require.NoError(t, people["li"].Ask(t.Context(), "/settlements", url.Values{"state": {"closed"}}, &list))
	require.Len(t, list.Sheets, 1)
	require.Equal(t, "ICBC-0001", list.Sheets[0].Document)
	require.NoError(t, r.stop())
	c.audited(t)
}

func linesOf(sheet *console.SettlementSheet) (lines []string) {
	for _, line := range sheet.Lines {
		lines = append(lines, line.Code+" "+line.Amount.String())
	}
	return lines
}
