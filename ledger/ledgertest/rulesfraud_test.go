package ledgertest_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/rules"
	"onecard/switch/transaction"
)

// deal is a purchase of card 1 at the first terminal as its record tells it.
type deal struct {
	reason              byte
	pin                 bool
	trace               uint64
	list, discount, fee uint64
	main, subsidy       uint64
	meal, how           byte
	version             uint64
	numbers             []int64
}

func (d deal) entry() ledger.Entry {
	flags := byte(1 | 64)
	if d.pin {
		flags |= 2
	}
	if d.numbers != nil {
		flags |= 16
	}
	if d.main+d.subsidy > 0 {
		flags |= 32
	}
	payable := d.list - d.discount + d.fee
	p := []byte{flags, d.reason, 0}
	for _, v := range []uint64{1, 900, d.trace, 1, payable} {
		p = binary.AppendUvarint(p, v)
	}
	for i := range 3 * min(1, len(d.numbers)) {
		n := int64(0)
		if i < len(d.numbers) {
			n = d.numbers[i]
		}
		p = binary.AppendVarint(p, n)
	}
	var legs []ledger.Leg
	if d.main+d.subsidy > 0 {
		p = binary.AppendUvarint(binary.AppendUvarint(p, d.main), d.subsidy)
		for _, l := range []ledger.Leg{
			{Account: subsidyPurse, Amount: -money.Fen(d.subsidy)},
			{Account: mainPurse, Amount: -money.Fen(d.main)},
			{Account: payable1, Amount: money.Fen(d.list - d.discount)},
			{Account: managementFee, Amount: money.Fen(d.fee)},
		} {
			if l.Amount != 0 {
				legs = append(legs, l)
			}
		}
	}
	p = append(p, 0, d.meal)
	for _, v := range []uint64{d.version, d.list, d.discount, d.fee} {
		p = binary.AppendUvarint(p, v)
	}
	return ledger.Entry{Kind: transaction.KindPurchase, Legs: legs, Payload: append(p, d.how)}
}

const (
	payable1      = payable
	managementFee = 8
)

// publish makes tables the rules in force from now on.
func (f *forger) publish(tables *rules.Tables) {
	require.Empty(f.t, tables.Check())
	now := f.entries[len(f.entries)-1].entry.Time
	p := binary.AppendVarint(binary.AppendUvarint(binary.AppendUvarint(nil, 1), 1), now)
	for _, text := range []string{"zhang", "li", "term"} {
		p = append(binary.AppendUvarint(p, uint64(len(text))), text...)
	}
	f.add(ledger.Entry{Kind: transaction.KindRules, Payload: tables.Append(p)})
}

// rich gives the holder of card 1 plenty on his main purse and nothing on his subsidy.
func (f *forger) rich() {
	book := ledger.NewBook()
	for i := range f.entries {
		book.Apply(uint64(i)+1, &f.entries[i].entry)
	}
	f.add(ledger.Entry{Kind: transaction.OpeningKind, Legs: []ledger.Leg{{Account: bankCustody, Amount: -1_000_000}, {Account: mainPurse, Amount: 1_000_000}}})
	if left := book.Account(subsidyPurse).Balance; left > 0 { // spent in one swipe
		f.add(deal{trace: 700, list: uint64(left), subsidy: uint64(left)}.entry())
	}
}

const bankCustody, subsidyReceivable = 2, 5

func (f *forger) deals(deals ...deal) {
	for _, d := range deals {
		f.add(d.entry())
	}
}

func limited(l rules.Limit) *rules.Tables { return &rules.Tables{Limits: []rules.Limit{l}} }

func wholeDay() []rules.Meal {
	return []rules.Meal{{Number: 1, Code: "day", Chinese: "全天", English: "day", From: 0, To: 24 * 60}}
}

// fiver is a purchase of 5 fen under the first version of the rules, from main.
func fiver(trace uint64) deal { return deal{trace: trace, list: 5, main: 5, version: 1} }

