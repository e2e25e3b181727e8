package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
)

// TestLargeTablesStayAsTheyWere: a table that has grown to lie on large pages holds its rows, and what was shared of it stays what it was.
func TestLargeTablesStayAsTheyWere(t *testing.T) {
	const rows = 200 * 512
	var table ledger.Table[[3]uint64]
	for i := range uint64(rows) {
		table.Append([3]uint64{i, i * i, ^i})
	}
	before := table.Share(ledger.NewSharing(func(job func()) { job() }))
	for i := range uint32(rows) {
		if i%100 == 0 {
			table.Edit(i)[1] = 7
		}
	}
	before.Each(func(i uint32, row *[3]uint64) {
		require.Equal(t, [3]uint64{uint64(i), uint64(i) * uint64(i), ^uint64(i)}, *row)
	})
	for i := range uint64(rows) {
		want := [3]uint64{i, i * i, ^i}
		if i%100 == 0 {
			want[1] = 7
		}
		require.Equal(t, want, *table.At(uint32(i)))
	}
}
