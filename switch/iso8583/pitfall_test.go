package iso8583

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	moovfault "github.com/moov-io/iso8583/errors"
	"github.com/stretchr/testify/require"
)

// Each test is named for its clause of wire handbook 2.4; clause 11 is in differential_test.go.

// readBoth reads with both codecs and requires that they agree.
func readBoth(t *testing.T, payload []byte) (*OtherMessage, error) {
	o := newOracle()
	o.compare(t, payload, 8)
	return readOther(o.specs[8], payload)
}

func purchase(t *testing.T) []byte { return bytes.Clone(frameOf(t, "0200 purchase")[PrefixSize:]) }

// buildOther packs fields given as pairs into a payload of both codecs.
func buildOther(t *testing.T, values map[int]string) []byte {
	m := NewOtherCodec().NewMessage([5]byte{0x60}, [6]byte{0x60}, MTIFinancial)
	for n, value := range values {
		m.Set(n, value)
	}
	frame, err := m.Pack()
	require.NoError(t, err)
	return frame[PrefixSize:]
}

func TestPitfall01ReadingDoesNotCreateFields(t *testing.T) {
	payload := purchase(t)
	m, err := readBoth(t, payload)
	require.NoError(t, err)
	for n := 0; n <= 64; n++ {
		m.Has(n)
		m.Value(n)
		m.Wire(n)
	}
	require.Nil(t, m.Value(54))
	again, err := m.Pack()
	require.NoError(t, err)
	require.Equal(t, payload, again[PrefixSize:])

	mac, err := NewMAC(MACSM4CBC, make([]byte, 16))
	require.NoError(t, err)
	spec := BankSpec()
	raw, err := NewBankMessage(spec, "0210").Set(3, "600000").SetNumber(4, 1).Set(39, "00").Seal(mac)
	require.NoError(t, err)
	b, err := OpenBankMessage(spec, raw, mac)
	require.NoError(t, err)
	for n := 2; n <= 128; n++ {
		has := n == 3 || n == 4 || n == 39 || n == 128
		require.Equal(t, has, b.Has(n), n)
		require.Equal(t, has, b.String(n) != "", n)
		b.Number(n)
	}
	packed, err := b.message.Pack()
	require.NoError(t, err)
	require.Equal(t, raw, packed, "reading a bank message created a field")
}

func TestPitfall02AmountWithF(t *testing.T) {
	clean := purchase(t)
	var m Message
	require.NoError(t, m.Parse(clean, 8))
	amount := int(m.place(4).at)
	for i := range 12 {
		for _, digit := range []byte{0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F} {
			payload := purchase(t)
			shift := 4 * (1 - i%2)
			payload[amount+i/2] = payload[amount+i/2]&^(0x0F<<shift) | digit<<shift
			_, err := readBoth(t, payload)
			require.Equal(t, FaultNibble, FaultOf(err), "digit %d is %X", i, digit)
			require.Equal(t, 4, FieldOf(err))
		}
	}
}

func TestPitfall03TrailingBytes(t *testing.T) {
	for _, behind := range []string{"\x00", "\xff", "x", strings.Repeat("\x00", 8)} {
		_, err := readBoth(t, append(purchase(t), behind...))
		require.Equal(t, FaultTrailing, FaultOf(err))
	}
}

func TestPitfall04Bit1(t *testing.T) {
	payload := purchase(t)
	payload[bitmapAt] |= 0x80
	_, err := readBoth(t, payload)
	require.Equal(t, FaultBit1, FaultOf(err))
	// The same with eight more bytes that would be a secondary bitmap.
	wide := append(bytes.Clone(payload[:fieldsAt]), append(make([]byte, 8), payload[fieldsAt:]...)...)
	_, err = readBoth(t, wide)
	require.Equal(t, FaultBit1, FaultOf(err))
}

