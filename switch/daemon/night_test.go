package daemon

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestNightIsDueOnce: from its time on, for six hours, until it is done; over midnight it is one night.
func TestNightIsDueOnce(t *testing.T) {
	china := time.FixedZone("", 8*3600)
	at := func(day, hour, minute int) int64 {
		return time.Date(2026, 11, day, hour, minute, 0, 0, china).UnixMicro()
	}
	n := night{zone: 8 * time.Hour, at: 2 * time.Hour}
	require.False(t, n.due(at(26, 1, 59)))
	require.True(t, n.due(at(26, 2, 0)))
	n.next, n.asked = 77, 5
	require.True(t, n.due(at(26, 3, 0)), "it goes on where it was")
	require.EqualValues(t, 77, n.next)
	n.done = true
	require.False(t, n.due(at(26, 3, 1)))
	require.False(t, n.due(at(26, 8, 0)), "the night is over")
	require.True(t, n.due(at(27, 2, 0)), "the next one")
	require.Zero(t, n.next)

	// Whose bank could not be asked is looked for again, in the same night.
	n.left, n.next = 3, 99
	n.ended(at(27, 2, 5))
	require.False(t, n.done)
	require.False(t, n.due(at(27, 2, 5)))
	require.True(t, n.due(at(27, 2, 6)))
	require.Zero(t, n.next, "from the first card on")
	require.Zero(t, n.left)
	n.ended(at(27, 2, 7))
	require.True(t, n.done)
	require.True(t, n.due(at(28, 2, 0)))
	n.left = 1
	n.ended(at(28, 7, 59))
	require.False(t, n.due(at(28, 8, 0)), "no longer than the night")

	late := night{zone: 8 * time.Hour, at: 23 * time.Hour}
	require.False(t, late.due(at(26, 22, 59)))
	require.True(t, late.due(at(26, 23, 0)))
	late.done = true
	require.False(t, late.due(at(27, 1, 0)), "the same night over midnight")
	require.True(t, late.due(at(27, 23, 0)))
}
