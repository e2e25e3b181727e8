package terminals

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// Offsets in a frame.
const (
	atTPDU   = 2
	atMTI    = 13
	atBitmap = 15
)

// wireAt is where a field begins in a good frame, its length prefix included.
func wireAt(t testing.TB, frame []byte, n int) int {
	t.Helper()
	wire := read(t, frame).Wire(n)
	require.NotNil(t, wire, "F%d", n)
	return cap(frame) - cap(wire)
}

// changed is a copy of a frame with a change, its length prefix put right.
func changed(frame []byte, change func([]byte) []byte) []byte {
	frame = change(append([]byte(nil), frame...))
	binary.BigEndian.PutUint16(frame, uint16(len(frame)-2))
	return frame
}

func setByte(at int, value byte) func([]byte) []byte {
	return func(b []byte) []byte { b[at] = value; return b }
}

// malformed is a frame of the negative list (wire handbook 6) and what becomes of it.
type malformed struct {
	name    string
	frame   []byte
	label   string
	answer  string      // DE 39
	closed  CloseReason // when there is no answer
	unknown bool        // the answer is only for a session that says whose it is
}

func negativeList(t testing.TB, w *terminal) []malformed {
	good := w.sale().frame(w.mac)
	withTrack := frame(iso8583.MTIFinancial, w.mac, func(b *iso8583.Builder) {
		b.Number(3, 310000)
		b.Number(11, 9)
		b.Digits(35, "6217000012345678=2912")
		b.Text(41, terminalCode)
	})
	f := func(n int) int { return wireAt(t, good, n) }
	track := wireAt(t, withTrack, 35)
	return []malformed{
		{"TPDU not 60", changed(good, setByte(atTPDU, 0x61)), "tpdu", "", ClosedGarbage, false},
		{"MTI not BCD", changed(good, setByte(atMTI, 0x0A)), "mti", "", ClosedGarbage, false},
		{"MTI of a reply", changed(good, setByte(atMTI+1, 0x10)), "not_a_request", "", ClosedGarbage, false},
		{"MTI of a reply that cannot be read", changed(changed(good, setByte(atMTI+1, 0x10)), func(b []byte) []byte { return append(b, 0) }), "trailing", "", ClosedGarbage, false},
		{"MTI 0100", changed(good, setByte(atMTI, 0x01)), "other_mti", "40", 0, false},
		{"MTI 0110", changed(changed(good, setByte(atMTI, 0x01)), setByte(atMTI+1, 0x10)), "other_mti", "", ClosedGarbage, false},
		{"MTI 0100 of nobody", frame(0x0100, nil, func(b *iso8583.Builder) { b.Number(3, 30000) }), "other_mti", "", ClosedGarbage, false},
		{"MTI 0500 that cannot be read", changed(changed(good, setByte(atMTI, 0x05)), func(b []byte) []byte { return append(b, 0) }), "other_mti", "", ClosedGarbage, false},
		{"nothing but a bitmap", frame(iso8583.MTIFinancial, nil, func(*iso8583.Builder) {}), "not_signed_on", "", ClosedGarbage, false},
		{"F nibble in F4", changed(good, setByte(f(4)+5, 0x5F)), "nibble", "30", 0, false},
		{"A nibble in F3", changed(good, setByte(f(3), 0xA0)), "nibble", "30", 0, false},
		{"A nibbles in F2, F3, F4 and F22", changed(good, func(b []byte) []byte {
			b[f(2)+1], b[f(3)], b[f(4)], b[f(22)] = 0xAA, 0xAA, 0xAA, 0xAA
			return b
		}), "nibble", "30", 0, true},
		{"pad nibble 5 in F22", changed(good, setByte(f(22)+1, 0x15)), "nibble", "30", 0, false},
		{"A nibble in F11", changed(good, setByte(f(11), 0xA0)), "nibble", "", ClosedGarbage, false},
		{"bit 1 set", changed(good, func(b []byte) []byte { b[atBitmap] |= 0x80; return b }), "bit_1", "", ClosedGarbage, false},
		{"undefined F16", changed(good, func(b []byte) []byte { b[atBitmap+1] |= 0x01; return b }), "undefined_field", "30", 0, true},
		{"undefined F5", changed(good, func(b []byte) []byte { b[atBitmap] |= 0x08; return b }), "undefined_field", "", ClosedGarbage, false},
		{"LL 99 of F2", changed(good, setByte(f(2), 0x99)), "too_long", "", ClosedGarbage, false},
		{"LL 99 of F35", changed(withTrack, setByte(track, 0x99)), "too_long", "30", 0, true},
		{"LL 1A of F35", changed(withTrack, setByte(track, 0x1A)), "length_not_bcd", "30", 0, true},
		{"LLL not BCD in F60", changed(good, setByte(f(60), 0x0A)), "length_not_bcd", "30", 0, false},
		{"LLL 18 of F60", changed(good, setByte(f(60)+1, 0x18)), "too_long", "30", 0, false},
		{"trailing byte", changed(good, func(b []byte) []byte { return append(b, 0) }), "trailing", "30", 0, false},
		{"a second message behind the first", changed(good, func(b []byte) []byte { return append(b, b[2:]...) }), "trailing", "30", 0, false},
	}
}

