package reactor

import (
	"bytes"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// meddler acts on another connection while it is handed the bytes of one: what that other one has received was read before, in the same turn.
type meddler struct {
	conns    []*Conn
	got      map[int32][]byte
	expected int               // connections announced, at most in one turn
	act      func(other *Conn) // once; nil: nothing
}

func (m *meddler) Opened(c *Conn) error {
	m.conns = append(m.conns, c)
	return nil
}

func (m *meddler) Expect(conns []*Conn) { m.expected = max(m.expected, len(conns)) }

func (m *meddler) Received(c *Conn, b []byte) (int, error) {
	m.got[c.ID] = append(m.got[c.ID], b...)
	if act := m.act; act != nil {
		m.act = nil
		for _, other := range m.conns {
			if other != c {
				act(other)
			}
		}
	}
	return len(b), nil
}

func (m *meddler) Closed(*Conn, error) {}

var errMeddled = errors.New("closed by another")

func meddle(t *testing.T, act func(other *Conn)) (*meddler, *Loop) {
	m := &meddler{got: map[int32][]byte{}, act: act}
	l := serve(t, m, Options{})
	clients := [2]net.Conn{dial(t, l), dial(t, l)}
	turnUntil(t, l, func() bool { return len(m.conns) == 2 })
	for _, client := range clients {
		_, err := client.Write([]byte("salted fish"))
		require.NoError(t, err)
	}
	return m, l
}

// TestClosedBeforeItsBytes: what a connection has sent is not handed over once a handler has closed it.
func TestClosedBeforeItsBytes(t *testing.T) {
	m, l := meddle(t, func(other *Conn) { other.Close(errMeddled) })
	turnUntil(t, l, func() bool { return len(m.got) > 0 })
	require.Len(t, m.got, 1)
	require.Equal(t, 1, l.Len())
}

// TestPausedBeforeItsBytes: what a connection has sent waits while a handler has paused it, and comes whole when it is resumed.
func TestPausedBeforeItsBytes(t *testing.T) {
	var paused *Conn
	m, l := meddle(t, func(other *Conn) { paused = other; other.Pause() })
	turnUntil(t, l, func() bool { return len(m.got) > 0 })
	for range 3 {
		_, err := l.Poll(0)
		require.NoError(t, err)
	}
	require.Len(t, m.got, 1)
	paused.Resume()
	turnUntil(t, l, func() bool { return len(m.got) == 2 })
	require.Equal(t, "salted fish", string(m.got[paused.ID]))
	require.Zero(t, paused.Unconsumed())
}

// TestMoreThanIsKept: a turn in which more comes than is received before it is handed over loses nothing and mixes nothing up.
func TestMoreThanIsKept(t *testing.T) {
	m := &meddler{got: map[int32][]byte{}}
	l := serve(t, m, Options{})
	const clients, bytesEach = 40, 12 << 10 // 480 KiB
	for i := range clients {
		client := dial(t, l)
		_, err := client.Write(bytes.Repeat([]byte{byte('A' + i)}, bytesEach))
		require.NoError(t, err)
	}
	turnUntil(t, l, func() bool {
		total := 0
		for _, b := range m.got {
			total += len(b)
		}
		return total == clients*bytesEach
	})
	seen := map[byte]bool{}
	for _, b := range m.got {
		require.Equal(t, bytes.Repeat(b[:1], bytesEach), b)
		seen[b[0]] = true
	}
	require.Len(t, seen, clients)
	require.Greater(t, m.expected, 1)
}
