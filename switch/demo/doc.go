// Package demo is what `make run` starts: a campus at lunch that people can watch and disturb. The switch runs as a process of its own, the
// bank and 446 terminals are software in this one, and everything between them is real TCP on loopback.
//
// The one idea: the demonstration is a stranger to the switch. It knows the ports, the terminal link, the bank link and the control socket,
// as anybody outside does, and shares no memory with what it shows. So it may kill the switch in the middle of a lunch and still say what
// every terminal was told, and an audit of the closed ledger against that memory is worth something.
//
//	crowd, who taps when     -> Fleet, 446 terminals -> TCP -> switch (child process) -> TCP -> banksim
//	tally, what was answered <-        answers      <-
//	model -> painter -> screen, or one line a second
//	keys  -> tricks: cut the bank line, kill, report a card lost, say it again, close the day
//
// One goroutine, the conductor, owns terminals, crowd, tally and tricks; what takes time (a restart, a question to the control socket)
// is done aside and its result is brought back to it. It listens on loopback only, decides nothing about money and measures nothing that
// is worth quoting: bench/ does.
package demo
