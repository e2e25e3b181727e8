package bankgw

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
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
	outbox chan []byte // frames; only the gateway's goroutine sends
}

// full says that nothing more can be handed to the writer now. Only the gateway's goroutine sends, so a line that is not full takes the
// next frame.
func (l *line) full() bool { return len(l.outbox) == cap(l.outbox) }

// happening is what a line's goroutine has to tell the gateway's.
type happening struct {
	link       int
	generation uint64 // of the link when the line was asked for: older ones are gone
	kind       happeningKind
	line       *line  // connected
	answer     answer // heard
	fault      fault  // unfit
	text       string // lost
}

type happeningKind uint8

const (
	lineConnected happeningKind = iota
	lineHeard                   // an authentic message
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
	l := &line{conn: conn, outbox: make(chan []byte, g.config.MaxInFlight+g.config.MaxReversalsInFlight+networkRoom)}
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
	for {
		select {
		case frame := <-l.outbox:
			if err := l.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
				_ = l.conn.Close()
				return
			}
			if _, err := l.conn.Write(frame); err != nil {
				_ = l.conn.Close()
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// readLine tells what comes until the line breaks. The MAC is checked here, over the bytes as they came, before anything is believed.
func (g *Gateway) readLine(ctx context.Context, h happening, conn net.Conn) {
	mac, err := iso8583.NewMAC(g.mode, g.key)
	if err != nil { // New has tried this key
		h.kind, h.text = lineLost, err.Error()
		g.post(ctx, h)
		return
	}
	buffered := bufio.NewReader(conn)
	for {
		payload, err := iso8583.ReadBankFrame(buffered, g.config.Framing)
		if err == nil && len(payload) > g.config.MaxMessageBytes {
			h.kind, h.fault = lineUnfit, faultTooLong
			g.post(ctx, h)
			err = fmt.Errorf("a message of %d bytes, max_message_bytes is %d", len(payload), g.config.MaxMessageBytes)
		}
		if err != nil {
			h.kind, h.text = lineLost, "链路中断 / the line broke: "+err.Error()
			g.post(ctx, h)
			return
		}
		if len(payload) == 0 {
			continue // a heartbeat: it has no MAC and proves nothing
		}
		m, err := g.open(payload, mac)
		switch {
		case err == nil:
			h.kind, h.answer = lineHeard, readAnswer(m)
		case errors.Is(err, iso8583.ErrBankMAC):
			h.kind, h.fault = lineUnfit, faultMAC
		default:
			h.kind, h.fault = lineUnfit, faultUnreadable
		}
		if !g.post(ctx, h) {
			return
		}
	}
}
