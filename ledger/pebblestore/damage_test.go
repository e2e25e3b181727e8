package pebblestore

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"onecard/ledger/pebblestore/faultdisk"
)

// Damage tests (safety handbook 2.3 h): one file of a data folder that was whole is flipped, cut, overwritten, deleted or replaced by an
// older copy of itself. The store must refuse, or repair and show everything; it must never be silently shorter, and never show anything
// else than what was written.
//
// What no store on one disk can notice, and no test here asks for: an older copy of ALL files together, Pebble's and the witness. It is a
// whole ledger of an earlier moment. Only somebody outside can tell — a follower, or the head of the day printed and filed elsewhere.

// outcome of opening a damaged folder.
type outcome string

const (
	refused  outcome = "refused"
	harmless outcome = "harmless or repaired"
	silent   outcome = "SILENT"
)

// folder is a data folder in memory: a ledger with tables, checkpoints, an index and a live WAL, as a power cut leaves it, and the same
// folder as it was at earlier moments.
type folder struct {
	w       *workload
	options Options
	now     map[string][]byte
	before  []map[string][]byte
}

func newFolder(t testing.TB, seed uint64, clean bool) *folder { return folderOf(t, seed, clean, false) }

// folderOf is newFolder with blocks that were archived and moved out, if they are to be.
func folderOf(t testing.TB, seed uint64, clean, archives bool) *folder {
	mem := vfs.NewCrashableMem()
	f := &folder{w: newWorkload(seed), options: crashOptions(nil)}
	f.w.small, f.options.slotBytes = true, 3<<10
	copyOf := func() *vfs.MemFS {
		return mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(seed, 1))})
	}
	f.w.archives = archives
	o := f.options
	o.FS = mem
	for range 4 {
		s, err := Open(o)
		require.NoError(t, err)
		for range 3 { // copies of files as they were a moment before, in the same process
			f.before = append(f.before, files(t, copyOf()))
			require.NoError(t, f.w.write(s, 5+f.w.rng.IntN(30)))
		}
		f.now = files(t, copyOf())
		require.NoError(t, s.Close())
	}
	if clean {
		f.now = files(t, copyOf())
	}
	return f
}

// files reads a whole file system.
func files(t testing.TB, fs vfs.FS) map[string][]byte {
	all := map[string][]byte{}
	for _, dir := range []string{"data", "data/pebble", "archive"} {
		names, err := fs.List(dir)
		if dir == "archive" && errors.Is(err, os.ErrNotExist) {
			continue
		}
		require.NoError(t, err)
		for _, name := range names {
			path := dir + "/" + name
			if info, err := fs.Stat(path); err != nil || info.IsDir() {
				continue
			}
			file, err := fs.Open(path)
			require.NoError(t, err)
			contents, err := io.ReadAll(file)
			require.NoError(t, err)
			require.NoError(t, file.Close())
			all[path] = contents
		}
	}
	return all
}

// disk makes the folder again, with some files changed (nil deletes one).
func (f *folder) disk(t testing.TB, change map[string][]byte) Options {
	fs := vfs.NewMem()
	require.NoError(t, fs.MkdirAll("data/pebble", 0o700))
	require.NoError(t, fs.MkdirAll("archive", 0o700))
	for path, contents := range f.now {
		if changed, ok := change[path]; ok {
			if contents = changed; contents == nil {
				continue
			}
		}
		file, err := fs.Create(path, vfs.WriteCategoryUnspecified)
		require.NoError(t, err)
		_, err = file.Write(contents)
		require.NoError(t, err)
		require.NoError(t, file.Close())
	}
	o := f.options
	o.FS = fs
	return o
}

// openDamaged opens the folder with some files changed.
func (f *folder) openDamaged(t testing.TB, change map[string][]byte, blind bool) (outcome, string) {
	o := f.disk(t, change)
	o.blind = blind
	return f.tryOpen(o)
}

// tryOpen opens and judges. A store that stops the process (Fatal, or a panic of Pebble's in Open) has refused.
func (f *folder) tryOpen(o Options) (outcome, string) {
	type result struct {
		outcome outcome
		text    string
	}
	results := make(chan result, 2)
	o.Fatal = func(text string) {
		results <- result{refused, "fatal: " + text}
		select {} // as a process that has ended
	}
	go func() { // ends with its result, or never after Fatal
		defer func() {
			if p := recover(); p != nil {
				results <- result{refused, fmt.Sprintf("panic: %v", p)}
			}
		}()
		s, err := Open(o)
		if err != nil {
			results <- result{refused, err.Error()}
			return
		}
		defer s.Close()
		switch text := f.w.judge(s, f.w.acked.Load()); {
		case text == "":
			results <- result{harmless, ""}
		case strings.HasPrefix(text, "lost") || strings.HasPrefix(text, "invented"):
			results <- result{silent, text}
		default: // what is read says that it is not whole
			results <- result{refused, text}
		}
	}()
	r := <-results
	return r.outcome, r.text
}

