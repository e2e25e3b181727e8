package terminals

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// TestReplacedAfterProof: a sign-on alone throws nobody out; the first good MAC does.
func TestReplacedAfterProof(t *testing.T) {
	h := newBench(t, nil)
	first := h.signOn(h.open(), terminalCode, iso8583.MACAESCMAC)
	first.line.send(first.sale().frame(first.mac))
	require.Len(t, h.requests, 1)

	second := h.signOn(h.open(), terminalCode, iso8583.MACAESCMAC)
	require.NotEqual(t, first.keys, second.keys)
	second.line.send(second.sale().frame(first.mac)) // an impostor has the address but not the key
	require.Equal(t, "A0", string(second.line.one().Value(39)))
	require.Nil(t, first.line.ended)
	h.settle()
	require.Equal(t, "00", string(first.line.one().Value(39)))

	first.line.send(first.sale().frame(first.mac))
	require.Len(t, h.requests, 1)
	second.line.send(second.sale().frame(second.mac))
	require.ErrorIs(t, first.line.ended, ClosedReplaced)
	require.Len(t, h.requests, 2)
	h.settle()
	require.Len(t, second.line.take(), 1)
	require.Empty(t, first.line.take())
	require.Equal(t, 1, h.counted["dropped"], "the answer to the one that was thrown out")
	require.Equal(t, 1, h.sessions.SignedOn())

	third := h.signOn(h.open(), "10016920", iso8583.MACAESCMAC) // another terminal disturbs nobody
	third.line.send(third.sale().frame(third.mac))
	h.settle()
	require.Nil(t, second.line.ended)
	require.Equal(t, map[string]int{"replaced": 1}, h.closed)
}

// TestSignOnAgain: on the same connection new keys take the place of the old ones, and what was asked under the old ones is not answered
// under the new.
func TestSignOnAgain(t *testing.T) {
	h := newBench(t, nil)
	l := h.open()
	w := h.signOn(l, terminalCode, iso8583.MACAESCMAC)
	w.line.send(w.sale().frame(w.mac))
	waiting := h.decided()
	before := w.mac
	w = h.signOn(l, terminalCode, iso8583.MACAESCMAC)
	d := h.approve(&waiting[0])
	h.sessions.Answer(&d)
	require.Empty(t, l.take())
	require.Equal(t, 1, h.counted["dropped"])
	l.send(w.sale().frame(before))
	require.Equal(t, "A0", string(l.one().Value(39)))
	l.send(w.sale().frame(w.mac))
	h.settle()
	require.Equal(t, "00", string(l.one().Value(39)))
	require.Equal(t, 1, h.sessions.SignedOn())
	require.Zero(t, h.sessions.InFlight())
}

// TestDeadlines: what may take how long, to the microsecond.
func TestDeadlines(t *testing.T) {
	c := DefaultConfig()
	signedOn := func(h *bench) *line { return h.signOn(h.open(), terminalCode, iso8583.MACAESCMAC).line }
	half := func(h *bench) *line {
		l := signedOn(h)
		l.send([]byte{0, 100, 0x60})
		return l
	}
	for _, k := range []struct {
		name  string
		start func(h *bench) *line
		limit time.Duration
		want  CloseReason
	}{
		{"nobody signs on", func(h *bench) *line { return h.open() }, c.SignOnTimeout, ClosedUnsigned},
		{"signed off", func(h *bench) *line {
			l := signedOn(h)
			h.now += time.Hour.Microseconds()
			l.send(managementFrame(terminalCode, 1, 2, codeSignOff))
			h.settle()
			l.take()
			return l
		}, c.SignOnTimeout, ClosedUnsigned},
		{"silent", signedOn, c.IdleTimeout, ClosedIdle},
		{"silent after an echo", func(h *bench) *line {
			l := signedOn(h)
			h.now += c.IdleTimeout.Microseconds() - 1
			l.send(managementFrame(terminalCode, 1, 2, codeEcho))
			h.settle()
			l.take()
			return l
		}, c.IdleTimeout, ClosedIdle},
		{"half a frame", half, c.FrameTimeout, ClosedHalfFrame},
		{"half a length", func(h *bench) *line { l := signedOn(h); l.send([]byte{0}); return l }, c.FrameTimeout, ClosedHalfFrame},
		{"half a frame behind a whole one", func(h *bench) *line {
			l := signedOn(h)
			l.send(append(managementFrame(terminalCode, 1, 2, codeEcho), 0))
			h.settle()
			l.take()
			return l
		}, c.FrameTimeout, ClosedHalfFrame},
	} {
		t.Run(k.name, func(t *testing.T) {
			h := newBench(t, nil)
			l := k.start(h)
			require.NoError(t, l.session.Overdue(h.now+k.limit.Microseconds()-1, false))
			require.Equal(t, k.want, l.session.Overdue(h.now+k.limit.Microseconds(), false))
		})
	}
}

