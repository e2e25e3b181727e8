package reactor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers every length-prefixed message with itself and remembers what happened to its connections.
type echo struct {
	opened   int
	closed   []error
	messages int
	held     int // messages answered before a connection is paused; 0: never
	last     *Conn
	refuse   error
	deaf     bool // answers are not read: nothing is consumed
}

func (e *echo) Opened(c *Conn) error {
	e.opened++
	e.last = c
	return e.refuse
}

func (e *echo) Closed(_ *Conn, why error) { e.closed = append(e.closed, why) }

var errNoMessage = errors.New("length 0")

func (e *echo) Received(c *Conn, b []byte) (int, error) {
	if e.deaf {
		return 0, nil
	}
	consumed := 0
	for len(b)-consumed >= 2 {
		n := 2 + int(binary.BigEndian.Uint16(b[consumed:]))
		if n == 2 {
			return consumed, errNoMessage
		}
		if len(b)-consumed < n {
			break
		}
		c.Append(b[consumed : consumed+n])
		consumed += n
		e.messages++
		if e.held > 0 && e.messages%e.held == 0 {
			c.Pause()
			break
		}
	}
	return consumed, nil
}

func message(payload string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(payload))), payload...)
}

// serve makes a loop that the test turns itself.
func serve(t *testing.T, h Handler, o Options) *Loop {
	t.Helper()
	l, err := Listen("127.0.0.1:0", h, o)
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return l
}

func dial(t *testing.T, l *Loop) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// turnUntil turns the loop until done says so.
func turnUntil(t *testing.T, l *Loop, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !done() {
		_, err := l.Poll(time.Millisecond)
		require.NoError(t, err)
		l.Flush()
		require.True(t, time.Now().Before(deadline), "nothing came of it in 10 s")
	}
}

// read turns the loop until the client has received n bytes.
func read(t *testing.T, l *Loop, client net.Conn, n int) []byte {
	t.Helper()
	var got []byte
	buffer := make([]byte, 64<<10)
	turnUntil(t, l, func() bool {
		require.NoError(t, client.SetReadDeadline(time.Now().Add(time.Millisecond)))
		k, err := client.Read(buffer)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			require.NoError(t, err)
		}
		got = append(got, buffer[:k]...)
		return len(got) >= n
	})
	return got
}

func TestAMessageByteByByte(t *testing.T) {
	e := &echo{}
	l := serve(t, e, Options{})
	client := dial(t, l)
	m := message("two naan and a tea")
	for i := range m {
		_, err := client.Write(m[i : i+1])
		require.NoError(t, err)
		if i < len(m)-1 {
			turnUntil(t, l, func() bool { return e.last != nil && e.last.Unconsumed() == i+1 })
		}
	}
	require.Equal(t, m, read(t, l, client, len(m)))
	require.Equal(t, 1, e.messages)
	require.Zero(t, e.last.Unconsumed())
}

func TestManyMessagesInOneSegment(t *testing.T) {
	e := &echo{}
	l := serve(t, e, Options{})
	client := dial(t, l)
	all := bytes.Repeat(message("beep"), 1000)
	_, err := client.Write(append(all, 0)) // and the first byte of another
	require.NoError(t, err)
	require.Equal(t, all, read(t, l, client, len(all)))
	turnUntil(t, l, func() bool { return e.last.Unconsumed() == 1 })
	require.Equal(t, 1000, e.messages)
}

func TestHandlersErrorCloses(t *testing.T) {
	e := &echo{}
	l := serve(t, e, Options{})
	client := dial(t, l)
	_, err := client.Write([]byte{0, 0})
	require.NoError(t, err)
	turnUntil(t, l, func() bool { return len(e.closed) == 1 })
	require.Equal(t, []error{errNoMessage}, e.closed)
	_, err = client.Read(make([]byte, 1))
	require.Error(t, err)
}

func TestRefusedOnOpening(t *testing.T) {
	no := errors.New("not you")
	e := &echo{refuse: no}
	l := serve(t, e, Options{})
	dial(t, l)
	turnUntil(t, l, func() bool { return len(e.closed) == 1 })
	require.Equal(t, []error{no}, e.closed)
	require.Zero(t, l.Len())
}

func TestEndOfStreamAndReset(t *testing.T) {
	e := &echo{}
	l := serve(t, e, Options{})
	polite, rude := dial(t, l), dial(t, l)
	turnUntil(t, l, func() bool { return e.opened == 2 })
	require.NoError(t, polite.CloseWrite())
	turnUntil(t, l, func() bool { return len(e.closed) == 1 })
	require.ErrorIs(t, e.closed[0], io.EOF)
	require.NoError(t, rude.SetLinger(0))
	require.NoError(t, rude.Close())
	turnUntil(t, l, func() bool { return len(e.closed) == 2 })
	require.ErrorIs(t, e.closed[1], unix.ECONNRESET)
	require.Zero(t, l.Len())
}

