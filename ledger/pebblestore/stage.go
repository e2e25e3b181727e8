package pebblestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/cockroachdb/pebble/v2"

	"onecard/ledger"
)

// What is staged (ledger.Stage) stands beside the ledger:
//
//	W            -> parts u32, CRC-32C over all of them u32
//	W | part u32 -> part
//
// The first row, the mark, is written last and synced, which syncs the parts before it; dropping takes the mark away first. What an interrupted save or drop
// leaves is nothing to anybody and goes with the next.
func stageMark() []byte { return []byte{prefixStage} }

func stageKey(part uint32) []byte { return binary.BigEndian.AppendUint32([]byte{prefixStage}, part) }

// SaveStage replaces what is staged (ledger.Stage).
func (s *Store) SaveStage(parts func(add func(part []byte) error) error) error {
	if err := s.DropStage(); err != nil {
		return err
	}
	count, sum := uint32(0), uint32(0)
	err := parts(func(part []byte) error {
		sum = crc32.Update(sum, castagnoli(), part)
		count++
		return s.db.Set(stageKey(count-1), part, pebble.NoSync)
	})
	if err == nil {
		mark := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, count), sum)
		err = s.db.Set(stageMark(), mark, pebble.Sync)
	}
	if err != nil {
		return fmt.Errorf("staging: %w", err)
	}
	return nil
}

// LoadStage visits what is staged (ledger.Stage).
func (s *Store) LoadStage(visit func(part []byte) error) error {
	mark, closer, err := s.db.Get(stageMark())
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading what is staged: %w", err)
	}
	whole := len(mark) == 8
	var count, want, sum uint32
	if whole {
		count, want = binary.BigEndian.Uint32(mark), binary.BigEndian.Uint32(mark[4:])
	}
	if err := closer.Close(); err != nil || !whole {
		return errors.Join(fmt.Errorf("the mark of what is staged: %w", ledger.ErrMalformed), err)
	}
	for _, look := range []func([]byte) error{ // all of it is proved before anything of it is done
		func(part []byte) error { sum = crc32.Update(sum, castagnoli(), part); return nil }, visit,
	} {
		for part := range count {
			if err := s.stagedPart(part, look); err != nil {
				return fmt.Errorf("part %d of %d that are staged: %w", part+1, count, err)
			}
		}
		if sum != want {
			return fmt.Errorf("what is staged: %w", ledger.ErrMalformed)
		}
	}
	return nil
}

func (s *Store) stagedPart(part uint32, visit func([]byte) error) error {
	value, closer, err := s.db.Get(stageKey(part))
	if err != nil {
		return err
	}
	return errors.Join(visit(value), closer.Close())
}

// DropStage forgets what is staged (ledger.Stage).
func (s *Store) DropStage() error {
	err := s.db.Delete(stageMark(), pebble.Sync)
	if err == nil {
		err = s.db.DeleteRange(stageKey(0), []byte{prefixStage + 1}, pebble.NoSync)
	}
	if err != nil {
		return fmt.Errorf("dropping what was staged: %w", err)
	}
	return nil
}
