package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
)

// TestLargeTablesStayAsTheyWere: a table that has grown to lie on large pages holds its rows, before and after they were gathered and each of its chunks was copied.
func TestLargeTablesStayAsTheyWere(t *testing.T) {
	const rows = 80 * 512
	var table ledger.Table[[3]uint64]
	for i := range uint64(rows) {
		table.Append([3]uint64{i, i * i, ^i})
	}
	table.GatherPages()
	frozen := table.Freeze()
	for i := range uint32(rows) {
		if i%100 == 0 {
			table.Edit(i)[1] = 7
		}
	}
	for i := range uint64(rows) {
		want := [3]uint64{i, i * i, ^i}
		require.Equal(t, want, *frozen.At(uint32(i)))
		if i%100 == 0 {
			want[1] = 7
		}
		require.Equal(t, want, *table.At(uint32(i)))
	}
}
