package pebblestore

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"onecard/ledger"
)

// Restoration brings a backup back as the ledger of another folder. It does not copy files: it reads every block and writes it into a new
// store, so that what cannot be read is found, nothing is shared with the backup, and a ledger that is cut at an entry holds nothing of
// what came after. The new store is made in DIR/restoring and gets its name when it is whole.
type Restoration struct {
	Backup Backup // what the backup says about itself

	dir     string
	staging string
	fs      vfs.FS
	source  *Store
	store   *Store
	batch   *pebble.Batch
	head    ledger.Head // of the last block taken
	last    []byte      // the last block taken
	named   bool        // the block that BACKUP.json names was seen
}

// LeftOut is what a restore to an entry leaves out.
type LeftOut struct {
	Blocks, Entries uint64
	From, UpTo      uint64 // first and last entry
	Begin, End      int64  // their times, microseconds since 1970
	Unreadable      bool   // some of it could not be read, or is not a block
}

// RestoreSink is told of every block that is taken, before it is written, and of what cannot be read.
type RestoreSink struct {
	Block   func(key uint64, raw []byte)
	Missing func(from, upTo uint64, why error)
}

const (
	stagingName   = "restoring"
	restoreBatch  = 1 << 20 // bytes of a batch
	restoreMargin = 64 << 20
)

// ErrHoldsLedger says that a folder is not free for a restore.
var ErrHoldsLedger = errors.New("目录中已有账本或其一部分,请换一个目录或先移走它 / the folder holds a ledger or part of one: name another, or move that away first")

// BeginRestore checks the backup and the folder, which may hold a site key but no ledger. fs nil: the real one. Finish or Abort ends it.
func BeginRestore(fs vfs.FS, from, dir string) (*Restoration, error) {
	if fs == nil {
		fs = vfs.Default
	}
	b, err := ReadBackup(fs, from)
	if err != nil {
		return nil, err
	}
	r := &Restoration{Backup: b, dir: dir, staging: fs.PathJoin(dir, stagingName), fs: fs}
	for _, name := range []string{"pebble", witnessName} {
		if _, err := fs.Stat(fs.PathJoin(dir, name)); !errors.Is(err, os.ErrNotExist) {
			return nil, errors.Join(fmt.Errorf("%s: %w", dir, ErrHoldsLedger), err)
		}
	}
	// What a restore has left that was interrupted is ours by its name.
	if err := errors.Join(makeFolder(fs, dir), fs.RemoveAll(r.staging)); err != nil {
		return nil, fmt.Errorf("%s: 目录无法写入 / the folder cannot be written: %w", dir, err)
	}
	if usage, err := fs.GetDiskUsage(dir); err == nil && usage.AvailBytes < uint64(b.Bytes)+restoreMargin {
		return nil, &NoSpaceError{dir, usage.AvailBytes, uint64(b.Bytes) + restoreMargin}
	}
	if r.source, err = Inspect(Options{Dir: from, FS: fs, noStats: true}); err != nil {
		return nil, err
	}
	r.store, err = Open(Options{Dir: r.staging, FS: fs, cold: true, slotBytes: r.source.options.slotBytes})
	if err != nil {
		return nil, errors.Join(err, r.source.Close(), fs.RemoveAll(r.staging))
	}
	r.batch = r.store.db.NewBatch()
	return r, nil
}

// Doubts are the reasons for which the backup would be refused as a ledger (see Inspect). A restore to an entry before the damage can do
// without the end.
func (r *Restoration) Doubts() []error { return r.source.Doubts() }

// Copy takes the blocks up to the last that ends at or before an entry (0: all), and with them names, checkpoints and the statement index
// as far as they belong to these blocks. What it returns is not checked beyond form and chain: that is for the sink.
func (r *Restoration) Copy(ctx context.Context, to uint64, sink RestoreSink) (LeftOut, error) {
	var left LeftOut
	var last []byte
	err := r.source.RawBlocks(ctx, 1, func(key uint64, raw []byte) error {
		b, err := ledger.SkimBlock(raw)
		if to > 0 && (key > to || left.Blocks > 0 || err == nil && b.Last() > to) {
			last = left.add(key, raw, last)
			return nil
		}
		sink.Block(key, raw)
		if err != nil {
			return nil // told by the sink's owner
		}
		return r.take(key, b)
	}, func(from, upTo uint64, why error) {
		if to > 0 && from > to {
			left.Unreadable = true
			return
		}
		sink.Missing(from, upTo, why)
	})
	if err != nil {
		return left, err
	}
	left.finish(last)
	if err := r.checkEnd(to, left); err != nil {
		return left, err
	}
	if left.Blocks == 0 { // what is staged is to go on from the end of the ledger, and from nowhere else
		if err := r.copyRows(ctx, prefixStage, r.set); err != nil {
			return left, fmt.Errorf("暂存的导入无法读取 / the staged import cannot be read: %w", err)
		}
	}
	return left, errors.Join(r.copyBeside(ctx), r.commit())
}

