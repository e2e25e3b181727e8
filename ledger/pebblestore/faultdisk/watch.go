package faultdisk

import (
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// Op is an operation on a file or a folder: its kind and its path. Of a rename, a link or a log that is used again it is the path before.
type Op = errorfs.Op

// Watch returns the file system with a hook before every operation. An error of the hook is the operation's; then it is not done. The
// hook is called on whatever goroutine does the operation.
func Watch(fs vfs.FS, before func(op Op) error) vfs.FS {
	return watched{errorfs.Wrap(fs, errorfs.InjectorFunc(before)), before}
}

// watched is errorfs, which forgets to wrap the files of ReuseForWrite: the recycled logs, which matter most.
type watched struct {
	vfs.FS
	before func(op Op) error
}

func (w watched) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := w.FS.ReuseForWrite(from, to, category)
	if err != nil {
		return nil, err
	}
	return errorfs.WrapFile(f, errorfs.InjectorFunc(func(op Op) error {
		op.Path = to
		return w.before(op)
	})), nil
}

// Changes says whether an operation changes what a power cut would leave.
func Changes(op Op) bool {
	return op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpLock && op.Kind != errorfs.OpFileClose
}

// Syncs says whether an operation waits for the disk.
func Syncs(op Op) bool {
	return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
}

// operations are the words of a campaign's table.
var operations = map[errorfs.OpKind]string{
	errorfs.OpCreate: "create", errorfs.OpLink: "link", errorfs.OpOpen: "open", errorfs.OpOpenDir: "open", errorfs.OpRemove: "remove",
	errorfs.OpRemoveAll: "remove", errorfs.OpRename: "rename", errorfs.OpReuseForWrite: "reuse", errorfs.OpMkdirAll: "make folder",
	errorfs.OpLock: "lock", errorfs.OpList: "list", errorfs.OpFilePreallocate: "reserve", errorfs.OpStat: "look", errorfs.OpGetDiskUsage: "look",
	errorfs.OpFileClose: "close", errorfs.OpFileRead: "read", errorfs.OpFileReadAt: "read", errorfs.OpFileWrite: "write", errorfs.OpFileWriteAt: "write",
	errorfs.OpFileStat: "look", errorfs.OpFileSync: "sync", errorfs.OpFileSyncData: "sync", errorfs.OpFileSyncTo: "sync", errorfs.OpFileFlush: "flush",
}

// Operation names what is done.
func Operation(op Op) string { return operations[op.Kind] }

// FileKind names what kind of file of a store a path is: all tables are one, all logs are one.
func FileKind(path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case strings.HasSuffix(name, ".sst"):
		return "table"
	case strings.HasSuffix(name, ".log"):
		return "log"
	case strings.HasPrefix(name, "marker."):
		return "marker"
	case strings.HasPrefix(name, "MANIFEST"):
		return "manifest"
	case strings.HasPrefix(name, "OPTIONS"), strings.HasPrefix(name, "temporary"):
		return "options"
	case strings.HasPrefix(name, "WITNESS"):
		return "witness"
	case strings.HasSuffix(strings.TrimSuffix(name, ".new"), ".blocks"):
		return "archive"
	case strings.HasPrefix(name, "INDEX"):
		return "archive index"
	case name == "BALLAST":
		return "ballast"
	case name == "LOCK":
		return "lock"
	}
	return "folder"
}
