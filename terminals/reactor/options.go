package reactor

import (
	"errors"
	"time"
)

// Options bound a loop. Zero values take the defaults in brackets.
type Options struct {
	// MaxConnections is the number of slots [1024]. One connection more is accepted and closed at once, so that its terminal hears of it.
	MaxConnections int
	// ReadBufferBytes is the most that one turn reads from one connection, and so the most that a handler may leave unconsumed
	// [16 KiB]. A connection that fills it without a byte being consumed is closed with ErrMessageTooLong.
	ReadBufferBytes int
	// WriteBufferBytes is the most that may wait to be written after a Flush [256 KiB]. A peer that does not read is closed with
	// ErrSlowReader when there is more.
	WriteBufferBytes int
	// KeepAlive is the time after which a silent peer is probed; three unanswered probes, a third of this time apart, close the
	// connection [60 s].
	KeepAlive time.Duration
	// AcceptPause is how long accepting rests after the system had no file or memory left for another connection [100 ms].
	AcceptPause time.Duration
	// Refused is called with the reason when an incoming connection was turned away: ErrFull, or what the system said.
	Refused func(why error)
}

// Why a loop closes a connection. Others are what the system said, or what the handler gave.
var (
	ErrMessageTooLong = errors.New("message longer than the read buffer")
	ErrSlowReader     = errors.New("peer does not read its answers")
	ErrFull           = errors.New("no free connection slot")
	ErrLoopClosed     = errors.New("loop closed")
)

func (o Options) withDefaults() Options {
	if o.MaxConnections <= 0 {
		o.MaxConnections = 1024
	}
	if o.ReadBufferBytes <= 0 {
		o.ReadBufferBytes = 16 << 10
	}
	if o.WriteBufferBytes <= 0 {
		o.WriteBufferBytes = 256 << 10
	}
	if o.KeepAlive <= 0 {
		o.KeepAlive = time.Minute
	}
	if o.AcceptPause <= 0 {
		o.AcceptPause = 100 * time.Millisecond
	}
	return o
}
