package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"onecard/ledger"
	"onecard/ledger/pebblestore/archive"
)

// Archiving copies durable blocks into the files of an archive, behind the owner and without his knowing: it reads what Pebble has, at its
// own pace, and keeps nothing in the ledger of how far it has come. That the archive says itself, so an archiving that was killed anywhere
// goes on where its last whole file ends.

// archiveShare is how much longer an archiving that is gentle rests than it works.
const archiveShare = 3

// gentlePiece is how much work is done between rests.
const gentlePiece = 10 * time.Millisecond

// Archived is what an archiving has done and where the archive stands.
type Archived struct {
	Head     ledger.Head // of the archive
	Blocks   uint64      // written now; those of a file that has grown again
	Entries  uint64      // that the archive did not have before
	Files    int         // written now
	Repaired int         // of these, in place of files that were missing or damaged
	Total    int         // files in the archive
	Bytes    uint64      // of all files
	Raw      uint64      // bytes of all blocks in them
}

var errArchiveInner = errors.New("档案目录不能在数据目录之内 / an archive cannot lie inside the data folder")

// beginArchiving waits until nobody else archives, and admits the caller until he calls endArchiving.
func (s *Store) beginArchiving(ctx context.Context, dir string) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case s.archiving <- struct{}{}:
	}
	var err error
	switch {
	case s.ended:
		err = errClosed
	case s.isInside(dir):
		err = fmt.Errorf("%s: %w", dir, errArchiveInner)
	}
	if err != nil {
		s.endArchiving()
	}
	return err
}

func (s *Store) endArchiving() { <-s.archiving }

// Archive brings an archive up to the block that is durable when it is called, and makes the folder when there is none. Files that are
// missing or damaged are written again from the blocks that are still in Pebble. Any goroutine may call it while the owner goes on; one at a
// time: others wait. gentle: three quarters of the time it rests.
func (s *Store) Archive(ctx context.Context, dir string, gentle bool) (Archived, error) {
	if err := s.beginArchiving(ctx, dir); err != nil {
		return Archived{}, err
	}
	defer s.endArchiving()
	fs := s.plainFS()
	if err := makeFolder(fs, dir); err != nil {
		return Archived{}, fmt.Errorf("%s: 档案目录无法写入 / the folder of the archive cannot be written: %w", dir, err)
	}
	folder, err := archive.Open(fs, dir)
	if err != nil {
		return Archived{}, err
	}
	a := &archiver{store: s, folder: folder, pace: pace{gentle: gentle, began: time.Now()}, upTo: s.durable.Load()}
	if err = a.checkChain(); err == nil {
		err = a.run(ctx)
	}
	a.done.Head, a.done.Total = folder.Head(), len(folder.Runs())
	a.done.Bytes, a.done.Raw = folder.Bytes()
	return a.done, err
}

// archiver is one archiving.
type archiver struct {
	store  *Store
	folder *archive.Folder
	pace   pace
	upTo   uint64 // the last durable entry
	first  ledger.Hash
	done   Archived
}

// checkChain: what is in the archive is of this ledger, and not of a future that it does not have.
func (a *archiver) checkChain() error {
	if a.upTo == 0 {
		return nil
	}
	if m := a.store.moved.Load(); m != nil {
		a.first = m.first
	} else {
		head, err := a.store.headWith(1)
		if err != nil {
			return err
		}
		a.first = head.Hash
	}
	foreign := &archive.ForeignError{Dir: a.folder.Dir(), Head: a.folder.Head()}
	if is := a.folder.Ledger(); is != (ledger.Hash{}) && is != a.first {
		return foreign
	}
	head := a.folder.Head() // the files before it hang in one chain with it
	if head.Sequence > a.upTo {
		return foreign
	}
	if head.Sequence <= a.store.begin().Sequence || head.Hash == (ledger.Hash{}) {
		return nil
	}
	if ours, err := a.store.headWith(head.Sequence); err != nil {
		return err
	} else if ours != head {
		return foreign
	}
	return nil
}

// headWith is the head of the block that holds an entry.
func (s *Store) headWith(sequence uint64) (ledger.Head, error) {
	it, err := s.blocks()
	if err != nil {
		return ledger.Head{}, err
	}
	defer it.Close()
	b, err := blockWith(it, sequence)
	if err != nil {
		return ledger.Head{}, err
	}
	return b.Head(), nil
}

