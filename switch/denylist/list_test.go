package denylist_test

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/switch/denylist"
)

// TestWorkedExample holds the numbers of handbook 3.5.
func TestWorkedExample(t *testing.T) {
	s := &story{terms: map[string]*terminal{}}
	datadriven.RunTest(t, "testdata/versions_3_5", func(t *testing.T, d *datadriven.TestData) string { return s.run(t, d) })
}

type story struct {
	list  *denylist.List
	terms map[string]*terminal
}

// terminal is the deny list of a terminal: what it knows and what it has kept aside of pages.
type terminal struct {
	version uint64
	cards   map[uint64]bool
	aside   []denylist.Entry
	cursor  denylist.Cursor
}

func name(card uint64) string { return string(rune(card)) }

// run understands: new keep=, change (a line "VERSION +CARD"), list, ask terminal= [most=] [pages=], crash terminal=.
func (s *story) run(t *testing.T, d *datadriven.TestData) string {
	var b strings.Builder
	switch d.Cmd {
	case "new":
		keep := denylist.KeptDefault
		d.MaybeScanArgs(t, "keep", &keep)
		s.list = denylist.New(keep)
	case "change":
		for _, line := range strings.Split(strings.TrimSpace(d.Input), "\n") {
			words := strings.Fields(line)
			version, err := strconv.ParseUint(words[0], 10, 64)
			require.NoError(t, err)
			if !s.list.Change(version, uint64(words[1][1]), words[1][0] == '+') {
				fmt.Fprintf(&b, "%s changes nothing\n", line)
			}
		}
	case "ask":
		s.ask(t, d, &b)
		return b.String()
	case "crash":
		var who string
		d.ScanArgs(t, "terminal", &who)
		t := s.terms[who]
		t.aside, t.cursor = nil, denylist.Since(t.version)
		fmt.Fprintf(&b, "%s\n", t)
		return b.String()
	}
	fmt.Fprintf(&b, "head %d, oldest %d, denied %d\n", s.list.Head(), s.list.Oldest(), s.list.Len())
	return b.String()
}

