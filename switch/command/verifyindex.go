package command

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"onecard/ledger"
	"onecard/ledger/ledgertest"
	"onecard/switch/transaction"
)

// indexTally compares the statement index with the blocks without holding either in memory: per statement it keeps how many entries it
// should have and a sum over their mixed sequences. What differs is looked up again by name.
type indexTally struct {
	to       uint64 // the index is complete up to here
	register *transaction.Register
	whole    bool // no block was passed over: the register knows all accounts
	lists    tallies
}

type indexedList struct {
	space byte
	id    uint64
}

type tally struct {
	count, sum uint64
}

// wrongNamed is how many wrong statements are looked up and named.
const wrongNamed = 5

func newIndexTally(to uint64) *indexTally {
	return &indexTally{to: to, register: transaction.NewRegister(), whole: true, lists: tallies{sparse: make(map[indexedList]*tally)}}
}

// mix spreads a sequence over 64 bits (the finaliser of SplitMix64), so that different lists of the same length have different sums.
func mix(n uint64) uint64 {
	n += 0x9E3779B97F4A7C15
	n = (n ^ n>>30) * 0xBF58476D1CE4E5B9
	n = (n ^ n>>27) * 0x94D049BB133111EB
	return n ^ n>>31
}

func (t *tally) add(sequence uint64) { *t = tally{t.count + 1, t.sum + mix(sequence)} }

// tallies are those of all statements. Cards, terminals and accounts are numbered densely: theirs stand in an array per space, which costs a
// tenth of a map's look-up; what has larger numbers is in a map.
type tallies struct {
	dense  [256][]tally
	sparse map[indexedList]*tally
}

const denseTallies = 1 << 22

func (g *tallies) of(key indexedList) *tally {
	if key.id < denseTallies {
		space := &g.dense[key.space]
		if need := int(key.id) + 1; need > len(*space) {
			*space = append(*space, make([]tally, max(need, 2*len(*space))-len(*space))...)
		}
		return &(*space)[key.id]
	}
	t := g.sparse[key]
	if t == nil {
		t = new(tally)
		g.sparse[key] = t
	}
	return t
}

// each visits those that have counted something.
func (g *tallies) each(visit func(key indexedList, t tally)) {
	for space := range g.dense {
		for id, t := range g.dense[space] {
			if t.count > 0 {
				visit(indexedList{byte(space), uint64(id)}, t)
			}
		}
	}
	for key, t := range g.sparse {
		if t.count > 0 {
			visit(key, *t)
		}
	}
}

// add counts the entries of a stored block. One that cannot be read has been named by the auditor.
func (x *indexTally) add(raw []byte) {
	block, err := ledger.SkimBlock(raw)
	if err != nil {
		x.whole = false
		return
	}
	err = block.Each(func(sequence uint64, e *ledger.Entry) error {
		x.register.Statements(sequence, e, func(space byte, id uint64) {
			if sequence <= x.to {
				x.lists.of(indexedList{space, id}).add(sequence)
			}
		})
		return nil
	})
	x.whole = x.whole && err == nil
}

// compare reads the index: every entry of a statement is found and nothing else.
func (x *indexTally) compare(ctx context.Context, v *verification) error {
	result := &v.result.Index
	result.To = x.to
	wrong := map[indexedList][]uint64{}
	differs := func(key indexedList, found []uint64) {
		result.Wrong++
		if len(wrong) < wrongNamed {
			wrong[key] = slices.Clone(found)
		}
	}
	err := v.store.EachStatement(ctx, func(space byte, id uint64, sequences []uint64) error {
		key, got := indexedList{space, id}, tally{}
		for _, sequence := range sequences {
			if sequence <= x.to { // beyond the mark lie lists of a window that was interrupted; they are written again
				got.add(sequence)
			}
		}
		result.Checked += got.count
		want := x.lists.of(key)
		if got != *want {
			differs(key, sequences)
		}
		*want = tally{}
		return nil
	})
	if err != nil { // the ledger is whole without its index
		v.note(0, 0, fmt.Sprintf("流水索引无法读取 / the statement index cannot be read: %v", err))
	}
	x.lists.each(func(key indexedList, left tally) {
		result.Checked += left.count
		differs(key, nil)
	})
	if result.Wrong == 0 {
		return nil
	}
	v.result.Faults += result.Wrong
	return x.name(ctx, v, wrong)
}

// name reads the blocks once more and says what is missing from the wrong statements, and what does not belong there.
func (x *indexTally) name(ctx context.Context, v *verification, wrong map[indexedList][]uint64) error {
	want := map[indexedList][]uint64{}
	register := transaction.NewRegister()
	named := func(key indexedList) bool { _, ok := wrong[key]; return ok }
	err := v.store.RawBlocks(ctx, 1, func(_ uint64, raw []byte) error {
		block, err := ledger.SkimBlock(raw)
		if err != nil {
			return nil // named before
		}
		_ = block.Each(func(sequence uint64, e *ledger.Entry) error {
			register.Statements(sequence, e, func(space byte, id uint64) {
				if key := (indexedList{space, id}); named(key) {
					want[key] = append(want[key], sequence)
				}
			})
			return nil
		})
		return nil
	}, func(uint64, uint64, error) {})
	keys := slices.SortedFunc(maps.Keys(wrong), func(a, b indexedList) int {
		return cmp.Or(cmp.Compare(a.space, b.space), cmp.Compare(a.id, b.id))
	})
	for _, key := range keys {
		found := wrong[key]
		missing, extra := difference(want[key], found, x.to), difference(found, want[key], x.to)
		v.result.Findings = append(v.result.Findings, ledgertest.Finding{Text: fmt.Sprintf(
			"流水索引 %c/%d 与区块不符:缺 %v,多 %v / statement %[1]c/%[2]d differs from the blocks: missing %[3]v, too many %[4]v", key.space, key.id, few(missing), few(extra))})
	}
	return err
}

// difference returns what is in a and not in b, or more often, up to a sequence. Both are sorted.
func difference(a, b []uint64, upTo uint64) []uint64 {
	var only []uint64
	for _, sequence := range a {
		for len(b) > 0 && b[0] < sequence {
			b = b[1:]
		}
		switch {
		case len(b) > 0 && b[0] == sequence:
			b = b[1:]
		case sequence <= upTo:
			only = append(only, sequence)
		}
	}
	return only
}

func few(list []uint64) []uint64 { return list[:min(10, len(list))] }
