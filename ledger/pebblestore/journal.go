package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"onecard/ledger"
	"onecard/ledger/invariant"
)

// Prefixes of the keys.
const (
	prefixBlock      = 'B'
	prefixCheckpoint = 'C'
	prefixManifest   = 'K'
	prefixIndex      = 'I'
	prefixTotals     = 'S'
	prefixMark       = 'M'
	prefixDirectory  = 'D'
	prefixStage      = 'W'
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
		if err := s.Wait(s.flights[0].head.Sequence); err != nil {
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
	s.flights = append(s.flights, flight{
		batch: batch, block: b, head: b.Head(), count: b.Count(), size: len(b.Bytes()), began: began, testimony: s.clerk.take(b, s.witness, len(s.flights) == 0),
	})
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

// Wait returns when the WAL and the witness are durable (ledger.Journal). The witness is synced here, while Pebble syncs its WAL, unless
// the clerk has it in hand.
// REQUIRES: the blocks appended and not yet waited for are unchanged.
func (s *Store) Wait(sequence uint64) error {
	if err := s.awaitProof(); err != nil {
		return err
	}
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
	if f.block.Head() != f.head {
		invariant.Fail("the block that ends at %d was changed on its way to the disk", f.head.Sequence)
	}
	fits := s.witness.holds(f.size)
	if fits {
		if err := f.testimony.finish(s.witness); err != nil {
			return err
		}
	}
	if err := f.batch.SyncWait(); err != nil {
		return fmt.Errorf("syncing the block that ends at %d: %w", f.head.Sequence, err)
	}
	if !fits { // its head is witnessed when Pebble has it: a head that is ahead of the journal could not be put back
		if err := s.witness.write(f.head, nil); err != nil {
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

// Replay visits the blocks after a sequence, oldest first, checking hash and chain (ledger.Journal). A block's bytes are good until visit
// returns.
func (s *Store) Replay(ctx context.Context, after uint64, visit func(ledger.Block) error) error {
	it, err := s.blocks()
	if err != nil {
		return err
	}
	defer it.Close()
	head, valid := ledger.Head{}, false
	switch begin := s.begin(); {
	case after == 0:
		valid = it.First()
	case after == begin.Sequence: // what stands for the blocks that were moved out will do
		head, valid = begin, it.live()
	default:
		if valid = it.SeekLT(blockKey(nil, after+1)); !valid {
			return errors.Join(fmt.Errorf("no block holds entry %d: %w", after, ledger.ErrMalformed), s.unreadable(it.Error()))
		}
		b, err := storedUnder(it, ledger.OpenBlock)
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
		b, err := storedUnder(it, ledger.OpenBlock)
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
		return s.unreadable(fmt.Errorf("reading blocks: %w", err))
	}
	if head != s.head && s.head.Sequence > after {
		return fmt.Errorf("blocks end at %d, the head is %d: %w", head.Sequence, s.head.Sequence, ledger.ErrMalformed)
	}
	return nil
}
