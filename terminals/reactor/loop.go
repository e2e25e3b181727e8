package reactor

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Handler is told what happens to the connections, on the goroutine that calls Poll and Flush.
type Handler interface {
	// Opened is called when a connection stands, accepted or dialled. An error closes it.
	Opened(c *Conn) error
	// Received is called with everything that has come and was not consumed before, when more has come and after Resume. It returns
	// how many bytes it has used up. b is valid during the call only. An error closes the connection.
	Received(c *Conn, b []byte) (consumed int, err error)
	// Closed is called once for each connection that was opened, and for a dialled one that never was. The slot is free afterwards.
	Closed(c *Conn, why error)
}

// Expecter is a Handler that wants to know whose bytes it will be handed next, so that it can bring near what it will need of them: one kind of
// memory for all, then the next.
type Expecter interface {
	Expect(conns []*Conn)
}

// What an event is about, besides a slot number.
const (
	aboutListener = -1 - iota
	aboutWake
	aboutTimer
)

const (
	eventsPerTurn  = 2048
	acceptsPerTurn = 64
	// arrivalBytes is how much is received before it is handed over: little enough to be in the processor's second cache still.
	arrivalBytes = 128 << 10
)

// Loop is one epoll instance with its connections. All methods but Wake belong to one goroutine.
type Loop struct {
	options  Options
	handler  Handler
	epoll    int
	listener int // -1: none
	wake     int // eventfd
	timer    int // ends the pause after a failed accept
	address  net.Addr

	conns   []Conn
	free    []int32 // slots not in use, the next one last
	highest int     // slots from here on were never used
	open    int

	events   []unix.EpollEvent
	expecter Expecter // the handler, if it is one
	read     []byte
	used     int     // of read
	arrived  []*Conn // have received something that is not yet handed over

	dirty   []*Conn // have something to write
	resumed []*Conn // may have unconsumed bytes to hand over
	spare   []*Conn

	waking     atomic.Bool // a wake-up is on its way
	wakeLock   sync.Mutex  // held while wake is written to or closed
	coarseWait bool        // this kernel has no epoll_pwait2
	closed     bool
}

// New makes a loop without a listener: for clients.
func New(h Handler, o Options) (*Loop, error) {
	o = o.withDefaults()
	l := &Loop{
		options: o, handler: h, epoll: -1, listener: -1, wake: -1, timer: -1,
		conns: make([]Conn, o.MaxConnections), free: make([]int32, 0, o.MaxConnections),
		events: make([]unix.EpollEvent, min(eventsPerTurn, o.MaxConnections+3)), read: make([]byte, max(o.ReadBufferBytes, arrivalBytes)),
	}
	l.expecter, _ = h.(Expecter)
	for slot := o.MaxConnections - 1; slot >= 0; slot-- {
		l.free = append(l.free, int32(slot))
	}
	var err error
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("making an epoll instance: %w", err)
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err == nil {
		err = l.watch(l.wake, aboutWake)
	}
	if err == nil {
		if l.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err == nil {
			err = l.watch(l.timer, aboutTimer)
		}
	}
	if err != nil {
		l.closeFiles()
		return nil, fmt.Errorf("making the loop's wake-up and timer: %w", err)
	}
	return l, nil
}

// Listen makes a loop that accepts connections on address ("127.0.0.1:8583", ":8583", port 0 for any).
func Listen(address string, h Handler, o Options) (*Loop, error) {
	l, err := New(h, o)
	if err != nil {
		return nil, err
	}
	if err := l.listen(address); err != nil {
		l.closeFiles()
		return nil, fmt.Errorf("listening on %s: %w", address, err)
	}
	return l, nil
}

func (l *Loop) watch(fd int, about int32) error {
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: about})
}

// Addr is where the loop listens; nil when it does not.
func (l *Loop) Addr() net.Addr { return l.address }

// Len is the number of open connections.
func (l *Loop) Len() int { return l.open }

// Poll does one turn: it waits up to wait for something to happen (0: not at all; negative: until something does, or Wake), accepts,
// and reads every ready connection once. It returns how many events there were.
func (l *Loop) Poll(wait time.Duration) (events int, err error) {
	if len(l.resumed) > 0 {
		wait = 0
	}
	n, err := l.ready(wait)
	if err != nil {
		return 0, fmt.Errorf("waiting for connections: %w", err)
	}
	for i := range l.events[:n] {
		l.dispatch(&l.events[i])
	}
	l.handOverArrived()
	if len(l.resumed) > 0 {
		n += l.handOverResumed()
	}
	return n, nil
}

