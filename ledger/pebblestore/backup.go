package pebblestore

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"onecard/ledger"
)

// A backup is a ledger of its own in another folder, taken while this one goes on.
//
//	FOLDER/pebble/       Pebble's files: tables are hard links where the file system has them, copies elsewhere; logs are copies
//	FOLDER/WITNESS       made for the copy's own last block
//	FOLDER/BACKUP.json   what the copy is, written last: without it the copy was interrupted
//
// The copy is taken by Pebble's Checkpoint, which holds no lock while it copies. A log is copied while the owner writes into it: should
// the owner overtake the copying, zeros are left in the middle, and what follows them says that they were synced. Pebble refuses such a
// log, so the copy is opened, read-only, and walked from the first block to the last before it is called a backup, and taken again when it
// does not hold what was durable when it began.
const (
	backupName   = "BACKUP.json"
	backupFormat = 1
	backupTries  = 4
)

// Backup is what BACKUP.json says about a copy.
type Backup struct {
	Format   int       `json:"format"`
	Sequence uint64    `json:"sequence"` // of the last entry
	Hash     string    `json:"hash"`     // of the last block
	Day      string    `json:"day"`      // business day of the last block
	Taken    time.Time `json:"taken"`
	Source   string    `json:"source"`              // the folder it was taken from
	Version  string    `json:"version"`             // of the program
	Bytes    int64     `json:"bytes"`               // of all files
	MovedOut uint64    `json:"moved_out,omitempty"` // entries up to this one are in an archive alone, and not in the copy
	Archive  string    `json:"archive,omitempty"`   // that archive
}

// Errors of backup and restore, by which callers tell the cases apart.
var (
	ErrBackupRunning  = errors.New("已有一个备份正在进行,请等它完成 / a backup is already being made: wait for it")
	ErrNotEmpty       = errors.New("目录已存在且非空,请换一个新目录 / the folder exists and is not empty: name a new one")
	ErrNotABackup     = errors.New("没有 BACKUP.json:备份未完成或不是备份,不能用来恢复 / there is no BACKUP.json: the backup was interrupted, or this is none; it cannot be restored from")
	errInsideData     = errors.New("备份目录不能在数据目录之内 / a backup cannot lie inside the data folder")
	errClosed         = errors.New("账本已关闭 / the ledger is closed")
	errCopyIncomplete = errors.New("the copy ends before what was durable")
)

// Backup copies the ledger, up to a block that is durable, into a folder that does not exist yet or is empty, and returns the copy's head.
// Any goroutine may call it while the owner goes on; one at a time. What fails is undone and does not touch the ledger.
func (s *Store) Backup(ctx context.Context, dir string) (ledger.Head, error) {
	if !s.backing.TryLock() {
		return ledger.Head{}, ErrBackupRunning
	}
	defer s.backing.Unlock()
	if s.closed {
		return ledger.Head{}, errClosed
	}
	if s.isInside(dir) {
		return ledger.Head{}, fmt.Errorf("%s: %w", dir, errInsideData)
	}
	target := &target{FS: s.plainFS(), folder: dir, stopped: ctx.Err}
	if err := target.claim(); err != nil {
		return ledger.Head{}, err
	}
	s.target.Store(target)
	defer s.target.Store(nil)
	head, err := s.backup(ctx, target)
	if err != nil {
		return ledger.Head{}, errors.Join(fmt.Errorf("%s: 备份未完成,账本不受影响 / the backup was not made, the ledger is not harmed: %w", dir, err), target.clear())
	}
	return head, nil
}

