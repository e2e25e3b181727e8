package ledger

import (
	"encoding/binary"
	"fmt"
)

// EachStored visits the entries in order as they stand in the block: the moment of each (microseconds since 1970, which an entry's own
// bytes say only as the time since the entry before) and its bytes, good until the block's are. DecodeStored reads them.
func (b Block) EachStored(visit func(sequence uint64, moment int64, encoded []byte) error) error {
	moment := b.time()
	return b.encoded(func(sequence uint64, encoded []byte) error {
		r := reader{b: encoded}
		r.byte()
		r.byte()
		if moment += int64(r.uvarint()); r.bad {
			return fmt.Errorf("entry %d: time: %w", sequence, ErrMalformed)
		}
		return visit(sequence, moment, encoded)
	})
}

// DecodeStored reads the bytes of one entry that is away from its block. Payload aliases them.
func DecodeStored(moment int64, encoded []byte) (Entry, error) {
	var e Entry
	err := e.decode(encoded, 0)
	e.Time = moment
	return e, err
}

// encoded visits the bytes of the entries in order.
func (b Block) encoded(visit func(sequence uint64, encoded []byte) error) error {
	body := b.raw[blockHeaderSize:]
	for sequence := b.First(); sequence <= b.Last(); sequence++ {
		size, n := binary.Uvarint(body)
		if n <= 0 || size > uint64(len(body)-n) {
			return fmt.Errorf("entry %d: length: %w", sequence, ErrMalformed)
		}
		encoded := body[n : n+int(size)]
		body = body[n+int(size):]
		if err := visit(sequence, encoded); err != nil {
			return err
		}
	}
	if len(body) != 0 {
		return fmt.Errorf("block at %d: %d bytes after the last entry: %w", b.First(), len(body), ErrMalformed)
	}
	return nil
}

// Span is the durable entries of one business day: consecutive sequences, in whole blocks.
type Span struct {
	Day         uint32
	First, Last uint64
	Followed    bool // a block of a later day stands behind it: nothing can be added any more
}
