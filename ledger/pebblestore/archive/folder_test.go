package archive

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"onecard/ledger"
)

// chain makes blocks of a ledger: some per business day, of some entries each.
type chain struct {
	builder ledger.BlockBuilder
	head    ledger.Head
	first   ledger.Hash
	blocks  []ledger.Block
}

func (c *chain) grow(t testing.TB, day uint32, blocks, entries, payload int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(day), uint64(len(c.blocks))))
	for range blocks {
		c.builder.Begin(c.head, day)
		for range entries {
			text := make([]byte, payload)
			for i := range text {
				text[i] = byte(rng.Uint32())
			}
			c.builder.Add(&ledger.Entry{Kind: 2, Time: int64(c.builder.Next()) * 1000, Payload: text})
		}
		b, err := ledger.OpenBlock(slices.Clone(c.builder.Seal().Bytes()))
		require.NoError(t, err)
		c.blocks, c.head = append(c.blocks, b), b.Head()
	}
	c.first = c.blocks[0].Head().Hash
}

// put archives the blocks with the entries from one on, a file per business day.
func (c *chain) put(t testing.TB, f *Folder, from uint64) {
	t.Helper()
	var d *Draft
	for i, b := range c.blocks {
		if b.First() < from {
			continue
		}
		if d != nil && !d.Takes(b.Day()) {
			_, err := d.Finish()
			require.NoError(t, err)
			d = nil
		}
		if d == nil {
			before := ledger.Head{}
			if i > 0 {
				before = c.blocks[i-1].Head()
			}
			d = f.Begin(before, c.first)
		}
		require.NoError(t, d.Add(b))
	}
	if d != nil {
		_, err := d.Finish()
		require.NoError(t, err)
	}
	require.NoError(t, f.Seal())
}

func openFolder(t testing.TB, fs vfs.FS) *Folder {
	t.Helper()
	f, err := Open(fs, "archive")
	require.NoError(t, err)
	return f
}

// sample is an archive of three days.
func sample(t testing.TB) (*vfs.MemFS, *chain) {
	fs := vfs.NewMem()
	require.NoError(t, fs.MkdirAll("archive", 0o700))
	c := &chain{}
	c.grow(t, 20000, 40, 9, 1600)
	c.grow(t, 20001, 3, 7, 10)
	c.grow(t, 20002, 5, 2, 100)
	c.put(t, openFolder(t, fs), 1)
	return fs, c
}

// readAll compares what the archive gives with the blocks, and returns what is missing in words.
func (c *chain) readAll(t testing.TB, f *Folder, from uint64) (missing []string) {
	t.Helper()
	i := slices.IndexFunc(c.blocks, func(b ledger.Block) bool { return b.Last() >= from })
	err := f.Each(t.Context(), from, func(key uint64, raw []byte) error {
		require.Equal(t, c.blocks[i].Bytes(), raw)
		require.Equal(t, c.blocks[i].First(), key)
		i++
		return nil
	}, func(d *Damage) {
		missing = append(missing, d.Error())
		for i < len(c.blocks) && c.blocks[i].First() <= d.UpTo {
			require.GreaterOrEqual(t, c.blocks[i].Last(), d.From)
			i++
		}
	})
	require.NoError(t, err)
	require.Equal(t, len(c.blocks), i)
	return missing
}

func TestFilesHoldTheChain(t *testing.T) {
	fs, c := sample(t)
	f := openFolder(t, fs)
	require.NoError(t, f.IndexFault())
	require.Empty(t, f.Faults())
	require.Equal(t, c.head, f.Head())
	require.Equal(t, c.first, f.Ledger())
	runs := f.Runs()
	require.Len(t, runs, 3)
	require.Equal(t, []uint32{20000, 20001, 20002}, []uint32{runs[0].Day, runs[1].Day, runs[2].Day})
	require.Equal(t, []int64{1000, 360_000}, []int64{runs[0].Begin, runs[0].End})
	require.Empty(t, c.readAll(t, f, 1))
	require.Empty(t, c.readAll(t, f, 205))
	for _, r := range runs {
		require.NoError(t, f.Check(&r, func(ledger.Block) error { return nil }))
	}
	chunk, err := f.ChunkWith(361)
	require.NoError(t, err)
	require.Equal(t, []uint64{361, 381}, []uint64{chunk.First(), chunk.Last()})
	require.Equal(t, 1, chunk.Find(374))
	_, err = f.ChunkWith(c.head.Sequence + 1)
	require.Error(t, err)
	require.LessOrEqual(t, len(f.chunks), chunksKept)
}

// TestTheNewestFileGrows: it is written again with what has come; the shorter one goes once INDEX lists the longer.
func TestTheNewestFileGrows(t *testing.T) {
	fs, c := sample(t)
	from := c.blocks[43].First()
	c.grow(t, 20002, 4, 3, 20)
	f := openFolder(t, fs)
	c.put(t, f, from)
	require.Empty(t, c.readAll(t, f, 1))
	f = openFolder(t, fs)
	require.Len(t, f.Runs(), 3)
	require.Equal(t, c.head, f.Head())
	names, err := fs.List("archive")
	require.NoError(t, err)
	require.Len(t, names, 4)
}

