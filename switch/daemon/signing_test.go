package daemon_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw"
	"onecard/bankgw/banksim"
	"onecard/switch/console"
	"onecard/switch/daemon"
	"onecard/switch/iso8583"
	"onecard/terminals/emulator/samplecampus"
)

// TestSignedHoldersAreLoaded: two holders sign at the card office over HTTP, the bank agrees over its links, one is loaded when an operator asks
// for it and the other by the night of the next life; nobody is loaded twice, and bank and ledger agree to the fen (handbook 2.7, 3.8).
func TestSignedHoldersAreLoaded(t *testing.T) {
	c := newCampus(t)
	bank := c.withBank(t)
	timeOfDay := (time.Duration(time.Now().UnixMicro())*time.Microsecond + c.config.Site.Zone) % (24 * time.Hour)
	c.config.Loads.AutomaticAt = ((timeOfDay + 12*time.Hour) % (24 * time.Hour)).Truncate(time.Minute) // not now
	c.config.Bank.Dialect.Features = []string{bankgw.FeatureAutoLoad}
	second := c.config.Bank // takes none
	second.Name, second.Addresses, second.Prefixes, second.Dialect.Features = "other", []string{"127.0.0.1:1"}, []string{"6299"}, nil
	c.config.Banks = append(c.config.Banks, second)
	r := c.run(t)
	client := daemon.NewClient(c.config.Data.Directory)
	people := c.staff(t, client, r.Operations, map[string]string{"chen": "cards", "wang": "accountant"})
	c.linksUp(t, client)

	var signed []*samplecampus.Holder
	for i := range c.Holders {
		if h := &c.Holders[i]; h.BankAccount != 0 && h.State == "active" && h.Expires == "" && h.Main < 50_000 && len(signed) < 2 {
			signed = append(signed, h)
		}
	}
	sign := func(h *samplecampus.Holder, name string) error {
		body := fmt.Sprintf(`{"holder":%[1]q,"account":"%[2]d","identity":"id_card","signed":"2026-01-05","document":"TP-%[1]s","name":%[3]q,"id_number":"11010120000101123X","threshold":"600.00","amount":"50.00"}`, h.Number, h.BankAccount, name)
		return people["chen"].Act(t.Context(), "/operations/bank_sign", console.NewName(), json.RawMessage(body), nil)
	}
	require.ErrorContains(t, sign(signed[0], "李小明"), "the bank refused (14)", "the bank does not know the account")
	account := fmt.Sprint(signed[0].BankAccount)
	bank.Register(account, "李小明", "11010120000101123X")
	require.ErrorContains(t, sign(signed[0], "李小朋"), "the bank refused (05)")
	require.NoError(t, sign(signed[0], "李小明"))
	require.Equal(t, signed[0].Number, bank.Agreement(account))

	require.ErrorContains(t, people["chen"].Act(t.Context(), "/operations/bank_sign", console.NewName(), json.RawMessage(
		`{"holder":"1","account":"6299000012345678","identity":"id_card","signed":"2026-01-05","document":"TP","name":"n","id_number":"1","threshold":"600.00","amount":"50.00"}`), nil),
		"does not take automatic loads")

	now := func() (asked int) {
		var a console.AutomaticLoads
		require.NoError(t, people["wang"].Act(t.Context(), "/bank/automatic-loads", console.NewName(), struct{}{}, &a))
		return a.Asked
	}
	require.Equal(t, 1, now())
	require.Eventually(t, func() bool { return bank.Stats().Debited.Sum == 5_000 }, 10*time.Second, 10*time.Millisecond)
	require.Zero(t, now(), "once a day")

	bank.Register(fmt.Sprint(signed[1].BankAccount), "欧阳晓", "11010120000101123X")
	require.NoError(t, sign(signed[1], "欧阳晓"))
	terminal := c.terminal(t, r.Terminals, 0)
	before, err := terminal.Balance(signed[1].Card)
	require.NoError(t, err)
	require.NoError(t, r.stop())

	c.config.Loads.AutomaticAt = max(0, timeOfDay-time.Minute).Truncate(time.Minute)
	r = c.run(t)
	require.Eventually(t, func() bool { return bank.Stats().Debited.Sum == 10_000 }, 10*time.Second, 10*time.Millisecond)
	terminal = c.terminal(t, r.Terminals, 0)
	require.Eventually(t, func() bool {
		after, err := terminal.Balance(signed[1].Card)
		return err == nil && after.Balance == before.Balance+5_000
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, r.stop())
	require.NoError(t, bank.Check())
	require.Equal(t, 2, bank.Stats().Debited.Count)
	c.audited(t)
}

// staff registers operators and makes their clients.
func (c *campus) staff(t *testing.T, control *daemon.Client, operations string, roles map[string]string) map[string]*console.Client {
	people := map[string]*console.Client{}
	for code, roles := range roles {
		added, err := control.ChangeOperator(t.Context(), daemon.OperatorChange{Act: "add", Code: code, Roles: roles})
		require.NoError(t, err)
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		people[code] = console.NewClient(operations, added.Token, transport)
	}
	return people
}

func (c *campus) linksUp(t *testing.T, control *daemon.Client) {
	require.Eventually(t, func() bool {
		status, err := control.Status(t.Context())
		return err == nil && status.Bank.LinksUp() == 2
	}, 10*time.Second, 10*time.Millisecond)
}

// TestNightWaitsForTheBank: a night in which one bank is down and another is up. Who is at the one that is up has his load at once, who is at the other
// has his when it comes back; both once, and nothing is declined for want of a link (handbook 3.8).
func TestNightWaitsForTheBank(t *testing.T) {
	c := newCampus(t)
	first := c.withBank(t)
	timeOfDay := (time.Duration(time.Now().UnixMicro())*time.Microsecond + c.config.Site.Zone) % (24 * time.Hour)
	c.config.Loads.AutomaticAt = ((timeOfDay + 12*time.Hour) % (24 * time.Hour)).Truncate(time.Minute) // not now
	c.config.Bank.Dialect.Features, c.config.Bank.RequestTimeout = []string{bankgw.FeatureAutoLoad}, time.Second
	key, err := daemon.LoadBankKey(c.config.Bank.MACKeyFile)
	require.NoError(t, err)
	second, address := startBank(t, banksim.Config{MACKey: key, MACMode: iso8583.MACSM4CBC})
	other := c.config.Bank
	other.Name, other.Addresses, other.Prefixes = "other", []string{address}, []string{"6299"}
	c.config.Banks = append(c.config.Banks, other)
	r := c.run(t)
	client := daemon.NewClient(c.config.Data.Directory)
	people := c.staff(t, client, r.Operations, map[string]string{"chen": "cards"})
	linksOf := func(bank int) (up int) {
		status, err := client.Status(t.Context())
		require.NoError(t, err)
		return status.Banks[bank].LinksUp()
	}
	require.Eventually(t, func() bool { return linksOf(0) == 2 && linksOf(1) == 2 }, 10*time.Second, 10*time.Millisecond)
	signed := 0
	for i := range c.Holders {
		h := &c.Holders[i]
		if h.BankAccount == 0 || h.State != "active" || h.Expires != "" || h.Main >= 50_000 || signed == 6 {
			continue
		}
		account, bank := fmt.Sprint(h.BankAccount), first
		if signed++; signed%2 == 0 {
			release := fmt.Sprintf(`{"holder":%q,"account":%q,"reason":"换行"}`, h.Number, account)
			first.Register(account, "李小明", "11010120000101123X")
			require.NoError(t, people["chen"].Act(t.Context(), "/operations/bank_unsign", console.NewName(), json.RawMessage(release), nil))
			account, bank = fmt.Sprintf("62990000%08d", i), second
		}
		bank.Register(account, "李小明", "11010120000101123X")
		body := fmt.Sprintf(`{"holder":%q,"account":%q,"identity":"id_card","signed":"2026-01-05","document":"TP-%d","name":"李小明","id_number":"11010120000101123X","threshold":"600.00","amount":"50.00"}`, h.Number, account, i)
		require.NoError(t, people["chen"].Act(t.Context(), "/operations/bank_sign", console.NewName(), json.RawMessage(body), nil))
	}
	require.Equal(t, 6, signed)
	require.NoError(t, r.stop())

	c.config.Loads.AutomaticAt = max(0, timeOfDay-time.Minute).Truncate(time.Minute)
	second.Cut()
	r = c.run(t)
	require.Eventually(t, func() bool { return first.Stats().Debited.Count == 3 }, 10*time.Second, 10*time.Millisecond)
	require.Zero(t, second.Stats().Debited.Count)
	second.Restore()
	require.Eventually(t, func() bool { return second.Stats().Debited.Count == 3 }, 20*time.Second, 10*time.Millisecond, "the night goes on when the bank is back")
	require.Eventually(t, func() bool {
		_, metrics := r.get(t, "/metrics")
		return strings.Contains(metrics, "\nonecard_loads_total{state=\"confirmed\"} 6\n")
	}, 10*time.Second, 10*time.Millisecond)
	_, metrics := r.get(t, "/metrics")
	require.Contains(t, metrics, "\nonecard_loads_total{state=\"declined\"} 0\n", "nobody was asked for at a bank that is not there")
	require.Eventually(t, func() bool {
		return strings.Contains(r.log.String(), "automatic loads of the night were asked of the bank")
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, r.stop())
	require.Equal(t, []int{3, 3}, []int{first.Stats().Debited.Count, second.Stats().Debited.Count}, "once each")
	c.audited(t)
}
