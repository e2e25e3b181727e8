package pebblestore

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"onecard/ledger"
	"onecard/ledger/pebblestore/archive"
)

// Restoration brings a ledger back in another folder: from a backup, from an archive, or from a backup and the files of an archive that go
// on where it ends. It does not copy files: it reads every block and writes it into a new store, so that what cannot be read is found,
// nothing is shared with the backup, blocks that were moved out to an archive are in the ledger again, and a ledger that is cut at an entry
// or a moment holds nothing of what came after. The new store is made in DIR/restoring and gets its name when it is whole.
type Restoration struct {
	Backup Backup // what the backup says about itself; the zero value when there is none

	dir     string
	staging string
	fs      vfs.FS
	source  *Store          // the backup; nil: none
	files   *archive.Folder // nil: none
	store   *Store
	batch   *pebble.Batch
	head    ledger.Head // of the last block taken
	last    []byte      // the last block taken
	named   bool        // the block that BACKUP.json names was seen
}

// Cut is where a restored ledger ends: with the last block that ends at or before an entry, or with the last block none of whose entries
// came after a moment. The zero value is everything.
type Cut struct {
	Entry uint64
	Time  int64 // microseconds since 1970
}

// RestoreSink is told of every block that is taken, before it is written, and of what cannot be read.
type RestoreSink struct {
	Block   func(key uint64, raw []byte)
	Left    func(raw []byte) // of a block that is left out; nil: nobody listens
	Missing func(from, upTo uint64, why error)
}

const (
	stagingName   = "restoring"
	restoreBatch  = 1 << 20 // bytes of a batch
	restoreMargin = 64 << 20
)

// ErrHoldsLedger says that a folder is not free for a restore.
var ErrHoldsLedger = errors.New("目录中已有账本或其一部分,请换一个目录或先移走它 / the folder holds a ledger or part of one: name another, or move that away first")

// BeginRestore checks the source and the folder, which may hold a site key but no ledger. from is a backup or an archive; archiveDir is the
// archive that goes on behind a backup and has its moved blocks, "": none, and moved blocks are where the backup says. fs nil: the real one.
// Finish or Abort ends it.
func BeginRestore(fs vfs.FS, from, archiveDir, dir string) (*Restoration, error) {
	if fs == nil {
		fs = vfs.Default
	}
	r := &Restoration{dir: dir, staging: fs.PathJoin(dir, stagingName), fs: fs}
	needed, err := r.readSource(from, archiveDir)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"pebble", witnessName} {
		if _, err := fs.Stat(fs.PathJoin(dir, name)); !errors.Is(err, os.ErrNotExist) {
			return nil, errors.Join(fmt.Errorf("%s: %w", dir, ErrHoldsLedger), err)
		}
	}
	// What a restore has left that was interrupted is ours by its name.
	if err := errors.Join(makeFolder(fs, dir), fs.RemoveAll(r.staging)); err != nil {
		return nil, fmt.Errorf("%s: 目录无法写入 / the folder cannot be written: %w", dir, err)
	}
	if usage, err := fs.GetDiskUsage(dir); err == nil && usage.AvailBytes < needed {
		return nil, &NoSpaceError{dir, usage.AvailBytes, needed}
	}
	slots := slotBytes
	if r.Backup.Format > 0 {
		if r.source, err = Inspect(Options{Dir: from, FS: fs, ArchiveDir: archiveDir, noStats: true}); err != nil {
			return nil, err
		}
		slots = r.source.options.slotBytes
	}
	r.store, err = Open(Options{Dir: r.staging, FS: fs, cold: true, slotBytes: slots})
	if err != nil {
		return nil, errors.Join(err, r.closeBoth(), fs.RemoveAll(r.staging))
	}
	r.batch = r.store.db.NewBatch()
	return r, nil
}

// readSource finds out what there is to restore from, and how many bytes it will take.
func (r *Restoration) readSource(from, archiveDir string) (needed uint64, err error) {
	r.Backup, err = ReadBackup(r.fs, from)
	if errors.Is(err, ErrNotABackup) && archiveDir == "" && archive.Is(r.fs, from) {
		archiveDir, err = from, nil
	}
	if err != nil {
		return 0, err
	}
	needed = uint64(r.Backup.Bytes) + restoreMargin
	if archiveDir == "" {
		return needed, nil
	}
	if r.files, err = archive.Open(r.fs, archiveDir); err != nil {
		return 0, err
	}
	if r.files.Head().Sequence == 0 {
		return 0, fmt.Errorf("%s: %w", archiveDir, archive.ErrNoArchive)
	}
	_, raw := r.files.Bytes()
	return needed + raw, nil
}

// End is the last entry that there is.
func (r *Restoration) End() uint64 {
	end := uint64(0)
	if r.source != nil {
		end = r.source.Head().Sequence
	}
	if r.files != nil {
		end = max(end, r.files.Head().Sequence)
	}
	return end
}

// Archived says whether blocks come from an archive alone: then there are no names, checkpoints and indexes beside them.
func (r *Restoration) Archived() bool { return r.source == nil }

// Doubts are the reasons for which the source would be refused as a ledger (see Inspect), or for which it may be shorter than it was. A
// restore to an entry before the damage can do without the end, and what an archive has too is not in doubt.
func (r *Restoration) Doubts() []error {
	var doubts []error
	if r.source != nil && (r.files == nil || r.files.Head().Sequence < r.Backup.Sequence) {
		doubts = r.source.Doubts()
	}
	if r.files != nil && r.files.IndexFault() != nil {
		doubts = append(doubts, r.files.IndexFault())
	}
	return doubts
}

