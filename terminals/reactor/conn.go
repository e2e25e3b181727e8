package reactor

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

type connState uint8

const (
	stateFree connState = iota
	stateConnecting
	stateOpen
)

const (
	flagDirty     uint8 = 1 << iota // in the loop's dirty list
	flagResumed                     // in the loop's resumed list
	flagPaused                      // not read
	flagBlocked                     // the socket's buffer is full: EPOLLOUT will tell
	flagFinishing                   // close when everything is written
)

// keptBufferBytes of buffer stay with a slot from one connection to the next, and with a connection from one burst to the next.
const keptBufferBytes = 16 << 10

// Conn is one connection. It belongs to its loop's goroutine. The struct is used again after Closed: who keeps a pointer for later keeps
// the Generation beside it.
type Conn struct {
	// Tag is the handler's own.
	Tag any
	// ID is the slot, from 0 to MaxConnections-1.
	ID int32
	// Generation counts the connections that have had this slot.
	Generation uint32
	// Remote is the other end.
	Remote netip.AddrPort

	loop  *Loop
	fd    int
	state connState
	flags uint8
	asked uint32 // what epoll watches for
	sent  int    // bytes of out that are written; 0 <= sent <= len(out)
	out   []byte
	rest  []byte // received, not consumed
	from  int    // where in Loop.read stands what was received in this turn, to its end; nothing: both are 0
	to    int
	why   error // of a finishing connection
}

// Open says whether the connection stands.
func (c *Conn) Open() bool { return c.state == stateOpen }

// Buffer returns what waits to be written, for appending to; give it back with Update.
func (c *Conn) Buffer() []byte { return c.out }

// Update takes the buffer back with what was appended. It leaves at the next Flush.
func (c *Conn) Update(b []byte) {
	if c.state == stateFree {
		return
	}
	c.out = b
	if c.flags&flagDirty == 0 {
		c.flags |= flagDirty
		c.loop.dirty = append(c.loop.dirty, c)
	}
}

// Append adds a copy of b to what is written at the next Flush.
func (c *Conn) Append(b []byte) { c.Update(append(c.out, b...)) }

// Unsent is how many bytes wait to be written.
func (c *Conn) Unsent() int { return len(c.out) - c.sent }

// Unconsumed is how many received bytes the handler has left for later.
func (c *Conn) Unconsumed() int { return len(c.rest) }

// Pause stops reading: the peer's bytes wait in his and our system's buffers. A connection that breaks is still noticed.
func (c *Conn) Pause() {
	if c.state != stateFree {
		c.flags |= flagPaused
		c.ask()
	}
}

// Resume reads again, starting with what was left unconsumed.
func (c *Conn) Resume() {
	if c.state == stateFree || c.flags&flagPaused == 0 || c.flags&flagFinishing != 0 {
		return
	}
	c.flags &^= flagPaused
	c.ask()
	if len(c.rest) > 0 && c.flags&flagResumed == 0 {
		c.flags |= flagResumed
		c.loop.resumed = append(c.loop.resumed, c)
	}
}

// Paused says whether reading is stopped.
func (c *Conn) Paused() bool { return c.flags&flagPaused != 0 }

// Finish closes the connection when everything appended so far is written; nothing more is read.
func (c *Conn) Finish(why error) {
	if c.state == stateFree || c.flags&flagFinishing != 0 {
		return
	}
	c.flags |= flagFinishing
	c.why = why
	c.Pause()
	c.Update(c.out)
}

// Close closes the connection now and tells the handler. What was not written is lost.
func (c *Conn) Close(why error) {
	if c.state == stateFree {
		return
	}
	c.state = stateFree // a handler that closes again does nothing
	_ = unix.Close(c.fd)
	c.loop.handler.Closed(c, why)
	c.loop.release(c)
}

// happened handles an event.
func (c *Conn) happened(events uint32) {
	if c.state == stateConnecting {
		c.connected()
		return
	}
	if events&unix.EPOLLOUT != 0 {
		c.flags &^= flagBlocked
		c.flush()
		if c.state != stateOpen {
			return
		}
	}
	switch {
	case c.flags&flagPaused == 0 && events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0:
		c.receive()
	case events&(unix.EPOLLHUP|unix.EPOLLERR) != 0:
		c.Close(c.socketError())
	}
}

