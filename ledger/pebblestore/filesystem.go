package pebblestore

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// diskSlowAfter is how long an operation on the disk may take before DiskSlow is told.
const diskSlowAfter = 2 * time.Second

// realFS is the operating system's file system, watched for slow operations.
func realFS(events Events) (vfs.FS, io.Closer) {
	return vfs.WithDiskHealthChecks(vfs.Default, diskSlowAfter, nil, func(info vfs.DiskSlowInfo) {
		if events.DiskSlow != nil {
			events.DiskSlow(pebble.DiskSlowInfo(info).String())
		}
	})
}

// storeFS is the file system as Pebble sees it; it does three things that Pebble does not.
//
// It makes markers durable in order. A marker's name says which MANIFEST is in force. Pebble makes the new marker, removes
// the old one and then syncs the folder once for all three; on a file system that does not keep the order of entries in a folder, a power
// cut between can leave a marker without its MANIFEST, or no marker. Markers move a few times in the life of a process: two more syncs of
// the folder close the gap.
//
// A folder that cannot be synced, or a log that cannot be made, ends Pebble in a panic of whatever goroutine it is on, with a mutex in an
// odd state; here both end the process like every other failed sync.
//
// It takes no log away before the ledger is proved. Pebble takes damage in a log for the log's end, writes what stands before it into tables
// and removes the log, and all that before anybody can compare the result with the witness: a refused ledger would have lost the only copy of
// what stands behind the damage. Removals wait until the chain and its end are proved.
//
// A new log is written full of zeros before it is used. Writing into space that was reserved but never written makes every sync a change
// of metadata as well, 1.7 times as long (ledger study 3.1); Pebble recycles written logs for that reason, but begins each process with new
// ones, and those last for a million purchases.
type storeFS struct {
	vfs.FS
	fatal  func(text string)
	opened *atomic.Bool // until then Open returns what is wrong with a log
	fill   int64        // bytes of a new log to write
	target *atomic.Pointer[target]
	tries  *flushes
	kept   *keptLogs
}

// keptLogs are logs that Pebble is done with while nobody has proved yet that the ledger is.
type keptLogs struct {
	mu    sync.Mutex
	paths []string // guarded by mu
}

func (k *keptLogs) keep(path string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.paths = append(k.paths, path)
}

// letGo removes them. What cannot be removed is removed by the next start.
func (k *keptLogs) letGo(fs vfs.FS) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, path := range k.paths {
		_ = fs.Remove(path)
	}
	k.paths = nil
}

// Remove removes a file; a log only when the ledger is proved.
func (fs storeFS) Remove(name string) error {
	if strings.HasSuffix(name, ".log") && fs.elsewhere(name) == nil && !fs.opened.Load() {
		fs.kept.keep(name)
		return nil
	}
	return fs.FS.Remove(name)
}

// elsewhere returns the file system for what Pebble writes into a backup: there none of this holds, a failure is the backup's alone, and
// the ballast is not given up for it. Nil: the path is the ledger's.
func (fs storeFS) elsewhere(path string) vfs.FS {
	if t := fs.target.Load(); t != nil && under(t.folder, path) {
		return t
	}
	return nil
}

// MkdirAll makes folders.
func (fs storeFS) MkdirAll(dir string, mode os.FileMode) error {
	if other := fs.elsewhere(dir); other != nil {
		return other.MkdirAll(dir, mode)
	}
	return fs.FS.MkdirAll(dir, mode)
}

// Link links a file, in Pebble's folder or into a backup.
func (fs storeFS) Link(from, to string) error {
	if other := fs.elsewhere(to); other != nil {
		return other.Link(from, to)
	}
	return fs.FS.Link(from, to)
}

// OpenDir opens a folder whose failed sync stops the process.
func (fs storeFS) OpenDir(name string) (vfs.File, error) {
	if other := fs.elsewhere(name); other != nil {
		return other.OpenDir(name)
	}
	dir, err := fs.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return folderFile{dir, fs.fatal}, nil
}

type folderFile struct {
	vfs.File
	fatal func(text string)
}

func (f folderFile) Sync() error {
	err := f.File.Sync()
	if err != nil {
		f.fatal("syncing the folder: " + err.Error())
	}
	return err
}

