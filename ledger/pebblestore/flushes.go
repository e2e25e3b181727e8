package pebblestore

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// flushes counts flushes that fail in a row. Pebble tries a flush again at once and for ever: on a disk that is gone it keeps a processor
// busy, the memtables fill up, and then writers wait without an error while everything looks alive. Found by letting every operation after
// one fail, with nothing left to append: Close never came back.
//
// Here each try waits longer than the one before, and after flushTries the process stops as after any other failed write: what was answered
// is in the logs, and the next start says what is wrong.
type flushes struct {
	failed atomic.Int32
	pause  time.Duration // before the second try; it doubles up to pauseMax
}

const (
	flushTries = 12
	flushPause = 20 * time.Millisecond // in all some 8 s
	pauseMax   = 2 * time.Second
)

// emptyTable is how Pebble says that a flush had nothing to write.
const emptyTable = "pebble: empty table"

// ended takes note of how a flush has ended. It is called while Pebble holds its mutex: nothing may wait here.
func (f *flushes) ended(info pebble.FlushInfo, fatal func(text string)) {
	if info.Err == nil || info.Err.Error() == emptyTable {
		f.failed.Store(0)
		return
	}
	if n := f.failed.Add(1); n >= flushTries {
		fatal(fmt.Sprintf("a table cannot be written, tried %d times: %v", n, info.Err))
	}
}

// wait is called before a table is made, outside of any mutex.
func (f *flushes) wait() {
	if n := f.failed.Load(); n > 0 {
		time.Sleep(min(f.pause<<(n-1), pauseMax))
	}
}
