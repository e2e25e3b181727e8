package iso8583

import (
	"bufio"
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBankMessage(t *testing.T) {
	spec := BankSpec()
	mac, err := NewMAC(MACSM4CBC, unhex("0123456789ABCDEFFEDCBA9876543210"))
	require.NoError(t, err)
	raw, err := NewBankMessage(spec, "0200").Set(2, "6217000012345678").Set(3, "600000").SetNumber(4, 10000).Set(37, "000000000123").Set(41, "30000001").Set(102, "6217000012345678").Seal(mac)
	require.NoError(t, err)
	require.Equal(t, "0200", string(raw[:4]))
	m, err := OpenBankMessage(spec, raw, mac)
	require.NoError(t, err)
	require.Equal(t, "0200", m.MTI())
	amount, ok := m.Number(4)
	require.True(t, ok)
	require.Equal(t, uint64(10000), amount)
	require.False(t, m.Has(54))
	require.Empty(t, m.String(54))
	for i := range raw {
		bad := bytes.Clone(raw)
		bad[i] ^= 1
		_, err := OpenBankMessage(spec, bad, mac)
		require.Error(t, err, "bit 0 of byte %d flipped", i)
	}
	for n := range raw {
		_, err := OpenBankMessage(spec, raw[:n], mac)
		require.Error(t, err, "cut at %d", n)
	}
	_, err = NewBankMessage(spec, "0200").Set(3, "60000").Seal(mac)
	require.Error(t, err)
	for _, framing := range []BankFraming{FramingASCII4, FramingBinary2} {
		frame := AppendBankFrame(nil, framing, raw)
		got, err := ReadBankFrame(bufio.NewReader(bytes.NewReader(frame)), framing)
		require.NoError(t, err)
		require.Equal(t, raw, got)
	}
	_, err = ReadBankFrame(bufio.NewReader(bytes.NewReader([]byte("12x4abc"))), FramingASCII4)
	require.Error(t, err)
	_, err = ReadBankFrame(bufio.NewReader(bytes.NewReader([]byte("9999abc"))), FramingASCII4)
	require.Error(t, err)
}
