package pebblestore

import (
	"cmp"
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"unsafe"

	"onecard/ledger"
	"onecard/ledger/invariant"
)

// Lists of a window, while it is gathered and while it is written.
//
// A list is a chain of chunks, each a line of the processor's cache, which holds everything that adding to it asks for: the newest sequence, the
// differences of those before, encoded as they will be stored, and the chunk before. So an entry costs a look at one line for each list it
// stands in, and writing a list is copying its bytes. Lists that each grew in a slice of their own cost two lines and the growing; places
// put down one after the other, each saying where the one before of its list stands, cost nothing to gather and 80 ns each to follow back.
//
// With many lists hardly any of those lines is in a cache, and waiting for them one after another is what adding costs. So what is to be
// added is noted with the end of its list, and when there is a lot of it, the newest chunks are read for all of it, then it is added: reads of one
// kind rest on nothing and overlap.
//
// Sixteen neighbours of a space of which there are many share a list (Index.Shared): each of its steps says, in its low bits, whose it is. A step takes as
// many bytes, because those of a shared list are shorter by as much; there are a sixteenth of the keys and of the chunks; and a reader passes over what
// is not his.

// listKey names a list.
type listKey struct {
	space byte   // with sharedSpace: the list is that of neighbours
	id    uint64 // of neighbours, the sixteenth part of theirs
}

const (
	sharedSpace   = 0x80
	neighbours    = 1 << neighbourBits
	neighbourBits = 4
)

// member is one number's share of a list: all of it, or those steps whose low bits are its own.
type member struct {
	listKey
	which uint8
}

// memberOf is a number's share of the list of its neighbours, or of one of its own.
func memberOf(shared bool, space byte, id uint64) member {
	if shared {
		return member{listKey{space | sharedSpace, id / neighbours}, uint8(id % neighbours)}
	}
	return member{listKey: listKey{space, id}}
}

// bits of a step that say whose it is.
func (k listKey) bits() uint { return uint(k.space>>7) * neighbourBits }

const (
	chunkSteps   = 55
	stepBytesMax = (32+neighbourBits)/7 + 1
)

type chunk struct {
	last   uint32 // the newest sequence, less base
	before uint32 // the chunk before of the same list, counted from 1; 0: none
	used   uint8
	steps  [chunkSteps]byte
}

// lists are those of a window. Cards and terminals are numbered densely: where theirs end stands in an array per space, which costs a tenth of
// a map's look-up; what has larger numbers is in a map.
type lists struct {
	base    uint64 // before the first sequence
	pieces  []*[pieceChunks]chunk
	chunks  uint32        // in use
	dense   [256][]uint32 // the newest chunk by id, counted from 1; 0: nothing was gathered
	sparse  map[listKey]*uint32
	touched []listKey
	notes   []note // what is to be added, at most lotNotes
	warmth  uint32 // sink of the early reads, so that they are not left out
}

// note is an entry that is to be added to a list.
type note struct {
	of       member
	sequence uint64
	end      uint32 // the newest chunk of the list when it was noted
}

const (
	denseIDs    = 1 << 22
	pieceChunks = 1 << 15 // 2 MiB
	// keptPieces stay for the next window at least: half a minute at 20,000 entries a second.
	keptPieces = 2
	// lotNotes are added together: more lists than can wait for memory at once, and so few that what came first is still near when it is added.
	lotNotes = 128
	// walkedIDs are looked at in the time that it takes to sort one list.
	walkedIDs = 64
	// nearIDs are as many lists of a space as lie in the nearer caches: noting them would cost more than it saves.
	nearIDs = 1 << 14
)

// note adds an entry to a list, or notes it. Whoever reads lists adds what is noted first, with settle. A space only grows, so nothing overtakes
// what is noted.
func (g *lists) note(of member, sequence uint64) {
	if len(g.dense[of.space]) <= nearIDs {
		g.add(of, sequence)
		return
	}
	if len(g.notes) == lotNotes {
		g.settle()
	}
	g.notes = append(g.notes, note{of, sequence, g.peek(of.listKey)})
}

