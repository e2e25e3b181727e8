// Package inprocess measures the parts of the switch without its edges: what deciding costs, what the journal adds, what a record takes on
// the disk, what the statement index costs behind it, and how fast a ledger is verified and its index built again.
//
// The one idea: a figure of a part says where the time of the whole goes, so each part is run as the product runs it — the real core, the
// real subsystem, the real store on a real disk, the real verify — and the only thing left out is the network. It is the one package of the
// bench that may import the switch; everything that is said about the product comes from outside, over TCP.
//
// It does not judge: goals stand beside the figures and nothing fails when one is missed. It measures no latency; see bench lunch.
package inprocess
