package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"unsafe"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"onecard/switch/iso8583"
	"onecard/terminals/emulator/samplecampus"
	"onecard/terminals/reactor"
)

// The limits. Echo reads frames and answers each with as many bytes: what the sockets and the client allow. Floor does besides what no
// durable switch can leave out: it decodes, checks the MAC, puts the raw bytes of everything that came in one turn on the disk with one
// fdatasync, and answers under a MAC. Both are one goroutine over the same reactor as the switch, and know nothing of cards, accounts,
// duplicates or rules. They sign terminals on as the switch does, so that the client cannot tell the difference.

// floorFileBytes are written before the measurement: the log of a switch that has been running for a while is overwritten, not extended
// (ledger study 3.1: nearly twice as fast).
const floorFileBytes = 256 << 20

const sectorBytes = 4 << 10

func newLimitCommand(kind string) *cobra.Command {
	var folder string
	var seed uint64
	var terminals int
	c := &cobra.Command{
		Use: kind + "-server", Short: "极限参照服务器 / the limit that saturate compares with", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			l, err := newLimit(kind == "floor", folder, limitCampus(seed, terminals))
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "ready terminals=%s operations= control=\n", l.loop.Addr())
			return l.run()
		},
	}
	c.Flags().StringVar(&folder, "folder", ".", "")
	c.Flags().Uint64Var(&seed, "seed", 1, "")
	c.Flags().IntVar(&terminals, "terminals", 2000, "")
	return c
}

// limitCampus has the terminals of the measured campus, which come before its people.
func limitCampus(seed uint64, terminals int) *samplecampus.Campus {
	o := campusOptions(seed, terminals)
	o.Holders = 1
	return samplecampus.New(o)
}

// limit is one bare server.
type limit struct {
	loop    *reactor.Loop
	masters map[string]iso8583.Secret
	mode    iso8583.MACMode
	durable bool
	message iso8583.Message
	builder iso8583.Builder

	file   int
	at     int64
	group  []byte // raw frames of this turn, rounded up to whole sectors before they are written
	number uint64
	digits [12]byte
}

func newLimit(durable bool, folder string, campus *samplecampus.Campus) (*limit, error) {
	l := &limit{durable: durable, masters: make(map[string]iso8583.Secret, len(campus.Terminals)), mode: campus.MACModeOf(), file: -1}
	for i := range campus.Terminals {
		l.masters[campus.Terminals[i].Code] = campus.Terminals[i].Key
	}
	var err error
	if durable {
		if err := l.prepareFile(folder); err != nil {
			return nil, err
		}
	}
	l.loop, err = reactor.Listen("127.0.0.1:0", l, reactor.Options{MaxConnections: 8192, ReadBufferBytes: 64 << 10})
	return l, err
}

// prepareFile makes the log and writes all of it.
func (l *limit) prepareFile(folder string) error {
	f, err := os.CreateTemp(folder, "floor-*.log")
	if err != nil {
		return fmt.Errorf("making the floor's log: %w", err)
	}
	zeros := make([]byte, 16<<10) // in pieces, as the switch fills its logs: it makes later writes cheaper
	for range floorFileBytes / len(zeros) {
		if _, err := f.Write(zeros); err != nil {
			return fmt.Errorf("writing the floor's log: %w", err)
		}
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing the floor's log: %w", err)
	}
	// The name goes and the file stays open, so that nothing is left behind.
	if err := os.Remove(f.Name()); err != nil {
		return fmt.Errorf("removing the name of the floor's log: %w", err)
	}
	if l.file, err = unix.Dup(int(f.Fd())); err != nil {
		return fmt.Errorf("keeping the floor's log: %w", err)
	}
	_ = f.Close()
	l.group = make([]byte, 0, 8<<20)
	return nil
}

func (l *limit) run() error {
	for {
		if err := l.turn(); err != nil {
			return err
		}
	}
}

// turn reads every connection that is ready, makes what came durable, and answers.
func (l *limit) turn() error {
	if _, err := l.loop.Poll(-1); err != nil {
		return err
	}
	if len(l.group) > 0 {
		if err := l.sync(); err != nil {
			return err
		}
	}
	l.loop.Flush()
	return nil
}

