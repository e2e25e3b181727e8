package pebblestore

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/ledgertest"
	"onecard/ledger/pebblestore/faultdisk"
)

// Crash tests (safety handbook 2.3 a to c).
//
// A workload runs on a file system in memory that knows what was synced. Before every operation that changes it — create, write, sync,
// rename, remove — the file system is cloned as a crash at that moment would leave it: with none, half or all of what was not synced. Each
// clone is opened again and judged: it must open, everything acknowledged is there, the head is a block that was really handed over (so
// the chain below it is whole, by hash), and the ledger can go on. Recovery itself is crashed in the same way, three deep.

// crashOptions are a store with everything small, so that a few hundred operations see flushes, rotations and recycled logs.
func crashOptions(fs vfs.FS) Options {
	return Options{Dir: "data", FS: fs, MemTableBytes: 64 << 10, slotBytes: 8 << 10, noStats: true, cold: true, flushPause: time.Microsecond}
}

// workload writes blocks and remembers what it handed over and what was acknowledged.
type workload struct {
	seed     uint64
	rng      *rand.Rand
	small    bool // blocks of a few KiB at most: Pebble flips every bit of a damaged one before it says so
	ackEarly bool // a mutant that answers before the disk has it
	archives bool // blocks are archived and moved out on the way (crasharchive_test.go)
	day      uint32
	index    *indexer // of the last write: a store has one at a time
	acked    atomic.Uint64
	mu       sync.Mutex
	handed   map[uint64]ledger.Hash // guarded by mu; heads of all blocks appended
}

func newWorkload(seed uint64) *workload {
	return &workload{seed: seed, rng: rand.New(rand.NewPCG(seed, 7)), handed: map[uint64]ledger.Hash{0: {}}}
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
	x, err := s.newIndexer(everything())
	if err != nil {
		return err
	}
	w.index = x
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
		if err := w.archive(s); err != nil {
			return err
		}
		if w.rng.IntN(8) == 0 || w.archives && i%3 == 0 {
			if err := s.SaveCheckpoint(context.Background(), ledger.Snapshot{Head: s.Head(), Sections: book.Sections(nil)}); err != nil {
				return err
			}
		}
		if w.rng.IntN(8) == 0 || w.archives && i%3 == 0 {
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
	builder.Begin(head, 20000+w.nextDay())
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
		if w.small {
			padding = 150
		}
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
	if text := checkTotals(s); text != "" {
		return text
	}
	builder := ledger.BlockBuilder{}
	block := newWorkload(head.Sequence).build(&builder, head, book)
	if err := errorsOf(s.Append(block), s.Wait(block.Last())); err != nil {
		return fmt.Sprintf("does not go on: %v", err)
	}
	if w.archives {
		return w.judgeArchive(s)
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

// crasher clones the file system before operations and judges the clones on the spot.
type crasher struct {
	w        *workload
	mem      *vfs.MemFS
	options  Options
	rng      *rand.Rand
	every    int // one in so many operations
	depth    int // how often recovery is crashed in turn
	deep     int // how many recoveries we are inside of
	campaign *faultdisk.Campaign
	mu       sync.Mutex
	ops      int
}

// crashedIn names where a crash came.
var crashedIn = []string{"at work", "in recovery", "in recovery of recovery", "in the third recovery"}

func (c *crasher) fs() vfs.FS {
	return faultdisk.Watch(c.mem, func(op faultdisk.Op) error {
		if faultdisk.Changes(op) {
			c.before(op)
		}
		return nil
	})
}

// before is called before every operation that changes something. Pebble's goroutines come here too.
func (c *crasher) before(op faultdisk.Op) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ops++
	c.campaign.Total("operations", 1)
	if c.every > 1 && c.rng.IntN(c.every) > 0 || c.campaign.Full() {
		return
	}
	acked := c.w.acked.Load() // before the clone: whoever was answered later is not owed yet
	for _, kept := range []int{0, 50, 100} {
		clone := c.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: c.rng})
		if c.depth > 0 {
			c.nested(clone, acked)
			continue
		}
		if !c.campaign.Point(faultdisk.Operation(op), faultdisk.FileKind(op.Path)) {
			return
		}
		c.campaign.Count("crashed", crashedIn[c.deep], 1)
		c.campaign.Count("unsynced data kept", fmt.Sprintf("%d %%", kept), 1)
		o := c.options
		o.FS = clone
		if text := c.w.verdictOf(o, acked); text != "" {
			c.campaign.Fail(verdictIn(text), "seed %d, operation %d (%s of %s) %s, %d %% of unsynced kept: %s",
				c.w.seed, c.ops, faultdisk.Operation(op), op.Path, crashedIn[c.deep], kept, text)
		}
	}
}

