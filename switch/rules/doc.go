// Package rules is the price list of a site as a value: meal periods, merchant groups, privileges, fees, limits and debit orders (domain
// handbook 3.1 to 3.4), and what they say about one swipe.
//
// The one idea: a version of the rules is a value with canonical bytes. The bytes stand in the ledger, so whoever reads a record can read the
// tables that decided it; the value is compiled against the site's classes and merchants once, when it comes into force, and judging a swipe
// is then a pure function that allocates nothing: the switch, the what-if and a test ask the same one.
//
// In every table the first row that matches wins, in the order of the file. A row without classes, merchants, meals or purses is for all of
// them. What an amount is compared with is a limit that still passes: only what is strictly greater is refused (3.2). Percentages are rounded
// half up to the fen on the line of the discount or the fee, never on legs (3.3).
//
// A swipe is judged in this order (3.1, steps 5 to 12): meal period, list price, discount, fee, day count, count in the meal, amount in the
// meal, day amount, PIN thresholds, purse plan. The steps before belong to the core of the switch, funds and the ledger after.
//
// It knows no ledger, no card and no clock, reads no file (rulefile does) and keeps no counters: they come with the swipe.
package rules
