package iso8583

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEchoIsCopy: a reply from what was kept is the reply from the request itself, for every frame of the vectors that is read.
func TestEchoIsCopy(t *testing.T) {
	read := 0
	for _, v := range vectors(t) {
		name, frame := v.name, v.frame
		var m Message
		if m.Parse(frame[PrefixSize:], 16) != nil && m.Parse(frame[PrefixSize:], 8) != nil {
			continue
		}
		read++
		var copied, echoed Builder
		copied.Reply(nil, &m, m.MTI().Reply(), 3)
		for _, n := range []int{2, 3, 4, 11, 25, 41, 42, 49, 60} {
			copied.Copy(&m, n)
		}
		var e Echo
		m.Echo(&e)
		echoed.Answer(nil, &e, e.MTI().Reply(), 3)
		for run := range echoRuns {
			echoed.Echo(&e, run)
		}
		require.Equal(t, copied.Finish(nil, nil), echoed.Finish(nil, nil), name)
		require.Equal(t, m.MAC(), e.MAC(), name)
		terminal, merchant := e.Place()
		require.Equal(t, m.Value(41), terminal, name)
		require.Equal(t, m.Value(42), merchant, name)
		messageType, batch, code, ok := m.Network()
		kept, keptBatch, keptCode, keptOK := e.Network()
		require.Equal(t, []any{messageType, batch, code, ok}, []any{kept, keptBatch, keptCode, keptOK}, name)
	}
	require.Greater(t, read, 10)
}
