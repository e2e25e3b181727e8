package ledger

import (
	"context"
	"slices"
)

// Record is one entry as a reader of the journal gets it. Its slices are the reader's own.
type Record struct {
	Sequence uint64
	Day      uint32 // business day of its block, days since 1970 at the site
	Entry    Entry
}

// Feed reads records in order behind a cursor that is kept on disk: for reports, exports, alerts.
//
// The one idea: the journal is the outbox. Nothing is queued for a reader and nobody waits for him; he reads the blocks that are durable
// anyway, as far behind as he likes, and the ledger remembers how far he has come.
//
// Records are numbered without a gap, and each comes once for each time the cursor passes it. A reader that dies between his work and
// Commit gets the records behind the cursor again: he knows them by their sequence, which he keeps with his work. So the work of each
// record is done exactly once.
type Feed interface {
	// Next returns the records that follow those it returned before, at least one and at most limit, and waits until there is one that is
	// durable. It is called by one goroutine at a time.
	Next(ctx context.Context, limit int) ([]Record, error)
	// Commit keeps on disk that everything up to sequence is done with.
	Commit(sequence uint64) error
}

// Clone returns an entry whose slices are its own.
func (e *Entry) Clone() Entry {
	c := *e
	c.Legs, c.Opens, c.States, c.Payload = slices.Clone(e.Legs), slices.Clone(e.Opens), slices.Clone(e.States), slices.Clone(e.Payload)
	return c
}
