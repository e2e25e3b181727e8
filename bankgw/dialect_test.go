package bankgw_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// TestEveryFaultOfADialect breaks one thing after the other in a table and expects its key and what is wrong.
func TestEveryFaultOfADialect(t *testing.T) {
	record := func(change func(*bankgw.RecordLayout)) func(*bankgw.Config) {
		return func(c *bankgw.Config) { c.Dialect.Kind = bankgw.DialectRecord; change(&c.Dialect.Record) }
	}
	for name, broken := range map[string]struct {
		key, text string
		change    func(*bankgw.Config)
	}{
		"kind":               {"dialect.kind", "iso8583 or record", func(c *bankgw.Config) { c.Dialect.Kind = "xml" }},
		"field notation":     {"dialect.fields", "must be like n12", func(c *bankgw.Config) { c.Dialect.Fields = []string{"102=text"} }},
		"field number":       {"dialect.fields", "must be 2 to 127", func(c *bankgw.Config) { c.Dialect.Fields = []string{"128=b8"} }},
		"field twice":        {"dialect.fields", "each field once", func(c *bankgw.Config) { c.Dialect.Fields = []string{"4=n12", "4=n13"} }},
		"MAC field":          {"dialect.mac_field", "64 or 128", func(c *bankgw.Config) { c.Dialect.MACField = 96 }},
		"source":             {"dialect.load", "one of the sources", func(c *bankgw.Config) { c.Dialect.Load[3] = "7=moment" }},
		"no field":           {"dialect.load", "has no field 5", func(c *bankgw.Config) { c.Dialect.Load[3] = "5=date_time" }},
		"the MAC's field":    {"dialect.load", "has no field 128", func(c *bankgw.Config) { c.Dialect.Load[3] = "128=date_time" }},
		"field left out":     {"dialect.load", "has no field 18", func(c *bankgw.Config) { c.Dialect.Fields = []string{"18=-"} }},
		"twice in a message": {"dialect.load", "field 4 is there twice", func(c *bankgw.Config) { c.Dialect.Load[0] = "4=amount" }},
		"text among digits":  {"dialect.load", "holds digits only", func(c *bankgw.Config) { c.Dialect.Load[1] = "3='BUY   '" }},
		"too wide":           {"dialect.load", "field 4 has room for 10, 12", func(c *bankgw.Config) { c.Dialect.Fields = []string{"4=n10"} }},
		"an answer's source": {"dialect.load", "in answers only", func(c *bankgw.Config) { c.Dialect.Load[1] = "44=bank_reference" }},
		"no reference":       {"dialect.load", "reference is missing", func(c *bankgw.Config) { c.Dialect.Load = c.Dialect.Load[:12] }},
		"reversal elsewhere": {"dialect.reversal", "same field as in load", func(c *bankgw.Config) { c.Dialect.Reversal[12] = "44=reference" }},
		"no function":        {"dialect.network", "function is missing", func(c *bankgw.Config) { c.Dialect.Network = c.Dialect.Network[:3] }},
		"code":               {"dialect.codes", "must be like A0=91", func(c *bankgw.Config) { c.Dialect.Codes = []string{"A0"} }},
		"code twice":         {"dialect.codes", "A0 is there twice", func(c *bankgw.Config) { c.Dialect.Codes = []string{"A0=91", "A0=96"} }},
		"uncertain approval": {"dialect.uncertain_codes", "an approval", func(c *bankgw.Config) { c.Dialect.UncertainCodes = []string{"00"} }},
		"not found approval": {"dialect.not_found_codes", "an approval", func(c *bankgw.Config) {
			c.Dialect.Codes, c.Dialect.NotFoundCodes = []string{"AAAA=00"}, []string{"AAAA"}
		}},
		"feature":              {"dialect.features", "query, balance", func(c *bankgw.Config) { c.Dialect.Features = []string{"magic"} }},
		"signing's source":     {"dialect.load", "not of this message", func(c *bankgw.Config) { c.Dialect.Load[16] = "103=holder" }},
		"signing whom":         {"dialect.signing", "holder is missing", func(c *bankgw.Config) { c.Dialect.Signing = c.Dialect.Signing[:15] }},
		"record signing text":  {"dialect.record.signing", "text must be gbk", record(func(l *bankgw.RecordLayout) { l.Text = "ascii" })},
		"record signing codes": {"dialect.record.codes", "signing is missing", record(func(l *bankgw.RecordLayout) { l.Codes = l.Codes[:9] })},
		"record signing whom":  {"dialect.record.signing", "act is missing", record(func(l *bankgw.RecordLayout) { l.Signing = slices.Delete(l.Signing, 9, 10) })},
		"record MAC":           {"dialect.record.mac", "hex16 or binary8", record(func(l *bankgw.RecordLayout) { l.MAC = "crc" })},
		"record text":          {"dialect.record.text", "ascii or gbk", record(func(l *bankgw.RecordLayout) { l.Text = "utf8" })},
		"record code missing":  {"dialect.record.codes", "network_answer is missing", record(func(l *bankgw.RecordLayout) { l.Codes = l.Codes[:6] })},
		"record code alike":    {"dialect.record.codes", "another message that comes in", record(func(l *bankgw.RecordLayout) { l.Codes[4] = "reversal_answer=2002" })},
		"record line":          {"dialect.record.load", "must be like amount:12", record(func(l *bankgw.RecordLayout) { l.Load[0] = "date_time" })},
		"record width":         {"dialect.record.load", "does not fit", record(func(l *bankgw.RecordLayout) { l.Load[0] = "date_time:14" })},
		"record source twice":  {"dialect.record.load", "amount is there twice", record(func(l *bankgw.RecordLayout) { l.Load[1] = "amount:12" })},
		"record needs a code":  {"dialect.record.network", "code is missing", record(func(l *bankgw.RecordLayout) { l.Network = l.Network[:5] })},
		"record is too long":   {"dialect.record.load", "at most 2048", record(func(l *bankgw.RecordLayout) { l.Load = append(l.Load, "' ':2000") })},
		"name":                 {"name", "1 to 32 bytes", func(c *bankgw.Config) { c.Name = "the bank" }},
		"prefix":               {"prefixes", "1 to 19 digits", func(c *bankgw.Config) { c.Prefixes = []string{"62x"} }},
		"policy":               {"policy", "least_pending", func(c *bankgw.Config) { c.Policy = "random" }},
		"stations":             {"framing", "needs the stations", func(c *bankgw.Config) { c.Framing = iso8583.FramingCUPS46 }},
		"TLS not enabled":      {"tls.enabled", "not enabled", func(c *bankgw.Config) { c.TLS.ServerName = "bank" }},
		"TLS key missing":      {"tls.key_file", "go together", func(c *bankgw.Config) { c.TLS = bankgw.TLSConfig{Enabled: true, CertificateFile: "x"} }},
		"TLS CA missing":       {"tls.ca_file", "cannot be read", func(c *bankgw.Config) { c.TLS = bankgw.TLSConfig{Enabled: true, CAFile: "nowhere"} }},
		"TLS client not there": {"tls.certificate_file", "cannot be used", func(c *bankgw.Config) { c.TLS = bankgw.TLSConfig{Enabled: true, CertificateFile: "x", KeyFile: "y"} }},
	} {
		t.Run(name, func(t *testing.T) {
			c := bankgw.DefaultConfig()
			broken.change(&c)
			err := c.Validate()
			require.ErrorContains(t, err, broken.text)
			var key bankgw.KeyError
			require.True(t, errors.As(err, &key))
			require.Equal(t, broken.key, key.Key, err.Error())
		})
	}
}

