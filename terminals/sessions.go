package terminals

import (
	"fmt"
	"io"
	"slices"

	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// Link is what a session talks through: a connection of the reactor, or anything else in a test.
type Link interface {
	// Buffer returns what waits to be sent, for appending to; Update gives it back.
	Buffer() []byte
	Update([]byte)
	// Pause stops the bytes from coming, Resume lets them come again, beginning with those that were left.
	Pause()
	Resume()
	// Finish closes when everything is sent, Close at once.
	Finish(why error)
	Close(why error)
}

// Keys opens terminals' master keys and turns PINs into what is stored of them.
type Keys interface {
	// OpenTerminalKey opens the master key that was sealed for a terminal.
	OpenTerminalKey(terminal transaction.TerminalCode, sealed []byte) (iso8583.Secret, error)
	// PINValue is the verification value of a PIN, never 0.
	PINValue(card transaction.CardNumber, pin iso8583.PIN) uint64
}

// Sessions holds all sessions and what they share. It belongs to one goroutine and knows no socket and no clock: moments are microseconds
// since 1970 and come from the caller.
type Sessions struct {
	config Config
	keys   Keys
	random io.Reader
	events Events

	pending  pendingTable
	byNumber map[transaction.TerminalID]*Session // signed on and proven by a good MAC
	free     []*Session
	starved  starvedQueue
	signedOn int
	stopping bool

	message     iso8583.Message
	echo        iso8583.Echo // of what is declined at once
	builder     iso8583.Builder
	other       *iso8583.OtherCodec
	mended      []byte // copy of a frame that cannot be read as it is
	clock       localTime
	institution []byte // F32 on the wire
	texts       sentences
	prices      []byte   // scratch of priceField
	digits      [20]byte // likewise
	near        byte     // what bringing near has read, so that it is not left out
	unique      int64    // last moment used to number an answer that the core never saw
}

// NewSessions checks the configuration and makes room for everything in flight. random supplies working keys: crypto/rand in the switch.
func NewSessions(c Config, keys Keys, random io.Reader, events Events) (*Sessions, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("terminal link: %w", err)
	}
	return &Sessions{
		config: c, keys: keys, random: random, events: events, pending: newPendingTable(c.MaxInFlight),
		byNumber: make(map[transaction.TerminalID]*Session), other: iso8583.NewOtherCodec(), clock: newLocalTime(c.Zone), institution: iso8583.WireOf(32, c.Institution), texts: newSentences(),
	}, nil
}

// Open starts a session on a link.
func (t *Sessions) Open(link Link, now int64) *Session {
	var s *Session
	if n := len(t.free); n > 0 {
		s, t.free = t.free[n-1], t.free[:n-1]
	} else {
		s = new(Session)
	}
	*s = Session{sessions: t, link: link, connection: s.connection + 1, epoch: s.epoch + 1, opened: now, heard: now, pinBlockLength: legacyPINBlock}
	if t.stopping {
		s.pause()
	}
	return s
}

// Closed ends a session whose link has gone. Answers to its requests in flight will be dropped: the terminal asks again.
func (t *Sessions) Closed(s *Session) {
	s.signOff()
	s.connection++ // requests in flight have no claim any more
	s.link = nil
	t.free = append(t.free, s)
	t.feed() // it may have been the one whose turn it was
}

// nearSessions are brought near together, see transaction.State.warm.
const nearSessions = 64

// bringNear reads what sessions need for a message: with a thousand of them that speak in turn, most of it has left the processor's caches since.
// Reading one kind of memory for all and then the next, the waits overlap.
func (t *Sessions) bringNear(sessions []*Session) {
	sink := t.near
	for _, s := range sessions {
		sink ^= byte(s.heard) ^ byte(s.badFrames)
	}
	for _, s := range sessions {
		if s.mac != nil {
			sink ^= s.mac.Near()
		}
	}
	t.near = sink
}

// AnswerAll sends decisions to whom they belong.
func (t *Sessions) AnswerAll(decisions []transaction.Decision) {
	for decisions := range slices.Chunk(decisions, nearSessions) {
		t.expect(decisions)
		for i := range decisions {
			t.Answer(&decisions[i])
		}
	}
}

// expect brings near what answers are made of.
func (t *Sessions) expect(decisions []transaction.Decision) {
	var sessions [nearSessions]*Session
	n := 0
	for i := range decisions {
		if p := t.pending.take(decisions[i].Origin); p != nil {
			sessions[n] = p.session
			n++
		}
	}
	t.bringNear(sessions[:n])
}

// Answer sends one decision to whom it belongs.
func (t *Sessions) Answer(d *transaction.Decision) {
	p := t.pending.take(d.Origin)
	if p == nil {
		t.dropped()
		return
	}
	s := p.session
	switch {
	case s.connection != p.connection:
		t.dropped()
	case s.epoch != p.epoch || d.Silent:
		s.inFlight--
		if !d.Silent {
			t.dropped()
		}
	default:
		s.inFlight--
		s.answer(&p.echo, d)
	}
	t.pending.release(d.Origin)
	if s.connection == p.connection {
		s.goOn()
	}
	t.feed()
}

func (t *Sessions) dropped() {
	if t.events.AnswerDropped != nil {
		t.events.AnswerDropped()
	}
}

// feed lets one session read again that found the pending table full. It is called whenever there may be room: one that is let in and
// then asks for nothing must not keep the others waiting.
func (t *Sessions) feed() {
	for len(t.starved.list) > 0 && len(t.pending.free) > 0 && !t.stopping {
		s := t.starved.pop()
		if s == nil {
			return
		}
		s.starved = false
		if s.goOn(); !s.paused {
			return
		}
	}
}

// Stop reads no more requests on any session; what is in flight is still answered. visit calls its argument with every open session.
func (t *Sessions) Stop(visit func(func(*Session))) {
	t.stopping = true
	visit(func(s *Session) { s.pause() })
}

// InFlight is how many requests wait for their decisions.
func (t *Sessions) InFlight() int { return t.pending.inFlight() }

// SignedOn is how many sessions have working keys.
func (t *Sessions) SignedOn() int { return t.signedOn }

// number makes a reference for an answer that the core never saw: 'T' and a moment that no other such answer has.
func (t *Sessions) number(now int64) transaction.Reference {
	t.unique = max(t.unique+1, now)
	r := transaction.EchoReference(t.unique)
	r[0] = 'T'
	return r
}