// TestNegativeList: wire handbook 6, on a session with keys and on one without.
func TestNegativeList(t *testing.T) {
	h := newBench(t, nil)
	signed := h.signOn(h.open(), terminalCode, iso8583.MACAESCMAC)
	for _, c := range negativeList(t, signed) {
		for _, withKeys := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/keys=%v", c.name, withKeys), func(t *testing.T) {
				h := newBench(t, nil)
				l := h.open()
				if withKeys {
					h.signOn(l, terminalCode, iso8583.MACAESCMAC)
				}
				l.send(c.frame)
				require.Empty(t, h.decided())
				switch {
				case c.name == "nothing but a bitmap": // well formed: it is refused like any other request
					c.answer, c.label = "C1", "not_signed_on"
					if withKeys {
						c.answer, c.label = "A0", "mac"
					}
				case c.unknown && !withKeys:
					c.answer, c.closed = "", ClosedGarbage
				}
				require.Equal(t, map[string]int{c.label: 1}, h.rejected)
				if c.answer == "" {
					require.Empty(t, l.take())
					require.ErrorIs(t, l.ended, c.closed)
					require.Equal(t, map[string]int{c.closed.String(): 1}, h.closed)
					return
				}
				frames := l.take()
				require.Len(t, frames, 1)
				require.Nil(t, l.ended)
				reply, err := iso8583.NewOtherCodec().Read(frames[0][2:])
				require.NoError(t, err)
				require.Equal(t, c.answer, string(reply.Value(39)))
				require.False(t, reply.Has(64), "an answer to what is not authentic is not authentic either")
				if c.label != "not_signed_on" && c.label != "mac" {
					require.Equal(t, terminalCode, string(reply.Value(41)))
					require.Len(t, reply.Value(11), 6)
				}
			})
		}
	}
}

// A frame whose length cannot be ends the stream: nobody knows where the next begins.
func TestLengths(t *testing.T) {
	for _, length := range []uint16{0, 1, iso8583.MinPayload - 1, iso8583.MaxPayload + 1, 65535} {
		h := newBench(t, nil)
		l := h.open()
		l.send(binary.BigEndian.AppendUint16(nil, length))
		require.ErrorIs(t, l.ended, ClosedFraming)
		require.Equal(t, map[string]int{"length": 1}, h.rejected)
		require.Equal(t, map[string]int{"framing": 1}, h.closed)
	}
	for _, length := range []uint16{iso8583.MinPayload, iso8583.MaxPayload} {
		h := newBench(t, nil)
		l := h.open()
		l.send(append(binary.BigEndian.AppendUint16(nil, length), make([]byte, length)...))
		require.ErrorIs(t, l.ended, ClosedGarbage)
		require.Equal(t, map[string]int{"tpdu": 1}, h.rejected)
	}
}