// A paused connection is not read, but its end is noticed, and noticing does not spin.
func TestResetWhilePaused(t *testing.T) {
	e := &echo{held: 1}
	l := serve(t, e, Options{})
	client := dial(t, l)
	_, err := client.Write(message("a"))
	require.NoError(t, err)
	read(t, l, client, 3)
	require.True(t, e.last.Paused())
	require.NoError(t, client.CloseWrite())
	for range 3 {
		n, err := l.Poll(5 * time.Millisecond)
		require.NoError(t, err)
		require.Zero(t, n, "a half-closed paused connection must not wake the loop")
	}
	require.NoError(t, client.SetLinger(0))
	require.NoError(t, client.Close())
	turnUntil(t, l, func() bool { return len(e.closed) == 1 })
	// Which one depends on whether the end of the stream or the reset was seen first.
	require.True(t, errors.Is(e.closed[0], unix.EPIPE) || errors.Is(e.closed[0], unix.ECONNRESET), e.closed[0])
}

func TestPauseKeepsTheRestForResume(t *testing.T) {
	e := &echo{held: 3}
	l := serve(t, e, Options{})
	client := dial(t, l)
	one := message("x")
	_, err := client.Write(bytes.Repeat(one, 10))
	require.NoError(t, err)
	read(t, l, client, 3*len(one))
	require.Equal(t, 7*len(one), e.last.Unconsumed())
	for range 3 { // nothing more comes by itself
		_, err := l.Poll(0)
		require.NoError(t, err)
	}
	require.Equal(t, 3, e.messages)
	for range 3 {
		e.last.Resume()
		e.last.Resume() // twice is once
		_, err := l.Poll(-1)
		require.NoError(t, err)
		l.Flush()
	}
	require.Equal(t, 10, e.messages)
	read(t, l, client, 7*len(one))
}

// patient leaves everything unconsumed and pauses when its buffer is full for the first time.
type patient struct {
	echo
	full   int
	paused bool
}

func (p *patient) Received(c *Conn, b []byte) (int, error) {
	if p.paused {
		return p.echo.Received(c, b)
	}
	if len(b) == p.full {
		p.paused = true
		c.Pause()
	}
	return 0, nil
}

// A full buffer of what was left over a pause is not a message too long, even when more is waiting behind it.
func TestResumeWithAFullBuffer(t *testing.T) {
	p := &patient{full: 1024}
	l := serve(t, p, Options{ReadBufferBytes: p.full})
	client := dial(t, l)
	all := bytes.Repeat(message("rice"), 500)
	_, err := client.Write(all)
	require.NoError(t, err)
	turnUntil(t, l, func() bool { return p.paused })
	require.Equal(t, 1024, p.last.Unconsumed())
	p.last.Resume()
	require.Equal(t, all, read(t, l, client, len(all)))
	require.Empty(t, p.closed)
}

// narrow makes the system's buffers between client and server small, so that a test knows when they are full.
func narrow(t *testing.T, client *net.TCPConn, server *Conn) {
	t.Helper()
	require.NoError(t, client.SetReadBuffer(64<<10))
	require.NoError(t, unix.SetsockoptInt(server.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 64<<10))
}

func TestSlowReaderIsClosed(t *testing.T) {
	e := &echo{}
	l := serve(t, e, Options{WriteBufferBytes: 32 << 10})
	client := dial(t, l)
	require.NoError(t, client.SetReadBuffer(4<<10))
	turnUntil(t, l, func() bool { return e.opened == 1 })
	load := bytes.Repeat(message("I talk and do not listen"), 400)
	require.NoError(t, client.SetWriteDeadline(time.Now().Add(10*time.Second)))
	var sending sync.WaitGroup
	sending.Go(func() { // ends when the loop closes the connection
		for {
			if _, err := client.Write(load); err != nil {
				return
			}
		}
	})
	turnUntil(t, l, func() bool { return len(e.closed) == 1 })
	sending.Wait()
	require.ErrorIs(t, e.closed[0], ErrSlowReader)
}

// A peer that reads late gets everything, in order: what did not fit leaves when there is room.
func TestWhatDoesNotFitLeavesLater(t *testing.T) {
	e := &echo{}
	l := serve(t, e, Options{WriteBufferBytes: 64 << 20})
	client := dial(t, l)
	turnUntil(t, l, func() bool { return e.opened == 1 })
	narrow(t, client, e.last)
	var all []byte
	for i := range 400_000 {
		all = binary.BigEndian.AppendUint32(all, uint32(i))
	}
	for chunk := range len(all) / 16000 {
		e.last.Append(all[chunk*16000 : (chunk+1)*16000])
		l.Flush()
	}
	require.Positive(t, e.last.Unsent())
	require.True(t, bytes.Equal(all, read(t, l, client, len(all))))
	require.Zero(t, e.last.Unsent())
}

