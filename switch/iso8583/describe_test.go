package iso8583

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// TestDescribe: hexadecimal in, what people read out (go test -run TestDescribe -rewrite writes it anew).
func TestDescribe(t *testing.T) {
	datadriven.Walk(t, "testdata/describe", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			frame, err := hex.DecodeString(strings.Join(strings.Fields(d.Input), ""))
			require.NoError(t, err)
			switch d.Cmd {
			case "terminal":
				return told(Describe(frame))
			case "bank":
				return told(DescribeBank(frame))
			}
			t.Fatalf("unknown command %s", d.Cmd)
			return ""
		})
	})
}

func told(d Description, err error) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d bytes: %s %s / %s\n", d.Link, d.Bytes, d.MTI, d.Name.ZH, d.Name.EN)
	if d.Purpose != nil {
		fmt.Fprintf(&b, "purpose: %s / %s\n", d.Purpose.ZH, d.Purpose.EN)
	}
	for _, p := range append(append([]Part(nil), d.Head...), d.Fields...) {
		fmt.Fprintf(&b, "%4d %s %s / %s [%s] = %q\n", p.Offset, p.Key, p.Name.ZH, p.Name.EN, p.Wire, p.Value)
		for _, m := range p.Meaning {
			fmt.Fprintf(&b, "       %s / %s\n", m.ZH, m.EN)
		}
	}
	if d.Fault != nil {
		fmt.Fprintf(&b, "FAULT %s at %d, %d bytes unread: %s / %s\n", d.Fault.Fault, d.Fault.Offset, d.Unread, d.Fault.What.ZH, d.Fault.What.EN)
	}
	if (err == nil) != (d.Fault == nil) {
		fmt.Fprintf(&b, "error %v does not go with the fault\n", err)
	}
	return b.String()
}

// secretFrames hold one recognisable secret in every field that is made for one, on both links, and with free in the free texts too.
func secretFrames(t *testing.T, free bool) (terminal, bank []byte, secrets []string) {
	c := NewOtherCodec()
	m := c.NewMessage([5]byte{0x60, 0, 3, 0, 1}, [6]byte{0x60}, MTISignOnReply)
	for n, value := range map[int]string{
		2: "6217001234567895678", 11: "000001", 35: "6217001234567895678D27121010000012345", 36: "996217001234567895678D1561560000000", 41: "10016919",
		43: "shop 6217001234567895678", 45: "B6217001234567895678^ZHANG/SAN^2712", 46: "\x62\x17\x00\x12\x34\x56\x78\x95\x67\x80", 48: "6217001234567895678", 52: "PINBLOCK", 55: "\x5a\x0a\x62\x17\x00\x12\x34\x56\x78\x95\x67\x8f",
		56: "card 6217001234567895678 bad", 57: "6217001234567895678", 58: "\x00\x01secret58", 59: "C10011ZZ0196217001234567895678", 62: "KEYSKEYSKEYSKEYSKEYSKEYS", 63: "0016217001234567895678", 64: "MACOFMSG",
	} {
		switch n {
		case 43, 56, 57, 59, 63:
			if !free {
				value = "text"
			}
		}
		m.Set(n, value)
	}
	terminal, err := m.Pack()
	require.NoError(t, err)
	reason := "4021"
	if free {
		reason += " 6217001234567895678"
	}
	mac, err := NewMAC(MACSM4CBC, make([]byte, 16))
	require.NoError(t, err)
	bank, err = NewBankMessage(BankSpec(), "0800").Set(2, "6217001234567895678").Set(48, "NK6217001234567895678KEYSKEYS").Set(52, "PINBLOCK").Set(60, reason).
		Set(61, "ZHANG SAN 110101199003071234").Set(96, "KEYSKEYS").Set(102, "6217001234567895678").Set(103, "6217001234567895678").Seal(mac)
	require.NoError(t, err)
	for _, secret := range []string{"12345", "23456", "34567", "56789", "ZHANG", "PINBLOCK", "KEYSKEYS", "MACOFMSG", "secret58", "110101199003071234"} {
		secrets = append(secrets, secret, hex.EncodeToString([]byte(secret)))
	}
	secrets = append(secrets, hex.EncodeToString(bank[len(bank)-MACSize:]), "7d2712")
	for i := range secrets {
		secrets[i] = strings.ToLower(secrets[i])
	}
	return terminal, bank, secrets
}

// TestDescribeShowsNothingSecret: not in any print of the description, whatever byte of the frame is damaged or missing.
func TestDescribeShowsNothingSecret(t *testing.T) {
	terminal, bank, secrets := secretFrames(t, true)
	check := func(d Description, err error) {
		asJSON, problem := json.Marshal(d)
		require.NoError(t, problem)
		all := strings.ToLower(string(asJSON) + fmt.Sprintf("%+v %v", d, err))
		for _, secret := range secrets {
			if at := strings.Index(all, secret); at >= 0 {
				t.Errorf("%q is shown: ...%s...", secret, all[max(0, at-80):at])
			}
		}
	}
	check(Describe(terminal))
	check(DescribeBank(bank))
	d, err := Describe(terminal)
	require.NoError(t, err)
	require.Equal(t, "621700*********5678", d.Fields[0].Value, "the first six and last four digits are left")
	require.Equal(t, "19 621700*********56780", d.Fields[0].Wire)

	terminal, bank, secrets = secretFrames(t, false)
	for i := range terminal[PrefixSize:] {
		check(Describe(terminal[:PrefixSize+i]))
		if i >= bitmapAt && i < fieldsAt {
			continue // a bitmap that lies makes any bytes into any field: nothing can tell
		}
		for _, b := range []byte{0xFA, 0x06, terminal[PrefixSize+i] - 1} {
			damaged := bytes.Clone(terminal)
			damaged[PrefixSize+i] = b
			check(Describe(damaged[PrefixSize:]))
		}
	}
	for i := range bank {
		check(DescribeBank(bank[:i]))
		if i >= 4 && i < 4+16 {
			continue
		}
		for _, b := range []byte{0xFA, '6', bank[i] - 1} {
			damaged := bytes.Clone(bank)
			damaged[i] = b
			check(DescribeBank(damaged))
		}
	}
}