// TestTruncation: a purchase cut short at every byte is answered 30 when its trace number is whole, and closes the connection otherwise.
// It never becomes a request.
func TestTruncation(t *testing.T) {
	h := newBench(t, nil)
	w := h.signOn(h.open(), terminalCode, iso8583.MACAESCMAC)
	good := w.sale().frame(w.mac)
	traceEnd := wireAt(t, good, 11) + 3
	for size := range good {
		h := newBench(t, nil)
		l := h.open()
		h.signOn(l, terminalCode, iso8583.MACAESCMAC)
		if size < 2 {
			l.send(good[:size])
			require.Nil(t, l.ended)
			continue
		}
		l.send(changed(good[:size], func(b []byte) []byte { return b }))
		require.Empty(t, h.decided(), "cut at %d", size)
		switch {
		case size < iso8583.MinPayload+2:
			require.ErrorIs(t, l.ended, ClosedFraming, "cut at %d", size)
		case size < traceEnd:
			require.Equal(t, map[string]int{"truncated": 1}, h.rejected, "cut at %d", size)
			require.ErrorIs(t, l.ended, ClosedGarbage, "cut at %d", size)
		default:
			require.Equal(t, map[string]int{"truncated": 1}, h.rejected, "cut at %d", size)
			reply := l.one()
			require.Equal(t, "30", string(reply.Value(39)))
			require.Equal(t, terminalCode, string(reply.Value(41)))
			require.Equal(t, good[traceEnd-3:traceEnd], reply.Value(11))
		}
	}
	require.Equal(t, h.now, noon)
}

// TestFlippedBits: of all frames that differ from a good one in one bit none is accepted, but for the bits of addressing and header that
// no MAC covers (wire handbook 3.7); there the request is the same.
func TestFlippedBits(t *testing.T) {
	for _, mode := range []iso8583.MACMode{iso8583.MACAESCMAC, iso8583.MACSM4CBC, iso8583.MACX919, iso8583.MACCUPDES} {
		t.Run(mode.String(), func(t *testing.T) {
			h := newBench(t, func(c *Config) { c.BadMACsBeforeClose = 1000; c.BadFramesBeforeClose = 1000 })
			var w *terminal
			var good []byte
			var want transaction.Request
			start := func() {
				w = h.signOn(h.open(), terminalCode, mode)
				good = w.sale().frame(w.mac)
				w.line.send(good)
				want = h.decided()[0]
				d := h.approve(&want)
				h.sessions.Answer(&d)
				w.line.take()
				want.Origin = 0
			}
			start()
			accepted := 0
			for bit := 8 * atTPDU; bit < 8*len(good); bit++ {
				if w.line.ended != nil {
					start()
				}
				w.line.send(changed(good, func(b []byte) []byte { b[bit/8] ^= 1 << (bit % 8); return b }))
				w.line.take()
				for _, r := range h.decided() {
					require.Less(t, bit/8, atMTI, "bit %d accepted", bit)
					d := h.approve(&r)
					h.sessions.Answer(&d)
					w.line.take()
					r.Origin = 0
					require.Equal(t, want, r)
					accepted++
				}
			}
			require.Equal(t, 8*(atMTI-atTPDU-1), accepted, "addressing and header without the 60")
			require.Positive(t, h.rejected["mac"])
		})
	}
}

