package transaction_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/switch/transaction"
)

// slowJournal is durable only as far as it was waited for, and fails at the operation it is told to.
type slowJournal struct {
	memoryJournal
	durableTo  uint64
	operations int
	failAt     int
	failed     bool
}

func (j *slowJournal) step() error {
	j.operations++
	if j.failed = j.failed || j.operations == j.failAt; j.failed {
		return errDied
	}
	return nil
}

func (j *slowJournal) Append(b ledger.Block) error {
	return errors.Join(j.step(), j.memoryJournal.Append(b))
}

func (j *slowJournal) Wait(sequence uint64) error {
	err := j.step()
	if err == nil {
		j.durableTo = max(j.durableTo, sequence)
	}
	return err
}

// rush is a door and a bank at once. It sends groups of every size — so small that they are waited for, so large that the next one is
// decided while they are on their way, larger than a block may grow, and such that store nothing — with loads, repeats, reversals and new
// days among them, while operators change cards, import and take snapshots. It holds every word that leaves against what is durable.
type rush struct {
	t         *testing.T
	random    *rand.Rand
	engine    *transaction.Engine
	journal   *slowJournal
	stop      context.CancelFunc
	rounds    int
	now       int64
	origin    transaction.Origin
	trace     uint32
	sent      []transaction.Request
	owed      map[transaction.Origin]bool // not answered yet
	faults    []string
	operators sync.WaitGroup
	changed   atomic.Int64 // cards that an operator was told are changed
}

const rushTerminals = 8

func rushCampus() *transaction.Directory {
	dir := &transaction.Directory{Classes: []transaction.ClassRow{{Code: "student"}}, Merchants: []transaction.MerchantRow{{Code: merchantCode("103410054110001")}}}
	for i := range rushTerminals {
		dir.Terminals = append(dir.Terminals, terminalRow(fmt.Sprintf("POS%05d", i), "103410054110001", transaction.TerminalPOS))
	}
	for i := range 50 {
		number := fmt.Sprint(i)
		dir.Holders = append(dir.Holders, transaction.HolderRow{Number: number, Class: "student", OpeningMain: 100_000, BankAccount: 62170000})
		dir.Cards = append(dir.Cards, transaction.CardRow{Number: machineCard(i), Holder: number, PINValue: 1234})
	}
	return dir
}

func (r *rush) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

func (r *rush) Poll(_ time.Duration, requests []transaction.Request) ([]transaction.Request, error) {
	if r.rounds--; r.rounds < 0 {
		r.stop()
		return requests, nil
	}
	r.now += r.random.Int64N(1000)
	if r.random.IntN(12) == 0 {
		r.now += 24 * time.Hour.Microseconds()
	}
	nothing := r.random.IntN(4) == 0
	size := []int{0, 1, 30, 130, 200, 400}[r.random.IntN(6)]
	if r.random.IntN(50) == 0 {
		size = 16_000 // more than a block may hold
	}
	for range size {
		requests = append(requests, r.request(nothing))
		if r.random.IntN(2000) == 0 {
			r.now += 24 * time.Hour.Microseconds()
		}
	}
	r.operate()
	return requests, nil
}

// request makes one; nothing asks for one that stores nothing.
func (r *rush) request(nothing bool) transaction.Request {
	r.origin++
	q := transaction.Request{Kind: transaction.KindEcho, Terminal: transaction.TerminalID(r.random.IntN(rushTerminals) + 1)}
	switch dice := r.random.IntN(10); {
	case (nothing || dice == 0) && len(r.sent) > 0 && r.random.IntN(2) == 0: // again
		q = r.sent[len(r.sent)-1-r.random.IntN(min(len(r.sent), 300))]
	case nothing:
	case dice == 1 && len(r.sent) > 0:
		q = r.sent[len(r.sent)-1-r.random.IntN(min(len(r.sent), 300))]
		q.Kind = transaction.KindReversal
	default:
		r.trace++
		q.Kind, q.Batch, q.Trace, q.Card, q.Amount = transaction.KindPurchase, 1, r.trace, machineCard(r.random.IntN(50)), 1
		if dice == 2 {
			q.Kind, q.PINValue = transaction.KindLoad, 1234
		}
		r.sent = append(r.sent, q)
	}
	q.Origin, q.Received = r.origin, r.now
	r.owed[q.Origin] = true
	return q
}

// operate has somebody ask for something between two groups.
func (r *rush) operate() {
	now, card := r.now, machineCard(r.random.IntN(50))
	job := func(work func(ctx context.Context) error) {
		r.operators.Go(func() { // ends with its answer, or with the owner
			if work(context.Background()) == nil {
				r.changed.Add(1)
			}
		})
	}
	switch r.random.IntN(12) {
	case 0:
		job(func(ctx context.Context) error {
			return r.engine.ChangeCard(ctx, transaction.CardStateChange{Card: card, To: transaction.CardLost, Operator: "a"}, now)
		})
	case 1:
		job(func(ctx context.Context) error {
			return r.engine.ChangeCard(ctx, transaction.CardStateChange{Card: card, To: transaction.CardActive, Operator: "a"}, now)
		})
	case 2:
		r.operators.Go(func() { _, _ = r.engine.Snapshot(context.Background()) })
	case 3:
		code := fmt.Sprintf("POS9%04d", r.rounds)
		r.operators.Go(func() {
			dir := &transaction.Directory{Terminals: []transaction.TerminalRow{terminalRow(code, "103410054110001", transaction.TerminalPOS)}}
			_, _ = r.engine.Import(context.Background(), dir, now)
		})
	}
}

