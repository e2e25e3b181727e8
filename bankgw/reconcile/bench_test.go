package reconcile_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/bankgw/reconcile"
)

// large is a day of loads on which both sides agree but for one in a thousand.
func large(b *testing.B, n int) (entries []reconcile.Entry, f *reconcile.File) {
	f = &reconcile.File{Identity: reconcile.Identity{Bank: bankCode, Day: firstDay}, School: schoolCode}
	for i := range n {
		e, l := pair(uint64(i)+1, 20_000, firstDay, int64(i)%82_000)
		if i%1000 == 0 {
			l.Amount--
		}
		entries, f.Lines = append(entries, e), append(f.Lines, l)
	}
	b.ResetTimer()
	return entries, f
}

func BenchmarkRead(b *testing.B) {
	for name, format := range map[string]reconcile.Format{"A": reconcile.FormatA, "B": reconcile.FormatB} {
		b.Run(name, func(b *testing.B) {
			const lines = 200_000
			_, f := large(b, lines)
			var text bytes.Buffer
			require.NoError(b, reconcile.Write(&text, format, f))
			b.SetBytes(int64(text.Len()))
			b.ResetTimer()
			for range b.N {
				_, err := reconcile.Read(bytes.NewReader(text.Bytes()), reconcile.Source{Format: format})
				require.NoError(b, err)
			}
			b.ReportMetric(float64(b.N)*lines/b.Elapsed().Seconds(), "lines/s")
		})
	}
}

func BenchmarkRun(b *testing.B) {
	for _, n := range []int{1204, 200_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			entries, f := large(b, n)
			for range b.N {
				_, err := reconcile.Run(reconcile.Input{File: f, Entries: entries, Rules: reconcile.DefaultRules()})
				require.NoError(b, err)
			}
			b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "loads/s")
		})
	}
}
