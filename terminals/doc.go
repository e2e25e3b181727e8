// Package terminals is the front door of the switch: it holds the terminals' TCP connections, reads their ISO 8583 frames, lets in only
// what is authentic and well formed, and sends the core's decisions back as replies (wire handbook 3, 5.1 and 6).
//
// The one idea: a session is a pure state machine. Bytes go in and requests come out; a decision goes in and bytes come out; the time is
// a value. It talks to a Link, which is a connection of the reactor in the running switch and anything else in a test. The Server only
// ties sessions to sockets, and is the core's transaction.Door: Poll reads every ready connection on the owner's goroutine, Answer writes
// all replies of a durable group with one call per connection.
//
//	bytes -> frame -> hot codec -> signed on? -> MAC over the raw bytes -> fields -> PIN -> transaction.Request
//	                                                                                           | Origin: slot in the pending table
//	bytes <- MAC bound to the request's <- fields echoed from the kept raw frame <- transaction.Decision
//
// Nothing is believed before its MAC is good, and nothing that is not authentic is answered under our MAC. What is wrong is answered as
// the standard allows, or the connection is closed; both are counted by reason and neither is logged by message.
//
// It decides nothing about money, stores nothing, and keeps no PIN: a PIN leaves this package as a verification value only.
package terminals