func TestPitfall05TrackSeparator(t *testing.T) {
	payload := buildOther(t, map[int]string{35: "6217000012345678=27121010000012345", 36: "996217000012345678D1561560"})
	m, err := readBoth(t, payload)
	require.NoError(t, err)
	require.Equal(t, "6217000012345678D27121010000012345", string(m.Value(35)))
	require.Equal(t, "996217000012345678D1561560", string(m.Value(36)))
	for _, digit := range []byte{0x0A, 0x0B, 0x0C, 0x0E, 0x0F} {
		bad := bytes.Clone(payload)
		bad[int(m.start[35])+9] = bad[int(m.start[35])+9]&0x0F | digit<<4 // where D stands
		_, err := readBoth(t, bad)
		require.Equal(t, FaultNibble, FaultOf(err), "%X", digit)
	}
	for _, pad := range []byte{0x00, 0x0F} { // a vendor's odd track, padded either way
		odd := buildOther(t, map[int]string{35: "6217000012345678D271"})
		odd = append(odd[:len(odd)-1], 0x10|pad)
		odd[fieldsAt] = 0x19
		m, err := readBoth(t, odd)
		require.NoError(t, err)
		require.Equal(t, "6217000012345678D21", string(m.Value(35)))
	}
}

func TestPitfall06Alignment(t *testing.T) {
	for n, c := range map[int]struct{ value, wire string }{
		2:  {"915600010000017", "159156000100000170"},
		22: {"071", "0710"},
		23: {"001", "0001"},
		32: {"12345678901", "11123456789010"},
		35: {"6217D2712", "096217d27120"},
		48: {"123", "00031230"},
		60: {"22000001000", "0011220000010000"},
		61: {"00000100012309211", "0017000001000123092110"},
	} {
		payload := buildOther(t, map[int]string{n: c.value})
		require.Equal(t, c.wire, fmt.Sprintf("%x", payload[fieldsAt:]), "field %d", n)
		m, err := readBoth(t, payload)
		require.NoError(t, err, "field %d", n)
		require.Equal(t, c.value, string(m.Value(n)), "field %d", n)
	}
	payload := buildOther(t, map[int]string{23: "001"})
	payload[fieldsAt] = 0xF0
	_, err := readBoth(t, payload)
	require.Equal(t, FaultNibble, FaultOf(err), "F23 begins with a pad nibble that must be 0")
}

// TestBuilderRefusesWhatDoesNotFit: a programmer's mistake stops the process instead of making a frame that says something else.
func TestBuilderRefusesWhatDoesNotFit(t *testing.T) {
	for name, write := range map[string]func(b *Builder){
		"amount of 13 digits":       func(b *Builder) { b.Number(4, 1_000_000_000_000) },
		"more digits than said":     func(b *Builder) { b.Variable(2, 12345, 4) },
		"too long for the field":    func(b *Builder) { b.Variable(32, 123456789012, 12) },
		"too few digits":            func(b *Builder) { b.Digits(11, "12") },
		"text too long":             func(b *Builder) { b.Text(41, "123456789") },
		"fields in the wrong order": func(b *Builder) { b.Number(11, 1); b.Number(4, 1) },
	} {
		var b Builder
		b.Request(nil, [5]byte{0x60}, [6]byte{0x60}, MTIFinancial)
		require.Panics(t, func() { write(&b) }, name)
	}
	var b Builder
	b.Request(nil, [5]byte{0x60}, [6]byte{0x60}, MTIFinancial)
	b.Variable(2, 9_999_999_999_999_999_999, 19)
	b.Digits(23, "007")
	var m Message
	require.NoError(t, m.Parse(b.Finish(nil, nil)[PrefixSize:], 8))
	card, digits, ok := m.CardNumber()
	require.True(t, ok)
	require.Equal(t, 19, digits)
	require.Equal(t, uint64(9_999_999_999_999_999_999), card, "nineteen digits, the most of F2")
	require.Equal(t, []byte{0x00, 0x07}, m.Value(23))
}

