package pebblestore

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"onecard/ledger/background"
)

// compactions lets Pebble compact one thing at a time, and nothing while the store is brought back.
//
// A ledger that was killed at its busiest comes up with compactions due. Pebble would begin them in Open, and on two cores they took one of
// them from the replay and from the proof of the chain: the first answer of a ledger of ten million purchases came after 0.8 to 3.2 s. They
// wait now until somebody may be answered.
//
// A Pebble whose Open fails does not wait for a compaction that it has begun, closes the tables under it, and the process dies of that
// (v2.1.7). None is begun before Open has ended well.
//
// It is Pebble's scheduler (its CompactionScheduler) and the grant that each compaction hands back. It never calls Pebble while it holds its
// own lock, but for GetAllowedWithoutPermission, which may be.
type compactions struct {
	mu       sync.Mutex
	idle     sync.Cond // no grant is on its way
	db       pebble.DBForCompaction
	held     bool // until letGo
	closed   bool
	running  int
	granting int
}

var (
	_ pebble.CompactionScheduler   = (*compactions)(nil)
	_ pebble.CompactionGrantHandle = (*compactions)(nil)
)

func newCompactions() *compactions {
	c := &compactions{held: true}
	c.idle.L = &c.mu
	return c
}

// letGo ends the waiting.
func (c *compactions) letGo() {
	c.mu.Lock()
	was := c.held
	c.held = false
	c.mu.Unlock()
	if was {
		c.grant()
	}
}

// take takes a place for a compaction if there is one. REQUIRES: mu is held.
func (c *compactions) take() bool {
	if c.held || c.closed || c.db == nil || c.running >= c.db.GetAllowedWithoutPermission() {
		return false
	}
	c.running++
	return true
}

// grant gives Pebble what it may have now.
func (c *compactions) grant() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.take() {
		c.granting++
		c.mu.Unlock()
		waiting, _ := c.db.GetWaitingCompaction()
		taken := waiting && c.db.Schedule(c)
		c.mu.Lock()
		if c.granting--; c.granting == 0 {
			c.idle.Broadcast()
		}
		if !taken {
			c.running--
			return
		}
	}
}

// Register implements pebble.CompactionScheduler. A new store is opened twice.
func (c *compactions) Register(_ int, db pebble.DBForCompaction) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.db, c.closed = db, false
}

// Unregister implements pebble.CompactionScheduler: Pebble is not called any more when it returns.
func (c *compactions) Unregister() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for c.granting > 0 {
		c.idle.Wait()
	}
}

// TrySchedule implements pebble.CompactionScheduler.
func (c *compactions) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.take(), c
}

// UpdateGetAllowedWithoutPermission implements pebble.CompactionScheduler. Pebble asks TrySchedule itself after each flush; the number it
// allows never changes here.
func (*compactions) UpdateGetAllowedWithoutPermission() {}

// Done implements pebble.CompactionGrantHandle.
func (c *compactions) Done() {
	c.mu.Lock()
	c.running--
	c.mu.Unlock()
	c.grant()
}

// Started implements pebble.CompactionGrantHandle. Pebble calls it on the goroutine that compacts, which ends with the compaction.
func (*compactions) Started() { background.GiveWay() }

// MeasureCPU implements pebble.CompactionGrantHandle.
func (*compactions) MeasureCPU(pebble.CompactionGoroutineKind) {}

// CumulativeStats implements pebble.CompactionGrantHandle.
func (*compactions) CumulativeStats(pebble.CompactionGrantHandleStats) {}
