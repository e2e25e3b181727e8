package terminals

import (
	"time"

	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// legacyPINBlock is the length of F52 before a session has keys that say otherwise.
const legacyPINBlock = 8

// Session is one terminal's conversation. Its life: open, signed on (working keys drawn and sent), proven (a message with a good MAC has
// come, so whoever signed on holds the terminal's master key), signed off or closed.
type Session struct {
	sessions   *Sessions
	link       Link
	connection uint32 // counts the links this struct has served
	epoch      uint32 // counts sets of keys

	opened    int64 // when the connection, or its time without keys, began
	heard     int64 // when bytes last came
	begun     int64 // when the first byte of an unfinished frame came; 0: none
	unsent    int64 // since when answers have been waiting for the terminal to read; 0: none
	inFlight  int
	paused    bool
	starved   bool // waits in the queue for room in the pending table
	finishing bool // nothing is read any more: the link closes when everything is sent
	badFrames int
	badMACs   int
	keyless   int // requests since there were keys
	unproven  int // sets of keys drawn since the last good MAC on this connection

	signedOn       bool
	proven         bool
	terminal       transaction.TerminalID
	code           transaction.TerminalCode
	merchant       transaction.MerchantCode
	scheme         iso8583.KeyScheme
	mac            *iso8583.MAC
	pin            *iso8583.PINCipher
	pinBlockLength int
}

// Receive takes everything that came and was not consumed before, and appends the requests that are in it. An error, always a
// CloseReason, says that the link is to be closed.
func (s *Session) Receive(now int64, b []byte, requests []transaction.Request) (consumed int, _ []transaction.Request, err error) {
	s.heard = now
	for !s.paused && !s.finishing {
		length, ok, err := iso8583.FrameLength(b[consumed:])
		if err != nil {
			s.sessions.events.rejected(iso8583.FaultOf(err).Label())
			return consumed, requests, ClosedFraming
		}
		end := consumed + iso8583.PrefixSize + length
		if !ok || len(b) < end {
			break
		}
		if s.full() {
			s.begun = 0
			return consumed, requests, nil
		}
		if requests, err = s.frame(now, b[consumed+iso8583.PrefixSize:end], requests); err != nil {
			return consumed, requests, err
		}
		consumed = end
		s.begun = 0
	}
	switch {
	case consumed == len(b) || s.paused || s.finishing:
		s.begun = 0
	case s.begun == 0:
		s.begun = now
	}
	s.sessions.feed()
	return consumed, requests, nil
}

// full stops reading when a bound is reached.
func (s *Session) full() bool {
	t := s.sessions
	switch {
	case len(t.pending.free) == 0:
		s.starved = true
		t.starved.push(s)
		t.events.held("total")
	case s.inFlight >= t.config.MaxInFlightPerConnection:
		t.events.held("connection")
	default:
		return false
	}
	s.pause()
	return true
}

func (s *Session) pause() {
	if !s.paused {
		s.paused = true
		s.link.Pause()
	}
}

// goOn reads again when half of the connection's room is free: not at the first free place, so that a terminal at its bound does not
// cost a system call per answer.
func (s *Session) goOn() {
	if s.paused && !s.starved && !s.sessions.stopping && s.inFlight <= s.sessions.config.MaxInFlightPerConnection/2 {
		s.paused = false
		s.link.Resume()
	}
}

// frame reads one payload.
func (s *Session) frame(now int64, payload []byte, requests []transaction.Request) ([]transaction.Request, error) {
	m := &s.sessions.message
	if err := s.parse(m, payload); err != nil {
		return requests, s.malformed(now, payload, err)
	}
	switch m.MTI() {
	case iso8583.MTIFinancial, iso8583.MTIReversal, iso8583.MTIAdvice:
		return s.financial(now, requests)
	case iso8583.MTISignOn:
		return s.askSignOn(now, requests)
	case iso8583.MTIManagement:
		return s.management(now, requests)
	}
	s.sessions.events.rejected(rejectionLabels[rejectedNotARequest])
	return requests, ClosedGarbage
}

// parse reads a payload. Without keys the length of a PIN block is not known: a terminal that comes back on a new connection and has not
// noticed must hear that it is to sign on, not that its frames are bad.
func (s *Session) parse(m *iso8583.Message, payload []byte) error {
	err := m.Parse(payload, s.pinBlockLength)
	if err != nil && !s.signedOn && m.Parse(payload, 2*legacyPINBlock) == nil {
		return nil
	}
	return err
}

// finish sends what there is and closes.
func (s *Session) finish(why CloseReason) {
	s.finishing = true
	s.link.Finish(why)
}

// keep puts the message on the table in the pending table, and into the core's request what is known without reading it.
func (s *Session) keep(kind transaction.Kind, now int64, r *transaction.Request) {
	s.inFlight++
	s.badFrames = 0
	r.Kind, r.Origin, r.Received = kind, s.sessions.pending.put(s, &s.sessions.message), now
	r.Terminal, r.TerminalCode, r.MerchantCode = s.terminal, s.code, s.merchant
}

// signOff forgets the keys.
func (s *Session) signOff() {
	if s.signedOn {
		s.sessions.signedOn--
		if s.sessions.byNumber[s.terminal] == s {
			delete(s.sessions.byNumber, s.terminal)
		}
	}
	s.signedOn, s.proven, s.mac, s.pin, s.pinBlockLength = false, false, nil, nil, legacyPINBlock
	s.terminal, s.code, s.merchant = 0, transaction.TerminalCode{}, transaction.MerchantCode{}
	s.epoch++
	s.keyless = 0
	s.opened = s.heard
}

// Overdue checks the session's deadlines at a moment; unsent says whether answers wait for the terminal to read. It returns nil or the
// CloseReason.
func (s *Session) Overdue(now int64, unsent bool) error {
	c := &s.sessions.config
	switch {
	case !unsent:
		s.unsent = 0
	case s.unsent == 0:
		s.unsent = now
	}
	switch {
	case late(s.unsent, now, c.FrameTimeout):
		return ClosedSlowReader
	case late(s.begun, now, c.FrameTimeout):
		return ClosedHalfFrame
	case s.paused || s.inFlight > 0:
		return nil // it is our turn
	case !s.signedOn && late(s.opened, now, c.SignOnTimeout):
		return ClosedUnsigned
	case s.signedOn && late(s.heard, now, c.IdleTimeout):
		return ClosedIdle
	}
	return nil
}

func late(since, now int64, limit time.Duration) bool {
	return since != 0 && now-since >= limit.Microseconds()
}
