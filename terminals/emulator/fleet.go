package emulator

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"onecard/switch/iso8583"
	"onecard/terminals/reactor"
)

// FleetConfig is many terminals and how they behave when things go wrong.
type FleetConfig struct {
	Address string
	Devices []DeviceConfig

	// OnAnswer is told once of each request what became of it: its answer, or, when none came in time, the answer to its reversal
	// (a.GivenUp). a is good during the call. It may call Send.
	OnAnswer func(device int, a *Answer)
	// OnState is told when a terminal has signed on, and when it has lost its link or its session and why.
	OnState func(device int, signedOn bool, why error)
	// Memory, if set, keeps every authentic answer.
	Memory *Memory

	// Joining bounds how many terminals connect and sign on at the same time, so that a thousand of them are no storm [256].
	Joining int
	// Deadline is how long an answer is waited for, from the first sending; then the request is taken back with a reversal, which is
	// repeated each time that it is not answered for as long [30 s]. A balance enquiry has no reversal and is repeated instead.
	Deadline time.Duration
	// RetryLeast and RetryMost bound the pause before connecting again, doubled from try to try, jittered by half [50 ms, 2 s].
	RetryLeast, RetryMost time.Duration
	// EchoInterval is how long a terminal is silent before it asks whether the switch is there [60 s].
	EchoInterval time.Duration
	// Queue is how many requests may wait at one terminal for their turn [1024].
	Queue int
	// Seed of the jitter.
	Seed uint64
}

func (c FleetConfig) withDefaults() FleetConfig {
	for _, d := range []struct {
		value *time.Duration
		or    time.Duration
	}{{&c.Deadline, 30 * time.Second}, {&c.RetryLeast, 50 * time.Millisecond}, {&c.RetryMost, 2 * time.Second}, {&c.EchoInterval, time.Minute}} {
		if *d.value <= 0 {
			*d.value = d.or
		}
	}
	if c.Joining <= 0 {
		c.Joining = 256
	}
	if c.Queue <= 0 {
		c.Queue = 1024
	}
	return c
}

// FleetStats counts what has happened to a fleet.
type FleetStats struct {
	Connected, SignedOn int   // now
	Waiting, Queued     int   // requests now: sent and not answered; not sent yet
	Sent, Answered      int64 // requests by the caller
	Repeated            int64 // sent again after a broken link or a new session
	GivenUp             int64 // taken back for want of an answer
	Reconnects          int64
	Hints               int64 // answers without a MAC to requests that need one
	Faults              int64 // answers with a wrong MAC, to nothing asked, or that were no frames
}

// Fleet drives many devices, each on a connection of its own, from one goroutine: its caller's. A request is told its end once, whatever
// happens to links and to the switch: what had no answer when a link broke is sent again with the same identity and contents (under the
// new keys); what has no answer in time is reversed before that terminal sells anything more.
type Fleet struct {
	config   FleetConfig
	loop     *reactor.Loop
	stations []station
	down     []*station // not connected
	joining  int
	base     time.Time
	now      int64 // nanoseconds since base, as of this turn
	tended   int64
	random   *rand.Rand
	answer   Answer
	stats    FleetStats
	closing  bool
}

// ErrQueueFull says that a terminal has too many requests that wait for their turn.
var ErrQueueFull = errors.New("too many requests wait for their turn at this terminal")

// Why a fleet closes a link.
var (
	errSilent     = errors.New("switch did not answer in time while the terminal was connecting or signing on")
	errSignOnLoop = errors.New("switch asks to sign on again just after a sign-on")
	errBroken     = errors.New("link broken by the caller")
)

// NewFleet makes the devices; Connect starts them.
func NewFleet(c FleetConfig) (*Fleet, error) {
	c = c.withDefaults()
	f := &Fleet{config: c, stations: make([]station, len(c.Devices)), base: time.Now(), random: rand.New(rand.NewPCG(c.Seed, 41))}
	for i := range c.Devices {
		d, err := New(c.Devices[i])
		if err != nil {
			return nil, err
		}
		f.stations[i] = station{fleet: f, index: i, device: d}
	}
	var err error
	if f.loop, err = reactor.New(f, reactor.Options{MaxConnections: max(1, len(c.Devices)), ReadBufferBytes: 64 << 10}); err != nil {
		return nil, fmt.Errorf("making the fleet: %w", err)
	}
	return f, nil
}

// Connect starts all terminals: they connect and sign on, Joining at a time, while Poll is called.
func (f *Fleet) Connect() {
	f.now = f.Now()
	for i := range f.stations {
		if s := &f.stations[i]; s.state == stateNew {
			s.state = stateDown
			f.down = append(f.down, s)
		}
	}
}

// ConnectAll is Connect, and turns the loop until all have signed on.
func (f *Fleet) ConnectAll(limit time.Duration) error {
	f.Connect()
	for deadline := f.Now() + int64(limit); f.stats.SignedOn < len(f.stations); {
		if err := f.Poll(20 * time.Millisecond); err != nil {
			return err
		}
		if f.Now() > deadline {
			return fmt.Errorf("%d of %d terminals signed on within %s; last reason: %w", f.stats.SignedOn, len(f.stations), limit, f.reason())
		}
	}
	return nil
}

