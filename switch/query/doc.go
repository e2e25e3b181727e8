// Package query answers what people ask of the past: the statement of a holder, card, merchant, terminal, operator or account; the totals of
// days and months; a balance as it was at a moment. It is asked by the command line, the control socket and the desk alike.
//
// The one idea: an answer costs what it shows. A page of a statement is read from the lists of the index, newest or oldest first, and goes
// on behind the last line of the page before; totals are read from cells; a balance is the sum of closed months and days and of the part of
// one day. Nothing waits for the owner of the state but a look at names. A page that is asked for again with the same bounds is the same,
// whatever the switch does meanwhile.
//
// It changes nothing, keeps no data of its own, and knows neither Pebble nor sockets: the store it reads is an interface.
package query
