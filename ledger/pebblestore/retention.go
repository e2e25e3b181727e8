package pebblestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"onecard/ledger"
	"onecard/ledger/invariant"
	"onecard/ledger/pebblestore/archive"
)

// Old blocks move out of Pebble into the archive, a file at a time. Before the blocks of a file are deleted the file is read from the disk
// and compared with them, byte by byte; then one synced batch writes the mark that stands for them in the chain and deletes them. So at every
// moment each block is in Pebble, or in a file that was compared, or in both.
//
// Some blocks stay whatever their age, so that a ledger opens and goes on while its archive is away: those behind the oldest whole
// checkpoint, those that the index has not read, the newest few, which the witness speaks of, and those of the newest file, which may grow.

// keptBlocks of the newest stay in Pebble: twice as many as the witness has slots.
const keptBlocks = 2 * witnessSlots

// Retained is what a moving out has done.
type Retained struct {
	UpTo            uint64 // the last entry that is in the archive alone
	Blocks, Entries uint64 // moved out now
	Files           int
	Before, After   uint64 // bytes of Pebble's tables; the same when nothing was moved
	HeldBack        string // why older blocks than asked for have stayed; "" when none have
}

// MoveOut moves the blocks whose entries are all before a moment (microseconds since 1970) into the archive that they are in already. What
// is not in it, or not as it is in Pebble, is not moved, and refused by name. Any goroutine may call it while the owner goes on. gentle:
// three quarters of the time it rests.
func (s *Store) MoveOut(ctx context.Context, dir string, before int64, gentle bool) (done Retained, err error) {
	if err := s.beginArchiving(ctx, dir); err != nil {
		return Retained{}, err
	}
	defer s.endArchiving()
	if s.options.FS == nil { // the mark is read by processes that work elsewhere
		if dir, err = filepath.Abs(dir); err != nil {
			return Retained{}, err
		}
	}
	folder, err := archive.Open(s.plainFS(), dir)
	if err != nil {
		return Retained{}, err
	}
	m := &mover{store: s, folder: folder, dir: dir, pace: pace{gentle: gentle, began: time.Now()}}
	m.done.UpTo, m.done.Before = s.begin().Sequence, s.tableBytes()
	m.done.After = m.done.Before
	err = m.run(ctx, before)
	if m.done.Files > 0 {
		err = errors.Join(err, m.giveBack(ctx))
	}
	return m.done, err
}

// mover is one moving out.
type mover struct {
	store  *Store
	folder *archive.Folder
	dir    string
	pace   pace
	limit  uint64 // entries behind it stay
	why    string
	done   Retained
}