func (f *Fleet) reason() error {
	for i := range f.stations {
		if s := &f.stations[i]; s.state != stateUp && s.why != nil {
			return s.why
		}
	}
	return errSilent
}

// Now is the fleet's clock: nanoseconds since it was made. Planned moments and answers are on it.
func (f *Fleet) Now() int64 { return int64(time.Since(f.base)) }

// Moment is Now as it was when the answer at hand came.
func (f *Fleet) Moment() int64 { return f.now }

// Len is how many terminals there are.
func (f *Fleet) Len() int { return len(f.stations) }

// Device gives access to a terminal's own state.
func (f *Fleet) Device(device int) *Device { return f.stations[device].device }

// SignedOn says whether a terminal can sell.
func (f *Fleet) SignedOn(device int) bool { return f.stations[device].state == stateUp }

// Stats counts.
func (f *Fleet) Stats() FleetStats {
	s := f.stats
	for i := range f.stations {
		s.Waiting += f.stations[i].device.Waiting()
		s.Queued += f.stations[i].queued()
	}
	return s
}

// Idle says whether nothing waits, for an answer or for its turn.
func (f *Fleet) Idle() bool {
	for i := range f.stations {
		if s := &f.stations[i]; s.device.Waiting() > 0 || s.queued() > 0 {
			return false
		}
	}
	return true
}

// Send gives a terminal a request. It leaves when the terminal is signed on, has room and owes no reversal; until then it waits for its
// turn. It leaves with the next Poll or Flush. A reversal goes before everything that waits; its original must be remembered still.
func (f *Fleet) Send(device int, r Request) error {
	s := &f.stations[device]
	if r.Kind == KindReversal {
		return s.sendReversal(&r)
	}
	if err := check(&r); err != nil {
		return err
	}
	if s.queued() == 0 && s.ready(&r) {
		return s.send(&r)
	}
	if s.queued() >= f.config.Queue {
		return ErrQueueFull
	}
	s.queue = append(s.queue, r)
	return nil
}

// Repeat makes a terminal send a remembered transaction again, as one does that has lost the answer.
func (f *Fleet) Repeat(device int, trace uint32) error {
	s := &f.stations[device]
	switch {
	case s.state != stateUp:
		return ErrNotSignedOn
	case !s.device.Remembers(trace):
		return ErrUnknown
	}
	s.repeat(trace)
	return nil
}

// Break closes a terminal's link as if the line were cut.
func (f *Fleet) Break(device int) {
	if s := &f.stations[device]; s.conn != nil {
		s.conn.Close(errBroken)
	}
}

// Close closes all links without signing off. What waits is not answered.
func (f *Fleet) Close() {
	f.closing = true
	f.loop.Close()
}

// tendInterval is how often terminals are looked after that need it: links to be made, requests to be taken back, silence.
const tendInterval = int64(5 * time.Millisecond)

// Flush sends what is ready to leave.
func (f *Fleet) Flush() { f.loop.Flush() }

// Poll does one turn: it looks after links and deadlines, sends, waits up to wait for answers (0: not at all) and hands them out.
func (f *Fleet) Poll(wait time.Duration) error {
	f.now = f.Now()
	if f.now-f.tended >= tendInterval {
		f.tended = f.now
		f.tend()
	}
	f.loop.Flush()
	if limit := 10 * time.Millisecond; wait < 0 || wait > limit {
		wait = limit
	}
	if _, err := f.loop.Poll(wait); err != nil {
		return fmt.Errorf("turning the fleet's loop: %w", err)
	}
	f.loop.Flush()
	return nil
}

// Wake makes a waiting Poll return. Any goroutine may call it.
func (f *Fleet) Wake() { f.loop.Wake() }

func (f *Fleet) tend() {
	waiting := f.down
	f.down = f.down[:0]
	for _, s := range waiting {
		if s.retryAt > f.now || f.joining >= f.config.Joining {
			f.down = append(f.down, s)
			continue
		}
		s.dial()
	}
	for i := range f.stations {
		if s := &f.stations[i]; s.state != stateDown && f.now >= s.due {
			s.tend()
		}
	}
}

// Opened signs on.
func (f *Fleet) Opened(c *reactor.Conn) error {
	f.now = f.Now()
	f.stats.Connected++
	s := c.Tag.(*station)
	s.connected = true
	s.signOn()
	return nil
}

// Received reads answers.
func (f *Fleet) Received(c *reactor.Conn, b []byte) (consumed int, err error) {
	f.now = f.Now()
	s := c.Tag.(*station)
	s.heard = f.now
	for {
		n, ok, err := iso8583.FrameLength(b[consumed:])
		if err != nil {
			f.stats.Faults++
			return consumed, ErrFrame
		}
		end := consumed + iso8583.PrefixSize + n
		if !ok || end > len(b) {
			break
		}
		if err := s.receive(b[consumed+iso8583.PrefixSize : end]); err != nil {
			return end, err
		}
		consumed = end
		if s.conn != c {
			return consumed, nil // the caller has broken the link
		}
	}
	s.drain()
	return consumed, nil
}

// Closed makes the terminal connect again after a pause.
func (f *Fleet) Closed(c *reactor.Conn, why error) {
	f.now = f.Now()
	c.Tag.(*station).lost(why)
}
