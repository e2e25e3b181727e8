// Package dayend closes a business day: it balances what was posted (日结, handbook 3.11) and makes the statement that the site signs.
//
// The one idea: a day that was switched never changes, so everything is worked out behind the switch, from the blocks of the day alone, and as
// often as anybody likes: the same day gives the same figures. Three parties that know nothing of each other must agree on every account.
// The log: the closing balances of the day before and the legs of the day. The owner's memory: what it held, taken back to the switch. The
// control totals that the owner wrote into the day switch.
//
//	blocks of the day -> lines of the equation, double entry, terminals, Merkle root
//	                  -> eight checks, each with the account and the amount where it fails
//	                  -> Statement -> canonical JSON -> signed file, and an entry of its own in the open day
//
// It is no subsystem of the campus: those decide requests with what the core shows them, while this reads blocks when everything is decided.
// It decides nothing, moves no money, corrects nothing, and touches no disk and no clock: a difference that it finds is for people.
package dayend
