package rules_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"onecard/ledger/money"
	"onecard/switch/rules"
	"onecard/switch/rules/rulefile"
)

// The campus of the stories. The directory's student has the limits of handbook 3.2.
var (
	site = &rules.Directory{
		Classes: []rules.Class{
			{Code: "student", Limit: rules.Limit{PINSingle: 3000, PINDay: 5000, DayAmount: 20000, DayCount: 20}},
			{Code: "staff"},
			{Code: "temporary"},
			{Code: "visitor"},
			{Code: "whole", RefusePartial: true},
		},
		Merchants: []string{"103410054110001", "103410054110002", "103410054110003", "103410054110004"},
	}
	merchants = map[string]uint32{"canteen": 0, "halal": 1, "shop": 2, "water": 3}
)

// holder is the counters that the core keeps for somebody, kept here the plain way.
type holder struct {
	rules.Counters
	day  int
	meal string
	last rules.Verdict // of the purchase before: what a refund gives back
}

type story struct {
	t        *testing.T
	compiled *rules.Compiled
	holders  map[string]*holder
}

// TestStories: testdata, readable by an accountant.
func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &story{t: t, compiled: rules.NoRules(site), holders: map[string]*holder{}}
		datadriven.RunTest(t, path, s.run)
	})
}

func (s *story) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "rules":
		tables, err := rulefile.Read("rules.yaml", []byte(d.Input))
		if err != nil {
			return err.Error() + "\n"
		}
		if faults := tables.CheckNames(site); len(faults) > 0 {
			return fmt.Sprintln(faults)
		}
		s.compiled = rules.Compile(tables, site)
		s.holders = map[string]*holder{}
		return "ok\n"
	case "day":
		return s.day(d)
	case "split":
		return s.split(d)
	case "load":
		fee, usable := s.compiled.LoadFee(class(t, d)).Kept(amount(t, d, "amount"))
		return fmt.Sprintf("fee %s, usable %s\n", fee, usable)
	}
	d.Fatalf(t, "no command %s", d.Cmd)
	return ""
}

func class(t *testing.T, d *datadriven.TestData) uint8 {
	var name string
	d.ScanArgs(t, "class", &name)
	for i := range site.Classes {
		if site.Classes[i].Code == name {
			return uint8(i)
		}
	}
	d.Fatalf(t, "no class %s", name)
	return 0
}

func amount(t *testing.T, d *datadriven.TestData, key string) money.Fen {
	var value string
	d.ScanArgs(t, key, &value)
	return fen(value)
}

func fen(s string) money.Fen {
	f, err := money.Parse(s)
	if err != nil {
		panic(err)
	}
	return f
}

// day reads a line a swipe: [Tue] 11:48 14.00 [at canteen] [with pin] [from subsidy] [refund]. The first day is a Monday.
func (s *story) day(d *datadriven.TestData) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-11s %9s %9s %7s %9s %9s  %s\n", "time", "list", "discount", "fee", "payable", "before", "result")
	who := d.CmdArgs[0].Vals[0]
	if s.holders[who] == nil {
		s.holders[who] = &holder{}
	}
	for _, line := range strings.Split(strings.TrimSpace(d.Input), "\n") {
		s.line(&b, class(s.t, d), s.holders[who], strings.Fields(line))
	}
	return b.String()
}

var days = []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}

func (s *story) line(b *strings.Builder, class uint8, h *holder, words []string) {
	day := h.day
	for i, name := range days {
		if words[0] == name {
			day, words = i, words[1:]
		}
	}
	at, err := time.Parse("15:04", words[0])
	require.NoError(s.t, err)
	swipe := rules.Swipe{Class: class, List: fen(words[1])}
	refund := false
	for _, word := range words[2:] {
		switch word {
		case "pin":
			swipe.PINCame = true
		case "subsidy":
			swipe.Purse = 2
		case "refund":
			refund = true
		case "at", "with", "from":
		default:
			swipe.Merchant = merchants[word]
		}
	}
	meal, night := s.compiled.Meal(swipe.Merchant, uint8(day), uint16(at.Hour()*60+at.Minute()))
	swipe.Meal = meal
	h.turn(day, meal, night)
	swipe.Counters = h.Counters
	var v rules.Verdict
	s.compiled.Judge(&swipe, &v)
	before := h.DayAmount
	result := ""
	switch {
	case refund:
		v = h.last
		h.give(&v, -1)
		result = "refunded, day total " + h.DayAmount.String()
	case v.Refusal == rules.Allowed:
		h.give(&v, 1)
		h.last = v
		if swipe.PINCame {
			h.SincePIN = 0
			result = "PIN ok, "
		}
		result += "day total " + h.DayAmount.String()
	default:
		result = refusals[v.Refusal] + numbers(&v)
	}
	if _, name, ok := s.compiled.MealName(meal); ok {
		result += " (" + name + ")"
	}
	for bit, name := range map[rules.How]string{rules.Chased: " chased", rules.SchoolBears: " school pays " + v.School().String()} {
		if v.How&bit != 0 {
			result += name
		}
	}
	payable := v.Payable()
	fmt.Fprintf(b, "%s %-7s %9s %9s %7s %9s %9s  %s\n", days[day], words[0], v.List, v.Discount, v.Fee, payable, before, result)
}