// TestAnotherDialect: a bank with a packed amount, a wider account, no merchant type, an order number of its own, codes of its own, is
// reached by a table alone. The other end reads its messages by the same profile.
func TestAnotherDialect(t *testing.T) {
	fields := map[int]string{4: "n12 bcd", 102: "ans..32", 18: "-", 62: "ans16"}
	profile, faults := iso8583.NewBankProfile(fields, 128)
	require.Empty(t, faults)
	synctest.Test(t, func(t *testing.T) {
		i := &imposter{listener: newNetwork(), profile: profile}
		var asked string
		i.answer = func(request *iso8583.BankMessage, mac *iso8583.MAC) [][]byte {
			asked = request.String(62) + " " + request.String(4) + " " + request.String(18)
			answer := iso8583.NewBankMessage(profile, "0210")
			for _, n := range []int{4, 7, 11, 37, 41} {
				answer.Set(n, request.String(n))
			}
			return [][]byte{seal(t, mac, answer.Set(39, "P1"))}
		}
		go i.serve(t)
		m := &machine{network: i.listener, passing: func(bool, bool) bool { return true }}
		c := bankgw.DefaultConfig()
		c.Dialect.Fields = []string{"4=n12 bcd", "102=ans..32", "18=-", "62=ans16"}
		for _, table := range []*[]string{&c.Dialect.Load, &c.Dialect.Reversal} {
			*table = append(slices.Delete(*table, 7, 8), "62=reference")
		}
		c.Dialect.Signing = slices.DeleteFunc(c.Dialect.Signing, func(line string) bool { return line == "18=merchant_type" })
		c.Dialect.Codes = []string{"P1=51"}
		var outcomes []transaction.Request
		g, err := bankgw.New(c, bankgw.Keys{MAC: bankKey}, func(r transaction.Request) error { outcomes = append(outcomes, r); return nil }, bankgw.Events{}, bankgw.Options{Dial: m.dial, Seed: 1})
		require.NoError(t, err)
		stop := runGateway(t, g)
		time.Sleep(time.Second)
		g.Load(orderOf(3, 5000))
		time.Sleep(time.Second)
		stop()
		_ = i.listener.Close()
		require.Equal(t, "000000000003     000000005000 ", asked)
		require.Len(t, outcomes, 1)
		require.Equal(t, transaction.KindLoadDeclined, outcomes[0].Kind)
		require.Equal(t, "51", outcomes[0].BankCode.String(), "the terminal is told what the table says")
	})
}
