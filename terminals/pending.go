package terminals

import (
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// pending is one request that waits for its decision, with what its reply repeats.
type pending struct {
	session    *Session
	connection uint32 // the session's, when the request came: another one has no claim to the answer
	epoch      uint32 // the session's keys, likewise
	generation uint32 // of the slot, never 0: an origin names one request and never the slot's next
	echo       iso8583.Echo
}

// pendingTable is the slab of requests in flight. An origin is a slot's generation and number.
type pendingTable struct {
	slots []pending
	free  []uint32
}

func newPendingTable(size int) pendingTable {
	t := pendingTable{slots: make([]pending, size), free: make([]uint32, 0, size)}
	for i := size - 1; i >= 0; i-- {
		t.free = append(t.free, uint32(i))
	}
	return t
}

// put keeps a request. REQUIRES: t.free is not empty.
func (t *pendingTable) put(s *Session, m *iso8583.Message) transaction.Origin {
	i := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	p := &t.slots[i]
	p.session, p.connection, p.epoch = s, s.connection, s.epoch
	if p.generation++; p.generation == 0 {
		p.generation = 1
	}
	m.Echo(&p.echo)
	return transaction.Origin(p.generation)<<32 | transaction.Origin(i)
}

// take finds the request of an origin; nil when it was answered before.
func (t *pendingTable) take(o transaction.Origin) *pending {
	i, generation := uint32(o), uint32(o>>32)
	if int(i) >= len(t.slots) || t.slots[i].generation != generation || t.slots[i].session == nil {
		return nil
	}
	return &t.slots[i]
}

// release gives the slot back.
func (t *pendingTable) release(o transaction.Origin) {
	p := &t.slots[uint32(o)]
	p.session = nil
	t.free = append(t.free, uint32(o))
}

func (t *pendingTable) inFlight() int { return len(t.slots) - len(t.free) }

// starvedQueue holds the sessions that found the pending table full, the longest waiting first.
type starvedQueue struct {
	list []starved
	head int
}

type starved struct {
	session    *Session
	connection uint32
}

func (q *starvedQueue) push(s *Session) { q.list = append(q.list, starved{s, s.connection}) }

// pop returns the first whose connection still stands; nil when there is none.
func (q *starvedQueue) pop() *Session {
	for q.head < len(q.list) {
		first := q.list[q.head]
		q.head++
		if first.session.connection == first.connection {
			q.trim()
			return first.session
		}
	}
	q.trim()
	return nil
}

// trim moves the rest to the front when at least as much has left: each place is moved once at most.
func (q *starvedQueue) trim() {
	if 2*q.head >= len(q.list) {
		q.list = q.list[:copy(q.list, q.list[q.head:])]
		q.head = 0
	}
}
