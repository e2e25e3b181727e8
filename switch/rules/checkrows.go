package rules

import "onecard/ledger/money"

func (c *checker) checkPrivileges() {
	const table = "privileges"
	c.rows(table, len(c.tables.Privileges))
	for i := range c.tables.Privileges {
		p := &c.tables.Privileges[i]
		c.scope(table, i, &p.Scope)
		c.rate(table, i, "discount", p.Rate)
		c.amount(table, i, "reduction", p.Amount, MaxList)
		wrong := false
		switch p.Mode {
		case ModeNone:
			wrong = p.Rate != 0 || p.Amount != 0 || p.SchoolBears || p.PerMeal != 0
		case ModePercent:
			wrong = p.Rate == 0 || p.Amount != 0
		case ModeReduction, ModePrice:
			wrong = p.Rate != 0 || p.Amount <= 0
		default:
			wrong = true
		}
		if wrong {
			c.fault(table, i, "discount", "须有一种优惠:discount(百分比或 none)、reduction 或 price,大于零 / one privilege is needed, above zero: discount (a percentage or none), reduction or price")
		}
	}
}

func (c *checker) checkFees() {
	c.rows("fees", len(c.tables.Fees))
	for i := range c.tables.Fees {
		f := &c.tables.Fees[i]
		c.scope("fees", i, &f.Scope)
		c.rate("fees", i, "rate", f.Rate)
		c.amount("fees", i, "amount", f.Amount, MaxList)
		if f.Rate != 0 && f.Amount != 0 {
			c.fault("fees", i, "amount", "rate 与 amount 只能写一个 / write rate or amount, not both")
		}
	}
	c.rows("load_fees", len(c.tables.LoadFees))
	for i := range c.tables.LoadFees {
		f := &c.tables.LoadFees[i]
		c.classes("load_fees", i, f.Classes)
		c.rate("load_fees", i, "deposit", f.Deposit)
		c.rate("load_fees", i, "withdrawal", f.Withdrawal)
	}
}

func (c *checker) checkLimits() {
	const table = "limits"
	c.rows(table, len(c.tables.Limits))
	for i := range c.tables.Limits {
		l := &c.tables.Limits[i]
		c.classes(table, i, l.Classes)
		c.purses(table, i, l.Purses)
		for _, a := range []struct {
			key    string
			amount money.Fen
		}{
			{"pin_single", l.PINSingle},
			{"pin_day", l.PINDay},
			{"day_amount", l.DayAmount},
			{"purse_cap", l.PurseCap},
			{"load_single", l.LoadSingle},
			{"load_day", l.LoadDay},
		} {
			c.amount(table, i, a.key, a.amount, maxLimit)
		}
		if l.DayCount > 10_000 {
			c.fault(table, i, "day_count", "日次数至多 10000 / at most 10,000 a day")
		}
	}
}

// countMax bounds counts in one meal: a counter of a holder has eight bits and must be able to go one beyond.
const countMax = 250

func (c *checker) checkMealLimits() {
	const table = "meal_limits"
	c.rows(table, len(c.tables.MealLimits))
	for i := range c.tables.MealLimits {
		l := &c.tables.MealLimits[i]
		c.scope(table, i, &l.Scope)
		c.amount(table, i, "amount", l.Amount, maxLimit)
		c.rate(table, i, "surcharge", l.Surcharge)
		if l.Count > countMax {
			c.fault(table, i, "count", "每餐次数至多 %d / at most %[1]d in a meal", countMax)
		}
		if l.After > AfterSurcharge || (l.After == AfterSurcharge) != (l.Surcharge != 0) {
			c.fault(table, i, "after", "after 须为 refuse、normal 或 surcharge,仅 surcharge 须写加收百分比 / after must be refuse, normal or surcharge; surcharge, and it alone, needs a percentage")
		}
	}
}

func (c *checker) checkDebitOrders() {
	const table = "debit_order"
	c.rows(table, len(c.tables.DebitOrders))
	for i := range c.tables.DebitOrders {
		o := &c.tables.DebitOrders[i]
		c.classes(table, i, o.Classes)
		c.merchants(table, i, o.Merchants)
		var seen [MainPurse + 1]bool
		for _, kind := range o.Kinds {
			if kind == 0 || kind > MainPurse || seen[kind] {
				c.fault(table, i, "order", "扣款顺序须由 purpose、subsidy、main 各至多一次组成 / the order is made of purpose, subsidy and main, each once at most")
				break
			}
			seen[kind] = true
		}
		if len(o.Kinds) == 0 {
			c.fault(table, i, "order", "缺扣款顺序 / the order is missing")
		}
	}
}

// CheckNames finds what the tables name and the site has not registered. REQUIRES: Check found nothing.
func (t *Tables) CheckNames(d *Directory) []Fault {
	c := &checker{tables: t, groups: map[string]int{}}
	classes, merchants := map[string]bool{}, map[string]bool{}
	for i := range d.Classes {
		classes[d.Classes[i].Code] = true
	}
	for _, m := range d.Merchants {
		merchants[m] = true
	}
	for i, g := range t.Groups {
		c.groups[g.Name] = i
		for _, m := range g.Merchants {
			if !merchants[m] {
				c.fault("groups", i, "", "组 %s 中的商户 %s 未登记 / merchant %[2]s in group %[1]s is not registered", g.Name, m)
			}
		}
	}
	t.eachScope(func(table string, row int, s Scope) {
		for _, class := range s.Classes {
			if !classes[class] {
				c.fault(table, row, "classes", "身份类别 %s 未登记 / class %[1]s is not registered", class)
			}
		}
		for _, name := range s.Merchants {
			if _, group := c.groups[name]; !group && !merchants[name] {
				c.fault(table, row, "merchants", "商户 %s 未登记 / merchant %[1]s is not registered", name)
			}
		}
	})
	return c.faults
}

// eachScope visits what each row is for.
func (t *Tables) eachScope(visit func(table string, row int, s Scope)) {
	for i := range t.Meals {
		visit("meals", i, Scope{Merchants: t.Meals[i].Merchants})
	}
	for i := range t.Privileges {
		visit("privileges", i, t.Privileges[i].Scope)
	}
	for i := range t.Fees {
		visit("fees", i, t.Fees[i].Scope)
	}
	for i := range t.LoadFees {
		visit("load_fees", i, Scope{Classes: t.LoadFees[i].Classes})
	}
	for i := range t.Limits {
		visit("limits", i, Scope{Classes: t.Limits[i].Classes, Purses: t.Limits[i].Purses})
	}
	for i := range t.MealLimits {
		visit("meal_limits", i, t.MealLimits[i].Scope)
	}
	for i := range t.DebitOrders {
		visit("debit_order", i, Scope{Classes: t.DebitOrders[i].Classes, Merchants: t.DebitOrders[i].Merchants})
	}
}

func (c *checker) checkTariffs() {
	const table = "tariffs"
	c.rows(table, len(c.tables.Tariffs))
	codes := map[string]int{}
	for i := range c.tables.Tariffs {
		t := &c.tables.Tariffs[i]
		t.Check(func(key, text string) { c.fault(table, i, key, "%s", text) })
		if first, twice := codes[t.Code]; twice {
			c.fault(table, i, "code", "费率 %s 与第 %d 行同名 / tariff %[1]s has the code of row %[2]d", t.Code, first+1)
		}
		codes[t.Code] = i
	}
}
