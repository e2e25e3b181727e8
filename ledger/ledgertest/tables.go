package ledgertest

import "slices"

// The tables of a version of the rules, read a second time from their canonical bytes (switch/rules/bytes.go), and the version in force at a
// moment. Names stay names here: which rows are for a class at a merchant in a meal is found by comparing them, and remembered until a
// version comes into force or the directory grows.

// The first byte of stored tables: without tariffs of metered uses, and with them at the end.
const (
	tableFormat        = 1
	tableFormatTariffs = 2
)

// modes of a privilege.
const (
	modePercent   = 1
	modeReduction = 2
	modePrice     = 3
)

// rowScope is which swipes a row is for; an empty list is all of them.
type rowScope struct {
	classes, merchants, meals []string
	purses                    byte
}

type mealRow struct {
	number, weekdays byte
	code             string
	from, to         uint32
	merchants        []string
}

type privilegeRow struct {
	rowScope
	mode, perMeal byte
	schoolBears   bool
	rate, amount  int64
}

type feeRow struct {
	rowScope
	rate, amount int64
}

// limits of a class at a purse; 0 is no limit.
type limits struct {
	pinSingle, pinDay, dayAmount, dayCount int64
	resetOnPIN                             bool
}

type limitRow struct {
	classes []string
	purses  byte
	limits
}

type mealLimitRow struct {
	rowScope
	count             byte
	after             byte
	amount, surcharge int64
}

type orderRow struct {
	classes, merchants []string
	order
}

// order is a debit order: kinds of purses, and whether a subsidy that does not cover its part is left alone.
type order struct {
	kinds        []byte
	wholeSubsidy bool
}

type ruleTables struct {
	feeFirst, onlyInMeals bool
	groups                map[string][]string // merchants by group
	meals                 []mealRow
	mealNumbers           map[string]byte
	privileges            []privilegeRow
	fees                  []feeRow
	limits                []limitRow
	mealLimits            []mealLimitRow
	orders                []orderRow
}

func each(r *reader, read func()) {
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		read()
	}
}

func (r *reader) texts() (list []string) {
	each(r, func() { list = append(list, string(r.text())) })
	return list
}

func (r *reader) rowScope() rowScope {
	return rowScope{classes: r.texts(), merchants: r.texts(), meals: r.texts(), purses: r.byte()}
}

// readTables reads the stored form to its end.
func readTables(src []byte) (*ruleTables, bool) {
	r := &reader{b: src}
	t := &ruleTables{groups: map[string][]string{}, mealNumbers: map[string]byte{}}
	format := r.byte()
	r.bad = format != tableFormat && format != tableFormatTariffs
	r.text() // title
	flags := r.byte()
	t.feeFirst, t.onlyInMeals = flags&1 != 0, flags&2 != 0
	each(r, func() {
		name := string(r.text())
		t.groups[name] = append(t.groups[name], r.texts()...)
	})
	each(r, func() {
		m := mealRow{number: r.byte(), code: string(r.text())}
		r.text()
		r.text()
		m.from, m.to, m.weekdays, m.merchants = r.u32(), r.u32(), r.byte(), r.texts()
		t.meals, t.mealNumbers[m.code] = append(t.meals, m), m.number
	})
	each(r, func() {
		p := privilegeRow{rowScope: r.rowScope(), mode: r.byte(), rate: r.fen(), amount: r.fen()}
		p.schoolBears, p.perMeal = r.byte() == 1, r.byte()
		t.privileges = append(t.privileges, p)
	})
	each(r, func() { t.fees = append(t.fees, feeRow{r.rowScope(), r.fen(), r.fen()}) })
	each(r, func() { r.texts(); r.uvarint(); r.uvarint() }) // fees of loads
	each(r, func() {
		l := limitRow{classes: r.texts(), purses: r.byte()}
		l.pinSingle, l.pinDay, l.resetOnPIN, l.dayAmount, l.dayCount = r.fen(), r.fen(), r.byte() == 1, r.fen(), r.fen()
		r.uvarint() // purse cap
		r.uvarint() // one load
		r.uvarint() // loads of a day
		t.limits = append(t.limits, l)
	})
	each(r, func() {
		l := mealLimitRow{rowScope: r.rowScope(), count: r.byte(), amount: r.fen(), after: r.byte(), surcharge: r.fen()}
		t.mealLimits = append(t.mealLimits, l)
	})
	each(r, func() {
		o := orderRow{classes: r.texts(), merchants: r.texts()}
		each(r, func() { o.kinds = append(o.kinds, r.byte()) })
		o.wholeSubsidy = r.byte() == 1
		t.orders = append(t.orders, o)
	})
	if format == tableFormatTariffs {
		each(r, r.tariff)
	}
	return t, r.done()
}

// tariff passes over a price list of metered use.
func (r *reader) tariff() {
	r.text()                                     // code
	r.byte()                                     // what the price is for
	r.uvarint()                                  // price
	each(r, func() { r.uvarint(); r.uvarint() }) // steps
	r.uvarint()                                  // billing unit
	r.uvarint()                                  // minimum
	r.uvarint()                                  // most
	r.byte()                                     // rounding
}

// atMerchant says whether a list names a merchant, by code or by a group that it is in.
func (t *ruleTables) atMerchant(list []string, code string) bool {
	for _, name := range list {
		if name == code || slices.Contains(t.groups[name], code) {
			return true
		}
	}
	return len(list) == 0
}

func forClass(list []string, class string) bool {
	return len(list) == 0 || slices.Contains(list, class)
}

