package pebblestore

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// patient is a Pebble that has so many compactions due.
type patient struct {
	due, began int
	refuses    bool
}

func (p *patient) GetAllowedWithoutPermission() int { return 1 }

func (p *patient) GetWaitingCompaction() (bool, pebble.WaitingCompaction) {
	return p.due > 0, pebble.WaitingCompaction{}
}

func (p *patient) Schedule(pebble.CompactionGrantHandle) bool {
	if p.refuses {
		return false
	}
	p.due--
	p.began++
	return true
}

func TestCompactionsWaitForTheProofAndRunOneAtATime(t *testing.T) {
	db := &patient{due: 3}
	c := newCompactions()
	c.Register(2, db)
	granted, _ := c.TrySchedule()
	require.False(t, granted, "nothing is proved yet")
	c.grant()
	require.Zero(t, db.began)

	c.letGo()
	require.Equal(t, 1, db.began, "one at a time")
	granted, _ = c.TrySchedule()
	require.False(t, granted)
	c.letGo() // again changes nothing
	require.Equal(t, 1, db.began)
	c.Done()
	c.Done()
	require.Equal(t, 3, db.began, "the end of one begins the next")
	c.Done()
	granted, _ = c.TrySchedule()
	require.True(t, granted, "nothing runs")
	c.Done()

	db.due, db.refuses = 1, true
	c.grant()
	require.Zero(t, c.running, "a place that was not wanted is free again")
	db.refuses = false
	c.Unregister()
	c.grant()
	granted, _ = c.TrySchedule()
	require.False(t, granted)
	require.Equal(t, 1, db.due, "Pebble is closed")
}

func TestLedgerThatWaitsForItsProofCompactsWhenItHasIt(t *testing.T) {
	o := testOptions("data", vfs.NewMem())
	s := open(t, o)
	last := newBooks(t, s).pay(1)
	s.pace.held = true
	for range 16 { // twice what Pebble suffers
		require.NoError(t, s.PutDirectory([]DirectoryRow{{Kind: 'n', Key: "a", Value: []byte("甲")}, {Kind: 'n', Key: "z", Value: []byte("乙")}}))
		require.NoError(t, s.db.Flush())
	}
	require.NoError(t, s.Close())

	o.ProveBehind = true
	s = open(t, o)
	require.NoError(t, s.db.Flush()) // which asks for compactions
	require.Zero(t, s.db.Metrics().Compact.Count)
	require.NoError(t, s.Wait(last))
	require.Eventually(t, func() bool { return s.db.Metrics().Compact.Count > 0 }, 10*time.Second, time.Millisecond)
	require.NoError(t, s.Close())
}
