package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"onecard/ledger"
)

// Prefixes of the keys.
const (
	prefixBlock      = 'B'
	prefixCheckpoint = 'C'
	prefixManifest   = 'K'
	prefixIndex      = 'I'
	prefixMark       = 'M'
	prefixDirectory  = 'D'
)

func blockKey(dst []byte, first uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, prefixBlock), first)
}

// Append hands a block to Pebble and returns before it is synced (ledger.Journal).
//
// ApplyNoSyncWait is marked experimental. It is used because the alternative is a goroutine that waits in Commit, one more hand-over per
// group; the version is pinned, and the crash tests of this package cover it.
func (s *Store) Append(b ledger.Block) error {
	if err := b.Follows(s.head); err != nil {
		return err
	}
	if len(s.flights) >= flightBound {
		if err := s.Wait(s.flights[0].last); err != nil {
			return err
		}
	}
	batch := s.batch()
	s.key = blockKey(s.key[:0], b.First())
	if err := batch.Set(s.key, b.Bytes(), nil); err != nil {
		return fmt.Errorf("block at %d: %w", b.First(), err)
	}
	began := time.Now()
	if err := s.db.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
		return fmt.Errorf("block at %d: %w", b.First(), err)
	}
	s.flights = append(s.flights, flight{batch: batch, block: b, last: b.Last(), count: b.Count(), size: len(b.Bytes()), began: began})
	s.head = b.Head()
	return nil
}

func (s *Store) batch() *pebble.Batch {
	if n := len(s.spare); n > 0 {
		b := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return b
	}
	return s.db.NewBatch()
}

// Wait syncs the witness while Pebble syncs its WAL and returns when both are durable (ledger.Journal).
//
// The witness is synced here, on the caller's goroutine: while it waits for one disk it waits for both, and no goroutine has to be woken.
// REQUIRES: the blocks appended and not yet waited for are unchanged.
func (s *Store) Wait(sequence uint64) error {
	done := 0
	for done < len(s.flights) && s.flights[done].block.First() <= sequence {
		if err := s.land(&s.flights[done]); err != nil {
			s.options.fatal(err.Error())
			return err
		}
		done++
	}
	s.flights = slices.Delete(s.flights, 0, done)
	return nil
}

func (s *Store) land(f *flight) error {
	large := f.size > slotBlockBytes
	if !large {
		if err := s.witness.write(f.block.Head(), f.block.Bytes()); err != nil {
			return err
		}
	}
	if err := f.batch.SyncWait(); err != nil {
		return fmt.Errorf("syncing the block that ends at %d: %w", f.last, err)
	}
	if large {
		if err := s.witness.write(f.block.Head(), nil); err != nil {
			return err
		}
	}
	if s.options.Events.Synced != nil {
		s.options.Events.Synced(f.count, f.size, time.Since(f.began))
	}
	s.reuse(f.batch)
	s.follow(f)
	return nil
}

// spareBatches is how many batches are kept for reuse; a larger one (an import's) is given back.
const spareBatches = flightBound + 1

func (s *Store) reuse(b *pebble.Batch) {
	if len(s.spare) < spareBatches && b.Len() < slotBytes {
		b.Reset()
		s.spare = append(s.spare, b)
		return
	}
	_ = b.Close() // frees memory only
}

// Head is the newest block appended (ledger.Journal).
func (s *Store) Head() ledger.Head { return s.head }

// openWitness compares the journal with the witness and brings them together.
func (s *Store) openWitness(fresh bool) error {
	last, err := s.lastBlock()
	if err != nil {
		return err
	}
	s.head = last
	path := s.path(witnessName)
	if _, err := s.fs.Stat(path); errors.Is(err, os.ErrNotExist) && last.Sequence == 0 && !s.options.ReadOnly {
		s.witness, err = createWitness(s.fs, path, s.options.Dir)
		return err
	} else if err != nil {
		return fmt.Errorf("%s: %w", s.options.Dir, errors.Join(ErrNoWitness, err))
	}
	_ = fresh
	w, slots, err := s.readWitness(path)
	if err != nil {
		return err
	}
	s.witness = w
	if len(slots) == 0 && last.Sequence > 0 {
		return fmt.Errorf("%s: %w", s.options.Dir, ErrNoWitness)
	}
	return s.reconcile(slots)
}

func (s *Store) readWitness(path string) (*witness, []slot, error) {
	if !s.options.ReadOnly {
		return openWitness(s.fs, path)
	}
	f, err := s.fs.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the witness: %w", err)
	}
	slots, err := readSlots(f)
	return nil, slots, errors.Join(err, f.Close())
}