// settle adds what is noted.
func (g *lists) settle() {
	sink := g.warmth
	for i := range g.notes {
		if end := g.notes[i].end; end != 0 {
			sink += g.chunk(end).last
		}
	}
	g.warmth = sink
	for i := range g.notes {
		g.add(g.notes[i].of, g.notes[i].sequence)
	}
	g.notes = g.notes[:0]
}

func (g *lists) add(of member, sequence uint64) {
	end := g.end(of.listKey)
	c := g.chunk(*end)
	if c == nil || c.used > chunkSteps-stepBytesMax {
		c = g.extend(c, end, of.listKey, sequence)
	}
	at := uint32(sequence - g.base)
	step := uint64(at-c.last)<<of.bits() | uint64(of.which)
	c.last = at
	for ; step >= 0x80; step >>= 7 {
		c.steps[c.used] = byte(step) | 0x80
		c.used++
	}
	c.steps[c.used] = byte(step)
	c.used++
}

// chunk is the one of a number; nil of 0.
func (g *lists) chunk(n uint32) *chunk {
	if n == 0 {
		return nil
	}
	return &g.pieces[(n-1)/pieceChunks][(n-1)%pieceChunks]
}

// extend gives a list another chunk behind c; nil: its first.
func (g *lists) extend(c *chunk, end *uint32, key listKey, sequence uint64) *chunk {
	fresh := chunk{before: *end}
	if c != nil {
		fresh.last = c.last
	} else {
		g.touched = append(g.touched, key)
	}
	if g.chunks == 0 {
		g.base = sequence - 1
	}
	if sequence-g.base > math.MaxUint32 {
		invariant.Fail("a window of lists from entry %d to %d", g.base+1, sequence)
	}
	if int(g.chunks) == len(g.pieces)*pieceChunks {
		piece := new([pieceChunks]chunk)
		if g.pieces = append(g.pieces, piece); len(g.pieces) > keptPieces {
			ledger.AskLargePages(unsafe.Pointer(piece), unsafe.Sizeof(*piece))
		}
	}
	g.chunks++
	*end = g.chunks
	c = g.chunk(*end)
	*c = fresh
	return c
}

// end is where the newest chunk of a list is noted.
func (g *lists) end(key listKey) *uint32 {
	if key.id < denseIDs {
		space := &g.dense[key.space]
		for key.id >= uint64(len(*space)) {
			*space = append(*space, make([]uint32, max(1024, len(*space)))...)
		}
		return &(*space)[key.id]
	}
	end := g.sparse[key]
	if end == nil {
		if g.sparse == nil {
			g.sparse = make(map[listKey]*uint32)
		}
		end = new(uint32)
		g.sparse[key] = end
	}
	return end
}

// peek is what stands at end, without making room.
func (g *lists) peek(key listKey) uint32 {
	if key.id >= denseIDs {
		if end := g.sparse[key]; end != nil {
			return *end
		}
		return 0
	}
	if space := g.dense[key.space]; key.id < uint64(len(space)) {
		return space[key.id]
	}
	return 0
}

// encoded appends the steps of a list as they will be stored and returns its first sequence; 0: nothing was gathered.
func (g *lists) encoded(dst []byte, key listKey) (first uint64, steps []byte) {
	at := g.peek(key)
	if at == 0 {
		return 0, dst
	}
	var some [32]uint32
	chain := some[:0]
	for ; at != 0; at = g.chunk(at).before {
		chain = append(chain, at)
	}
	c := g.chunk(chain[len(chain)-1])
	step, n := binary.Uvarint(c.steps[:c.used])
	offset := step >> key.bits()
	dst = append(append(dst, byte(step-offset<<key.bits())), c.steps[n:c.used]...)
	for _, at := range slices.Backward(chain[:len(chain)-1]) {
		c := g.chunk(at)
		dst = append(dst, c.steps[:c.used]...)
	}
	return g.base + offset, dst
}

