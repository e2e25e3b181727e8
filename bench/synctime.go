package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

// bareSync is what a durable answer rests on and nothing else: 4 KiB written over in a file that is written whole, then fdatasync.
type bareSync struct {
	file *os.File
	at   int64
	page []byte
}

const (
	bareSyncBytes = 4 << 10
	bareSyncFile  = 16 << 20
)

// syncTimes are a loop's latencies.
type syncTimes struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
}

func syncTimesOf(h *hdrhistogram.Histogram) syncTimes {
	return syncTimes{h.TotalCount(), milliseconds(h, 50), milliseconds(h, 99), milliseconds(h, 99.9), float64(h.Max()) / 1e3}
}

func newBareSync(folder string) (*bareSync, error) {
	f, err := os.Create(filepath.Join(folder, "sync.probe"))
	if err != nil {
		return nil, fmt.Errorf("making the file that is synced: %w", err)
	}
	b := &bareSync{file: f, page: make([]byte, bareSyncBytes)}
	_, err = f.Write(make([]byte, bareSyncFile))
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		b.close()
		return nil, fmt.Errorf("writing the file that is synced: %w", err)
	}
	return b, nil
}

func (b *bareSync) once() (time.Duration, error) {
	b.page[b.at>>12&0xFFF]++
	began := time.Now()
	if _, err := b.file.WriteAt(b.page, b.at); err != nil {
		return 0, fmt.Errorf("writing before a sync: %w", err)
	}
	if err := unix.Fdatasync(int(b.file.Fd())); err != nil {
		return 0, fmt.Errorf("fdatasync: %w", err)
	}
	b.at = (b.at + bareSyncBytes) % bareSyncFile
	return time.Since(began), nil
}

// loop syncs until the context ends, pausing so long between two.
func (b *bareSync) loop(ctx context.Context, pause time.Duration) (*hdrhistogram.Histogram, error) {
	h := newHistogram()
	for ctx.Err() == nil {
		took, err := b.once()
		if err != nil {
			return h, err
		}
		_ = h.RecordValue(max(1, took.Microseconds())) // a sync of more than a minute is a disk that is gone
		if pause > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}
	return h, nil
}

// loopFor is loop for so many seconds.
func (b *bareSync) loopFor(ctx context.Context, seconds float64) (*hdrhistogram.Histogram, error) {
	timed, end := context.WithTimeout(ctx, time.Duration(seconds*float64(time.Second)))
	defer end()
	h, err := b.loop(timed, 0)
	if err == nil {
		err = ctx.Err()
	}
	return h, err
}

// loopBeside is loop beside the load, until stop is called, which waits for it.
func (b *bareSync) loopBeside(ctx context.Context, pause time.Duration) (stop func() (*hdrhistogram.Histogram, error)) {
	ctx, end := context.WithCancel(ctx)
	var h *hdrhistogram.Histogram
	ended := make(chan error, 1)
	go func() {
		var err error
		h, err = b.loop(ctx, pause)
		ended <- err
	}()
	return func() (*hdrhistogram.Histogram, error) {
		end()
		err := <-ended
		return h, err
	}
}

func (b *bareSync) close() {
	_ = b.file.Close()
	_ = os.Remove(b.file.Name())
}
