package banksim

import (
	"bufio"
	"net"
	"sync"
	"time"

	"onecard/switch/iso8583"
)

// writeTimeout is how long the other end may leave bytes unread.
const writeTimeout = 10 * time.Second

// link is one connection of the campus.
type link struct {
	conn     net.Conn
	number   int  // of its kind
	signedOn bool // owner: serve
	reading  wire // owner: serve

	mu      sync.Mutex
	sealing wire   // guarded by mu
	out     []byte // guarded by mu; frames that serve writes when it has answered all that has come
	serving bool   // guarded by mu: serve is answering, and will write
}

// close writes what was answered before, and closes.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
	_ = l.conn.Close()
}

// flush writes the frames that wait with one call. REQUIRES: mu is held.
func (l *link) flush() {
	if len(l.out) == 0 {
		return
	}
	out := l.out
	l.out = l.out[:0]
	if err := l.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return
	}
	if _, err := l.conn.Write(out); err != nil {
		_ = l.conn.Close()
	}
}

// rest writes before serve waits for more.
func (l *link) rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
	l.serving = false
}

// answering keeps frames back until serve rests.
func (l *link) answering() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serving = true
}

// serve reads a link to its end.
func (b *Bank) serve(l *link) {
	defer b.serves.Done()
	defer func() {
		l.close()
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.links, l)
	}()
	buffered, payload := bufio.NewReaderSize(l.conn, readBufferBytes), []byte(nil)
	for {
		if !b.framer.Ready(buffered) {
			l.rest()
		}
		var err error
		if payload, err = b.framer.Read(buffered, payload); err != nil {
			return
		}
		if len(payload) == 0 {
			continue
		}
		l.answering()
		m, err := l.reading.open(payload)
		if err != nil && (m == nil || !asksForKey(m)) {
			b.mu.Lock()
			b.books.stats.BadInbound++
			b.mu.Unlock()
			if m != nil && b.config.AnswerBadMAC && m.MTI()[2]&1 == 0 {
				b.send(l, b.answer(m, codeBadMAC), nil)
			}
			continue
		}
		b.told("in", m)
		b.take(l, m)
	}
}

// asksForKey says whether a message is heard whatever its MAC is.
func asksForKey(m *iso8583.BankMessage) bool {
	function, _ := m.Number(70)
	return m.MTI() == "0820" && function == functionKey
}

// readBufferBytes is how much of what has come is taken from the kernel at once.
const readBufferBytes = 64 << 10

func (b *Bank) told(direction string, m *iso8583.BankMessage) {
	if b.config.Trace == nil {
		return
	}
	b.tracing.Lock()
	defer b.tracing.Unlock()
	b.config.Trace(direction, Describe(m))
}

// send seals and writes a message. spoil changes the payload after that. A link that is gone takes nothing, which is what links are like.
func (b *Bank) send(l *link, m *iso8583.BankMessage, spoil func(payload []byte) []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	payload, err := l.sealing.seal(m)
	if err != nil {
		_ = l.conn.Close() // the request had a field that cannot be echoed
		return
	}
	b.told("out", m)
	if spoil != nil {
		payload = spoil(payload)
	}
	l.out = b.framer.Append(l.out, payload)
	if !l.serving || len(l.out) > readBufferBytes {
		l.flush()
	}
}