// read appends the sequences of a member, oldest first.
func (g *lists) read(dst []uint64, of member) ([]uint64, error) {
	first, steps := g.encoded(nil, of.listKey)
	return of.readList(dst, first, steps)
}

// write writes them in the order of their keys: Pebble takes neighbours quicker than strangers.
func (g *lists) write(batch *batches) {
	g.sort()
	var key, value []byte
	var first uint64
	for i, k := range g.touched {
		if i%lotNotes == 0 {
			g.near(g.touched[i:min(i+lotNotes, len(g.touched))])
		}
		first, value = g.encoded(value[:0], k)
		key = appendIndexKey(key[:0], k, first)
		batch.set(key, value)
	}
}

// near reads the newest chunks of lists that are encoded next: all of them are waited for at once.
func (g *lists) near(keys []listKey) {
	sink := g.warmth
	for _, key := range keys {
		sink += g.chunk(g.peek(key)).last
	}
	g.warmth = sink
}

// sort puts the touched lists in the order of their keys. Where many of the dense ones were touched, walking over all of them is quicker.
func (g *lists) sort() {
	ids := 0
	for space := range g.dense {
		ids += len(g.dense[space])
	}
	if ids > walkedIDs*len(g.touched) {
		slices.SortFunc(g.touched, listKey.compare)
		return
	}
	sparse := slices.SortedFunc(maps.Keys(g.sparse), listKey.compare)
	g.touched = g.touched[:0]
	for space := range g.dense {
		for id, end := range g.dense[space] {
			if end != 0 {
				g.touched = append(g.touched, listKey{byte(space), uint64(id)})
			}
		}
		for len(sparse) > 0 && sparse[0].space == byte(space) {
			g.touched, sparse = append(g.touched, sparse[0]), sparse[1:]
		}
	}
}

func (k listKey) compare(o listKey) int {
	return cmp.Or(cmp.Compare(k.space, o.space), cmp.Compare(k.id, o.id))
}

// reset forgets them. What a burst has made large stays for the next window, and is given back when that needs less.
func (g *lists) reset() {
	kept := max(keptPieces, (int(g.chunks)+pieceChunks-1)/pieceChunks)
	for _, key := range g.touched {
		if key.id < denseIDs {
			g.dense[key.space][key.id] = 0
		}
	}
	clear(g.sparse)
	g.touched, g.chunks = g.touched[:0], 0
	if len(g.pieces) > kept {
		clear(g.pieces[kept:])
		g.pieces = g.pieces[:kept]
	}
}

func indexKey(k listKey, first uint64) []byte {
	return appendIndexKey(nil, k, first)
}

func appendIndexKey(dst []byte, k listKey, first uint64) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, prefixIndex, k.space), k.id)
	return binary.BigEndian.AppendUint64(dst, first)
}

// step reads the next step of a stored list: the sequence that it leads to, whose it is, and its bytes, none or fewer when it is not one.
func (k listKey) step(value []byte, before uint64) (sequence uint64, which uint8, n int) {
	step, n := binary.Uvarint(value)
	return before + step>>k.bits(), uint8(step & (1<<k.bits() - 1)), n
}

// readList appends the member's sequences of one stored list that begins at first.
func (m member) readList(dst []uint64, first uint64, value []byte) ([]uint64, error) {
	for sequence := first; len(value) > 0; {
		after, which, n := m.step(value, sequence)
		if n <= 0 {
			return nil, ledger.ErrMalformed
		}
		value, sequence = value[n:], after
		if which == m.which {
			dst = append(dst, sequence)
		}
	}
	return dst, nil
}

// upTo is the beginning of a stored list with the sequences up to one.
func (k listKey) upTo(last, first uint64, value []byte) ([]byte, error) {
	sequence, used := first, 0
	for used < len(value) {
		after, _, n := k.step(value[used:], sequence)
		if n <= 0 {
			return nil, ledger.ErrMalformed
		}
		if sequence = after; sequence > last {
			break
		}
		used += n
	}
	return value[:used], nil
}