// A byte now and then does not keep a half frame alive.
func TestTrickle(t *testing.T) {
	h := newBench(t, nil)
	w := h.signOn(h.open(), terminalCode, iso8583.MACAESCMAC)
	request := w.sale().frame(w.mac)
	for i := range 9 {
		require.NoError(t, w.line.session.Overdue(h.now, false))
		w.line.send(request[i : i+1])
		h.now += time.Second.Microseconds()
	}
	require.NoError(t, w.line.session.Overdue(h.now, false))
	require.Equal(t, ClosedHalfFrame, w.line.session.Overdue(h.now+time.Second.Microseconds(), false))
	w.line.send(request[9:]) // but it counts from the first byte of this frame
	require.NoError(t, w.line.session.Overdue(h.now+time.Minute.Microseconds(), false))
	require.Len(t, h.decided(), 1)
}

// A terminal that waits for us is not idle; one that does not take its answers is closed however busy it is.
func TestOurTurnAndSlowReader(t *testing.T) {
	h := newBench(t, nil)
	w := h.signOn(h.open(), terminalCode, iso8583.MACAESCMAC)
	w.line.send(w.sale().frame(w.mac))
	h.now += time.Hour.Microseconds()
	s := w.line.session
	require.NoError(t, s.Overdue(h.now, true))
	h.now += DefaultConfig().FrameTimeout.Microseconds() - 1
	require.NoError(t, s.Overdue(h.now, true))
	require.NoError(t, s.Overdue(h.now, false), "it has read")
	require.NoError(t, s.Overdue(h.now, true))
	require.NoError(t, s.Overdue(h.now+DefaultConfig().FrameTimeout.Microseconds()-1, true))
	require.Equal(t, ClosedSlowReader, s.Overdue(h.now+DefaultConfig().FrameTimeout.Microseconds(), true))
}

// TestInFlightPerConnection: at the bound nothing more is read, until half is answered; nothing is lost and order is kept.
func TestInFlightPerConnection(t *testing.T) {
	h := newBench(t, func(c *Config) { c.MaxInFlightPerConnection = 4 })
	w := h.signOn(h.open(), terminalCode, iso8583.MACAESCMAC)
	var all []byte
	for range 10 {
		all = append(all, w.sale().frame(w.mac)...)
	}
	w.line.send(all)
	require.Len(t, h.requests, 4)
	require.True(t, w.line.paused)
	require.Equal(t, 1, h.counted["held_connection"])
	waiting := h.decided()
	answer := func(r transaction.Request) {
		d := h.approve(&r)
		h.sessions.Answer(&d)
		h.turn()
	}
	answer(waiting[0])
	require.True(t, w.line.paused)
	require.Empty(t, h.requests, "not at the first free place")
	answer(waiting[1])
	require.Len(t, h.requests, 2, "two more")
	require.True(t, w.line.paused)
	answer(waiting[2])
	answer(waiting[3])
	h.settle()
	frames := w.line.take()
	require.Len(t, frames, 10)
	for i, f := range frames {
		trace, _ := read(t, f).Number(11)
		require.EqualValues(t, i+1, trace)
	}
	require.False(t, w.line.paused)
	require.Empty(t, w.line.rest)
}

// TestInFlightTotal: when the table is full the connections wait in turn. One that uses its turn for nothing, or goes away, does not
// keep the others waiting.
func TestInFlightTotal(t *testing.T) {
	h := newBench(t, func(c *Config) { c.MaxInFlight = 2 })
	var devices []*terminal
	for i := range 6 {
		devices = append(devices, h.signOn(h.open(), fmt.Sprintf("1001692%d", i), iso8583.MACAESCMAC))
	}
	for i, w := range devices {
		if i == 3 { // will use its turn for a frame that is no request
			w.line.send(w.sale().frame(nil))
			continue
		}
		w.line.send(w.sale().frame(w.mac))
	}
	require.Len(t, h.requests, 2)
	require.Equal(t, 4, h.counted["held_total"])
	require.Equal(t, 2, h.sessions.InFlight())
	devices[2].line.Close(ClosedReset)
	h.settle()
	for i, w := range devices {
		frames := w.line.take()
		switch i {
		case 2:
			require.Empty(t, frames)
			continue
		case 3:
			require.Equal(t, "A0", string(read(t, frames[0]).Value(39)))
		default:
			require.Equal(t, "00", string(read(t, frames[0]).Value(39)))
		}
		require.Len(t, frames, 1)
		require.False(t, w.line.paused)
		require.Empty(t, w.line.rest)
	}
	require.Zero(t, h.sessions.InFlight())
	require.Nil(t, h.sessions.starved.pop())
}

