// Package rulestest draws rules for property tests: any tables that a site could publish, over the classes and merchants that the test has.
//
// The one idea: what holds for rules must hold for all of them, so the same tables are drawn for the rules themselves, for the switch that
// sells by them and for the what-if. It draws no swipes: each test has its own.
package rulestest

import (
	"pgregory.net/rapid"

	"onecard/ledger/money"
	"onecard/switch/rules"
	"onecard/switch/rules/tariff"
)

// drawer draws rows.
type drawer struct{ classes, places, meals *rapid.Generator[[]string] }

// Tables draws tables that Check finds nothing wrong with. There are a group "all" of all merchants but the last, lunch, and a night snack over
// midnight.
func Tables(t *rapid.T, classes, merchants []string) *rules.Tables {
	d := drawer{some(classes...), some(append([]string{"all"}, merchants...)...), some("lunch", "night", rules.OutsideMeals)}
	tables := &rules.Tables{
		FeeFirst: rapid.Bool().Draw(t, "fee first"), OnlyInMeals: rapid.IntRange(0, 3).Draw(t, "only in meals") == 0,
		Groups: []rules.Group{{Name: "all", Merchants: merchants[:len(merchants)-1]}},
		Meals: []rules.Meal{
			{Number: 2, Code: "lunch", Chinese: "午餐", English: "lunch", From: 600, To: 840},
			{Number: 7, Code: "night", Chinese: "夜宵", English: "night", From: 1300, To: 60, Weekdays: 0x1F, Merchants: d.places.Draw(t, "where")},
		},
	}
	tables.Privileges = rapid.SliceOfN(rapid.Custom(d.privilege), 0, 4).Draw(t, "privileges")
	tables.Fees = rapid.SliceOfN(rapid.Custom(d.fee), 0, 3).Draw(t, "fees")
	tables.Limits = rapid.SliceOfN(rapid.Custom(d.limit), 0, 3).Draw(t, "limits")
	tables.MealLimits = rapid.SliceOfN(rapid.Custom(d.mealLimit), 0, 3).Draw(t, "meal limits")
	tables.DebitOrders = rapid.SliceOfN(rapid.Custom(d.debitOrder), 0, 2).Draw(t, "orders")
	for i := range rapid.IntRange(0, 2).Draw(t, "tariffs") {
		tables.Tariffs = append(tables.Tariffs, metered(t, []string{"water", "power"}[i]))
	}
	return tables
}

func metered(t *rapid.T, code string) tariff.Tariff {
	number := func(name string, most int) uint64 { return uint64(rapid.IntRange(0, most).Draw(t, name)) }
	price := func() tariff.Millifen { return tariff.Millifen(number("price", int(tariff.MaxPrice))) }
	m := tariff.Tariff{
		Code: code, Per: tariff.Unit(1 + number("per", 6)), Price: price(), Bill: number("bill", 1000), Minimum: number("minimum", 1000),
		Most: money.Fen(number("most", 10_000)), Rounding: tariff.Rounding(number("rounding", 2)),
	}
	for i := range number("steps", 3) {
		m.Steps = append(m.Steps, tariff.Step{Above: uint32(1 + 10*i + number("above", 9)), Price: price()})
	}
	return m
}

// some draws no name, which is all, or one.
func some(names ...string) *rapid.Generator[[]string] {
	return rapid.Custom(func(t *rapid.T) []string {
		if !rapid.Bool().Draw(t, "named") {
			return nil
		}
		return []string{rapid.SampledFrom(names).Draw(t, "name")}
	})
}

func fen(t *rapid.T, from, to int) money.Fen {
	return money.Fen(rapid.IntRange(from, to).Draw(t, "fen"))
}

func rate(t *rapid.T) rules.Rate {
	return rules.Rate(rapid.IntRange(1, int(rules.Whole)).Draw(t, "rate"))
}

func purses(t *rapid.T) rules.Purses { return rules.Purses(rapid.IntRange(0, 7).Draw(t, "purses")) }

func (d drawer) scope(t *rapid.T) rules.Scope {
	return rules.Scope{Classes: d.classes.Draw(t, "classes"), Merchants: d.places.Draw(t, "merchants"), Meals: d.meals.Draw(t, "meals"), Purses: purses(t)}
}

func (d drawer) privilege(t *rapid.T) rules.Privilege {
	p := rules.Privilege{Scope: d.scope(t), Mode: rules.Mode(rapid.IntRange(0, 3).Draw(t, "mode"))}
	switch p.Mode {
	case rules.ModeNone:
		return p
	case rules.ModePercent:
		p.Rate = rate(t)
	default:
		p.Amount = fen(t, 1, 3000)
	}
	p.SchoolBears, p.PerMeal = rapid.Bool().Draw(t, "school"), uint8(rapid.IntRange(0, 2).Draw(t, "per meal"))
	return p
}

func (d drawer) fee(t *rapid.T) rules.Fee {
	if rapid.Bool().Draw(t, "share") {
		return rules.Fee{Scope: d.scope(t), Rate: rate(t)}
	}
	return rules.Fee{Scope: d.scope(t), Amount: fen(t, 1, 300)}
}

func (d drawer) limit(t *rapid.T) rules.Limit {
	return rules.Limit{
		Classes: d.classes.Draw(t, "classes"), Purses: purses(t), PINSingle: fen(t, 0, 4000), PINDay: fen(t, 0, 8000),
		ResetOnPIN: rapid.Bool().Draw(t, "reset"), DayAmount: 4 * fen(t, 0, 4000), DayCount: uint32(rapid.IntRange(0, 6).Draw(t, "count")), PurseCap: fen(t, 0, 100_000),
	}
}

func (d drawer) mealLimit(t *rapid.T) rules.MealLimit {
	l := rules.MealLimit{Scope: d.scope(t), Count: uint8(rapid.IntRange(0, 3).Draw(t, "count")), Amount: fen(t, 0, 4000), After: rules.After(rapid.IntRange(0, 2).Draw(t, "after"))}
	if l.After == rules.AfterSurcharge {
		l.Surcharge = rate(t)
	}
	return l
}

func (d drawer) debitOrder(t *rapid.T) rules.DebitOrder {
	kinds := rapid.Permutation([]rules.PurseKind{rules.PurposeSubsidy, rules.GeneralSubsidy, rules.MainPurse}).Draw(t, "kinds")
	return rules.DebitOrder{
		Classes: d.classes.Draw(t, "classes"), Merchants: d.places.Draw(t, "merchants"), Kinds: kinds[:rapid.IntRange(1, 3).Draw(t, "n")],
		RefusePartial: rapid.Bool().Draw(t, "partial"),
	}
}
