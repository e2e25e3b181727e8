package terminals

import (
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/switch/iso8583"
)

// TestSignOnFlood: keys are drawn only so often for somebody who does not prove that he can use them (safety handbook 3.2). A good MAC
// begins a new count, a wrong one does not.
func TestSignOnFlood(t *testing.T) {
	h := newBench(t, func(c *Config) { c.BadMACsBeforeClose = 3 })
	l := h.open()
	var w *terminal
	for range 3 {
		for range 3 {
			w = h.signOn(l, terminalCode, iso8583.MACAESCMAC)
		}
		l.send(w.sale().frame(w.mac))
		h.settle()
		require.Equal(t, "00", string(l.one().Value(39)))
	}
	for range 2 {
		w = h.signOn(l, terminalCode, iso8583.MACAESCMAC)
	}
	l.send(changed(w.sale().frame(w.mac), func(b []byte) []byte { b[len(b)-1] ^= 1; return b }))
	require.Equal(t, "A0", string(l.one().Value(39)))
	h.signOn(l, terminalCode, iso8583.MACAESCMAC)
	require.Nil(t, l.ended)
	drawn := h.counted["signed_on"]
	one := signOnFrame(terminalCode, 1, 1, iso8583.MACAESCMAC)
	l.send(append(append([]byte(nil), one...), one...)) // the second was sent ahead
	h.settle()
	for _, reply := range l.take() {
		var m iso8583.Message
		require.NoError(t, m.Parse(reply[iso8583.PrefixSize:], 8))
		require.Equal(t, "96", string(m.Value(39)))
		require.False(t, m.Has(62))
	}
	require.ErrorIs(t, l.ended, ClosedBadMACs)
	require.Equal(t, drawn, h.counted["signed_on"])
	require.Positive(t, h.rejected["unproven"])
}
