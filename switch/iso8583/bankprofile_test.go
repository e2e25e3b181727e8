package iso8583

import (
	"bufio"
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCUPSHeader is wire handbook 5.2: 2E 02 len4 dst11 src11 rsv3 batch1 txn8 user1 rej5, read strictly.
func TestCUPSHeader(t *testing.T) {
	campus, err := NewBankFramer(FramingCUPS46, "00010000", "01050000")
	require.NoError(t, err)
	bank, err := NewBankFramer(FramingCUPS46, "01050000", "00010000")
	require.NoError(t, err)
	frame := campus.Append(nil, []byte("0820"))
	require.Equal(t, "\x2E\x020050"+"01050000   "+"00010000   "+"000"+"\x00"+"00000000"+"\x00"+"00000"+"0820", string(frame))

	read := func(f *BankFramer, frame []byte) (string, error) {
		r := bufio.NewReader(bytes.NewReader(frame))
		payload, err := f.Read(r, nil)
		return string(payload), err
	}
	got, err := read(bank, frame)
	require.NoError(t, err)
	require.Equal(t, "0820", got)
	empty, err := read(bank, campus.Append(nil, nil))
	require.NoError(t, err)
	require.Empty(t, empty, "a header alone is a heartbeat")

	for name, change := range map[string]func(h []byte){
		"header length":  func(h []byte) { h[0] = 0x2F },
		"version":        func(h []byte) { h[1] = 0x82 },
		"length letter":  func(h []byte) { h[2] = 'x' },
		"length small":   func(h []byte) { copy(h[2:], "0045") },
		"length large":   func(h []byte) { copy(h[2:], "9999") },
		"destination":    func(h []byte) { h[6] = '9' },
		"source":         func(h []byte) { h[17] = '9' },
		"reserved":       func(h []byte) { h[28] = '1' },
		"transaction":    func(h []byte) { h[33] = ' ' },
		"reject letters": func(h []byte) { h[41] = 'A' },
	} {
		broken := bytes.Clone(frame)
		change(broken)
		_, err := read(bank, broken)
		require.Error(t, err, name)
		require.NotErrorIs(t, err, ErrBankRejected, name)
	}

	rejected := bytes.Clone(frame)
	copy(rejected[41:], "00004")
	r := bufio.NewReader(bytes.NewReader(append(rejected, frame...)))
	_, err = bank.Read(r, nil)
	require.ErrorIs(t, err, ErrBankRejected)
	require.ErrorContains(t, err, "00004")
	next, err := bank.Read(r, nil)
	require.NoError(t, err, "what was given back leaves the line in order")
	require.Equal(t, "0820", string(next))
	for _, stations := range [][2]string{{"", "1"}, {"1", ""}, {"123456789012", "1"}, {"1 2", "1"}} {
		_, err := NewBankFramer(FramingCUPS46, stations[0], stations[1])
		require.Error(t, err)
	}
}

// TestReady: it says true only when Read does not wait, at every cut of two frames, in every framing.
func TestReady(t *testing.T) {
	for _, framing := range []BankFraming{FramingASCII4, FramingASCII6, FramingBinary2, FramingCUPS46} {
		f, err := NewBankFramer(framing, "1", "1")
		require.NoError(t, err)
		one := f.Append(nil, []byte("0810 first"))
		both := f.Append(bytes.Clone(one), []byte("0810 second"))
		for cut := range len(both) + 1 {
			r := bufio.NewReaderSize(bytes.NewReader(both[:cut]), 4096)
			_, _ = r.Peek(1)
			require.Equal(t, cut >= len(one), f.Ready(r), "%s: %d bytes", framing, cut)
			if cut < len(one) {
				_, err := f.Read(r, nil)
				require.ErrorIs(t, err, map[bool]error{true: io.EOF, false: io.ErrUnexpectedEOF}[cut == 0], "%s: %d bytes", framing, cut)
				continue
			}
			_, err := f.Read(r, nil)
			require.NoError(t, err)
			require.Equal(t, cut == len(both), f.Ready(r), "%s: %d bytes", framing, cut)
		}
		wrong := bufio.NewReader(bytes.NewReader(bytes.Repeat([]byte{0xFF}, 64)))
		_, _ = wrong.Peek(1)
		require.True(t, f.Ready(wrong), "%s: what is wrong needs no more bytes", framing)
	}
}

// TestProfile: a packed amount, a longer account, a field of the bank's own; what is not digits is refused in both directions.
func TestProfile(t *testing.T) {
	profile, faults := NewBankProfile(map[int]string{4: "n11 bcd", 2: "n..18 bcd", 102: "ans..120", 62: "b16", 18: "-"}, 128)
	require.Empty(t, faults)
	mac, err := NewMAC(MACSM4CBC, []byte("0123456789abcdef"))
	require.NoError(t, err)
	build := func() *BankMessage {
		return NewBankMessage(profile, "0200").Set(2, "621700001234567").SetNumber(4, 5000).Set(62, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0C\x0D\x0E\x0F").Set(102, "A-1")
	}
	raw, err := build().Seal(mac)
	require.NoError(t, err)
	const at = 4 + 16
	require.Equal(t, "15\x06\x21\x70\x00\x01\x23\x45\x67"+"\x00\x00\x00\x00\x50\x00", string(raw[at:at+2+8+6]))
	m, err := OpenBankMessage(profile, raw, mac)
	require.NoError(t, err)
	require.Equal(t, []string{"621700001234567", "00000005000", "A-1"}, []string{m.String(2), m.String(4), m.String(102)})
	require.Len(t, m.String(62), 16)
	_, err = build().Set(18, "8220").Seal(mac)
	require.ErrorContains(t, err, "field 18 is not in the profile")
	for name, change := range map[string]func(raw []byte){
		"nibble":     func(raw []byte) { raw[at+2+8+5] = 0x0A },
		"pad nibble": func(raw []byte) { raw[at+2] |= 0x10 },
	} {
		raw, err := build().Seal(mac)
		require.NoError(t, err)
		change(raw)
		_, err = OpenBankMessage(profile, reseal(mac, raw), mac)
		require.Equal(t, FaultNibble, FaultOf(err), name)
	}
	_, err = OpenBankMessage(profile, reseal(mac, append(raw, 0)), mac)
	require.Error(t, err, "a byte too many")
	_, faults = NewBankProfile(map[int]string{1: "n4", 64: "b8", 200: "n4", 3: "x6", 4: "n", 5: "n..1000", 7: "ans4 bcd", 8: "n4 bcd x"}, 65)
	require.Len(t, faults, 9)
}

// TestMACField: with the MAC in F64 a message without higher fields has one bitmap; with one it has two and its MAC in F128; a bank that
// has it in F128 takes no other.
func TestMACField(t *testing.T) {
	profile, faults := NewBankProfile(nil, 64)
	require.Empty(t, faults)
	mac, err := NewMAC(MACAESCMAC, []byte("0123456789abcdef"))
	require.NoError(t, err)
	low, err := NewBankMessage(profile, "0210").SetNumber(11, 7).Set(39, "00").Seal(mac)
	require.NoError(t, err)
	require.Equal(t, 4+8+6+2+MACSize, len(low))
	require.Zero(t, low[4]&0x80)
	m, err := OpenBankMessage(profile, low, mac)
	require.NoError(t, err)
	require.Equal(t, "00", m.String(39))
	high, err := NewBankMessage(profile, "0820").SetNumber(11, 7).SetNumber(70, 301).Seal(mac)
	require.NoError(t, err)
	require.NotZero(t, high[4]&0x80)
	_, err = OpenBankMessage(profile, high, mac)
	require.NoError(t, err)
	_, err = OpenBankMessage(BankSpec(), low, mac)
	require.ErrorIs(t, err, ErrBankMAC)
	low[len(low)-1] ^= 1
	_, err = OpenBankMessage(profile, low, mac)
	require.ErrorIs(t, err, ErrBankMAC)
}

// TestRestart: a message begun again holds nothing of the one before, and packs to the same bytes as a new one.
func TestRestart(t *testing.T) {
	spec := BankSpec()
	mac, err := NewMAC(MACSM4CBC, []byte("0123456789abcdef"))
	require.NoError(t, err)
	again := NewBankMessage(spec, "0200").Set(2, "6217000012345678").SetNumber(4, 100).SetNumber(11, 1).Set(60, "4021")
	_, err = again.Seal(mac)
	require.NoError(t, err)
	again.Restart("0420")
	require.False(t, again.Has(2))
	require.Empty(t, again.String(60))
	got, err := again.SetNumber(4, 7).SetNumber(11, 2).Seal(mac)
	require.NoError(t, err)
	want, err := NewBankMessage(spec, "0420").SetNumber(4, 7).SetNumber(11, 2).Seal(mac)
	require.NoError(t, err)
	require.Equal(t, want, got)
	_, err = again.Restart("0200").SetNumber(4, 1).Set(3, "x").Seal(mac)
	require.Error(t, err)
	_, err = again.Restart("0200").SetNumber(4, 1).Seal(mac)
	require.NoError(t, err, "a fault is not carried on")
}

// FuzzBankEnd: where the last field ends is where packing what was read would end.
func FuzzBankEnd(f *testing.F) {
	spec := BankSpec()
	mac, err := NewMAC(MACSM4CBC, []byte("0123456789abcdef"))
	require.NoError(f, err)
	raw, err := NewBankMessage(spec, "0210").Set(2, "6217000012345678").SetNumber(4, 1).Set(54, "1").Set(100, "1").Seal(mac)
	require.NoError(f, err)
	f.Add(raw)
	f.Add(append(bytes.Clone(raw), 0))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := readBank(spec, raw)
		if err != nil && FaultOf(err) != FaultTrailing {
			return
		}
		packed, packErr := m.message.Pack()
		require.Equal(t, err == nil, packErr == nil && bytes.Equal(packed, raw))
	})
}
