// Package transaction is the core of the switch: it turns requests into decisions.
//
// The one idea: all state that a decision depends on belongs to one goroutine, the owner. It takes the requests that have arrived,
// decides them one after another in memory, writes what it decided as entries of one block, and answers when the block is durable.
// Deciding is pure: time and randomness arrive as values in the request. State changes only by applying an entry, in the running
// switch exactly as after a restart, so nothing is ever decided twice.
//
//	Request  -> decide (reads state)  -> ledger.Entry + Decision
//	                                        | apply (changes state)
//	                                        | Journal.Append, Wait
//	Decision <- Door.Answer <---------------'
//
// Read engine.go (the owner), decide.go (a request becomes a decision), record.go (its bytes), apply.go (what they change), then catalogue.go (the
// desks' operations) and day.go.
//
// It has no socket, no wire format, no disk and no clock. What a purchase or a passage through a gate means is decided by the
// subsystems in switch/campus, which are handed over as routes.
package transaction