// ruleFrauds are against the rules in force: each is alone in a ledger that was clean.
var ruleFrauds = []fraud{
	{"a purchase above the day amount", func(f *forger) {
		f.rich()
		f.publish(limited(rules.Limit{DayAmount: 4}))
		f.deals(fiver(1))
	}, "this is 日限额 day_amount"},
	{"a purchase above the day count", func(f *forger) {
		f.rich()
		f.publish(limited(rules.Limit{DayCount: 1}))
		f.deals(fiver(1), fiver(2))
	}, "this is 日次数 day_count"},
	{"a purchase above the count of a meal", func(f *forger) {
		f.rich()
		f.publish(&rules.Tables{Meals: wholeDay(), MealLimits: []rules.MealLimit{{Count: 1}}})
		first, second := fiver(1), fiver(2)
		first.meal, second.meal = 1, 1
		f.deals(first, second)
	}, "this is 餐次数 meal_count 1 1"},
	{"a purchase above the amount of a meal", func(f *forger) {
		f.rich()
		f.publish(&rules.Tables{Meals: wholeDay(), MealLimits: []rules.MealLimit{{Amount: 9}}})
		first, second := fiver(1), fiver(2)
		first.meal, second.meal = 1, 1
		f.deals(first, second)
	}, "this is 餐限额 meal_amount 0.05 0.05 0.09"},
	{"a purchase outside every meal", func(f *forger) {
		f.rich()
		meals := wholeDay()
		meals[0].Merchants = []string{"103410054110002"}
		f.publish(&rules.Tables{Meals: meals, OnlyInMeals: true})
		f.deals(fiver(1))
	}, "this is 不在餐次 outside_meals"},
	{"a purchase outside opening hours", func(f *forger) {
		for i := range f.entries {
			if e := &f.entries[i].entry; e.Kind == transaction.KindDirectory && e.Payload[0] == 2 {
				e.Payload = append(slices.Clone(e.Payload[:16]), 1, 2, 0)
			}
		}
	}, "this is 不在营业时段 outside_hours"},
	{"a purchase above the threshold of one swipe without a PIN", func(f *forger) {
		f.rich()
		f.publish(limited(rules.Limit{PINSingle: 4}))
		f.deals(fiver(1))
	}, "this is 单笔须密码 pin_needed_single 0.05 0.04"},
	{"a purchase above the threshold of the day without a PIN", func(f *forger) {
		f.rich()
		f.publish(limited(rules.Limit{PINDay: 4}))
		f.deals(fiver(1))
	}, "this is 累计须密码 pin_needed_day"},
	{"a purchase after a reset that passes the threshold again", func(f *forger) {
		f.rich()
		f.publish(limited(rules.Limit{PINDay: 9, ResetOnPIN: true}))
		first := fiver(1)
		first.pin = true
		f.deals(first, fiver(2), fiver(3))
	}, "this is 累计须密码 pin_needed_day 0.05 0.05 0.09"},
	{"a locked PIN that was taken", func(f *forger) {
		f.rich()
		tried := func(trace uint64, left int64) deal {
			d := deal{reason: 23, trace: trace, list: 5}
			if left > 0 {
				d.numbers = []int64{left}
			}
			return d
		}
		f.deals(tried(1, 2), tried(2, 1), tried(3, 0), deal{trace: 4, list: 5, main: 5, pin: true})
	}, "this is 密码锁定 pin_locked"},
	{"a fourth wrong PIN that was tried", func(f *forger) {
		wrong := func(trace uint64, left int64) deal {
			return deal{reason: 23, trace: trace, list: 5, numbers: []int64{left}}
		}
		f.deals(wrong(1, 2), wrong(2, 1), deal{reason: 23, trace: 3, list: 5}, wrong(4, 2))
	}, "this is 密码锁定 pin_locked"},
	{"a PIN said to be locked that is not", func(f *forger) { f.deals(deal{reason: 24, trace: 1, list: 5}) }, "the ledger says 密码锁定 pin_locked"},
	{"a wrong count of tries told", func(f *forger) { f.deals(deal{reason: 23, trace: 1, list: 5, numbers: []int64{1}}) }, "the numbers of the refusal are 密码错 pin_wrong 2"},
	{"a refusal that nothing asked for", func(f *forger) {
		f.rich()
		f.deals(deal{reason: 20, trace: 1, list: 5, numbers: []int64{1, 5, 4}})
	}, "this is 批准 approved"},
	{"a refusal for funds with other numbers", func(f *forger) { f.deals(deal{reason: 25, trace: 1, list: 9_000_000, numbers: []int64{1, 9_000_000}}) }, "the numbers of the refusal are 余额不足 funds"},
	{"a refusal for the day amount with other numbers", func(f *forger) {
		f.rich()
		f.publish(limited(rules.Limit{DayAmount: 4}))
		f.deals(deal{reason: 20, trace: 1, list: 5, version: 1, numbers: []int64{7_000_000, 5, 4}})
	}, "the numbers of the refusal are 日限额 day_amount"},
	{"a discount that no rule gives", func(f *forger) {
		f.rich()
		f.deals(deal{trace: 1, list: 5, discount: 1, main: 4})
	}, "its price is  list 0.05 - 0.01 + 0.00"},
	{"a discount that the rules give and the holder did not get", func(f *forger) {
		f.rich()
		f.publish(&rules.Tables{Privileges: []rules.Privilege{{Mode: rules.ModePercent, Rate: 5000}}})
		f.deals(fiver(1))
	}, "by the rules in force it is  list 0.05 - 0.03 + 0.00"},
	{"a fee that the rules ask for and nobody took", func(f *forger) {
		f.rich()
		f.publish(&rules.Tables{Fees: []rules.Fee{{Amount: 2}}})
		f.deals(fiver(1))
	}, "by the rules in force it is  list 0.05 - 0.00 + 0.02"},
	{"a discount of another class", func(f *forger) {
		f.rich()
		f.publish(&rules.Tables{Privileges: []rules.Privilege{{Scope: rules.Scope{Classes: []string{"teacher"}}, Mode: rules.ModeReduction, Amount: 2}}})
		f.deals(deal{trace: 1, list: 5, discount: 2, main: 3, version: 1})
	}, "by the rules in force it is  list 0.05 - 0.00"},
	{"a discount at another merchant", func(f *forger) {
		f.rich()
		f.publish(&rules.Tables{
			Groups:     []rules.Group{{Name: "canteens", Merchants: []string{"103410054110002"}}},
			Privileges: []rules.Privilege{{Scope: rules.Scope{Merchants: []string{"canteens"}}, Mode: rules.ModePrice, Amount: 2}},
		})
		f.deals(deal{trace: 1, list: 5, discount: 3, main: 2, version: 1})
	}, "by the rules in force it is  list 0.05 - 0.00"},
	{"a privilege beyond its bound in the meal", func(f *forger) {
		f.rich()
		f.publish(&rules.Tables{Meals: wholeDay(), Privileges: []rules.Privilege{{Mode: rules.ModeReduction, Amount: 2, PerMeal: 1}}})
		cheap := deal{trace: 1, list: 5, discount: 2, main: 3, meal: 1, how: 8, version: 1}
		again := cheap
		again.trace = 2
		f.deals(cheap, again)
	}, "by the rules in force it is  list 0.05 - 0.00"},
	{"a chased swipe without its surcharge", func(f *forger) {
		f.rich()
		f.publish(&rules.Tables{Meals: wholeDay(), MealLimits: []rules.MealLimit{{Count: 1, After: rules.AfterSurcharge, Surcharge: 5000}}})
		first, second := fiver(1), fiver(2)
		first.meal, second.meal, second.how = 1, 1, 2
		f.deals(first, second)
	}, "by the rules in force it is  list 0.05 - 0.00 + 0.03"},
	{"a purchase by a version that is not in force", func(f *forger) {
		f.rich()
		f.publish(limited(rules.Limit{}))
		d := fiver(1)
		d.version = 0
		f.deals(d)
	}, "decided by version 0 of the rules, in force was 1"},
	{"rules that reach into the past", func(f *forger) {
		f.publish(limited(rules.Limit{DayCount: 1}))
		f.entries[len(f.entries)-1].entry.Time++
	}, "is in force from before its publication"},
	{"rules that cannot be read", func(f *forger) {
		f.publish(limited(rules.Limit{DayCount: 1}))
		e := &f.entries[len(f.entries)-1].entry
		e.Payload = e.Payload[:len(e.Payload)-1]
	}, "the payload of kind 5 cannot be read"},
	{"a purse that pays out of its turn", func(f *forger) {
		f.rich()
		f.add(ledger.Entry{Kind: transaction.OpeningKind, Legs: []ledger.Leg{{Account: subsidyReceivable, Amount: -3}, {Account: subsidyPurse, Amount: 3}}})
		f.deals(deal{trace: 1, list: 5, main: 5})
	}, "account 13 gave 0.00, by the debit order it gives 0.03"},
}

