package pebblestore

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
)

// Damage is named: by file, block and entries, as far as what is left can say it.

// damagedBy returns what an open says of a folder in which one file was changed (nil deletes it).
func (f *folder) damagedBy(t *testing.T, path string, contents []byte) *DamageError {
	t.Helper()
	s, err := Open(f.disk(t, map[string][]byte{path: contents}))
	require.Error(t, err, path)
	require.Nil(t, s)
	var damage *DamageError
	require.True(t, errors.As(err, &damage), "%s: %v", path, err)
	require.Contains(t, damage.Spots[0].File, path[strings.LastIndexByte(path, '/')+1:])
	require.Contains(t, err.Error(), isDamaged)
	return damage
}

// ofKind are the files of a kind, by name.
func (f *folder) ofKind(suffix string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(f.now)), func(path string) bool { return !strings.Contains(path, suffix) })
}

// blocksOf are the blocks of the undamaged ledger.
func (f *folder) blocksOf(t *testing.T) (blocks []ledger.Block) {
	s, err := Open(f.disk(t, nil))
	require.NoError(t, err)
	require.NoError(t, s.Replay(context.Background(), 0, func(b ledger.Block) error {
		kept, err := ledger.OpenBlock(slices.Clone(b.Bytes()))
		blocks = append(blocks, kept)
		return err
	}))
	require.NoError(t, s.Close())
	return blocks
}

// TestDamagedTableIsNamedWithItsEntries: what is named is what an auditor cannot read, neither more nor less.
func TestDamagedTableIsNamedWithItsEntries(t *testing.T) {
	f := newFolder(t, 31, true)
	tables := f.ofKind(".sst")
	largest := slices.MaxFunc(tables, func(a, b string) int { return len(f.now[a]) - len(f.now[b]) })
	contents := slices.Clone(f.now[largest])
	contents[len(contents)/3] ^= 4
	spot := f.damagedBy(t, largest, contents).Spots[0]
	require.Positive(t, spot.Offset)
	require.LessOrEqual(t, spot.Offset, int64(len(contents)/3))

	s, err := Inspect(f.disk(t, map[string][]byte{largest: contents}))
	require.NoError(t, err)
	holes := 0
	require.NoError(t, s.RawBlocks(context.Background(), 1, func(uint64, []byte) error { return nil }, func(from, upTo uint64, _ error) {
		require.Equal(t, from, spot.First)
		require.Equal(t, upTo, spot.Last)
		holes++
	}))
	require.Equal(t, 1, holes)
	require.ErrorContains(t, s.Doubts()[0], isDamaged)
	require.NoError(t, s.Close())
}

// TestMissingTableIsNamedWithItsEntries: a table that is gone is in the list of tables with its keys.
func TestMissingTableIsNamedWithItsEntries(t *testing.T) {
	f := newFolder(t, 31, true)
	blocks := f.blocksOf(t)
	for _, path := range f.ofKind(".sst") {
		for _, contents := range [][]byte{nil, f.now[path][:len(f.now[path])/2]} {
			spot := f.damagedBy(t, path, contents).Spots[0]
			require.Equal(t, int64(-1), spot.Offset)
			if spot.First > 0 {
				require.True(t, slices.ContainsFunc(blocks, func(b ledger.Block) bool { return b.First() == spot.First }), "%v", spot)
				require.True(t, slices.ContainsFunc(blocks, func(b ledger.Block) bool { return b.Last() == spot.Last }), "%v", spot)
			}
		}
	}
}

// TestDamagedLogIsNamedWithItsEntries: Pebble says of a log that it is wrong, and not where. What stands before and behind the place can be
// read, and says which blocks stood there.
func TestDamagedLogIsNamedWithItsEntries(t *testing.T) {
	f := newFolder(t, 31, false)
	blocks := f.blocksOf(t)
	named := 0
	for _, path := range f.ofKind(".log") {
		for at := 1000; at < len(f.now[path]); at += 4000 {
			contents := slices.Clone(f.now[path])
			contents[at] ^= 16
			s, err := Open(f.disk(t, map[string][]byte{path: contents}))
			if err == nil {
				require.NoError(t, s.Close())
				continue // the witness has put it back, or nothing stands there
			}
			spot := f.damagedBy(t, path, contents).Spots[0]
			require.LessOrEqual(t, spot.Offset, int64(at))
			require.Greater(t, spot.Offset+logBlock, int64(at))
			first := slices.IndexFunc(blocks, func(b ledger.Block) bool { return b.First() == spot.First })
			last := slices.IndexFunc(blocks, func(b ledger.Block) bool { return b.Last() == spot.Last })
			require.True(t, 0 <= first && first <= last, "%v", spot)
			named++
		}
	}
	require.Positive(t, named)
}

