package terminals

import (
	"net/netip"
	"time"
)

// subscriberBits of an IPv6 address name the subscriber; the rest he chooses himself, a new one for each connection if he likes.
const subscriberBits = 64

// addresses bounds what one address may take: connections open at once, and new ones a second.
type addresses struct {
	open  int // at once, from one address
	rate  int64
	known map[netip.Addr]*address
}

// address is a token bucket: full at first, one token for each new connection, rate tokens back a second.
type address struct {
	open   int
	tokens int64 // millionths; 0 <= tokens <= full
	at     int64 // the moment that tokens are right for
}

const token = 1_000_000 // a token takes as many token-microseconds, so that rate needs no division

func newAddresses(c Config) addresses {
	return addresses{c.MaxConnectionsPerAddress, int64(c.ConnectRatePerAddress), make(map[netip.Addr]*address)}
}

func subscriber(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a
	}
	prefix, err := a.Prefix(subscriberBits)
	if err != nil {
		return netip.Addr{} // no address at all: all such are one
	}
	return prefix.Addr()
}

func (l *addresses) full() int64 { return int64(l.open) * token }

// fill brings the bucket up to a moment. A clock that went back adds nothing.
func (l *addresses) fill(a *address, now int64) {
	passed := min(max(now-a.at, 0), time.Hour.Microseconds())
	a.tokens, a.at = min(a.tokens+passed*l.rate, l.full()), now
}

// enter counts a new connection, or says why it may not come in.
func (l *addresses) enter(from netip.Addr, now int64) (why CloseReason, ok bool) {
	key := subscriber(from)
	a := l.known[key]
	if a == nil {
		a = &address{tokens: l.full(), at: now}
		l.known[key] = a
	}
	l.fill(a, now)
	switch {
	case a.open >= l.open:
		return ClosedPerAddress, false
	case a.tokens < token:
		return ClosedConnectRate, false
	}
	a.tokens -= token
	a.open++
	return 0, true
}

func (l *addresses) leave(from netip.Addr) {
	if a := l.known[subscriber(from)]; a != nil {
		a.open--
	}
}

// forget drops the addresses that a new bucket would do as well for: what is remembered is bounded by the connections of the last moments.
func (l *addresses) forget(now int64) {
	for key, a := range l.known {
		if l.fill(a, now); a.open == 0 && a.tokens == l.full() {
			delete(l.known, key)
		}
	}
}
