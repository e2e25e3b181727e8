package daemon_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw"
	"onecard/bankgw/banksim"
	"onecard/ledger/money"
	"onecard/switch/console"
	"onecard/switch/daemon"
	"onecard/switch/proof"
	"onecard/switch/query"
	"onecard/terminals/emulator/samplecampus"
)

// payday is a campus whose bank pays accounts, its desk, and a holder who has something.
type payday struct {
	*campus
	t      *testing.T
	bank   *banksim.Bank
	r      *running
	client *daemon.Client
	people map[string]*console.Client
	holder *samplecampus.Holder
}

func newPayday(t *testing.T) *payday {
	c := newCampus(t)
	p := &payday{campus: c, t: t, bank: c.withBank(t)}
	bank := &c.config.Bank
	bank.Dialect.Features = []string{bankgw.FeatureWithdrawal, bankgw.FeatureBalance}
	bank.RequestTimeout, bank.WithdrawalExpiry, bank.WithdrawalBackOff = time.Second, 3*time.Second, []time.Duration{20 * time.Millisecond} // a busy machine is not a silent bank
	c.config.Withdrawals = daemon.WithdrawalsConfig{SingleMaxFen: 30_000, DayMaxFen: 70_000, TwoPersonsAboveFen: 20_000}
	p.r, p.client = c.run(t), daemon.NewClient(c.config.Data.Directory)
	c.linksUp(t, p.client)
	p.people = c.staff(t, p.client, p.r.Operations, map[string]string{"li": "cashier", "wang": "accountant", "zhao": "approver,reader"})
	for i := range c.Holders {
		if h := &c.Holders[i]; h.BankAccount != 0 && h.State == "active" && h.Expires == "" && p.holder == nil {
			p.holder = h
		}
	}
	require.NoError(t, p.act("wang", "fund_deposit", fmt.Sprintf(`{"holder":%q,"amount":"1500.00","document":"ZP-1"}`, p.holder.Number), nil))
	return p
}

func (p *payday) act(who, kind, body string, into any) error {
	return p.people[who].Act(p.t.Context(), "/operations/"+kind, console.NewName(), json.RawMessage(body), into)
}

// receipt reads one again.
func (p *payday) receipt(number string) (r console.Receipt) {
	p.t.Helper()
	require.NoError(p.t, p.people["zhao"].Ask(p.t.Context(), "/receipts/"+number, nil, &r))
	return r
}

// withdraw asks for a withdrawal, with what the bank does about it, and waits until it is in a state.
func (p *payday) withdraw(script, amount, state string) console.Receipt {
	p.t.Helper()
	require.NoError(p.t, p.bank.Script(script))
	var r console.Receipt
	require.NoError(p.t, p.act("li", "bank_withdrawal", fmt.Sprintf(`{"holder":%q,"amount":%q}`, p.holder.Number, amount), &r))
	require.Equal(p.t, "posted", r.Status)
	require.NotContains(p.t, r.Withdrawal.Account, fmt.Sprint(p.holder.BankAccount), "masked")
	p.await(r.Number, state)
	return r
}

func (p *payday) await(number, state string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return p.receipt(number).Withdrawal.State == state }, 20*time.Second, 10*time.Millisecond, state)
}

func (p *payday) approve(proposal string) console.Receipt {
	p.t.Helper()
	var r console.Receipt
	require.NoError(p.t, p.people["zhao"].Act(p.t.Context(), "/proposals/"+proposal+"/approve", console.NewName(), struct{}{}, &r))
	return r
}

// balance asks what the bank says that the holder's account has.
func (p *payday) balance(want console.Yuan) {
	p.t.Helper()
	var b console.BankBalance
	body := map[string]string{"holder": p.holder.Number}
	require.NoError(p.t, p.people["li"].Act(p.t.Context(), "/bank/balance", console.NewName(), body, &b))
	require.Equal(p.t, want, b.Balance)
}

func (p *payday) open() (list []console.OpenWithdrawal) {
	p.t.Helper()
	var page struct{ Withdrawals []console.OpenWithdrawal }
	require.NoError(p.t, p.people["li"].Ask(p.t.Context(), "/bank/withdrawals", nil, &page))
	return page.Withdrawals
}

