// Package command is the face of bin/onecard: one file a command, read from top to bottom like its help text.
//
// The one idea: a command reads flags and files, calls the package that does the work, and turns what comes back into words, a table or
// JSON and an exit code that a script can use. Chinese comes first, English beside it.
//
//	0  done
//	1  it could not be done: the text says what to do
//	2  the command line or the configuration is wrong
//	3  something was checked and found wrong: lines of an import, entries of a ledger, a frame
//	76 the journal could not be written and the switch has stopped (ledger/pebblestore)
//
// It decides nothing and keeps no state.
package command
