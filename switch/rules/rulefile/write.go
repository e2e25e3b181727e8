package rulefile

import (
	"fmt"
	"strconv"
	"strings"

	"onecard/ledger/money"
	"onecard/switch/rules"
	"onecard/switch/rules/tariff"
)

// Write prints tables as a file that Read reads back as the same tables: what was published can be looked at, changed and published again.
// Comments are not kept, for the ledger has none.
func Write(t *rules.Tables) []byte {
	w := &writer{}
	if t.Title != "" {
		fmt.Fprintf(&w.b, "title: %s\n", quoted(t.Title))
	}
	fmt.Fprintf(&w.b, "discount_and_fee: %s\n", pick(t.FeeFirst, "fee_first", "discount_first"))
	fmt.Fprintf(&w.b, "outside_meal_hours: %s\n", pick(t.OnlyInMeals, "refuse", "sell"))
	table(w, "groups", t.Groups, func(g *rules.Group) { w.word("name", g.Name); w.words("merchants", g.Merchants) })
	table(w, "meals", t.Meals, func(m *rules.Meal) {
		w.count("number", uint64(m.Number))
		w.word("code", m.Code)
		w.word("zh", m.Chinese)
		w.word("en", m.English)
		w.word("from", clock(m.From))
		w.word("to", clock(m.To))
		w.words("weekdays", weekdays(m.Weekdays))
		w.words("merchants", m.Merchants)
	})
	table(w, "privileges", t.Privileges, w.privilege)
	table(w, "fees", t.Fees, func(f *rules.Fee) { w.scope(&f.Scope); w.rate("rate", f.Rate); w.amount("amount", f.Amount) })
	table(w, "load_fees", t.LoadFees, func(f *rules.LoadFee) {
		w.words("classes", f.Classes)
		w.rate("deposit", f.Deposit)
		w.rate("withdrawal", f.Withdrawal)
	})
	table(w, "limits", t.Limits, w.limit)
	table(w, "meal_limits", t.MealLimits, func(l *rules.MealLimit) {
		w.scope(&l.Scope)
		w.count("count", uint64(l.Count))
		w.amount("amount", l.Amount)
		w.field("after", []string{"refuse", "normal", "surcharge"}[l.After])
		w.rate("surcharge", l.Surcharge)
	})
	table(w, "debit_order", t.DebitOrders, func(o *rules.DebitOrder) {
		w.words("classes", o.Classes)
		w.words("merchants", o.Merchants)
		var order []string
		for _, kind := range o.Kinds {
			order = append(order, []string{"", "purpose", "subsidy", "main"}[kind])
		}
		w.words("order", order)
		w.field("partial_subsidy", strconv.FormatBool(!o.RefusePartial))
	})
	table(w, "tariffs", t.Tariffs, w.tariff)
	return []byte(w.b.String())
}

func (w *writer) tariff(t *tariff.Tariff) {
	w.word("code", t.Code)
	w.word("per", t.Per.String())
	w.word("price", t.Price.String())
	if len(t.Steps) > 0 {
		steps := make([]string, len(t.Steps))
		for i, s := range t.Steps {
			steps[i] = fmt.Sprintf("{above: %d, price: %q}", s.Above, s.Price)
		}
		w.field("steps", "["+strings.Join(steps, ", ")+"]")
	}
	w.count("bill", t.Bill)
	w.count("minimum", t.Minimum)
	w.amount("most", t.Most)
	w.field("rounding", roundings[t.Rounding])
}

// writer prints a row as one line.
type writer struct {
	b      strings.Builder
	fields []string
}

func table[T any](w *writer, name string, rows []T, write func(*T)) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(&w.b, "%s:\n", name)
	for i := range rows {
		w.fields = w.fields[:0]
		write(&rows[i])
		fmt.Fprintf(&w.b, "  - {%s}\n", strings.Join(w.fields, ", "))
	}
}

func (w *writer) field(key, value string) { w.fields = append(w.fields, key+": "+value) }

func (w *writer) word(key, value string) { w.field(key, quoted(value)) }

func (w *writer) words(key string, list []string) {
	if len(list) == 0 {
		return
	}
	quotes := make([]string, len(list))
	for i := range list {
		quotes[i] = quoted(list[i])
	}
	w.field(key, "["+strings.Join(quotes, ", ")+"]")
}

func (w *writer) count(key string, n uint64) {
	if n != 0 {
		w.field(key, strconv.FormatUint(n, 10))
	}
}

func (w *writer) amount(key string, a money.Fen) {
	if a != 0 {
		w.field(key, `"`+a.String()+`"`)
	}
}

func (w *writer) rate(key string, r rules.Rate) {
	if r != 0 {
		w.field(key, r.String())
	}
}

func (w *writer) scope(s *rules.Scope) {
	w.words("classes", s.Classes)
	w.words("merchants", s.Merchants)
	w.words("meals", s.Meals)
	w.purses(s.Purses)
}

func (w *writer) purses(p rules.Purses) {
	var names []string
	for i, name := range purseNames {
		if p&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	w.words("purses", names)
}

func (w *writer) privilege(p *rules.Privilege) {
	w.scope(&p.Scope)
	switch p.Mode {
	case rules.ModeNone:
		w.field("discount", "none")
		return
	case rules.ModePercent:
		w.rate("discount", p.Rate)
	case rules.ModeReduction:
		w.amount("reduction", p.Amount)
	case rules.ModePrice:
		w.amount("price", p.Amount)
	}
	w.field("borne_by", pick(p.SchoolBears, "school", "merchant"))
	w.count("per_meal", uint64(p.PerMeal))
}

func (w *writer) limit(l *rules.Limit) {
	w.words("classes", l.Classes)
	w.purses(l.Purses)
	w.amount("pin_single", l.PINSingle)
	w.amount("pin_day", l.PINDay)
	if l.ResetOnPIN {
		w.field("reset_cumulative_on_pin", "true")
	}
	w.amount("day_amount", l.DayAmount)
	w.count("day_count", uint64(l.DayCount))
	w.amount("purse_cap", l.PurseCap)
	w.amount("load_single", l.LoadSingle)
	w.amount("load_day", l.LoadDay)
}

func pick(set bool, yes, no string) string {
	if set {
		return yes
	}
	return no
}

// quoted is a text in YAML's double quotes, which are JSON's.
func quoted(s string) string { return strconv.Quote(s) }

func clock(minute uint16) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }

func weekdays(set uint8) (names []string) {
	for i, name := range weekdayNames {
		if set&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}