func (p *payday) refused(who, kind, body, rule string, words ...string) {
	p.t.Helper()
	var problem *console.Problem
	require.ErrorAs(p.t, p.act(who, kind, body, nil), &problem)
	require.Equal(p.t, rule, problem.Rule, "%v", problem)
	for _, w := range words {
		require.Contains(p.t, problem.Error(), w)
	}
}

// TestWithdrawalsWithTheBank: withdrawals that end in every way, from the desk to the bank and back, a day switch, the bank's file in both formats,
// what it says, proposals of one person that another approves, the day after, when all that was open has come right, the end of the day, and the
// auditor. Domain handbook 2.7, 3.8 and 3.11, on real sockets and a real disk.
func TestWithdrawalsWithTheBank(t *testing.T) {
	p := newPayday(t)
	today := openDay(t, p.client)
	require.NoError(t, p.client.SwitchDay(t.Context(), today)) // a day that the clock has not reached: nothing is near the cut
	day := today + 1
	p.bank.SetDay(uint32(day))

	p.refused("li", "bank_withdrawal", fmt.Sprintf(`{"holder":%q,"amount":"300.01"}`, p.holder.Number), "limit_single", "300.01", "300.00")
	p.refused("li", "bank_withdrawal", fmt.Sprintf(`{"holder":%q,"amount":"1.00","account":"6217000099999999"}`, p.holder.Number), "account_not_bound")

	p.balance(1_000_000)
	p.withdraw("", "10.00", "paid")
	p.balance(1_001_000)
	p.withdraw("withdrawal: decline 14", "20.00", "declined")
	p.withdraw("withdrawal: drop", "30.00", "paid") // silence, and the same answer to the repeat
	nothing := p.withdraw("withdrawal: always lose", "40.00", "manual")
	paid := p.withdraw("withdrawal: always drop", "50.00", "manual")
	p.refused("wang", "withdrawal_return", `{"original":"1","amount":"1.00","document":"RC","reason":"x"}`, "original_kind")
	short := p.withdraw("withdrawal: always approve", "60.00", "paid") // and not in the file
	differs := p.withdraw("", "70.00", "paid")                         // in the file with another amount
	long := p.withdraw("withdrawal: recant", "80.00", "declined")      // and paid all the same
	require.NoError(t, p.bank.FileFaults("withdrawal: lose "+short.Number+"\nwithdrawal: amount "+differs.Number+" 75.00"))

	var large console.Receipt
	require.NoError(t, p.act("li", "bank_withdrawal", fmt.Sprintf(`{"holder":%q,"amount":"200.01"}`, p.holder.Number), &large))
	require.Equal(t, "pending", large.Status)
	large = p.approve(large.Number)
	p.await(large.Number, "paid")
	require.Equal(t, "zhao", large.Approver)
	open := p.open()
	require.Len(t, open, 2)
	require.Equal(t, []string{nothing.Number, paid.Number}, []string{open[0].Number, open[1].Number})
	require.Contains(t, open[0].StateZH, "待双人")
	p.refused("li", "bank_withdrawal", fmt.Sprintf(`{"holder":%q,"amount":"290.00"}`, p.holder.Number), "limit_day", "460.01", "700.00")

	require.Eventually(t, func() bool { return p.bank.Stats().Paid.Count == 7 }, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, p.client.SwitchDay(t.Context(), day))
	first := p.compare(day, banksim.FormatA)
	require.Equal(t, first, p.compare(day, banksim.FormatB), "both formats say the same")
	items := map[uint64]console.BankItem{}
	for _, i := range first.Items {
		require.True(t, i.Withdrawal)
		items[i.Record] = i
	}
	require.Len(t, items, 5, "%+v", first.Items)
	for number, want := range map[uint64]string{
		nothing.Record: "nothing_taken manual return withdrawal_return 40.00", paid.Record: "bank_only manual charge withdrawal_charge 50.00",
		short.Record: "campus_only confirmed return withdrawal_return 60.00", long.Record: "bank_only declined charge withdrawal_charge 80.00",
	} {
		i := items[number]
		require.NotNil(t, i.ProposalAmount, "%+v", i)
		require.Equal(t, want, fmt.Sprint(i.Case, " ", i.State, " ", i.Action, " ", i.Proposal, " ", i.ProposalAmount))
	}
	require.Equal(t, "amount_differs", items[differs.Record].Case)
	require.Equal(t, "130.00", first.Equation.PaidOnly.String())
	require.Equal(t, "60.00", first.Equation.TakenOnly.String())

	var page struct{ Proposals []console.BankProposal }
	require.NoError(t, p.people["wang"].Act(t.Context(), "/banks/bank/days/"+day.String()+"/proposals", "propose-1", map[string]any{}, &page))
	require.Len(t, page.Proposals, 4)
	for _, one := range page.Proposals {
		require.Empty(t, one.Refused)
		p.approve(one.Proposal)
	}
	require.Equal(t, "returned", p.receipt(nothing.Number).Withdrawal.State)
	require.Equal(t, "charged", p.receipt(paid.Number).Withdrawal.State)
	require.Empty(t, p.open())

	next := day + 1
	p.bank.SetDay(uint32(next))
	require.NoError(t, p.client.SwitchDay(t.Context(), next))
	second := p.compare(next, banksim.FormatA)
	settled := 0
	for _, i := range second.Items {
		if i.Case == "settled" {
			settled++
		}
	}
	require.Equal(t, 4, settled, "%+v", second.Items)
	require.Equal(t, first.Equation.Closing, second.Equation.Opening)
	require.Equal(t, "-5.00", second.Equation.Closing.String(), "the amount that differs is for the bank to explain")
	p.statement()
	p.feed()
	require.NoError(t, p.r.stop())
	require.NoError(t, p.bank.Check())
	p.audited(t)
}

