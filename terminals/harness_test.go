package terminals

import (
	"encoding/hex"
	"errors"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	terminalCode = "10016919"
	merchantCode = "843290045820001"
	card         = 6217000012345678
	pin          = iso8583.PIN("123456")
)

// noon of 21 September 2026 on the campus.
var noon = time.Date(2026, 9, 21, 12, 0, 0, 0, time.FixedZone("", 8*3600)).UnixMicro()

// siteKeys are sealed with nothing: a sealed key is the key.
type siteKeys struct{}

var errSealed = errors.New("does not open")

func (siteKeys) OpenTerminalKey(_ transaction.TerminalCode, sealed []byte) (iso8583.Secret, error) {
	if len(sealed) == 0 {
		return nil, errSealed
	}
	return sealed, nil
}

func (siteKeys) PINValue(card transaction.CardNumber, pin iso8583.PIN) uint64 {
	return pinValue(card, pin)
}

func pinValue(card transaction.CardNumber, pin iso8583.PIN) uint64 {
	h := fnv.New64a()
	h.Write([]byte{byte(card), byte(card >> 8), byte(card >> 16)})
	h.Write([]byte(pin))
	return h.Sum64() | 1
}

var master = unhex("0123456789ABCDEFFEDCBA9876543210")

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// bench is a set of sessions on lines of memory, with a clock that stands still until it is moved.
type bench struct {
	t        testing.TB
	sessions *Sessions
	now      int64
	lines    []*line
	requests []transaction.Request
	sequence uint64
	rejected map[string]int
	closed   map[string]int
	counted  map[string]int
}

func newBench(t testing.TB, change func(*Config)) *bench {
	t.Helper()
	seed := [32]byte{'o', 'n', 'e', 'c', 'a', 'r', 'd'}
	return newBenchWith(t, change, rand.NewChaCha8(seed))
}

func newBenchWith(t testing.TB, change func(*Config), random io.Reader) *bench {
	t.Helper()
	c := DefaultConfig()
	if change != nil {
		change(&c)
	}
	h := &bench{t: t, now: noon, rejected: map[string]int{}, closed: map[string]int{}, counted: map[string]int{}}
	var err error
	h.sessions, err = NewSessions(c, siteKeys{}, random, countInto(h.rejected, h.closed, h.counted))
	require.NoError(t, err)
	return h
}

func countInto(rejected, closed, counted map[string]int) Events {
	return Events{
		ConnectionOpened: func() { counted["opened"]++ },
		ConnectionClosed: func(reason string) { closed[reason]++ },
		FrameRejected:    func(fault string) { rejected[fault]++ },
		MACFailed:        func() { counted["mac_failed"]++ },
		SignedOn:         func(transaction.TerminalID) { counted["signed_on"]++ },
		Held:             func(bound string) { counted["held_"+bound]++ },
		AnswerDropped:    func() { counted["dropped"]++ },
	}
}

// line is a Link of memory: what the reactor does with a connection, without one.
type line struct {
	bench     *bench
	session   *Session
	out       []byte
	rest      []byte
	paused    bool
	finishing error
	ended     error
}

func (h *bench) open() *line {
	l := &line{bench: h}
	l.session = h.sessions.Open(l, h.now)
	h.lines = append(h.lines, l)
	return l
}

func (l *line) Buffer() []byte   { return l.out }
func (l *line) Update(b []byte)  { l.out = b }
func (l *line) Pause()           { l.paused = true }
func (l *line) Resume()          { l.paused = false }
func (l *line) Finish(why error) { l.finishing = why }

func (l *line) Close(why error) {
	if l.ended == nil {
		l.ended = why
		l.bench.closed[reasonOf(why).String()]++
		l.bench.sessions.Closed(l.session)
	}
}

// send lets bytes arrive; several arguments arrive as several segments.
func (l *line) send(segments ...[]byte) {
	for _, segment := range segments {
		l.rest = append(l.rest, segment...)
		l.receive()
	}
	l.bench.turn()
}

func (l *line) receive() {
	if l.paused || l.ended != nil || l.finishing != nil {
		return
	}
	consumed, requests, err := l.session.Receive(l.bench.now, l.rest, l.bench.requests)
	l.bench.requests = requests
	if l.ended != nil {
		return
	}
	l.rest = l.rest[consumed:]
	if err != nil {
		l.Close(err)
	}
}

