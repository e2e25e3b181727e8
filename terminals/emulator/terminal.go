package emulator

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
)

// ErrTimeout says that no answer came in time. It is unknown what became of the request: reverse it or repeat it.
var ErrTimeout = errors.New("no answer in time")

// Terminal is a Device at the end of a TCP connection that waits for each answer: for people and tests. It belongs to one goroutine.
type Terminal struct {
	Device *Device
	// Timeout is how long an answer is waited for.
	Timeout time.Duration
	// Frame, if set, sees every whole frame that leaves (sent) or comes.
	Frame func(sent bool, frame []byte)

	conn   net.Conn
	reader *bufio.Reader
}

// defaultTimeout is longer than the switch waits for the bank, so that a load's answer is not missed.
const defaultTimeout = 30 * time.Second

// Dial connects a device to the switch.
func Dial(ctx context.Context, address string, d *Device) (*Terminal, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connecting terminal %s: %w", d.Code(), err)
	}
	return NewTerminal(conn, d), nil
}

// NewTerminal is Dial for a connection that stands.
func NewTerminal(conn net.Conn, d *Device) *Terminal {
	return &Terminal{Device: d, Timeout: defaultTimeout, conn: conn, reader: bufio.NewReaderSize(conn, iso8583.MaxPayload+iso8583.PrefixSize)}
}

// Close ends the connection without signing off. The device can be dialled again.
func (t *Terminal) Close() error {
	t.Device.Forget()
	return t.conn.Close()
}

// SignOn exchanges keys. An answer other than 00 is no error.
func (t *Terminal) SignOn() (Answer, error) { return t.exchange(t.Device.SignOn(nil), nil) }

// SignOff ends the session; the connection stays.
func (t *Terminal) SignOff() (Answer, error) { return t.exchange(t.Device.SignOff(nil), nil) }

// Echo asks whether the switch is there.
func (t *Terminal) Echo() (Answer, error) { return t.exchange(t.Device.Echo(nil), nil) }

// Purchase takes amount from a card; pin is "" when the holder types none.
func (t *Terminal) Purchase(card uint64, amount money.Fen, pin iso8583.PIN) (Answer, error) {
	return t.exchange(t.Device.Purchase(nil, card, amount, pin))
}

// Balance asks what a card can spend.
func (t *Terminal) Balance(card uint64) (Answer, error) {
	return t.exchange(t.Device.Balance(nil, card))
}

// Load asks the bank for money.
func (t *Terminal) Load(card uint64, amount money.Fen, pin iso8583.PIN) (Answer, error) {
	return t.exchange(t.Device.Load(nil, card, amount, pin))
}

// Passage asks whether a card may pass.
func (t *Terminal) Passage(card uint64, way Direction) (Answer, error) {
	return t.exchange(t.Device.Passage(nil, card, way))
}

// Reversal takes a remembered transaction back.
func (t *Terminal) Reversal(trace uint32, cause Cause) (Answer, error) {
	return t.exchange(t.Device.Reversal(nil, trace, cause))
}

// Repeat sends a remembered transaction again.
func (t *Terminal) Repeat(trace uint32) (Answer, error) {
	return t.exchange(t.Device.Repeat(nil, trace))
}

// Do sends any request.
func (t *Terminal) Do(r Request) (Answer, error) {
	frame, _, err := t.Device.Append(nil, &r)
	return t.exchange(frame, err)
}

// exchange sends a frame and waits for the answer of the same class and trace; late answers to others are passed over.
func (t *Terminal) exchange(frame []byte, err error) (Answer, error) {
	if err != nil {
		return Answer{}, err
	}
	if err := t.Send(frame); err != nil {
		return Answer{}, err
	}
	var asked iso8583.Message
	if err := asked.Parse(frame[iso8583.PrefixSize:], t.Device.scheme.PINBlockLength()); err != nil {
		return Answer{}, fmt.Errorf("reading our own frame: %w", err)
	}
	trace, _ := asked.Number(11)
	for deadline := time.Now().Add(t.Timeout); ; {
		reply, err := t.read(deadline)
		if err != nil {
			return Answer{}, err
		}
		answer, err := t.Device.Receive(reply)
		var got iso8583.Message
		if got.Parse(reply[iso8583.PrefixSize:], t.Device.scheme.PINBlockLength()) == nil && answer.Trace == uint32(trace) && got.MTI() == asked.MTI().Reply() {
			return answer, err
		}
		if err != nil && !errors.Is(err, ErrUnasked) {
			return answer, err
		}
	}
}

// Send writes any bytes: a frame, a part of one, or rubbish.
func (t *Terminal) Send(b []byte) error {
	if t.Frame != nil {
		t.Frame(true, b)
	}
	if err := t.conn.SetWriteDeadline(time.Now().Add(t.Timeout)); err != nil {
		return fmt.Errorf("terminal %s: %w", t.Device.Code(), err)
	}
	if _, err := t.conn.Write(b); err != nil {
		return fmt.Errorf("terminal %s: sending: %w", t.Device.Code(), err)
	}
	return nil
}

// Read waits for one whole frame, whatever it is, without giving it to the device. io.EOF says that the switch has closed the connection.
func (t *Terminal) Read() ([]byte, error) { return t.read(time.Now().Add(t.Timeout)) }

func (t *Terminal) read(deadline time.Time) ([]byte, error) {
	if err := t.conn.SetReadDeadline(deadline); err != nil {
		return nil, fmt.Errorf("terminal %s: %w", t.Device.Code(), err)
	}
	prefix, err := t.reader.Peek(iso8583.PrefixSize)
	if err != nil {
		return nil, t.readError(err)
	}
	n, _, err := iso8583.FrameLength(prefix)
	if err != nil {
		return nil, fmt.Errorf("terminal %s: %w", t.Device.Code(), err)
	}
	frame := make([]byte, iso8583.PrefixSize+n)
	if _, err := io.ReadFull(t.reader, frame); err != nil {
		return nil, t.readError(err)
	}
	if t.Frame != nil {
		t.Frame(false, frame)
	}
	return frame, nil
}

func (t *Terminal) readError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("terminal %s: %w (%s)", t.Device.Code(), ErrTimeout, t.Timeout)
	}
	return fmt.Errorf("terminal %s: receiving: %w", t.Device.Code(), err)
}
