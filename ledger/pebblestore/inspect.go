package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"onecard/ledger"
	"onecard/ledger/pebblestore/archive"
)

// Inspect opens a ledger as it is, for an auditor: read-only and without refusing. What Open would have refused it for is in Doubts.
// Nothing is repaired and no file is changed.
func Inspect(o Options) (*Store, error) {
	o.ReadOnly = true
	s := newStore(o)
	s.inspect = true
	if err := s.open(); err != nil {
		return nil, errors.Join(s.named(err), s.release())
	}
	return s, nil
}

// Doubts are the reasons for which Open would refuse the ledger; none when it would not.
func (s *Store) Doubts() []error { return s.doubts }

// Witnessed returns the heads that the witness held when the store was opened, oldest first.
func (s *Store) Witnessed() []ledger.Head {
	heads := make([]ledger.Head, len(s.witnessed))
	for i := range s.witnessed {
		heads[i] = s.witnessed[i].head
	}
	return heads
}

// RawBlocks visits the stored blocks from the one that holds an entry on, oldest first, unchecked, under the sequence of their key. What
// Pebble cannot read is passed over and told to missing: first and last sequence (0: to the end) and why. raw is good until visit returns.
func (s *Store) RawBlocks(ctx context.Context, from uint64, visit func(key uint64, raw []byte) error, missing func(from, upTo uint64, why error)) error {
	it, err := s.blocks()
	if err != nil {
		return err
	}
	defer func() { it.Close() }()
	valid := it.SeekLT(blockKey(nil, from+1))
	if !valid && it.Error() == nil {
		valid = it.First()
	}
	next := max(from, 1)
	for {
		for ; valid; valid = it.Next() {
			value, err := it.ValueAndErr()
			if err != nil || len(it.Key()) != 9 {
				break
			}
			key := binary.BigEndian.Uint64(it.Key()[1:])
			if err := errors.Join(ctx.Err(), visit(key, value)); err != nil {
				return err
			}
			next = key + 1
			if b, err := ledger.SkimBlock(value); err == nil && b.Last() >= key {
				next = b.Last() + 1
			}
		}
		why := it.Error()
		if why == nil {
			return nil
		}
		it.Close()
		if it, err = s.blocks(); err != nil {
			return err
		}
		if damage := new(archive.Damage); errors.As(why, &damage) { // it says how far it goes
			missing(max(next, damage.From), damage.UpTo, why)
			next = damage.UpTo + 1
			valid = it.SeekGE(blockKey(nil, next))
			continue
		}
		upTo, found := s.seekPast(&it, next)
		missing(next, upTo, why)
		if !found {
			return nil
		}
		valid = true
	}
}

// seekPast moves the iterator to the first block after next that can be read. It looks twice as far each time until something answers,
// then halves the way back. upTo is the sequence before that block, 0 when there is none.
func (s *Store) seekPast(it **cursor, next uint64) (upTo uint64, found bool) {
	try := func(sequence uint64) (valid, readable bool) {
		(*it).Close() // an iterator that has failed stays failed
		var err error
		if *it, err = s.blocks(); err != nil {
			return false, false
		}
		valid = (*it).SeekGE(blockKey(nil, sequence))
		return valid, (*it).Error() == nil
	}
	bad, good, end := next, next, s.lastKnown()
	for step := uint64(1); ; step *= 2 {
		good = next + step
		if _, readable := try(good); readable {
			break
		}
		if bad = good; good > end {
			return 0, false
		}
	}
	for good-bad > 1 {
		middle := bad + (good-bad)/2
		if _, readable := try(middle); readable {
			good = middle
		} else {
			bad = middle
		}
	}
	if valid, _ := try(good); !valid {
		return 0, false
	}
	return binary.BigEndian.Uint64((*it).Key()[1:]) - 1, true
}

// lastKnown is the newest sequence that anything speaks of; every block begins before it.
func (s *Store) lastKnown() uint64 {
	end := s.head.Sequence
	if n := len(s.witnessed); n > 0 {
		end = max(end, s.witnessed[n-1].head.Sequence)
	}
	if end == 0 {
		return 1 << 40
	}
	return end
}

// EachStatement visits every list of the statement index: a space, a number and the sequences of its entries, in order. One that stands there twice is
// told twice: it is a fault.
func (s *Store) EachStatement(ctx context.Context, visit func(space byte, id uint64, sequences []uint64) error) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixIndex}, UpperBound: []byte{prefixIndex + 1}})
	if err != nil {
		return s.unreadable(fmt.Errorf("reading the index: %w", err))
	}
	defer it.Close()
	var key listKey
	var found [neighbours][]uint64
	tell := func() error {
		for which, list := range found[:1<<key.bits()] {
			if len(list) == 0 {
				continue
			}
			slices.Sort(list)
			err := errors.Join(ctx.Err(), visit(key.space&^sharedSpace, key.id<<key.bits()|uint64(which), list))
			if err != nil {
				return err
			}
			found[which] = list[:0]
		}
		return nil
	}
	for valid := it.First(); valid; valid = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return s.unreadable(fmt.Errorf("reading the index: %w", err))
		}
		if len(it.Key()) != 18 {
			return fmt.Errorf("index key %x: %w", it.Key(), ledger.ErrMalformed)
		}
		at := listKey{it.Key()[1], binary.BigEndian.Uint64(it.Key()[2:])}
		if at != key {
			if err := tell(); err != nil {
				return err
			}
			key = at
		}
		for sequence := binary.BigEndian.Uint64(it.Key()[10:]); len(value) > 0; {
			after, which, n := key.step(value, sequence)
			if n <= 0 {
				return fmt.Errorf("index key %x: %w", it.Key(), ledger.ErrMalformed)
			}
			value, sequence = value[n:], after
			found[which] = append(found[which], sequence)
		}
	}
	if err := it.Error(); err != nil {
		return s.unreadable(fmt.Errorf("reading the index: %w", err))
	}
	return tell()
}
