package ledger

import "bytes"

// CellKey is the key of a total: a cell that sums up entries. Cells that are read together stand together in its order.
type CellKey [16]byte

// Sums are what a cell counts. What each place means is its caller's to say.
type Sums [16]int64

// Add adds other sums.
func (s *Sums) Add(o *Sums) {
	for i := range s {
		s[i] += o[i]
	}
}

// CellRange is a stretch of keys.
type CellRange struct {
	From, To CellKey // To is not in it
}

// Holds says whether a key lies in the range.
func (r *CellRange) Holds(key *CellKey) bool {
	return bytes.Compare(key[:], r.From[:]) >= 0 && bytes.Compare(key[:], r.To[:]) < 0
}
