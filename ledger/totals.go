package ledger

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
