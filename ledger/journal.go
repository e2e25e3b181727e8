package ledger

import "context"

// Journal is the only way to durability. One goroutine, the owner of the book, calls Append and Wait; blocks become durable in the
// order of the calls. On one node it is Pebble with a witness of the head; a replicated log has the same face, and the tests of transaction
// hold the engine to it with one that commits late and loses its leader.
//
// A journal that can't write stops the process or returns an error that the owner stops on: a failed sync can't be retried, and what
// was appended but not waited for has not been answered. Such a block may be gone or may be there: the next owner, on this log or on that
// of another leader, finds out by Replay and by nothing else.
type Journal interface {
	// Append hands a sealed block over and returns without waiting for the disk. The block's bytes are copied or written before it
	// returns. The block follows the head of the one before.
	Append(b Block) error
	// Wait returns when every block up to the one that ends at sequence is durable on this node's disk and witness, or on a majority;
	// blocks that were in the log when it was opened are no exception.
	Wait(sequence uint64) error
	// Head is the newest block: the last one appended, or the last one that the log held when it was opened. It need not be durable.
	Head() Head
	// Replay calls visit with each stored block whose last entry is after the sequence, oldest first, after checking hash and chain. A
	// log may hold blocks that are not durable yet: who answers from what he found waits for Head first.
	Replay(ctx context.Context, after uint64, visit func(Block) error) error
}

// Checkpoints stores the whole state so that a restart need not replay everything. A checkpoint is an optimisation: it may be dropped
// at any time, the blocks are the truth.
type Checkpoints interface {
	// SaveCheckpoint writes a snapshot; the newest complete one wins, an interrupted one is invisible.
	SaveCheckpoint(ctx context.Context, s Snapshot) error
	// CheckpointBefore returns the newest complete checkpoint that was taken before a sequence, or nil when there is none. Its parts are
	// checked while they are read: whoever finds one damaged asks for the one before it.
	CheckpointBefore(sequence uint64) (Stored, error)
}
