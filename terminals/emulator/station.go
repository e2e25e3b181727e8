package emulator

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"onecard/terminals/reactor"
)

type stationState uint8

const (
	stateNew     stationState = iota
	stateDown                 // waits to connect
	stateJoining              // connects or signs on
	stateUp
)

// joinLimit is how long connecting and signing on may take.
const joinLimit = int64(10 * time.Second)

// signOnPause is the least time between two sign-ons of a terminal on one link.
const signOnPause = int64(time.Second)

// station is a device with its link.
type station struct {
	fleet     *Fleet
	index     int
	device    *Device
	conn      *reactor.Conn
	state     stationState
	connected bool
	echoing   bool
	tries     int   // since it was up
	retryAt   int64 // when to connect again
	joined    int64 // when it began to connect or to sign on
	signedOn  int64 // when it last got keys
	heard     int64 // when something last came
	due       int64 // when it is to be looked after again
	pressed   int64 // when what is overdue was last sent again: reversals, and enquiries, which have none
	why       error // of the last failure

	queue []Request // from head on
	head  int
}

func (s *station) queued() int { return len(s.queue) - s.head }

// dial starts connecting.
func (s *station) dial() {
	f := s.fleet
	s.state, s.joined, s.due = stateJoining, f.now, f.now+joinLimit
	f.joining++
	conn, err := f.loop.Dial(f.config.Address)
	if err != nil {
		s.lost(err)
		return
	}
	conn.Tag = s
	s.conn = conn
}

func (s *station) signOn() {
	s.echoing = false
	s.joined, s.due = s.fleet.now, s.fleet.now+joinLimit
	s.conn.Update(s.device.SignOn(s.conn.Buffer()))
}

// lost is called when the link has gone or could not be made.
func (s *station) lost(why error) {
	f := s.fleet
	if s.connected {
		f.stats.Connected--
	}
	was := s.state
	s.conn, s.connected, s.state, s.why = nil, false, stateDown, why
	s.device.Forget()
	switch was {
	case stateUp:
		f.stats.SignedOn--
		f.stats.Reconnects++
	case stateJoining:
		f.joining--
	}
	pause := f.config.RetryLeast << min(s.tries, 16)
	if pause <= 0 || pause > f.config.RetryMost {
		pause = f.config.RetryMost
	}
	s.tries++
	s.retryAt = f.now + int64(float64(pause)*(0.5+f.random.Float64()))
	if f.closing {
		return
	}
	f.down = append(f.down, s)
	if f.config.OnState != nil && was == stateUp {
		f.config.OnState(s.index, false, why)
	}
}

// up is called when the device has working keys: what had no answer is asked again.
func (s *station) up() {
	f := s.fleet
	f.joining--
	f.stats.SignedOn++
	s.state, s.tries, s.signedOn, s.why = stateUp, 0, f.now, nil
	s.device.EachWaiting(func(r *Request, trace uint32, reversing bool) {
		switch {
		case reversing:
			s.reverse(trace)
		case f.now-r.Sent >= int64(f.config.Deadline) && r.Kind != KindBalance:
			s.giveUp(trace)
		default:
			s.repeat(trace)
		}
	})
	s.schedule()
	if f.config.OnState != nil {
		f.config.OnState(s.index, true, nil)
	}
	s.drain()
}

// ready says whether a request can leave now.
func (s *station) ready(r *Request) bool {
	if s.state != stateUp {
		return false
	}
	return r.Kind == KindReversal || s.device.Reversing() == 0 && s.device.Room()
}

func (s *station) send(r *Request) error {
	r.Sent = s.fleet.now
	frame, _, err := s.device.Append(s.conn.Buffer(), r)
	if err != nil {
		return err
	}
	s.fleet.stats.Sent++
	s.conn.Update(frame)
	if r.Kind == KindReversal {
		s.pressed = s.fleet.now
	}
	if due := s.fleet.now + int64(s.fleet.config.Deadline); due < s.due {
		s.due = due
	}
	return nil
}

// sendReversal sends a reversal now, or puts it before the sales that wait. Nothing else is sent before it, so its original is not
// forgotten meanwhile.
func (s *station) sendReversal(r *Request) error {
	if err := s.device.reversible(r.Trace); err != nil {
		return err
	}
	if s.state == stateUp {
		return s.send(r)
	}
	at := s.head
	for at < len(s.queue) && s.queue[at].Kind == KindReversal {
		at++
	}
	s.queue = slices.Insert(s.queue, at, *r)
	return nil
}

// drain sends what waits for its turn.
func (s *station) drain() {
	for s.head < len(s.queue) && s.ready(&s.queue[s.head]) {
		if s.send(&s.queue[s.head]) != nil {
			break // checked when it was queued, and ready: it cannot be
		}
		s.head++
	}
	if s.head == len(s.queue) {
		s.queue, s.head = s.queue[:0], 0
	}
}

