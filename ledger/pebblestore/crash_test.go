package pebblestore

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/ledgertest"
)

// Crash tests (safety handbook 2.3 a to c).
//
// A workload runs on a file system in memory that knows what was synced. Before every operation that changes it — create, write, sync,
// rename, remove — the file system is cloned as a crash at that moment would leave it: with none, half or all of what was not synced. Each
// clone is opened again and judged: it must open, everything acknowledged is there, the head is a block that was really handed over (so
// the chain below it is whole, by hash), and the ledger can go on. Recovery itself is crashed in the same way, three deep.

// crashOptions are a store with everything small, so that a few hundred operations see flushes, rotations and recycled logs.
func crashOptions(fs vfs.FS) Options {
	return Options{Dir: "data", FS: fs, MemTableBytes: 64 << 10, slotBytes: 8 << 10, noStats: true, cold: true}
}

// workload writes blocks and remembers what it handed over and what was acknowledged.
type workload struct {
	rng      *rand.Rand
	ackEarly bool // a mutant that answers before the disk has it
	acked    atomic.Uint64
	mu       sync.Mutex
	handed   map[uint64]ledger.Hash // guarded by mu; heads of all blocks appended
}

func newWorkload(seed uint64) *workload {
	return &workload{rng: rand.New(rand.NewPCG(seed, 7)), handed: map[uint64]ledger.Hash{0: {}}}
}

