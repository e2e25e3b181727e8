package daemon_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw/banksim"
	"onecard/ledger/money"
	"onecard/switch/console"
	"onecard/switch/daemon"
	"onecard/switch/iso8583"
)

// TestDayWithTheBank: loads that end in every way, a day switch, the bank's file, what it says, proposals of one person that another
// approves, and the day after, when everything that was open has come right. Domain handbook 3.8, on real sockets and a real disk.
func TestDayWithTheBank(t *testing.T) {
	c := newCampus(t)
	bank := c.withBank(t)
	c.config.Bank.ReversalRefusals, c.config.Bank.RequestTimeout = 1, time.Second // a busy machine is not a silent bank
	r := c.run(t)
	client := daemon.NewClient(c.config.Data.Directory)
	require.Eventually(t, func() bool {
		status, err := client.Status(t.Context())
		return err == nil && status.Bank.LinksUp() == 2
	}, 10*time.Second, 10*time.Millisecond)
	// A day that the clock has not reached: none of its loads is near the cut, whenever this runs.
	today := openDay(t, client)
	require.NoError(t, client.SwitchDay(t.Context(), today))
	day := today + 1
	bank.SetDay(uint32(day))
	kiosk, h := c.kiosk(t, r.Terminals), c.holder(t)
	load := func(script string, amount money.Fen) string {
		t.Helper()
		require.NoError(t, bank.Script(script))
		a, err := kiosk.Load(h.Card, amount, iso8583.PIN(h.PIN))
		require.NoError(t, err)
		return a.Reference.String()
	}
	before, err := kiosk.Balance(h.Card)
	require.NoError(t, err)
	load("", 10_000)          // equal
	load("decline 51", 9_000) // nothing on either side
	load("drop", 8_000)       // taken, unknown, reversed: nothing
	require.Eventually(t, func() bool { return bank.Stats().Reversed.Count == 1 }, 10*time.Second, 10*time.Millisecond)
	long := load("drop; reversal: decline 96", 5_000)    // the bank has it, the reversal is refused: given up
	nothing := load("lose; reversal: decline 96", 4_000) // the bank never heard of it: given up
	short := load("", 3_000)                             // credited, and not in the file
	differs := load("", 2_000)                           // in the file with another amount
	bank.SetDay(uint32(day + 1))
	load("", 1_000) // the bank says that it is of its next day (DE 15), at whatever time of day this runs
	bank.SetDay(uint32(day))
	require.Eventually(t, func() bool {
		_, metrics := r.get(t, "/metrics")
		return strings.Contains(metrics, "\nonecard_loads_total{state=\"manual\"} 2\n")
	}, 10*time.Second, 10*time.Millisecond, "both were given up")
	require.NoError(t, bank.FileFaults("lose "+short+"\namount "+differs+" 25.00"))

	accountant, approver := desk(t, client, r.Operations, "wang", "accountant"), desk(t, client, r.Operations, "zhao", "approver,reader")
	path := "/banks/bank/days/" + day.String()
	file := func() map[string]any {
		text, err := bank.File(uint32(day), banksim.FormatA)
		require.NoError(t, err)
		return map[string]any{"format": "a", "file": text}
	}
	var problem *console.Problem
	require.ErrorAs(t, accountant.Act(t.Context(), path, "reconcile-early", file(), nil), &problem)
	require.Equal(t, "day_closed", problem.Rule, "%v: an open day may still change", problem)
	require.NoError(t, client.SwitchDay(t.Context(), day))

	bad := file()
	bad["file"] = append(bad["file"].([]byte), "junk\n"...)
	require.ErrorAs(t, accountant.Act(t.Context(), path, "reconcile-bad", bad, nil), &problem)
	require.Equal(t, "bank_file", problem.Rule)
	require.NotEmpty(t, problem.Errors)
	require.ErrorAs(t, approver.Act(t.Context(), path, "reconcile-who", file(), nil), &problem)
	require.Equal(t, http.StatusForbidden, problem.Status)

	var first, again console.BankDay
	require.NoError(t, accountant.Act(t.Context(), path, "reconcile-one", file(), &first))
	require.NoError(t, accountant.Act(t.Context(), path, "reconcile-two", file(), &again))
	require.Equal(t, first, again, "the same file is the same result")
	require.True(t, first.Balanced)
	require.Zero(t, first.Equation.Unexplained)
	items := map[string]console.BankItem{}
	for _, i := range first.Items {
		items[i.Case+" "+i.State] = i
	}
	require.Equal(t, "load_make_up", items["bank_only manual"].Proposal)
	require.Equal(t, "50.00", items["bank_only manual"].Difference.String())
	require.Equal(t, "load_close", items["nothing_taken manual"].Proposal)
	require.Equal(t, "load_claim", items["campus_only confirmed"].Proposal)
	require.Equal(t, "-30.00", items["campus_only confirmed"].Difference.String())
	require.Contains(t, items, "amount_differs confirmed")
	require.Equal(t, "defer", items["date_cut confirmed"].Action)
	require.Len(t, first.Items, 5, "%+v", first.Items)
	_, _ = long, nothing

	var page, repeated struct{ Proposals []console.BankProposal }
	require.NoError(t, accountant.Act(t.Context(), path+"/proposals", "propose-1", map[string]any{}, &page))
	require.Len(t, page.Proposals, 3)
	require.NoError(t, accountant.Act(t.Context(), path+"/proposals", "propose-2", map[string]any{}, &repeated))
	for i, p := range page.Proposals {
		require.Empty(t, p.Refused)
		require.True(t, repeated.Proposals[i].Repeated)
		require.NoError(t, approver.Act(t.Context(), "/proposals/"+p.Proposal+"/approve", "approve-"+p.Proposal, map[string]any{}, nil))
	}
	after, err := kiosk.Balance(h.Card)
	require.NoError(t, err)
	require.Equal(t, before.Balance+10_000+5_000+2_000+1_000, after.Balance, "the given-up load has come, the one the bank did not take has gone")
	require.Eventually(t, func() bool {
		_, metrics := r.get(t, "/metrics")
		return strings.Contains(metrics, "\nonecard_loads_open 0\n")
	}, 10*time.Second, 10*time.Millisecond)

	// The day after: what was put right has come right, but for the amount that the bank must explain.
	next := day + 1
	bank.SetDay(uint32(next))
	require.NoError(t, client.SwitchDay(t.Context(), next))
	path = "/banks/bank/days/" + next.String()
	text, err := bank.File(uint32(next), banksim.FormatA)
	require.NoError(t, err)
	var second console.BankDay
	require.NoError(t, accountant.Act(t.Context(), path, "reconcile-three", map[string]any{"format": "a", "file": text}, &second))
	require.True(t, second.Balanced)
	settled := 0
	for _, i := range second.Items {
		if i.Case == "settled" {
			settled++
		}
	}
	require.Equal(t, 3, settled, "%+v", second.Items)
	require.Equal(t, first.Equation.Closing, second.Equation.Opening)
	require.Equal(t, items["amount_differs confirmed"].Difference, second.Equation.Closing)
	var days struct{ Days []string }
	require.NoError(t, accountant.Ask(t.Context(), "/banks/bank/days", nil, &days))
	require.Equal(t, []string{day.String(), next.String()}, days.Days)
	require.NoError(t, r.stop())
}