// compare reconciles a day with the bank's file of it.
func (p *payday) compare(day proof.Day, format banksim.Format) (said console.BankDay) {
	p.t.Helper()
	file, err := p.bank.File(uint32(day), format)
	require.NoError(p.t, err)
	body := map[string]any{"format": strings.ToLower(string(format)), "file": file}
	require.NoError(p.t, p.people["wang"].Act(p.t.Context(), "/banks/bank/days/"+day.String(), console.NewName(), body, &said))
	require.True(p.t, said.Balanced)
	require.Zero(p.t, said.Equation.Unexplained)
	said.SHA256 = ""
	return said
}

// statement: a line for each withdrawal with what became of it, and changes that add up to what the purse has.
func (p *payday) statement() {
	p.t.Helper()
	var page query.Statement
	require.NoError(p.t, p.people["zhao"].Ask(p.t.Context(), "/statements", url.Values{"holder": {p.holder.Number}, "limit": {"1000"}}, &page))
	var sum money.Fen
	ends := map[string]int{}
	for i := range page.Lines {
		l := &page.Lines[i]
		sum += l.Change
		if l.Kind == "bank_withdrawal" {
			require.NotEmpty(p.t, l.Outcomes)
			ends[l.Outcomes[len(l.Outcomes)-1].Kind]++
		}
	}
	require.Equal(p.t, map[string]int{"withdrawal_paid": 4, "withdrawal_declined": 1, "withdrawal_charge": 2, "withdrawal_return": 2}, ends)
	require.Equal(p.t, *page.About.Balance, sum)
}

// feed: what desks do is in the change feed too, each with its amount.
func (p *payday) feed() {
	p.t.Helper()
	var all bytes.Buffer
	require.NoError(p.t, p.client.Feed(p.t.Context(), daemon.FeedQuestion{Name: "reports"}, &all))
	count, paid := map[string]int{}, money.Fen(0)
	for _, l := range readLines(p.t, all.String(), 1) {
		if count[l.Kind]++; l.Kind == "withdrawal_paid" {
			paid += l.Amount
		}
	}
	require.Equal(p.t, money.Fen(37_001), paid)
	for kind, want := range map[string]int{
		"fund_deposit": 1, "bank_withdrawal": 9, "withdrawal_paid": 5, "withdrawal_declined": 2, "withdrawal_manual": 2, "withdrawal_late": 1, "withdrawal_charge": 2,
		"withdrawal_return": 2, "proposal": 5,
	} {
		require.Equal(p.t, want, count[kind], "%s in %v", kind, count)
	}
}
