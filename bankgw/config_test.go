package bankgw_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

func TestDefaultsAreValid(t *testing.T) {
	require.NoError(t, bankgw.DefaultConfig().Validate())
}

// TestEveryKeyHasBounds breaks one key after the other and expects to be told which.
func TestEveryKeyHasBounds(t *testing.T) {
	for key, breakIt := range map[string]func(*bankgw.Config){
		"addresses":               func(c *bankgw.Config) { c.Addresses = []string{"bank"} },
		"links":                   func(c *bankgw.Config) { c.Links = 0 },
		"framing":                 func(c *bankgw.Config) { c.Framing = "xml" },
		"institution":             func(c *bankgw.Config) { c.Institution = "" },
		"forwarding":              func(c *bankgw.Config) { c.Forwarding = "123456789012" },
		"receiving":               func(c *bankgw.Config) { c.Receiving = "12a" },
		"merchant_type":           func(c *bankgw.Config) { c.MerchantType = "822" },
		"mac_mode":                func(c *bankgw.Config) { c.MACMode = "cup-ecb-des" },
		"connect_timeout":         func(c *bankgw.Config) { c.ConnectTimeout = 0 },
		"sign_on_timeout":         func(c *bankgw.Config) { c.SignOnTimeout = time.Hour },
		"request_timeout":         func(c *bankgw.Config) { c.RequestTimeout = 91 * time.Second },
		"echo_interval":           func(c *bankgw.Config) { c.EchoInterval = 0 },
		"echo_timeout":            func(c *bankgw.Config) { c.EchoTimeout = 0 },
		"echo_misses":             func(c *bankgw.Config) { c.EchoMisses = 0 },
		"reconnect_min":           func(c *bankgw.Config) { c.ReconnectMin = 0 },
		"reconnect_max":           func(c *bankgw.Config) { c.ReconnectMax = time.Millisecond },
		"reversal_back_off":       func(c *bankgw.Config) { c.ReversalBackOff = []time.Duration{time.Minute, time.Second} },
		"not_found_after":         func(c *bankgw.Config) { c.NotFoundAfter = -1 },
		"max_in_flight":           func(c *bankgw.Config) { c.MaxInFlight = 0 },
		"max_reversals_in_flight": func(c *bankgw.Config) { c.MaxReversalsInFlight = 0 },
		"max_message_bytes":       func(c *bankgw.Config) { c.MaxMessageBytes = 8192 },
		"stop_timeout":            func(c *bankgw.Config) { c.StopTimeout = time.Hour },
		"zone":                    func(c *bankgw.Config) { c.Zone = 15 * time.Hour },
	} {
		t.Run(key, func(t *testing.T) {
			c := bankgw.DefaultConfig()
			breakIt(&c)
			err := c.Validate()
			var fault bankgw.KeyError
			require.ErrorAs(t, err, &fault)
			require.Equal(t, key, fault.Key)
			joined, ok := err.(interface{ Unwrap() []error })
			require.True(t, ok)
			require.Len(t, joined.Unwrap(), 1)
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	err := bankgw.Config{}.Validate()
	joined, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok)
	require.Greater(t, len(joined.Unwrap()), 10)
}

// TestKeyMustFitTheMode: a key of another length is refused before anything is connected, and is not printed.
func TestKeyMustFitTheMode(t *testing.T) {
	_, err := bankgw.New(bankgw.DefaultConfig(), bankgw.Keys{MAC: iso8583.Secret("12345678")}, func(transaction.Request) error { return nil }, bankgw.Events{}, bankgw.Options{})
	var fault bankgw.KeyError
	require.True(t, errors.As(err, &fault))
	require.Equal(t, "mac_key_file", fault.Key)
	require.NotContains(t, err.Error(), "12345678")
}

// TestLabelsAreDistinct: every closed set names each of its labels once.
func TestLabelsAreDistinct(t *testing.T) {
	for _, visitAll := range []func(func(string)){bankgw.Faults, bankgw.Refusals, bankgw.LinkStates, bankgw.MessageTypes} {
		seen := make(map[string]bool)
		visitAll(func(label string) {
			require.NotEmpty(t, label)
			require.False(t, seen[label], label)
			seen[label] = true
		})
		require.NotEmpty(t, seen)
	}
}

func TestLinkStateText(t *testing.T) {
	for s := bankgw.LinkDown; s <= bankgw.LinkSigningOff; s++ {
		text, err := s.MarshalText()
		require.NoError(t, err)
		var back bankgw.LinkState
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, s, back)
	}
}
