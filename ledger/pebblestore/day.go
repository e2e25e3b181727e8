package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"onecard/ledger"
)

// ErrNoEntry says that the ledger holds no entry of a number.
var ErrNoEntry = errors.New("账本中没有此条 / the ledger holds no such entry")

// DayOf finds the business day of an entry and the durable entries of that day. Days only go forward, so the day's first and last block
// are found by halving: some twenty looks in a ledger of millions of blocks. It may be called while blocks are appended.
func (s *Store) DayOf(sequence uint64) (ledger.Span, error) {
	end := s.durable.Load()
	if sequence == 0 || sequence > end {
		return ledger.Span{}, fmt.Errorf("%w: %d (1 – %d)", ErrNoEntry, sequence, end)
	}
	it, err := s.blocks()
	if err != nil {
		return ledger.Span{}, err
	}
	defer it.Close()
	own, err := blockWith(it, sequence)
	if err != nil {
		return ledger.Span{}, err
	}
	span := ledger.Span{Day: own.Day(), Last: end}
	// search returns the first entry from low on whose block satisfies; high+1 when there is none up to high.
	search := func(low, high uint64, satisfies func(day uint32) bool) uint64 {
		return low + uint64(sort.Search(int(high-low+1), func(i int) bool {
			b, fault := blockWith(it, low+uint64(i))
			err = errors.Join(err, fault)
			return fault != nil || satisfies(b.Day())
		}))
	}
	low := s.searchFrom(it, sequence, func(b ledger.Block) bool { return b.Day() < span.Day })
	span.First = search(low, sequence, func(day uint32) bool { return day >= span.Day })
	if later := search(sequence, end, func(day uint32) bool { return day > span.Day }); later <= end {
		span.Last, span.Followed = later-1, true
	}
	return span, err
}

// SpanOf finds the durable entries of a business day. A day without any is ErrNoEntry.
func (s *Store) SpanOf(day uint32) (ledger.Span, error) {
	before, err := s.DayBegins(day)
	if err != nil {
		return ledger.Span{}, err
	}
	span, err := s.DayOf(before + 1)
	if errors.Is(err, ErrNoEntry) || err == nil && span.Day != day {
		err = fmt.Errorf("%w: 会计日 / business day %d", ErrNoEntry, day)
	}
	return span, err
}

// Between visits the durable blocks with the entries from after+1 to upTo, both at the end of a block, each checked for its hash and its
// place in the chain. A block's bytes are good until visit returns. It may be called while blocks are appended.
func (s *Store) Between(ctx context.Context, after, upTo uint64, visit func(ledger.Block) error) error {
	if after >= upTo {
		return nil
	}
	it, valid, err := s.blocksAfter(after)
	if err != nil {
		return err
	}
	defer it.Close()
	head := ledger.Head{Sequence: after}
	for ; valid && head.Sequence < upTo; valid = it.Next() {
		b, err := storedUnder(it, ledger.OpenBlock)
		if err != nil {
			return err
		}
		if head.Sequence == after {
			head.Hash = b.Previous()
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
	if head.Sequence != upTo {
		return fmt.Errorf("blocks end at %d and not at %d: %w", head.Sequence, upTo, ledger.ErrMalformed)
	}
	return nil
}

// DayBegins returns the last entry before the blocks of a business day, or of the first one after it that has any: what Replay begins after.
// It may be called while blocks are appended.
func (s *Store) DayBegins(day uint32) (after uint64, err error) {
	it, err := s.blocks()
	if err != nil {
		return 0, err
	}
	defer it.Close()
	end := s.durable.Load()
	low := s.searchFrom(it, end, func(b ledger.Block) bool { return b.Day() < day })
	first := sort.Search(int(end+1-low), func(i int) bool {
		b, fault := blockWith(it, low+uint64(i))
		err = errors.Join(err, fault)
		return fault != nil || b.Day() >= day
	})
	return low - 1 + uint64(first), err
}

// searchFrom is where a search by halving for a later block begins: at the first entry in Pebble when that is before what is looked for, so
// that nobody needs the archive for what is here; at the first entry of all otherwise.
func (s *Store) searchFrom(it *cursor, end uint64, before func(ledger.Block) bool) uint64 {
	low := s.firstHere()
	if low == 1 || low > end {
		return 1
	}
	if b, err := blockWith(it, low); err == nil && before(b) {
		return low
	}
	return 1
}

// blockWith opens the block that holds an entry. Its bytes are good until the iterator moves.
func blockWith(it *cursor, sequence uint64) (ledger.Block, error) {
	if !it.SeekLT(blockKey(nil, sequence+1)) {
		return ledger.Block{}, errors.Join(fmt.Errorf("no block holds entry %d: %w", sequence, ledger.ErrMalformed), it.Error())
	}
	b, err := storedUnder(it, ledger.SkimBlock)
	if err == nil && b.Last() < sequence {
		err = fmt.Errorf("the block with entry %d is missing: %w", sequence, ledger.ErrMalformed)
	}
	return b, err
}

// EachOf visits the blocks of a span in order, each checked for its hash and its place in the chain, the block behind the span included in
// the check. A block's bytes are good until visit returns. It may be called while blocks are appended.
func (s *Store) EachOf(ctx context.Context, span ledger.Span, visit func(ledger.Block) error) error {
	it, valid, err := s.blocksAfter(span.First - 1)
	if err != nil {
		return err
	}
	defer it.Close()
	head := ledger.Head{Sequence: span.First - 1}
	for ; valid; valid = it.Next() {
		b, err := storedUnder(it, ledger.OpenBlock)
		if err != nil {
			return err
		}
		if head.Sequence == span.First-1 {
			head.Hash = b.Previous()
		}
		behind := head.Sequence == span.Last
		if behind && !span.Followed {
			return nil
		}
		if err := errors.Join(ctx.Err(), b.Follows(head)); err != nil || behind {
			return err
		}
		if head = b.Head(); b.Day() != span.Day || head.Sequence > span.Last {
			return fmt.Errorf("block at %d is not of the day it stands in: %w", b.First(), ledger.ErrMalformed)
		}
		if err := visit(b); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return s.unreadable(fmt.Errorf("reading blocks: %w", err))
	}
	if head.Sequence != span.Last || span.Followed {
		return fmt.Errorf("blocks end at %d, the day at %d: %w", head.Sequence, span.Last, ledger.ErrMalformed)
	}
	return nil
}
