// Package bankgw carries loads (圈存), withdrawals (提现), agreements and balance enquiries to the bank: it holds the links, asks, waits, and takes
// back the loads that stayed unanswered (wire handbook 4.2 and 5.2, domain handbook 3.8).
//
// The one idea: the ledger remembers, the gateway only carries. A load is on disk before Load is called and a reversal before Reverse is
// called, and after a restart the owner gives again what is still open. So nothing here is stored, everything that goes out is computed
// from the order alone (trace, reference and times are the same after a restart, but for the time of a repeat where a dialect wants it), and whatever the gateway loses by dying is found again.
//
//	transaction.Engine            Gateway.Run, one goroutine that owns all state        links, each a reader and a writer goroutine
//	  Load, Reverse  -> orders -> loads in flight, reversals, links, deadlines  -> outbox -> 0200 0420 0421 0820
//	  Submit         <- outcomes <- what the evidence means                     <- lines  <- 0210 0430 0830, time-outs, lost links
//
// What differs between banks is a table, not code: a codec stands between orders and bytes, ISO 8583 or records of fixed places, and a
// dialect says what its messages hold and what its codes mean (dialect.go). Banks routes the orders of several banks to a gateway each.
//
// A turn of Run costs the same however many orders and messages came together; nothing is done for each of them but what it needs itself:
// no goroutine, no timer, no hand-over and no system call.
//
// A card is credited on one kind of evidence only: an authentic 0210 with 00 and our amount, reference, trace and terminal, for a load
// that is still waited for, or the same said in a 0610 to whoever asked what became of it. What never left the house is declined;
// everything else is unknown and is reversed until the bank has answered the reversal, or until it has gone on long enough for two persons
// to look into the bank's file. No order is dropped and no outcome is lost: a full inbox of the owner is tried again.
//
// A withdrawal is posted on the bank's word alone and released on its refusal alone. One that is not answered is asked about and repeated under
// its own identity, never reversed (withdrawal.go).
//
// The MAC key is changed over the link when the bank sends a new one, of its own accord or because it was asked (rekey.go). An operator may take
// a link out of work and have a key asked for. The bank's settlement date goes with an outcome into the ledger (cutover.go), and both sides tell each
// other a closed day's totals (totals.go).
//
// It decides nothing about money, keeps nothing on disk (the keys are kept by whoever gives them, see Keys.Keep), does not reconcile the day's files and knows no terminal.
package bankgw
