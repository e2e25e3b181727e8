package dayend

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// checker writes the tables of a statement and compares them.
type checker struct {
	in               *Input
	book             *book
	statement        *Statement
	firstPrevious    [32]byte // hash that the day's first block follows
	opening, closing sums     // closing is the owner's memory
}

// tables writes what the log says beside what was held before and after.
func (c *checker) tables() {
	c.opening, c.closing = c.in.Campus.sum(&c.in.Opening), c.in.Campus.sum(&c.in.Memory)
	s := c.statement
	s.Equation = c.equation("total", 0, c.personal(), c.opening.personal(), c.closing.personal())
	s.ByPurse, s.ByClass = []Equation{}, []Equation{}
	for _, key := range sortedKeys(c.book.purses, c.opening.purses, c.closing.purses) {
		of := fmt.Sprintf("%d", key.code)
		s.ByPurse = append(s.ByPurse, c.equation(of, uint8(key.set), c.book.purses[key], c.opening.purses[key], c.closing.purses[key]))
	}
	for _, class := range sortedClasses(c.book.classes, c.opening.classes, c.closing.classes) {
		s.ByClass = append(s.ByClass, c.equation(c.className(class), 0, c.book.classes[class], c.opening.classes[class], c.closing.classes[class]))
	}
	c.merchants()
	c.doubleEntry()
	c.terminals()
}

// personal are the lines of all purses in fen.
func (c *checker) personal() *lines {
	var all lines
	for key, of := range c.book.purses {
		if key.set == 0 {
			for i := range all {
				all[i] += of[i]
			}
		}
	}
	return &all
}

func (s *sums) personal() (sum money.Fen) {
	for key, balance := range s.purses {
		if key.set == 0 {
			sum += balance
		}
	}
	return sum
}

func (c *checker) className(class uint8) string {
	if int(class) < len(c.in.Campus.Classes) {
		return c.in.Campus.Classes[class]
	}
	return "none"
}

// equation writes the lines that moved, in the order of the handbook.
func (c *checker) equation(of string, set uint8, moved *lines, opening, closing money.Fen) Equation {
	e := Equation{Of: of, Set: set, Opening: opening, Closing: closing, In: []Amount{}, Out: []Amount{}}
	if moved == nil {
		return e
	}
	for line, amount := range moved {
		name := lineNames[line]
		switch {
		case amount == 0:
		case Line(line) < firstOut:
			e.In = append(e.In, Amount{name.key, name.zh, name.en, amount})
			e.TotalIn += amount
		default:
			e.Out = append(e.Out, Amount{name.key, name.zh, name.en, -amount})
			e.TotalOut -= amount
		}
	}
	return e
}

// merchants writes what each merchant is owed, and the sum of each area.
func (c *checker) merchants() {
	s := c.statement
	s.Merchants, s.Areas = []Payable{}, []Payable{}
	areas := map[string]int{}
	for row, m := range c.in.Campus.Merchants {
		shares := c.book.merchants[uint32(row)]
		if shares == nil {
			shares = new([shareCount]money.Fen)
		}
		p := payable(m.Code, shares, c.opening.merchants[uint32(row)], c.closing.merchants[uint32(row)])
		s.Merchants = append(s.Merchants, p)
		area := m.Area
		if area == "" {
			area = m.Code
		}
		i, there := areas[area]
		if !there {
			i = len(s.Areas)
			areas[area] = i
			s.Areas = append(s.Areas, Payable{Of: area, Lines: []Amount{}})
		}
		s.Areas[i].add(&p)
	}
}

func payable(of string, shares *[shareCount]money.Fen, opening, closing money.Fen) Payable {
	p := Payable{Of: of, Opening: opening, Closing: closing, Lines: []Amount{}}
	for share, amount := range shares {
		if name := shareNames[share]; amount != 0 {
			p.Lines = append(p.Lines, Amount{name.key, name.zh, name.en, amount})
		}
	}
	return p
}

// add takes another merchant into an area, its lines in the order of the list.
func (p *Payable) add(other *Payable) {
	p.Opening, p.Closing = p.Opening+other.Opening, p.Closing+other.Closing
	all := map[string]money.Fen{}
	for _, l := range append(slices.Clone(p.Lines), other.Lines...) {
		all[l.Line] += l.Amount
	}
	p.Lines = []Amount{}
	for _, name := range shareNames {
		if amount := all[name.key]; amount != 0 {
			p.Lines = append(p.Lines, Amount{name.key, name.zh, name.en, amount})
		}
	}
}

func (p *Payable) sum() (sum money.Fen) {
	for _, l := range p.Lines {
		sum += l.Amount
	}
	return sum
}

// doubleEntry writes debits and credits of each code, by kinds of entries.
func (c *checker) doubleEntry() {
	s := c.statement
	s.DoubleEntry = []Posted{}
	for _, key := range sortedKeys(c.book.codes, c.opening.codes, c.closing.codes) {
		zh, en := nameOf(key.code)
		p := Posted{
			Set: uint8(key.set), Code: uint16(key.code), NameZh: zh, NameEn: en, Moves: []Move{},
			Accounts: c.closing.codes[key].Accounts, Opening: c.opening.codes[key].Balance, Closing: c.closing.codes[key].Balance,
		}
		if sum := c.book.codes[key]; sum != nil {
			p.Debits, p.Credits = sum.debits, sum.credits
			for _, kind := range slices.Sorted(maps.Keys(sum.kinds)) {
				zh, en := c.kindName(kind)
				p.Moves = append(p.Moves, Move{uint8(kind), zh, en, sum.kinds[kind][0], sum.kinds[kind][1]})
			}
		}
		s.DoubleEntry = append(s.DoubleEntry, p)
	}
}

func (c *checker) kindName(kind transaction.Kind) (zh, en string) {
	if c.in.KindName != nil {
		return c.in.KindName(kind)
	}
	return "", ""
}

// terminals lists every terminal that sold, or that has said that it did.
func (c *checker) terminals() {
	s := c.statement
	s.Terminals = []Terminal{}
	numbers := map[transaction.TerminalID]bool{}
	for id := range c.book.terminals {
		numbers[id] = true
	}
	for id := range c.in.Totals {
		numbers[id] = true
	}
	for _, id := range slices.Sorted(maps.Keys(numbers)) {
		t := Terminal{Code: fmt.Sprintf("#%d", id)}
		if int(id) < len(c.in.Campus.Terminals) {
			t.Code = c.in.Campus.Terminals[id]
		}
		if sum := c.book.terminals[id]; sum != nil {
			t.Sales, t.SalesAmount, t.Reversals, t.ReversalAmount = sum.sales, sum.saleAmount, sum.reversals, sum.backAmount
		}
		if own, ok := c.in.Totals[id]; ok {
			t.Own = &own
		}
		s.Terminals = append(s.Terminals, t)
	}
}

// sortedKeys are the keys of all three maps in order.
func sortedKeys[A, B any](moved map[codeKey]A, before, after map[codeKey]B) []codeKey {
	all := map[codeKey]bool{}
	for key := range moved {
		all[key] = true
	}
	for _, m := range []map[codeKey]B{before, after} {
		for key := range m {
			all[key] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), func(x, y codeKey) int {
		return cmp.Or(cmp.Compare(x.set, y.set), cmp.Compare(x.code, y.code))
	})
}

func sortedClasses(moved map[uint8]*lines, before, after map[uint8]money.Fen) []uint8 {
	all := map[uint8]bool{}
	for class := range moved {
		all[class] = true
	}
	for _, m := range []map[uint8]money.Fen{before, after} {
		for class := range m {
			all[class] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