var refusals = map[rules.Refusal]string{
	rules.RefuseOutside: "outside meals", rules.RefuseList: "list price", rules.RefuseDayCount: "day count", rules.RefuseMealCount: "meal count",
	rules.RefuseMealMoney: "meal amount", rules.RefuseDayAmount: "day amount", rules.NeedPINSingle: "PIN single", rules.NeedPINDay: "PIN day",
}

// numbers prints those of a refusal: counts as they are, money in yuan.
func numbers(v *rules.Verdict) string {
	switch v.Refusal {
	case rules.RefuseDayCount, rules.RefuseMealCount:
		return fmt.Sprintf(": %d so far, limit %d", v.Numbers[0], v.Numbers[1])
	case rules.RefuseMealMoney, rules.RefuseDayAmount, rules.NeedPINDay:
		return fmt.Sprintf(": %s + %s > %s", v.Numbers[0], v.Numbers[1], v.Numbers[2])
	case rules.NeedPINSingle, rules.RefuseList:
		return fmt.Sprintf(": %s > %s", v.Numbers[0], v.Numbers[1])
	}
	return ""
}

// turn starts the counters of a new day or meal.
func (h *holder) turn(day int, meal uint8, night bool) {
	if day != h.day {
		h.DayAmount, h.SincePIN, h.DayCount = 0, 0, 0
	}
	if night {
		day--
	}
	if m := strconv.Itoa(day) + "/" + strconv.Itoa(int(meal)); m != h.meal {
		h.meal, h.MealAmount, h.MealCount, h.Privileged = m, 0, 0, 0
	}
	if night {
		day++
	}
	h.day = day
}

func (h *holder) give(v *rules.Verdict, sign int) {
	payable := v.Payable() * money.Fen(sign)
	h.DayAmount += payable
	h.SincePIN += payable
	h.MealAmount += payable
	h.DayCount += uint32(sign)
	h.MealCount += uint32(sign)
	if v.How&rules.UsedPrivilege != 0 {
		h.Privileged += uint32(sign)
	}
}

// split reads a purse a line: purpose 15.00 [entitled 3.00].
func (s *story) split(d *datadriven.TestData) string {
	kinds := map[string]rules.PurseKind{"purpose": rules.PurposeSubsidy, "subsidy": rules.GeneralSubsidy, "main": rules.MainPurse}
	var purses []rules.Purse
	var names []string
	for _, line := range strings.Split(strings.TrimSpace(d.Input), "\n") {
		words := strings.Fields(line)
		p := rules.Purse{Kind: kinds[words[0]], Available: fen(words[1]), Entitled: -1}
		if len(words) > 2 {
			p.Entitled = fen(words[3])
		}
		purses, names = append(purses, p), append(names, words[0])
	}
	var merchant string
	d.ScanArgs(s.t, "merchant", &merchant)
	payable := amount(s.t, d, "amount")
	parts := make([]money.Fen, len(purses))
	usable := s.compiled.Order(class(s.t, d), merchants[merchant]).Split(payable, purses, parts)
	if usable < payable {
		return fmt.Sprintf("not enough: %s of %s\n", usable, payable)
	}
	var b strings.Builder
	for i := range parts {
		if parts[i] != 0 {
			fmt.Fprintf(&b, "%-8s %s\n", names[i], parts[i])
		}
	}
	return b.String()
}
