package pebblestore

import (
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// TestDiskFullGivesUpTheBallast: when the disk is full the ballast goes, the process stops or goes on, nothing is lost, and it can start
// again; with no ballast left a start is refused with a text that says what to do.
func TestDiskFullGivesUpTheBallast(t *testing.T) {
	mem := vfs.NewCrashableMem()
	disk := &fillingDisk{FS: mem, free: 1 << 30}
	w := newWorkload(31)
	o := crashOptions(disk)
	o.BallastBytes, o.LowWaterBytes = 1<<20, 100<<20
	s, err := Open(o)
	require.NoError(t, err)
	info, err := mem.Stat("data/" + ballastName)
	require.NoError(t, err)
	require.Equal(t, o.BallastBytes, info.Size())
	require.NoError(t, w.write(s, 10))
	_, low := s.Space()
	require.False(t, low)

	// Below the low-water mark it says so; full, it takes the ballast and goes on.
	disk.setFree(50 << 20)
	s.RefreshSpace()
	_, low = s.Space()
	require.True(t, low)
	disk.full.Store(true)
	require.NoError(t, w.write(s, 60), "the ballast was not given up")
	require.False(t, disk.full.Load())
	_, err = mem.Stat("data/" + ballastName)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, s.Close())

	// A start on a full disk is refused in words, and works again when there is room.
	disk.setFree(1 << 20)
	_, err = Open(o)
	var noSpace *NoSpaceError
	require.ErrorAs(t, err, &noSpace)
	require.Contains(t, err.Error(), "请清理磁盘后再启动")
	disk.setFree(1 << 30)
	require.Empty(t, w.verdictOf(o, w.acked.Load()))
}

// TestHalfMadeBallastIsMadeAgain: a crash while the ballast was being made leaves a file of another size.
func TestHalfMadeBallastIsMadeAgain(t *testing.T) {
	mem := vfs.NewMem()
	require.NoError(t, mem.MkdirAll("data", 0o700))
	f, err := mem.Create("data/"+ballastName, vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	o := crashOptions(&fillingDisk{FS: mem, free: 1 << 30})
	o.BallastBytes = 1 << 20
	s, err := Open(o)
	require.NoError(t, err)
	info, err := mem.Stat("data/" + ballastName)
	require.NoError(t, err)
	require.Equal(t, o.BallastBytes, info.Size())
	require.NoError(t, s.Close())
}

// fillingDisk says how much is free, and refuses to grow files while it is full and the ballast is there.
type fillingDisk struct {
	vfs.FS
	free uint64
	full atomic.Bool
}

func (d *fillingDisk) setFree(n uint64) { d.free = n }

func (d *fillingDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free, TotalBytes: 1 << 40}, nil
}

func (d *fillingDisk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if d.full.Load() {
		return nil, &os.PathError{Op: "create", Path: name, Err: syscall.ENOSPC}
	}
	return d.FS.Create(name, category)
}

func (d *fillingDisk) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if d.full.Load() {
		return nil, &os.PathError{Op: "reuse", Path: to, Err: syscall.ENOSPC}
	}
	return d.FS.ReuseForWrite(from, to, category)
}

func (d *fillingDisk) Remove(name string) error {
	if strings.HasSuffix(name, ballastName) {
		d.full.Store(false)
	}
	return d.FS.Remove(name)
}
