package iso8583

import (
	"testing"

	moov "github.com/moov-io/iso8583"
	"github.com/stretchr/testify/require"
)

// hotModes are all MAC modes with a key each.
func hotModes(each func(mode MACMode, mac *MAC)) {
	for mode := range macModeCount {
		key := unhex("0123456789ABCDEFFEDCBA9876543210")
		if mode == MACCUPDES {
			key = unhex("DAB36167E6DFB5EF")
		}
		mac, err := NewMAC(mode, key)
		if err != nil {
			panic(err)
		}
		each(mode, mac)
	}
}

// TestHotPathAllocatesNothing: parse, verify, build the reply with its MAC, in every mode; and a refusal by the codec or the MAC.
func TestHotPathAllocatesNothing(t *testing.T) {
	var m Message
	var b Builder
	reply := make([]byte, 0, 512)
	hotModes(func(mode MACMode, mac *MAC) {
		frame := purchaseFrame(mac)
		require.Zero(t, testing.AllocsPerRun(1000, func() { exchange(&m, &b, mac, frame, reply) }), mode)
		wrong := append([]byte(nil), frame...)
		wrong[len(wrong)-1] ^= 1
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			if m.Parse(wrong[PrefixSize:], 16) != nil || mac.Verify(nil, m.MAB(), m.MAC()) {
				panic("the MAC is wrong and nothing else")
			}
			if m.Parse(wrong[PrefixSize:len(wrong)-1], 16) == nil {
				panic("the frame is cut")
			}
		}), mode)
	})
	frame := purchaseFrame(nil)
	require.NoError(t, m.Parse(frame[PrefixSize:], 16))
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		_, _ = m.Number(4)
		_, _, _ = m.CardNumber()
		_, _, _, _ = m.Network()
		_, _ = TLV(m.Value(59), "C5")
	}))
}

func purchaseFrame(mac *MAC) []byte {
	for _, v := range vectors(&testing.T{}) {
		if v.name == "0200 purchase" {
			var m Message
			_ = m.Parse(v.frame[PrefixSize:], 8)
			var b Builder
			b.Request(nil, [5]byte(m.TPDU()), [6]byte(m.Header()), m.MTI())
			for f := 2; f < 64; f++ {
				b.Copy(&m, f)
			}
			return b.Finish(mac, nil)
		}
	}
	return nil
}

func exchange(m *Message, b *Builder, mac *MAC, frame, reply []byte) {
	if m.Parse(frame[PrefixSize:], 16) != nil || !mac.Verify(nil, m.MAB(), m.MAC()) {
		panic("the frame is good")
	}
	buildReply(b, m, reply)
	b.Finish(mac, m.MAC())
}

func buildReply(b *Builder, m *Message, reply []byte) {
	b.Reply(reply[:0], m, m.MTI().Reply(), 0)
	for _, f := range [...]int{2, 3, 4, 11} {
		b.Copy(m, f)
	}
	b.Number(12, 123456)
	b.Number(13, 921)
	b.Copy(m, 25)
	b.Text(37, "260921000123")
	b.Text(39, "00")
	for _, f := range [...]int{41, 42, 49, 60} {
		b.Copy(m, f)
	}
}

// BenchmarkExchange is the whole codec work of one purchase: parse, verify, reply, MAC.
func BenchmarkExchange(b *testing.B) {
	hotModes(func(mode MACMode, mac *MAC) {
		b.Run(mode.String(), func(b *testing.B) {
			frame, reply := purchaseFrame(mac), make([]byte, 0, 512)
			var m Message
			var builder Builder
			b.ReportAllocs()
			for b.Loop() {
				exchange(&m, &builder, mac, frame, reply)
			}
		})
	})
}

// BenchmarkMAC is one sum over the purchase of the vectors.
func BenchmarkMAC(b *testing.B) {
	hotModes(func(mode MACMode, mac *MAC) {
		b.Run(mode.String(), func(b *testing.B) {
			var m Message
			require.NoError(b, m.Parse(purchaseFrame(mac)[PrefixSize:], 16))
			b.ReportAllocs()
			for b.Loop() {
				mac.Sum(nil, m.MAB())
			}
		})
	})
}

// BenchmarkParse compares the codecs over the same purchase.
func BenchmarkParse(b *testing.B) {
	payload := frameOf(b, "0200 purchase")[PrefixSize:]
	b.Run("hot", func(b *testing.B) {
		var m Message
		b.ReportAllocs()
		for b.Loop() {
			_ = m.Parse(payload, 16)
		}
	})
	b.Run("moov", func(b *testing.B) {
		message := moov.NewMessage(TerminalSpec(16))
		b.ReportAllocs()
		for b.Loop() {
			_ = message.Unpack(payload[mtiAt:])
		}
	})
}

// BenchmarkBuild compares the codecs writing the reply to a purchase, without its MAC.
func BenchmarkBuild(b *testing.B) {
	payload := frameOf(b, "0210 purchase approved")[PrefixSize:]
	b.Run("hot", func(b *testing.B) {
		var request Message
		require.NoError(b, request.Parse(frameOf(b, "0200 purchase")[PrefixSize:], 16))
		var builder Builder
		reply := make([]byte, 0, 512)
		b.ReportAllocs()
		for b.Loop() {
			buildReply(&builder, &request, reply)
			builder.Finish(nil, nil)
		}
	})
	b.Run("moov", func(b *testing.B) {
		message := moov.NewMessage(TerminalSpec(16))
		require.NoError(b, message.Unpack(payload[mtiAt:]))
		b.ReportAllocs()
		for b.Loop() {
			_, _ = message.Pack()
		}
	})
}

// BenchmarkDecline is the answer to a message that the hot codec does not take.
func BenchmarkDecline(b *testing.B) {
	c, payload := NewOtherCodec(), frameOf(b, "0500 settle")[PrefixSize:]
	b.ReportAllocs()
	for b.Loop() {
		_, _ = c.Decline(payload, Declined{HHMMSS: 123456, MMDD: 921})
	}
}