// receive reads once; what there is is handed over later in this turn.
func (c *Conn) receive() {
	if c.flags&flagResumed != 0 {
		return // what it has left is handed over first, later in this turn: it may fill the buffer without being too long
	}
	l := c.loop
	if len(l.read)-l.used < l.options.ReadBufferBytes {
		l.handOverArrived()
		if c.state != stateOpen || c.flags&flagPaused != 0 {
			return
		}
	}
	buffer := l.read[l.used : l.used+l.options.ReadBufferBytes]
	kept := copy(buffer, c.rest)
	if kept == len(buffer) {
		c.Close(ErrMessageTooLong)
		return
	}
	n, err := readNow(c.fd, buffer[kept:])
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
	case err != nil || n == 0:
		c.Close(endOf(n, err))
	default:
		l.arrive(c, kept+n)
	}
}

// handOver calls the handler and keeps what it leaves.
func (c *Conn) handOver(b []byte) {
	if c.flags&flagPaused != 0 { // since it was received
		c.rest = append(c.rest[:0], b...)
		return
	}
	generation := c.Generation
	consumed, err := c.loop.handler.Received(c, b)
	if c.state != stateOpen || c.Generation != generation {
		return
	}
	if err != nil {
		c.Close(err)
		return
	}
	c.rest = append(c.rest[:0], b[consumed:]...)
}

// flush writes once.
func (c *Conn) flush() {
	if c.state != stateOpen {
		return
	}
	if c.flags&flagBlocked == 0 && c.sent < len(c.out) {
		n, err := writeNow(c.fd, c.out[c.sent:])
		if err != nil && err != unix.EAGAIN && err != unix.EINTR {
			c.Close(err)
			return
		}
		if err == nil {
			c.sent += n
		}
	}
	switch waiting := len(c.out) - c.sent; {
	case waiting == 0:
		c.drained()
	case waiting > c.loop.options.WriteBufferBytes:
		c.Close(ErrSlowReader)
	default:
		if c.sent > waiting { // each byte is moved once at most
			c.out = c.out[:copy(c.out, c.out[c.sent:])]
			c.sent = 0
		}
		if c.flags&flagBlocked == 0 {
			c.flags |= flagBlocked
			c.ask()
		}
	}
}

// drained is called when everything is written.
func (c *Conn) drained() {
	c.out, c.sent = c.out[:0], 0
	if cap(c.out) > keptBufferBytes {
		c.out = nil
	}
	if c.flags&flagFinishing != 0 {
		c.Close(c.why)
		return
	}
	c.ask()
}

// ask tells epoll what to watch for, when that has changed.
func (c *Conn) ask() {
	var wanted uint32
	if c.state == stateConnecting || c.flags&flagBlocked != 0 {
		wanted |= unix.EPOLLOUT
	}
	if c.state == stateOpen && c.flags&flagPaused == 0 {
		wanted |= unix.EPOLLIN
	}
	if wanted == c.asked {
		return
	}
	c.asked = wanted
	if err := unix.EpollCtl(c.loop.epoll, unix.EPOLL_CTL_MOD, c.fd, c.event(wanted)); err != nil {
		c.Close(err)
	}
}

func (c *Conn) event(wanted uint32) *unix.EpollEvent {
	return &unix.EpollEvent{Events: wanted, Fd: c.ID, Pad: int32(c.Generation)}
}

// begin puts the connection under epoll's watch.
func (c *Conn) begin(state connState) error {
	c.state, c.asked = state, unix.EPOLLIN
	if state == stateConnecting {
		c.asked = unix.EPOLLOUT
	}
	return unix.EpollCtl(c.loop.epoll, unix.EPOLL_CTL_ADD, c.fd, c.event(c.asked))
}

// opened tells the handler that the connection stands.
func (c *Conn) opened() {
	generation := c.Generation
	if err := c.loop.handler.Opened(c); err != nil && c.state != stateFree && c.Generation == generation {
		c.Close(err)
	}
}

// connected ends a dial, well or not.
func (c *Conn) connected() {
	code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err != nil {
		c.Close(err)
		return
	}
	c.state = stateOpen
	c.ask()
	if c.state != stateOpen {
		return
	}
	if len(c.out) > 0 {
		c.Update(c.out)
	}
	c.opened()
}

func (c *Conn) socketError() error {
	code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	return endOf(0, err)
}
