package ledger

// Stage keeps work that is too large for one block, from before its first block until after its last. What stands in it is to be done: the
// owner does it block by block while other work goes on, and whoever opens the ledger after a crash finishes it. So it happens all or not
// at all, without a block of any size.
//
// It is durable beside the journal. A replicated log must carry it to whoever may become the owner.
type Stage interface {
	// SaveStage replaces what is staged by the parts. When it returns they are durable, all of them; before that, none counts.
	SaveStage(parts func(add func(part []byte) error) error) error
	// LoadStage visits the parts in order; none when nothing is staged. The bytes are good until visit returns.
	LoadStage(visit func(part []byte) error) error
	// DropStage forgets what is staged, durably.
	DropStage() error
}
