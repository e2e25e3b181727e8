// Package reconcile compares our loads (圈存) of a day with the bank's file of that day, to the fen (对账; domain handbook 3.8, wire
// handbook 4.2 and 5.2).
//
// A withdrawal (提现) is a load with the signs turned: its two numbers are what the bank has paid and what we have taken from the purse, the
// cases are the same, and in every sum it counts against the loads.
//
// The one idea: for every load there are two numbers, what the bank has kept of the holder's money and what we have credited to him, and a
// day may only change both alike. So the join says for each load (our sequence, DE 37) how far the two are apart and what this day has added
// to that; the sum of what was added must be the bank's total less ours. Both totals are added up elsewhere, from the file's lines as they
// were read and from our list (or by the ledger itself), and what then remains is not argued away but reported as unexplained.
//
//	bank's file --Read--> File ----.
//	our loads, []Entry ------------+--Run--> Result: tally by case, exceptions, equation, ageing
//	open items of the days before -'             '--Open--> carried into the next day's Run
//
// Everything is a value: Run reads no clock, keeps nothing, and gives the same result for the same input whatever the order of its lists. A
// file is taken whole or not at all, and is known by (bank, date, SHA-256 of its bytes), so that a caller can see a rerun for what it is.
//
// # Format A
//
// Fields between bars, one line a record, each ended by LF. Digits may have leading zeros; amounts are in fen, 1 to 999999999999. The bank
// card is masked, or the file is refused: what we do not hold cannot leak. The sums are of all details whatever their type and code: they
// are there to prove the file and not the money.
//
//	H|date|bank|school|count|sum                                     H|20261126|01050000|10010001|2|40000
//	D|type|campus account|bank card|school seq|bank seq|fen|time|rc  D|01|9156000000000001|621700******5678|000000000012|1|20000|20261126114210|00
//	T|count|sum|sm3                                                  T|2|40000|SM3 of all bytes before this line, 64 hex digits
//
// Type 01 is a load, 02 the reversal of a load, 03 a withdrawal that was paid to an account; time is YYYYMMDDhhmmss on the bank's clock; a code
// other than 00 says that no money moved.
//
// # Format B, the legacy one
//
// Every line has 71 bytes, of which the last is LF. Numbers are filled with zeros on the left, institutions with spaces on the right. A
// campus account longer than 18 digits is cut to its last 18. There is no bank card and no digest: one changed sequence number cannot be
// seen in the file and is seen in the join.
//
//	header   H 1 | date 8 | bank 11 | school 11 | count 10 | sum 16 | spaces 13                                                    | LF
//	detail   date 8 | time 6 | type 2 | school seq 12 | bank seq 12 | campus account 18 | fen 10 | rc 2                            | LF
//	trailer  T 1 | date 8 | count 10 | sum 16 | spaces 35                                                                          | LF
//
// It posts nothing and decides nothing: an action is a proposal, and whoever carries it out (the owner of the ledger, two persons) tells the
// next Run by an Entry. It opens no file and no connection, and knows no ledger.
package reconcile