func (s *story) ask(t *testing.T, d *datadriven.TestData, b *strings.Builder) {
	var who string
	most, pages := 100, 100
	d.ScanArgs(t, "terminal", &who)
	d.MaybeScanArgs(t, "most", &most)
	d.MaybeScanArgs(t, "pages", &pages)
	term := s.terms[who]
	if term == nil {
		term = &terminal{cards: map[uint64]bool{}}
		s.terms[who] = term
	}
	for range pages {
		p := s.list.Page(term.cursor, most)
		kind := "delta"
		if p.Snapshot != 0 {
			kind = fmt.Sprintf("snapshot %d", p.Snapshot)
		}
		var entries []string
		for _, e := range p.Entries {
			entries = append(entries, name(e.Card)+":"+map[bool]string{true: "+", false: "-"}[e.Denied])
		}
		fmt.Fprintf(b, "%s {%s}", kind, strings.Join(entries, ", "))
		if term.take(p); p.Last {
			fmt.Fprintf(b, ", last, head %d\n", p.Head)
			break
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(b, "%s\n", term)
}

// take does what a terminal must.
func (t *terminal) take(p denylist.Page) {
	if p.Restart {
		t.aside = nil
	}
	t.aside = append(t.aside, p.Entries...)
	t.cursor = p.Next
	if !p.Last {
		return
	}
	if p.Snapshot != 0 {
		t.cards = map[uint64]bool{}
	}
	apply(t.cards, t.aside)
	t.version, t.aside = p.Head, nil
}

func apply(cards map[uint64]bool, entries []denylist.Entry) {
	for _, e := range entries {
		if delete(cards, e.Card); e.Denied {
			cards[e.Card] = true
		}
	}
}

func (t *terminal) String() string {
	var b strings.Builder
	for card := uint64('A'); card <= 'Z'; card++ {
		if t.cards[card] {
			b.WriteString(name(card))
		}
	}
	return fmt.Sprintf("knows [%s] at %d", b.String(), t.version)
}

// TestTerminalsEndWithTheList: whatever changes happen while terminals read pages of any size, lose them and begin again, one that has its last
// page has the list as it was then; and a delta applied twice gives the same set.
func TestTerminalsEndWithTheList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := denylist.New(rapid.IntRange(0, 5).Draw(t, "keep"))
		truth := map[uint64]bool{}
		terminals := make([]terminal, 3)
		version := uint64(0)
		t.Repeat(map[string]func(*rapid.T){
			"change": func(t *rapid.T) {
				version += rapid.Uint64Range(1, 3).Draw(t, "step")
				card, denied := rapid.Uint64Range(1, 8).Draw(t, "card"), rapid.Bool().Draw(t, "denied")
				require.Equal(t, truth[card] != denied, list.Change(version, card, denied))
				if delete(truth, card); denied {
					truth[card] = true
				}
			},
			"page": func(t *rapid.T) {
				term := &terminals[rapid.IntRange(0, 2).Draw(t, "terminal")]
				p := list.Page(term.cursor, rapid.IntRange(1, 4).Draw(t, "most"))
				if p.Snapshot == 0 && p.Last {
					twice := maps.Clone(term.cards)
					if twice == nil {
						twice = map[uint64]bool{}
					}
					apply(twice, append(term.aside, p.Entries...))
					apply(twice, append(term.aside, p.Entries...))
					require.Equal(t, truth, twice)
				}
				if term.cards == nil {
					term.cards = map[uint64]bool{}
				}
				if term.take(p); p.Last {
					require.Equal(t, truth, term.cards)
					require.Equal(t, list.Head(), term.version)
				}
			},
			"crash": func(t *rapid.T) {
				term := &terminals[rapid.IntRange(0, 2).Draw(t, "terminal")]
				term.aside, term.cursor = nil, denylist.Since(term.version)
			},
			"restart": func(t *rapid.T) {
				frozen, fresh := list.Freeze(), denylist.New(list.Keep())
				for part := range frozen.Parts() {
					require.NoError(t, fresh.Restore(frozen.Append(nil, part)))
				}
				require.Equal(t, frozen.Append(nil, 0), fresh.Freeze().Append(nil, 0))
				list = fresh
			},
			"": func(t *rapid.T) {
				require.Equal(t, len(truth), list.Len())
				for card := uint64(1); card <= 8; card++ {
					require.Equal(t, truth[card], list.Denies(card))
				}
			},
		})
	})
}

// TestDamageIsSeen: bytes that were never written are refused.
func TestDamageIsSeen(t *testing.T) {
	list := denylist.New(denylist.KeptDefault)
	for i := range uint64(9000) { // three parts
		list.Change(i+1, i, true)
	}
	f := list.Freeze()
	require.EqualValues(t, 3, f.Parts())
	part := f.Append(nil, 1)
	for _, damaged := range [][]byte{nil, part[:len(part)-1], append(part[:len(part)-1:len(part)-1], 2)} {
		require.ErrorIs(t, denylist.New(0).Restore(damaged), denylist.ErrMalformed)
	}
	again := denylist.New(0)
	require.NoError(t, again.Restore(part))
	require.ErrorIs(t, again.Restore(part), denylist.ErrMalformed, "the same part twice")
}

// TestManyChangesStayShort: a card that comes and goes leaves one entry, and those taken off are forgotten beyond the bound.
func TestManyChangesStayShort(t *testing.T) {
	list := denylist.New(10)
	for i := range uint64(10_000) {
		list.Change(i+1, 7, i%2 == 0)
	}
	require.Less(t, list.Freeze().Rows(), uint32(100))
	for i := range uint64(10_000) {
		list.Change(20_000+2*i, 100+i, true)
		list.Change(20_001+2*i, 100+i, false)
	}
	require.Less(t, list.Freeze().Rows(), uint32(200))
	require.Zero(t, list.Len())
	require.NotZero(t, list.Page(denylist.Since(list.Oldest()-1), 100).Snapshot)
	require.NotZero(t, list.Page(denylist.Since(list.Oldest()), 100).Snapshot, "ten changes are more than a list of none")
	require.Zero(t, list.Page(denylist.Since(list.Head()), 100).Snapshot)
}
