package ledger

import (
	"encoding/binary"
	"fmt"
)

// Find decodes one entry of the block: of those before it only the time is read, which each tells from the one before. Payload aliases the
// block's bytes.
func (b Block) Find(sequence uint64) (Entry, error) {
	var e Entry
	entries := b.Entries()
	if sequence < b.First() || sequence > b.Last() {
		return e, fmt.Errorf("block %d to %d does not hold entry %d", b.First(), b.Last(), sequence)
	}
	for ; entries.next < sequence; entries.next++ {
		encoded, rest, err := entries.stored()
		if err != nil {
			return e, err
		}
		const kindAndShape = 2
		if len(encoded) < kindAndShape {
			return e, ErrMalformed
		}
		step, n := binary.Uvarint(encoded[kindAndShape:])
		if n <= 0 {
			return e, ErrMalformed
		}
		entries.time += int64(step)
		entries.body = rest
	}
	_, err := entries.Next(&e)
	return e, err
}