func TestPitfall07LeadingZeros(t *testing.T) {
	values := map[int]string{2: "0000000000000000", 3: "000000", 4: "000000000000", 11: "000012", 12: "000000", 13: "0101", 60: "00000001"}
	m, err := readBoth(t, buildOther(t, values))
	require.NoError(t, err)
	for n, value := range values {
		require.Equal(t, value, string(m.Value(n)), "field %d", n)
	}
}

func TestPitfall08GBKText(t *testing.T) {
	gbk := "\xca\xb3\xcc\xc3\xd2\xbb" // 食堂一
	values := map[int]string{43: gbk + strings.Repeat(" ", 34), 44: gbk, 56: "00\xb3\xc9\xb9\xa6", 63: "001" + gbk}
	m, err := readBoth(t, buildOther(t, values))
	require.NoError(t, err)
	for n, value := range values {
		require.Equal(t, value, string(m.Value(n)), "field %d", n)
	}
	short, err := readBoth(t, buildOther(t, map[int]string{43: gbk}))
	require.NoError(t, err)
	require.Equal(t, gbk+strings.Repeat(" ", 34), string(short.Value(43)), "fill counts bytes, not characters")
}

func TestPitfall09NothingIsSwallowed(t *testing.T) {
	_, err := NewOtherCodec().NewMessage([5]byte{0x60}, [6]byte{0x60}, 0x02F0).Pack()
	require.Error(t, err, "an MTI that is not BCD")
	mac, err := NewMAC(MACSM4CBC, make([]byte, 16))
	require.NoError(t, err)
	for _, mti := range []string{"", "200", "02000", "02\xff0", "02x0"} {
		_, err := NewBankMessage(BankSpec(), mti).Set(3, "600000").Seal(mac)
		require.Error(t, err, "MTI %q", mti)
	}
	m, err := readBoth(t, buildOther(t, map[int]string{4: "000000000000", 25: "00", 57: ""}))
	require.NoError(t, err)
	require.True(t, m.Has(4) && m.Has(25) && m.Has(57), "zero and empty values are values")
}

func TestPitfall10ErrorsHoldNoMessage(t *testing.T) {
	payload := buildOther(t, map[int]string{2: "6217000012345678", 35: "6217000012345678D2712", 52: "PINBLOCK", 62: "KEYKEYKEYKEY", 64: "MACMACMA"})
	mac, err := NewMAC(MACSM4CBC, make([]byte, 16))
	require.NoError(t, err)
	spec := BankSpec()
	bank, err := NewBankMessage(spec, "0200").Set(2, "6217000012345678").SetNumber(4, 1).Set(48, "KEYKEYKEYKEY").Set(52, "PINBLOCK").Seal(mac)
	require.NoError(t, err)
	check := func(err error) {
		if err == nil {
			return
		}
		u := new(moovfault.UnpackError)
		require.False(t, errors.As(err, &u), "moov's error holds the whole message")
		for _, secret := range []string{"6217", "2345", "PIN", "KEY", "MAC", "36323137"} {
			require.NotContains(t, strings.ReplaceAll(fmt.Sprintf("%v %+v %x", err, err, err), "wrong MAC", ""), secret)
		}
	}
	for i := fieldsAt; i < len(payload); i++ {
		bad := bytes.Clone(payload)
		bad[i] = 0xFF
		_, err := NewOtherCodec().Read(bad)
		check(err)
		_, err = NewOtherCodec().Read(payload[:i])
		check(err)
	}
	for i := range bank {
		bad := bytes.Clone(bank)
		bad[i] = 0xFF
		sum := mac.Sum(nil, bad[:len(bad)-MACSize]) // a bank that seals nonsense
		copy(bad[len(bad)-MACSize:], sum[:])
		_, err := OpenBankMessage(spec, bad, mac)
		check(err)
	}
}
