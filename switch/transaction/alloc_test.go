package transaction_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/switch/transaction"
)

// TestPurchaseAllocatesNothing: from the request to the sealed block and the decision, once the buffers have grown. What is left is the hash of
// each block: at most two allocations for a group of 32.
func TestPurchaseAllocatesNothing(t *testing.T) {
	engine, err := transaction.Open(context.Background(), transaction.Config{Journal: &nullJournal{}, Routes: routes(), Site: transaction.DefaultSite()}, 1)
	require.NoError(t, err)
	importAll(t, engine, bigCampus(30_000))
	const groups, size = 100, 32
	ctx, cancel := context.WithCancel(context.Background())
	door := &countingDoor{loopDoor: loopDoor{holders: 30_000, group: size, left: 2 * groups * size, stop: cancel}, from: groups * size}
	engine.Connect(door, newScriptedBank())
	require.NoError(t, engine.Run(ctx, 3))
	require.Zero(t, door.refused)
	require.Equal(t, 2*groups*size, door.answered)
	require.LessOrEqual(t, door.allocated, uint64(2*groups), "allocations in %d groups", groups)
}

// countingDoor reads the process's count of allocations when half of the requests are left, and at the end.
type countingDoor struct {
	loopDoor
	from      int
	before    uint64
	allocated uint64
}

func (d *countingDoor) Poll(wait time.Duration, requests []transaction.Request) ([]transaction.Request, error) {
	if d.left == d.from {
		d.before = mallocs()
	}
	return d.loopDoor.Poll(wait, requests)
}

func (d *countingDoor) Answer(decisions []transaction.Decision) {
	if d.loopDoor.Answer(decisions); d.left == 0 && d.answered == 2*d.from {
		d.allocated = mallocs() - d.before
	}
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}