// sync makes the turn's raw bytes durable. The calls are raw: this goroutine is all there is, and the scheduler need not hear of them.
func (l *limit) sync() error {
	size := (len(l.group) + sectorBytes - 1) / sectorBytes * sectorBytes
	b := l.group[:size]
	if l.at+int64(size) > floorFileBytes {
		l.at = 0
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_PWRITE64, uintptr(l.file), uintptr(unsafe.Pointer(&b[0])), uintptr(size), uintptr(l.at), 0, 0)
	if errno != 0 || int(n) != size {
		return fmt.Errorf("writing the floor's log: %d of %d bytes: %w", n, size, errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_FDATASYNC, uintptr(l.file), 0, 0); errno != 0 {
		return fmt.Errorf("syncing the floor's log: %w", errno)
	}
	l.at += int64(size)
	l.group = l.group[:0]
	return nil
}

// Opened accepts.
func (l *limit) Opened(*reactor.Conn) error { return nil }

// Closed forgets.
func (l *limit) Closed(*reactor.Conn, error) {}

// Received answers every whole frame. What is appended here leaves after sync.
func (l *limit) Received(c *reactor.Conn, b []byte) (consumed int, err error) {
	out := c.Buffer()
	for {
		n, ok, err := iso8583.FrameLength(b[consumed:])
		if err != nil {
			return consumed, err
		}
		end := consumed + iso8583.PrefixSize + n
		if !ok || end > len(b) {
			break
		}
		frame := b[consumed:end]
		consumed = end
		switch mac, _ := c.Tag.(*iso8583.MAC); {
		case frame[13] == 0x08:
			if out, err = l.signOn(c, out, frame); err != nil {
				return consumed, err
			}
		case l.durable:
			if out, err = l.decide(mac, out, frame); err != nil {
				return consumed, err
			}
		default:
			out = append(out, frame...)
			out[len(out)-len(frame)+14] |= 0x10 // 0200 -> 0210
		}
	}
	c.Update(out)
	return consumed, nil
}

// signOn hands out working keys, as the switch does.
func (l *limit) signOn(c *reactor.Conn, out, frame []byte) ([]byte, error) {
	m := &l.message
	if err := m.Parse(frame[iso8583.PrefixSize:], 16); err != nil {
		return out, err
	}
	keys, err := iso8583.DrawWorkingKeys(l.mode, func(b []byte) error { _, err := rand.Read(b); return err })
	if err != nil {
		return out, err
	}
	field62, err := iso8583.WrapWorkingKeys(iso8583.SchemeOf(l.mode), l.masters[string(m.Value(41))], keys)
	if err != nil {
		return out, err
	}
	mac, err := iso8583.NewMAC(l.mode, keys.MAC)
	if err != nil {
		return out, err
	}
	c.Tag = mac
	b := &l.builder
	b.Reply(out, m, iso8583.MTISignOnReply, 0)
	b.Copy(m, 11)
	b.Text(39, "00")
	b.Copy(m, 41)
	b.Copy(m, 42)
	b.Copy(m, 60)
	b.Bytes(62, field62)
	return b.Finish(nil, nil), nil
}

// decide does what cannot be left out: decode, MAC, raw bytes into the group, answer with its MAC.
func (l *limit) decide(mac *iso8583.MAC, out, frame []byte) ([]byte, error) {
	m := &l.message
	if err := m.Parse(frame[iso8583.PrefixSize:], 16); err != nil {
		return out, err
	}
	if mac == nil || !mac.Verify(nil, m.MAB(), m.MAC()) {
		return out, fmt.Errorf("wrong MAC")
	}
	l.group = append(l.group, frame...)
	l.number++
	b := &l.builder
	b.Reply(out, m, m.MTI().Reply(), 0)
	b.Copy(m, 2)
	b.Copy(m, 3)
	b.Copy(m, 4)
	b.Copy(m, 11)
	b.Number(12, 115900)
	b.Number(13, 1123)
	b.Number(15, 1123)
	b.Copy(m, 25)
	b.Digits(32, "00010000")
	b.Bytes(37, l.reference())
	b.Bytes(38, l.digits[6:])
	b.Text(39, "00")
	b.Copy(m, 41)
	b.Copy(m, 42)
	b.Copy(m, 49)
	b.Text(54, "1002156C000000012345")
	b.Copy(m, 60)
	return b.Finish(mac, m.MAC()), nil
}

func (l *limit) reference() []byte {
	n := l.number
	for i := len(l.digits) - 1; i >= 0; i-- {
		l.digits[i] = byte('0' + n%10)
		n /= 10
	}
	return l.digits[:]
}
