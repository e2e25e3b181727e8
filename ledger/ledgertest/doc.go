// Package ledgertest is an auditor of the ledger: it is given the stored blocks in order and keeps books of its own.
//
// The one idea: a proof must not share a mistake with what it proves. So this package imports nothing of ours, not even the ledger: it reads
// headers, entries and payloads with its own reader from the documented layouts, hashes with the standard library, keeps its own balances,
// holds, loads and identities, and says where the two differ. It also reads what terminals remember of the answers they were given, and
// compares: what was acknowledged must be in the ledger, once.
//
//	Auditor.Block     one stored block, in order; what is wrong becomes a Finding with block, entry, account and amount
//	Auditor.Finish    sums and what is still open
//	Auditor.Receipts  the terminals' memory against the ledger: lost, doubled
//
// It reads no disk, repairs nothing and refuses nothing. After a finding it goes on with what the ledger says, so that the first fault is
// named and the last one too. Every purchase is judged again under the rules in force. What it does not recompute: limits of loads, doors, and
// what is refused for the card, the person or the device.
package ledgertest
