// Package channelsim is a payment channel in software: orders, payments, refunds, notifications and the daily file over HTTP, in the manner of
// WeChat Pay's API v3, with books and keys of its own.
//
// The one idea: it shares no code with the client that it is tried with. What it signs, checks, encrypts and writes into its file is written
// here once more from the description of the interface, so that a mistake on one side shows on the other. It keeps its own books, and Check
// adds them up.
//
// It does as it is told: Script puts misbehaviour ahead of the next requests, Pay is a holder with a phone. It sends notifications only when
// Deliver is called, so that a test decides when. It takes no real money and knows no payer.
package channelsim
