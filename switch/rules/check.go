package rules

import (
	"fmt"
	"unicode/utf8"

	"onecard/ledger/money"
)

// Bounds of a version of the rules.
const (
	rowsMax     = 1000 // of one table
	selectors   = 64   // groups, and merchants that rows name by themselves
	mealNumbers = 15
	minutesADay = 24 * 60
	titleMax    = 64
	nameMax     = 32
	merchantLen = 15
)

// Fault is one thing wrong with one key of one row.
type Fault struct {
	Table string // "privileges"; "" the tables as a whole
	Row   int    // from 0
	Key   string // "discount"; "" the row as a whole
	Text  string // what is wrong and what to do
}

func (f Fault) String() string {
	if f.Table == "" {
		return f.Text
	}
	place := fmt.Sprintf("%s[%d]", f.Table, f.Row+1)
	if f.Key != "" {
		place += "." + f.Key
	}
	return place + ": " + f.Text
}

// Directory is what a site has registered: rules are checked and compiled against it.
type Directory struct {
	Classes   []Class
	Merchants []string // codes, by index
}

// Class is an identity class with the limits that stand where no row says otherwise. Its code and its index are the directory's.
type Class struct {
	Code          string
	Limit         Limit
	RefusePartial bool
}

type checker struct {
	tables    *Tables
	faults    []Fault
	groups    map[string]int
	meals     map[string]uint8 // code -> number
	selectors map[string]bool
}

// Check finds everything that is wrong with the tables in themselves.
func (t *Tables) Check() []Fault {
	c := &checker{tables: t, groups: map[string]int{}, meals: map[string]uint8{OutsideMeals: 0}, selectors: map[string]bool{}}
	if utf8.RuneCountInString(t.Title) > titleMax || !utf8.ValidString(t.Title) {
		c.fault("", 0, "", "标题至多 %d 字 / the title may have %[1]d characters", titleMax)
	}
	c.checkGroups()
	c.checkMeals()
	c.checkPrivileges()
	c.checkFees()
	c.checkLimits()
	c.checkMealLimits()
	c.checkDebitOrders()
	c.checkTariffs()
	if len(c.selectors) > selectors {
		c.fault("", 0, "", "规则点名的商户组与单个商户共 %d 个,至多 %d 个,请并成组 / rows name %[1]d groups and single merchants, at most %[2]d: make groups of them", len(c.selectors), selectors)
	}
	return c.faults
}

func (c *checker) fault(table string, row int, key, format string, args ...any) {
	c.faults = append(c.faults, Fault{table, row, key, fmt.Sprintf(format, args...)})
}

func (c *checker) rows(table string, n int) {
	if n > rowsMax {
		c.fault(table, rowsMax, "", "至多 %d 行 / at most %[1]d rows", rowsMax)
	}
}

func (c *checker) checkGroups() {
	c.rows("groups", len(c.tables.Groups))
	for i, g := range c.tables.Groups {
		if len(g.Name) == 0 || len(g.Name) > nameMax || isMerchant(g.Name) {
			c.fault("groups", i, "", "组名须为 1 至 %d 字节,且不像商户号 / a group's name must be 1 to %[1]d bytes and not look like a merchant's code", nameMax)
		}
		if first, twice := c.groups[g.Name]; twice {
			c.fault("groups", i, "", "组 %s 与第 %d 组同名 / group %[1]s has the name of group %[2]d", g.Name, first+1)
		}
		c.groups[g.Name] = i
		if len(g.Merchants) == 0 {
			c.fault("groups", i, "", "组 %s 内无商户,写上商户号或删去此组 / group %[1]s has no merchants: write their codes or delete it", g.Name)
		}
		for _, m := range g.Merchants {
			if !isMerchant(m) {
				c.fault("groups", i, "", "组 %s 中的 %q 不是商户号(15 位) / %[2]q in group %[1]s is no merchant's code of 15 characters", g.Name, m)
			}
		}
	}
}

