package pebblestore

import (
	"context"
	"errors"
	"fmt"
)

// Usage is what a ledger takes on the disk, in bytes of tables; logs and the witness are a constant beside them.
type Usage struct {
	Blocks      uint64
	Checkpoints uint64
	Directory   uint64 // names and other rows beside the ledger
	Indexes     uint64 // everything that can be dropped and built again from blocks
}

// Usage asks Pebble. What has not been flushed yet is not counted; after Compact the figures are those of the ledger and of nothing else.
func (s *Store) Usage() (Usage, error) {
	var fault error
	size := func(from, to byte) uint64 {
		n, err := s.db.EstimateDiskUsage([]byte{from}, []byte{to})
		fault = errors.Join(fault, err)
		return n
	}
	u := Usage{
		Blocks: size(prefixBlock, prefixBlock+1), Directory: size(prefixDirectory, prefixDirectory+1),
		Checkpoints: size(prefixCheckpoint, prefixCheckpoint+1) + size(prefixManifest, prefixManifest+1),
	}
	u.Indexes = size(0, 0xFF) - u.Blocks - u.Directory - u.Checkpoints
	if fault != nil {
		return Usage{}, fmt.Errorf("asking for disk usage: %w", fault)
	}
	return u, nil
}

// Compact flushes what is in memory and rewrites the tables into the lowest level, as time would.
func (s *Store) Compact(ctx context.Context) error {
	if err := s.db.Flush(); err != nil {
		return fmt.Errorf("flushing: %w", err)
	}
	if err := s.db.Compact(ctx, []byte{0}, []byte{0xFF}, true); err != nil {
		return fmt.Errorf("compacting: %w", err)
	}
	return nil
}
