package rules

import (
	"onecard/ledger/money"
	"onecard/switch/rules/tariff"
)

// Bounds of what can be judged, in fen. A list price has 24 bits, 167,772.15 yuan, far above what a site's configuration lets a purchase cost;
// with them a fee and its surcharge have 26. Limits have 32.
const (
	MaxList  money.Fen = 1<<24 - 1
	MaxFee   money.Fen = 1<<26 - 1
	maxLimit money.Fen = 1<<32 - 1
)

// Tables are one version of a site's rules. The zero value takes nothing off, adds nothing and leaves the limits of the directory's classes.
type Tables struct {
	Title       string // what people call this version, at most 64 bytes
	FeeFirst    bool   // the fee is taken of the list price; false: of the price after the discount
	OnlyInMeals bool   // where there are meal periods, nothing is sold outside them
	Groups      []Group
	Meals       []Meal
	Privileges  []Privilege
	Fees        []Fee
	LoadFees    []LoadFee
	Limits      []Limit
	MealLimits  []MealLimit
	DebitOrders []DebitOrder
	Tariffs     []tariff.Tariff // of metered uses, each with a code of its own (handbook 3.9)
}

// Group is some merchants under one name (商户组). A row names a group or a merchant.
type Group struct {
	Name      string
	Merchants []string // DE 42, 15 characters
}

// Meal is a meal period (餐次). Rows may share a number when they are the same meal at other times: lunch is earlier on Sundays.
type Meal struct {
	Number           uint8  // 1..15: what records carry; it must mean the same meal in every version
	Code             string // "lunch": what rows of the other tables name
	Chinese, English string
	From, To         uint16   // minutes after midnight; To <= From: over midnight, and then it is the meal of the day on which it began
	Weekdays         uint8    // bit 0 Monday .. bit 6 Sunday; 0: every day
	Merchants        []string // where; none: everywhere
}

// OutsideMeals is the code that rows name for what is sold outside every meal period.
const OutsideMeals = "outside"

// Scope is which swipes a row is for. A list that is empty takes in all.
type Scope struct {
	Classes   []string // identity classes of the directory
	Merchants []string // groups, or merchants by code
	Meals     []string // meal codes, or OutsideMeals
	Purses    Purses   // the purse that the terminal names
}

// Purses is a set of purses as terminals name them: bit 0 none named (automatic), bit 1 main, bit 2 subsidy. 0 is all.
type Purses uint8

// Mode is how a privilege (优惠) changes the price.
type Mode uint8

const (
	ModeNone      Mode = iota // no privilege, and the rows after are not looked at
	ModePercent               // Rate off the list price
	ModeReduction             // Amount off, at most the list price
	ModePrice                 // Amount is the price, unless the list price is lower
)

// Privilege is a discount for some swipes.
type Privilege struct {
	Scope
	Mode        Mode
	Rate        Rate
	Amount      money.Fen
	SchoolBears bool  // the merchant gets the full list price and the school pays the difference; false: the merchant bears it
	PerMeal     uint8 // privileged swipes in one meal; from then on the row is passed over. 0 no bound
}

// Fee is a management fee (管理费/搭伙费): a share of the price or a fixed amount a swipe.
type Fee struct {
	Scope
	Rate   Rate
	Amount money.Fen
}

// LoadFee is what is kept of money that comes in or goes out at a desk.
type LoadFee struct {
	Classes    []string
	Deposit    Rate
	Withdrawal Rate
}

// Limit is the limits of a class at a purse; 0 is no limit. Where no row matches, the limits of the directory's class stand.
type Limit struct {
	Classes    []string
	Purses     Purses
	PINSingle  money.Fen // one swipe above this needs the PIN
	PINDay     money.Fen // a day's total above this needs the PIN
	ResetOnPIN bool      // a right PIN starts that total again
	DayAmount  money.Fen
	DayCount   uint32
	PurseCap   money.Fen // what the purse may hold
	LoadSingle money.Fen
	LoadDay    money.Fen
}

// After says what happens to a swipe beyond the limits of its meal.
type After uint8

const (
	AfterRefuse    After = iota
	AfterNormal          // 追扣: sold at the list price, without privilege
	AfterSurcharge       // 追扣: sold at the list price and a surcharge
)

// MealLimit bounds what one holder buys in one meal.
type MealLimit struct {
	Scope
	Count     uint8     // swipes; 0 no bound
	Amount    money.Fen // payable; 0 no bound
	After     After
	Surcharge Rate
}

// PurseKind is what a debit order speaks of.
type PurseKind uint8

const (
	PurposeSubsidy PurseKind = iota + 1 // 专项补贴 that is valid at this merchant
	GeneralSubsidy                      // 补贴
	MainPurse                           // 主钱包
)

// DebitOrder is which purses pay and in what order. Of several of one kind the one that expires first pays first: the caller's list says so.
type DebitOrder struct {
	Classes       []string
	Merchants     []string
	Kinds         []PurseKind
	RefusePartial bool // a subsidy with less than it is asked for is left alone (handbook 3.4: partial_subsidy off)
}
