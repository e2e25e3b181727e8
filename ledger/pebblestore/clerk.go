package pebblestore

import (
	"sync/atomic"

	"onecard/ledger"
)

// The clerk writes blocks into the witness while the owner decides the next group. It takes only blocks that are worth the waking of a
// goroutine; and when the owner comes to wait for a block before the clerk has begun with it, the owner writes it himself: nobody waits
// for a hand-over.
//
// He is given a block only when no other is on its way. So he and the owner never write at once, slots are written in the order of the
// blocks, and the witness never holds a block while the one before is nowhere: after a power cut such a block could not be put back, and
// the ledger would be refused for something that nobody has heard of. Found by crashing a workload of two blocks on their way.
type clerk struct {
	work chan *testimony
	done chan struct{}
}

// handOverEntries is the size of a block from which on deciding the next group takes longer than waking a goroutine: some 50 us.
const handOverEntries = 64

// testimony is a block on its way into the witness.
type testimony struct {
	block   ledger.Block
	claimed atomic.Bool // by the clerk or by the owner, whoever comes first
	written chan error  // the clerk's answer
}

func newClerk(w *witness) *clerk {
	c := &clerk{work: make(chan *testimony, witnessSlots), done: make(chan struct{})}
	go c.run(w)
	return c
}

func (c *clerk) run(w *witness) {
	defer close(c.done)
	for t := range c.work {
		if t.claimed.CompareAndSwap(false, true) {
			t.written <- w.write(t.block.Head(), t.block.Bytes())
		}
	}
}

// take hands a block to the clerk, or keeps it for the owner. alone says that no other block is on its way.
func (c *clerk) take(b ledger.Block, w *witness, alone bool) *testimony {
	t := &testimony{block: b}
	if !alone || b.Count() < handOverEntries || !w.holds(len(b.Bytes())) {
		return t
	}
	t.written = make(chan error, 1)
	select {
	case c.work <- t:
	default: // still full of what the owner has done himself
	}
	return t
}

// finish returns when the block is in the witness.
func (t *testimony) finish(w *witness) error {
	if t.claimed.CompareAndSwap(false, true) {
		return w.write(t.block.Head(), t.block.Bytes())
	}
	return <-t.written
}

func (c *clerk) close() {
	if c == nil {
		return
	}
	close(c.work)
	<-c.done
}
