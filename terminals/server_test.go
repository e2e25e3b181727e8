package terminals

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// tally counts by label, for any goroutine.
type tally struct {
	lock   sync.Mutex
	counts map[string]int
}

func (c *tally) add(label string) {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.counts[label]++
}

func (c *tally) of(label string) int {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.counts[label]
}

// house is a server on a port of this machine with an owner that says yes, unless answers are held back.
type house struct {
	t        *testing.T
	server   *Server
	clock    atomic.Int64 // added to real time
	still    atomic.Bool  // the clock stands still
	from     int64
	held     atomic.Bool
	closed   tally
	rejected tally
	stop     atomic.Bool
	running  sync.WaitGroup
	ended    bool
}

func newHouse(t *testing.T, change func(*Config)) *house {
	t.Helper()
	c := DefaultConfig()
	c.Listen = "127.0.0.1:0"
	if change != nil {
		change(&c)
	}
	h := &house{t: t, from: time.Now().UnixMicro(), closed: tally{counts: map[string]int{}}, rejected: tally{counts: map[string]int{}}}
	var err error
	h.server, err = Listen(c, siteKeys{}, rand.NewChaCha8([32]byte{2}), h.now, Events{ConnectionClosed: h.closed.add, FrameRejected: h.rejected.add})
	require.NoError(t, err)
	h.running.Go(h.own) // ends with end
	t.Cleanup(h.end)
	return h
}

func (h *house) now() int64 {
	if h.still.Load() {
		return h.from + h.clock.Load()
	}
	return time.Now().UnixMicro() + h.clock.Load()
}

// pass lets time pass at once.
func (h *house) pass(d time.Duration) {
	h.clock.Add(d.Microseconds())
	h.server.Wake()
}

func (h *house) own() {
	engine := bench{}
	var requests, waiting []transaction.Request
	for !h.stop.Load() {
		var err error
		if requests, err = h.server.Poll(-1, requests[:0]); err != nil {
			h.t.Error(err)
			return
		}
		waiting = append(waiting, requests...)
		if h.held.Load() {
			continue
		}
		decisions := make([]transaction.Decision, len(waiting))
		for i := range waiting {
			decisions[i] = engine.approve(&waiting[i])
		}
		h.server.Answer(decisions)
		waiting = waiting[:0]
	}
}

func (h *house) hold(on bool) {
	h.held.Store(on)
	h.server.Wake()
}

func (h *house) end() {
	if h.ended {
		return
	}
	h.ended = true
	h.stop.Store(true)
	h.server.Wake()
	h.running.Wait()
	h.server.Close()
}

// until waits for something that another goroutine brings about.
func (h *house) until(what string, done func() bool) {
	h.t.Helper()
	require.Eventually(h.t, done, 10*time.Second, time.Millisecond, what)
}

// counted waits for so many connections to have ended for a reason: a peer may see the end before it is counted.
func (h *house) counted(reason string, n int) {
	h.t.Helper()
	h.until(reason, func() bool { return h.closed.of(reason) >= n })
	require.Equal(h.t, n, h.closed.of(reason), reason)
}

// device is a terminal on a socket.
type device struct {
	terminal
	t     *testing.T
	conn  *net.TCPConn
	batch uint32 // that the sign-on reply has given
}

func (h *house) dial(code string) *device {
	h.t.Helper()
	c, err := net.Dial("tcp", h.server.Addr().String())
	require.NoError(h.t, err)
	h.t.Cleanup(func() { c.Close() })
	require.NoError(h.t, c.SetDeadline(time.Now().Add(20*time.Second)))
	return &device{terminal: terminal{code: code, mode: iso8583.MACAESCMAC}, t: h.t, conn: c.(*net.TCPConn)}
}

func (h *house) signedOn(code string) *device {
	h.t.Helper()
	d := h.dial(code)
	d.signOn()
	return d
}

func (d *device) signOn() {
	d.t.Helper()
	d.write(signOnFrame(d.code, 1, 1, d.mode))
	reply := read(d.t, d.receive())
	d.useKeys(d.t, reply)
	_, d.batch, _, _ = reply.Network()
}

func (d *device) write(b []byte) {
	d.t.Helper()
	_, err := d.conn.Write(b)
	require.NoError(d.t, err)
}

func (d *device) receive() []byte {
	d.t.Helper()
	frame := make([]byte, iso8583.PrefixSize, 256)
	_, err := io.ReadFull(d.conn, frame)
	require.NoError(d.t, err)
	n, _, err := iso8583.FrameLength(frame)
	require.NoError(d.t, err)
	frame = append(frame, make([]byte, n)...)
	_, err = io.ReadFull(d.conn, frame[iso8583.PrefixSize:])
	require.NoError(d.t, err)
	return frame
}