func (l *Loop) dispatch(e *unix.EpollEvent) {
	switch e.Fd {
	case aboutListener:
		l.accept()
	case aboutWake:
		// Read before the flag falls: a Wake between the two is seen by the caller after this turn; the other way round its write would
		// be swallowed and all later ones kept back.
		var count [8]byte
		_, _ = unix.Read(l.wake, count[:])
		l.waking.Store(false)
	case aboutTimer:
		var count [8]byte
		_, _ = unix.Read(l.timer, count[:])
		l.resumeAccepting()
	default:
		c := &l.conns[e.Fd]
		if c.Generation == uint32(e.Pad) && c.state != stateFree { // not one that was closed, or closed and replaced, in this turn
			c.happened(e.Events)
		}
	}
}

// arrive keeps what has come until the turn has read the other connections: the kernel's reading and the handler's work then each stay in the
// processor's caches, in place of pushing each other out for every message.
func (l *Loop) arrive(c *Conn, bytes int) {
	c.from, c.to = l.used, l.used+bytes
	l.used = c.to
	l.arrived = append(l.arrived, c)
}

// handOverArrived hands over what has been received.
func (l *Loop) handOverArrived() {
	if l.expecter != nil && len(l.arrived) > 1 {
		l.expecter.Expect(l.arrived)
	}
	for _, c := range l.arrived {
		if b := l.read[c.from:c.to]; c.state == stateOpen && len(b) > 0 { // not closed by what came before it, nor replaced
			c.from, c.to = 0, 0
			c.handOver(b)
		}
	}
	l.arrived, l.used = l.arrived[:0], 0
}

// handOverResumed gives the handlers of resumed connections what they had left.
func (l *Loop) handOverResumed() int {
	list := l.resumed
	l.resumed, l.spare = l.spare[:0], list
	n := 0
	for _, c := range list {
		if c.flags&flagResumed == 0 {
			continue // closed since
		}
		c.flags &^= flagResumed
		if c.state == stateOpen && c.flags&flagPaused == 0 && len(c.rest) > 0 {
			n++
			c.handOver(l.read[:copy(l.read, c.rest)])
		}
	}
	return n
}

// Flush writes what the connections have waiting, one write each. What the peers do not take stays for later turns.
func (l *Loop) Flush() {
	for i := 0; i < len(l.dirty); i++ { // closing one may make another dirty
		c := l.dirty[i]
		if c.flags&flagDirty != 0 {
			c.flags &^= flagDirty
			c.flush()
		}
	}
	l.dirty = l.dirty[:0]
}

// Wake makes a waiting Poll return, or the next one if none waits. Any goroutine may call it; many calls make one wake-up.
func (l *Loop) Wake() {
	if l.waking.Swap(true) {
		return
	}
	l.wakeLock.Lock()
	defer l.wakeLock.Unlock()
	if l.wake >= 0 {
		one := [8]byte{1} // any number but 0 will do
		_, _ = unix.Write(l.wake, one[:])
	}
}

// Each calls visit with every open or connecting connection: for deadlines. visit may close it.
func (l *Loop) Each(visit func(*Conn)) {
	for slot := range l.conns[:l.highest] {
		if c := &l.conns[slot]; c.state != stateFree {
			visit(c)
		}
	}
}

// Close closes the listener and all connections. The loop cannot be used again; a late Wake does nothing.
func (l *Loop) Close() {
	if l.closed {
		return
	}
	l.closed = true
	l.StopAccepting()
	l.Each(func(c *Conn) { c.Close(ErrLoopClosed) })
	l.closeFiles()
}

func (l *Loop) closeFiles() {
	l.wakeLock.Lock()
	defer l.wakeLock.Unlock()
	for _, fd := range []*int{&l.listener, &l.timer, &l.wake, &l.epoll} {
		if *fd >= 0 {
			_ = unix.Close(*fd)
			*fd = -1
		}
	}
}

// take finds a free slot for a socket.
func (l *Loop) take(fd int) (*Conn, error) {
	if len(l.free) == 0 {
		return nil, ErrFull
	}
	slot := l.free[len(l.free)-1]
	l.free = l.free[:len(l.free)-1]
	l.highest = max(l.highest, int(slot)+1)
	l.open++
	c := &l.conns[slot]
	*c = Conn{ID: slot, Generation: c.Generation + 1, loop: l, fd: fd, out: c.out[:0], rest: c.rest[:0]}
	return c, nil
}

// release gives a slot back.
func (l *Loop) release(c *Conn) {
	c.state, c.Tag, c.fd, c.flags = stateFree, nil, -1, 0
	if cap(c.out) > keptBufferBytes {
		c.out = nil
	}
	if cap(c.rest) > keptBufferBytes {
		c.rest = nil
	}
	l.open--
	l.free = append(l.free, c.ID)
}

// endOf names the end of a stream.
func endOf(n int, err error) error {
	if err == nil && n == 0 {
		return io.EOF
	}
	return err
}
