package rules_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/ledger/money"
	"onecard/switch/rules"
	"onecard/switch/rules/rulefile"
	"onecard/switch/rules/rulestest"
)

// TestExampleFile: the example in configs uses every feature, fits a site that has what it names, and goes through its stored form unchanged.
func TestExampleFile(t *testing.T) {
	source, err := os.ReadFile("../../configs/rules.yaml")
	require.NoError(t, err)
	tables, err := rulefile.Read("rules.yaml", source)
	require.NoError(t, err)
	require.Empty(t, tables.CheckNames(site))
	require.NotEmpty(t, tables.Groups)
	require.NotEmpty(t, tables.Meals)
	require.NotEmpty(t, tables.Privileges)
	require.NotEmpty(t, tables.Fees)
	require.NotEmpty(t, tables.LoadFees)
	require.NotEmpty(t, tables.Limits)
	require.NotEmpty(t, tables.MealLimits)
	require.NotEmpty(t, tables.DebitOrders)
	again, err := rules.Decode(tables.Append(nil))
	require.NoError(t, err)
	require.Equal(t, tables, again)
	require.NotEmpty(t, tables.CheckNames(&rules.Directory{}))
}

// TestAnyTables: whatever the tables, a price adds up, nothing is negative, a swipe that is allowed breaks no limit, the parts of a split are
// the whole, and the stored form is the only one.
func TestAnyTables(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tables := rulestest.Tables(t, []string{"student", "staff", "temporary"}, site.Merchants[:3])
		require.Empty(t, tables.Check())
		stored := tables.Append(nil)
		again, err := rules.Decode(stored)
		require.NoError(t, err)
		require.Equal(t, stored, again.Append(nil))
		compiled := rules.Compile(again, site)
		for range rapid.IntRange(1, 20).Draw(t, "swipes") {
			s := anySwipe(t, compiled)
			var v rules.Verdict
			compiled.Judge(&s, &v)
			checkVerdict(t, compiled, &s, &v)
			checkSplit(t, compiled, &s, max(0, v.Payable()))
		}
	})
}

func anySwipe(t *rapid.T, compiled *rules.Compiled) rules.Swipe {
	s := rules.Swipe{
		Class: uint8(rapid.IntRange(0, len(site.Classes)-1).Draw(t, "class")), Merchant: uint32(rapid.IntRange(0, len(site.Merchants)-1).Draw(t, "merchant")),
		Purse: uint8(rapid.IntRange(0, 2).Draw(t, "purse")), PINCame: rapid.Bool().Draw(t, "pin"),
		List: money.Fen(rapid.IntRange(-1, 5000).Draw(t, "list")),
	}
	s.Meal, _ = compiled.Meal(s.Merchant, uint8(rapid.IntRange(0, 6).Draw(t, "weekday")), uint16(rapid.IntRange(0, 1439).Draw(t, "minute")))
	s.DayAmount = money.Fen(rapid.IntRange(0, 20000).Draw(t, "spent"))
	s.SincePIN, s.MealAmount = s.DayAmount/2, s.DayAmount/3
	s.DayCount = uint32(rapid.IntRange(0, 8).Draw(t, "times"))
	s.MealCount, s.Privileged = s.DayCount/2, s.DayCount/3
	return s
}

func checkVerdict(t *rapid.T, compiled *rules.Compiled, s *rules.Swipe, v *rules.Verdict) {
	if v.Refusal == rules.RefuseList || v.Refusal == rules.RefuseOutside {
		return
	}
	require.Equal(t, s.List, v.List)
	require.True(t, v.Discount >= 0 && v.Discount <= v.List && v.Fee >= 0, "%+v", v)
	require.Equal(t, v.List-v.Discount+v.Fee, v.Payable())
	require.Equal(t, v.Payable(), v.Merchant()-v.School()+v.Fee, "what the holder pays is what the others get")
	if v.How&rules.Chased != 0 {
		require.Zero(t, v.Discount)
	}
	if v.Refusal != rules.Allowed {
		return
	}
	limit := compiled.Limit(s.Class, s.Purse)
	require.True(t, limit.DayAmount == 0 || s.DayAmount+v.Payable() <= limit.DayAmount)
	require.True(t, limit.DayCount == 0 || s.DayCount < limit.DayCount)
	require.True(t, s.PINCame || limit.PINSingle == 0 || v.Payable() <= limit.PINSingle)
}

func checkSplit(t *rapid.T, compiled *rules.Compiled, s *rules.Swipe, payable money.Fen) {
	purses := []rules.Purse{
		{Kind: rules.PurposeSubsidy, Available: money.Fen(rapid.IntRange(-5, 3000).Draw(t, "purpose")), Entitled: money.Fen(rapid.IntRange(-1, 500).Draw(t, "entitled"))},
		{Kind: rules.GeneralSubsidy, Available: money.Fen(rapid.IntRange(0, 3000).Draw(t, "subsidy")), Entitled: -1},
		{Kind: rules.MainPurse, Available: money.Fen(rapid.IntRange(0, 3000).Draw(t, "main")), Entitled: -1},
	}
	parts := make([]money.Fen, len(purses))
	usable := compiled.Order(s.Class, s.Merchant).Split(payable, purses, parts)
	var sum money.Fen
	for i := range parts {
		require.True(t, parts[i] >= 0 && parts[i] <= max(0, purses[i].Available))
		require.True(t, purses[i].Entitled < 0 || parts[i] <= purses[i].Entitled)
		sum += parts[i]
	}
	require.Equal(t, usable >= payable, sum == payable, "usable %s, payable %s, parts %v", usable, payable, parts)
}

// TestJudgingAllocatesNothing, with tables in which every row is looked at.
func TestJudgingAllocatesNothing(t *testing.T) {
	source, err := os.ReadFile("../../configs/rules.yaml")
	require.NoError(t, err)
	tables, err := rulefile.Read("rules.yaml", source)
	require.NoError(t, err)
	compiled := rules.Compile(tables, site)
	purses := []rules.Purse{{Kind: rules.GeneralSubsidy, Available: 100, Entitled: -1}, {Kind: rules.MainPurse, Available: 5000, Entitled: -1}}
	parts := make([]money.Fen, len(purses))
	var v rules.Verdict
	swipe := rules.Swipe{List: 1350, Counters: rules.Counters{MealCount: 4}}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		swipe.Meal, _ = compiled.Meal(0, 0, 11*60)
		compiled.Judge(&swipe, &v)
		compiled.Order(0, 0).Split(v.Payable(), purses, parts)
	}))
	require.Equal(t, rules.Chased, v.How)
}

// FuzzDecode: stored bytes that are not ours are refused, and what is taken is written again as it was.
func FuzzDecode(f *testing.F) {
	source, err := os.ReadFile("../../configs/rules.yaml")
	require.NoError(f, err)
	tables, err := rulefile.Read("rules.yaml", source)
	require.NoError(f, err)
	f.Add(tables.Append(nil))
	f.Add((&rules.Tables{}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if tables, err := rules.Decode(b); err == nil {
			require.Equal(t, b, tables.Append(nil))
			rules.Compile(tables, site)
		}
	})
}

func BenchmarkJudge(b *testing.B) {
	source, err := os.ReadFile("../../configs/rules.yaml")
	require.NoError(b, err)
	tables, err := rulefile.Read("rules.yaml", source)
	require.NoError(b, err)
	compiled := rules.Compile(tables, site)
	swipe := rules.Swipe{List: 1350}
	var v rules.Verdict
	for b.Loop() {
		swipe.Meal, _ = compiled.Meal(0, 0, 11*60)
		compiled.Judge(&swipe, &v)
	}
}