// buy makes one purchase and checks its answer.
func (d *device) buy() {
	d.t.Helper()
	request := d.sale().frame(d.mac)
	d.write(request)
	reply := d.checkReply(d.t, request, d.receive())
	require.Equal(d.t, "00", string(reply.Value(39)))
	trace, _ := reply.Number(11)
	require.EqualValues(d.t, d.trace, trace)
}

// gone waits for the end of the connection.
func (d *device) gone() {
	d.t.Helper()
	_, err := d.conn.Read(make([]byte, 1))
	var timeout net.Error
	require.Error(d.t, err)
	require.False(d.t, errors.As(err, &timeout) && timeout.Timeout(), "still open")
}

func TestServer(t *testing.T) {
	h := newHouse(t, nil)
	first, second := h.signedOn(terminalCode), h.signedOn("10016920")
	for range 20 {
		first.buy()
		second.buy()
	}
	h.until("counted", func() bool { return h.server.Counts() == Counts{Connections: 2, SignedOn: 2} })
	h.hold(true)
	first.write(first.sale().frame(first.mac))
	h.until("in flight", func() bool { return h.server.Counts().InFlight == 1 })
	require.NoError(t, first.conn.Close())
	h.until("gone", func() bool { return h.server.Counts().Connections == 1 })
	h.hold(false)
	h.until("its answer was dropped", func() bool { return h.server.Counts().InFlight == 0 })
	second.buy()
	second.write(managementFrame(second.code, 1, 9, codeSignOff))
	require.Equal(t, "00", string(read(t, second.receive()).Value(39)))
	second.signOn()
	second.buy()
	again := h.signedOn(second.code)
	again.buy()
	second.gone()
	h.counted("replaced", 1)
	h.counted("peer", 1)
	h.end()
	h.counted("stopping", 1)
	require.Equal(t, Counts{}, h.server.Counts())
	again.gone()
}

// TestSeveralRequestsOneAnswerEach: a terminal that sends ahead hears everything in order.
func TestSendingAhead(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.MaxInFlightPerConnection = 8 })
	d := h.signedOn(terminalCode)
	const count = 500
	var requests [][]byte
	var all []byte
	for range count {
		request := d.sale().frame(d.mac)
		requests = append(requests, request)
		all = append(all, request...)
	}
	var sending sync.WaitGroup
	sending.Go(func() { _, _ = d.conn.Write(all) }) // ends when all is sent or the connection does
	for _, request := range requests {
		d.checkReply(t, request, d.receive())
	}
	sending.Wait()
}

func TestListenFails(t *testing.T) {
	h := newHouse(t, nil)
	c := DefaultConfig()
	c.Listen = h.server.Addr().String()
	_, err := Listen(c, siteKeys{}, rand.NewChaCha8([32]byte{}), h.now, Events{})
	require.ErrorContains(t, err, "address already in use")
	require.ErrorContains(t, err, c.Listen)
	c.Listen = "nowhere"
	_, err = Listen(c, siteKeys{}, rand.NewChaCha8([32]byte{}), h.now, Events{})
	var key KeyError
	require.ErrorAs(t, err, &key)
	require.Equal(t, "listen", key.Key)
}

func TestLimits(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.MaxConnections, c.MaxConnectionsPerAddress, c.ConnectRatePerAddress = 5, 3, 1<<20 })
	var inside []*device
	for range 3 {
		inside = append(inside, h.signedOn(terminalCode))
	}
	inside[2].buy()
	turnedAway := h.dial(terminalCode)
	turnedAway.gone()
	h.counted("per_address", 1)
	inside[2].buy()
	require.NoError(t, inside[0].conn.Close())
	h.until("a place is free", func() bool { return h.server.Counts().Connections == 2 })
	h.signedOn(terminalCode).buy()

	h = newHouse(t, func(c *Config) { c.MaxConnections, c.ConnectRatePerAddress = 2, 1<<20 })
	first := h.signedOn(terminalCode)
	h.signedOn("10016920")
	h.dial("10016921").gone()
	h.counted("full", 1)
	first.buy()
}

func TestConnectRate(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.MaxConnectionsPerAddress, c.ConnectRatePerAddress = 4, 1 })
	h.still.Store(true)
	honest := h.signedOn(terminalCode)
	for n := 1; n <= 3; n++ { // the rest of the burst
		require.NoError(t, h.signedOn("10016920").conn.Close())
		h.until("gone", func() bool { return h.closed.of("peer") == n })
	}
	h.dial("10016920").gone()
	h.counted("connect_rate", 1)
	h.pass(999_999 * time.Microsecond)
	h.dial("10016920").gone()
	h.counted("connect_rate", 2)
	h.pass(time.Microsecond)
	honest.buy() // a turn has one moment: this ends the one before
	h.signedOn("10016920").buy()
}