// run opens the store and writes blocks, in two processes: a workload that was closed and goes on.
func (w *workload) run(o Options, blocks int) error {
	for range 2 {
		s, err := Open(o)
		if err != nil {
			return err
		}
		if err := w.write(s, blocks/2); err != nil {
			return err
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (w *workload) write(s *Store, blocks int) error {
	x, err := s.newIndexer(everyEntry)
	if err != nil {
		return err
	}
	book := ledger.NewBook()
	if err := s.Replay(context.Background(), 0, func(b ledger.Block) error { return b.Each(applyTo(book)) }); err != nil {
		return err
	}
	var builders [2]ledger.BlockBuilder // one block is built while the one before is on its way
	for i := range blocks {
		block := w.build(&builders[i%2], s.Head(), book)
		w.mu.Lock()
		w.handed[block.Last()] = block.Head().Hash
		w.mu.Unlock()
		before := s.Head().Sequence
		if err := s.Append(block); err != nil {
			return err
		}
		switch {
		case w.ackEarly:
			w.acked.Store(block.Last())
		case i%3 != 0 || i == blocks-1:
			before = block.Last()
		}
		if err := s.Wait(before); err != nil {
			return err
		}
		w.acked.Store(max(w.acked.Load(), before))
		if w.rng.IntN(8) == 0 {
			if err := s.SaveCheckpoint(context.Background(), ledger.Snapshot{Head: s.Head(), Sections: book.Sections()}); err != nil {
				return err
			}
		}
		if w.rng.IntN(8) == 0 {
			if err := errorsOf(x.gather(), x.flush()); err != nil {
				return err
			}
		}
	}
	return nil
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func applyTo(book *ledger.Book) func(uint64, *ledger.Entry) error {
	return func(sequence uint64, e *ledger.Entry) error { book.Apply(sequence, e); return nil }
}

// build makes the next block: mostly a few transfers, sometimes as many as the clerk takes, sometimes more than a
// slot of the witness holds.
func (w *workload) build(builder *ledger.BlockBuilder, head ledger.Head, book *ledger.Book) ledger.Block {
	builder.Begin(head, 20000)
	add := func(e *ledger.Entry) {
		e.Time = int64(builder.Next())
		book.Apply(builder.Add(e), e)
	}
	if head.Sequence == 0 {
		add(&ledger.Entry{Kind: 1, Opens: []ledger.Opening{{Code: ledger.CodeCash}, {Code: ledger.CodeMainPurse}}})
		return builder.Seal()
	}
	n, padding := 1+w.rng.IntN(30), w.rng.IntN(80)
	switch {
	case w.rng.IntN(12) == 0:
		padding = 600
	case w.rng.IntN(8) == 0:
		n, padding = handOverEntries+w.rng.IntN(30), 0 // work for the clerk, behind small blocks that the owner witnesses himself
	}
	for range n {
		payload := binary.BigEndian.AppendUint32(nil, w.rng.Uint32())
		add(&ledger.Entry{Kind: 2, Legs: []ledger.Leg{{Account: 1, Amount: -1}, {Account: 2, Amount: 1}}, Payload: append(payload, make([]byte, padding)...)})
	}
	return builder.Seal()
}

// verdictOf opens what is left and judges it: an empty text is a pass.
func (w *workload) verdictOf(o Options, acked uint64) string {
	s, err := Open(o)
	if err != nil {
		return fmt.Sprintf("not opened: %v", err)
	}
	defer s.Close()
	return w.judge(s, acked)
}

// judge: acknowledged is there, nothing is invented, an auditor with its own books finds the chain whole, and the ledger goes on.
func (w *workload) judge(s *Store, acked uint64) string {
	head := s.Head()
	w.mu.Lock()
	hash, known := w.handed[head.Sequence]
	w.mu.Unlock()
	switch {
	case head.Sequence < acked:
		return fmt.Sprintf("lost: acknowledged %d, found %d", acked, head.Sequence)
	case !known || hash != head.Hash:
		return fmt.Sprintf("invented: a head at %d that nobody wrote", head.Sequence)
	}
	auditor := ledgertest.NewRange()
	book := ledger.NewBook()
	err := s.Replay(context.Background(), 0, func(b ledger.Block) error {
		auditor.Block(b.First(), b.Bytes())
		return b.Each(applyTo(book))
	})
	if report := auditor.Finish(); err != nil || len(report.Findings) > 0 || head.Sequence > 0 && report.Last != head.Sequence {
		return fmt.Sprintf("not whole: %v %v", err, report.Findings)
	}
	if text := checkCheckpoint(s); text != "" {
		return text
	}
	builder := ledger.BlockBuilder{}
	block := newWorkload(head.Sequence).build(&builder, head, book)
	if err := errorsOf(s.Append(block), s.Wait(block.Last())); err != nil {
		return fmt.Sprintf("does not go on: %v", err)
	}
	return ""
}

// checkCheckpoint: a checkpoint that is offered is one of this chain, and balances.
func checkCheckpoint(s *Store) string {
	stored, err := s.LoadCheckpoint()
	if err != nil {
		return fmt.Sprintf("checkpoint: %v", err)
	}
	if stored == nil {
		return ""
	}
	if _, err := ledger.RestoreBook(stored); err != nil {
		return fmt.Sprintf("checkpoint: %v", err)
	}
	if err := s.checkWitnessed(stored.Head()); err != nil {
		return fmt.Sprintf("checkpoint of another chain: %v", err)
	}
	return ""
}

// changes says whether an operation changes the file system.
func changes(op errorfs.Op) bool {
	return op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpLock && op.Kind != errorfs.OpFileClose
}

// crasher clones the file system before operations and judges the clones on the spot.
type crasher struct {
	w       *workload
	mem     *vfs.MemFS
	options Options
	rng     *rand.Rand
	every   int // one in so many operations
	depth   int // how often recovery is crashed in turn
	mu      sync.Mutex
	ops     int
	points  *crashCounts
}

// crashCounts add up over nested crashers.
type crashCounts struct {
	ops, clones, nested atomic.Int64
	mu                  sync.Mutex
	failures            []string // guarded by mu
}

func (c *crashCounts) fail(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures = append(c.failures, text)
}

func (c *crasher) fs() vfs.FS {
	return inject(c.mem, func(op errorfs.Op) error {
		if changes(op) {
			c.before(op)
		}
		return nil
	})
}

// injected is errorfs, which forgets to wrap the files of ReuseForWrite: the recycled logs, which matter most. Their operations have no
// path.
type injected struct {
	vfs.FS
	injector errorfs.Injector
}

func inject(fs vfs.FS, f func(op errorfs.Op) error) vfs.FS {
	return injected{errorfs.Wrap(fs, errorfs.InjectorFunc(f)), errorfs.InjectorFunc(f)}
}

func (i injected) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := i.FS.ReuseForWrite(from, to, category)
	if err != nil {
		return nil, err
	}
	return errorfs.WrapFile(f, i.injector), nil
}

// before is called before every operation that changes something. Pebble's goroutines come here too.
func (c *crasher) before(op errorfs.Op) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ops++
	c.points.ops.Add(1)
	if c.every > 1 && c.rng.IntN(c.every) > 0 {
		return
	}
	acked := c.w.acked.Load() // before the clone: whoever was answered later is not owed yet
	for _, kept := range []int{0, 50, 100} {
		clone := c.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: c.rng})
		c.points.clones.Add(1)
		if c.depth > 0 {
			c.nested(clone, acked)
			continue
		}
		o := c.options
		o.FS = clone
		if text := c.w.verdictOf(o, acked); text != "" {
			c.points.fail(fmt.Sprintf("op %d (kind %d %s), %d %% of unsynced kept: %s", c.ops, op.Kind, op.Path, kept, text))
		}
	}
}

