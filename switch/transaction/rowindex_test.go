package transaction

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestRowsAreFound: what was added is found in its row and what was not is not, while the segments grow and after they were built at once.
func TestRowsAreFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		grown, built := newState(nil), newState(nil)
		known := map[CardNumber]uint32{}
		step := rapid.Uint64Range(1, 1<<40).Draw(t, "step") // numbers in a row, and far apart
		count := rapid.IntRange(0, 5000).Draw(t, "count")
		for i := range count {
			number := minCardNumber + CardNumber(uint64(i)*step)
			known[number] = uint32(i)
			grown.addCardRow(Card{Number: number})
			built.cards.Append(Card{Number: number})
		}
		built.indexCards()
		for _, s := range []*State{grown, built} {
			for number, want := range known {
				row, ok := s.cardRow(number)
				if !ok || row != want {
					t.Fatalf("card %d: row %d %v, want %d", uint64(number), row, ok, want)
				}
			}
			for i := range uint64(1000) {
				number := CardNumber(mix(i))
				_, is := known[number]
				if _, ok := s.cardRow(number); ok != is {
					t.Fatalf("card %d: found %v", uint64(number), ok)
				}
			}
		}
	})
}

// TestNumbersComeBack: numbers of every length stand in their rows, in the state and in a checkpoint that was frozen while more came.
func TestNumbersComeBack(t *testing.T) {
	var s State
	number := func(i int) []byte { return fmt.Appendf(nil, "%0*d", 1+i%20, i) }
	const before, after = 2500, 5000
	want := map[string]uint32{}
	add := func(i int) {
		if _, twice := want[string(number(i))]; !twice {
			want[string(number(i))] = s.numbers.rows
			s.addHolderRow(number(i), Holder{})
		}
	}
	for i := range before {
		add(i)
	}
	frozenRows := s.numbers.rows
	section := s.numbers.section("numbers")
	for i := before; i < after; i++ {
		add(i)
	}
	for text, row := range want {
		found, ok := s.holderRow([]byte(text))
		require.True(t, ok, text)
		require.Equal(t, row, found, text)
		require.Equal(t, text, s.HolderNumber(row))
	}
	_, ok := s.holderRow([]byte("nobody"))
	require.False(t, ok)
	var back numbers
	for part := range section.Parts {
		require.NoError(t, back.restore(section.Encode(nil, part)))
	}
	require.Equal(t, frozenRows, back.rows)
	for row := range back.rows {
		require.Equal(t, s.numbers.at(row), back.at(row))
	}
	require.Error(t, back.restore([]byte{5, '1'}), "a number that ends early")
}

// BenchmarkCardLookup compares the index with the Go map that it replaced: the look-up and the read of the card's row that follows it,
// cards in an order that no cache foresees.
func BenchmarkCardLookup(b *testing.B) {
	for _, count := range []int{30_000, 300_000, 5_000_000} {
		s := newState(nil)
		byNumber := make(map[CardNumber]uint32, count)
		order := make([]CardNumber, 1<<16)
		for i := range count {
			number := minCardNumber + CardNumber(i)*10
			s.cards.Append(Card{Number: number, Holder: uint32(i)})
			byNumber[number] = uint32(i)
		}
		s.indexCards()
		for i := range order {
			order[i] = minCardNumber + CardNumber(mix(uint64(i))%uint64(count))*10
		}
		find := func(name string, row func(CardNumber) (uint32, bool)) {
			b.Run(fmt.Sprintf("%s/cards=%d", name, count), func(b *testing.B) {
				b.ReportAllocs()
				sum := uint32(0)
				for i := range b.N {
					n, ok := row(order[i&(len(order)-1)])
					if !ok {
						b.Fatal("not found")
					}
					sum += s.cards.At(n).Holder
				}
				b.ReportMetric(float64(sum&1), "parity") // so that the reads are not left out
			})
		}
		find("index", s.cardRow)
		find("map", func(number CardNumber) (uint32, bool) { n, ok := byNumber[number]; return n, ok })
	}
}