// TestLoadIsItsBanks: a load is compared with the file of the bank that it was asked of, although its holder has signed at another since.
func TestLoadIsItsBanks(t *testing.T) {
	c := newCampus(t)
	first := c.withBank(t)
	c.config.Bank.RequestTimeout = time.Second // a busy machine is not a silent bank
	key, err := daemon.LoadBankKey(c.config.Bank.MACKeyFile)
	require.NoError(t, err)
	second, address := startBank(t, banksim.Config{MACKey: key, MACMode: iso8583.MACSM4CBC})
	other := c.config.Bank
	other.Name, other.Addresses, other.Prefixes = "other", []string{address}, []string{"6299"}
	c.config.Banks = append(c.config.Banks, other)
	r := c.run(t)
	client := daemon.NewClient(c.config.Data.Directory)
	require.Eventually(t, func() bool {
		status, err := client.Status(t.Context())
		return err == nil && status.Banks[0].LinksUp() == 2 && status.Banks[1].LinksUp() == 2
	}, 10*time.Second, 10*time.Millisecond)
	today := openDay(t, client)
	require.NoError(t, client.SwitchDay(t.Context(), today))
	day := today + 1
	first.SetDay(uint32(day))
	second.SetDay(uint32(day))
	kiosk, h := c.kiosk(t, r.Terminals), c.holder(t)
	load := func(amount money.Fen) {
		t.Helper()
		a, err := kiosk.Load(h.Card, amount, iso8583.PIN(h.PIN))
		require.NoError(t, err)
		require.True(t, a.Approved(), "%s %s", a.Code, a.Text)
	}
	load(1_000)
	people := c.staff(t, client, r.Operations, map[string]string{"chen": "cards", "wang": "accountant"})
	account := strconv.FormatUint(h.BankAccount, 10)
	first.Register(account, "李小明", "11010120000101123X")
	second.Register("6299000012345678", "李小明", "11010120000101123X")
	act := func(kind, rest string) {
		t.Helper()
		body := fmt.Sprintf(`{"holder":%q,"account":%q,"identity":"id_card","signed":"2026-01-05","document":"TP-1","name":"李小明","id_number":"11010120000101123X"%s}`, h.Number, account, rest)
		require.NoError(t, people["chen"].Act(t.Context(), "/operations/"+kind, console.NewName(), json.RawMessage(body), nil))
	}
	act("bank_sign", "")
	load(2_000)
	act("bank_change", `,"other_account":"6299000012345678"`)
	require.Empty(t, first.Agreement(account), "the bank of the account before was told")
	require.Equal(t, h.Number, second.Agreement("6299000012345678"))
	load(4_000)
	require.NoError(t, client.SwitchDay(t.Context(), day))
	for name, want := range map[string]struct {
		bank *banksim.Bank
		sum  money.Fen
	}{"bank": {first, 3_000}, "other": {second, 4_000}} {
		text, err := want.bank.File(uint32(day), banksim.FormatA)
		require.NoError(t, err)
		var said console.BankDay
		require.NoError(t, people["wang"].Act(t.Context(), "/banks/"+name+"/days/"+day.String(), console.NewName(), map[string]any{"format": "a", "file": text}, &said))
		require.True(t, said.Balanced, name)
		require.Equal(t, console.Yuan(want.sum), said.Equation.Ours, name)
		require.Empty(t, said.Items, name)
	}
	require.NoError(t, r.stop())
}

// desk gives out an operator and returns his way to the desk's API.
func desk(t *testing.T, client *daemon.Client, address, code, roles string) *console.Client {
	t.Helper()
	added, err := client.ChangeOperator(t.Context(), daemon.OperatorChange{Act: "add", Code: code, Roles: roles})
	require.NoError(t, err)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return console.NewClient("http://"+address, added.Token, transport)
}