// verdictIn sorts what a judge has said.
func verdictIn(text string) faultdisk.Verdict {
	for _, v := range []faultdisk.Verdict{faultdisk.Lost, faultdisk.Invented} {
		if strings.HasPrefix(text, string(v)) {
			return v
		}
	}
	return faultdisk.Broken
}

// nested opens a clone under a crasher of its own, so that recovery is crashed too, and then judges it.
func (c *crasher) nested(clone *vfs.MemFS, acked uint64) {
	every := 12 * c.depth * c.depth // what is crashed three deep is crashed less often
	inner := &crasher{w: c.w, mem: clone, options: c.options, rng: c.rng, every: every, depth: c.depth - 1, deep: c.deep + 1, campaign: c.campaign}
	o := c.options
	o.FS = inner.fs()
	c.campaign.Total("recoveries crashed", 1)
	s, err := Open(o)
	if err != nil {
		c.campaign.Fail(faultdisk.Broken, "seed %d, recovery under crashes: %v", c.w.seed, err)
		return
	}
	if s.Head().Sequence < acked {
		c.campaign.Fail(faultdisk.Lost, "seed %d, recovery under crashes: acknowledged %d, found %d", c.w.seed, acked, s.Head().Sequence)
	}
	_ = s.Close()
}

// crashRun crashes one workload.
func crashRun(campaign *faultdisk.Campaign, seed uint64, blocks, every, depth int, change func(*workload, *Options)) {
	w := newWorkload(seed)
	mem := vfs.NewCrashableMem()
	c := &crasher{w: w, mem: mem, options: crashOptions(nil), rng: rand.New(rand.NewPCG(seed, 9)), every: every, depth: depth, campaign: campaign}
	if change != nil {
		change(w, &c.options)
	}
	o := c.options
	o.FS, o.cold = c.fs(), seed%2 == 0
	if err := w.run(o, blocks); err != nil {
		campaign.Fail(faultdisk.Broken, "seed %d, workload: %v", seed, err)
	}
	campaign.Total("entries acknowledged", int64(w.acked.Load()))
}

func TestCrashAtEveryOperation(t *testing.T) {
	campaign := faultdisk.New("crash", 1, 1<<40)
	crashRun(campaign, 1, 60, 5, 0, nil)
	require.Empty(t, campaign.Failures())
	require.Greater(t, campaign.Judged(), int64(30))
}

func TestCrashDuringRecovery(t *testing.T) {
	campaign := faultdisk.New("crash", 2, 1<<40)
	crashRun(campaign, 2, 30, 12, 1, nil)
	require.Empty(t, campaign.Failures())
	require.Greater(t, campaign.Counted("crashed", "in recovery"), int64(5))
}

// TestCrashTestsHaveTeeth: a journal that answers before the disk has it must be caught.
func TestCrashTestsHaveTeeth(t *testing.T) {
	campaign := faultdisk.New("crash", 3, 1<<40)
	crashRun(campaign, 3, 40, 4, 0, func(w *workload, o *Options) { w.ackEarly, o.blind = true, true })
	require.NotEmpty(t, campaign.Failures(), "an answer before the sync was not noticed")
	require.Equal(t, faultdisk.Lost, campaign.Failures()[0].Verdict)
}