func (s *Store) backup(ctx context.Context, t *target) (ledger.Head, error) {
	copied, err := s.copyTo(t)
	for try := 1; err != nil && try < backupTries && ctx.Err() == nil && isTorn(err); try++ {
		if err = t.clear(); err == nil {
			copied, err = s.copyTo(t)
		}
	}
	if err != nil {
		return ledger.Head{}, err
	}
	if err := s.awaitDurable(ctx, copied.head.Sequence); err != nil {
		return ledger.Head{}, err
	}
	if err := t.witness(copied, s.options.slotBytes); err != nil {
		return ledger.Head{}, err
	}
	bytes, err := t.bytes()
	if err != nil {
		return ledger.Head{}, err
	}
	source, err := filepath.Abs(s.options.Dir)
	if err != nil {
		return ledger.Head{}, err
	}
	b := Backup{
		Format: backupFormat, Sequence: copied.head.Sequence, Hash: hex.EncodeToString(copied.head.Hash[:]), Taken: time.Now().Truncate(time.Second),
		Source: source, Version: s.options.Version, Bytes: bytes,
	}
	b.MovedOut, b.Archive = copied.movedOut, copied.archive
	if copied.last != nil {
		last, err := ledger.SkimBlock(copied.last)
		if err != nil {
			return ledger.Head{}, err
		}
		b.Day = ledger.DateOf(last.Day())
	}
	return copied.head, errors.Join(ctx.Err(), t.sign(b))
}

// torn marks a copy that is worth another try.
type torn struct{ error }

func (t torn) Unwrap() error { return t.error }

func isTorn(err error) bool {
	var t torn
	return errors.As(err, &t)
}

// copyTo takes the copy and walks it.
func (s *Store) copyTo(t *target) (walked, error) {
	durable := s.durable.Load()
	dir := t.PathJoin(t.folder, "pebble")
	if err := errors.Join(s.db.Checkpoint(dir, pebble.WithFlushedWAL()), t.failed); err != nil {
		return walked{}, err
	}
	if s.options.WALDir != "" {
		if err := t.forgetWALDir(dir); err != nil {
			return walked{}, err
		}
	}
	copied, err := walkCopy(t)
	if err == nil && copied.head.Sequence < durable {
		err = errCopyIncomplete
	}
	if err != nil {
		return walked{}, torn{err}
	}
	return copied, nil
}

// walkCopy opens a copy without writing into it, and walks its chain.
func walkCopy(t *target) (found walked, err error) {
	c := newStore(Options{Dir: t.folder, FS: t.FS, ReadOnly: true, noStats: true})
	defer func() { err = errors.Join(err, c.release()) }()
	if err := c.openPebble(false); err != nil {
		return walked{}, err
	}
	if found, err = c.walkChain(); err == nil {
		found.movedOut, found.archive = c.MovedOut()
	}
	return found, err
}

