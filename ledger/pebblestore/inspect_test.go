package pebblestore

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"onecard/ledger"
)

// statements reads the whole index.
func statements(t *testing.T, s *Store) map[string][]uint64 {
	all := map[string][]uint64{}
	require.NoError(t, s.EachStatement(context.Background(), func(space byte, id uint64, sequences []uint64) error {
		all[fmt.Sprintf("%c/%d", space, id)] = slices.Clone(sequences)
		return nil
	}))
	return all
}

// TestIndexIsTheSameHoweverItWasBuilt: in windows of any size, over restarts in the middle of a window (what was gathered is forgotten, or
// written without its mark), or anew from the blocks.
func TestIndexIsTheSameHoweverItWasBuilt(t *testing.T) {
	mem := vfs.NewMem()
	o := crashOptions(mem)
	w := newWorkload(5)
	for round := range 6 {
		s := open(t, o)
		require.NoError(t, w.write(s, 15))
		x := w.index
		require.NoError(t, x.gather())
		switch round % 3 {
		case 0:
			require.NoError(t, x.flush())
		case 1: // the lists are written, the mark is lost
			before, err := s.mark(markIndex)
			require.NoError(t, err)
			require.NoError(t, x.flush())
			require.NoError(t, s.db.Set(markKey(markIndex), binary.BigEndian.AppendUint64(nil, before), nil))
		}
		require.NoError(t, s.Close())
	}
	s := open(t, o)
	x, err := s.newIndexer(listed())
	require.NoError(t, err)
	require.NoError(t, errorsOf(x.gather(), x.flush()))
	built := statements(t, s)
	require.Len(t, built, 3+40)
	want := wantedStatements(t, s)
	require.Equal(t, want, built)
	require.NoError(t, s.RebuildIndex(context.Background(), listed()))
	require.Equal(t, want, statements(t, s))
	require.Equal(t, s.Head().Sequence, s.IndexedTo())
	require.NoError(t, s.Close())
}

// wantedStatements are the lists of a ledger, as its entries say.
func wantedStatements(t *testing.T, s *Store) map[string][]uint64 {
	want := map[string][]uint64{}
	require.NoError(t, eachEntry(s, func(sequence uint64, e *ledger.Entry) error {
		everyEntry(sequence, e, func(space byte, id uint64) {
			key := fmt.Sprintf("%c/%d", space, id)
			want[key] = append(want[key], sequence)
		})
		return nil
	}))
	return want
}

func eachIndexKey(s *Store, visit func(key []byte)) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixIndex}, UpperBound: []byte{prefixIndex + 1}})
	if err != nil {
		return err
	}
	for valid := it.First(); valid; valid = it.Next() {
		visit(it.Key())
	}
	return it.Close()
}

// TestInspectPassesOverWhatCannotBeRead: one page of a table rots; Open refuses, Inspect reads everything else and says which entries are
// in the hole.
func TestInspectPassesOverWhatCannotBeRead(t *testing.T) {
	mem := vfs.NewMem()
	o := crashOptions(mem)
	w := newWorkload(6)
	s := open(t, o)
	require.NoError(t, w.write(s, 300))
	require.NoError(t, s.db.Flush())
	head := s.Head().Sequence
	require.NoError(t, s.Close())
	rotLargestTable(t, mem)
	_, err := Open(o)
	require.ErrorContains(t, err, "checksum mismatch")

	o.FS = mem
	s, err = Inspect(o)
	require.NoError(t, err)
	require.NotEmpty(t, s.Doubts())
	next, holes := uint64(1), 0
	require.NoError(t, s.RawBlocks(context.Background(), 1, func(key uint64, raw []byte) error {
		require.Equal(t, next, key)
		b, err := ledger.OpenBlock(raw)
		require.NoError(t, err)
		next = b.Last() + 1
		return nil
	}, func(from, upTo uint64, why error) {
		require.Equal(t, next, from)
		require.Greater(t, upTo, from)
		require.ErrorContains(t, why, "checksum mismatch")
		next = upTo + 1
		holes++
	}))
	require.Equal(t, 1, holes)
	require.Equal(t, head+1, next)
	require.NoError(t, s.Close())
}

// rotLargestTable flips one bit in the middle of the largest table.
func rotLargestTable(t *testing.T, fs vfs.FS) {
	all := files(t, fs)
	largest := ""
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if strings.HasSuffix(path, ".sst") && len(all[path]) > len(all[largest]) {
			largest = path
		}
	}
	contents := all[largest]
	contents[len(contents)/2] ^= 1
	require.NoError(t, fs.Remove(largest))
	f, err := fs.Create(largest, vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	_, err = io.Copy(f, bytes.NewReader(contents))
	require.NoError(t, err)
	require.NoError(t, f.Close())
}
