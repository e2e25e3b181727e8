package pebblestore

import (
	"errors"
	"fmt"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const ballastName = "BALLAST"

// NoSpaceError says that the disk is too full to open the ledger. Pebble would hang on it (safety handbook F3).
type NoSpaceError struct {
	Dir          string
	Free, Needed uint64
}

func (e *NoSpaceError) Error() string {
	return fmt.Sprintf("%s: 磁盘空间不足:剩 %d MiB,至少需 %d MiB;请清理磁盘后再启动 / disk full: %d MiB free, %d MiB needed; make room and start again",
		e.Dir, e.Free>>20, e.Needed>>20, e.Free>>20, e.Needed>>20)
}

// needed is what a start may write before it can do anything else: the memtables of the last run, and new WAL files.
func (s *Store) needed() uint64 { return 64<<20 + 2*s.options.MemTableBytes }

// checkSpace refuses a start on a full disk with a clear text. The ballast counts as free: it is given up when it is needed.
func (s *Store) checkSpace() error {
	if s.options.ReadOnly {
		return nil
	}
	free, ok := s.freeBytes()
	if !ok || free >= s.needed() {
		return s.ensureBallast(free)
	}
	if info, err := s.fs.Stat(s.path(ballastName)); err == nil && free+uint64(info.Size()) >= s.needed() {
		if err := s.fs.Remove(s.path(ballastName)); err != nil {
			return fmt.Errorf("giving up the ballast: %w", err)
		}
		return nil
	}
	return &NoSpaceError{s.options.Dir, free, s.needed()}
}

func (s *Store) freeBytes() (uint64, bool) {
	usage, err := s.fs.GetDiskUsage(s.options.Dir)
	if err != nil {
		return 0, false // a file system that cannot say (in memory): nothing to guard
	}
	return usage.AvailBytes, true
}

// ensureBallast makes the ballast when there is room for it, and makes it again when its making was interrupted or its size was changed.
func (s *Store) ensureBallast(free uint64) error {
	size := s.options.BallastBytes
	if size <= 0 || free < 4*uint64(size)+s.needed() {
		return nil
	}
	switch info, err := s.fs.Stat(s.path(ballastName)); {
	case err == nil && info.Size() == size:
		return nil
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("looking at the ballast: %w", err)
	}
	f, err := s.fs.Create(s.path(ballastName), vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("making the ballast: %w", err)
	}
	// The space is reserved first and the last byte written after: the file has its size only when it has its space.
	err = f.Preallocate(0, size)
	if err == nil {
		_, err = f.WriteAt([]byte{0}, size-1)
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("making the ballast: %w", err)
	}
	return nil
}

// RefreshSpace asks the system how much is free; any goroutine may call it now and then.
func (s *Store) RefreshSpace() {
	if free, ok := s.freeBytes(); ok {
		s.free.Store(free)
	} else {
		s.free.Store(1 << 62)
	}
}

// Space is what RefreshSpace found, and whether it is below the low-water mark: then new work is refused while reversals pass.
func (s *Store) Space() (free uint64, low bool) {
	free = s.free.Load()
	return free, free < s.options.LowWaterBytes
}
