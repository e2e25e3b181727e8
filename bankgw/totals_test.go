package bankgw_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"onecard/bankgw"
	"onecard/ledger/money"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// TestTotals tells the stories of 0520 and 0530.
func TestTotals(t *testing.T) {
	datadriven.Walk(t, "testdata/totals", func(t *testing.T, path string) {
		synctest.Test(t, func(t *testing.T) { tell(t, path, false) })
	})
}

// TestTotalsOfTheBank: what is made of an 0520 or 0530 of the bank's that is not as it should be; each alone, a day of 1 load of 50.00 given and not
// sent.
func TestTotalsOfTheBank(t *testing.T) {
	whole := map[int]string{7: "0102010203", 11: "000009", 15: "0101", 76: "0000000001", 77: "0000000000", 88: "0000000000005000", 89: "0000000000000000"}
	for name, c := range map[string]struct {
		mti    string
		change map[int]string // "": left out
		off    bool           // the bank has no feature totals
		answer string         // code and DE 66 of our 0530
		fault  string
		said   int
	}{
		"the same":                     {mti: "0520", answer: "00 1", said: 1},
		"other figures":                {mti: "0520", change: map[int]string{88: "0000000000005001"}, answer: "00 2", said: 2},
		"other number":                 {mti: "0520", change: map[int]string{77: "0000000001"}, answer: "00 2", said: 2},
		"a figure is missing":          {mti: "0520", change: map[int]string{89: ""}, answer: "00 3", fault: "malformed", said: 3},
		"an amount of no money":        {mti: "0520", change: map[int]string{88: "9999999999999999"}, answer: "00 2", said: 2},
		"withdrawals that we have not": {mti: "0520", change: map[int]string{74: "0000000001", 86: "0000000000001000"}, answer: "00 2", said: 2},
		"a day that we have not":       {mti: "0520", change: map[int]string{15: "0102"}, answer: "25 3", fault: "totals_unknown"},
		"a day that there is none":     {mti: "0520", change: map[int]string{15: "1399"}, answer: "25 3", fault: "totals_unknown"},
		"no day":                       {mti: "0520", change: map[int]string{15: ""}, answer: "25 3", fault: "totals_unknown"},
		"no trace":                     {mti: "0520", change: map[int]string{11: ""}, fault: "malformed"},
		"not agreed upon":              {mti: "0520", off: true, fault: "unexpected"},
		"an answer to nothing":         {mti: "0530", change: map[int]string{39: "00", 66: "1"}, fault: "unmatched"},
		"an answer without a code":     {mti: "0530", fault: "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, err := newPuppet(false)
				require.NoError(t, err)
				config := bankgw.DefaultConfig()
				config.Links = 1
				if !c.off {
					config.Dialect.Features = []string{bankgw.FeatureTotals}
				}
				m := &machine{network: p.network, passing: func(bool, bool) bool { return true }}
				faults, said := "", 0
				g, err := bankgw.New(config, bankgw.Keys{MAC: bankKey}, func(transaction.Request) error { return nil }, bankgw.Events{
					Fault: func(f string) { faults += f }, TotalsSaid: func(s bankgw.TotalsSaid) { said = s.Code },
				}, bankgw.Options{Dial: m.dial, Seed: 1})
				require.NoError(t, err)
				stop := runGateway(t, g)
				require.NoError(t, g.GiveTotals(bankgw.Totals{Day: uint32(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix() / 86400), Debits: 1, DebitAmount: money.Fen(5000)}, false))
				time.Sleep(time.Second)
				message := p.begin(c.mti)
				for _, fields := range []map[int]string{whole, c.change} {
					for n, v := range fields {
						if changed, ok := c.change[n]; !ok || changed == v {
							message.Set(n, v)
						}
					}
				}
				p.mu.Lock()
				p.send(message)
				p.mu.Unlock()
				time.Sleep(time.Second)
				p.mu.Lock()
				answer := ""
				for _, payload := range p.seen {
					if m, err := iso8583.OpenBankMessage(iso8583.BankSpec(), payload, p.mac); err == nil && m.MTI() == "0530" {
						answer = m.String(39) + " " + m.String(66)
						require.Equal(t, "000009", m.String(11))
						require.Equal(t, "0102010203", m.String(7))
					}
				}
				p.fault = nil
				p.mu.Unlock()
				require.Equal(t, c.answer, answer)
				require.Equal(t, c.fault, faults)
				require.Equal(t, c.said, said)
				stop()
				p.end()
			})
		})
	}
}
