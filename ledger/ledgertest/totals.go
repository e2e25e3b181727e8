package ledgertest

import (
	"encoding/binary"
	"time"
)

// Totals, counted a second time: the cells documented in switch/transaction/totals.go, from the entries alone. The cells of a day are counted
// as they come; their months, merchants and the site are added up at the end.

// Cell is the key of a total and Sums are what it counts.
type (
	Cell [16]byte
	Sums [16]int64
)

// Places of a cell of sales, and of one of flows.
const (
	saleCount, saleList, saleByMerchant, saleBySchool, saleFee = 0, 1, 2, 3, 4
	saleMain, saleSubsidy, saleWater, saleElectronic           = 5, 6, 7, 8
	saleTickets, saleReversals, saleReversed                   = 9, 10, 11
	saleRefunds, saleRefunded, saleLate, saleLateGross         = 12, 13, 14, 15

	flowCount, flowIn, flowOut = 0, 1, 2
)

// sold is what totals need of a sale.
type sold struct {
	terminal    uint32
	meal, class byte
	list        int64
	discount    int64
	fee         int64
	bySchool    bool
}

// totals are the cells of days, and which of a merchant's accounts in other sets go with which.
type totals struct {
	days   map[Cell]*Sums
	owed   map[uint32]uint32
	recent [1 << recentBits]struct { // of days: an entry moves five cells, and nearly always some that were moved a moment ago
		key  Cell
		sums *Sums
	}
	sums Sums // of the sale on the table
}

const recentBits = 12

// of returns the sums of a cell.
func (t *totals) of(key Cell) *Sums {
	const spread = 0x9E3779B97F4A7C15
	near := &t.recent[(binary.LittleEndian.Uint64(key[:])*spread^binary.LittleEndian.Uint64(key[8:]))*spread>>(64-recentBits)]
	if near.sums != nil && near.key == key {
		return near.sums
	}
	cell := t.days[key]
	if cell == nil {
		cell = new(Sums)
		t.days[key] = cell
	}
	near.key, near.sums = key, cell
	return cell
}

func (t *totals) add(key Cell, sums *Sums) {
	cell := t.of(key)
	for i, sum := range sums {
		cell[i] += sum
	}
}

func cellOf(space, unit byte, period, account, second uint32, meal, class byte) Cell {
	c := Cell{0: space, 1: unit, 14: meal, 15: class}
	binary.BigEndian.PutUint32(c[2:], period)
	binary.BigEndian.PutUint32(c[6:], account)
	binary.BigEndian.PutUint32(c[10:], second)
	return c
}

func isPurse(code uint16) bool { return code >= 2001 && code < 2101 }

// readSold reads of the payload of a reversal where the purchase was sold, and to whom.
func readSold(e *entry) (s sold, ok bool) {
	r := reader{b: e.payload}
	flags := r.byte()
	r.take(2) // reason, purse and direction
	s.terminal = r.u32()
	r.uvarint()
	r.uvarint()
	if flags&flagCard != 0 {
		r.uvarint()
	} else {
		r.take(8)
	}
	r.fen()
	if flags&flagCode != 0 {
		r.take(2)
	}
	if flags&flagBalance != 0 {
		r.varint()
	}
	if flags&flagNumbers != 0 {
		for range 3 {
			r.varint()
		}
	}
	if flags&flagParts != 0 {
		r.fen()
		r.fen()
	}
	if flags&flagPriced != 0 {
		s.class, s.meal = r.byte(), r.byte()
	}
	return s, !r.bad
}

// owedOn is the account of set 0 on which a merchant is owed by an account of his; 0 of another account.
func (a *Auditor) owedOn(id uint32) uint32 {
	switch {
	case !a.known(id) || a.accounts[id].code != payable:
		return 0
	case a.accounts[id].set != 0:
		return a.totals.owed[id]
	}
	return id
}

// countPurchase adds a purchase to the totals of its day.
func (a *Auditor) countPurchase(q *request) {
	if q.reason == reasonNone {
		a.countMoved(&sold{
			terminal: q.terminal, meal: q.price.meal, class: q.price.class, list: q.price.list, discount: q.price.discount, fee: q.price.fee, bySchool: q.price.how&1 != 0,
		})
	}
}

// count adds any other entry.
func (a *Auditor) count() {
	e := &a.entry
	if e.kind == kindDirectory && len(e.payload) > 16 && e.payload[0] == rowTerms {
		if i, ok := a.campus.merchantByCode[[15]byte(e.payload[1:16])]; ok {
			for n := range e.opens {
				a.totals.owed[uint32(len(a.accounts)-len(e.opens)+n)] = a.campus.merchants[i].payable
			}
		}
	}
	a.countMoved(new(sold))
}

