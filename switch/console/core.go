package console

import (
	"context"
	"time"

	"onecard/switch/transaction"
)

// Core is what decides, and lets its state be looked at: the engine.
type Core interface {
	Operate(ctx context.Context, o *transaction.Operation, now int64) (transaction.Receipt, error)
	Possible(ctx context.Context, o *transaction.Operation, now int64) (known bool, err error)
	Approve(ctx context.Context, proposal uint64, approver string, now int64) (transaction.Receipt, error)
	Reject(ctx context.Context, proposal uint64, operator, reason string, now int64) error
	SubmitBatch(ctx context.Context, b *transaction.Batch, now int64) (transaction.BatchStatus, error)
	DecideBatch(ctx context.Context, number uint64, operator string, approve bool, reason string, now int64) (transaction.BatchStatus, error)
	CancelBatch(ctx context.Context, number uint64, operator, reason string, now int64) (transaction.BatchStatus, error)
	DraftSheet(ctx context.Context, draft transaction.Sheet, now int64) (transaction.Sheet, error)
	MoveSheet(ctx context.Context, number uint64, to transaction.SheetState, operator, document, reason string, now int64) (transaction.Sheet, error)
	Look(ctx context.Context, look func(*transaction.State)) error
}

// Config is what a console is made of.
type Config struct {
	Core      Core
	Store     Store
	NoEntry   error                                                   // what the store says of an entry that there is not
	Prove     func(ctx context.Context, sequence uint64) (any, error) // the inclusion proof of a record
	Names     func(table, key string) string                          // names of people, which are kept beside the ledger
	Questions Questions
	Days      Days
	Audit     *Audit
	Clock     func() int64 // microseconds since 1970
	Zone      int32        // seconds east of UTC of the site
	Version   string
	Events    Events

	Settlement      Settlement
	Channels        Channels // nil: there are none
	Reconciliations Reconciliations
	Bank            Bank  // nil: the site has none
	Banks           Banks // nil: there are none
	// TakesAutomatic says whether the bank of an account takes automatic loads. nil: every bank does.
	TakesAutomatic func(account uint64) bool
	// LoadAutomatically asks the bank for everybody who has signed for it and has less than his threshold; ErrNoBank when there is no link.
	LoadAutomatically func(ctx context.Context) (asked int, err error)
}

// Console is the desk's HTTP API.
type Console struct {
	core      Core
	store     Store
	noEntry   error
	prove     func(context.Context, uint64) (any, error)
	names     func(table, key string) string
	questions Questions
	days      Days
	audit     *Audit
	clock     func() int64
	zone      *time.Location
	version   string
	events    Events
	brake     *brake

	settlement      Settlement
	channels        Channels
	reconciliations Reconciliations
	bank            Bank
	banks           Banks

	takesAutomatic    func(account uint64) bool
	loadAutomatically func(context.Context) (int, error)
}

// New makes a console.
func New(c Config) *Console {
	return &Console{
		core: c.Core, store: c.Store, noEntry: c.NoEntry, prove: c.Prove, names: c.Names, questions: c.Questions, days: c.Days, audit: c.Audit, clock: c.Clock,
		zone: time.FixedZone("", int(c.Zone)), version: c.Version, events: c.Events, brake: newBrake(), settlement: c.Settlement, channels: c.Channels,
		reconciliations: c.Reconciliations, bank: c.Bank, banks: c.Banks, takesAutomatic: c.TakesAutomatic, loadAutomatically: c.LoadAutomatically,
	}
}

// today is the calendar day at the site: what expires, expires by it.
func (c *Console) today() uint32 {
	at := time.UnixMicro(c.clock()).In(c.zone)
	_, offset := at.Zone()
	return uint32((at.Unix() + int64(offset)) / secondsPerDay)
}
