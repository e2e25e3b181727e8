package ledger

import (
	"unsafe"

	"onecard/ledger/invariant"
)

// chunkRows is the number of rows that are copied together when a frozen table is edited: 512 rows of 24 to 64 bytes are 12-32 KiB,
// about 2 us, small enough to hide between two requests. A chunk is its rows and nothing else: these sizes are sizes of Go's allocator, and
// four bytes more would take a fourth more memory.
const chunkRows = 512

type chunk[T any] [chunkRows]T

// largeTable is how many chunks a table has before it asks for large pages: with 32,000 rows of any kind it is larger than what a processor
// remembers of small ones.
const largeTable = 64

// Table is a growable array that can be frozen in constant time while its owner goes on editing.
//
// Freeze shares the chunks and moves the table to a new epoch; the owner's first edit of a chunk from an older epoch copies that
// chunk. It can therefore be read for minutes by another goroutine without a lock and without a pause: the only cost is one comparison
// per edit and one copy per touched chunk. A checkpoint, which touches them all in time, is streamed instead (Section).
//
// Owner: the goroutine that owns the book. A Frozen may be read by any goroutine.
type Table[T any] struct {
	chunks  []*chunk[T]
	epochs  []uint32 // of the chunks: since when each is the table's own
	rows    uint32
	epoch   uint32
	frozen  uint32 // epoch that the newest Freeze began: chunks from before it are shared with it
	streams []*stream[T]
	pages   LargePages
}

// Len returns the number of rows.
func (t *Table[T]) Len() uint32 { return t.rows }

// At returns row i for reading. REQUIRES: i < Len(); the caller does not write through it.
func (t *Table[T]) At(i uint32) *T { return &t.chunks[i/chunkRows][i%chunkRows] }

// Edit returns row i for writing. REQUIRES: i < Len(). The pointer is good until the next Freeze.
func (t *Table[T]) Edit(i uint32) *T {
	if t.epochs[i/chunkRows] != t.epoch {
		t.prepare(i)
	}
	return t.At(i)
}

// prepare keeps what others still have to read of a row that is about to be edited.
func (t *Table[T]) prepare(i uint32) {
	n := i / chunkRows
	if t.epochs[n] < t.frozen {
		own := *t.chunks[n]
		t.chunks[n], t.epochs[n] = &own, t.frozen
		t.askPages(n)
	}
	wanted := false
	for _, s := range t.streams {
		wanted = s.keep(i) || wanted
	}
	if !wanted {
		t.epochs[n] = t.epoch
	}
}

// grow adds a chunk.
func (t *Table[T]) grow() {
	t.chunks, t.epochs = append(t.chunks, new(chunk[T])), append(t.epochs, t.epoch)
	n := uint32(len(t.chunks)) - 1
	if n+1 == largeTable {
		for before := range n {
			t.askPages(before)
		}
	}
	t.askPages(n)
}

// askPages asks for large pages under a chunk, if the table is a large one.
func (t *Table[T]) askPages(n uint32) {
	if len(t.chunks) >= largeTable {
		c := t.chunks[n]
		t.pages.Ask(unsafe.Pointer(c), unsafe.Sizeof(*c))
	}
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

// GatherPages has the kernel gather what the table lies on to large pages, if it is a large one: see LargePages.
func (t *Table[T]) GatherPages() { t.pages.Gather() }

// Frozen is a table as it was at one moment.
type Frozen[T any] struct {
	chunks []*chunk[T]
	rows   uint32
}

// Freeze returns the table as it is now, in time proportional to the number of chunks (8 bytes each).
func (t *Table[T]) Freeze() Frozen[T] {
	t.epoch++
	t.frozen = t.epoch
	return Frozen[T]{chunks: append([]*chunk[T](nil), t.chunks...), rows: t.rows}
}

// Len returns the number of rows.
func (f Frozen[T]) Len() uint32 { return f.rows }

// At returns row i.
func (f Frozen[T]) At(i uint32) *T { return &f.chunks[i/chunkRows][i%chunkRows] }

func (f Frozen[T]) indexedSection(name string, encode func(dst []byte, i uint32, row *T) []byte) Section {
	return Section{
		Name:  name,
		Parts: (f.rows + sectionRows - 1) / sectionRows,
		Encode: func(dst []byte, part uint32) []byte {
			for i := part * sectionRows; i < min(f.rows, (part+1)*sectionRows); i++ {
				dst = encode(dst, i, f.At(i))
			}
			return dst
		},
	}
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
