package pebblestore

import (
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
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

// markerFS makes Pebble's markers durable in order. A marker's name says which MANIFEST is in force. Pebble makes the new marker, removes
// the old one and then syncs the folder once for all three; on a file system that does not keep the order of entries in a folder, a power
// cut between can leave a marker without its MANIFEST, or no marker. Markers move a few times in the life of a process: two more syncs of
// the folder close the gap.
//
// A folder that cannot be synced ends Pebble in a panic of whatever goroutine it is on; here it ends like every other failed sync.
type markerFS struct {
	vfs.FS
	fatal func(text string)
}

// OpenDir opens a folder whose failed sync stops the process.
func (fs markerFS) OpenDir(name string) (vfs.File, error) {
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

func (fs markerFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
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

func (fs markerFS) Unwrap() vfs.FS { return fs.FS }

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
