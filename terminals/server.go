package terminals

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"onecard/switch/transaction"
	"onecard/terminals/reactor"
)

// visitEvery is how often connections are looked over for deadlines. All deadlines are longer; a look costs some nanoseconds a connection.
const visitEvery = 500 * time.Millisecond

// errClosedWhileDraining is what a Drain hears that Close has overtaken.
var errClosedWhileDraining = errors.New("终端链路在排空完成前已关闭 / the terminal link was closed before it had drained")

// Server ties sessions to sockets. It is the core's transaction.Door: Poll and Answer belong to the owner goroutine, and it has none of
// its own. Listening begins with Listen; nobody is read before the first Poll.
type Server struct {
	loop     *reactor.Loop         // owner
	sessions *Sessions             // owner
	places   addresses             // owner
	requests []transaction.Request // owner; the list that Poll is filling
	clock    func() int64
	turn     int64 // owner; the moment of this turn's bytes, 0: not asked yet
	visited  int64 // owner; when the connections were last looked over

	connections, signedOn, inFlight atomic.Int64 // written by the owner

	stopping atomic.Bool // set by Drain; the owner acts on it
	stopped  bool        // owner; nothing is accepted and read any more
	drained  chan struct{}
	finish   sync.Once
	outcome  error // written before drained is closed
}

// Counts are figures for gauges.
type Counts struct{ Connections, SignedOn, InFlight int }

// Listen opens the door. random supplies working keys (crypto/rand in the switch); clock gives the moment in microseconds since 1970 and
// must not jump, since it measures deadlines too.
func Listen(c Config, keys Keys, random io.Reader, clock func() int64, events Events) (*Server, error) {
	sessions, err := NewSessions(c, keys, random, events)
	if err != nil {
		return nil, err
	}
	s := &Server{sessions: sessions, places: newAddresses(c), clock: clock, drained: make(chan struct{})}
	s.loop, err = reactor.Listen(c.Listen, (*handler)(s), reactor.Options{
		MaxConnections: c.MaxConnections, WriteBufferBytes: c.WriteBufferBytes, Refused: s.refused,
	})
	if err != nil {
		return nil, fmt.Errorf("终端链路无法启动,请检查 listen / terminal link does not start, check listen: %w", err)
	}
	s.visited = clock()
	return s, nil
}

// Addr is where terminals connect.
func (s *Server) Addr() net.Addr { return s.loop.Addr() }

// Poll reads every ready connection once. It comes back after the first turn in which something happened, and after half a second when
// connections are open, so that their deadlines are kept; with or without requests.
func (s *Server) Poll(wait time.Duration, requests []transaction.Request) ([]transaction.Request, error) {
	s.requests, s.turn = requests, 0
	_, err := s.loop.Poll(s.patience(wait))
	if s.stopping.Load() && !s.stopped {
		s.stopped = true
		s.loop.StopAccepting()
		s.sessions.Stop(s.eachSession)
	}
	s.visit()
	s.settle()
	requests, s.requests = s.requests, nil
	if err != nil {
		return requests, fmt.Errorf("terminal link: %w", err)
	}
	return requests, nil
}

// Answer sends decisions, with one write per connection.
func (s *Server) Answer(decisions []transaction.Decision) {
	s.sessions.AnswerAll(decisions)
	s.settle()
}

// Wake makes a waiting Poll return. Any goroutine may call it.
func (s *Server) Wake() { s.loop.Wake() }

// Counts may be called by any goroutine.
func (s *Server) Counts() Counts {
	return Counts{int(s.connections.Load()), int(s.signedOn.Load()), int(s.inFlight.Load())}
}

// Drain stops accepting and reading, and returns when everything that was in flight is answered and sent, or ctx ends. Any goroutine may
// call it while the owner goes on polling. The connections stay open until Close.
func (s *Server) Drain(ctx context.Context) error {
	s.stopping.Store(true)
	s.loop.Wake()
	select {
	case <-s.drained:
		return s.outcome
	case <-ctx.Done():
		return fmt.Errorf("终端链路未排空,尚有 %d 笔在途 / terminal link not drained, %d requests in flight: %w", s.inFlight.Load(), s.inFlight.Load(), ctx.Err())
	}
}

// Close closes the listener and all connections. REQUIRES: nobody calls Poll or Answer any more.
func (s *Server) Close() {
	s.loop.Close()
	s.count()
	s.done(errClosedWhileDraining)
}