// reconcile puts back what the witness holds and the journal does not, and refuses when that is not enough.
func (s *Store) reconcile(slots []slot) error {
	slices.SortFunc(slots, func(a, b slot) int { return int(int64(a.head.Sequence) - int64(b.head.Sequence)) })
	newestHead := newest(slots)
	repaired := 0
	for _, held := range slots {
		if held.block == nil || held.head.Sequence <= s.head.Sequence {
			continue
		}
		block, err := ledger.OpenBlock(held.block)
		if err != nil || block.Follows(s.head) != nil {
			continue
		}
		if s.options.ReadOnly {
			return fmt.Errorf("%s: 末块只在见证文件中,启动一次交换机即可修复 / the last block at %d is only in the witness: start the switch once to put it back", s.options.Dir, block.First())
		}
		if err := s.db.Set(blockKey(nil, block.First()), block.Bytes(), pebble.Sync); err != nil {
			return fmt.Errorf("putting block %d back from the witness: %w", block.First(), err)
		}
		s.head = block.Head()
		repaired++
	}
	if repaired > 0 && s.options.Events.Repaired != nil {
		s.options.Events.Repaired(repaired)
	}
	switch {
	case s.head.Sequence < newestHead.Sequence, s.head.Sequence == newestHead.Sequence && s.head.Hash != newestHead.Hash:
		return fmt.Errorf("%s: %w", s.options.Dir, &BehindWitnessError{s.head, newestHead})
	case s.head.Sequence > newestHead.Sequence && !s.options.ReadOnly:
		return s.witness.write(s.head, nil)
	}
	return nil
}

// lastBlock reads the newest block and checks it against the one before it.
func (s *Store) lastBlock() (ledger.Head, error) {
	it, err := s.blocks()
	if err != nil {
		return ledger.Head{}, err
	}
	defer it.Close()
	if !it.Last() {
		return ledger.Head{}, it.Error()
	}
	last, err := openStored(it)
	if err != nil {
		return ledger.Head{}, err
	}
	last, err = ledger.OpenBlock(slices.Clone(last.Bytes()))
	if err != nil {
		return ledger.Head{}, err
	}
	before := ledger.Head{}
	if it.Prev() {
		b, err := openStored(it)
		if err != nil {
			return ledger.Head{}, err
		}
		before = b.Head()
	}
	return last.Head(), errors.Join(last.Follows(before), it.Error())
}

func (s *Store) blocks() (*pebble.Iterator, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixBlock}, UpperBound: []byte{prefixBlock + 1}})
	if err != nil {
		return nil, fmt.Errorf("reading blocks: %w", err)
	}
	return it, nil
}

// openStored opens the block under the iterator; its bytes are good until the iterator moves.
func openStored(it *pebble.Iterator) (ledger.Block, error) {
	value, err := it.ValueAndErr()
	if err != nil {
		return ledger.Block{}, fmt.Errorf("reading the block at key %x: %w", it.Key(), err)
	}
	b, err := ledger.OpenBlock(value)
	if err != nil {
		return ledger.Block{}, err
	}
	if len(it.Key()) != 9 || binary.BigEndian.Uint64(it.Key()[1:]) != b.First() {
		return ledger.Block{}, fmt.Errorf("block at %d stands under key %x: %w", b.First(), it.Key(), ledger.ErrMalformed)
	}
	return b, nil
}

// Replay visits the blocks after a sequence, oldest first, checking hash and chain (ledger.Journal). A block's bytes are good until visit
// returns.
func (s *Store) Replay(ctx context.Context, after uint64, visit func(ledger.Block) error) error {
	it, err := s.blocks()
	if err != nil {
		return err
	}
	defer it.Close()
	head := ledger.Head{}
	valid := it.First()
	if after > 0 {
		if valid = it.SeekLT(blockKey(nil, after+1)); !valid {
			return fmt.Errorf("no block holds entry %d: %w", after, ledger.ErrMalformed)
		}
		b, err := openStored(it)
		if err != nil {
			return err
		}
		if head = b.Head(); head.Sequence < after {
			return fmt.Errorf("the block with entry %d is missing: %w", after, ledger.ErrMalformed)
		}
		if head.Sequence == after {
			valid = it.Next()
		} else {
			head = ledger.Head{Sequence: b.First() - 1, Hash: b.Previous()}
		}
	}
	for ; valid; valid = it.Next() {
		b, err := openStored(it)
		if err != nil {
			return err
		}
		if err := errors.Join(ctx.Err(), b.Follows(head)); err != nil {
			return err
		}
		head = b.Head()
		if err := visit(b); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("reading blocks: %w", err)
	}
	if head != s.head && s.head.Sequence > after {
		return fmt.Errorf("blocks end at %d, the head is %d: %w", head.Sequence, s.head.Sequence, ledger.ErrMalformed)
	}
	return nil
}