// awaitDurable returns when the owner has seen the block that ends at a sequence land: what is in the copy and not yet durable here could
// be lost here, and the copy would know of more than its source.
func (s *Store) awaitDurable(ctx context.Context, sequence uint64) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for s.durable.Load() < sequence {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// plainFS is the file system without the watch for slow operations: a slow disk of backups is no alarm.
func (s *Store) plainFS() vfs.FS {
	if s.options.FS == nil {
		return vfs.Default
	}
	return s.fs
}

// isInside says whether a folder lies in the data folder, however the two are written.
func (s *Store) isInside(dir string) bool {
	data, err1 := filepath.Abs(s.options.Dir)
	path, err2 := filepath.Abs(dir)
	return err1 != nil || err2 != nil || under(data, path)
}

// under says whether a path is a folder or lies in it.
func under(folder, path string) bool {
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}

// target is the folder of a backup while it is written.
type target struct {
	vfs.FS
	folder  string
	stopped func() error
	failed  error // of a folder's sync
}

// OpenDir opens a folder whose failed sync is kept for later: Pebble panics on it, even in a copy, and the switch would go down with it.
func (t *target) OpenDir(name string) (vfs.File, error) {
	dir, err := t.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return patientFolder{dir, t}, nil
}

type patientFolder struct {
	vfs.File
	target *target
}

func (f patientFolder) Sync() error {
	f.target.failed = errors.Join(f.target.failed, f.File.Sync())
	return nil
}

// claim makes the folder, which must not hold anything.
func (t *target) claim() error {
	names, err := t.List(t.folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s: 备份目录无法使用 / the folder for the backup cannot be used: %w", t.folder, err)
	}
	if len(names) > 0 {
		return fmt.Errorf("%s: %w", t.folder, ErrNotEmpty)
	}
	if err := makeFolder(t.FS, t.folder); err != nil {
		return fmt.Errorf("%s: 备份目录无法写入 / the folder for the backup cannot be written: %w", t.folder, err)
	}
	return nil
}

// clear removes what was written, so that the folder can be used again.
func (t *target) clear() error {
	var errs []error
	t.failed = nil
	for _, name := range []string{backupName, backupName + ".new", witnessName, witnessName + ".new", "pebble"} {
		if err := t.RemoveAll(t.PathJoin(t.folder, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Create makes a file that cannot be written any more when the backup is stopped: a copy of a large ledger to another disk takes minutes.
func (t *target) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := t.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	return stoppableFile{f, t.stopped}, nil
}

type stoppableFile struct {
	vfs.File
	stopped func() error
}

func (f stoppableFile) Write(p []byte) (int, error) {
	if err := f.stopped(); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

// Link copies where links cannot be made, whatever the file system's reason is.
func (t *target) Link(from, to string) error {
	if err := t.stopped(); err != nil {
		return err
	}
	if t.FS.Link(from, to) == nil {
		return nil
	}
	return vfs.Copy(t, from, to)
}

// forgetWALDir: the copy's logs are with its tables.
func (t *target) forgetWALDir(dir string) error {
	names, err := t.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !strings.HasPrefix(name, "OPTIONS-") {
			continue
		}
		path := t.PathJoin(dir, name)
		text, err := readFile(t.FS, path)
		if err != nil {
			return err
		}
		lines := strings.Split(string(text), "\n")
		for i := range lines {
			if strings.HasPrefix(strings.TrimSpace(lines[i]), "wal_dir=") {
				lines[i] = "  wal_dir="
			}
		}
		if err := writeFile(t.FS, dir, name, []byte(strings.Join(lines, "\n"))); err != nil {
			return err
		}
	}
	return nil
}

// witness makes a witness of the copy's last block.
func (t *target) witness(copied walked, slotBytes int) error {
	path := t.PathJoin(t.folder, witnessName)
	w, err := createWitness(t.FS, path, t.folder, slotBytes)
	if err != nil {
		return err
	}
	if copied.last != nil {
		err = w.write(copied.head, copied.last)
	}
	return errors.Join(err, w.close())
}

func (t *target) bytes() (sum int64, err error) {
	dir := t.PathJoin(t.folder, "pebble")
	names, err := t.List(dir)
	if err != nil {
		return 0, err
	}
	paths := []string{t.PathJoin(t.folder, witnessName)}
	for _, name := range names {
		paths = append(paths, t.PathJoin(dir, name))
	}
	for _, path := range paths {
		info, err := t.Stat(path)
		if err != nil {
			return 0, err
		}
		sum += info.Size()
	}
	return sum, nil
}

// sign writes BACKUP.json, after everything else is on disk.
func (t *target) sign(b Backup) error {
	if err := errors.Join(syncDir(t.FS, t.PathJoin(t.folder, "pebble")), syncDir(t.FS, t.folder)); err != nil {
		return err
	}
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(t.FS, t.folder, backupName, append(text, '\n'))
}

// ReadBackup reads what a copy says about itself. fs nil: the real one.
func ReadBackup(fs vfs.FS, dir string) (Backup, error) {
	if fs == nil {
		fs = vfs.Default
	}
	text, err := readFile(fs, fs.PathJoin(dir, backupName))
	if errors.Is(err, os.ErrNotExist) {
		return Backup{}, fmt.Errorf("%s: %w", dir, ErrNotABackup)
	}
	var b Backup
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	if err == nil && (b.Format != backupFormat || len(b.Hash) != 64) {
		err = fmt.Errorf("format %d: %w", b.Format, ledger.ErrMalformed)
	}
	if err != nil {
		return Backup{}, fmt.Errorf("%s: 备份说明 %s 无法读取 / the manifest of the backup cannot be read: %w", dir, backupName, err)
	}
	return b, nil
}

func readFile(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	return text, errors.Join(err, f.Close())
}

// writeFile writes a file that gets its name when it is whole.
func writeFile(fs vfs.FS, dir, name string, contents []byte) error {
	path := fs.PathJoin(dir, name)
	f, err := fs.Create(path+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(contents)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(fs.Rename(path+".new", path), syncDir(fs, dir))
}
