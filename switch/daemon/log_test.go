package daemon

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// TestNothingSecretIsLogged seeds secrets and looks for them in what comes out (safety handbook I16).
func TestNothingSecretIsLogged(t *testing.T) {
	var out bytes.Buffer
	log := newLogger(LogConfig{Level: "debug"}, &out)
	const card, bank = "9156000000000019", "6217000012345678123"
	log.With(zap.String("of", card)).Info("card "+card+" and "+bank+".", zap.Error(errors.New("x"+card)), zap.Stringer("card", transaction.CardNumber(9156000000000019)),
		zap.Any("key", iso8583.Secret("0123456789abcdef")), zap.Any("pin", iso8583.PIN("135791")), zap.Uint64("sequence", 123456789012))
	text := out.String()
	t.Log(text)
	for _, secret := range []string{card, bank, "0123456789abcdef", "135791", "MDEyMzQ1Njc4OWFiY2RlZg"} {
		require.NotContains(t, text, secret)
	}
	require.Contains(t, text, "card 915600******0019 and 621700*********8123.")
	require.Contains(t, text, "123456789012")
}

func TestScrub(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "123456789012": "123456789012", "1234567890123": "123456***0123", "a1234567890123456b": "a123456******3456b",
		"12345678901234567890": "12345678901234567890", "9156000000000019,9156000000000027": "915600******0019,915600******0027",
	} {
		require.Equal(t, want, scrub(text))
	}
}