// TestWaitingInTurn: room that one waiting connection does not use goes to the next, and who has waited longest comes first.
func TestWaitingInTurn(t *testing.T) {
	h := newBench(t, func(c *Config) { c.MaxInFlight = 1 })
	var devices []*terminal
	for i := range 4 {
		devices = append(devices, h.signOn(h.open(), fmt.Sprintf("1001692%d", i), iso8583.MACAESCMAC))
	}
	answer := func() { // without a turn: nobody has read yet
		r := h.decided()[0]
		d := h.approve(&r)
		h.sessions.Answer(&d)
	}
	send := func(i int, mac *iso8583.MAC) { devices[i].line.send(devices[i].sale().frame(mac)) }
	asks := func(i int) {
		t.Helper()
		require.Len(t, h.requests, 1)
		require.Equal(t, devices[i].code, h.requests[0].TerminalCode.String())
	}
	send(0, devices[0].mac)
	send(1, devices[1].mac)
	send(0, devices[0].mac)
	answer()
	h.turn()
	asks(1) // though 0 has read nothing either and is the one that was answered
	answer()
	h.turn()
	asks(0)

	send(1, nil) // a frame that is no request
	send(2, devices[2].mac)
	answer()
	h.turn()
	asks(2)

	send(0, devices[0].mac)
	send(3, devices[3].mac)
	answer()
	devices[0].line.Close(ClosedReset) // its turn had come
	h.turn()
	asks(3)
	answer()
	require.Zero(t, h.sessions.InFlight())
}

// TestLateAnswer: a session that serves a new connection has nothing to do with what was asked on the one before.
func TestLateAnswer(t *testing.T) {
	h := newBench(t, func(c *Config) { c.MaxInFlightPerConnection = 1 })
	before := h.signOn(h.open(), terminalCode, iso8583.MACAESCMAC)
	before.line.send(before.sale().frame(before.mac))
	late := h.decided()[0]
	before.line.Close(ClosedReset)
	w := h.signOn(h.open(), "10016920", iso8583.MACAESCMAC)
	require.Same(t, before.line.session, w.line.session)
	d := h.approve(&late)
	h.sessions.Answer(&d)
	require.Empty(t, w.line.take())
	require.Equal(t, 1, h.counted["dropped"])
	w.line.send(append(w.sale().frame(w.mac), w.sale().frame(w.mac)...))
	require.Len(t, h.requests, 1, "one place, as before")
	h.settle()
	require.Len(t, w.line.take(), 2)
}

// TestRepeatIsByteExact: the same bytes and the same decision make the same reply, however often; another request does not.
func TestRepeatIsByteExact(t *testing.T) {
	for _, mode := range []iso8583.MACMode{iso8583.MACAESCMAC, iso8583.MACSM4CBC, iso8583.MACCUP3DES} {
		h := newBench(t, nil)
		w := h.signOn(h.open(), terminalCode, mode)
		request := w.sale().frame(w.mac)
		var first transaction.Decision
		var reply []byte
		for range 3 {
			h.now += 1_500_000
			w.line.send(request)
			requests := h.decided()
			require.Len(t, requests, 1)
			if reply == nil {
				first = h.approve(&requests[0])
				first.Code, first.Reason, first.Numbers = transaction.InsufficientFunds, transaction.ReasonFunds, transaction.Numbers{1200, 1250}
			} else {
				first.Origin, first.Replayed = requests[0].Origin, true
			}
			h.sessions.Answer(&first)
			frames := w.line.take()
			require.Len(t, frames, 1)
			w.checkReply(t, request, frames[0])
			if reply != nil {
				require.Equal(t, reply, frames[0])
			}
			reply = frames[0]
		}
		other := w.sale().frame(w.mac)
		m := read(t, reply)
		require.Equal(t, mode.Legacy(), w.mac.Verify(other[len(other)-8:], m.MAB(), m.MAC()), "a reply answers its own request only, but for legacy modes")
	}
}

