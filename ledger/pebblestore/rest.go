package pebblestore

import (
	"github.com/cockroachdb/pebble/v2"
)

// Blocks are written once into the log, once into a table, and stay there.
//
// They are nine tenths of what is written, they come in the order of their keys and nothing is ever written over them: moving them from level
// to level sorts nothing. But a table that holds the last blocks and then index, totals and marks overlaps all that are flushed after it, so
// every compaction of the index took the blocks with it, wrote them anew and tried to compress what does not gain by it: for 6,000,000
// purchases 166 MB were written besides the 226 MB of their flushes, 14 MB with blocks at rest. So
//
//   - a table holds blocks, parts of checkpoints or other keys, one kind of them. A checkpoint that is dropped takes its tables along, and no compaction of
//     the index has to read what is left of it. Those of blocks never overlap and lie in one sublevel of level 0 for good. A reader finds
//     a block there as quickly as further down;
//   - no compaction may grow beyond 25 times the size of a table at the base (Pebble's rule). With small ones there the blocks of two flushes
//     are more than that, and a compaction of the index is not made wider to take them along;
//   - the number of tables alone is no reason to compact level 0 before there are very many. Then, or when they lie further down, they are
//     moved one by one: they overlap nothing.
const restingTables = 2000 // of blocks: of 16 MiB, 700 million purchases

func keepBlocksAtRest(o *pebble.Options) {
	o.Experimental.SpanPolicyFunc = apart
	o.TargetFileSizes[0] = int64(o.MemTableSize) // a flush makes one table of blocks and one of the rest
	const perMemTable = 16
	for i := range o.TargetFileSizes[1:] {
		o.TargetFileSizes[i+1] = int64(o.MemTableSize) / perMemTable << i
	}
}

// apart ends tables before and behind the blocks, and behind checkpoints, which stand next to them (pebble.SpanPolicyFunc).
func apart(start []byte) (policy pebble.SpanPolicy, end []byte, err error) {
	for _, prefix := range []byte{prefixBlock, prefixBlock + 1, prefixCheckpoint + 1} {
		if start[0] < prefix {
			return policy, []byte{prefix}, nil
		}
	}
	return policy, nil, nil
}