func (fs storeFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if other := fs.elsewhere(name); other != nil {
		return other.Create(name, category)
	}
	switch {
	case strings.HasSuffix(name, ".log"):
		return fs.createLog(name, category)
	case strings.HasSuffix(name, ".sst"):
		fs.tries.wait()
	}
	if !strings.HasPrefix(fs.PathBase(name), "marker.") {
		return fs.FS.Create(name, category)
	}
	if err := syncDir(fs.FS, fs.PathDir(name)); err != nil { // what it points to
		return nil, err
	}
	f, err := fs.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	if err := syncDir(fs.FS, fs.PathDir(name)); err != nil { // itself, before the old one goes
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// fillBytes is how much of a new log is written before it is used: 350,000 purchases. What lies behind is written by use, once.
const fillBytes = 16 << 20

// fillPiece is how much of a file that is filled before use is written at a time. The kernel keeps what one write has brought as one piece of its
// cache, and each later write and sync of a part goes through all blocks of the piece. Measured with 64 connections of one request each, and pieces
// of 1 MiB in place of 16 KiB: writing a group into log and witness took 73 us of processor in place of 20, syncing them 188 in place of 134.
const fillPiece = 16 << 10

// fill writes zeros.
func fill(f vfs.File, from, to int64) error {
	zeros := make([]byte, min(to-from, fillPiece))
	for at := from; at < to; at += fillPiece {
		if _, err := f.WriteAt(zeros[:min(to-at, fillPiece)], at); err != nil {
			return err
		}
	}
	return nil
}

// forgetPieces lets the kernel's cache forget what reading a file has brought, in pieces as large as it reads ahead. What is not yet on the disk
// stays as it is.
func forgetPieces(f vfs.File) {
	if fd := f.Fd(); fd != vfs.InvalidFd {
		_ = unix.Fadvise(int(fd), 0, 0, unix.FADV_DONTNEED) // it may know better
	}
}

func (fs storeFS) createLog(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, category)
	if err != nil {
		return nil, fs.logFailed(err)
	}
	if fs.roomToFill(name) {
		fillLog(f, fs.fill) // one that could not be filled is only slower; what is wrong comes out when something is written that counts
	}
	return logFile{f, fs}, nil
}

// ReuseForWrite takes a log that has served.
func (fs storeFS) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if !fs.opened.Load() {
		fs.kept.keep(from)
		return fs.createLog(to, category)
	}
	f, err := fs.FS.ReuseForWrite(from, to, category)
	if err != nil {
		return nil, fs.logFailed(err)
	}
	return logFile{f, fs}, nil
}

func (fs storeFS) logFailed(err error) error {
	if err != nil && fs.opened.Load() {
		fs.fatal("writing a log: " + err.Error())
	}
	return err
}

// logFile is a log whose first failed write, sync or look stops the process: Pebble would panic over the size of a log that it uses again,
// with a mutex in an odd state. ENOSPC has been tried a second time before, without the ballast.
type logFile struct {
	vfs.File
	fs storeFS
}

func (f logFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.fs.logFailed(err)
}

func (f logFile) Sync() error     { return f.fs.logFailed(f.File.Sync()) }
func (f logFile) SyncData() error { return f.fs.logFailed(f.File.SyncData()) }
func (f logFile) Close() error    { return f.fs.logFailed(f.File.Close()) }

// Stat looks at the log's size.
func (f logFile) Stat() (vfs.FileInfo, error) {
	info, err := f.File.Stat()
	return info, f.fs.logFailed(err)
}

func (f logFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	return full, f.fs.logFailed(err)
}

// roomToFill: the last space on a disk is not for zeros.
func (fs storeFS) roomToFill(name string) bool {
	usage, err := fs.GetDiskUsage(fs.PathDir(name))
	return fs.fill > 0 && (err != nil || usage.AvailBytes > uint64(64*fs.fill))
}

func fillLog(f vfs.File, bytes int64) {
	err := f.Preallocate(0, bytes) // in one piece, if the disk has one
	if err == nil {
		err = fill(f, 0, bytes)
	}
	if err == nil {
		_ = f.SyncData()
	}
}

func (fs storeFS) Unwrap() vfs.FS { return fs.FS }

// makeFolder makes a folder and those above it that are missing, and syncs each into its parent: Pebble syncs what is in its folder, but a
// power cut could still take the folder itself.
func makeFolder(fs vfs.FS, path string) error {
	_, err := fs.Stat(path)
	if parent := fs.PathDir(path); errors.Is(err, os.ErrNotExist) && parent != path {
		if err := makeFolder(fs, parent); err != nil {
			return err
		}
		return errors.Join(fs.MkdirAll(path, 0o700), syncDir(fs, parent))
	}
	return err
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