// turn gives lines that read again what they have left, until nothing moves.
func (h *bench) turn() {
	for moved := true; moved; {
		moved = false
		for _, l := range h.lines {
			before := len(l.rest)
			if before > 0 {
				l.receive()
			}
			moved = moved || len(l.rest) != before
		}
	}
}

// take returns the frames that were said since, and whether the connection has ended with them.
func (l *line) take() [][]byte {
	var frames [][]byte
	for b := l.out; len(b) > 0; {
		n, ok, err := iso8583.FrameLength(b)
		require.NoError(l.bench.t, err)
		require.True(l.bench.t, ok)
		frames = append(frames, b[:iso8583.PrefixSize+n:iso8583.PrefixSize+n])
		b = b[iso8583.PrefixSize+n:]
	}
	l.out = nil
	if l.finishing != nil {
		l.Close(l.finishing)
	}
	return frames
}

// one expects a single frame and reads it.
func (l *line) one() *iso8583.Message {
	l.bench.t.Helper()
	frames := l.take()
	require.Len(l.bench.t, frames, 1)
	return read(l.bench.t, frames[0])
}

func read(t testing.TB, frame []byte) *iso8583.Message {
	t.Helper()
	m := new(iso8583.Message)
	err := m.Parse(frame[iso8583.PrefixSize:], 16)
	if err != nil {
		err = m.Parse(frame[iso8583.PrefixSize:], 8)
	}
	require.NoError(t, err, "%X", frame)
	return m
}

// decided takes the requests that have come.
func (h *bench) decided() []transaction.Request {
	requests := h.requests
	h.requests = nil
	return requests
}

// approve is an engine that says yes to everything.
func (h *bench) approve(r *transaction.Request) transaction.Decision {
	h.sequence++
	d := transaction.Decision{
		Origin: r.Origin, Kind: r.Kind, Code: transaction.Approved, Sequence: h.sequence, Received: r.Received, Time: r.Received,
		Day: uint32((r.Received/1e6 + 8*3600) / 86400), Terminal: r.Terminal, Batch: r.Batch,
	}
	switch r.Kind {
	case transaction.KindSignOn:
		d.SignOn = &transaction.SignOnGrant{Terminal: terminalNumber(r.TerminalCode), Batch: r.Batch, SealedKey: master, MACMode: uint8(iso8583.MACAESCMAC)}
	case transaction.KindPurchase, transaction.KindBalance:
		d.HasBalance, d.Balance = true, 12345
	}
	return d
}

func terminalNumber(code transaction.TerminalCode) transaction.TerminalID {
	n := transaction.TerminalID(0)
	for _, digit := range code {
		n = n*10 + transaction.TerminalID(digit-'0')
	}
	return n
}

// settle answers everything that waits, until nothing is asked any more.
func (h *bench) settle() {
	for len(h.requests) > 0 {
		for _, r := range h.decided() {
			d := h.approve(&r)
			h.sessions.Answer(&d)
		}
		h.turn()
	}
}

// terminal is the other side of a line.
type terminal struct {
	line  *line
	code  string
	mode  iso8583.MACMode
	keys  iso8583.WorkingKeys
	mac   *iso8583.MAC
	pins  *iso8583.PINCipher
	trace uint32
}

// signOn makes a terminal with working keys.
func (h *bench) signOn(l *line, code string, mode iso8583.MACMode) *terminal {
	h.t.Helper()
	w := &terminal{line: l, code: code, mode: mode}
	l.send(signOnFrame(code, 1, 1, mode))
	require.NotEmpty(h.t, h.requests)
	last := len(h.requests) - 1
	d := h.approve(&h.requests[last])
	h.requests = h.requests[:last] // what others have asked waits on
	d.SignOn.MACMode = uint8(mode)
	h.sessions.Answer(&d)
	w.useKeys(h.t, l.one())
	return w
}

func (w *terminal) useKeys(t testing.TB, reply *iso8583.Message) {
	t.Helper()
	require.Equal(t, "00", string(reply.Value(39)))
	var err error
	scheme := iso8583.SchemeOf(w.mode)
	w.keys, err = iso8583.UnwrapWorkingKeys(scheme, w.mode, master, reply.Value(62))
	require.NoError(t, err)
	w.mac, err = iso8583.NewMAC(w.mode, w.keys.MAC)
	require.NoError(t, err)
	w.pins, err = iso8583.NewPINCipher(scheme, w.keys.PIN)
	require.NoError(t, err)
}

