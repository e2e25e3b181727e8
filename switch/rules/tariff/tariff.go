package tariff

import (
	"sort"

	"onecard/ledger/money"
)

// Bounds of what can be priced: a reading times a price has 59 bits.
const (
	MaxReading uint64   = 1 << 32 // 4,294 tonnes, 4.2 GWh, 136 years
	MaxPrice   Millifen = 100_000_000
	MaxSteps            = 16
)

// Tariff is a price list for one kind of metered use.
type Tariff struct {
	Code     string // what operations and terminals name
	Per      Unit
	Price    Millifen // of one Per, up to the first step
	Steps    []Step   // ascending
	Bill     uint64   // billing unit (计费单位) in the smallest unit: a begun one is charged whole, a bought one is given whole. 0: exact
	Minimum  uint64   // the least reading that is charged, in the smallest unit
	Most     money.Fen
	Rounding Rounding
}

// Step is another price from some use on.
type Step struct {
	Above uint32 // whole units of Per
	Price Millifen
}

// Charge is what a reading comes to.
type Charge struct {
	Charged     uint64   // of the reading: at least the minimum, without what is free, whole billing units
	Accumulated Millifen // before rounding; a fraction of a thousandth of a fen is not shown
	Amount      money.Fen
}

// Charge prices a reading of which some is free. What is above MaxReading is charged as that. REQUIRES: Check found nothing.
func (t *Tariff) Charge(reading, free uint64) Charge {
	n := max(min(reading, MaxReading), t.Minimum)
	n -= min(free, n)
	if t.Bill > 1 {
		n = (n + t.Bill - 1) / t.Bill * t.Bill
	}
	exact := t.exact(n)
	c := Charge{Charged: n, Accumulated: Millifen(exact / t.Per.Size()), Amount: t.Rounding.fen(exact, t.Per.Size())}
	if t.Most > 0 {
		c.Amount = min(c.Amount, t.Most)
	}
	return c
}

// exact is the price of n smallest units, times the size of the unit that the price is for: no division, no rounding.
func (t *Tariff) exact(n uint64) (sum uint64) {
	for i := len(t.Steps) - 1; i >= 0; i-- {
		if from := uint64(t.Steps[i].Above) * t.Per.Size(); n > from {
			sum += (n - from) * uint64(t.Steps[i].Price)
			n = from
		}
	}
	return sum + n*uint64(t.Price)
}

// Gives is the most that an amount pays for, in the smallest unit and in whole billing units: where the valve closes, or what is bought. It
// rounds down whatever the tariff's rounding. A price of nothing gives MaxReading. REQUIRES: Check found nothing, 0 <= amount.
func (t *Tariff) Gives(amount money.Fen) uint64 {
	const affordable = money.Fen(1) << 33 // 86 million yuan, so that the product has 63 bits
	funds := uint64(min(amount, affordable)) * millifenPerFen * t.Per.Size()
	n := uint64(sort.Search(int(MaxReading), func(n int) bool { return t.exact(uint64(n)+1) > funds }))
	if t.Bill > 1 {
		n -= n % t.Bill
	}
	return n
}

// Fine adds up what several late things owe, each charged and capped by itself (handbook 3.9, library).
func (t *Tariff) Fine(late []uint64) (sum money.Fen) {
	for _, reading := range late {
		sum += t.Charge(reading, 0).Amount
	}
	return sum
}

// Blocks says whether a debt stops its holder from borrowing: it does when it reaches the limit.
func Blocks(debt, limit money.Fen) bool { return debt >= limit }