func (m *mover) run(ctx context.Context, before int64) error {
	runs := m.folder.Runs()
	faults := m.folder.Faults()
	for i := range runs {
		r := &runs[i]
		switch {
		case r.Last <= m.store.begin().Sequence:
			continue
		case len(faults) > 0 && faults[0].From <= r.Last:
			return fmt.Errorf("旧区块不移出 / old blocks do not move out: %w", faults[0])
		case r.End >= before || i == len(runs)-1:
			return nil
		}
		if m.limit == 0 {
			if err := m.setLimit(); err != nil {
				return err
			}
		}
		if r.Last > m.limit {
			m.done.HeldBack = m.why
			return nil
		}
		if err := m.move(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// setLimit finds out how far an open ledger and the next start can do without the archive.
func (m *mover) setLimit() error {
	whole, _, err := m.store.Checkpoints()
	if err != nil {
		return err
	}
	m.limit = math.MaxUint64
	lower := func(limit uint64, why string) {
		if limit < m.limit {
			m.limit, m.why = max(limit, 1), why // 1: it was looked for
		}
	}
	if len(whole) == 0 {
		lower(0, "尚无完好的检查点 / there is no whole checkpoint yet")
		return nil
	}
	lower(whole[0].Sequence, fmt.Sprintf("较旧的检查点止于第 %d 条 / the older checkpoint ends at entry %[1]d", whole[0].Sequence))
	totalled, promised, err := m.store.totalsMark()
	if err != nil {
		return err
	}
	indexed := m.store.IndexedTo()
	if totalled > 0 || promised > 0 {
		indexed = min(indexed, totalled)
	}
	lower(indexed, fmt.Sprintf("流水索引止于第 %d 条 / the index ends at entry %[1]d", indexed))
	newest, err := m.store.beforeNewest(keptBlocks)
	if err != nil {
		return err
	}
	lower(newest, fmt.Sprintf("最新的 %d 个区块总是保留 / the newest %[1]d blocks always stay", keptBlocks))
	return nil
}

// beforeNewest is the last entry before the newest so many blocks in Pebble.
func (s *Store) beforeNewest(blocks int) (uint64, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: blockKey(nil, s.firstHere()), UpperBound: []byte{prefixBlock + 1}})
	if err != nil {
		return 0, fmt.Errorf("reading blocks: %w", err)
	}
	defer it.Close()
	valid := it.Last()
	for range blocks - 1 {
		valid = valid && it.Prev()
	}
	if !valid {
		return s.begin().Sequence, it.Error()
	}
	return sequenceOf(it.Key()) - 1, nil
}

// move compares a file with the blocks in Pebble and then moves them out.
func (m *mover) move(ctx context.Context, r *archive.Run) error {
	begin := m.store.begin()
	if r.First != begin.Sequence+1 || r.Before != begin.Hash {
		return &archive.ForeignError{Dir: m.dir, Head: r.Head()}
	}
	if err := m.compare(ctx, r); err != nil {
		return err
	}
	first := r.Ledger
	if is := m.store.moved.Load(); is != nil {
		first = is.first
	}
	next := newMoved(r.Head(), first, m.store.plainFS(), m.dir, m.store.options.ArchiveDir)
	batch := m.store.db.NewBatch()
	err := errors.Join(batch.Set(markKey(markMoved), next.encode(), nil), batch.DeleteRange(blockKey(nil, r.First), blockKey(nil, r.Last+1), nil))
	if err == nil {
		m.store.moved.Store(next) // first, so that whoever does not see the blocks any more knows where they are (cursor.go)
		err = batch.Commit(pebble.Sync)
	}
	if err := errors.Join(err, batch.Close()); err != nil {
		return fmt.Errorf("moving out the blocks up to entry %d: %w", r.Last, err)
	}
	m.done.UpTo = r.Last
	m.done.Files++
	m.done.Blocks += uint64(r.Blocks)
	m.done.Entries += r.Last - r.First + 1
	return nil
}

// compare reads a file from the disk and holds every block of it against the one in Pebble.
func (m *mover) compare(ctx context.Context, r *archive.Run) error {
	it, err := m.store.db.NewIter(&pebble.IterOptions{LowerBound: blockKey(nil, r.First), UpperBound: blockKey(nil, r.Last+1)})
	if err != nil {
		return fmt.Errorf("reading blocks: %w", err)
	}
	defer it.Close()
	valid := it.First()
	err = m.folder.Check(r, func(b ledger.Block) error {
		if !valid || !bytes.Equal(it.Key(), blockKey(nil, b.First())) {
			return errors.Join(fmt.Errorf("账本中没有档案里的区块 %d / the ledger does not have the archive's block at %[1]d: %w", b.First(), ledger.ErrMalformed), it.Error())
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("reading the block at %d: %w", b.First(), err)
		}
		if !bytes.Equal(value, b.Bytes()) {
			return fmt.Errorf("区块 %d 在账本与档案中不同 / the block at %[1]d differs between the ledger and the archive: %w", b.First(), ledger.ErrMalformed)
		}
		valid = it.Next()
		return m.pace.rest(ctx)
	})
	if err == nil && valid {
		err = fmt.Errorf("档案中没有账本里的区块 %d / the archive does not have the ledger's block at %[1]d: %w", sequenceOf(it.Key()), ledger.ErrMalformed)
	}
	if err := errors.Join(err, it.Error()); err != nil {
		return fmt.Errorf("%s: 与账本核对不符,未移出 / it does not compare with the ledger, nothing was moved out: %w", m.dir, err)
	}
	return nil
}

// giveBack lets Pebble give the space back: what was deleted stays in its tables until they are written anew.
func (m *mover) giveBack(ctx context.Context) error {
	invariant.Hold(m.done.UpTo == m.store.begin().Sequence, "moved out up to %d, the mark says %d", m.done.UpTo, m.store.begin().Sequence)
	if err := m.store.db.Compact(ctx, blockKey(nil, 0), blockKey(nil, m.done.UpTo+1), false); err != nil {
		return fmt.Errorf("giving space back: %w", m.store.unreadable(err))
	}
	m.done.After = m.store.tableBytes()
	return nil
}

// tableBytes is the size of the tables that count: the files of others go a moment later.
func (s *Store) tableBytes() uint64 {
	total := s.db.Metrics().Total()
	return uint64(total.TablesSize)
}
