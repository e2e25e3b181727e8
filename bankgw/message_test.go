package bankgw

import (
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// FuzzReadAnswer reads payloads under a good MAC, as only a bank can send them: nothing is taken for complete that is not.
func FuzzReadAnswer(f *testing.F) {
	key := []byte("0123456789abcdef")
	sealing, err := iso8583.NewMAC(iso8583.MACSM4CBC, key)
	require.NoError(f, err)
	spec := iso8583.BankSpec()
	for _, mti := range []string{mtiLoadAnswer, mtiReversalAnswer, mtiNetworkAnswer, mtiNetwork, "0610"} {
		m := iso8583.NewBankMessage(spec, mti).SetNumber(4, 5000).SetNumber(11, 9).SetNumber(37, 8).Set(38, "A00008").Set(39, "00").Set(41, "KIOSK001").SetNumber(70, functionEcho)
		raw, err := m.Seal(sealing)
		require.NoError(f, err)
		f.Add(raw[:len(raw)-iso8583.MACSize])
	}
	c := DefaultConfig()
	codec, err := newCodec(&c, key)
	require.NoError(f, err)
	reading, err := codec.reader()
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, payload []byte) {
		sum := sealing.Sum(nil, payload)
		m, err := iso8583.OpenBankMessage(spec, append(payload[:len(payload):len(payload)], sum[:]...), sealing)
		if err != nil {
			return
		}
		a := reading.(*fieldReader).take(m)
		if !a.complete {
			return
		}
		require.LessOrEqual(t, a.trace, uint32(traceSpace))
		if a.mti == mtiLoadAnswer || a.mti == mtiReversalAnswer {
			require.NotZero(t, a.load)
			require.NotZero(t, a.terminal)
			require.NotZero(t, a.code)
			require.Equal(t, transaction.ReferenceOf(a.load).String(), m.String(37))
			require.True(t, !a.hasAmount || a.amount >= 0 && a.amount <= money.Fen(999_999_999_999))
		}
	})
}