// countMoved adds what the entry moves, and the sale if it is one.
func (a *Auditor) countMoved(s *sold) {
	e := &a.entry
	var merchant uint32
	var owed int64
	for _, l := range e.legs {
		if m := a.owedOn(l.account); m != 0 && (merchant == 0 || m == merchant) {
			if merchant = m; m == l.account {
				owed += l.amount
			}
		}
	}
	if sums, ok := a.sale(s, merchant, owed); ok {
		if merchant == 0 && s.terminal > 0 && int(s.terminal) <= len(a.campus.terminals) {
			a.countSale(s, a.campus.merchants[a.campus.terminals[s.terminal-1].merchant].payable, sums)
		} else {
			a.countSale(s, merchant, sums)
		}
	}
	a.countFlows(merchant)
}

func (a *Auditor) countSale(s *sold, merchant uint32, sums *Sums) {
	a.totals.add(cellOf('T', 'd', a.entry.day, merchant, s.terminal, s.meal, 0), sums)
	a.totals.add(cellOf('C', 'd', a.entry.day, merchant, 0, s.meal, s.class), sums)
}

// sale says what a sale adds, or one that is taken back.
func (a *Auditor) sale(s *sold, merchant uint32, owed int64) (*Sums, bool) {
	e := &a.entry
	sums := &a.totals.sums
	*sums = Sums{}
	switch e.kind {
	case kindPurchase:
		sums[saleCount], sums[saleList], sums[saleFee] = 1, s.list, s.fee
		if sums[saleByMerchant] = s.discount; s.bySchool {
			sums[saleByMerchant], sums[saleBySchool] = 0, s.discount
		}
	case kindReversal:
		if owed >= 0 {
			return nil, false
		}
		var ok bool
		*s, ok = readSold(e)
		sums[saleReversals], sums[saleReversed] = 1, -owed
		return sums, ok
	case kindDeduction, kindHoldSettled, kindRefund, kindOfflineSale, kindMeterSettled, kindCountSale:
		r := reader{b: e.payload}
		s.terminal = uint32(r.operation().terminal)
		if merchant == 0 || r.bad {
			return nil, false
		}
		if e.kind == kindRefund {
			sums[saleRefunds], sums[saleRefunded] = 1, -owed
			return sums, true
		}
		sums[saleCount], sums[saleList] = 1, owed
		if e.kind == kindOfflineSale {
			sums[saleLate], sums[saleLateGross] = 1, owed
		}
	default:
		return nil, false
	}
	for _, l := range e.legs {
		if code := a.codeOf(l.account); code >= 2001 && code <= 2005 && l.amount < 0 {
			sums[saleMain+int(code-2001)] -= l.amount // main, subsidy, water, electronic, tickets
		}
	}
	return sums, true
}

func (a *Auditor) codeOf(id uint32) uint16 {
	if !a.known(id) {
		return 0
	}
	return a.accounts[id].code
}

func (a *Auditor) countFlows(merchant uint32) {
	e := &a.entry
	for _, l := range e.legs {
		key := cellOf('A', 'd', e.day, l.account, 0, 0, 0)
		if code := a.codeOf(l.account); isPurse(code) {
			key = cellOf('F', 'd', e.day, merchant, uint32(e.kind)<<16|uint32(code), 0, 0)
		}
		cell := a.totals.of(key)
		cell[flowCount]++
		cell[flowIn] += max(l.amount, 0)
		cell[flowOut] += max(-l.amount, 0)
	}
}

// Totals adds up all cells: those of days, months, merchants and the site.
func (a *Auditor) Totals() map[Cell]*Sums {
	all := totals{days: make(map[Cell]*Sums, 3*len(a.totals.days))}
	for day, sums := range a.totals.days {
		month := day
		month[1] = 'm'
		date := time.Unix(int64(binary.BigEndian.Uint32(day[2:]))*86_400, 0).UTC()
		binary.BigEndian.PutUint32(month[2:], uint32(date.Year()*12+int(date.Month())-1))
		for _, key := range [...]Cell{day, month} {
			all.add(key, sums)
			period, account, second := binary.BigEndian.Uint32(key[2:]), binary.BigEndian.Uint32(key[6:]), binary.BigEndian.Uint32(key[10:])
			switch key[0] {
			case 'C':
				all.add(cellOf('C', key[1], period, 0, 0, key[14], key[15]), sums)
				all.add(cellOf('M', key[1], period, account, 0, 0, 0), sums)
				all.add(cellOf('M', key[1], period, 0, 0, 0, 0), sums)
			case 'F':
				if account != 0 {
					all.add(cellOf('F', key[1], period, 0, second, 0, 0), sums)
				}
			}
		}
	}
	return all.days
}
