package ledger

// EachStored visits the entries in order as they stand in the block: the moment of each (microseconds since 1970, which an entry's own
// bytes say only as the time since the entry before) and its bytes, good until the block's are. DecodeStored reads them.
func (b Block) EachStored(visit func(sequence uint64, moment int64, encoded []byte) error) error {
	left := b.raw[blockHeaderSize:]
	return b.Each(func(sequence uint64, e *Entry) error {
		place := Entries{body: left, next: sequence}
		encoded, rest, err := place.stored()
		if err != nil {
			return err
		}
		left = rest
		return visit(sequence, e.Time, encoded)
	})
}

// DecodeStored reads the bytes of one entry that is away from its block. Payload aliases them.
func DecodeStored(moment int64, encoded []byte) (Entry, error) {
	var e Entry
	err := e.decode(encoded, 0)
	e.Time = moment
	return e, err
}

// Span is the durable entries of one business day: consecutive sequences, in whole blocks.
type Span struct {
	Day         uint32
	First, Last uint64
	Followed    bool // a block of a later day stands behind it: nothing can be added any more
}
