// Package console is the desk: the HTTP API through which operators of the card centre and the finance office ask for every transaction and
// every query of the settlement centre, and the client that the command line talks to it with.
//
// The one idea: an act is one typed request that carries who asks (a bearer token), what for (a kind of the catalogue with the fields of its
// row), and a name of its own (Idempotency-Key). The core decides it in one entry of the ledger, so nothing half done stays behind; the same
// name again gets the first receipt. What the core refuses comes back as problem+json with the field, the rule and what to do.
//
//	who               Authorization: Bearer CODE.TOKEN, a role per act, two persons where the catalogue says so
//	what happened     the entry itself names operator, approver, desk, document and reason
//	what did not      refusals, and who read whose data, go to a hash-chained audit log beside the ledger
//
// It decides nothing about money, keeps no sessions and serves no pages; amounts are yuan strings here and fen behind it.
package console