// damages of one file.
var damages = []struct {
	name string
	do   func(rng *rand.Rand, b []byte, older [][]byte) []byte // nil deletes
}{
	{"flip", func(rng *rand.Rand, b []byte, _ [][]byte) []byte {
		if len(b) > 0 {
			b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
		}
		return b
	}},
	{"cut", func(rng *rand.Rand, b []byte, _ [][]byte) []byte { return b[:rng.IntN(len(b)+1)] }},
	{"zero a sector", func(rng *rand.Rand, b []byte, _ [][]byte) []byte {
		at := rng.IntN(len(b)/512+1) * 512
		clear(b[at:min(len(b), at+512)])
		return b
	}},
	{"garbage in a sector", func(rng *rand.Rand, b []byte, _ [][]byte) []byte {
		at := rng.IntN(len(b)/512+1) * 512
		for i := at; i < min(len(b), at+512); i++ {
			b[i] = byte(rng.Uint32())
		}
		return b
	}},
	{"delete", func(*rand.Rand, []byte, [][]byte) []byte { return nil }},
	{"an older copy", func(rng *rand.Rand, b []byte, older [][]byte) []byte {
		if len(older) == 0 {
			return b
		}
		return slices.Clone(older[rng.IntN(len(older))])
	}},
	{"empty", func(*rand.Rand, []byte, [][]byte) []byte { return []byte{} }},
}

// isDamaged is in every text that says where a ledger is damaged.
const isDamaged = "数据损坏 / damaged: 文件 "

// namedAs sorts what was said of damage to a file: whether it was that file that was named. A log that is gone, or an older list of tables,
// leaves nothing behind that could be named; what misses it is.
func namedAs(text, path string) string {
	switch {
	case !strings.Contains(text, isDamaged):
		return faultdisk.FileKind(path) + " unnamed"
	case strings.Contains(text, "文件 "+strings.TrimPrefix(path, "data/")):
		return faultdisk.FileKind(path) + " named"
	}
	return faultdisk.FileKind(path) + " named by what misses it"
}

// damageRun damages every file of a folder, each in every way, so many times.
func damageRun(t testing.TB, campaign *faultdisk.Campaign, seed uint64, clean, blind, archives bool, times int, only func(path, damage string) bool) {
	f := folderOf(t, seed, clean, archives)
	campaign.Total("entries acknowledged", int64(f.w.acked.Load()))
	rng := rand.New(rand.NewPCG(seed, 3))
	for _, path := range slices.Sorted(maps.Keys(f.now)) {
		var older [][]byte
		for _, earlier := range f.before {
			if b, ok := earlier[path]; ok {
				older = append(older, b)
			}
		}
		for _, damage := range damages {
			if only != nil && !only(path, damage.name) {
				continue
			}
			for range times {
				changed := damage.do(rng, slices.Clone(f.now[path]), older)
				if !campaign.Point(faultdisk.FileKind(path), damage.name) {
					return
				}
				o, text := f.openDamaged(t, map[string][]byte{path: changed}, blind)
				campaign.Count("outcome", faultdisk.FileKind(path)+" "+string(o), 1)
				if o == refused {
					campaign.Count("refused", namedAs(text, path), 1)
					if !strings.Contains(text, isDamaged) {
						campaign.Fail(faultdisk.Unnamed, "seed %d: %s of %s: %s", seed, damage.name, path, text)
					}
				}
				if o == silent {
					campaign.Fail(faultdisk.Silent, "seed %d: %s of %s: %s", seed, damage.name, path, text)
				}
				if damage.name == "delete" || damage.name == "empty" {
					break
				}
			}
		}
	}
}

func TestDamageIsRefusedOrRepaired(t *testing.T) {
	campaign := faultdisk.New("rot", 11, 1<<40)
	damageRun(t, campaign, 11, false, false, false, 2, nil)
	damageRun(t, campaign, 11, true, false, false, 1, nil)
	require.Empty(t, campaign.Failures())
	require.Positive(t, campaign.Counted("outcome", "table "+string(refused)))
	require.Positive(t, campaign.Counted("outcome", "manifest "+string(harmless)))
}

// TestDamageTestsHaveTeeth: without the witness Pebble takes a damaged tail for the end, and the tests must say so.
func TestDamageTestsHaveTeeth(t *testing.T) {
	campaign := faultdisk.New("rot", 11, 1<<40)
	damageRun(t, campaign, 11, false, true, false, 20, func(path, damage string) bool { return strings.HasSuffix(path, ".log") })
	require.NotEmpty(t, campaign.Failures(), "a ledger without its witness lost its tail and nobody noticed")
	require.Contains(t, campaign.Failures()[0].Text, "lost")
}
