package rulefile

import (
	"github.com/goccy/go-yaml/ast"

	"onecard/switch/rules"
	"onecard/switch/rules/tariff"
)

type keys = map[string]func(node)

// tables reads the whole file.
func (r *reader) tables(n node, t *rules.Tables) {
	r.mapping(n, keys{
		"title":              r.textInto(&t.Title),
		"discount_and_fee":   choiceInto(r, &t.FeeFirst, []string{"discount_first", "fee_first"}, []bool{false, true}),
		"outside_meal_hours": choiceInto(r, &t.OnlyInMeals, []string{"sell", "refuse"}, []bool{false, true}),
		"groups":             rowsOf(r, "groups", &t.Groups, r.group),
		"meals":              rowsOf(r, "meals", &t.Meals, r.meal),
		"privileges":         rowsOf(r, "privileges", &t.Privileges, r.privilege),
		"fees":               rowsOf(r, "fees", &t.Fees, r.fee),
		"load_fees":          rowsOf(r, "load_fees", &t.LoadFees, r.loadFee),
		"limits":             rowsOf(r, "limits", &t.Limits, r.limit),
		"meal_limits":        rowsOf(r, "meal_limits", &t.MealLimits, r.mealLimit),
		"debit_order":        rowsOf(r, "debit_order", &t.DebitOrders, r.debitOrder),
		"tariffs":            rowsOf(r, "tariffs", &t.Tariffs, r.tariff),
	})
}

func (r *reader) group(_ node, g *rules.Group) keys {
	return keys{"name": r.textInto(&g.Name), "merchants": r.textsInto(&g.Merchants)}
}

func (r *reader) meal(_ node, m *rules.Meal) keys {
	return keys{
		"number": countInto(r, 15, &m.Number), "code": r.textInto(&m.Code), "zh": r.textInto(&m.Chinese), "en": r.textInto(&m.English),
		"from": r.minuteInto(&m.From), "to": r.minuteInto(&m.To), "weekdays": r.weekdaysInto(&m.Weekdays), "merchants": r.textsInto(&m.Merchants),
	}
}

func (r *reader) scope(s *rules.Scope, more keys) keys {
	more["classes"], more["merchants"] = r.textsInto(&s.Classes), r.textsInto(&s.Merchants)
	more["meals"], more["purses"] = r.textsInto(&s.Meals), r.pursesInto(&s.Purses)
	return more
}

func (r *reader) privilege(_ node, p *rules.Privilege) keys {
	given := "" // the one mode that a row has
	mode := func(name string, m rules.Mode, read func(node)) func(node) {
		return func(n node) {
			if given != "" {
				r.fault(n.Node, n.path, "一行只能有一种优惠,已有 %s / a row has one privilege, this one has %[1]s already", given)
				return
			}
			given, p.Mode = name, m
			read(n)
		}
	}
	percent := mode("discount", rules.ModePercent, r.rateInto(&p.Rate))
	return r.scope(&p.Scope, keys{
		"discount": func(n node) {
			if n.GetToken().Value == "none" {
				mode("discount", rules.ModeNone, func(node) {})(n)
				return
			}
			percent(n)
		},
		"reduction": mode("reduction", rules.ModeReduction, r.amountInto(&p.Amount)),
		"price":     mode("price", rules.ModePrice, r.amountInto(&p.Amount)),
		"borne_by":  choiceInto(r, &p.SchoolBears, []string{"merchant", "school"}, []bool{false, true}),
		"per_meal":  countInto(r, 250, &p.PerMeal),
		endOfRow: func(row node) {
			if given == "" {
				r.fault(row.Node, row.path, "缺优惠:写 discount、reduction 或 price / the privilege is missing: write discount, reduction or price")
			}
		},
	})
}

func (r *reader) fee(_ node, f *rules.Fee) keys {
	return r.scope(&f.Scope, keys{"rate": r.rateInto(&f.Rate), "amount": r.amountInto(&f.Amount)})
}

