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
	framing  iso8583.BankFraming
	reading  *iso8583.MAC // owner: serve
	signedOn bool         // owner: serve

	mu      sync.Mutex
	sealing *iso8583.MAC // guarded by mu
}

func (l *link) close() { _ = l.conn.Close() }

// serve reads a link to its end.
func (b *Bank) serve(l *link) {
	defer b.serves.Done()
	defer func() {
		l.close()
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.links, l)
	}()
	buffered := bufio.NewReader(l.conn)
	for {
		payload, err := iso8583.ReadBankFrame(buffered, l.framing)
		if err != nil {
			return
		}
		if len(payload) == 0 {
			continue
		}
		m, err := b.open(payload, l.reading)
		if err != nil {
			b.mu.Lock()
			b.books.stats.BadInbound++
			b.mu.Unlock()
			continue
		}
		b.told("in", m)
		b.take(l, m)
	}
}

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
	payload, err := m.Seal(l.sealing)
	if err != nil {
		l.close() // the request had a field that cannot be echoed
		return
	}
	b.told("out", m)
	if spoil != nil {
		payload = spoil(payload)
	}
	if err := l.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return
	}
	if _, err := l.conn.Write(iso8583.AppendBankFrame(nil, l.framing, payload)); err != nil {
		l.close()
	}
}