// TestMalleableMAC shows why CUP-ECB is for terminals that can do nothing else: two bits flipped eight bytes apart leave the MAC as it
// is, and 12.50 becomes 100,012.51. The default refuses the same forgery (wire handbook 3.7).
func TestMalleableMAC(t *testing.T) {
	forge := func(t *testing.T, good []byte) []byte {
		amount, hour, date := wireAt(t, good, 4), wireAt(t, good, 12), wireAt(t, good, 13)
		return changed(good, func(b []byte) []byte {
			b[amount+5] ^= 0x01
			b[date+1] ^= 0x01
			require.Equal(t, amount+5+8, date+1)
			b[amount+2] ^= 0x10
			b[hour+1] ^= 0x10
			require.Equal(t, amount+2+8, hour+1)
			return b
		})
	}
	for mode, fooled := range map[iso8583.MACMode]bool{
		iso8583.MACCUPDES: true, iso8583.MACCUP3DES: true, iso8583.MACCUPSM4: false, iso8583.MACX919: false, iso8583.MACSM4CBC: false, iso8583.MACAESCMAC: false,
	} {
		t.Run(mode.String(), func(t *testing.T) {
			h := newBench(t, nil)
			w := h.signOn(h.open(), terminalCode, mode)
			good := frame(iso8583.MTIFinancial, w.mac, func(b *iso8583.Builder) {
				b.Digits(2, "6217000012345678")
				b.Number(3, 0)
				b.Number(4, 1250)
				b.Number(11, 123)
				b.Number(12, 123456)
				b.Number(13, 921)
				b.Number(22, 71)
				b.Number(25, 0)
				b.Text(41, terminalCode)
				b.Text(42, merchantCode)
				b.Text(49, "156")
				b.Variable(60, 2200000100060, 13)
			})
			w.line.send(good, forge(t, good))
			requests := h.decided()
			require.EqualValues(t, 1250, requests[0].Amount)
			if fooled {
				require.Len(t, requests, 2)
				require.EqualValues(t, 10001251, requests[1].Amount)
				return
			}
			require.Len(t, requests, 1)
			require.Equal(t, "A0", string(w.line.one().Value(39)))
		})
	}
}

// refusal is an authentic message that asks for what cannot be.
type refusal struct {
	name   string
	change func(*sale)
	label  string
	answer string
	nibble byte
}

// TestAuthenticRefusals: what is wrong in a message with a good MAC is refused under our MAC.
func TestAuthenticRefusals(t *testing.T) {
	refusals := []refusal{
		{"another terminal's code", func(s *sale) { s.code = "10016918" }, "identity", "30", 0},
		{"another merchant's code", func(s *sale) { s.merchant = "843290045820002" }, "identity", "30", 0},
		{"dollars", func(s *sale) { s.currency = "840" }, "currency", "30", 0},
		{"trace 0", func(s *sale) { s.trace = 0 }, "missing_field", "30", 0},
		{"batch 0", func(s *sale) { s.network = 2200000000060 }, "missing_field", "30", 0},
		{"card of 15 digits", func(s *sale) { s.card = "621700001234567" }, "card_number", "14", 0},
		{"card that begins with 0", func(s *sale) { s.card = "0217000012345678" }, "card_number", "14", 0},
		{"purse 3", func(s *sale) { s.private = "C10013" }, "purse", "30", 0},
		{"passage to nowhere", func(s *sale) { s.amount, s.private = 0, "C5001X" }, "purse", "30", 0},
		{"PIN under another key", func(s *sale) { s.pinBlock = make([]byte, 16) }, "pin_format", "99", signOnAgain},
		{"pre-authorisation completion", func(s *sale) { s.condition = 6 }, "unsupported", "40", 0},
		{"cash withdrawal", func(s *sale) { s.processing = 10000 }, "unsupported", "40", 0},
		{"void", func(s *sale) { s.processing, s.network = 200000, 2300000100060 }, "unsupported", "40", 0},
		{"refund advice", func(s *sale) { s.mti, s.processing, s.network = iso8583.MTIAdvice, 200000, 2500000100060 }, "unsupported", "40", 0},
		{"advice without a code", func(s *sale) { s.mti, s.without = iso8583.MTIAdvice, 3 }, "unsupported", "40", 0},
		{"reversal of a balance", func(s *sale) { s.mti, s.processing, s.network = iso8583.MTIReversal, 310000, 100000100060 }, "unsupported", "40", 0},
		{"reversal without a cause", func(s *sale) { s.mti = iso8583.MTIReversal }, "missing_field", "30", 0},
	}
	for _, n := range []int{2, 3, 4, 11, 22, 25, 41, 42, 49, 60} {
		refusals = append(refusals, refusal{fmt.Sprintf("without F%d", n), func(s *sale) { s.without = n }, "missing_field", "30", 0})
	}
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			h := newBench(t, nil)
			w := h.signOn(h.open(), terminalCode, iso8583.MACAESCMAC)
			s := w.sale()
			c.change(&s)
			request := s.frame(w.mac)
			w.line.send(request)
			require.Empty(t, h.decided())
			frames := w.line.take()
			require.Len(t, frames, 1)
			reply := w.checkReply(t, request, frames[0])
			require.Equal(t, s.mti.Reply(), reply.MTI())
			require.Equal(t, c.answer, string(reply.Value(39)))
			require.Equal(t, c.nibble, processing(reply))
			require.Equal(t, map[string]int{c.label: 1}, h.rejected)
			require.Nil(t, w.line.ended)
			// and the session goes on
			w.line.send(w.sale().frame(w.mac))
			require.Len(t, h.decided(), 1)
		})
	}
}

