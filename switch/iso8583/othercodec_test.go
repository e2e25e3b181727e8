package iso8583

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func frameOf(t testing.TB, name string) []byte {
	for _, v := range vectors(t) {
		if v.name == name {
			return v.frame
		}
	}
	t.Fatalf("no vector %q", name)
	return nil
}

// TestOtherCodecReadsAndWritesEveryVector: from bytes to values and from values to the same bytes, the hot messages too.
func TestOtherCodecReadsAndWritesEveryVector(t *testing.T) {
	c := NewOtherCodec()
	for _, v := range vectors(t) {
		m, err := c.Read(v.frame[PrefixSize:])
		require.NoError(t, err, v.name)
		again, err := m.Pack()
		require.NoError(t, err, v.name)
		require.Equal(t, v.frame, again, v.name)
		built := c.NewMessage(m.tpdu, m.header, m.MTI())
		for n := 2; n <= 64; n++ {
			if m.Has(n) {
				built.Set(n, string(m.Value(n)))
			}
		}
		again, err = built.Pack()
		require.NoError(t, err, v.name)
		require.Equal(t, v.frame, again, v.name)
	}
}

// TestSettlementFromValues: 0500 and 0510 of the vectors, written by hand (wire handbook 3.4, 5.1).
func TestSettlementFromValues(t *testing.T) {
	c := NewOtherCodec()
	totals := "000000001250" + "001" + "000000000250" + "001"
	foreign := strings.Repeat("0", 30)
	request, err := c.NewMessage([5]byte{0x60, 0, 3, 0, 1}, [6]byte{0x60, 0x31, 0, 0x31, 0, 0}, 0x0500).
		Set(11, "000127").Set(41, "10016919").Set(42, "843290045820001").Set(48, totals+"0"+foreign+"0").Set(49, "156").Set(60, "00000001201").Set(63, "001").Pack()
	require.NoError(t, err)
	require.Equal(t, frameOf(t, "0500 settle"), request)
	reply, err := c.NewMessage([5]byte{0x60, 0, 1, 0, 3}, [6]byte{0x60, 0x31, 0, 0x31, 0, 0}, 0x0510).
		Set(11, "000127").Set(12, "233000").Set(13, "0921").Set(15, "0921").Set(37, "260921000127").Set(39, "00").
		Set(41, "10016919").Set(42, "843290045820001").Set(48, totals+"1"+foreign+"1").Set(49, "156").Set(60, "00000001201").Pack()
	require.NoError(t, err)
	require.Equal(t, frameOf(t, "0510 settle balanced"), reply)
	m, err := c.Read(request[PrefixSize:])
	require.NoError(t, err)
	require.Equal(t, MTI(0x0500), m.MTI())
	require.Equal(t, totals+"0"+foreign+"0", string(m.Value(48)))
}

// TestDecline answers every request of the vectors, and a settlement with a vendor's F pad nibble, which comes back as it came.
func TestDecline(t *testing.T) {
	c := NewOtherCodec()
	d := Declined{Code: [2]byte{'4', '0'}, Reference: [12]byte([]byte("260921000999")), HHMMSS: 10203, MMDD: 921}
	for _, v := range vectors(t) {
		frame, err := c.Decline(v.frame[PrefixSize:], d)
		if v.frame[PrefixSize+mtiAt+1]&0x10 != 0 {
			require.ErrorIs(t, err, ErrIsReply, v.name)
			continue
		}
		require.NoError(t, err, v.name)
		checkDeclined(t, c, v.frame, frame)
	}
	settle := bytes.Clone(frameOf(t, "0500 settle"))
	settle[PrefixSize+7] = 0x13 // a terminal state to be kept and a processing nibble to be cleared
	at := bytes.Index(settle, unhex("00110000000120100003")) + 7
	require.Equal(t, byte(0x10), settle[at])
	settle[at] = 0x1F
	frame, err := c.Decline(settle[PrefixSize:], d)
	require.NoError(t, err)
	want := unhex("6000010003" + "603110310000" + "0510" + "003800000AC08010" + "000127" + "010203" + "0921" + "323630393231303030393939" + "3430" +
		"3130303136393139" + "383433323930303435383230303031" + "313536" + "001100000001201F")
	require.Equal(t, append([]byte{0, byte(len(want))}, want...), frame)
}

func checkDeclined(t *testing.T, c *OtherCodec, request, reply []byte) {
	n, ok, err := FrameLength(reply)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, len(reply)-PrefixSize, n)
	asked, err := c.Read(request[PrefixSize:])
	require.NoError(t, err)
	m, err := c.Read(reply[PrefixSize:])
	require.NoError(t, err)
	require.Equal(t, asked.MTI().Reply(), m.MTI())
	for n := 2; n <= 64; n++ {
		switch n {
		case 3, 4, 11, 25, 41, 42, 49, 60:
			require.Equal(t, asked.Wire(n), m.Wire(n), "field %d", n)
		case 12:
			require.Equal(t, "010203", string(m.Value(n)))
		case 13:
			require.Equal(t, "0921", string(m.Value(n)))
		case 37:
			require.Equal(t, "260921000999", string(m.Value(n)))
		case 39:
			require.Equal(t, "40", string(m.Value(n)))
		default:
			require.False(t, m.Has(n), "field %d must not be in the reply", n)
		}
	}
}

