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

// reseal puts the right MAC under changed bytes: a bank that seals nonsense.
func reseal(mac *MAC, raw []byte) []byte {
	sum := mac.Sum(nil, raw[:len(raw)-MACSize])
	copy(raw[len(raw)-MACSize:], sum[:])
	return raw
}

// TestBankMessageIsStrict: a good MAC under bytes that are no message.
func TestBankMessageIsStrict(t *testing.T) {
	spec := BankSpec()
	mac, err := NewMAC(MACX919, unhex("0123456789ABCDEFFEDCBA9876543210"))
	require.NoError(t, err)
	build := func() []byte {
		raw, err := NewBankMessage(spec, "0210").Set(2, "6217000012345678").SetNumber(4, 10000).Set(37, "000000000123").Set(39, "00").Seal(mac)
		require.NoError(t, err)
		return raw
	}
	const ll, amount = 4 + 16, 4 + 16 + 2 + 16
	for name, bad := range map[string]struct {
		fault  Fault
		field  int
		change func(raw []byte) []byte
	}{
		"length with a sign":     {FaultLengthField, 2, func(raw []byte) []byte { return append(raw[:ll], append([]byte("+6"), raw[ll+2:]...)...) }},
		"length above the field": {FaultTooLong, 2, func(raw []byte) []byte { raw[ll] = '9'; return raw }},
		"letter in an amount":    {FaultNibble, 4, func(raw []byte) []byte { raw[amount+3] = 'A'; return raw }},
		"sign in an amount":      {FaultNibble, 4, func(raw []byte) []byte { raw[amount] = '-'; return raw }},
		"control character":      {FaultNibble, 37, func(raw []byte) []byte { raw[amount+12] = 0x1B; return raw }},
		"third bitmap":           {FaultUndefined, 65, func(raw []byte) []byte { raw[4+8] |= 0x80; return raw }},
		"field not in profile":   {FaultUndefined, 5, func(raw []byte) []byte { raw[4] |= 0x08; return raw }},
		"high field not known":   {FaultUndefined, 127, func(raw []byte) []byte { raw[4+15] |= 0x02; return raw }},
		"bytes behind":           {FaultTrailing, 128, func(raw []byte) []byte { return append(raw, raw[:MACSize]...) }},
		"MTI with a letter":      {FaultNibble, 0, func(raw []byte) []byte { raw[1] = 'x'; return raw }},
		"cut":                    {FaultTruncated, 128, func(raw []byte) []byte { return raw[:len(raw)-1] }},
	} {
		_, err := OpenBankMessage(spec, reseal(mac, bad.change(build())), mac)
		require.Error(t, err, name)
		require.Equal(t, bad.fault, FaultOf(err), "%s: %v", name, err)
		require.Equal(t, bad.field, FieldOf(err), "%s: %v", name, err)
	}
	for _, set := range []struct {
		n     int
		value string
	}{{5, "1"}, {3, "60000A"}, {32, "123456789012"}, {39, "0\n"}, {4, "1"}} {
		_, err := NewBankMessage(spec, "0200").Set(set.n, set.value).Seal(mac)
		require.Error(t, err, "field %d: %q", set.n, set.value)
	}
}