// TestWithoutKeys: before a sign-on nothing but a sign-on is heard, and the terminal is told so.
func TestWithoutKeys(t *testing.T) {
	h := newBench(t, nil)
	w := h.signOn(h.open(), terminalCode, iso8583.MACAESCMAC)
	s := w.sale()
	s.pinBlock, _ = w.pins.Encode(pin, card, [8]byte{})
	l := h.open()
	for _, sent := range [][]byte{w.sale().frame(w.mac), s.frame(w.mac), managementFrame(terminalCode, 1, 5, codeEcho), managementFrame(terminalCode, 1, 6, codeSignOff)} {
		l.send(sent)
		reply := l.one()
		require.Equal(t, "C1", string(reply.Value(39)))
		require.EqualValues(t, signOnAgain, processing(reply))
		require.False(t, reply.Has(64))
	}
	require.Equal(t, map[string]int{"not_signed_on": 4}, h.rejected)
	require.Empty(t, h.decided())
}

// TestWrongMAC: no MAC and a wrong MAC are answered A0 with "sign on again"; several in a row close the connection, a good one between
// starts the count again.
func TestWrongMAC(t *testing.T) {
	h := newBench(t, func(c *Config) { c.BadMACsBeforeClose = 3 })
	w := h.signOn(h.open(), terminalCode, iso8583.MACAESCMAC)
	other, err := iso8583.NewMAC(iso8583.MACAESCMAC, make([]byte, 16))
	require.NoError(t, err)
	bad := func(mac *iso8583.MAC) {
		w.line.send(w.sale().frame(mac))
		require.Empty(t, h.decided())
		reply := w.line.one()
		require.Equal(t, "A0", string(reply.Value(39)))
		require.EqualValues(t, signOnAgain, processing(reply))
		require.False(t, reply.Has(64))
	}
	bad(nil)
	bad(other)
	w.line.send(w.sale().frame(w.mac))
	require.Len(t, h.decided(), 1)
	bad(other)
	bad(other)
	require.Nil(t, w.line.ended)
	bad(nil)
	require.ErrorIs(t, w.line.ended, ClosedBadMACs)
	require.Equal(t, map[string]int{"mac": 5}, h.rejected)
	require.Equal(t, 5, h.counted["mac_failed"])
	require.Equal(t, map[string]int{"bad_macs": 1}, h.closed)
}

// TestBadFramesInARow: each is answered, the last one too; what stands behind it in the same segment is not read.
func TestBadFramesInARow(t *testing.T) {
	h := newBench(t, func(c *Config) { c.BadFramesBeforeClose = 3 })
	w := h.signOn(h.open(), terminalCode, iso8583.MACAESCMAC)
	bad := changed(w.sale().frame(w.mac), func(b []byte) []byte { return append(b, 0) })
	good := w.sale().frame(w.mac)
	w.line.send(bad, bad, good)
	require.Len(t, h.decided(), 1)
	require.Len(t, w.line.take(), 2)
	all := append(append([]byte(nil), bad...), bad...)
	w.line.send(append(append(all, bad...), good...))
	require.Len(t, w.line.take(), 3)
	require.Empty(t, h.decided())
	require.ErrorIs(t, w.line.ended, ClosedBadFrames)
	require.Equal(t, map[string]int{"trailing": 5}, h.rejected)
}