// FirstBlock is the ledger's first block, unchecked.
func (r *Restoration) FirstBlock() (first ledger.Block, err error) {
	enough := errors.New("one is enough")
	got := r.blocks(context.Background(), func(key uint64, raw []byte) error {
		if first, err = ledger.SkimBlock(bytes.Clone(raw)); err == nil && key != 1 {
			err = ledger.ErrMalformed
		}
		return enough
	}, func(from, _ uint64, why error) {
		if from <= 1 {
			err = why
		}
	})
	if !errors.Is(got, enough) {
		err = errors.Join(err, got, ErrNoLedger)
	}
	return first, err
}

// blocks visits the blocks of the backup, as far as its chain is whole when an archive goes on from there, and then those of the archive.
func (r *Restoration) blocks(ctx context.Context, visit func(key uint64, raw []byte) error, missing func(from, upTo uint64, why error)) error {
	next, limit := uint64(1), uint64(math.MaxUint64)
	if r.source != nil {
		if next = r.source.Head().Sequence + 1; r.files != nil && r.files.Head().Sequence >= next {
			limit = next - 1
		}
		enough := errors.New("the archive goes on")
		err := r.source.RawBlocks(ctx, 1, func(key uint64, raw []byte) error {
			if key > limit {
				return enough
			}
			return visit(key, raw)
		}, func(from, upTo uint64, why error) {
			if from <= limit {
				missing(from, upTo, why)
			}
		})
		if err != nil && !errors.Is(err, enough) {
			return err
		}
	}
	if r.files == nil {
		return nil
	}
	return r.files.Each(ctx, next, visit, func(d *archive.Damage) { missing(d.From, d.UpTo, d) })
}

// Copy takes the blocks up to a cut, and with them names, checkpoints and the statement index as far as they belong to these blocks. What it
// returns is not checked beyond form and chain: that is for the sink.
func (r *Restoration) Copy(ctx context.Context, cut Cut, sink RestoreSink) (LeftOut, error) {
	var left LeftOut
	var last []byte
	err := r.blocks(ctx, func(key uint64, raw []byte) error {
		b, err := ledger.SkimBlock(raw)
		if left.Blocks > 0 || cut.Entry > 0 && key > cut.Entry || err == nil && cut.before(b) {
			last = left.add(key, raw, last)
			if sink.Left != nil {
				sink.Left(raw)
			}
			return nil
		}
		sink.Block(key, raw)
		if err != nil {
			return nil // told by the sink's owner
		}
		return r.take(key, b)
	}, func(from, upTo uint64, why error) {
		if left.Blocks > 0 || cut.Entry > 0 && from > cut.Entry {
			left.Unreadable = true
			return
		}
		sink.Missing(from, upTo, why)
	})
	if err != nil {
		return left, err
	}
	left.finish(last)
	if err := r.checkEnd(cut, left); err != nil {
		return left, err
	}
	return left, errors.Join(r.copyBeside(ctx), r.commit())
}

// before says whether a block is behind the cut.
func (c Cut) before(b ledger.Block) bool {
	if c.Entry > 0 && b.Last() > c.Entry {
		return true
	}
	if c.Time == 0 || b.Time() > c.Time {
		return c.Time != 0
	}
	_, end := timesOf(b)
	return end > c.Time
}

// checkEnd: the ledger reaches what was asked for, and the block that the backup names is the one in it.
func (r *Restoration) checkEnd(cut Cut, left LeftOut) error {
	switch end := r.End(); {
	case r.head.Sequence == 0 && left.Blocks > 0:
		return fmt.Errorf("第一个区块止于第 %d 条、%s,在此之前没有可恢复的区块 / the first block ends at entry %[1]d, %[2]s: no block ends before what was asked for", left.firstEnd, time.UnixMicro(left.firstTime).Format(time.DateTime))
	case cut.Entry > end:
		return fmt.Errorf("备份或档案止于第 %d 条,到不了第 %d 条;要恢复到末尾请去掉 --to / the backup or archive ends at entry %[1]d, before %[2]d: leave --to out to restore all of it", end, cut.Entry)
	case !r.named && r.Backup.Sequence > 0 && (left.Blocks == 0 || max(cut.Entry, r.head.Sequence) >= r.Backup.Sequence):
		return fmt.Errorf("%s 所记的区块(止于第 %d 条)不在备份中:文件被改动或混用 / the block that %[1]s names, which ends at entry %[2]d, is not in the backup: files were changed or mixed", backupName, r.Backup.Sequence)
	}
	return nil
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
	if r.source == nil {
		return nil
	}
	if err := r.copyRows(ctx, prefixDirectory, r.set); err != nil {
		return fmt.Errorf("姓名表无法读取 / the directory of names cannot be read: %w", err)
	}
	if r.head == r.source.Head() { // what is staged is to go on from the end of the ledger, and from nowhere else
		if err := r.copyRows(ctx, prefixStage, r.set); err != nil {
			return fmt.Errorf("暂存的导入无法读取 / the staged import cannot be read: %w", err)
		}
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
		return r.store.dropIndex(true)
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
	if string(key) == string(markKey(markMoved)) {
		return nil // every block is here
	}
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
	value, err := listKey{space: key[1]}.upTo(r.head.Sequence, first, value)
	if err != nil {
		return err
	}
	return r.set(key, value)
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
