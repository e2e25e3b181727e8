package bankgw_test

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// keyChange is an 0800 with a key, signed with it.
func keyChange(t *testing.T, key, signedWith iso8583.Secret, change func(*iso8583.BankMessage)) []byte {
	wrapped, err := iso8583.WrapKey(iso8583.SchemeSM4, bankZMK, key)
	require.NoError(t, err)
	value, err := iso8583.CheckValue(iso8583.SchemeSM4, key)
	require.NoError(t, err)
	m := iso8583.NewBankMessage(iso8583.BankSpec(), "0800").Set(7, "0101000000").Set(11, "000077").Set(70, "101")
	m.Set(48, "NK"+string(wrapped)).Set(96, string(append(value[:], 0, 0, 0, 0)))
	if change != nil {
		change(m)
	}
	mac, err := iso8583.NewMAC(iso8583.MACSM4CBC, signedWith)
	require.NoError(t, err)
	return seal(t, mac, m)
}

// TestKeyChanges says what of an 0800 is taken and how it is answered (wire handbook 4.2 and 5.2): each in a gateway of its own, whose link is up.
func TestKeyChanges(t *testing.T) {
	one, two := iso8583.Secret("the first newkey"), iso8583.Secret("the other newkey")
	change := func(of iso8583.Secret) []byte { return keyChange(t, of, of, nil) }
	spoilt := func(change func(*iso8583.BankMessage)) []byte { return keyChange(t, one, one, change) }
	flipped := change(one)
	flipped[len(flipped)-1] ^= 1
	for name, c := range map[string]struct {
		frames  [][]byte
		zmk     iso8583.Secret
		kept    error
		codes   string // of our answers, in their order
		faults  string
		inForce iso8583.Secret
	}{
		"a key":                          {frames: [][]byte{change(one)}, codes: "00", inForce: one},
		"two keys":                       {frames: [][]byte{change(one), change(two)}, codes: "00 00", inForce: two},
		"the same again":                 {frames: [][]byte{change(one), change(one)}, codes: "00 00", inForce: one},
		"a recorded change played again": {frames: [][]byte{change(one), change(two), change(one)}, codes: "00 00 94", faults: "key_retired", inForce: two},
		"the configured key, back again": {frames: [][]byte{change(one), change(bankKey)}, codes: "00 94", faults: "key_retired", inForce: one},
		"the key in force":               {frames: [][]byte{change(bankKey)}, codes: "00", inForce: bankKey},
		"signed with the old key":        {frames: [][]byte{keyChange(t, one, bankKey, nil)}, codes: "A0", faults: "key_mac", inForce: bankKey},
		"a flipped bit":                  {frames: [][]byte{flipped}, codes: "A0", faults: "key_mac", inForce: bankKey},
		"another check value":            {frames: [][]byte{spoilt(func(m *iso8583.BankMessage) { m.Set(96, "12345678") })}, codes: "A7", faults: "key_check_value", inForce: bankKey},
		"no check value":                 {frames: [][]byte{keyWithout(t, one, 96)}, codes: "A7", faults: "key_check_value", inForce: bankKey},
		"no key":                         {frames: [][]byte{keyWithout(t, one, 48)}, codes: "A7", faults: "key_check_value", inForce: bankKey},
		"no NK":                          {frames: [][]byte{spoilt(func(m *iso8583.BankMessage) { m.Set(48, "0123456789ABCDEF") })}, codes: "A7", faults: "key_check_value", inForce: bankKey},
		"half a key":                     {frames: [][]byte{spoilt(func(m *iso8583.BankMessage) { m.Set(48, m.String(48)[:10]) })}, codes: "A7", faults: "key_check_value", inForce: bankKey},
		"two keys in one":                {frames: [][]byte{spoilt(func(m *iso8583.BankMessage) { m.Set(48, m.String(48)+m.String(48)[2:]) })}, codes: "A7", faults: "key_check_value", inForce: bankKey},
		"another function, signed with the new key": {frames: [][]byte{spoilt(func(m *iso8583.BankMessage) { m.Set(70, "001") })}, faults: "mac", inForce: bankKey},
		"another function":                          {frames: [][]byte{keyChange(t, one, bankKey, func(m *iso8583.BankMessage) { m.Set(70, "001") })}, codes: "40", inForce: bankKey},
		"under another zone's key":                  {frames: [][]byte{change(one)}, zmk: iso8583.Secret("another zone key"), codes: "A7", faults: "key_check_value", inForce: bankKey},
		"it cannot be stored":                       {frames: [][]byte{change(one)}, kept: errDied, codes: "96", faults: "key_not_kept", inForce: bankKey},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				zmk := bankZMK
				if c.zmk != nil {
					zmk = c.zmk
				}
				kept := bankgw.Keys{MAC: bankKey}
				codes, faults, status := playKeys(t, c.frames, bankgw.Keys{MAC: bankKey, ZMK: zmk, Keep: func(k bankgw.Keys) error {
					if c.kept == nil {
						kept = k
					}
					return c.kept
				}})
				require.Equal(t, c.codes, codes)
				require.Equal(t, c.faults, faults)
				require.True(t, bytes.Equal(c.inForce, kept.MAC))
				value, err := iso8583.CheckValue(iso8583.SchemeSM4, c.inForce)
				require.NoError(t, err)
				require.Equal(t, fmt.Sprintf("%X", value[:]), status.CheckValue)
				require.Equal(t, c.faults != "" && c.codes != "", status.LastRefusal != "")
			})
		})
	}
}

