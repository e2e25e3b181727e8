// Package banksim is a bank in software: the other end of the bank link, for tests, the demo and the bench (wire handbook 5.2).
//
// The one idea: a bank is honest in its books and anything but reliable on the line. It keeps accounts and one record for every load, by
// trace and reference, and its books are always right; how it behaves towards a request (late, silent, twice, with a wrong MAC, by
// closing the link) is told by a script, step by step, or drawn from a mix. So after any story an auditor can ask it what it really took.
//
// Each movement is booked with the bank's own number, settlement date (DE 15, which may begin before midnight) and moment. At the end of a day
// the bank says its totals (0520 and 0530) and writes its reconciliation file in either format, as faulty as it is told to: the file's faults
// are of the system that writes it, the books stay right.
//
// A load is debited at most once. A reversal before its original is answered 25 and refuses the original when it comes.
//
// It is not a model of any one bank's rules: it does not check PINs, limits or contracts, and it keeps nothing on disk.
package banksim