// checkEnd: the ledger reaches what was asked for, and the block that the backup names is the one in it.
func (r *Restoration) checkEnd(to uint64, left LeftOut) error {
	switch end := r.source.Head().Sequence; {
	case to > 0 && r.head.Sequence == 0:
		return fmt.Errorf("第一个区块止于第 %d 条,第 %d 条之前没有可恢复的区块 / the first block ends at entry %[1]d: no block ends at or before %[2]d", left.firstEnd(r.source), to)
	case to > end:
		return fmt.Errorf("备份止于第 %d 条,到不了第 %d 条;要恢复到末尾请去掉 --to / the backup ends at entry %[1]d, before %[2]d: leave --to out to restore all of it", end, to)
	case !r.named && (to == 0 || to >= r.Backup.Sequence) && r.Backup.Sequence > 0:
		return fmt.Errorf("%s 所记的区块(止于第 %d 条)不在备份中:文件被改动或混用 / the block that %[1]s names, which ends at entry %[2]d, is not in the backup: files were changed or mixed", backupName, r.Backup.Sequence)
	}
	return nil
}

// firstEnd is where the first block ends; 0 when it cannot be read.
func (l *LeftOut) firstEnd(s *Store) uint64 {
	it, err := s.blocks()
	if err != nil {
		return 0
	}
	defer it.Close()
	if !it.First() {
		return 0
	}
	b, err := storedUnder(it, ledger.SkimBlock)
	if err != nil {
		return 0
	}
	return b.Last()
}

// add counts a block that is left out, and returns it as the newest of them.
func (l *LeftOut) add(key uint64, raw, last []byte) []byte {
	b, err := ledger.SkimBlock(raw)
	if err != nil {
		l.Unreadable = true
		return last
	}
	if l.Blocks == 0 {
		l.From = key
		_ = b.Each(func(_ uint64, e *ledger.Entry) error {
			l.Begin = e.Time
			return errClosed // the first is enough
		})
	}
	l.Blocks++
	l.Entries += uint64(b.Count())
	l.UpTo = b.Last()
	return append(last[:0], raw...)
}

func (l *LeftOut) finish(last []byte) {
	b, err := ledger.SkimBlock(last)
	if err != nil {
		return
	}
	_ = b.Each(func(_ uint64, e *ledger.Entry) error {
		l.End = e.Time
		return nil
	})
}

func (r *Restoration) take(key uint64, b ledger.Block) error {
	r.head = b.Head()
	r.last = append(r.last[:0], b.Bytes()...)
	if r.head.Sequence == r.Backup.Sequence {
		r.named = hex.EncodeToString(r.head.Hash[:]) == r.Backup.Hash
	}
	return r.set(blockKey(nil, key), b.Bytes())
}

// set writes a row, many at once and unsynced: until the end nothing counts.
func (r *Restoration) set(key, value []byte) error {
	if err := r.batch.Set(key, value, nil); err != nil {
		return fmt.Errorf("writing the restored ledger: %w", err)
	}
	if r.batch.Len() < restoreBatch {
		return nil
	}
	return r.commit()
}

func (r *Restoration) commit() error {
	if err := errors.Join(r.batch.Commit(pebble.NoSync), r.batch.Close()); err != nil {
		return fmt.Errorf("writing the restored ledger: %w", err)
	}
	r.batch = r.store.db.NewBatch()
	return nil
}

// copyBeside copies what stands beside the blocks.
func (r *Restoration) copyBeside(ctx context.Context) error {
	if err := r.copyRows(ctx, prefixDirectory, r.set); err != nil {
		return fmt.Errorf("姓名表无法读取 / the directory of names cannot be read: %w", err)
	}
	if err := r.copyRows(ctx, prefixMark, r.copyMark); err != nil {
		return err
	}
	if err := r.copyCheckpoints(ctx); err != nil {
		return err
	}
	err := r.copyRows(ctx, prefixIndex, r.copyList)
	if err == nil {
		err = r.copyTotals(ctx)
	}
	if err != nil {
		// The index can be built again: one that cannot be read is left out whole.
		if err := errors.Join(ctx.Err(), r.commit()); err != nil {
			return err
		}
		return r.store.dropIndex()
	}
	return nil
}

// copyTotals copies the totals if they end with the ledger or before. A sum cannot be brought back to an earlier entry: one that counts
// more is left out, and built again from the blocks.
func (r *Restoration) copyTotals(ctx context.Context) error {
	upTo, promised, err := r.source.totalsMark()
	if err != nil {
		return err
	}
	if max(upTo, promised) > r.head.Sequence {
		return r.set(totalsMarkKey(), totalsMark(0, 0))
	}
	return r.copyRows(ctx, prefixTotals, r.set)
}