// keyWithout is a key change in which a field is missing.
func keyWithout(t *testing.T, key iso8583.Secret, missing int) []byte {
	full := iso8583.NewBankMessage(iso8583.BankSpec(), "0800")
	keyChange(t, key, key, func(m *iso8583.BankMessage) {
		for _, n := range []int{7, 11, 48, 70, 96} {
			if n != missing {
				full.Set(n, m.String(n))
			}
		}
	})
	mac, err := iso8583.NewMAC(iso8583.MACSM4CBC, key)
	require.NoError(t, err)
	return seal(t, mac, full)
}

// playKeys gives a gateway frames of the bank's, a second apart, and returns its answers' codes and its faults.
func playKeys(t *testing.T, frames [][]byte, keys bankgw.Keys) (codes, faults string, status bankgw.KeyStatus) {
	add := func(list *string, word string) {
		if *list != "" {
			*list += " "
		}
		*list += word
	}
	p, err := newPuppet(false)
	require.NoError(t, err)
	c := bankgw.DefaultConfig()
	c.Links = 1
	m := &machine{network: p.network, passing: func(bool, bool) bool { return true }}
	g, err := bankgw.New(c, keys, func(transaction.Request) error { return nil }, bankgw.Events{Fault: func(f string) { add(&faults, f) }}, bankgw.Options{Dial: m.dial, Seed: 1})
	require.NoError(t, err)
	stop := runGateway(t, g)
	time.Sleep(time.Second)
	for _, f := range frames {
		p.mu.Lock()
		_, err := p.conn.Write(f)
		p.mu.Unlock()
		require.NoError(t, err)
		time.Sleep(time.Second)
	}
	status = g.Status().Keys
	p.mu.Lock()
	for _, payload := range p.seen {
		if m, err := iso8583.OpenBankMessageUnder(iso8583.BankSpec(), payload, func(*iso8583.BankMessage) (*iso8583.MAC, error) { return p.mac, nil }); m != nil && m.MTI() == "0810" {
			add(&codes, m.String(39))
			require.False(t, m.Has(48) || m.Has(96), "our answer gives no key back: %v", err)
		}
	}
	p.fault = nil // the puppet does not change its key
	p.mu.Unlock()
	stop()
	p.end()
	return codes, faults, status
}

// TestNoKeyChange: an order for a key is refused with the reason when the bank's table has no key change, there is no zone master key, or no link.
func TestNoKeyChange(t *testing.T) {
	submit := func(transaction.Request) error { return nil }
	bank := func(change func(*bankgw.Config), zmk iso8583.Secret) *bankgw.Gateway {
		c := bankgw.DefaultConfig()
		change(&c)
		require.NoError(t, c.Validate())
		g, err := bankgw.New(c, bankgw.Keys{MAC: bankKey, ZMK: zmk}, submit, bankgw.Events{}, bankgw.Options{})
		require.NoError(t, err)
		return g
	}
	require.ErrorIs(t, bank(func(c *bankgw.Config) { c.Dialect.Keys = nil }, bankZMK).ChangeKey(), bankgw.ErrNoKeyChange)
	require.ErrorIs(t, bank(func(c *bankgw.Config) {
		c.Dialect.Kind, c.Framing = bankgw.DialectRecord, iso8583.FramingASCII6
		c.Dialect.Record.Codes, c.Dialect.Record.Key = c.Dialect.Record.Codes[:11], nil
	}, bankZMK).ChangeKey(), bankgw.ErrNoKeyChange)
	require.ErrorIs(t, bank(func(*bankgw.Config) {}, nil).ChangeKey(), bankgw.ErrNoZMK)
	require.ErrorIs(t, bank(func(*bankgw.Config) {}, bankZMK).ChangeKey(), bankgw.ErrNoLink)

	_, err := bankgw.New(bankgw.DefaultConfig(), bankgw.Keys{MAC: bankKey, ZMK: bankZMK[:8]}, submit, bankgw.Events{}, bankgw.Options{})
	var fault bankgw.KeyError
	require.ErrorAs(t, err, &fault)
	require.Equal(t, "zmk_file", fault.Key)
}