func (r *rush) Answer(decisions []transaction.Decision) {
	if r.journal.failed {
		r.fault("%d answers after the journal failed", len(decisions))
	}
	for i := range decisions {
		d := &decisions[i]
		switch {
		case d.Sequence > r.journal.durableTo:
			r.fault("entry %d answered, durable is %d", d.Sequence, r.journal.durableTo)
		case !r.owed[d.Origin]:
			r.fault("request %d answered twice", d.Origin)
		}
		delete(r.owed, d.Origin)
	}
}

func (r *rush) Wake() {}

func (r *rush) heard(o *transaction.LoadOrder) {
	if r.journal.failed || o.Load > r.journal.durableTo {
		r.fault("the bank hears of load %d, durable is %d (failed: %v)", o.Load, r.journal.durableTo, r.journal.failed)
	}
}

func (r *rush) Load(o transaction.LoadOrder) {
	r.heard(&o)
	outcome := []transaction.Kind{transaction.KindLoadConfirmed, transaction.KindLoadConfirmed, transaction.KindLoadDeclined, transaction.KindLoadUnknown}[r.random.IntN(4)]
	_ = r.engine.Submit(transaction.Request{Kind: outcome, Load: o.Load, Received: r.now})
}

func (r *rush) Withdraw(o transaction.LoadOrder) {
	r.heard(&o)
	_ = r.engine.Submit(transaction.Request{Kind: transaction.KindWithdrawalPaid, Load: o.Load, Received: r.now})
}

func (r *rush) Reverse(o transaction.LoadOrder) {
	r.heard(&o)
	_ = r.engine.Submit(transaction.Request{Kind: transaction.KindLoadReversed, Load: o.Load, Received: r.now})
}

// run ends when the rounds are over or the journal fails, and judges what is left. It says whether the failure was reached.
func (r *rush) run(rounds, failAt int) (failed bool) {
	var err error
	site := transaction.Site{Window: 1 << 16, ZoneSeconds: 8 * 3600}
	r.engine, err = transaction.Open(context.Background(), transaction.Config{Journal: r.journal, Routes: routes(), Site: site}, r.now)
	require.NoError(r.t, err)
	faults, err := r.engine.ImportBeforeRun(rushCampus(), r.now)
	require.NoError(r.t, err)
	require.Empty(r.t, faults)
	r.rounds, r.journal.operations, r.journal.failAt = rounds, 0, failAt
	r.engine.Connect(r, r)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r.stop = cancel
	err = r.engine.Run(ctx, r.now)
	r.operators.Wait()
	require.Empty(r.t, r.faults)
	var entries, changes uint64
	for _, b := range r.journal.blocks {
		require.NoError(r.t, b.Each(func(sequence uint64, e *ledger.Entry) error {
			if entries++; e.Kind == transaction.KindCardState && sequence <= r.journal.durableTo {
				changes++
			}
			return nil
		}))
	}
	require.LessOrEqual(r.t, uint64(r.changed.Load()), changes, "an operator was told of a change that is not durable")
	if r.journal.failed {
		require.ErrorIs(r.t, err, errDied)
		return true
	}
	require.NoError(r.t, err)
	require.Equal(r.t, entries, r.journal.durableTo, "the owner left something behind")
	require.Zero(r.t, r.unanswered(), "requests without an answer")
	return false
}

// unanswered counts the requests that have no answer and wait for no bank.
func (r *rush) unanswered() int {
	return max(0, len(r.owed)-r.engine.State().OpenLoads())
}

func newRush(t *testing.T, seed uint64) *rush {
	return &rush{
		t: t, random: rand.New(rand.NewPCG(seed, 5)), journal: &slowJournal{}, now: noon.UnixMicro(), owed: make(map[transaction.Origin]bool),
	}
}

// TestNothingLeavesBeforeItIsDurable: however groups, loads, jobs, days and the end fall together (I10).
func TestNothingLeavesBeforeItIsDurable(t *testing.T) {
	for seed := range uint64(4) {
		newRush(t, seed).run(60, 0)
	}
}

// TestJournalFailsAtEveryOperation: after the first failure nothing leaves any more and the owner ends with it.
func TestJournalFailsAtEveryOperation(t *testing.T) {
	at := 1
	for ; ; at += 5 {
		if !newRush(t, 99).run(25, at) {
			break
		}
	}
	require.Greater(t, at, 25)
}
