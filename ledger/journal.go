package ledger

import "context"

// Journal is the only way to durability. One goroutine, the owner of the book, calls Append and Wait; blocks become durable in the
// order of the calls. On one node it is Pebble with a witness of the head; a replicated log has the same face.
//
// A journal that can't write stops the process or returns an error that the owner stops on: a failed sync can't be retried, and what
// was appended but not waited for has not been answered.
type Journal interface {
	// Append hands a sealed block over and returns without waiting for the disk. The block's bytes are copied or written before it
	// returns. The block follows the head of the one before.
	Append(b Block) error
	// Wait returns when every block up to the one that ends at sequence is durable on this node's disk and witness, or on a majority.
	Wait(sequence uint64) error
	// Head is the newest block appended.
	Head() Head
	// Replay calls visit with each stored block whose last entry is after the sequence, oldest first, after checking hash and chain.
	Replay(ctx context.Context, after uint64, visit func(Block) error) error
}

// Checkpoints stores the whole state so that a restart need not replay everything. A checkpoint is an optimisation: it may be dropped
// at any time, the blocks are the truth.
type Checkpoints interface {
	// SaveCheckpoint writes a snapshot; the newest complete one wins, an interrupted one is invisible.
	SaveCheckpoint(ctx context.Context, s Snapshot) error
	// LoadCheckpoint returns the newest complete checkpoint, or nil when there is none.
	LoadCheckpoint() (Stored, error)
}
