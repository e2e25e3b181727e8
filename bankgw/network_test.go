package bankgw_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// network is a network in memory: what is written is there to be read at once, nothing is lost but by breaking a connection. It works in a
// synctest bubble, where real sockets do not.
type network struct {
	waiting chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func newNetwork() *network {
	return &network{waiting: make(chan net.Conn, 64), closed: make(chan struct{})}
}

// Accept, Close and Addr make it a net.Listener.
func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.waiting:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error   { n.once.Do(func() { close(n.closed) }); return nil }
func (n *network) Addr() net.Addr { return address{} }

type address struct{}

func (address) Network() string { return "memory" }
func (address) String() string  { return "bank" }

// machine is a computer on the network. When it dies its connections break and it reaches nobody any more.
type machine struct {
	network *network
	// passing is called before and after each frame that leaves or reaches the machine; false: it has died, the frame is lost.
	passing func(out, delivered bool) bool

	mu    sync.Mutex
	dead  bool
	conns []*conn
}

var errUnreachable = errors.New("network is unreachable")

func (m *machine) dial(_ context.Context, _, _ string) (net.Conn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return nil, errUnreachable
	}
	out, in := newStream(), newStream()
	ours, theirs := &conn{read: in, write: out, machine: m, ours: true}, &conn{read: out, write: in, machine: m}
	select {
	case <-m.network.closed:
		return nil, errUnreachable
	case m.network.waiting <- theirs:
		m.conns = append(m.conns, ours)
		return ours, nil
	}
}

// die breaks every connection; what the bank has in its buffers it still reads.
func (m *machine) die() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
	for _, c := range m.conns {
		_ = c.Close()
	}
}

// latency of every frame. It puts what happens at the two ends at different moments, so that a story has one order only.
const latency = 3 * time.Millisecond

// stream is one direction of a connection.
type stream struct {
	mu     sync.Mutex
	filled sync.Cond
	frames []frame
	closed bool
}

type frame struct {
	bytes  []byte
	arrive time.Time
}

func newStream() *stream {
	s := &stream{}
	s.filled.L = &s.mu
	return s
}

type conn struct {
	read, write *stream
	machine     *machine
	ours        bool
}

func (c *conn) Read(p []byte) (int, error) {
	s := c.read
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.frames) == 0 && !s.closed {
		s.filled.Wait()
	}
	if len(s.frames) == 0 {
		return 0, io.EOF
	}
	if wait := time.Until(s.frames[0].arrive); wait > 0 {
		s.mu.Unlock()
		time.Sleep(wait)
		s.mu.Lock()
	}
	f := &s.frames[0]
	n := copy(p, f.bytes)
	if f.bytes = f.bytes[n:]; len(f.bytes) == 0 {
		s.frames = s.frames[1:]
	}
	return n, nil
}

func (c *conn) Write(p []byte) (int, error) {
	if !c.machine.passing(c.ours, false) {
		return 0, os.ErrClosed
	}
	s := c.write
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return 0, os.ErrClosed
	}
	s.frames = append(s.frames, frame{slices.Clone(p), time.Now().Add(latency)})
	s.filled.Broadcast()
	s.mu.Unlock()
	if !c.machine.passing(c.ours, true) {
		return 0, os.ErrClosed
	}
	return len(p), nil
}

func (c *conn) Close() error {
	for _, s := range []*stream{c.read, c.write} {
		s.mu.Lock()
		s.closed = true
		s.filled.Broadcast()
		s.mu.Unlock()
	}
	return nil
}

func (c *conn) LocalAddr() net.Addr              { return address{} }
func (c *conn) RemoteAddr() net.Addr             { return address{} }
func (c *conn) SetDeadline(time.Time) error      { return nil }
func (c *conn) SetReadDeadline(time.Time) error  { return nil }
func (c *conn) SetWriteDeadline(time.Time) error { return nil }