// patience shortens a wait that would sleep over the next look at the connections.
func (s *Server) patience(wait time.Duration) time.Duration {
	if wait == 0 || s.loop.Len() == 0 {
		return wait
	}
	rest := visitEvery - time.Duration(s.clock()-s.visited)*time.Microsecond
	rest = max(0, min(rest, visitEvery))
	if wait < 0 || wait > rest {
		return rest
	}
	return wait
}

// visit looks over all connections when it is time.
func (s *Server) visit() {
	now := s.now()
	if since := now - s.visited; since >= 0 && since < visitEvery.Microseconds() {
		return
	}
	s.visited = now
	s.loop.Each(func(c *reactor.Conn) {
		if session, ok := c.Tag.(*Session); ok {
			if why := session.Overdue(now, c.Unsent() > 0); why != nil {
				c.Close(why)
			}
		}
	})
	s.places.forget(now)
}

// settle ends a turn: what was said is sent, the figures are shown, and a Drain hears when nothing is left.
func (s *Server) settle() {
	s.loop.Flush()
	s.count()
	if s.stopped && s.sessions.InFlight() == 0 && s.unsent() == 0 {
		s.done(nil)
	}
}

func (s *Server) count() {
	s.connections.Store(int64(s.loop.Len()))
	s.signedOn.Store(int64(s.sessions.SignedOn()))
	s.inFlight.Store(int64(s.sessions.InFlight()))
}

func (s *Server) done(outcome error) {
	s.finish.Do(func() {
		s.outcome = outcome
		close(s.drained)
	})
}

func (s *Server) unsent() int {
	total := 0
	s.loop.Each(func(c *reactor.Conn) { total += c.Unsent() })
	return total
}

func (s *Server) eachSession(visit func(*Session)) {
	s.loop.Each(func(c *reactor.Conn) {
		if session, ok := c.Tag.(*Session); ok {
			visit(session)
		}
	})
}

// now is one moment for all that a turn has read.
func (s *Server) now() int64 {
	if s.turn == 0 {
		s.turn = s.clock()
	}
	return s.turn
}

// refused hears of connections that got no further than the listener.
func (s *Server) refused(why error) {
	if errors.Is(why, reactor.ErrFull) {
		s.sessions.events.closed(ClosedFull)
		return
	}
	s.sessions.events.closed(ClosedNoResources)
}

// handler is the server as its loop sees it.
type handler Server

// Opened lets a connection in or turns it away.
func (h *handler) Opened(c *reactor.Conn) error {
	s := (*Server)(h)
	now := s.now()
	if why, ok := s.places.enter(c.Remote.Addr(), now); !ok {
		return why
	}
	c.Tag = s.sessions.Open(c, now)
	if s.sessions.events.ConnectionOpened != nil {
		s.sessions.events.ConnectionOpened()
	}
	return nil
}

// Expect brings near the sessions that are about to be handed bytes.
func (h *handler) Expect(conns []*reactor.Conn) {
	var sessions [nearSessions]*Session
	for conns := range slices.Chunk(conns, nearSessions) {
		n := 0
		for _, c := range conns {
			if session, ok := c.Tag.(*Session); ok {
				sessions[n] = session
				n++
			}
		}
		h.sessions.bringNear(sessions[:n])
	}
}

// Received hands bytes to the session.
func (h *handler) Received(c *reactor.Conn, b []byte) (consumed int, err error) {
	s := (*Server)(h)
	consumed, s.requests, err = c.Tag.(*Session).Receive(s.now(), b, s.requests)
	return consumed, err
}

// Closed ends the session, when there was one.
func (h *handler) Closed(c *reactor.Conn, why error) {
	s := (*Server)(h)
	if session, ok := c.Tag.(*Session); ok {
		s.places.leave(c.Remote.Addr())
		s.sessions.Closed(session)
	}
	s.sessions.events.closed(reasonOf(why))
}

// reasonOf maps what ended a connection to the closed set.
func reasonOf(why error) CloseReason {
	var reason CloseReason
	switch {
	case errors.As(why, &reason):
		return reason
	case errors.Is(why, io.EOF):
		return ClosedByPeer
	case errors.Is(why, reactor.ErrSlowReader):
		return ClosedSlowReader
	case errors.Is(why, reactor.ErrLoopClosed):
		return ClosedStopping
	case errors.Is(why, reactor.ErrMessageTooLong):
		return ClosedFraming
	}
	return ClosedReset
}

var _ transaction.Door = (*Server)(nil)
