package ledger_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"onecard/ledger"
)

// moment is a table as it was.
type moment struct {
	stream  ledger.Section
	sharing *ledger.Sharing
	left    []uint32 // parts of the stream that were not taken
	rows    []int64
}

func shareTable(table *ledger.Table[int64], model []int64) *moment {
	m := &moment{sharing: ledger.NewSharing(func(job func()) { job() }), rows: slices.Clone(model)}
	m.stream = table.Section(m.sharing, "rows", func(dst []byte, row *int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(*row)) })
	for part := range m.stream.Parts {
		m.left = append(m.left, part)
	}
	return m
}

// take takes one part of the stream, the k-th of those that are left.
func (m *moment) take(t *rapid.T, k int) {
	const partRows = 4096
	part := m.left[k]
	m.left = slices.Delete(m.left, k, k+1)
	first := int(part) * partRows
	encoded := m.stream.Encode(nil, part)
	if want := min(len(m.rows)-first, partRows); len(encoded) != 8*want {
		t.Fatalf("part %d has %d bytes, %d rows expected", part, len(encoded), want)
	}
	for i := range len(encoded) / 8 {
		if got, want := int64(binary.BigEndian.Uint64(encoded[8*i:])), m.rows[first+i]; got != want {
			t.Fatalf("streamed row %d is %d, was %d when the stream began", first+i, got, want)
		}
	}
}

// TestSharedTablesStayAsTheyWere: a table is shared now and then while its owner goes on editing; each moment is what it was, in whatever order its parts
// are taken, and when others are given up. A moment of a table that nobody edits can be read in place.
func TestSharedTablesStayAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table ledger.Table[int64]
		var model []int64
		var moments []*moment
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 7).Draw(t, "step") {
			case 0:
				moments = append(moments, shareTable(&table, model))
			case 1, 2:
				for range rapid.IntRange(1, 2500).Draw(t, "rows") {
					model = append(model, int64(len(model)))
					table.Append(int64(len(model) - 1))
				}
			case 3, 4:
				if len(moments) == 0 {
					continue
				}
				switch m := rapid.SampledFrom(moments).Draw(t, "moment"); {
				case len(m.left) == 0:
				case rapid.IntRange(0, 9).Draw(t, "give up") == 0:
					m.sharing.End()
					m.left = nil
				default:
					m.take(t, rapid.IntRange(0, len(m.left)-1).Draw(t, "part"))
				}
			default:
				for range min(len(model), 20) {
					i := rapid.IntRange(0, len(model)-1).Draw(t, "row")
					model[i] -= 1000
					*table.Edit(uint32(i)) -= 1000
				}
			}
		}
		for _, m := range append(moments, shareTable(&table, model)) {
			for len(m.left) > 0 {
				m.take(t, 0)
			}
		}
		table.Share(nil).Each(func(i uint32, row *int64) {
			if *row != model[i] {
				t.Fatalf("row %d is %d in place, %d expected", i, *row, model[i])
			}
		})
	})
}

// BenchmarkEditWhileShared: rows edited at random while a checkpoint of a million rows is being taken, and while none is.
func BenchmarkEditWhileShared(b *testing.B) {
	type row [64]byte
	const rows = 1 << 20
	for _, way := range []string{"alone", "streamed"} {
		b.Run(way, func(b *testing.B) {
			var table ledger.Table[row]
			for range rows {
				table.Append(row{})
			}
			i := uint32(1)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if way == "streamed" && n%rows == 0 {
					how := ledger.NewSharing(func(job func()) { job() })
					_ = table.Section(how, "rows", func(dst []byte, _ *row) []byte { return dst })
					defer how.End()
				}
				i = i*1664525 + 1013904223
				table.Edit(i >> 12)[0]++
			}
		})
	}
}