// inMeal says whether a list names a meal; "outside" is what is sold outside every meal.
func (t *ruleTables) inMeal(list []string, meal byte) bool {
	for _, name := range list {
		if number, known := t.mealNumbers[name]; known && number == meal || name == "outside" && meal == 0 {
			return true
		}
	}
	return len(list) == 0
}

// covers says whether a row is for a swipe.
func (t *ruleTables) covers(s *rowScope, class, merchant string, meal, purse byte) bool {
	return forClass(s.classes, class) && t.atMerchant(s.merchants, merchant) && t.inMeal(s.meals, meal) && (s.purses == 0 || s.purses&(1<<purse) != 0)
}

// ruling is what the tables hold for a class at a merchant in a meal with one purse named: the first rows that match.
type ruling struct {
	privileges []privilegeRow // those that may apply, in the order of the tables
	fee        *feeRow
	mealLimit  *mealLimitRow
	limits     limits
	order      order
}

// version is one publication of rules.
type version struct {
	effective int64
	tables    *ruleTables
}

// rulebook is what has been published, and what is in force.
type rulebook struct {
	versions []version
	inForce  uint64
	from     int64 // the version is in force from then
	until    int64 // and until then; 0: to be looked up
	tables   *ruleTables
	rulings  map[uint64]*ruling
	meals    map[uint32][]mealRow // by merchant
}

// forget makes the book look everything up again: a version or a row of the directory has come.
func (b *rulebook) forget() { b.until = 0 }

// rulesAt finds the version in force at the entry's time: the one whose time came last, and of those with the same time the one published last.
func (a *Auditor) rulesAt() {
	b, now := &a.rulebook, a.entry.time
	if now < b.until && now >= b.from {
		return
	}
	b.inForce, b.from, b.until, b.tables = 0, 0, 1<<63-1, &ruleTables{}
	b.rulings, b.meals = map[uint64]*ruling{}, map[uint32][]mealRow{}
	for i := range b.versions {
		switch v := &b.versions[i]; {
		case v.effective > now:
			b.until = min(b.until, v.effective)
		case v.effective >= b.from:
			b.inForce, b.from, b.tables = uint64(i)+1, v.effective, v.tables
		}
	}
}

// rulingFor finds the rows for a swipe.
func (a *Auditor) rulingFor(class byte, merchant uint32, meal, purse byte) *ruling {
	key := uint64(merchant)<<16 | uint64(class)<<8 | uint64(meal&15)<<4 | uint64(purse&15)
	r := a.rulebook.rulings[key]
	if r == nil {
		r = a.newRuling(class, merchant, meal, purse)
		a.rulebook.rulings[key] = r
	}
	return r
}

func (a *Auditor) newRuling(class byte, merchant uint32, meal, purse byte) *ruling {
	t, row, code := a.rulebook.tables, a.campus.class(class), string(a.campus.merchants[merchant].code[:])
	r := &ruling{limits: row.limits, order: order{[]byte{purposeSubsidy, generalSubsidy, mainPurse}, row.wholeSubsidy}}
	for _, p := range t.privileges {
		if t.covers(&p.rowScope, row.code, code, meal, purse) {
			r.privileges = append(r.privileges, p)
		}
	}
	for i := range t.fees {
		if r.fee == nil && t.covers(&t.fees[i].rowScope, row.code, code, meal, purse) {
			r.fee = &t.fees[i]
		}
	}
	for i := range t.mealLimits {
		if r.mealLimit == nil && t.covers(&t.mealLimits[i].rowScope, row.code, code, meal, purse) {
			r.mealLimit = &t.mealLimits[i]
		}
	}
	for _, l := range t.limits {
		if forClass(l.classes, row.code) && (l.purses == 0 || l.purses&(1<<min(purse, 2)) != 0) {
			r.limits = l.limits
			break
		}
	}
	for _, o := range t.orders {
		if forClass(o.classes, row.code) && t.atMerchant(o.merchants, code) {
			r.order = o.order
			break
		}
	}
	switch purse {
	case 1:
		r.order = order{kinds: []byte{mainPurse}}
	case 2:
		r.order = order{kinds: []byte{purposeSubsidy, generalSubsidy}}
	}
	return r
}

// mealAt finds the meal of a merchant at a minute of a day, and the day on which it began; meal 0 is outside every one.
func (a *Auditor) mealAt(merchant uint32, day, minute uint32) (meal byte, began uint32) {
	if len(a.rulebook.tables.meals) == 0 {
		return 0, day
	}
	rows, known := a.rulebook.meals[merchant]
	if !known {
		for _, m := range a.rulebook.tables.meals {
			if a.rulebook.tables.atMerchant(m.merchants, string(a.campus.merchants[merchant].code[:])) {
				rows = append(rows, m)
			}
		}
		a.rulebook.meals[merchant] = rows
	}
	const midnight = 24 * 60
	for i := range rows {
		m := &rows[i]
		to := m.to
		if to <= m.from {
			to += midnight
		}
		if m.on(day) && minute >= m.from && minute < to {
			return m.number, day
		}
		if late := minute + midnight; m.on(day-1) && late >= m.from && late < to {
			return m.number, day - 1
		}
	}
	return 0, day
}

// on says whether a meal is held on a date: bit 0 is Monday, and 1970 began on a Thursday.
func (m *mealRow) on(day uint32) bool { return m.weekdays == 0 || m.weekdays&(1<<((day+3)%7)) != 0 }