// TestAddresses: the bucket with time as a value.
func TestAddresses(t *testing.T) {
	c := DefaultConfig()
	c.MaxConnectionsPerAddress, c.ConnectRatePerAddress = 2, 10
	places := newAddresses(c)
	one := netip.MustParseAddr("10.1.0.7")
	enter := func(a netip.Addr, now int64) string {
		if why, ok := places.enter(a, now); !ok {
			return why.String()
		}
		return "in"
	}
	require.Equal(t, "in", enter(one, 1e6))
	require.Equal(t, "in", enter(one, 1e6))
	require.Equal(t, "per_address", enter(one, 1e6))
	places.leave(one)
	require.Equal(t, "connect_rate", enter(one, 1e6+99_999))
	require.Equal(t, "in", enter(one, 1e6+100_000))
	require.Equal(t, "in", enter(netip.MustParseAddr("10.1.0.8"), 1e6), "another address")
	places.leave(one)
	places.leave(one)
	require.Equal(t, "connect_rate", enter(one, 0), "a clock that went back fills nothing")
	places.forget(0)
	require.Len(t, places.known, 2)
	places.leave(netip.MustParseAddr("10.1.0.8"))
	places.forget(10e6)
	require.Empty(t, places.known, "nobody is remembered for longer than he matters")

	for _, a := range []string{"2001:db8::1", "2001:db8::2"} {
		require.Equal(t, "in", enter(netip.MustParseAddr(a), 20e6))
	}
	require.Equal(t, "per_address", enter(netip.MustParseAddr("2001:db8::ffff:3"), 20e6), "one subscriber, many addresses")
	require.Equal(t, "in", enter(netip.MustParseAddr("2001:db8:0:1::1"), 20e6))
	require.Equal(t, "in", enter(netip.MustParseAddr("::ffff:10.2.0.1"), 20e6))
	require.Equal(t, "in", enter(netip.MustParseAddr("10.2.0.1"), 20e6))
	require.Equal(t, "per_address", enter(netip.MustParseAddr("10.2.0.1"), 20e6), "the same in another dress")
}

// TestDeadlinesOfConnections: nobody has to send anything for a deadline to be kept.
func TestDeadlinesOfConnections(t *testing.T) {
	h := newHouse(t, nil)
	h.still.Store(true)
	silent, half, working := h.dial("10016920"), h.signedOn("10016921"), h.signedOn(terminalCode)
	half.write([]byte{0, 90, 0x60})
	working.buy()
	h.pass(DefaultConfig().FrameTimeout)
	half.gone()
	h.counted("half_frame", 1)
	h.pass(DefaultConfig().SignOnTimeout)
	silent.gone()
	h.counted("sign_on_timeout", 1)
	working.buy()
	h.pass(DefaultConfig().IdleTimeout)
	working.gone()
	h.counted("idle", 1)
}

// TestPollLooksAtDeadlines: an owner that waits without end still keeps them, with nobody to wake him.
func TestPollLooksAtDeadlines(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.SignOnTimeout = 100 * time.Millisecond })
	h.dial(terminalCode).gone()
	h.counted("sign_on_timeout", 1)
}

// TestDrain: what is in flight is finished, nothing new is taken, and only then Drain returns.
func TestDrain(t *testing.T) {
	h := newHouse(t, nil)
	d := h.signedOn(terminalCode)
	h.hold(true)
	request := d.sale().frame(d.mac)
	d.write(request)
	h.until("in flight", func() bool { return h.server.Counts().InFlight == 1 })

	short, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, h.server.Drain(short), context.Canceled)
	require.ErrorContains(t, h.server.Drain(short), "1 ")

	drained := make(chan error, 1)
	var draining sync.WaitGroup
	draining.Go(func() { drained <- h.server.Drain(context.Background()) }) // ends when the answer is out
	h.until("nobody is let in", func() bool {
		c, err := net.Dial("tcp", h.server.Addr().String())
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	d.write(d.sale().frame(d.mac)) // never read
	select {
	case err := <-drained:
		t.Fatal("drained with a request in flight", err)
	default:
	}
	h.hold(false)
	require.NoError(t, <-drained)
	draining.Wait()
	require.Equal(t, "00", string(d.checkReply(t, request, d.receive()).Value(39)))
	require.Zero(t, h.server.Counts().InFlight)
	require.NoError(t, h.server.Drain(context.Background()), "again")
	h.end()
	require.Positive(t, h.closed.of("stopping"))
	d.gone()
}

// TestCloseWhileDraining: whoever waits for a drain that cannot come is told.
func TestCloseWhileDraining(t *testing.T) {
	h := newHouse(t, nil)
	d := h.signedOn(terminalCode)
	h.hold(true)
	d.write(d.sale().frame(d.mac))
	h.until("in flight", func() bool { return h.server.Counts().InFlight == 1 })
	drained := make(chan error, 1)
	var draining sync.WaitGroup
	draining.Go(func() { drained <- h.server.Drain(context.Background()) }) // ends with the house
	h.end()
	require.ErrorIs(t, <-drained, errClosedWhileDraining)
	draining.Wait()
}

func TestDrainNobody(t *testing.T) {
	h := newHouse(t, nil)
	require.NoError(t, h.server.Drain(context.Background()))
}
