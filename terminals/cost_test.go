package terminals

import (
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// purchase is a session that is asked the same thing again and again.
type purchase struct {
	bench   *bench
	line    *line
	request []byte
}

func newPurchase(t testing.TB, mode iso8583.MACMode) *purchase {
	h := newBench(t, nil)
	w := h.signOn(h.open(), terminalCode, mode)
	p := &purchase{h, w.line, w.sale().frame(w.mac)}
	p.turn() // buffers grow once
	return p
}

// turn takes a purchase from bytes to bytes: request, decision, reply.
func (p *purchase) turn() {
	h := p.bench
	h.now++
	consumed, requests, err := p.line.session.Receive(h.now, p.request, h.requests[:0])
	if err != nil || consumed != len(p.request) || len(requests) != 1 {
		h.t.Fatal("the purchase is good", err, consumed, len(requests))
	}
	h.requests = requests
	d := h.approve(&requests[0])
	h.sessions.Answer(&d)
	if len(p.line.out) == 0 {
		h.t.Fatal("no answer")
	}
	p.line.out = p.line.out[:0]
}

// TestPurchaseAllocatesNothing: house rule for the hot path.
func TestPurchaseAllocatesNothing(t *testing.T) {
	for _, mode := range []iso8583.MACMode{iso8583.MACAESCMAC, iso8583.MACSM4CBC, iso8583.MACCUPDES, iso8583.MACCUP3DES, iso8583.MACCUPSM4, iso8583.MACX919} {
		require.Zero(t, testing.AllocsPerRun(500, newPurchase(t, mode).turn), mode.String())
	}
}

// TestFloodAllocatesNothing: what a flood would be made of costs no memory: a wrong MAC, a frame that cannot be read, and a refusal
// whose sentence has no numbers.
func TestFloodAllocatesNothing(t *testing.T) {
	h := newBench(t, func(c *Config) { c.BadMACsBeforeClose, c.BadFramesBeforeClose = 1000, 1000 })
	w := h.signOn(h.open(), terminalCode, iso8583.MACAESCMAC)
	good := w.sale().frame(w.mac)
	for name, sent := range map[string][]byte{
		"wrong MAC": changed(good, func(b []byte) []byte { b[len(b)-1] ^= 1; return b }),
		"trailing":  changed(good, func(b []byte) []byte { return append(b, 0) }),
		"nibble":    changed(good, setByte(wireAt(t, good, 4), 0xAA)),
	} {
		turn := func() {
			if _, _, err := w.line.session.Receive(h.now, sent, nil); err != nil {
				t.Fatal(err)
			}
			w.line.out = w.line.out[:0]
		}
		turn()
		require.LessOrEqual(t, testing.AllocsPerRun(100, turn), 1.0, "%s: the reference is printed", name)
	}
	p := newPurchase(t, iso8583.MACAESCMAC)
	refuse := func() {
		_, p.bench.requests, _ = p.line.session.Receive(p.bench.now, p.request, p.bench.requests[:0])
		d := p.bench.approve(&p.bench.requests[0])
		d.Code, d.Reason = transaction.LostCard, transaction.ReasonCardLost
		p.bench.sessions.Answer(&d)
		p.line.out = p.line.out[:0]
	}
	refuse()
	require.Zero(t, testing.AllocsPerRun(100, refuse))
}

func BenchmarkSession(b *testing.B) {
	for _, mode := range []iso8583.MACMode{iso8583.MACAESCMAC, iso8583.MACSM4CBC, iso8583.MACCUPDES} {
		b.Run(mode.String(), func(b *testing.B) {
			p := newPurchase(b, mode)
			b.ReportAllocs()
			for b.Loop() {
				p.turn()
			}
		})
	}
}