// TestSignOnRefusals: what is wrong with a sign-on, before and after the core has said yes.
func TestSignOnRefusals(t *testing.T) {
	h := newBench(t, nil)
	l := h.open()
	ask := func(sent []byte) *iso8583.Message { l.send(sent); require.Empty(t, h.decided()); return l.one() }
	require.Equal(t, "30", string(ask(signOnFrame(terminalCode, 0, 1, iso8583.MACAESCMAC)).Value(39)), "batch 0")
	require.Equal(t, "30", string(ask(signOnFrame(terminalCode, 1, 0, iso8583.MACAESCMAC)).Value(39)), "trace 0")
	unknown := changed(signOnFrame(terminalCode, 1, 1, iso8583.MACAESCMAC), func(b []byte) []byte {
		b[len(b)-7] = 0x38 // F60.3: 387
		return b
	})
	require.Equal(t, "40", string(ask(unknown).Value(39)))
	require.Equal(t, map[string]int{"missing_field": 2, "unsupported": 1}, h.rejected)

	answer := func(change func(*transaction.Decision)) *iso8583.Message {
		l.send(signOnFrame(terminalCode, 1, 1, iso8583.MACAESCMAC))
		requests := h.decided()
		require.Len(t, requests, 1)
		d := h.approve(&requests[0])
		change(&d)
		h.sessions.Answer(&d)
		return l.one()
	}
	for _, c := range []struct {
		change func(*transaction.Decision)
		code   string
	}{
		{func(d *transaction.Decision) {
			d.Code, d.Reason, d.SignOn = transaction.UnregisteredDevice, transaction.ReasonTerminalUnknown, nil
		}, "97"},
		{func(d *transaction.Decision) { d.SignOn.MACMode = uint8(iso8583.MACSM4CBC) }, "58"},
		{func(d *transaction.Decision) { d.SignOn.SealedKey = nil }, "96"},
		{func(d *transaction.Decision) { d.SignOn.SealedKey = make([]byte, 5) }, "96"},
	} {
		reply := answer(c.change)
		require.Equal(t, c.code, string(reply.Value(39)))
		require.False(t, reply.Has(62))
		require.Zero(t, h.sessions.SignedOn())
	}
	require.Equal(t, 1, h.rejected["key_scheme"])
	require.Equal(t, 2, h.rejected["terminal_key"])
	require.Zero(t, h.counted["signed_on"])
	h.signOn(l, terminalCode, iso8583.MACAESCMAC)
	l.send(managementFrame("10016918", 1, 7, codeEcho))
	require.Equal(t, "30", string(l.one().Value(39)))
	l.send(managementFrame(terminalCode, 1, 7, 372))
	require.Equal(t, "40", string(l.one().Value(39)))
}

// TestKeylessFlood: a terminal may have sent ahead before it hears that it is to sign on; more is cut off, and a sign-on starts anew.
func TestKeylessFlood(t *testing.T) {
	h := newBench(t, func(c *Config) { c.MaxInFlightPerConnection = 4 })
	l := h.open()
	w := &terminal{code: terminalCode}
	for range 4 {
		l.send(w.sale().frame(nil))
	}
	require.Len(t, l.take(), 4)
	h.signOn(l, terminalCode, iso8583.MACAESCMAC)
	l.send(managementFrame(terminalCode, 1, 9, codeSignOff))
	h.settle()
	l.take()
	for range 4 {
		l.send(w.sale().frame(nil))
	}
	l.take()
	require.Nil(t, l.ended)
	l.send(w.sale().frame(nil))
	require.Equal(t, "C1", string(l.one().Value(39)))
	require.ErrorIs(t, l.ended, ClosedBadFrames)
}
