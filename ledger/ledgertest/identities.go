package ledgertest

import (
	"math"
	"slices"
)

// The identity table.
//
// One row of 32 bytes for every entry that came from a terminal, in the order of the ledger, and an open-addressing index of 4 bytes a
// slot that finds the row which owns an identity. An entry costs 40 to 48 bytes; rows lie in pieces, so that growing
// copies nothing. A Go map from key to row was weighed: twice the memory, and a miss for every entry.

// Classes of messages: an original and its reversal carry the same terminal, batch and trace.
const (
	classOriginal = 1
	classReversal = 2
)

// Phases of an original.
const (
	phaseNothing   = iota // moved nothing: refused, or asked only
	phaseMoved            // a purchase that took money
	phaseLoadOpen         // waits for the bank
	phaseCredited         // a load that came
	phaseReversing        // a load that is being taken back at the bank
	phaseReversed         // given back
	phaseTombstone        // its reversal came first
	phaseRefunded         // a desk has given back part of it, or all
)

type row struct {
	key      uint64 // identityKey
	sequence uint64
	amount   uint32 // amountLarge: see requests.large
	subsidy  uint32 // part of a purchase that the subsidy purse paid
	card     uint32 // index + 1; from strangerBase on a card that is not registered
	code     [2]byte
	kind     byte
	phase    byte
}

const (
	amountLarge  = math.MaxUint32
	strangerBase = 1 << 31
	pieceRows    = 1 << 15
)

type large struct{ amount, subsidy int64 }

type requests struct {
	pieces    [][]row
	marks     [][]byte // meal and how of a purchase, beside its row
	rows      uint32
	slots     []uint32 // number of the owning row + 1; 0 is empty
	owners    uint32
	large     map[uint32]large
	strangers []uint64 // numbers of cards that are not registered
	stranger  map[uint64]uint32
}

func newRequests() requests {
	return requests{slots: make([]uint32, 1<<12), large: map[uint32]large{}, stranger: map[uint64]uint32{}}
}

// identityKey packs class, terminal, batch and trace: 2 + 22 + 20 + 20 bits. false when one does not fit.
func identityKey(class byte, terminal, batch, trace uint32) (uint64, bool) {
	key := uint64(class)<<62 | uint64(terminal)<<40 | uint64(batch)<<20 | uint64(trace)
	return key, terminal < 1<<22 && batch < 1<<20 && trace < 1<<20
}

func (q *requests) at(i uint32) *row { return &q.pieces[i/pieceRows][i%pieceRows] }

func (q *requests) append(r row) uint32 {
	if q.rows%pieceRows == 0 {
		q.pieces = append(q.pieces, make([]row, pieceRows))
		q.marks = append(q.marks, make([]byte, pieceRows))
	}
	i := q.rows
	q.rows++
	*q.at(i) = r
	return i
}

// slot returns where the identity stands or would stand. Sixteen traces that follow each other share a cache line: a terminal counts up.
func (q *requests) slot(key uint64) uint32 {
	mask := uint32(len(q.slots) - 1)
	for i := q.home(key); ; i++ {
		if n := q.slots[i&mask]; n == 0 || q.at(n-1).key == key {
			return i & mask
		}
	}
}

// home is the slot where the search for an identity begins.
func (q *requests) home(key uint64) uint32 {
	line := uint32(key >> 4 * 0x9E3779B97F4A7C15 >> 32)
	return (line<<4 | uint32(key)&15) & uint32(len(q.slots)-1)
}

// owner returns the number of the row that owns an identity.
func (q *requests) owner(key uint64) (uint32, bool) {
	n := q.slots[q.slot(key)]
	return n - 1, n != 0
}

// own makes row i the owner of its identity.
func (q *requests) own(i uint32) {
	s := q.slot(q.at(i).key)
	if q.slots[s] == 0 {
		q.owners++
	}
	q.slots[s] = i + 1
	if 2*uint64(q.owners) > uint64(len(q.slots)) {
		q.grow()
	}
}

// expect makes room for so many owners. 2^28 of them take 2 GiB; more grow as they come.
func (q *requests) expect(owners uint64) {
	size := uint64(len(q.slots))
	for size < 2*min(owners, 1<<28) {
		size *= 2
	}
	if size > uint64(len(q.slots)) {
		q.growTo(size)
	}
}

func (q *requests) grow() { q.growTo(2 * uint64(len(q.slots))) }

func (q *requests) growTo(size uint64) {
	before := q.slots
	q.slots = make([]uint32, size)
	for _, n := range before {
		if n != 0 {
			q.slots[q.slot(q.at(n-1).key)] = n
		}
	}
}

// bySequence returns the first row of an entry.
func (q *requests) bySequence(sequence uint64) (uint32, bool) {
	from, to := uint32(0), q.rows
	for from < to {
		if middle := (from + to) / 2; q.at(middle).sequence < sequence {
			from = middle + 1
		} else {
			to = middle
		}
	}
	return from, from < q.rows && q.at(from).sequence == sequence
}

// setAmounts stores an amount and the subsidy's part of it.
func (q *requests) setAmounts(i uint32, amount, subsidy int64) {
	r := q.at(i)
	if amount >= amountLarge || subsidy >= amountLarge || amount < 0 || subsidy < 0 {
		r.amount, q.large[i] = amountLarge, large{amount, subsidy}
		return
	}
	r.amount, r.subsidy = uint32(amount), uint32(subsidy)
}

func (q *requests) amounts(i uint32) (amount, subsidy int64) {
	r := q.at(i)
	if r.amount == amountLarge {
		l := q.large[i]
		return l.amount, l.subsidy
	}
	return int64(r.amount), int64(r.subsidy)
}

// strangerCard numbers a card that is not registered.
func (q *requests) strangerCard(number uint64) uint32 {
	i, ok := q.stranger[number]
	if !ok {
		i = uint32(len(q.strangers))
		q.strangers, q.stranger[number] = append(q.strangers, number), i
	}
	return strangerBase + i
}

// cardNumber is the number that the terminal sent.
func (a *Auditor) cardNumber(card uint32) uint64 {
	switch {
	case card >= strangerBase:
		return a.requests.strangers[card-strangerBase]
	case card == 0 || int(card) > len(a.campus.cards):
		return 0
	}
	return a.campus.cards[card-1].number
}

// sameLegs says whether the entry's legs are exactly these, in any order.
func (e *entry) sameLegs(want ...leg) bool {
	n := 0
	for _, w := range want {
		if w.amount == 0 {
			continue
		}
		n++
		if !slices.Contains(e.legs, w) {
			return false
		}
	}
	return n == len(e.legs)
}
