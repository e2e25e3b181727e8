package transaction

import (
	"encoding/binary"
	"math/bits"
	"unsafe"

	"onecard/ledger"
	"onecard/ledger/invariant"
)

// rowIndex finds the row of a table by a key that stands in the row itself, and therefore not in the index: a slot is four bytes, the number
// of a row and a few bits of its key's hash, so that a row is hardly ever looked at in vain.
//
//	slot u32 = row + 1 in the low 26 bits, 0: empty | tag in the high 6
//
// Slots lie in 256 segments that grow apart from each other, so that a table of millions never moves as a whole while purchases wait. In a
// segment a key's place is hash * slots >> 32, which lets a segment have any size: what is restored from a checkpoint is filled to seven
// tenths. Rows are never taken out: people and cards stay on the books.
//
// A Go map from card number to row took 30 bytes a card, one from a holder's number, with the strings, 80; this takes six, and is as quick:
// the row that proves a hit is the row that the purchase needs next. See BenchmarkCardLookup.
type rowIndex struct {
	segments [indexSegments]indexSegment
}

type indexSegment struct {
	slots []uint32
	used  uint32
}

const (
	indexSegments  = 256
	indexRowBits   = 26
	indexRowMask   = 1<<indexRowBits - 1
	indexFirst     = 8 // slots of a segment with its first row
	maxIndexedRows = indexRowMask - 1
	// largeIndex is how many slots an index has that asks for large pages: 8 MiB, more than a processor remembers small ones of.
	largeIndex = 2 << 20
)

// probe is a walk over the rows that may have a key.
type probe struct {
	slots []uint32
	at    uint32
	tag   uint32
}

// seek begins a walk at a hash. REQUIRES: hash is from hashNumber or hashText.
func (x *rowIndex) seek(hash uint64) probe {
	s := &x.segments[hash>>56]
	return probe{slots: s.slots, at: place(hash, len(s.slots)), tag: uint32(hash) & (1<<(32-indexRowBits) - 1)}
}

// place is a hash's slot among so many: bits 24 to 55 of it, scaled.
func place(hash uint64, slots int) uint32 {
	return uint32(uint64(uint32(hash>>24)) * uint64(slots) >> 32)
}

// next is the next row that the caller compares his key with; false when no row has it.
func (p *probe) next() (row uint32, ok bool) {
	for len(p.slots) > 0 {
		slot := p.slots[p.at]
		if slot == 0 {
			return 0, false
		}
		if p.at++; p.at == uint32(len(p.slots)) {
			p.at = 0
		}
		if slot>>indexRowBits == p.tag {
			return slot&indexRowMask - 1, true
		}
	}
	return 0, false
}

// add enters a row. hashOf tells the hash of a row that is in the index already; it is asked when a segment grows. REQUIRES: no row with this
// key is in the index.
func (x *rowIndex) add(hash uint64, row uint32, hashOf func(row uint32) uint64) {
	if row > maxIndexedRows {
		invariant.Fail("row %d of an index that holds %d", row, maxIndexedRows)
	}
	s := &x.segments[hash>>56]
	if 4*(s.used+1) > 3*uint32(len(s.slots)) {
		s.grow(hashOf)
	}
	s.put(hash, row)
}

func (s *indexSegment) put(hash uint64, row uint32) {
	i := place(hash, len(s.slots))
	for s.slots[i] != 0 {
		if i++; i == uint32(len(s.slots)) {
			i = 0
		}
	}
	s.slots[i] = row + 1 | uint32(hash)<<indexRowBits
	s.used++
}

func (s *indexSegment) grow(hashOf func(row uint32) uint64) {
	before := s.slots
	s.slots, s.used = make([]uint32, max(indexFirst, len(before)+len(before)/2)), 0
	for _, slot := range before {
		if slot != 0 {
			row := slot&indexRowMask - 1
			s.put(hashOf(row), row)
		}
	}
}

// reserve makes room for so many rows at seven tenths, if the index is empty. All of it is taken at once, so that it can lie on large pages; a segment that
// grows later leaves its place in it empty.
func (x *rowIndex) reserve(rows uint32) {
	for i := range x.segments {
		if x.segments[i].used != 0 {
			return
		}
	}
	each := int(rows/indexSegments*10/7 + indexFirst)
	all := make([]uint32, indexSegments*each)
	if len(all) >= largeIndex {
		ledger.AskLargePages(unsafe.Pointer(&all[0]), uintptr(len(all))*unsafe.Sizeof(all[0]))
	}
	for i := range x.segments {
		x.segments[i].slots, all = all[:each:each], all[each:]
	}
}

// mix multiplies to 128 bits and folds them: every bit of the input moves every bit of the result.
func mix(x uint64) uint64 {
	high, low := bits.Mul64(x^0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93)
	return high ^ low
}

func hashNumber(n CardNumber) uint64 { return mix(uint64(n)) }

func hashText(text []byte) uint64 {
	h := uint64(len(text))
	for ; len(text) >= 8; text = text[8:] {
		h = mix(h ^ binary.LittleEndian.Uint64(text))
	}
	var tail [8]byte
	copy(tail[:], text)
	return mix(h ^ binary.LittleEndian.Uint64(tail[:]))
}