// TestKeyTables: what a table of key changes must hold.
func TestKeyTables(t *testing.T) {
	for _, c := range []struct {
		key    string
		change func(*bankgw.Dialect)
	}{
		{"", func(d *bankgw.Dialect) { d.Keys = []string{"48=checked_key"} }},
		{"", func(d *bankgw.Dialect) {
			d.Fields, d.Keys = []string{"62=b..40"}, []string{"62=new_key", "96=check_value"}
		}},
		{"dialect.keys", func(d *bankgw.Dialect) { d.Keys = []string{"48=new_key"} }},
		{"dialect.keys", func(d *bankgw.Dialect) { d.Keys = []string{"48=new_key", "48=check_value"} }},
		{"dialect.keys", func(d *bankgw.Dialect) { d.Keys = []string{"48=amount"} }},
		{"dialect.keys", func(d *bankgw.Dialect) { d.Keys = []string{"37=new_key", "96=check_value"} }},
		{"dialect.keys", func(d *bankgw.Dialect) { d.Keys = []string{"52=new_key", "96=check_value"} }},
		{"dialect.keys", func(d *bankgw.Dialect) { d.Keys = []string{"x"} }},
		{"dialect.load", func(d *bankgw.Dialect) { d.Load = append(d.Load, "48=new_key") }},
		{"dialect.record.key", func(d *bankgw.Dialect) { d.Kind, d.Record.Key = bankgw.DialectRecord, nil }},
		{"dialect.record.key", func(d *bankgw.Dialect) { d.Kind, d.Record.Codes = bankgw.DialectRecord, d.Record.Codes[:12] }},
		{"dialect.record.key", func(d *bankgw.Dialect) {
			d.Kind, d.Record.Key = bankgw.DialectRecord, []string{"trace:6", "function:3", "code:6", "new_key:32"}
		}},
		{"dialect.record.key", func(d *bankgw.Dialect) {
			d.Kind, d.Record.Key = bankgw.DialectRecord, []string{"trace:6", "function:3", "code:6", "new_key:16", "check_value:8"}
		}},
	} {
		config := bankgw.DefaultConfig()
		config.ZMKFile = "zmk"
		c.change(&config.Dialect)
		err := config.Validate()
		if c.key == "" {
			require.NoError(t, err)
			continue
		}
		var fault bankgw.KeyError
		require.ErrorAs(t, err, &fault)
		require.Equal(t, c.key, fault.Key, "%s", err)
	}
}

// TestKeyBehindItsCheckValue: a bank that has the check value in F48, behind the key.
func TestKeyBehindItsCheckValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := iso8583.Secret("the first newkey")
		p, err := newPuppet(false)
		require.NoError(t, err)
		c := bankgw.DefaultConfig()
		c.Links, c.Dialect.Keys = 1, []string{"48=checked_key"}
		m := &machine{network: p.network, passing: func(bool, bool) bool { return true }}
		changed := ""
		g, err := bankgw.New(c, bankgw.Keys{MAC: bankKey, ZMK: bankZMK}, func(transaction.Request) error { return nil }, bankgw.Events{KeyChanged: func(v string) { changed += v }}, bankgw.Options{Dial: m.dial, Seed: 1})
		require.NoError(t, err)
		stop := runGateway(t, g)
		time.Sleep(time.Second)
		value, err := iso8583.CheckValue(iso8583.SchemeSM4, key)
		require.NoError(t, err)
		p.mu.Lock()
		_, err = p.conn.Write(keyChange(t, key, key, func(m *iso8583.BankMessage) { m.Set(48, m.String(48)+string(value[:])) }))
		p.fault = nil
		p.mu.Unlock()
		require.NoError(t, err)
		time.Sleep(time.Second)
		require.Equal(t, fmt.Sprintf("%X", value[:]), changed)
		stop()
		p.mu.Lock()
		p.fault = nil
		p.mu.Unlock()
		p.end()
	})
}