var (
	tpdu   = [5]byte{0x60, 0x00, 0x03, 0x00, 0x01}
	header = [6]byte{0x60, 0x31, 0x00, 0x31, 0x00, 0x00}
)

// frame builds what a terminal sends.
func frame(mti iso8583.MTI, mac *iso8583.MAC, fields func(*iso8583.Builder)) []byte {
	var b iso8583.Builder
	b.Request(nil, tpdu, header, mti)
	fields(&b)
	return b.Finish(mac, nil)
}

func signOnFrame(code string, batch, trace uint32, mode iso8583.MACMode) []byte {
	return frame(iso8583.MTISignOn, nil, func(b *iso8583.Builder) {
		b.Number(11, uint64(trace))
		b.Text(41, code)
		b.Text(42, merchantCode)
		b.Variable(60, uint64(batch)*1000+uint64(iso8583.SchemeOf(mode).Code()), 11)
		b.Text(63, "001")
	})
}

func managementFrame(code string, batch, trace, networkCode uint32) []byte {
	return frame(iso8583.MTIManagement, nil, func(b *iso8583.Builder) {
		b.Number(11, uint64(trace))
		b.Text(41, code)
		b.Text(42, merchantCode)
		b.Variable(60, uint64(batch)*1000+uint64(networkCode), 11)
	})
}

// sale is a purchase with everything that a test may want to be different.
type sale struct {
	mti        iso8583.MTI
	processing uint64
	amount     uint64
	card       string
	trace      uint32
	condition  uint64
	cause      string
	code       string
	merchant   string
	currency   string
	pinBlock   []byte
	private    string
	network    uint64 // thirteen digits of F60
	without    int    // a field left out
}

func (w *terminal) sale() sale {
	w.trace++
	return sale{
		mti: iso8583.MTIFinancial, amount: 1250, card: "6217000012345678", trace: w.trace, code: w.code, merchant: merchantCode,
		currency: "156", network: 2200000100060,
	}
}

func (s sale) frame(mac *iso8583.MAC) []byte {
	return frame(s.mti, mac, func(b *iso8583.Builder) {
		put := func(n int, present bool, write func()) {
			if present && n != s.without {
				write()
			}
		}
		put(2, s.card != "", func() { b.Digits(2, s.card) })
		put(3, true, func() { b.Number(3, s.processing) })
		put(4, true, func() { b.Number(4, s.amount) })
		put(11, true, func() { b.Number(11, uint64(s.trace)) })
		put(22, true, func() { b.Number(22, 71) })
		put(25, true, func() { b.Number(25, s.condition) })
		put(39, s.cause != "", func() { b.Text(39, s.cause) })
		put(41, true, func() { b.Text(41, s.code) })
		put(42, true, func() { b.Text(42, s.merchant) })
		put(49, true, func() { b.Text(49, s.currency) })
		put(52, s.pinBlock != nil, func() { b.Bytes(52, s.pinBlock) })
		put(59, s.private != "", func() { b.Text(59, s.private) })
		put(60, true, func() { b.Variable(60, s.network, 13) })
	})
}

// checkReply checks the MAC of a reply under the request's.
func (w *terminal) checkReply(t testing.TB, request, reply []byte) *iso8583.Message {
	t.Helper()
	m := read(t, reply)
	require.True(t, w.mac.Verify(request[len(request)-iso8583.MACSize:], m.MAB(), m.MAC()), "the reply's MAC")
	return m
}

// vectors are the frames of the conformance material by name.
func vectors(t testing.TB) map[string][]byte {
	t.Helper()
	contents, err := os.ReadFile("testdata/terminal-frames.txt")
	require.NoError(t, err)
	all := map[string][]byte{}
	for text := range strings.Lines(string(contents)) {
		if parts := strings.Fields(text); !strings.HasPrefix(text, "#") && len(parts) > 1 {
			all[strings.Join(parts[:len(parts)-1], " ")] = unhex(parts[len(parts)-1])
		}
	}
	require.Len(t, all, 18)
	return all
}

// processing is the 处理要求 nibble of a reply.
func processing(m *iso8583.Message) byte { return m.Header()[2] & 0x0F }