func (r *Restoration) copyRows(ctx context.Context, prefix byte, take func(key, value []byte) error) error {
	it, err := r.source.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefix}, UpperBound: []byte{prefix + 1}})
	if err != nil {
		return err
	}
	defer it.Close()
	for valid := it.First(); valid; valid = it.Next() {
		value, err := it.ValueAndErr()
		if err == nil {
			err = errors.Join(ctx.Err(), take(it.Key(), value))
		}
		if err != nil {
			return err
		}
	}
	return it.Error()
}

// copyMark brings a mark that is beyond the end back to it. The cursor of a feed stays as it is: it carries a hash, by which the feed sees
// that its reader knows of records that are no longer there, and says so.
func (r *Restoration) copyMark(key, value []byte) error {
	if len(value) == 8 && binary.BigEndian.Uint64(value) > r.head.Sequence {
		value = binary.BigEndian.AppendUint64(nil, r.head.Sequence)
	}
	return r.set(key, value)
}

// copyCheckpoints copies those that are whole and not beyond the end.
func (r *Restoration) copyCheckpoints(ctx context.Context) error {
	all, err := r.source.manifests()
	if err != nil {
		return nil // an optimisation: a restart replays
	}
	for _, m := range all {
		stored := &storedCheckpoint{r.source, m}
		if m.head.Sequence > r.head.Sequence || stored.check() != nil {
			continue
		}
		for _, section := range m.sections {
			part := uint32(0)
			err := stored.Section(section.name, func(rows []byte) error {
				part++
				return errors.Join(ctx.Err(), r.set(partKey(m.generation, section.name, part-1), rows))
			})
			if err != nil {
				return err
			}
		}
		if err := r.set(manifestKey(m.generation), m.encode()); err != nil {
			return err
		}
	}
	return nil
}

// copyList copies one list of the statement index as far as the end.
func (r *Restoration) copyList(key, value []byte) error {
	if len(key) != 18 {
		return ledger.ErrMalformed
	}
	first := binary.BigEndian.Uint64(key[10:])
	if first > r.head.Sequence {
		return nil
	}
	sequences, err := readList(nil, first, value)
	if err != nil {
		return err
	}
	kept := list{first: first, last: first}
	for _, sequence := range sequences {
		if sequence <= r.head.Sequence {
			kept.add(sequence)
		}
	}
	return r.set(key, kept.steps)
}

// Finish makes the restored ledger durable, opens it as a switch would, and gives it its name.
func (r *Restoration) Finish() (ledger.Head, error) {
	head, err := r.finish()
	if err != nil {
		return ledger.Head{}, errors.Join(err, r.Abort())
	}
	return head, nil
}

func (r *Restoration) finish() (ledger.Head, error) {
	if r.last != nil {
		if err := r.store.witness.write(r.head, r.last); err != nil {
			return ledger.Head{}, err
		}
	}
	if err := r.store.db.Flush(); err != nil {
		return ledger.Head{}, fmt.Errorf("writing the restored ledger: %w", err)
	}
	if err := r.closeBoth(); err != nil {
		return ledger.Head{}, err
	}
	proved, err := Open(Options{Dir: r.staging, FS: r.fs, cold: true})
	if err != nil {
		return ledger.Head{}, fmt.Errorf("恢复出的账本打不开 / the restored ledger does not open: %w", err)
	}
	head := proved.Head()
	if err := proved.Close(); err != nil {
		return ledger.Head{}, err
	}
	if head != r.head {
		return ledger.Head{}, fmt.Errorf("the restored ledger ends at %d, %d expected: %w", head.Sequence, r.head.Sequence, ledger.ErrMalformed)
	}
	// A crash between the two leaves a witness without a journal, which no switch begins a new ledger over.
	for _, name := range []string{witnessName, "pebble"} {
		if err := errors.Join(r.fs.Rename(r.fs.PathJoin(r.staging, name), r.fs.PathJoin(r.dir, name)), syncDir(r.fs, r.staging), syncDir(r.fs, r.dir)); err != nil {
			return ledger.Head{}, fmt.Errorf("putting the restored ledger in its place: %w", err)
		}
	}
	return head, r.fs.RemoveAll(r.staging)
}

func (r *Restoration) closeBoth() error {
	var err error
	if r.batch != nil {
		err = r.batch.Close()
	}
	if r.store != nil {
		err = errors.Join(err, r.store.Close())
	}
	if r.source != nil {
		err = errors.Join(err, r.source.Close())
	}
	r.batch, r.store, r.source = nil, nil, nil
	return err
}

// Abort ends a restoration that was not finished, and removes what it has written.
func (r *Restoration) Abort() error {
	return errors.Join(r.closeBoth(), r.fs.RemoveAll(r.staging))
}
