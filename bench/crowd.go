package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"onecard/terminals/emulator/samplecampus"
)

// A crowd is a site with more holders than are kept in this program's memory: they are written and imported by the product's own command, so
// many rows at a time, and their cards are reckoned from their numbers.

// importMost is how many people one import brings at most: the product takes ten million, which need 12 GiB beside what is there already.
const importMost = 5_000_000

// bytes that a holder takes: while his import runs on the disk, in the ledger, and in the switch's memory. Upper bounds, for the check before.
const (
	crowdFileBytes   = 170
	crowdLedgerBytes = 600
	crowdMemoryBytes = 220
	importRowBytes   = 1300 // of the import's own memory, per person of one import
	emptyLedgerBytes = 400 << 20
)

// newCrowd makes a site with so many holders, importing them in parts.
func newCrowd(ctx context.Context, o common, terminals, holders, part int, data string, out io.Writer) (*site, error) {
	campus := campusOptions(o.seed, terminals)
	campus.Holders = min(holders, 1000)
	s, err := newSite(ctx, o, samplecampus.New(campus), data, nil)
	if err != nil {
		return nil, err
	}
	s.crowd = holders
	for first := campus.Holders; first < holders; first += part {
		if err := s.bringIn(ctx, first, min(part, holders-first), out); err != nil {
			s.remove()
			return nil, err
		}
	}
	return s, os.RemoveAll(s.path("csv"))
}

// bringIn imports so many people from an index on, saying how it goes.
func (s *site) bringIn(ctx context.Context, first, count int, out io.Writer) error {
	began := time.Now()
	if err := s.campus.WritePeople(s.path("people"), first, count); err != nil {
		return err
	}
	defer os.RemoveAll(s.path("people"))
	said := ""
	asked := askBeside(func() error {
		answer, err := exec.CommandContext(ctx, s.binary, "import", "--config", s.path("switch.yaml"), s.path("people")).CombinedOutput()
		said = string(answer)
		return err
	})
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case happened := <-asked:
			if happened.err != nil {
				return fmt.Errorf("importing people: %w\n%s", happened.err, said)
			}
			s.imported += happened.took
			if s.crowd > 1_000_000 {
				fmt.Fprintf(out, "  导入 imported %12s / %s   %.0f s\n", grouped(float64(first+count)), grouped(float64(s.crowd)), time.Since(began).Seconds())
			}
			return nil
		case <-tick.C:
			fmt.Fprintf(out, "  … 导入 importing %s – %s   %.0f s\n", grouped(float64(first)), grouped(float64(first+count)), time.Since(began).Seconds())
		}
	}
}

// folderBytes is what a folder takes on the disk: blocks, so that what is written ahead counts and what is not there does not.
func folderBytes(folder string) (int64, error) {
	total := int64(0)
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return skipGone(err)
		}
		var stat unix.Stat_t
		if err := unix.Lstat(path, &stat); err != nil {
			return skipGone(err)
		}
		total += stat.Blocks * 512
		return nil
	})
	return total, err
}

// skipGone: a running switch drops files.
func skipGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// room says what there is of disk and memory, and refuses a run that needs more.
func room(out io.Writer, folder string, disk, memory int64) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("making the work folder: %w", err)
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(folder, &stat); err != nil {
		return fmt.Errorf("free space of %s: %w", folder, err)
	}
	free := int64(stat.Bavail) * stat.Bsize
	available, err := availableMemory()
	if err != nil {
		return err
	}
	const gib = 1 << 30
	fmt.Fprintf(out, "需要 needed   磁盘 disk %.1f GiB(可用 free %.1f)   内存 memory %.1f GiB(可用 available %.1f)\n",
		float64(disk)/gib, float64(free)/gib, float64(memory)/gib, float64(available)/gib)
	if disk > free || memory > available {
		return fmt.Errorf("磁盘或内存不够,减少 --holders 或换 --work / not enough disk or memory: fewer --holders, or another --work")
	}
	return nil
}