// isMerchant says whether a name can be DE 42.
func isMerchant(name string) bool {
	if len(name) != merchantLen {
		return false
	}
	for _, r := range name {
		if r < '0' || r > 'z' {
			return false
		}
	}
	return true
}

func (c *checker) checkMeals() {
	c.rows("meals", len(c.tables.Meals))
	codes := map[uint8]string{}
	for i, m := range c.tables.Meals {
		if m.Number == 0 || m.Number > mealNumbers {
			c.fault("meals", i, "number", "餐次号须为 1 至 %d / a meal's number must be 1 to %[1]d", mealNumbers)
		}
		if len(m.Code) == 0 || len(m.Code) > 16 || m.Code == OutsideMeals {
			c.fault("meals", i, "code", "餐次代码须为 1 至 16 字节,且不是 %s / a meal's code must be 1 to 16 bytes and not %[1]s", OutsideMeals)
		}
		number, known := c.meals[m.Code]
		if code, taken := codes[m.Number]; taken && code != m.Code || known && number != m.Number {
			c.fault("meals", i, "number", "餐次 %s 与号码 %d 不是一一对应 / meal %[1]s and number %[2]d do not belong to each other alone: one number, one code", m.Code, m.Number)
		}
		c.meals[m.Code], codes[m.Number] = m.Number, m.Code
		if m.Chinese == "" || m.English == "" || len(m.Chinese) > nameMax || len(m.English) > nameMax {
			c.fault("meals", i, "zh", "须有中英文名称,各至多 %d 字节 / a Chinese and an English name are needed, at most %[1]d bytes each", nameMax)
		}
		if m.From >= minutesADay || m.To > minutesADay {
			c.fault("meals", i, "from", "时间须在 00:00 至 24:00 / times must be between 00:00 and 24:00")
		}
		if m.Weekdays > 0x7F {
			c.fault("meals", i, "weekdays", "星期有误 / no such weekdays")
		}
		c.merchants("meals", i, m.Merchants)
	}
}

// merchants checks a row's list of groups and merchants.
func (c *checker) merchants(table string, row int, names []string) {
	for _, name := range names {
		c.selectors[name] = true
		if _, group := c.groups[name]; !group && !isMerchant(name) {
			c.fault(table, row, "merchants", "%q 既不是商户组也不是商户号 / %[1]q is neither a group nor a merchant's code: see groups", name)
		}
	}
}

func (c *checker) classes(table string, row int, codes []string) {
	for _, code := range codes {
		if len(code) == 0 || len(code) > 16 {
			c.fault(table, row, "classes", "身份类别代码 %q 须为 1 至 16 字节 / the class %[1]q must be 1 to 16 bytes", code)
		}
	}
}

func (c *checker) scope(table string, row int, s *Scope) {
	c.classes(table, row, s.Classes)
	c.merchants(table, row, s.Merchants)
	for _, meal := range s.Meals {
		if _, ok := c.meals[meal]; !ok {
			c.fault(table, row, "meals", "无此餐次 %q / no meal %[1]q: see meals, or write %s", meal, OutsideMeals)
		}
	}
	c.purses(table, row, s.Purses)
}

func (c *checker) purses(table string, row int, p Purses) {
	if p > 7 {
		c.fault(table, row, "purses", "钱包须为 auto、main 或 subsidy / purses must be auto, main or subsidy")
	}
}

// amount checks money that may be left out as 0.
func (c *checker) amount(table string, row int, key string, a, most money.Fen) {
	if a < 0 || a > most {
		c.fault(table, row, key, "金额须在 0.00 至 %s / the amount must be 0.00 to %[1]s", most)
	}
}

func (c *checker) rate(table string, row int, key string, r Rate) {
	if r > Whole {
		c.fault(table, row, key, "百分比须在 0 %% 至 100 %% / the percentage must be 0 %% to 100 %%")
	}
}