// TestSegments: frames come as TCP cuts them.
func TestSegments(t *testing.T) {
	h := newBench(t, nil)
	w := h.signOn(h.open(), terminalCode, iso8583.MACAESCMAC)
	two := append(w.sale().frame(w.mac), w.sale().frame(w.mac)...)
	w.line.send(two)
	require.Len(t, h.requests, 2)
	h.settle()
	require.Len(t, w.line.take(), 2)

	s := w.sale()
	s.pinBlock, _ = w.pins.Encode(pin, card, [8]byte{1, 2, 3, 4, 5, 6, 7, 8})
	one := s.frame(w.mac)
	require.Greater(t, len(one), 100)
	for i := range 99 {
		w.line.send(one[i : i+1])
		require.Empty(t, h.requests)
	}
	w.line.send(one[99:])
	require.Len(t, h.requests, 1)
	require.Equal(t, pinValue(card, pin), h.requests[0].PINValue)
	h.settle()
	require.Len(t, w.line.take(), 1)
	require.Empty(t, h.rejected)
}

// TestNewBatch: the terminal adopts the batch of the sign-on reply, and an answer that its asker is not to hear leaves his place free.
func TestNewBatch(t *testing.T) {
	h := newBench(t, func(c *Config) { c.MaxInFlightPerConnection = 1 })
	l := h.open()
	w := &terminal{line: l, code: terminalCode, mode: iso8583.MACAESCMAC}
	l.send(signOnFrame(terminalCode, 41, 1, w.mode))
	r := h.decided()
	d := h.approve(&r[0])
	d.SignOn.Batch = 42
	h.sessions.Answer(&d)
	m := l.one()
	w.useKeys(t, m)
	messageType, batch, code, _ := m.Network()
	require.Equal(t, []int{0, 42, 7}, []int{int(messageType), int(batch), int(code)})
	require.Equal(t, 11, m.Digits(60))

	l.send(w.sale().frame(w.mac), w.sale().frame(w.mac))
	r = h.decided()
	require.Len(t, r, 1)
	h.sessions.Answer(&transaction.Decision{Origin: r[0].Origin, Silent: true})
	h.sessions.Answer(&transaction.Decision{Origin: r[0].Origin}) // a second time is nobody's
	h.turn()
	require.Empty(t, l.take())
	require.Equal(t, 1, h.counted["dropped"])
	h.settle()
	require.Len(t, l.take(), 1)
}

// TestStop: nothing more is read, what was asked is answered, and who comes late is not read either.
func TestStop(t *testing.T) {
	h := newBench(t, nil)
	w := h.signOn(h.open(), terminalCode, iso8583.MACAESCMAC)
	w.line.send(w.sale().frame(w.mac))
	h.sessions.Stop(func(visit func(*Session)) { visit(w.line.session) })
	w.line.send(w.sale().frame(w.mac))
	require.Len(t, h.requests, 1)
	late := h.open()
	late.send(signOnFrame(terminalCode, 1, 1, iso8583.MACAESCMAC))
	h.settle()
	require.Len(t, w.line.take(), 1)
	require.Zero(t, h.sessions.InFlight())
	require.NotEmpty(t, w.line.rest)
	require.NotEmpty(t, late.rest)
	require.NoError(t, w.line.session.Overdue(h.now+time.Hour.Microseconds(), false))
}

// TestLongFrame: a frame that does not fit its slot is kept all the same.
func TestLongFrame(t *testing.T) {
	h := newBench(t, nil)
	w := h.signOn(h.open(), terminalCode, iso8583.MACAESCMAC)
	request := frame(iso8583.MTIFinancial, w.mac, func(b *iso8583.Builder) {
		b.Digits(2, "6217000012345678")
		b.Number(3, 0)
		b.Number(4, 1)
		b.Number(11, 9)
		b.Number(22, 71)
		b.Number(25, 0)
		b.Text(41, terminalCode)
		b.Text(42, merchantCode)
		b.Text(46, string(bytes.Repeat([]byte("v"), 999)))
		b.Text(49, "156")
		b.Variable(60, 2200000100060, 13)
	})
	for range 2 {
		w.line.send(request)
		h.settle()
		frames := w.line.take()
		require.Len(t, frames, 1)
		w.checkReply(t, request, frames[0])
	}
}
