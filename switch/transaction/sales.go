package transaction

import "onecard/ledger"

// Purchases are nearly all that a ledger holds, and at one terminal those of a meal to holders of a class move the same cells: its own, its
// merchant's, those of the same few purses and accounts. So what they add up to is kept in a row, and the cells are moved when somebody asks
// or the window is written. Each purchase moving its cells by itself cost four look-ups by sixteen bytes and four additions of sixteen sums,
// 0.35 us; a row costs an eighth of that, half of it reading the payload.
//
// A row takes only what it holds exactly. Whatever is out of the ordinary moves its cells by itself (Count).

// saleRow is the approved purchases of one business day, meal and class at one terminal for one merchant.
type saleRow struct {
	day      uint32
	merchant ledger.AccountID
	meal     uint8
	class    uint8
	legs     uint8 // used of moved
	terminal TerminalID
	next     int32 // another row of the terminal, counted from 1; 0: none
	sums     [SaleFee + 1]int64
	moved    [saleLegs]legSum
}

const (
	// saleLegs are main, subsidy and electronic purse, merchant, school, fee.
	saleLegs = 6
	// saleRowsMax bound the rows that wait: 2,000 terminals, some meals and classes.
	saleRowsMax = 1 << 15
)

// legSum is what moves a kind of purse or another account.
type legSum struct {
	of             uint64 // code << 32 of purses; the account
	count, in, out int64
}

// saleRows are those since the last Settle.
type saleRows struct {
	rows []saleRow
	of   []int32 // by terminal: its newest row, counted from 1; 0: none
}

// keep adds an approved purchase to its row; false: it has to move its cells by itself.
func (g *Register) keep(sequence uint64, day uint32, e *ledger.Entry) bool {
	if g.plain.sequence != sequence {
		g.plain.read(sequence, e.Payload)
	}
	s := &g.plain
	if !s.understood || s.terminal == 0 || int(s.terminal) > len(g.terminals) || len(e.Legs) > saleLegs {
		return false
	}
	var of [saleLegs]uint64
	merchant := ledger.AccountID(0)
	for i := range e.Legs {
		account := e.Legs[i].Account
		code := g.code(account)
		if of[i] = uint64(account); IsPurse(code) {
			of[i] = uint64(code) << 32
		} else if merchant == 0 && code == ledger.CodeMerchantPayable {
			merchant = g.payable(account)
		}
	}
	if merchant == 0 {
		return false
	}
	row := g.sales.row(day, merchant, s)
	return row != nil && row.add(s, e.Legs, &of)
}

// row finds the row of a purchase or begins one; nil when there are too many.
func (r *saleRows) row(day uint32, merchant ledger.AccountID, s *plainSale) *saleRow {
	for int(s.terminal) >= len(r.of) {
		r.of = append(r.of, make([]int32, 64)...)
	}
	for i := r.of[s.terminal]; i != 0; {
		row := &r.rows[i-1]
		if row.meal == s.meal && row.class == s.class && row.day == day && row.merchant == merchant {
			return row
		}
		i = row.next
	}
	if len(r.rows) == saleRowsMax {
		return nil
	}
	r.rows = append(r.rows, saleRow{day: day, merchant: merchant, meal: s.meal, class: s.class, terminal: s.terminal, next: r.of[s.terminal]})
	r.of[s.terminal] = int32(len(r.rows))
	return &r.rows[len(r.rows)-1]
}

// add adds a purchase if there is room for all its legs.
func (row *saleRow) add(s *plainSale, legs []ledger.Leg, of *[saleLegs]uint64) bool {
	var at [saleLegs]uint8
	for i := range legs {
		n := uint8(0)
		for n < row.legs && row.moved[n].of != of[i] {
			n++
		}
		if n == row.legs {
			if n == saleLegs {
				return false
			}
			row.moved[n].of = of[i]
			row.legs++
		}
		at[i] = n
	}
	for i := range legs {
		moved := &row.moved[at[i]]
		moved.count++
		if amount := int64(legs[i].Amount); amount > 0 {
			moved.in += amount
		} else {
			moved.out -= amount
		}
	}
	row.sums[SaleCount]++
	row.sums[SaleList] += int64(s.list)
	row.sums[SaleFee] += int64(s.fee)
	if s.bySchool {
		row.sums[SaleSchoolDiscount] += int64(s.discount)
	} else {
		row.sums[SaleMerchantDiscount] += int64(s.discount)
	}
	return true
}

// Settle tells what Count has kept back, and forgets it.
func (g *Register) Settle(emit func(*ledger.CellKey, *ledger.Sums)) {
	for i := range g.sales.rows {
		g.settleRow(&g.sales.rows[i], emit)
		g.sales.of[g.sales.rows[i].terminal] = 0
	}
	g.sales.rows = g.sales.rows[:0]
}

func (g *Register) settleRow(row *saleRow, emit func(*ledger.CellKey, *ledger.Sums)) {
	moved := row.moved[:row.legs]
	g.sums = ledger.Sums{}
	copy(g.sums[:], row.sums[:])
	for i := range moved {
		if place, ok := partOf(ledger.AccountCode(moved[i].of >> 32)); ok {
			g.sums[place] += moved[i].out
		}
	}
	if row.sums[SaleCount] != 0 {
		g.emitSale(row.day, &sale{merchant: row.merchant, terminal: row.terminal, meal: row.meal, class: row.class}, emit)
	}
	for i := range moved {
		if m := &moved[i]; m.count != 0 {
			g.key = flowKey(row.day, row.merchant, KindPurchase, ledger.AccountID(m.of), ledger.AccountCode(m.of>>32))
			g.sums = ledger.Sums{FlowCount: m.count, FlowIn: m.in, FlowOut: m.out}
			emit(&g.key, &g.sums)
		}
	}
}