// TestARefusedOpenTakesNothingAway: what stands behind the damage is there afterwards, however often the ledger is
// tried.
func TestARefusedOpenTakesNothingAway(t *testing.T) {
	f := newFolder(t, 31, false)
	tried := 0
	for _, path := range f.ofKind(".log") {
		for at := 1000; at < len(f.now[path]); at += 9000 {
			contents := slices.Clone(f.now[path])
			contents[at] ^= 16
			o := f.disk(t, map[string][]byte{path: contents})
			for range 2 {
				s, err := Open(o)
				if err == nil {
					require.NoError(t, s.Close())
					break
				}
				tried++
				kept, err := scanLog(o.FS, path)
				require.NoError(t, err)
				before, err := scanLog(f.disk(t, map[string][]byte{path: contents}).FS, path)
				require.NoError(t, err)
				require.Equal(t, before, kept)
			}
		}
	}
	require.Positive(t, tried)
}

// TestAFileWithoutEntriesIsNamedAsSuch: Pebble's options hold no entry; whoever does what the text says has his ledger back, whole.
func TestAFileWithoutEntriesIsNamedAsSuch(t *testing.T) {
	f := newFolder(t, 31, true)
	path := f.ofKind("OPTIONS")[0]
	damage := f.damagedBy(t, path, []byte("[Version]\n  pebble_vers"))
	require.Zero(t, damage.Spots[0].First)
	require.Contains(t, damage.Error(), "移走该文件后重新启动即可 / move that file away and start again")
	require.Empty(t, f.w.verdictOf(f.disk(t, map[string][]byte{path: nil}), f.w.acked.Load()))
}

// TestWhatProvesTheEndIsNamed: the list of tables, what points to it, and the witness.
func TestWhatProvesTheEndIsNamed(t *testing.T) {
	f := newFolder(t, 31, true)
	newest := f.w.acked.Load()
	manifests := f.ofKind("/MANIFEST")
	manifest := manifests[len(manifests)-1] // the one in force
	for path, want := range map[string]Spot{
		manifest:       {First: 1, Last: newest},
		"data/WITNESS": {First: newest + 1, Last: 0},
	} {
		spot := f.damagedBy(t, path, nil).Spots[0]
		require.Equal(t, want.First, spot.First, path)
		require.Equal(t, want.Last, spot.Last, path)
	}
	_, err := Open(f.disk(t, map[string][]byte{f.ofKind("marker.manifest")[0]: nil}))
	require.ErrorContains(t, err, isDamaged+"pebble/marker.manifest.*")
}

// TestReadingNamesDamage: whoever reads an inspected ledger that is damaged all over is told where, whatever he reads.
func TestReadingNamesDamage(t *testing.T) {
	f := newFolder(t, 31, true)
	change := map[string][]byte{}
	for _, path := range f.ofKind(".sst") {
		contents := slices.Clone(f.now[path])
		for at := 0; at < len(contents)/2; at += 500 {
			contents[at] ^= 1
		}
		change[path] = contents
	}
	s, err := Inspect(f.disk(t, change))
	require.NoError(t, err)
	require.ErrorContains(t, s.Doubts()[0], isDamaged)
	var damage *DamageError
	err = s.Replay(context.Background(), 0, func(ledger.Block) error { return nil })
	require.True(t, errors.As(err, &damage), "%v", err)
	require.Contains(t, f.ofKind(".sst"), "data/"+damage.Spots[0].File)
	require.Positive(t, damage.Spots[0].First)
	require.NoError(t, s.Close())
}
