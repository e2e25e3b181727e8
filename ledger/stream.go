package ledger

import (
	"slices"

	"onecard/ledger/invariant"
)

// Owner runs a job on the goroutine that owns a table, and returns when it is done.
type Owner func(job func())

// stream is a table as it was at one moment, taken part by part while its owner goes on editing.
//
// Sharing chunks and copying each that is edited meanwhile would be right for what is edited seldom. A checkpoint of fifty million holders takes
// minutes, and in minutes every purchase finds three chunks that nobody has edited yet: 100 KiB copied and as much memory taken for each of them, until
// a second copy of everything is there. Here the owner keeps the old row, once for each row that is edited before its part is taken, and hands out a part
// as it was: a copy of its rows, with the old ones put back. All of it happens on the owner, so nothing is locked.
type stream[T any] struct {
	table  *Table[T]
	rows   uint32
	known  []uint64 // a bit for each row: it is kept
	newest []uint32 // by chunk: the place of the row that was kept last, counted from 1; 0: none; gone: its part was taken
	pieces []*[keptPiece]kept[T]
	used   uint32 // places in pieces that were used
	free   uint32 // the first of those that are free again
	taken  uint32 // chunks whose part was taken
}

// kept is a row as it was before it was edited. All of them lie in one place, one behind the other: kept apart, by chunk, each cost three misses of the
// processor's caches, 0.2 us of every purchase of a million holders.
type kept[T any] struct {
	row    T
	number uint32
	before uint32 // the place of the next one of its chunk, or of those that are free
}

const (
	keptPiece = 1 << 10
	gone      = ^uint32(0)
)

func (t *Table[T]) stream() *stream[T] {
	s := &stream[T]{table: t, rows: t.rows, known: make([]uint64, (t.rows+63)/64), newest: make([]uint32, len(t.chunks))}
	t.epoch++
	t.streams = append(t.streams, s)
	return s
}

// keep keeps a row that is about to be edited. It says whether the chunk may still have to be kept from.
func (s *stream[T]) keep(i uint32) bool {
	n := i / chunkRows
	if n*chunkRows >= s.rows || s.newest[n] == gone {
		return false
	}
	if i < s.rows && s.known[i/64]&(1<<(i%64)) == 0 {
		s.known[i/64] |= 1 << (i % 64)
		place := s.room()
		*s.at(place) = kept[T]{*s.table.At(i), i, s.newest[n]}
		s.newest[n] = place
	}
	return true
}

func (s *stream[T]) at(place uint32) *kept[T] {
	return &s.pieces[(place-1)/keptPiece][(place-1)%keptPiece]
}

// room is a place for a row.
func (s *stream[T]) room() uint32 {
	if place := s.free; place != 0 {
		s.free = s.at(place).before
		return place
	}
	if s.used%keptPiece == 0 {
		s.pieces = append(s.pieces, new([keptPiece]kept[T]))
	}
	s.used++
	return s.used
}

// take appends the rows from first on, up to so many, as they were. A row is taken once.
func (s *stream[T]) take(dst []T, first, rows uint32) []T {
	for end := min(s.rows, first+rows); first < end; first += chunkRows {
		invariant.Hold(s.newest != nil, "rows from %d on of a stream that has ended", first)
		n, base := first/chunkRows, len(dst)
		invariant.Hold(s.newest[n] != gone, "rows from %d on were taken before", first)
		dst = append(dst, s.table.chunks[n][:min(chunkRows, end-first)]...)
		for place := s.newest[n]; place != 0; {
			old := s.at(place)
			dst[base+int(old.number%chunkRows)] = old.row
			place, old.before, s.free = old.before, s.free, place
		}
		s.newest[n] = gone
		s.taken++
	}
	if int(s.taken) == len(s.newest) {
		s.end()
	}
	return dst
}

// end lets the owner edit without keeping anything.
func (s *stream[T]) end() {
	s.table.streams = slices.DeleteFunc(s.table.streams, func(other *stream[T]) bool { return other == s })
	s.known, s.newest, s.pieces = nil, nil, nil
}

// Sharing is what the streams of one snapshot have in common: each part can be read once, and End is called when no more are wanted. Where there is none,
// tables are read as they are when they are read: in any order, while nobody edits them.
type Sharing struct {
	owner Owner
	ends  []func()
}

// NewSharing streams tables with the help of their owner.
func NewSharing(owner Owner) *Sharing { return &Sharing{owner: owner} }

// End gives back what streams have kept; of nil, nothing. The owner looks what there is: whoever was told to give up before the owner came to his job
// does not know whether he will still share something, but what he asks of him now comes behind that.
func (s *Sharing) End() {
	if s == nil {
		return
	}
	s.owner(func() {
		for _, end := range s.ends {
			end()
		}
		s.ends = nil
	})
}

// Section makes a checkpoint section of a table as it is now: sectionRows rows a part, each row written by encode. When how is nil it is read in place.
func (t *Table[T]) Section(how *Sharing, name string, encode func(dst []byte, row *T) []byte) Section {
	return t.IndexedSection(how, name, func(dst []byte, _ uint32, row *T) []byte { return encode(dst, row) })
}

// IndexedSection is Section for an encode that is told which row it writes, and may leave rows out.
func (t *Table[T]) IndexedSection(how *Sharing, name string, encode func(dst []byte, i uint32, row *T) []byte) Section {
	m := t.Share(how)
	return Section{
		Name:  name,
		Parts: m.parts(),
		Encode: func(dst []byte, part uint32) []byte {
			m.eachOf(part, func(i uint32, row *T) { dst = encode(dst, i, row) })
			return dst
		},
	}
}

// Moment is a table as it was at one moment. Its rows can be read once, by one goroutine at a time.
type Moment[T any] struct {
	Rows   uint32
	table  *Table[T]
	stream *stream[T] // nil: the table is read in place
	owner  Owner
	taken  []T // of the newest part
}

// Share makes a moment of now. When how is nil it is read in place, while nobody edits the table.
func (t *Table[T]) Share(how *Sharing) *Moment[T] {
	m := &Moment[T]{Rows: t.rows, table: t}
	if how != nil {
		m.stream, m.owner = t.stream(), how.owner
		how.ends = append(how.ends, m.stream.end)
	}
	return m
}

// Each visits all rows in order. The row is good until visit returns.
func (m *Moment[T]) Each(visit func(i uint32, row *T)) {
	for part := range m.parts() {
		m.eachOf(part, visit)
	}
}

func (m *Moment[T]) parts() uint32 { return (m.Rows + sectionRows - 1) / sectionRows }

func (m *Moment[T]) eachOf(part uint32, visit func(i uint32, row *T)) {
	first, end := part*sectionRows, min(m.Rows, (part+1)*sectionRows)
	if m.stream == nil {
		for i := first; i < end; i++ {
			visit(i, m.table.At(i))
		}
		return
	}
	m.taken = slices.Grow(m.taken[:0], int(end-first))
	m.owner(func() { m.taken = m.stream.take(m.taken, first, sectionRows) })
	for i := range m.taken {
		visit(first+uint32(i), &m.taken[i])
	}
}
