package rules

import (
	"onecard/ledger/money"
	"onecard/switch/rules/tariff"
)

// Compiled is a version made ready for judging: names are numbers, and each class has its own rows, in the order of the file. A group, and a
// merchant that a row names by itself, is one bit; a row is for a merchant when they share one. So a row is matched by three ANDs, and rows of
// other classes are never read.
type Compiled struct {
	feeFirst, onlyInMeals bool
	meals                 []period
	names                 []Meal
	merchants             []uint64 // by index: the groups it is in
	classes               []classRows
	tariffs               []tariff.Tariff
}

// Tariff finds a price list of metered use by its code.
func (c *Compiled) Tariff(code string) (*tariff.Tariff, bool) {
	for i := range c.tariffs {
		if c.tariffs[i].Code == code {
			return &c.tariffs[i], true
		}
	}
	return nil, false
}

// period is a meal row.
type period struct {
	from, to  uint16
	number    uint8
	weekdays  uint8
	merchants uint64
}

// scope is what of a row's Scope is left when the class is known.
type scope struct {
	merchants uint64 // 0: all
	meals     uint16 // bit 0: outside every meal
	purses    Purses
}

type privilege struct {
	scope
	mode        Mode
	schoolBears bool
	perMeal     uint8
	rate        Rate
	amount      money.Fen
}

type fee struct {
	scope
	rate   Rate
	amount money.Fen
}

type mealLimit struct {
	scope
	count     uint8
	after     After
	surcharge Rate
	amount    money.Fen
}

type debitOrder struct {
	merchants uint64
	order     Order
}

// purseCount is the purses that a terminal can name: none, main, subsidy.
const purseCount = 3

type classRows struct {
	privileges []privilege
	fees       []fee
	mealLimits []mealLimit
	orders     []debitOrder
	limits     [purseCount]Limit
	loadFee    LoadFee
}

// Order is a debit order ready for splitting.
type Order struct {
	Kinds         [MainPurse]PurseKind // 0: the rest are not used
	RefusePartial bool
}

// DefaultOrder is the debit order of handbook 3.4 where no row says otherwise.
func DefaultOrder(refusePartial bool) Order {
	return Order{[MainPurse]PurseKind{PurposeSubsidy, GeneralSubsidy, MainPurse}, refusePartial}
}

type compiler struct {
	tables *Tables
	bits   map[string]uint64 // of a group's or a merchant's name
	meals  map[string]uint16
}

// Compile makes the tables ready for a site. Names that it does not know match nothing. REQUIRES: Check found nothing.
func Compile(t *Tables, d *Directory) *Compiled {
	c := &compiler{tables: t, bits: map[string]uint64{}, meals: map[string]uint16{OutsideMeals: 1}}
	t.eachScope(func(_ string, _ int, s Scope) {
		for _, name := range s.Merchants {
			if _, known := c.bits[name]; !known {
				c.bits[name] = 1 << len(c.bits)
			}
		}
	})
	out := &Compiled{feeFirst: t.FeeFirst, onlyInMeals: t.OnlyInMeals && len(t.Meals) > 0, names: t.Meals, tariffs: t.Tariffs}
	for _, m := range t.Meals {
		c.meals[m.Code] = 1 << m.Number
		out.meals = append(out.meals, period{m.From, m.To % minutesADay, m.Number, everyDay(m.Weekdays), c.mask(m.Merchants)})
	}
	out.merchants = c.merchants(d.Merchants)
	for i := range d.Classes {
		out.classes = append(out.classes, c.class(&d.Classes[i]))
	}
	return out
}

func everyDay(weekdays uint8) uint8 {
	if weekdays == 0 {
		return 0x7F
	}
	return weekdays
}

func (c *compiler) mask(names []string) uint64 {
	var mask uint64
	for _, name := range names {
		mask |= c.bits[name]
	}
	return mask
}

// merchants says which bits each merchant has.
func (c *compiler) merchants(codes []string) []uint64 {
	of := make(map[string]uint64, len(c.bits))
	for _, g := range c.tables.Groups {
		for _, m := range g.Merchants {
			of[m] |= c.bits[g.Name]
		}
	}
	masks := make([]uint64, len(codes))
	for i, code := range codes {
		masks[i] = of[code] | c.bits[code]
	}
	return masks
}

func (c *compiler) scope(s *Scope) scope {
	out := scope{merchants: c.mask(s.Merchants), purses: s.Purses}
	for _, meal := range s.Meals {
		out.meals |= c.meals[meal]
	}
	if len(s.Meals) == 0 {
		out.meals = 1<<16 - 1
	}
	if s.Purses == 0 {
		out.purses = 1<<8 - 1
	}
	return out
}

func named(list []string, name string) bool {
	for _, n := range list {
		if n == name {
			return true
		}
	}
	return len(list) == 0
}

func (c *compiler) class(class *Class) classRows {
	var rows classRows
	for i := range c.tables.Privileges {
		if p := &c.tables.Privileges[i]; named(p.Classes, class.Code) {
			rows.privileges = append(rows.privileges, privilege{c.scope(&p.Scope), p.Mode, p.SchoolBears, p.PerMeal, p.Rate, p.Amount})
		}
	}
	for i := range c.tables.Fees {
		if f := &c.tables.Fees[i]; named(f.Classes, class.Code) {
			rows.fees = append(rows.fees, fee{c.scope(&f.Scope), f.Rate, f.Amount})
		}
	}
	for i := range c.tables.MealLimits {
		if l := &c.tables.MealLimits[i]; named(l.Classes, class.Code) {
			rows.mealLimits = append(rows.mealLimits, mealLimit{c.scope(&l.Scope), l.Count, l.After, l.Surcharge, l.Amount})
		}
	}
	for i := range c.tables.DebitOrders {
		if o := &c.tables.DebitOrders[i]; named(o.Classes, class.Code) {
			order := debitOrder{merchants: c.mask(o.Merchants), order: Order{RefusePartial: o.RefusePartial}}
			copy(order.order.Kinds[:], o.Kinds)
			rows.orders = append(rows.orders, order)
		}
	}
	rows.orders = append(rows.orders, debitOrder{order: DefaultOrder(class.RefusePartial)})
	for purse := range rows.limits {
		rows.limits[purse] = c.limit(class, purse)
	}
	for i := range c.tables.LoadFees {
		if f := &c.tables.LoadFees[i]; named(f.Classes, class.Code) {
			rows.loadFee = LoadFee{Deposit: f.Deposit, Withdrawal: f.Withdrawal}
			break
		}
	}
	return rows
}

func (c *compiler) limit(class *Class, purse int) Limit {
	for i := range c.tables.Limits {
		if l := &c.tables.Limits[i]; named(l.Classes, class.Code) && (l.Purses == 0 || l.Purses&(1<<purse) != 0) {
			return *l
		}
	}
	return class.Limit
}
