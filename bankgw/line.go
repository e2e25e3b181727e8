package bankgw

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"onecard/switch/iso8583"
)

// DialFunc opens a connection to the bank, as net.Dialer.DialContext.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// writeTimeout is how long the bank may leave our bytes unread before its line is taken for dead.
const writeTimeout = 10 * time.Second

// line is one connection with a reader and a writer goroutine. Cancelling its context, which its link holds, ends both.
type line struct {
	conn   net.Conn
	outbox outbox
}

// full says that nothing more can be handed to the writer now. Only the gateway's goroutine sends, so a line that is not full takes the
// next frame.
func (l *line) full() bool { return l.outbox.frames.Load() >= l.outbox.bound }

// outbox holds the frames that wait for the writer, one behind the other, so that it writes all of them with one call.
type outbox struct {
	bound  int64
	frames atomic.Int64 // waiting; written under mu
	idle   bool         // nothing was added since the writer was woken; owner: Run

	mu    sync.Mutex
	bytes []byte // guarded by mu

	wake chan struct{} // holds one: there is something to write
}

// add puts a message behind the others. The writer hears of it when the outbox is flushed.
func (o *outbox) add(framer *iso8583.BankFramer, message []byte) {
	o.idle = false
	o.mu.Lock()
	defer o.mu.Unlock()
	o.frames.Add(1)
	o.bytes = framer.Append(o.bytes, message)
}

// flush wakes the writer.
func (o *outbox) flush() {
	if o.idle {
		return
	}
	o.idle = true
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take moves what waits into written, and gives the outbox what written was for its next.
func (o *outbox) take(written []byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes, written = written[:0], o.bytes
	o.frames.Store(0)
	return written
}

// flush wakes the writers that have something to write.
func (g *Gateway) flush() {
	for _, l := range g.links {
		if l.line != nil {
			l.line.outbox.flush()
		}
	}
}

// happening is what a line's goroutine has to tell the gateway's.
type happening struct {
	link       int
	generation uint64 // of the link when the line was asked for: older ones are gone
	kind       happeningKind
	line       *line    // connected
	answers    []answer // heard
	fault      fault    // unfit
	refused    *answer  // unfit: a key change, which is answered all the same
	text       string   // lost
}

type happeningKind uint8

const (
	lineConnected happeningKind = iota
	lineHeard                   // authentic messages, in the order in which they came
	lineUnfit                   // bytes that are none
	lineLost                    // could not be connected, or broke
)

// post reports false when the gateway does not listen any more.
func (g *Gateway) post(ctx context.Context, h happening) bool {
	select {
	case g.happenings <- h:
		return true
	case <-ctx.Done():
		return false
	}
}

// runLine connects, hands the line over and reads it to its end.
func (g *Gateway) runLine(ctx context.Context, h happening, address string) {
	defer g.running.Done()
	dialing, cancel := context.WithTimeout(ctx, g.config.ConnectTimeout)
	conn, err := g.dial(dialing, "tcp", address)
	cancel()
	if err != nil {
		h.kind, h.text = lineLost, fmt.Sprintf("连接 %s 失败,请检查网络与银行前置机 / connecting to %s failed, check the network and the bank's front end: %s", address, address, err)
		g.post(ctx, h)
		return
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // ends a read and a write that wait
	defer stop()
	l := &line{conn: conn, outbox: outbox{bound: int64(g.config.MaxInFlight + g.config.MaxReversalsInFlight + networkRoom), wake: make(chan struct{}, 1)}}
	g.running.Add(1)
	go g.writeLine(ctx, l)
	h.kind, h.line = lineConnected, l
	g.post(ctx, h)
	h.line = nil
	g.readLine(ctx, h, conn)
	_ = conn.Close() // it broke, or was cut: either way it is gone
}

// writeLine sends what is in the outbox. A line that cannot be written is closed, and the reader tells.
func (g *Gateway) writeLine(ctx context.Context, l *line) {
	defer g.running.Done()
	var frames []byte
	for {
		select {
		case <-l.outbox.wake:
			if frames = l.outbox.take(frames); len(frames) == 0 {
				continue
			}
			if err := l.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
				_ = l.conn.Close()
				return
			}
			if _, err := l.conn.Write(frames); err != nil {
				_ = l.conn.Close()
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// spareAnswers is room for messages that come together.
func (g *Gateway) spareAnswers() []answer {
	select {
	case answers := <-g.spare:
		return answers
	default:
		return make([]answer, 0, answersTogether)
	}
}

func (g *Gateway) giveSpare(answers []answer) {
	clear(answers)
	select {
	case g.spare <- answers[:0]:
	default:
	}
}

// readLine tells what comes until the line breaks: whatever is there together it tells together, and it never waits for more. The MAC is
// checked here, over the bytes as they came, before anything is believed.
func (g *Gateway) readLine(ctx context.Context, h happening, conn net.Conn) {
	reading, err := g.writer.reader()
	if err != nil { // New has tried this key
		h.kind, h.text = lineLost, err.Error()
		g.post(ctx, h)
		return
	}
	buffered, payload := bufio.NewReaderSize(conn, readBufferBytes), []byte(nil)
	for {
		h.kind, h.answers = lineHeard, g.spareAnswers()
		wrong, err := noFault, error(nil)
		h.refused = nil
		for more := true; more && err == nil && wrong == noFault; {
			payload, err = g.framer.Read(buffered, payload)
			if wrong, err = g.misfit(payload, err); err == nil && wrong == noFault && len(payload) > 0 {
				var a answer
				if a, wrong = readOne(reading, payload); wrong == noFault {
					h.answers = append(h.answers, a)
				} else if a.mti == mtiKey {
					h.refused = &a
				}
			}
			more = len(h.answers) < answersTogether && g.framer.Ready(buffered)
		}
		if len(h.answers) > 0 && !g.post(ctx, h) {
			return
		}
		h.answers = nil
		if wrong != noFault {
			h.kind, h.fault = lineUnfit, wrong
			if !g.post(ctx, h) {
				return
			}
		}
		if err != nil {
			h.kind, h.text = lineLost, "链路中断 / the line broke: "+err.Error()
			g.post(ctx, h)
			return
		}
	}
}

// readBufferBytes is how much of what has come is taken from the kernel at once.
const readBufferBytes = 64 << 10

// noFault is no fault.
const noFault = faultCount

// misfit says what is wrong with what came: a fault to tell, an error that ends the line, or both.
func (g *Gateway) misfit(payload []byte, err error) (fault, error) {
	switch {
	case errors.Is(err, iso8583.ErrBankRejected):
		return faultRejected, nil
	case err == nil && len(payload) > g.config.MaxMessageBytes:
		return faultTooLong, fmt.Errorf("a message of %d bytes, max_message_bytes is %d", len(payload), g.config.MaxMessageBytes)
	}
	return noFault, err // a heartbeat is empty: it has no MAC and proves nothing
}

// readOne takes one message apart.
func readOne(reading reader, payload []byte) (answer, fault) {
	a, err := reading.read(payload)
	switch {
	case err == nil:
		return a, noFault
	case a.mti == mtiKey && errors.Is(err, iso8583.ErrBankMAC):
		return a, faultKeyMAC
	case a.mti == mtiKey:
		return a, faultKeyCheckValue
	case errors.Is(err, iso8583.ErrBankMAC):
		return a, faultMAC
	}
	return a, faultUnreadable
}
