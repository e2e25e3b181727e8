package reactor

import (
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// background turns an echo loop on a goroutine of its own until the test ends.
func background(t testing.TB, o Options) *Loop {
	t.Helper()
	l, err := Listen("127.0.0.1:0", &echo{}, o)
	require.NoError(t, err)
	stop := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case <-stop:
				l.Close()
				return
			default:
			}
			if _, err := l.Poll(-1); err != nil {
				t.Error(err)
				return
			}
			l.Flush()
		}
	})
	t.Cleanup(func() { close(stop); l.Wake(); running.Wait() })
	return l
}

// caller sends numbered messages, a window of them at a time on each connection, and checks the order of the answers.
type caller struct {
	t       testing.TB
	window  int
	each    int
	payload []byte
	done    int
	failed  []error
	next    []int // per slot: the next answer
	sent    []int
}

func (c *caller) send(conn *Conn) {
	b := append(conn.Buffer(), c.payload...)
	binary.BigEndian.PutUint32(b[len(b)-len(c.payload)+2:], uint32(c.sent[conn.ID]))
	conn.Update(b)
	c.sent[conn.ID]++
}

func (c *caller) Opened(conn *Conn) error {
	for range c.window {
		c.send(conn)
	}
	return nil
}

func (c *caller) Received(conn *Conn, b []byte) (int, error) {
	consumed := 0
	for len(b)-consumed >= len(c.payload) {
		if got := int(binary.BigEndian.Uint32(b[consumed+2:])); got != c.next[conn.ID] {
			c.t.Errorf("connection %d: answer %d in place of %d", conn.ID, got, c.next[conn.ID])
		}
		consumed += len(c.payload)
		c.next[conn.ID]++
		c.done++
		if c.sent[conn.ID] < c.each {
			c.send(conn)
		}
	}
	return consumed, nil
}

func (c *caller) Closed(_ *Conn, why error) { c.failed = append(c.failed, why) }

func call(t testing.TB, address string, connections, window, each int) {
	payload := make([]byte, 130)
	binary.BigEndian.PutUint16(payload, uint16(len(payload)-2))
	c := &caller{t: t, window: window, each: each, payload: payload, next: make([]int, connections), sent: make([]int, connections)}
	l, err := New(c, Options{MaxConnections: connections})
	require.NoError(t, err)
	defer l.Close()
	for range connections {
		_, err := l.Dial(address)
		require.NoError(t, err)
	}
	if b, ok := t.(*testing.B); ok {
		b.ResetTimer()
	}
	for deadline := time.Now().Add(time.Minute); c.done < connections*each; {
		_, err := l.Poll(time.Second)
		require.NoError(t, err)
		l.Flush()
		require.Empty(t, c.failed)
		require.True(t, time.Now().Before(deadline))
	}
	if b, ok := t.(*testing.B); ok {
		b.StopTimer()
	}
}

func TestTwoThousandConnections(t *testing.T) {
	l := background(t, Options{MaxConnections: 2000})
	call(t, l.Addr().String(), 2000, 2, 4)
}

func TestDialRefused(t *testing.T) {
	server := serve(t, &echo{}, Options{})
	address := server.Addr().String()
	server.Close()
	e := &echo{}
	l, err := New(e, Options{})
	require.NoError(t, err)
	defer l.Close()
	c, err := l.Dial(address)
	require.NoError(t, err)
	c.Append([]byte("never sent"))
	turnUntil(t, l, func() bool { return len(e.closed) == 1 })
	require.ErrorIs(t, e.closed[0], unix.ECONNREFUSED)
	require.Zero(t, e.opened)
	_, err = l.Dial("no port here")
	require.Error(t, err)
}

// Bytes appended before the connection stands leave first.
func TestAppendWhileConnecting(t *testing.T) {
	server := background(t, Options{})
	answers := &caller{t: t, payload: message("....!"), next: make([]int, 1), sent: make([]int, 1), window: 1, each: 1}
	l, err := New(answers, Options{MaxConnections: 1})
	require.NoError(t, err)
	defer l.Close()
	c, err := l.Dial(server.Addr().String())
	require.NoError(t, err)
	answers.send(c)
	l.Flush()
	turnUntil(t, l, func() bool { return answers.done == 2 })
}

// A turn that serves messages allocates nothing.
func TestNoAllocation(t *testing.T) {
	e := &echo{}
	l := serve(t, e, Options{})
	client := dial(t, l)
	raw, err := client.SyscallConn()
	require.NoError(t, err)
	m := message("the usual")
	answer := make([]byte, len(m))
	exchange := func() {
		_ = raw.Write(func(fd uintptr) bool { _, _ = unix.Write(int(fd), m); return true })
		for e.messages++; ; {
			before := e.messages
			_, _ = l.Poll(0)
			if e.messages != before {
				break
			}
		}
		l.Flush()
		_ = raw.Read(func(fd uintptr) bool { n, _ := unix.Read(int(fd), answer); return n > 0 })
	}
	exchange()
	perExchange := testing.AllocsPerRun(200, exchange)
	callbacks := testing.AllocsPerRun(200, func() {
		_ = raw.Write(func(fd uintptr) bool { _, _ = unix.Write(int(fd), nil); return true })
		_ = raw.Read(func(fd uintptr) bool { return true })
	})
	require.Zero(t, perExchange-callbacks)
}

func BenchmarkEcho(b *testing.B) {
	for _, shape := range []struct {
		name                string
		connections, window int
	}{{"64x1", 64, 1}, {"64x32", 64, 32}, {"2000x1", 2000, 1}} {
		b.Run(shape.name, func(b *testing.B) {
			l := background(b, Options{MaxConnections: shape.connections})
			b.ReportAllocs()
			call(b, l.Addr().String(), shape.connections, shape.window, max(1, b.N/shape.connections))
		})
	}
}