// TestWhatIsMissingIsNamed: a file that is not there or not right is named with its blocks and entries, and everything else is read.
func TestWhatIsMissingIsNamed(t *testing.T) {
	name := "00000000000000000361-00000000000000000381.blocks"
	for what, do := range map[string]func(fs *vfs.MemFS){
		"not there": func(fs *vfs.MemFS) { require.NoError(t, fs.Remove("archive/"+name)) },
		"cut":       func(fs *vfs.MemFS) { rewrite(t, fs, name, func(b []byte) []byte { return b[:len(b)-1] }) },
		"longer":    func(fs *vfs.MemFS) { rewrite(t, fs, name, func(b []byte) []byte { return append(b, 0) }) },
		"empty":     func(fs *vfs.MemFS) { rewrite(t, fs, name, func([]byte) []byte { return nil }) },
		"no INDEX": func(fs *vfs.MemFS) {
			require.NoError(t, fs.Remove("archive/INDEX"))
			require.NoError(t, fs.Remove("archive/"+name))
		},
	} {
		t.Run(what, func(t *testing.T) {
			fs, c := sample(t)
			do(fs)
			f := openFolder(t, fs)
			missing := c.readAll(t, f, 1)
			require.Len(t, missing, 1)
			require.Contains(t, missing[0], "entries 361 – 381")
			require.Len(t, f.Faults(), 1)
			if what == "no INDEX" {
				require.ErrorContains(t, f.IndexFault(), "INDEX")
			} else {
				require.Contains(t, missing[0], name)
				require.Contains(t, missing[0], "3 个区块 / blocks")
			}
		})
	}
}

func rewrite(t testing.TB, fs *vfs.MemFS, name string, change func([]byte) []byte) {
	t.Helper()
	path := "archive/" + name
	f, err := fs.Open(path)
	require.NoError(t, err)
	info, err := f.Stat()
	require.NoError(t, err)
	b := make([]byte, info.Size())
	_, err = f.ReadAt(b, 0)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	out, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	_, err = out.Write(change(b))
	require.NoError(t, err)
	require.NoError(t, out.Close())
}

// TestNoFlipIsSilent flips bits all over every file. Reading gives the blocks as they were, or names what it cannot give.
func TestNoFlipIsSilent(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	named, harmless := 0, 0
	for range 60 {
		fs, c := sample(t)
		names, err := fs.List("archive")
		require.NoError(t, err)
		name := names[rng.IntN(len(names))]
		rewrite(t, fs, name, func(b []byte) []byte {
			at := rng.IntN(len(b))
			if rng.IntN(2) == 0 {
				at = rng.IntN(min(len(b), 260))
			}
			b[at] ^= 1 << rng.IntN(8)
			return b
		})
		f := openFolder(t, fs)
		missing := c.readAll(t, f, 1)
		switch {
		case name == indexName:
			require.Error(t, f.IndexFault())
			require.Empty(t, missing)
			named++
		case len(missing) > 0:
			require.Contains(t, missing[0], name)
			named++
		default:
			harmless++
		}
	}
	require.Zero(t, harmless)
	require.Equal(t, 60, named)
}

// TestFilesOfTwoLedgersDoNotMix: a file of another ledger, or of another course of this one, is not taken for the next.
func TestFilesOfTwoLedgersDoNotMix(t *testing.T) {
	fs, c := sample(t)
	other := &chain{}
	other.grow(t, 19000, 40, 9, 30)
	other.grow(t, 20001, 3, 7, 10)
	fs2 := vfs.NewMem()
	require.NoError(t, fs2.MkdirAll("archive", 0o700))
	other.put(t, openFolder(t, fs2), 1)
	name := "00000000000000000361-00000000000000000381.blocks"
	copyFile(t, fs2, fs, name)
	f := openFolder(t, fs)
	require.Len(t, f.Faults(), 1)
	require.ErrorIs(t, f.Faults()[0], errChange)
	require.NoError(t, fs.Remove("archive/INDEX"))
	f = openFolder(t, fs)
	require.NotEmpty(t, f.Faults())
	require.ErrorIs(t, f.Faults()[0], errOther)
	_ = c
}

func copyFile(t testing.TB, from, to *vfs.MemFS, name string) {
	t.Helper()
	var contents []byte
	rewrite(t, from, name, func(b []byte) []byte { contents = b; return b })
	rewrite(t, to, name, func([]byte) []byte { return contents })
}

// TestDamageInBothOrders: damaged and overlapping files never hide a whole one.
func TestDamageInBothOrders(t *testing.T) {
	fs, c := sample(t)
	long := fmt.Sprintf("%020d-%020d.blocks", 361, 400)
	file, err := fs.Create("archive/"+long, vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	_, err = file.Write([]byte(strings.Repeat("x", 300)))
	require.NoError(t, err)
	require.NoError(t, file.Close())
	f := openFolder(t, fs)
	missing := c.readAll(t, f, 1)
	require.Len(t, missing, 1)
	require.Contains(t, missing[0], "392 – 400")
	require.Equal(t, uint64(400), f.Head().Sequence)
	names, err := fs.List("archive")
	require.NoError(t, err)
	require.NoError(t, f.Seal())
	after, err := fs.List("archive")
	require.NoError(t, err)
	require.ElementsMatch(t, names, after)
}

func TestAnEmptyFolder(t *testing.T) {
	fs := vfs.NewMem()
	require.NoError(t, fs.MkdirAll("archive", 0o700))
	f := openFolder(t, fs)
	require.NoError(t, f.IndexFault())
	require.Equal(t, ledger.Head{}, f.Head())
	_, err := Open(nil, t.TempDir()+"/none")
	require.ErrorIs(t, err, os.ErrNotExist)
}
