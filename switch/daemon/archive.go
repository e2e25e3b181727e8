package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"onecard/ledger/pebblestore"
)

// archiveState is what a running switch knows of its archive. The archiving goroutine writes it, metrics read it.
type archiveState struct {
	archived atomic.Pointer[pebblestore.Archived]
	since    atomic.Int64 // when an archiving last ended well, or when the switch began; nanoseconds since 1970
}

// keepArchive brings the archive of the configuration up to date, now and each interval, until the context ends.
func (s *server) keepArchive(ctx context.Context) {
	if s.config.Archive.Directory == "" {
		return
	}
	tick := time.NewTicker(s.config.Archive.Interval)
	defer tick.Stop()
	for {
		s.archiveOnce(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *server) archiveOnce(ctx context.Context) {
	done, err := s.opened.store.Archive(ctx, s.config.Archive.Directory, true)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.log.Error("归档失败,将重试;交易不受影响 / archiving failed and will be tried again; transactions are not affected", zap.String("folder", s.config.Archive.Directory), zap.Error(err))
	default:
		s.tellArchived(s.config.Archive.Directory, &done)
		s.archive.archived.Store(&done)
		s.archive.since.Store(time.Now().UnixNano())
		s.moveOut(ctx)
	}
}

// moveOut moves blocks that are older than the configuration keeps into the archive. What is refused is told each time: somebody must look.
func (s *server) moveOut(ctx context.Context) {
	if s.config.Archive.KeepDays == 0 {
		return
	}
	done, err := s.opened.store.MoveOut(ctx, s.config.Archive.Directory, olderThan(s.clock.micros(), s.config.Archive.KeepDays), true)
	if done.Files > 0 {
		s.log.Info("旧区块已移出,今后由档案读取 / old blocks were moved out and are read from the archive", zap.Uint64("up_to", done.UpTo), zap.Uint64("entries", done.Entries),
			zap.Uint64("bytes_before", done.Before), zap.Uint64("bytes_after", done.After))
	}
	if err != nil && ctx.Err() == nil {
		s.log.Error("旧区块未移出,留在账本中 / old blocks were not moved out and stay in the ledger", zap.Error(err))
	}
}

// olderThan is the moment so many days ago.
func olderThan(now int64, days int) int64 {
	return now - int64(days)*24*int64(time.Hour/time.Microsecond)
}

func (s *server) tellArchived(folder string, done *pebblestore.Archived) {
	if done.Repaired > 0 {
		s.log.Warn("缺失或损坏的档案文件已重写 / archive files that were missing or damaged were written again", zap.String("folder", folder), zap.Int("files", done.Repaired))
	}
	if done.Files > 0 {
		s.log.Info("已归档 / archived", zap.String("folder", folder), zap.Uint64("sequence", done.Head.Sequence), zap.Uint64("entries", done.Entries), zap.Int("files", done.Total), zap.Uint64("bytes", done.Bytes))
	}
}

// registerArchive shows how the archive is, when there is one.
func (s *server) registerArchive() {
	if s.config.Archive.Directory == "" {
		return
	}
	s.archive.since.Store(time.Now().UnixNano())
	s.archive.archived.Store(new(pebblestore.Archived))
	gauge := func(name, help string, read func(*pebblestore.Archived) float64) {
		s.metrics.Gauge(name, help, nil, func() float64 { return read(s.archive.archived.Load()) })
	}
	gauge("onecard_archive_sequence", "Sequence of the newest entry in the archive; 0 until the first archiving has ended.", func(a *pebblestore.Archived) float64 { return float64(a.Head.Sequence) })
	s.metrics.Gauge("onecard_archive_moved_sequence", "The last entry whose block is in the archive alone; 0: all are in the ledger.", nil, func() float64 {
		upTo, _ := s.opened.store.MovedOut()
		return float64(upTo)
	})
	gauge("onecard_archive_bytes", "Bytes of all files of the archive.", func(a *pebblestore.Archived) float64 { return float64(a.Bytes) })
	gauge("onecard_archive_files", "Files of the archive.", func(a *pebblestore.Archived) float64 { return float64(a.Total) })
	gauge("onecard_archive_lag_records", "Durable records that are not in the archive.", func(a *pebblestore.Archived) float64 {
		return float64(max(s.pulse.seen.Load().Sequence, a.Head.Sequence) - a.Head.Sequence)
	})
	gauge("onecard_archive_interval_seconds", "How often the switch archives.", func(*pebblestore.Archived) float64 { return s.config.Archive.Interval.Seconds() })
	gauge("onecard_archive_age_seconds", "How long ago an archiving last ended well, or the switch began.", func(*pebblestore.Archived) float64 {
		return time.Since(time.Unix(0, s.archive.since.Load())).Seconds()
	})
}

// ArchiveOrder asks a running switch to archive into a folder, named by its absolute path.
type ArchiveOrder struct {
	Folder   string `json:"folder"`
	KeepDays int    `json:"keep_days"` // blocks that are older move out; 0: none do
}

// ArchiveResult is what became of an ArchiveOrder.
type ArchiveResult struct {
	pebblestore.Archived
	MovedOut *pebblestore.Retained `json:",omitempty"` // nil: nothing was asked to
}

// archiveBy archives, and moves out when that is asked for.
func archiveBy(ctx context.Context, store *pebblestore.Store, order ArchiveOrder, now int64, gentle bool) (ArchiveResult, error) {
	done, err := store.Archive(ctx, filepath.Clean(order.Folder), gentle)
	result := ArchiveResult{Archived: done}
	if err == nil && order.KeepDays > 0 {
		var moved pebblestore.Retained
		moved, err = store.MoveOut(ctx, filepath.Clean(order.Folder), olderThan(now, order.KeepDays), gentle)
		result.MovedOut = &moved
	}
	return result, err
}

// makeArchive answers when everything that was durable is in the archive.
func (s *server) makeArchive(w http.ResponseWriter, r *http.Request) {
	var asked ArchiveOrder
	if !takeFolderOrder(w, r, &asked, &asked.Folder) {
		return
	}
	done, err := archiveBy(r.Context(), s.opened.store, asked, s.clock.micros(), true)
	if err != nil {
		s.log.Error("归档失败 / archiving failed", zap.String("folder", asked.Folder), zap.Error(err))
		answerJSON(w, http.StatusUnprocessableEntity, Answer{Error: err.Error()})
		return
	}
	s.tellArchived(asked.Folder, &done.Archived)
	answerJSON(w, http.StatusOK, Answer{Archived: &done})
}

// Archive asks the switch to archive into a folder (absolute path).
func (c *Client) Archive(ctx context.Context, order ArchiveOrder) (ArchiveResult, error) {
	body, err := json.Marshal(order)
	if err != nil {
		return ArchiveResult{}, err
	}
	var a Answer
	if err := c.call(ctx, http.MethodPost, "/archive", body, &a); err != nil {
		return ArchiveResult{}, err
	}
	if a.Error != "" || a.Archived == nil {
		return ArchiveResult{}, errors.New(a.Error)
	}
	return *a.Archived, nil
}

// Archive archives the ledger of a data folder: through the switch that runs on it, or without one. It needs no site key.
func Archive(ctx context.Context, c *Config, order ArchiveOrder) (done ArchiveResult, err error) {
	order.Folder, err = filepath.Abs(order.Folder)
	if err != nil {
		return ArchiveResult{}, err
	}
	if done, err = NewClient(c.Data.Directory).Archive(ctx, order); !errors.Is(err, ErrNotRunning) {
		return done, err
	}
	store, err := openStopped(c, "")
	if err != nil {
		return ArchiveResult{}, err
	}
	done, err = archiveBy(ctx, store, order, newClock().micros(), false)
	return done, errors.Join(err, store.Close())
}

// openStopped opens the ledger of a data folder that no switch has open, to work on it without a site key.
func openStopped(c *Config, version string) (*pebblestore.Store, error) {
	if !HasLedger(c.Data.Directory) {
		return nil, fmt.Errorf("%s: %w", c.Data.Directory, pebblestore.ErrNoLedger)
	}
	directory, err := filepath.Abs(c.Data.Directory)
	if err != nil {
		return nil, err
	}
	return pebblestore.Open(pebblestore.Options{
		Dir: directory, WALDir: c.Data.WALDirectory, ArchiveDir: c.Archive.Directory, MemTableBytes: uint64(c.Data.MemTableBytes),
		BallastBytes: int64(c.Data.BallastBytes), Version: version,
	})
}