func (r *reader) loadFee(_ node, f *rules.LoadFee) keys {
	return keys{"classes": r.textsInto(&f.Classes), "deposit": r.rateInto(&f.Deposit), "withdrawal": r.rateInto(&f.Withdrawal)}
}

func (r *reader) limit(_ node, l *rules.Limit) keys {
	return keys{
		"classes": r.textsInto(&l.Classes), "purses": r.pursesInto(&l.Purses),
		"pin_single": r.amountInto(&l.PINSingle), "pin_day": r.amountInto(&l.PINDay), "reset_cumulative_on_pin": r.boolInto(func(set bool) { l.ResetOnPIN = set }),
		"day_amount": r.amountInto(&l.DayAmount), "day_count": countInto(r, 10_000, &l.DayCount), "purse_cap": r.amountInto(&l.PurseCap),
		"load_single": r.amountInto(&l.LoadSingle), "load_day": r.amountInto(&l.LoadDay),
	}
}

func (r *reader) mealLimit(_ node, l *rules.MealLimit) keys {
	return r.scope(&l.Scope, keys{
		"count": countInto(r, 250, &l.Count), "amount": r.amountInto(&l.Amount),
		"after":     choiceInto(r, &l.After, []string{"refuse", "normal", "surcharge"}, []rules.After{rules.AfterRefuse, rules.AfterNormal, rules.AfterSurcharge}),
		"surcharge": r.rateInto(&l.Surcharge),
	})
}

func (r *reader) debitOrder(_ node, o *rules.DebitOrder) keys {
	return keys{
		"classes": r.textsInto(&o.Classes), "merchants": r.textsInto(&o.Merchants), "order": r.kindsInto(&o.Kinds),
		"partial_subsidy": r.boolInto(func(set bool) { o.RefusePartial = !set }),
	}
}

func (r *reader) kindsInto(target *[]rules.PurseKind) func(node) {
	return func(n node) {
		var names []string
		r.textsInto(&names)(n)
		for _, name := range names {
			kind := map[string]rules.PurseKind{"purpose": rules.PurposeSubsidy, "subsidy": rules.GeneralSubsidy, "main": rules.MainPurse}[name]
			if kind == 0 {
				r.fault(n.Node, n.path, "%q 须为 purpose(专项补贴)、subsidy(补贴)或 main(主钱包) / %[1]q must be purpose, subsidy or main", name)
				continue
			}
			*target = append(*target, kind)
		}
	}
}

func (r *reader) tariff(_ node, t *tariff.Tariff) keys {
	units := make([]tariff.Unit, len(tariff.UnitNames()))
	for i := range units {
		units[i] = tariff.Unit(i + 1)
	}
	return keys{
		"code": r.textInto(&t.Code), "per": choiceInto(r, &t.Per, tariff.UnitNames(), units), "price": r.priceInto(&t.Price), "steps": r.stepsInto(&t.Steps),
		"bill": countInto(r, tariff.MaxReading, &t.Bill), "minimum": countInto(r, tariff.MaxReading, &t.Minimum), "most": r.amountInto(&t.Most),
		"rounding": choiceInto(r, &t.Rounding, roundings[:], []tariff.Rounding{tariff.HalfUp, tariff.Up, tariff.Down}),
	}
}

// roundings are by tariff.Rounding.
var roundings = [...]string{"half_up", "up", "down"}

// stepsInto reads a list of {above: 8, price: "0.40"}.
func (r *reader) stepsInto(target *[]tariff.Step) func(node) {
	return func(n node) {
		list, ok := n.Node.(*ast.SequenceNode)
		if !ok {
			r.fault(n.Node, n.path, "须为列表:[{above: 8, price: \"0.40\"}] / a list is expected here: [{above: 8, price: \"0.40\"}]")
			return
		}
		for _, value := range list.Values {
			var s tariff.Step
			r.mapping(node{value, n.path}, keys{"above": countInto(r, tariff.MaxReading-1, &s.Above), "price": r.priceInto(&s.Price)})
			*target = append(*target, s)
		}
	}
}