// giveUp takes a request back that has no answer in time.
func (s *station) giveUp(trace uint32) {
	frame, err := s.device.Reversal(s.conn.Buffer(), trace, CauseNoAnswer)
	if err == nil {
		s.fleet.stats.GivenUp++
		s.pressed = s.fleet.now
		s.conn.Update(frame)
	}
}

// repeat sends an original again.
func (s *station) repeat(trace uint32) {
	frame, err := s.device.Repeat(s.conn.Buffer(), trace)
	if err == nil {
		s.fleet.stats.Repeated++
		s.conn.Update(frame)
	}
}

// reverse sends a reversal again.
func (s *station) reverse(trace uint32) {
	frame, err := s.device.Reversal(s.conn.Buffer(), trace, CauseNoAnswer)
	if err == nil {
		s.fleet.stats.Repeated++
		s.pressed = s.fleet.now
		s.conn.Update(frame)
	}
}

// tend looks after deadlines and silence.
func (s *station) tend() {
	f := s.fleet
	if s.state == stateJoining {
		if f.now-s.joined >= joinLimit {
			s.conn.Close(errSilent)
		}
		return
	}
	if s.state != stateUp {
		return
	}
	deadline := int64(f.config.Deadline)
	again := f.now-s.pressed >= deadline
	s.device.EachWaiting(func(r *Request, trace uint32, reversing bool) {
		switch {
		case reversing && again:
			s.reverse(trace)
		case reversing || f.now-r.Sent < deadline:
		case r.Kind != KindBalance:
			s.giveUp(trace)
		case again:
			s.repeat(trace)
			s.pressed = f.now
		}
	})
	if silence := f.now - s.heard; silence >= int64(f.config.EchoInterval) {
		if s.echoing && silence >= int64(f.config.EchoInterval)+deadline {
			s.conn.Close(errSilent)
			return
		}
		if !s.echoing {
			s.echoing = true
			s.conn.Update(s.device.Echo(s.conn.Buffer()))
		}
	}
	s.schedule()
}

// schedule finds the next moment at which something can be due.
func (s *station) schedule() {
	f := s.fleet
	deadline := int64(f.config.Deadline)
	s.due = f.now + deadline
	if s.device.Waiting() > 0 {
		s.device.EachWaiting(func(r *Request, _ uint32, reversing bool) {
			if reversing {
				s.due = min(s.due, s.pressed+deadline)
			} else {
				s.due = min(s.due, r.Sent+deadline)
			}
		})
	}
	if !s.echoing {
		s.due = min(s.due, max(s.heard+int64(f.config.EchoInterval), f.now+tendInterval))
	}
	s.due = max(s.due, f.now+tendInterval)
}

// receive reads one payload. An error closes the link.
func (s *station) receive(payload []byte) error {
	f := s.fleet
	a := &f.answer
	if err := s.device.receive(payload, a); err != nil {
		f.stats.Faults++
		if errors.Is(err, ErrUnasked) {
			return nil // a late answer to what was forgotten
		}
		return err
	}
	switch a.Kind {
	case KindSignOn:
		if !a.Authentic {
			return fmt.Errorf("sign-on of terminal %s refused with %s", s.device.Code(), a.Code)
		}
		s.up()
		return nil
	case KindEcho, KindSignOff:
		s.echoing = false
		if a.SignOnAgain {
			return s.signOnAgain()
		}
		return nil
	}
	return s.hear(a)
}

// hear tells the caller of an answer.
func (s *station) hear(a *Answer) error {
	f := s.fleet
	if !a.Authentic {
		f.stats.Hints++
	} else {
		if f.config.Memory != nil {
			f.config.Memory.Remember(s.device.Code(), a)
		}
		if !a.Repeated && !a.Late {
			f.stats.Answered++
			if f.config.OnAnswer != nil {
				f.config.OnAnswer(s.index, a)
			}
		}
	}
	if a.SignOnAgain {
		return s.signOnAgain()
	}
	return nil
}

// signOnAgain asks for new keys on the same link; what waits is then asked again under them.
func (s *station) signOnAgain() error {
	f := s.fleet
	switch {
	case s.state != stateUp:
		return nil // it is being done
	case f.now-s.signedOn < signOnPause:
		return errSignOnLoop
	}
	s.state = stateJoining
	f.joining++
	f.stats.SignedOn--
	if f.config.OnState != nil {
		f.config.OnState(s.index, false, errSignOnAgain)
	}
	s.signOn()
	return nil
}

var errSignOnAgain = errors.New("switch asks to sign on again")