// nested opens a clone under a crasher of its own, so that recovery is crashed too, and then judges it.
func (c *crasher) nested(clone *vfs.MemFS, acked uint64) {
	every := 12 * c.depth * c.depth // what is crashed three deep is crashed less often
	inner := &crasher{w: c.w, mem: clone, options: c.options, rng: c.rng, every: every, depth: c.depth - 1, points: c.points}
	o := c.options
	o.FS = inner.fs()
	c.points.nested.Add(1)
	s, err := Open(o)
	if err != nil {
		c.points.fail(fmt.Sprintf("recovery under crashes: %v", err))
		return
	}
	if s.Head().Sequence < acked {
		c.points.fail(fmt.Sprintf("recovery under crashes: acknowledged %d, found %d", acked, s.Head().Sequence))
	}
	_ = s.Close()
}

// crashRun crashes one workload and returns the counts.
func crashRun(seed uint64, blocks, every, depth int, change func(*workload, *Options)) *crashCounts {
	w := newWorkload(seed)
	mem := vfs.NewCrashableMem()
	c := &crasher{w: w, mem: mem, options: crashOptions(nil), rng: rand.New(rand.NewPCG(seed, 9)), every: every, depth: depth, points: &crashCounts{}}
	if change != nil {
		change(w, &c.options)
	}
	o := c.options
	o.FS, o.cold = c.fs(), seed%2 == 0
	if err := w.run(o, blocks); err != nil {
		c.points.fail(fmt.Sprintf("workload: %v", err))
	}
	return c.points
}

func TestCrashAtEveryOperation(t *testing.T) {
	counts := crashRun(1, 60, 5, 0, nil)
	t.Logf("operations %d, crashes judged %d", counts.ops.Load(), counts.clones.Load())
	require.Empty(t, counts.failures)
	require.Greater(t, counts.clones.Load(), int64(30))
}

func TestCrashDuringRecovery(t *testing.T) {
	counts := crashRun(2, 30, 12, 1, nil)
	t.Logf("operations %d, crashes judged %d, recoveries crashed %d", counts.ops.Load(), counts.clones.Load(), counts.nested.Load())
	require.Empty(t, counts.failures)
	require.Greater(t, counts.nested.Load(), int64(5))
}

// TestCrashTestsHaveTeeth: a journal that answers before the disk has it must be caught.
func TestCrashTestsHaveTeeth(t *testing.T) {
	counts := crashRun(3, 40, 4, 0, func(w *workload, o *Options) { w.ackEarly, o.blind = true, true })
	require.NotEmpty(t, counts.failures, "an answer before the sync was not noticed")
	require.Contains(t, counts.failures[0], "lost")
}