// TestDeclineRefuses: who is not named gets no answer, and what cannot be read strictly neither.
func TestDeclineRefuses(t *testing.T) {
	c := NewOtherCodec()
	whole := c.NewMessage([5]byte{0x60}, [6]byte{0x60}, 0x0620).Set(3, "000000").Set(11, "000001").Set(41, "10016919").Set(60, "00000001951")
	good, err := whole.Pack()
	require.NoError(t, err)
	_, err = c.Decline(good[PrefixSize:], Declined{})
	require.NoError(t, err)
	for _, missing := range []int{11, 41} {
		m := c.NewMessage([5]byte{0x60}, [6]byte{0x60}, 0x0620)
		for n, value := range map[int]string{3: "000000", 11: "000001", 41: "10016919"} {
			if n != missing {
				m.Set(n, value)
			}
		}
		frame, err := m.Pack()
		require.NoError(t, err)
		_, err = c.Decline(frame[PrefixSize:], Declined{})
		require.ErrorIs(t, err, ErrNamesNobody)
	}
	for _, bad := range []struct {
		fault  Fault
		change func(p []byte) []byte
	}{
		{FaultLength, func(p []byte) []byte { return p[:20] }},
		{FaultLength, func(p []byte) []byte { return append(p, make([]byte, MaxPayload)...) }},
		{FaultTPDU, func(p []byte) []byte { p[0] = 0x61; return p }},
		{FaultMTI, func(p []byte) []byte { p[mtiAt+1] = 0x2A; return p }},
		{FaultBit1, func(p []byte) []byte { p[bitmapAt] |= 0x80; return p }},
		{FaultUndefined, func(p []byte) []byte { p[bitmapAt+1] |= 1; return p }},
		{FaultTruncated, func(p []byte) []byte { return p[:len(p)-1] }},
		{FaultTrailing, func(p []byte) []byte { return append(p, 0) }},
		{FaultNibble, func(p []byte) []byte { p[fieldsAt+4] = 0x0B; return p }},
		{FaultNibble, func(p []byte) []byte { p[len(p)-1] = 0x17; return p }},
		{FaultLengthField, func(p []byte) []byte { p[len(p)-7] = 0x1A; return p }},
		{FaultTooLong, func(p []byte) []byte { p[len(p)-7] = 0x18; return p }},
	} {
		_, err := c.Decline(bad.change(bytes.Clone(good[PrefixSize:])), Declined{})
		require.Equal(t, bad.fault, FaultOf(err), "%s: %v", bad.fault.Label(), err)
	}
	for n := range good[PrefixSize:] {
		_, err := c.Decline(good[PrefixSize:PrefixSize+n], Declined{})
		require.Error(t, err, "cut at %d", n)
	}
}

// TestOtherCodecFindsThePINBlockLength: outside a session nobody says whether F52 has 8 or 16 bytes.
func TestOtherCodecFindsThePINBlockLength(t *testing.T) {
	c := NewOtherCodec()
	for _, size := range []int{8, 16} {
		frame, err := c.NewMessage([5]byte{0x60}, [6]byte{0x60}, 0x0100).Set(11, "000001").Set(41, "10016919").Set(52, strings.Repeat("\xA5", size)).Set(53, "2600000000000000").Pack()
		require.NoError(t, err)
		m, err := c.Read(frame[PrefixSize:])
		require.NoError(t, err)
		require.Len(t, m.Value(52), size)
		require.Equal(t, "2600000000000000", string(m.Value(53)))
	}
	_, err := c.NewMessage([5]byte{0x60}, [6]byte{0x60}, 0x0100).Set(52, "seven B").Pack()
	require.Error(t, err)
}

// TestOtherMessageRefusesWhatDoesNotFit: every error of Set and of the values shows at Pack.
func TestOtherMessageRefusesWhatDoesNotFit(t *testing.T) {
	c := NewOtherCodec()
	for _, bad := range []struct {
		n     int
		value string
	}{
		{4, "125"},
		{4, "0000000000125"},
		{4, "00000000012A"},
		{12, ""},
		{2, "12345678901234567890"},
		{16, "0921"},
		{0, "0200"},
		{1, "x"},
		{65, "1"},
		{35, "6217B"},
		{41, "123456789"},
		{44, strings.Repeat("x", 26)},
		{64, "short"},
	} {
		_, err := c.NewMessage([5]byte{0x60}, [6]byte{0x60}, 0x0500).Set(bad.n, bad.value).Set(11, "000001").Pack()
		require.Error(t, err, "field %d: %q", bad.n, bad.value)
	}
	_, err := c.NewMessage([5]byte{0x60}, [6]byte{0x60}, 0x0A00).Pack()
	require.Error(t, err, "an MTI that is not BCD (pitfall 9)")
}
