package terminals

import "onecard/switch/transaction"

// keptFrameBytes of a request are kept inside its slot; a longer one, which no terminal sends by the thousand, is kept beside it.
const keptFrameBytes = 512

// pending is one request that waits for its decision. The raw frame is kept because a reply echoes its fields as they came, pad nibbles
// included, and is bound to its MAC.
type pending struct {
	session    *Session
	connection uint32 // the session's, when the request came: another one has no claim to the answer
	epoch      uint32 // the session's keys, likewise
	generation uint32 // of the slot, never 0: an origin names one request and never the slot's next
	length     uint16
	frame      [keptFrameBytes]byte
	long       []byte
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
func (t *pendingTable) put(s *Session, payload []byte) transaction.Origin {
	i := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	p := &t.slots[i]
	p.session, p.connection, p.epoch, p.length = s, s.connection, s.epoch, uint16(len(payload))
	if p.generation++; p.generation == 0 {
		p.generation = 1
	}
	if len(payload) <= keptFrameBytes {
		copy(p.frame[:], payload)
	} else {
		p.long = append([]byte(nil), payload...)
	}
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
	p.session, p.long = nil, nil
	t.free = append(t.free, uint32(o))
}

// payload is the request as it came.
func (p *pending) payload() []byte {
	if p.long != nil {
		return p.long
	}
	return p.frame[:p.length]
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
