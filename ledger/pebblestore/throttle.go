package pebblestore

import (
	"context"
	"time"
)

const (
	// paceRate is how many bytes a second are written beside blocks: a sync of 1 ms brings 24 KiB of them along. A checkpoint of ten million holders takes a
	// minute and a half.
	paceRate = 24 << 20
	// pauseLeast is the shortest rest: what is small takes none.
	pauseLeast = 4 * time.Millisecond
)

// throttle holds back what is written beside blocks: it goes through the log that they go through, and the block behind it waits until it is on disk.
type throttle struct {
	gentle bool
	owed   time.Duration
}

// after rests for what was written, once that is worth it.
func (t *throttle) after(ctx context.Context, written int) error {
	if !t.gentle {
		return nil
	}
	if t.owed += time.Duration(written) * time.Second / paceRate; t.owed < pauseLeast {
		return nil
	}
	owed := t.owed
	t.owed = 0
	return pause(ctx, owed)
}

// pause sleeps for a while, or until the context ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