// TestDescribeCannotSteerATerminal: control characters of a frame do not reach the screen.
func TestDescribeCannotSteerATerminal(t *testing.T) {
	evil := "\x1b[2J\x07\r\n"
	frame, err := NewOtherCodec().NewMessage([5]byte{0x60}, [6]byte{0x60}, 0x0210).Set(11, "000001").Set(37, evil).Set(39, "\x1b[").Set(41, evil).Set(44, strings.Repeat("\x1b", 22)).
		Set(49, "\x1b[m").Set(54, "10\x1b[156C000000012345").Set(56, evil).Set(59, "\x1b[003\x1b[m").Set(63, "\x1b[m").Pack()
	require.NoError(t, err)
	text := told(Describe(frame))
	for _, c := range text {
		require.True(t, c == '\n' || c >= ' ' && c != 0x7F && (c < 0x80 || c > 0x9F), "%q in\n%s", c, text)
	}
	require.Contains(t, text, `\\x1B[2J`)
}

// TestDescribeOfAnything: no panic, the codec's own verdict, places inside the frame, and every field in front of the fault.
func TestDescribeOfAnything(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8583))
	all := seeds(t)
	for i := range 2_000 {
		payload := mutate(random, bytes.Clone(all[random.IntN(len(all))]))
		var m Message
		short := m.parseAny(payload, 8)
		d, err := Describe(payload)
		if len(payload) > 1 && payload[0] == 0x60 && short == nil {
			require.NoError(t, err, "%x", payload)
		}
		require.Equal(t, err != nil, d.Fault != nil, "%x", payload)
		if d.Fault != nil {
			require.LessOrEqual(t, d.Fault.Offset, len(payload))
			require.Equal(t, FaultOf(err).Label(), d.Fault.Fault)
			require.NotEmpty(t, d.Fault.Advice.ZH)
			require.NotEmpty(t, d.Fault.What.EN)
		}
		last := -1
		for _, p := range append(append([]Part(nil), d.Head...), d.Fields...) {
			require.Greater(t, p.Offset, last, "%x", payload)
			require.NotEmpty(t, p.Name.ZH)
			last = p.Offset
		}
		require.Less(t, last, max(1, len(payload)+1))
		if i%3 == 0 {
			_, _ = DescribeBank(payload)
		}
	}
	mac, err := NewMAC(MACSM4CBC, make([]byte, 16))
	require.NoError(t, err)
	bank, err := NewBankMessage(BankSpec(), "0200").Set(2, "6217000012345678").Set(3, "600000").SetNumber(4, 10000).Set(32, "105").Set(37, "000000000123").Set(102, "6217").Seal(mac)
	require.NoError(t, err)
	for range 1_500 {
		payload := bytes.Clone(bank)
		for range 1 + random.IntN(3) {
			switch at := random.IntN(len(payload)); random.IntN(4) {
			case 0:
				payload = payload[:max(1, at)]
			case 1:
				payload = append(payload, byte(random.Uint32()))
			default:
				payload[at] ^= 1 << random.IntN(8)
			}
		}
		d, err := DescribeBank(payload)
		require.Equal(t, err != nil, d.Fault != nil, "%x", payload)
		if d.Fault != nil {
			require.LessOrEqual(t, d.Fault.Offset, len(payload), "%x", payload)
		}
	}
}

// TestEveryFaultHasATextAndAdvice, and every field of both tables a name in both languages.
func TestEveryFaultHasATextAndAdvice(t *testing.T) {
	for f := FaultLength; f < faultCount; f++ {
		if f == FaultOtherMTI {
			continue // for people every MTI is readable
		}
		for _, text := range []Text{faultTexts[f].what, faultTexts[f].advice} {
			require.NotEmpty(t, text.ZH, f.Label())
			require.NotEmpty(t, text.EN, f.Label())
		}
	}
	for n, f := range bankFields {
		require.NotEmpty(t, f.zh, n)
		require.NotEmpty(t, f.en, n)
	}
	for n, f := range fields {
		require.Equal(t, f.format == absent, f.zh == "" && f.en == "", n)
	}
}

// TestResponseText: wire handbook 3.9 whole.
func TestResponseText(t *testing.T) {
	known := "00 01 03 04 05 10 11 12 13 14 15 21 22 25 30 34 38 40 41 43 45 51 54 55 57 58 59 61 62 64 65 68 75 90 91 92 94 96 97 98 99 A0 A1 A2 A3 A4 A5 A6 A7 A8 B1 C1 " +
		"D1 D9 DA DC F1 F5 N1 P1 Y1 Y3 Z1 Z3"
	unknownZH, _ := ResponseText("??")
	for code := range strings.FieldsSeq(known) {
		zh, en := ResponseText(code)
		require.NotEqual(t, unknownZH, zh, code)
		require.NotEmpty(t, en, code)
	}
	for _, code := range []string{"", "0", "02", "D0", "DD", "F6", "000"} {
		zh, _ := ResponseText(code)
		require.Equal(t, unknownZH, zh, code)
	}
	zh, en := ResponseText("51")
	require.Equal(t, "余额不足 not enough money", zh+" "+en)
}
