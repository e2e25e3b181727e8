package ledger

import (
	"unsafe"

	"onecard/ledger/invariant"
)

// chunkRows is the number of rows that a table grows by and that a stream is asked about together. A chunk is its rows and nothing else: the sizes of
// 512 rows of 24 to 64 bytes are sizes of Go's allocator, and four bytes more would take a fourth more memory.
const chunkRows = 512

type chunk[T any] [chunkRows]T

const (
	// largeTable is how many chunks a table has before it takes them in slabs, on large pages: with 32,000 rows of any kind it is larger than what a
	// processor remembers of small ones.
	largeTable = 64
	// slabShare: a slab is a fourth of the table, so that a fifth of it is empty at most,
	slabShare = 4
	// slabBytes: and so large at most.
	slabBytes = 4 << 20
)

// Table is a growable array that can be shared as it was at one moment while its owner goes on editing: see Share and Section. Rows never move.
//
// Owner: the goroutine that owns the book.
type Table[T any] struct {
	chunks  []*chunk[T]
	epochs  []uint32   // of the chunks: the newest in which all streams have what they want of them
	slab    []chunk[T] // chunks that are not used yet
	rows    uint32
	epoch   uint32
	streams []*stream[T]
}

// Len returns the number of rows.
func (t *Table[T]) Len() uint32 { return t.rows }

// At returns row i for reading. REQUIRES: i < Len(); the caller does not write through it.
func (t *Table[T]) At(i uint32) *T { return &t.chunks[i/chunkRows][i%chunkRows] }

// Edit returns row i for writing. REQUIRES: i < Len(). The pointer is good until the table is shared again.
func (t *Table[T]) Edit(i uint32) *T {
	if t.epochs[i/chunkRows] != t.epoch {
		t.prepare(i)
	}
	return t.At(i)
}

// prepare keeps what streams still have to read of a row that is about to be edited.
func (t *Table[T]) prepare(i uint32) {
	wanted := false
	for _, s := range t.streams {
		wanted = s.keep(i) || wanted
	}
	if !wanted {
		t.epochs[i/chunkRows] = t.epoch
	}
}

// grow adds a chunk.
func (t *Table[T]) grow() {
	if len(t.slab) == 0 {
		t.slab = newSlab[T](len(t.chunks))
	}
	t.chunks, t.epochs, t.slab = append(t.chunks, &t.slab[0]), append(t.epochs, t.epoch), t.slab[1:]
}

// newSlab makes room for a table that has so many chunks.
func newSlab[T any](chunks int) []chunk[T] {
	if chunks < largeTable {
		return make([]chunk[T], 1)
	}
	size := unsafe.Sizeof(chunk[T]{})
	slab := make([]chunk[T], max(1, min(chunks/slabShare, int(slabBytes/size))))
	AskLargePages(unsafe.Pointer(&slab[0]), uintptr(len(slab))*size)
	return slab
}

// Append adds a row and returns its index.
func (t *Table[T]) Append(row T) uint32 {
	i := t.rows
	if i%chunkRows == 0 {
		t.grow()
	}
	t.rows++
	*t.Edit(i) = row
	return i
}

// sectionRows is the number of rows in one part of a checkpoint section: about 64-256 KiB, one Pebble value.
const sectionRows = 4096

// Restore appends the rows of one part that Section wrote. decode returns the rest of the bytes.
func (t *Table[T]) Restore(part []byte, decode func(src []byte, row *T) ([]byte, error)) error {
	for len(part) > 0 {
		var row T
		rest, err := decode(part, &row)
		if err != nil {
			return err
		}
		invariant.Hold(len(rest) < len(part), "checkpoint row decoder consumed nothing")
		part = rest
		t.Append(row)
	}
	return nil
}
