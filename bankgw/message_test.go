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
	codec, err := newCodec(&c, newKeyRing(iso8583.MACSM4CBC, Keys{MAC: key}))
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

// FuzzReadKey reads key changes as anybody can send them: a key comes out only of one that is signed with it, and no other kind of message.
func FuzzReadKey(f *testing.F) {
	key, zmk, fresh := iso8583.Secret("0123456789abcdef"), iso8583.Secret("fedcba9876543210"), iso8583.Secret("another key here")
	signing, err := iso8583.NewMAC(iso8583.MACSM4CBC, fresh)
	require.NoError(f, err)
	wrapped, err := iso8583.WrapKey(iso8583.SchemeSM4, zmk, fresh)
	require.NoError(f, err)
	value, err := iso8583.CheckValue(iso8583.SchemeSM4, fresh)
	require.NoError(f, err)
	for _, function := range []uint64{functionKey, functionEcho} {
		m := iso8583.NewBankMessage(iso8583.BankSpec(), mtiKey).SetNumber(11, 9).SetNumber(70, function).Set(48, "NK"+string(wrapped)).Set(96, string(value[:])+"\x00\x00\x00\x00")
		raw, err := m.Seal(signing)
		require.NoError(f, err)
		f.Add(raw)
	}
	c := DefaultConfig()
	codec, err := newCodec(&c, newKeyRing(iso8583.MACSM4CBC, Keys{MAC: key, ZMK: zmk}))
	require.NoError(f, err)
	reading, err := codec.reader()
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, payload []byte) {
		a, err := reading.read(payload)
		if a.key == nil {
			return
		}
		require.NoError(t, err)
		require.Equal(t, mtiKey, a.mti)
		require.EqualValues(t, functionKey, a.function)
		mac, err := iso8583.NewMAC(iso8583.MACSM4CBC, a.key)
		require.NoError(t, err)
		_, err = iso8583.OpenBankMessage(iso8583.BankSpec(), payload, mac)
		require.NoError(t, err)
	})
}