func TestFinishWritesFirst(t *testing.T) {
	e := &echo{}
	l := serve(t, e, Options{WriteBufferBytes: 64 << 20})
	client := dial(t, l)
	turnUntil(t, l, func() bool { return e.opened == 1 })
	narrow(t, client, e.last)
	bye := errors.New("bye")
	e.last.Append(make([]byte, 1<<20))
	e.last.Finish(bye)
	l.Flush()
	require.Empty(t, e.closed)
	read(t, l, client, 1<<20)
	turnUntil(t, l, func() bool { return len(e.closed) == 1 })
	require.Equal(t, []error{bye}, e.closed)
	_, err := client.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
}

func TestMessageTooLong(t *testing.T) {
	e := &echo{deaf: true}
	l := serve(t, e, Options{ReadBufferBytes: 1024})
	client := dial(t, l)
	_, err := client.Write(make([]byte, 4096))
	require.NoError(t, err)
	turnUntil(t, l, func() bool { return len(e.closed) == 1 })
	require.ErrorIs(t, e.closed[0], ErrMessageTooLong)
}

func TestWake(t *testing.T) {
	l := serve(t, &echo{}, Options{})
	l.Wake()
	l.Wake()
	n, err := l.Poll(-1) // a wake-up before the wait counts
	require.NoError(t, err)
	require.Equal(t, 1, n, "many wake-ups are one")
	n, err = l.Poll(0)
	require.NoError(t, err)
	require.Zero(t, n)
	for range 200 {
		var waker sync.WaitGroup
		waker.Go(l.Wake)
		n, err := l.Poll(-1)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		waker.Wait()
	}
	before := time.Now()
	n, err = l.Poll(300 * time.Microsecond)
	require.NoError(t, err)
	require.Zero(t, n)
	require.GreaterOrEqual(t, time.Since(before), 300*time.Microsecond)
	l.Close()
	l.Wake() // late: does nothing
}

func TestNoSlotLeft(t *testing.T) {
	refused := make([]error, 0, 1)
	e := &echo{}
	l := serve(t, e, Options{MaxConnections: 2, Refused: func(why error) { refused = append(refused, why) }})
	first, second, third := dial(t, l), dial(t, l), dial(t, l)
	turnUntil(t, l, func() bool { return len(refused) == 1 })
	require.ErrorIs(t, refused[0], ErrFull)
	_, err := third.Read(make([]byte, 1))
	require.Error(t, err)
	require.NoError(t, first.Close())
	turnUntil(t, l, func() bool { return len(e.closed) == 1 })
	fourth := dial(t, l)
	_, err = fourth.Write(message("me"))
	require.NoError(t, err)
	read(t, l, fourth, 4)
	_ = second
}

// With no file left the listener stays ready: the loop must rest, go on with what it has, and accept again later.
func TestNoFileLeft(t *testing.T) {
	var refused []error
	e := &echo{}
	l := serve(t, e, Options{AcceptPause: 20 * time.Millisecond, Refused: func(why error) { refused = append(refused, why) }})
	honest := dial(t, l)
	turnUntil(t, l, func() bool { return e.opened == 1 })
	waiting := dial(t, l)
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	low := limit
	probe, err := unix.Dup(0)
	require.NoError(t, err)
	require.NoError(t, unix.Close(probe))
	low.Cur = uint64(probe) // the lowest free number: nothing can be opened
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &low))
	restore := sync.OnceFunc(func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)) })
	defer restore()

	turns := 0
	for start := time.Now(); time.Since(start) < 100*time.Millisecond; turns++ {
		_, err := l.Poll(200 * time.Millisecond)
		require.NoError(t, err)
	}
	require.NotEmpty(t, refused)
	require.ErrorIs(t, refused[0], unix.EMFILE)
	require.Less(t, turns, 30, "the loop spins on a listener it cannot serve")
	_, err = honest.Write(message("still here"))
	require.NoError(t, err)
	read(t, l, honest, 12)
	restore()
	turnUntil(t, l, func() bool { return e.opened == 2 })
	_, err = waiting.Write(message("at last"))
	require.NoError(t, err)
	read(t, l, waiting, 9)
}

func TestStopAccepting(t *testing.T) {
	e := &echo{}
	l := serve(t, e, Options{})
	client := dial(t, l)
	turnUntil(t, l, func() bool { return e.opened == 1 })
	l.StopAccepting()
	_, err := net.Dial("tcp", l.Addr().String())
	require.Error(t, err)
	_, err = client.Write(message("go on"))
	require.NoError(t, err)
	read(t, l, client, 7)
	l.Close()
	require.Equal(t, []error{ErrLoopClosed}, e.closed)
}