// TestHonestDealsAreClean: what the frauds are measured against. The same deals, priced and limited as the rules say, are found right.
func TestHonestDealsAreClean(t *testing.T) {
	for name, commit := range map[string]func(f *forger){
		"equal to every limit": func(f *forger) {
			f.publish(&rules.Tables{Meals: wholeDay(), Limits: []rules.Limit{{PINSingle: 5}}, MealLimits: []rules.MealLimit{{Count: 2, Amount: 10}}})
			first, second := fiver(1), fiver(2)
			first.meal, second.meal = 1, 1
			f.deals(first, second, deal{reason: 51, trace: 3, list: 5, meal: 1, version: 1, numbers: []int64{2, 2}})
		},
		"a discount that the merchant bears, and a fee": func(f *forger) {
			f.publish(&rules.Tables{Privileges: []rules.Privilege{{Mode: rules.ModePercent, Rate: 5000}}, Fees: []rules.Fee{{Amount: 2}}})
			f.deals(deal{trace: 1, list: 5, discount: 3, fee: 2, main: 4, version: 1})
		},
		"chased with a surcharge": func(f *forger) {
			f.publish(&rules.Tables{Meals: wholeDay(), MealLimits: []rules.MealLimit{{Count: 1, After: rules.AfterSurcharge, Surcharge: 5000}}})
			first := fiver(1)
			first.meal = 1
			f.deals(first, deal{trace: 2, list: 5, fee: 3, main: 8, meal: 1, how: 2, version: 1})
		},
		"a right PIN before the third wrong one": func(f *forger) {
			wrong := func(trace uint64, left int64) deal {
				return deal{reason: 23, trace: trace, list: 5, numbers: []int64{left}}
			}
			f.deals(wrong(1, 2), wrong(2, 1), deal{trace: 3, list: 5, main: 5, pin: true}, wrong(4, 2))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newForger(t)
			f.rich()
			commit(f)
			require.Empty(t, audit(f.blocks()).Finish().Findings)
		})
	}
}