// run fills the holes and then writes what is new.
func (a *archiver) run(ctx context.Context) error {
	if err := a.folder.Seal(); err != nil { // what an archiving that was cut off has left would pile up
		return err
	}
	for _, hole := range a.folder.Faults() {
		if hole.Foreign() {
			return hole // somebody else's file: nothing is written over it
		}
		if hole.From <= a.store.begin().Sequence {
			return fmt.Errorf("这些区块已移出 Pebble,无法重写 / these blocks were moved out of Pebble and cannot be written again: %w", hole)
		}
		before := a.done.Files
		if err := a.write(ctx, hole.From, min(hole.UpTo, a.upTo)); err != nil {
			return err
		}
		a.done.Repaired += a.done.Files - before
	}
	end := a.folder.Head().Sequence
	if end >= a.upTo {
		return a.folder.Seal()
	}
	a.done.Entries = a.upTo - end
	from := end + 1
	if runs := a.folder.Runs(); len(runs) > 0 {
		next, err := a.store.dayOfBlock(from)
		if err != nil {
			return err
		}
		if newest := &runs[len(runs)-1]; !newest.Full() && newest.Day == next && newest.First > a.store.begin().Sequence {
			from = newest.First // it grows
		}
	}
	return a.write(ctx, from, a.upTo)
}

// sealEvery so many files INDEX is written: it lists all of them each time.
const sealEvery = 32

// write writes the blocks with the entries of a range into files.
func (a *archiver) write(ctx context.Context, from, upTo uint64) error {
	for files := 1; from <= upTo; files++ {
		run, err := a.writeFile(ctx, from, upTo)
		if err != nil {
			return err
		}
		from = run.Last + 1
		a.done.Files++
		a.done.Blocks += uint64(run.Blocks)
		if files%sealEvery == 0 {
			if err := a.folder.Seal(); err != nil {
				return err
			}
		}
	}
	return a.folder.Seal()
}

// writeFile writes one file. The iterator is its own: one that is held for long keeps old tables and logs from being given back.
func (a *archiver) writeFile(ctx context.Context, from, upTo uint64) (archive.Run, error) {
	it, valid, err := a.store.blocksAfter(from - 1)
	if err != nil {
		return archive.Run{}, err
	}
	defer it.Close()
	var draft *archive.Draft
	for ; valid; valid = it.Next() {
		b, err := storedUnder(it, ledger.OpenBlock)
		if err != nil {
			return archive.Run{}, err
		}
		if draft == nil {
			draft = a.folder.Begin(ledger.Head{Sequence: b.First() - 1, Hash: b.Previous()}, a.first)
		}
		if b.Last() > upTo || !draft.Takes(b.Day()) {
			break
		}
		if err := draft.Add(b); err != nil {
			return archive.Run{}, err
		}
		if err := a.pace.rest(ctx); err != nil {
			return archive.Run{}, err
		}
	}
	if err := it.Error(); err != nil {
		return archive.Run{}, a.store.unreadable(fmt.Errorf("reading blocks: %w", err))
	}
	if draft == nil || draft.Blocks() == 0 {
		return archive.Run{}, fmt.Errorf("no block holds entry %d: %w", from, ledger.ErrMalformed)
	}
	return draft.Finish()
}

// dayOfBlock is the business day of the block that holds an entry.
func (s *Store) dayOfBlock(sequence uint64) (uint32, error) {
	it, err := s.blocks()
	if err != nil {
		return 0, err
	}
	defer it.Close()
	b, err := blockWith(it, sequence)
	if err != nil {
		return 0, err
	}
	return b.Day(), nil
}

// pace holds work back.
type pace struct {
	gentle bool
	began  time.Time
}

// rest rests when there was work for a while, and says when the work is to end.
func (p *pace) rest(ctx context.Context) error {
	worked := time.Since(p.began)
	if !p.gentle || worked < gentlePiece {
		return ctx.Err()
	}
	err := pause(ctx, archiveShare*worked)
	p.began = time.Now()
	return err
}
