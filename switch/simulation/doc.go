// Package simulation runs the core of the switch under a seed, with everything around it made of faults (safety handbook 2.2, level A).
//
// The one idea: the engine asks its door for work, and the door is the world. Each time the owner polls, one event of a seeded agenda
// happens: a terminal asks, repeats, reverses, forgets; the bank answers in time, late, twice, never; an operator acts; the clock steps;
// the power goes, the leadership is lost, the disk runs short. Everything runs on the owner's goroutine with virtual time, so a seed is a
// history, and the same seed is the same history to the last bit.
//
//	agenda -> world (terminals, bank, office, clock, disk) -> Door.Poll -> engine -> journal in memory
//	                                                                          |
//	          inspector <- reckoning (books of its own from durable entries) <-'
//
// Two parties watch. The reckoning folds each durable entry into books of its own, and judges it: was this decision the right one, was
// this identity decided before, may this load be credited. The inspector compares after each event: the live state with the reckoning,
// each answer with the durable log, the bank's book with ours, and, now and then and at each crash, the running state with one rebuilt from
// the log. At the end the faults stop, and everything that was begun must come to its end.
//
// It has no frame, no socket, no file and no gateway of the product: those are tested in their own folders.
package simulation
