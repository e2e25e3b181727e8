package pebblestore

import (
	"context"

	"github.com/cockroachdb/pebble/v2"
)

// batches write keys in order, a few at a time. The first error sticks.
type batches struct {
	store *Store
	keys  int // of a batch
	batch *pebble.Batch
	err   error

	ctx  context.Context // beside: what is written rests between batches until it ends
	rest throttle
	todo chan *pebble.Batch // beside
	done chan error
}

func (b *batches) begin() { b.batch = b.store.db.NewBatch() }

// beside is begin for whoever gives way (background.GiveWay) while blocks are appended; end ends it.
//
// Batches are committed on a goroutine of the usual priority: Pebble publishes them in order, and a block behind a batch whose thread has been
// put aside half way waited for that thread, 100 ms at worst. And they rest: what they put into the log is synced with the next block.
func (b *batches) beside(ctx context.Context) {
	b.ctx, b.rest = ctx, throttle{gentle: true}
	b.todo, b.done = make(chan *pebble.Batch), make(chan error)
	go func() {
		for batch := range b.todo {
			b.done <- batch.Commit(pebble.NoSync)
		}
	}()
	b.begin()
}

func (b *batches) end() {
	b.abandon()
	if b.todo != nil {
		close(b.todo)
	}
}

func (b *batches) set(key, value []byte) {
	if b.err != nil {
		return
	}
	if b.err = b.batch.Set(key, value, nil); b.err == nil && int(b.batch.Count()) >= b.keys {
		if b.err = b.commit(); b.err == nil {
			b.begin()
		}
	}
}

// commit writes what was set last.
func (b *batches) commit() error {
	if interrupt := b.store.options.interrupt; b.err == nil && interrupt != nil {
		b.err = interrupt()
	}
	if b.err == nil {
		b.err = b.write()
	}
	b.abandon()
	return b.err
}

func (b *batches) write() error {
	if b.todo == nil {
		return b.batch.Commit(pebble.NoSync)
	}
	b.todo <- b.batch
	err := <-b.done
	_ = b.rest.after(b.ctx, b.batch.Len()) // once it has ended, without rest
	return err
}

func (b *batches) abandon() {
	if b.batch != nil {
		_ = b.batch.Close()
		b.batch = nil
	}
}
