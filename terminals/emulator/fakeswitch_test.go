package emulator

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/switch/iso8583"
)

// fakeSwitch is a small switch for tests: it signs terminals on, remembers what it decided, and misbehaves when told.
type fakeSwitch struct {
	t        testing.TB
	listener net.Listener
	key      iso8583.Secret
	mode     iso8583.MACMode
	running  sync.WaitGroup

	mu        sync.Mutex
	decided   map[identity]decision
	conns     map[net.Conn]bool
	sequence  int
	debited   int64
	reversed  map[identity]bool
	misbehave func(n int, m *iso8583.Message) misdeed // n counts financial messages, from 1
	financial int
	signOns   int
	doubles   []string
}

type misdeed int

const (
	behave misdeed = iota
	swallow
	hangUp      // before deciding
	hangUpAfter // decided, not answered
	wrongMAC
	unsealedA0
	answerTwice
)

type identity struct {
	terminal string
	batch    uint32
	trace    uint64
	reversal bool
}

type decision struct {
	code, reference string
	amount, card    uint64
}

func startSwitch(t testing.TB, key iso8583.Secret, mode iso8583.MACMode) *fakeSwitch {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f := &fakeSwitch{t: t, listener: l, key: key, mode: mode, decided: map[identity]decision{}, conns: map[net.Conn]bool{}, reversed: map[identity]bool{}}
	f.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns[c] = true
			f.mu.Unlock()
			f.running.Go(func() { f.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		f.cutAll()
		f.running.Wait()
		require.Empty(t, f.doubles)
	})
	return f
}

func (f *fakeSwitch) address() string { return f.listener.Addr().String() }

// cutAll closes every connection, as a crash does.
func (f *fakeSwitch) cutAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		_ = c.Close()
	}
}

func (f *fakeSwitch) locked(look func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	look()
}

// talk is one connection's keys.
type talk struct {
	mac     *iso8583.MAC
	message iso8583.Message
}

func (f *fakeSwitch) serve(c net.Conn) {
	defer func() {
		_ = c.Close()
		f.locked(func() { delete(f.conns, c) })
	}()
	r := bufio.NewReader(c)
	s := &talk{}
	for {
		var prefix [2]byte
		if _, err := io.ReadFull(r, prefix[:]); err != nil {
			return
		}
		payload := make([]byte, binary.BigEndian.Uint16(prefix[:]))
		if _, err := io.ReadFull(r, payload); err != nil {
			return
		}
		if err := s.message.Parse(payload, iso8583.SchemeOf(f.mode).PINBlockLength()); err != nil {
			f.t.Errorf("terminal sent what cannot be read: %v", err)
			return
		}
		reply, ok := f.answer(s)
		if _, err := c.Write(reply); err != nil || !ok {
			return
		}
	}
}

func (f *fakeSwitch) answer(s *talk) (reply []byte, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := &s.message
	switch m.MTI() {
	case iso8583.MTISignOn:
		f.signOns++
		return f.signOn(s), true
	case iso8583.MTIManagement:
		return f.short(m, "00", 0), true
	}
	if s.mac == nil {
		return f.short(m, "C1", 3), true
	}
	if !s.mac.Verify(nil, m.MAB(), m.MAC()) {
		return f.short(m, "A0", 3), true
	}
	f.financial++
	deed := behave
	if f.misbehave != nil {
		deed = f.misbehave(f.financial, m)
	}
	switch deed {
	case hangUp:
		return nil, false
	case swallow:
		f.decide(m)
		return nil, true
	case hangUpAfter:
		f.decide(m)
		return nil, false
	case unsealedA0:
		return f.short(m, "A0", 3), true
	}
	reply = f.financialReply(s, f.decide(m))
	switch deed {
	case wrongMAC:
		reply[len(reply)-1] ^= 1
	case answerTwice:
		reply = append(reply, reply...)
	}
	return reply, true
}

func (f *fakeSwitch) signOn(s *talk) []byte {
	keys, err := iso8583.DrawWorkingKeys(f.mode, func(b []byte) error { _, err := rand.Read(b); return err })
	require.NoError(f.t, err)
	wrapped, err := iso8583.WrapWorkingKeys(iso8583.SchemeOf(f.mode), f.key, keys)
	require.NoError(f.t, err)
	s.mac, err = iso8583.NewMAC(f.mode, keys.MAC)
	require.NoError(f.t, err)
	var b iso8583.Builder
	m := &s.message
	b.Reply(nil, m, iso8583.MTISignOnReply, 0)
	b.Copy(m, 11)
	b.Text(37, "E00000000001")
	b.Text(39, "00")
	b.Copy(m, 41)
	b.Copy(m, 42)
	b.Copy(m, 60)
	b.Bytes(62, wrapped)
	return b.Finish(nil, nil)
}

func (f *fakeSwitch) short(m *iso8583.Message, code string, processing byte) []byte {
	var b iso8583.Builder
	b.Reply(nil, m, m.MTI().Reply(), processing)
	b.Copy(m, 11)
	b.Text(37, "T00000000001")
	b.Text(39, code)
	b.Copy(m, 41)
	b.Copy(m, 42)
	b.Copy(m, 60)
	return b.Finish(nil, nil)
}

// decide books a message once. Cards that end in 1 have no money.
func (f *fakeSwitch) decide(m *iso8583.Message) decision {
	trace, _ := m.Number(11)
	_, batch, _, _ := m.Network()
	id := identity{string(m.Value(41)), batch, trace, m.MTI() == iso8583.MTIReversal}
	amount, _ := m.Number(4)
	card, _, _ := m.CardNumber()
	if d, ok := f.decided[id]; ok {
		if d.amount != amount || d.card != card {
			f.doubles = append(f.doubles, fmt.Sprintf("%+v with other contents", id))
		}
		return d
	}
	f.sequence++
	d := decision{"00", fmt.Sprintf("%012d", f.sequence), amount, card}
	original := id
	original.reversal = false
	switch before, ok := f.decided[original]; {
	case id.reversal && ok && before.code == "00" && !f.reversed[original]:
		f.debited -= int64(amount)
		f.reversed[original] = true
	case id.reversal:
		f.reversed[original] = true
	case f.reversed[id]:
		d.code = "22"
	case card%10 == 1:
		d.code = "51"
	default:
		f.debited += int64(amount)
	}
	f.decided[id] = d
	return d
}

func (f *fakeSwitch) financialReply(s *talk, d decision) []byte {
	var b iso8583.Builder
	m := &s.message
	b.Reply(nil, m, m.MTI().Reply(), 0)
	for _, n := range []int{2, 3, 4, 11} {
		b.Copy(m, n)
	}
	b.Copy(m, 25)
	b.Text(37, d.reference)
	b.Text(39, d.code)
	b.Copy(m, 41)
	b.Copy(m, 42)
	b.Copy(m, 49)
	if d.code == "00" {
		b.Text(54, "1002156C000000012345")
	} else {
		b.Text(56, "\xd3\xe0\xb6\xee\xb2\xbb\xd7\xe3") // 余额不足
	}
	b.Copy(m, 60)
	return b.Finish(s.mac, m.MAC())
}
