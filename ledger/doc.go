// Package ledger keeps the books: accounts, transfers whose legs sum to zero, holds, and the blocks in which all of it is recorded.
//
// The one idea: what was decided is written down once as an Entry, and everybody — the running switch, a restart, a replica, an
// auditor — arrives at the same books by applying the same entries in the same order. Entries are gathered into blocks; a block is
// chained to the one before by its hash, and is durable before anybody hears of what is in it.
//
//	Entry    one decision: legs, at most one hold operation, account openings, and a payload that only the decider reads
//	Block    consecutive entries with a chained header, the unit of durability
//	Book     balances in memory, the result of applying entries
//	Journal  the only way to durability; Pebble behind it on one node; a replicated log may stand there, as in the tests of the core
//
// It knows no card, no terminal, no wire, no clock and no disk. Time arrives as a value inside an entry. Whether an entry should
// exist is decided elsewhere; whether its money adds up is checked here (Book.Check) and asserted again on Apply.
package ledger
