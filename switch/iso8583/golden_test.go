package iso8583

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// vector is one frame of the conformance material.
type vector struct {
	name  string
	frame []byte
}

func vectors(t testing.TB) []vector {
	contents, err := os.ReadFile("testdata/terminal-frames.txt")
	require.NoError(t, err)
	var all []vector
	for line := range strings.Lines(string(contents)) {
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		parts := strings.Fields(line)
		frame, err := hex.DecodeString(parts[len(parts)-1])
		require.NoError(t, err, line)
		all = append(all, vector{strings.Join(parts[:len(parts)-1], " "), frame})
	}
	require.Len(t, all, 18)
	return all
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// hotVector says whether the hot codec takes the frame: 0500/0510 go through moov.
func hotVector(v vector) bool { return !strings.HasPrefix(v.name, "05") }

// TestVectors reads every frame, checks its MAC and builds it again byte for byte.
func TestVectors(t *testing.T) {
	mac, err := NewMAC(MACCUPDES, unhex("DAB36167E6DFB5EF"))
	require.NoError(t, err)
	for _, v := range vectors(t) {
		n, ok, err := FrameLength(v.frame)
		require.NoError(t, err, v.name)
		require.True(t, ok)
		require.Equal(t, len(v.frame)-PrefixSize, n, v.name)
		var m Message
		err = m.Parse(v.frame[PrefixSize:], 8)
		if !hotVector(v) {
			require.Equal(t, FaultOtherMTI, FaultOf(err), v.name)
			continue
		}
		require.NoError(t, err, v.name)
		var sealed *MAC
		if m.Has(64) {
			require.True(t, mac.Verify(nil, m.MAB(), m.MAC()), "%s: MAC %s", v.name, m.MAC())
			sealed = mac
		}
		var b Builder
		b.Request(nil, [5]byte(m.TPDU()), [6]byte(m.Header()), m.MTI())
		for f := 2; f < 64; f++ {
			b.Copy(&m, f)
		}
		require.Equal(t, v.frame, b.Finish(sealed, nil), v.name)
	}
}

// TestBuildFromValues builds frames of the vectors from values instead of copies.
func TestBuildFromValues(t *testing.T) {
	mac, _ := NewMAC(MACCUPDES, unhex("DAB36167E6DFB5EF"))
	frames := map[string][]byte{}
	for _, v := range vectors(t) {
		frames[v.name] = v.frame
	}
	var b Builder
	b.Request([]byte("before"), [5]byte{0x60, 0, 3, 0, 1}, [6]byte{0x60, 0x31, 0, 0x31, 0, 0}, MTIFinancial)
	b.Variable(2, 6217000012345678, 16)
	b.Number(3, 0)
	b.Number(4, 1250)
	b.Number(11, 123)
	b.Number(22, 72)
	b.Number(25, 0)
	b.Text(41, "10016919")
	b.Text(42, "843290045820001")
	b.Text(49, "156")
	b.Variable(60, 2200000100060, 13)
	want := frames["0200 purchase"]
	got := b.Finish(mac, nil)[len("before"):]
	// The vector's F60 carries 13 digits and F22 071.
	var m Message
	require.NoError(t, m.Parse(want[PrefixSize:], 8))
	require.NoError(t, m.Parse(got[PrefixSize:], 8))
	messageType, batch, _, ok := m.Network()
	require.True(t, ok)
	require.Equal(t, uint8(22), messageType)
	require.Equal(t, uint32(1), batch)
	amount, _ := m.Number(4)
	require.Equal(t, uint64(1250), amount)
	card, digits, ok := m.CardNumber()
	require.True(t, ok)
	require.Equal(t, uint64(6217000012345678), card)
	require.Equal(t, 16, digits)
	entry, _ := m.Number(22)
	require.Equal(t, uint64(72), entry)
}

// TestMACVectors: wire handbook 3.7 and RFC 4493.
func TestMACVectors(t *testing.T) {
	sample := unhex("02007038048000C08811166217000012345678000000000000001250000123123456092107200031303031363931393834333239303034353832303030423135362600000000000000001322000727000600")
	long := "0123456789ABCDEFFEDCBA9876543210"
	for _, c := range []struct {
		mode      MACMode
		key, want string
	}{
		{MACCUPDES, "DAB36167E6DFB5EF", hex.EncodeToString([]byte("B644C08E"))},
		{MACCUP3DES, long, hex.EncodeToString([]byte("3501258D"))},
		{MACCUPSM4, long, hex.EncodeToString([]byte("F1B4F28C"))},
		{MACX919, long, "dcc84f73435bb52c"},
		{MACSM4CBC, long, "5029e9924061b812"},
	} {
		m, err := NewMAC(c.mode, unhex(c.key))
		require.NoError(t, err, c.mode)
		sum := m.Sum(nil, sample)
		require.Equal(t, c.want, hex.EncodeToString(sum[:]), c.mode)
		require.True(t, m.Verify(nil, sample, sum[:]))
		for bit := range 64 {
			bad := sum
			bad[bit/8] ^= 1 << (bit % 8)
			require.False(t, m.Verify(nil, sample, bad[:]))
		}
	}
	demo, err := NewMAC(MACCUPDES, unhex("C24A8FB57AA20123"))
	require.NoError(t, err)
	sum := demo.Sum(nil, unhex("0200302004C020C0981100000000000000005100183402100006324392260009942820D1312101120084393136363838303134303030303030303030303030303031313536ACF46E73838A82F92600000000000000000822000001"))
	require.Equal(t, "8A9E91B8", string(sum[:]))
	text := func(m *MAC, s string) string { sum := m.Sum(nil, []byte(s)); return hex.EncodeToString(sum[:]) }
	alg3, _ := NewMAC(MACX919, unhex(long))
	require.Equal(t, "a1c72e74ea3fa9b6", text(alg3, "Now is the time for all "))
	require.Equal(t, "2e2b1428cc78254f", text(alg3, "Now is the time for it"))
}

// TestCMACVectors: RFC 4493, section 4, the left eight bytes.
func TestCMACVectors(t *testing.T) {
	m, err := NewMAC(MACAESCMAC, unhex("2b7e151628aed2a6abf7158809cf4f3c"))
	require.NoError(t, err)
	message := unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
	for n, want := range map[int]string{0: "bb1d6929e9593728", 16: "070a16b46b4d4144", 40: "dfa66747de9ae630", 64: "51f0bebf7e3b9d92"} {
		sum := m.Sum(nil, message[:n])
		require.Equal(t, want, hex.EncodeToString(sum[:]), "%d bytes", n)
		if n >= 8 { // binding is the same as standing before the message
			bound := m.Sum(message[:8], message[8:n])
			require.Equal(t, sum, bound)
		}
	}
}

// TestCUPMACIsMalleable documents why the CUP MAC is for legacy terminals only: another amount under the same MAC (wire handbook 3.7).
func TestCUPMACIsMalleable(t *testing.T) {
	m, _ := NewMAC(MACCUPDES, unhex("DAB36167E6DFB5EF"))
	cmac, _ := NewMAC(MACAESCMAC, unhex("0123456789ABCDEFFEDCBA9876543210"))
	sample := unhex("02007038048000C08811166217000012345678000000000000001250000123123456092107200031303031363931393834333239303034353832303030423135362600000000000000001322000727000600")
	forged := append([]byte(nil), sample...)
	forged[27] ^= 0x01
	forged[35] ^= 0x01
	require.NotEqual(t, sample, forged)
	require.Equal(t, m.Sum(nil, sample), m.Sum(nil, forged))
	require.NotEqual(t, cmac.Sum(nil, sample), cmac.Sum(nil, forged))
}

// TestKeys: wire handbook 3.3.
func TestKeys(t *testing.T) {
	tmk := Secret(unhex("0123456789ABCDEFFEDCBA9876543210"))
	keys := WorkingKeys{PIN: unhex("A1B2C3D4E5F60718293A4B5C6D7E8F90"), MAC: unhex("DAB36167E6DFB5EF")}
	wrapped, err := WrapWorkingKeys(SchemeDoubleDES, tmk, keys)
	require.NoError(t, err)
	require.Equal(t, "fd7af640961cdb8b5ccfbe13b358fe6e76cdb55328e0c5e921a2043e0000000000000000b8f616dc", hex.EncodeToString(wrapped))
	back, err := UnwrapWorkingKeys(SchemeDoubleDES, MACCUPDES, tmk, wrapped)
	require.NoError(t, err)
	require.Equal(t, keys, back)
	wrapped[len(wrapped)-1] ^= 1
	_, err = UnwrapWorkingKeys(SchemeDoubleDES, MACCUPDES, tmk, wrapped)
	require.ErrorIs(t, err, ErrCheckValue)

	demo, err := SchemeDoubleDES.newCipher(unhex("70F2A84CCBC2AE8625CBB0F2C22AB923"))
	require.NoError(t, err)
	require.Equal(t, "c24a8fb57aa20123", hex.EncodeToString(ecb(nil, demo.Decrypt, 8, unhex("96D605EA176B7E9E"))))

	for mode := MACCUPDES; mode < macModeCount; mode++ {
		k, err := DrawWorkingKeys(mode, func(b []byte) error {
			for i := range b {
				b[i] = byte(17*i + len(b))
			}
			return nil
		})
		require.NoError(t, err)
		wrapped, err := WrapWorkingKeys(SchemeOf(mode), tmk, k)
		require.NoError(t, err, mode)
		back, err := UnwrapWorkingKeys(SchemeOf(mode), mode, tmk, wrapped)
		require.NoError(t, err, mode)
		require.Equal(t, k, back, mode)
		_, err = NewMAC(mode, back.MAC)
		require.NoError(t, err, mode)
	}

	site := make(Secret, 32)
	sealed, err := SealKey(site, make([]byte, 12), []byte("10016919"), tmk)
	require.NoError(t, err)
	opened, err := OpenKey(site, []byte("10016919"), sealed)
	require.NoError(t, err)
	require.Equal(t, tmk, opened)
	_, err = OpenKey(site, []byte("10016918"), sealed)
	require.Error(t, err)
}

// TestPINBlocks: wire handbook 3.8 and ISO 9564-1.
func TestPINBlocks(t *testing.T) {
	require.Equal(t, "0412ac89abcdef67", hex.EncodeToString(xorPIN("1234", 43219876543210987, 8)))
	des, err := NewPINCipher(SchemeDoubleDES, unhex("A1B2C3D4E5F60718293A4B5C6D7E8F90"))
	require.NoError(t, err)
	block, err := des.Encode("123456", 6217000012345678, [8]byte{})
	require.NoError(t, err)
	require.Equal(t, "d57feabae2a39cc6", hex.EncodeToString(block))
	require.Equal(t, "06124456fedcba98", hex.EncodeToString(xorPIN("123456", 6217000012345678, 8)))
	require.Equal(t, "06123456ffffffffffff8ffffedcba98", hex.EncodeToString(xorPIN("123456", 6217000012345678, 16)))
	for _, scheme := range []KeyScheme{SchemeDoubleDES, SchemeSM4, SchemeAES} {
		c, err := NewPINCipher(scheme, unhex("A1B2C3D4E5F60718293A4B5C6D7E8F90"))
		require.NoError(t, err)
		block, err := c.Encode("048291", 9156000100000019, [8]byte{1, 2, 3})
		require.NoError(t, err)
		require.Len(t, block, scheme.PINBlockLength())
		pin, err := c.Decode(block, 9156000100000019)
		require.NoError(t, err)
		require.Equal(t, "048291", string(pin))
		_, err = c.Decode(block, 9156000100000027)
		if err == nil {
			other, _ := c.Decode(block, 9156000100000027)
			require.NotEqual(t, "048291", string(other), "a block for one card must not open for another")
		}
	}
	a, err := PINValue(make(Secret, 16), 1, "1234")
	require.NoError(t, err)
	b, _ := PINValue(make(Secret, 16), 2, "1234")
	require.NotEqual(t, a, b)
}

func xorPIN(pin PIN, card uint64, size int) []byte {
	field, err := pinField(pin, size, 0, 0x0F)
	if err != nil {
		panic(err)
	}
	for i, b := range cardField(card, size) {
		field[i] ^= b
	}
	return field
}
