package terminals

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// What a byte of a script does to a session.
const (
	actSegment    = iota // the next n bytes arrive
	actDecide            // the oldest request is answered
	actSignOn            // a good sign-on arrives
	actPurchase          // a good purchase arrives
	actFlip              // a purchase arrives with one bit changed
	actCut               // a purchase arrives cut short
	actTime              // time passes and deadlines are looked at
	actManagement        // echo or sign-off
	actHangUp            // the line ends and a new one begins
	actCount
)

// run plays a script against one terminal's sessions with an engine that says yes, and checks every request that comes out.
type run struct {
	bench   *bench
	line    *line
	waiting []transaction.Request
	random  *recorder
	trace   uint32
	mac     *iso8583.MAC // what the terminal believes to be its key
	sent    []byte       // on this line
}

// recorder hands out random bytes and remembers them: keys of sixteen bytes, PIN key first.
type recorder struct {
	source *rand.ChaCha8
	drawn  [][]byte
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.source.Read(b)
	r.drawn = append(r.drawn, append([]byte(nil), b[:n]...))
	return n, err
}

func newRun(t testing.TB) *run {
	r := &run{random: &recorder{source: rand.NewChaCha8([32]byte{1})}}
	r.bench = newBenchWith(t, func(c *Config) { c.MaxInFlight, c.MaxInFlightPerConnection = 6, 4 }, r.random)
	r.line = r.bench.open()
	return r
}

// check: whatever came out as a financial request was sent under a MAC by keys that were drawn for this session and are the last ones.
func (r *run) check() {
	t := r.bench.t
	for _, request := range r.bench.requests {
		p := r.bench.sessions.pending.take(request.Origin)
		require.NotNil(t, p)
		if request.Kind == transaction.KindSignOn || request.Kind == transaction.KindSignOff || request.Kind == transaction.KindEcho {
			continue
		}
		require.NotEmpty(t, r.random.drawn, "a request without keys")
		mac, err := iso8583.NewMAC(iso8583.MACAESCMAC, r.random.drawn[len(r.random.drawn)-1])
		require.NoError(t, err)
		require.True(t, r.wasSent(mac, &p.echo), "a request without a good MAC")
		require.Equal(t, terminalCode, request.TerminalCode.String())
		require.NotZero(t, request.Trace)
		require.NotZero(t, request.Batch)
		require.GreaterOrEqual(t, request.Amount, transaction.Request{}.Amount)
		require.GreaterOrEqual(t, uint64(request.Card), uint64(1e15))
	}
	r.waiting = append(r.waiting, r.bench.decided()...)
}

// wasSent says whether a frame with the MAC of what was kept has been sent, and the MAC is good.
func (r *run) wasSent(mac *iso8583.MAC, e *iso8583.Echo) bool {
	for end := len(r.sent); end > 0; end-- {
		if !bytes.HasSuffix(r.sent[:end], e.MAC()) {
			continue
		}
		for start := range end {
			var m iso8583.Message
			length, ok, err := iso8583.FrameLength(r.sent[start:end])
			if ok && err == nil && start+iso8583.PrefixSize+length == end && m.Parse(r.sent[start+iso8583.PrefixSize:end], 16) == nil && mac.Verify(nil, m.MAB(), m.MAC()) {
				return true
			}
		}
	}
	return false
}

func (r *run) send(b []byte) {
	if r.line.ended != nil {
		r.line = r.bench.open()
		r.mac, r.sent = nil, r.sent[:0]
	}
	r.sent = append(r.sent, b...)
	r.line.send(b)
	r.check()
}

func (r *run) decide() {
	if len(r.waiting) == 0 {
		return
	}
	request := r.waiting[0]
	r.waiting = r.waiting[1:]
	d := r.bench.approve(&request)
	if d.SignOn != nil {
		d.SignOn.Terminal = 10016919
	}
	r.line.take()
	drawn := len(r.random.drawn)
	r.bench.sessions.Answer(&d)
	r.bench.turn()
	r.check()
	if len(r.random.drawn) > drawn {
		r.mac, _ = iso8583.NewMAC(iso8583.MACAESCMAC, r.random.drawn[len(r.random.drawn)-1])
	}
	for _, reply := range r.line.take() {
		mti := iso8583.MTI(binary.BigEndian.Uint16(reply[atMTI:]))
		require.Equal(r.bench.t, mti, mti.Reply(), "what we say is a reply")
	}
}

func (r *run) purchase() []byte {
	w := terminal{code: terminalCode, trace: r.trace}
	r.trace++
	return w.sale().frame(r.mac)
}

// step does one action and returns the rest of the script.
func (r *run) step(script []byte) []byte {
	action, argument, rest := script[0]%actCount, 0, script[1:]
	if len(rest) > 0 {
		argument, rest = int(rest[0]), rest[1:]
	}
	switch action {
	case actSegment:
		n := min(argument, len(rest))
		r.send(rest[:n])
		rest = rest[n:]
	case actDecide:
		r.decide()
	case actSignOn:
		r.send(signOnFrame(terminalCode, 1, uint32(argument)+1, iso8583.MACAESCMAC))
	case actPurchase:
		r.send(r.purchase())
	case actFlip:
		b := r.purchase()
		bit := (argument*251 + len(rest)) % (8 * len(b))
		b[bit/8] ^= 1 << (bit % 8)
		r.send(b)
	case actCut:
		b := r.purchase()
		r.send(changed(b[:2+argument%(len(b)-2)], func(b []byte) []byte { return b }))
	case actTime:
		r.bench.now += int64(argument) * 1_000_000
		if r.line.ended == nil {
			if why := r.line.session.Overdue(r.bench.now, argument%2 == 0); why != nil {
				r.line.Close(why)
			}
		}
	case actManagement:
		r.send(managementFrame(terminalCode, 1, 7, []uint32{codeEcho, codeSignOff, 9}[argument%3]))
	case actHangUp:
		r.line.take()
		r.line.Close(ClosedByPeer)
	}
	return rest
}

// FuzzSession: whatever arrives in whatever order, nothing panics, nothing becomes a financial request without a good MAC under the last
// keys, and everything that was asked has its place given back.
func FuzzSession(f *testing.F) {
	good := []byte{actSignOn, 0, actDecide, 0, actPurchase, 0, actPurchase, 0, actDecide, 0, actDecide, 0}
	f.Add(good)
	f.Add(append(append([]byte(nil), good...), actFlip, 9, actFlip, 77, actCut, 50, actManagement, 0, actDecide, 0, actManagement, 1, actDecide, 0, actPurchase, 0))
	f.Add(append(append([]byte(nil), good...), bytes.Repeat([]byte{actPurchase, 0}, 12)...))
	f.Add(append(append([]byte(nil), good...), actTime, 255, actTime, 255, actHangUp, 0, actSignOn, 3, actDecide, 0, actPurchase, 1))
	for _, frame := range vectors(f) {
		f.Add(append(append(append([]byte(nil), good...), actSegment, byte(len(frame))), frame...))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		r := newRun(t)
		for steps := 0; len(script) > 0 && steps < 400; steps++ {
			script = r.step(script)
		}
		for len(r.waiting) > 0 {
			r.decide()
		}
		r.line.take()
		if r.line.ended == nil {
			r.line.Close(ClosedByPeer)
		}
		require.Zero(t, r.bench.sessions.InFlight(), "a place that was not given back")
		require.Zero(t, r.bench.sessions.SignedOn())
		require.Empty(t, r.bench.sessions.byNumber)
	})
}
