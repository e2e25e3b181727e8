// Package daemon puts the switch together: it reads the configuration, opens the ledger, starts the owner goroutine, the terminal link, the
// bank gateway and the operations port, and stops them in the reverse order.
//
// The one idea: every part is made by a constructor that says what it needs, and this is the one place that knows them all. What happens
// inside the parts arrives here through their Events and goes to metrics and logs; nothing inside logs by itself.
//
//	terminals ──> owner (transaction.Engine) ──> journal (pebblestore)      operations: /metrics /healthz /readyz /debug/pprof
//	                     │      ▲                                            control:    a socket in the data folder, for its owner
//	                     ▼      │
//	                  bank gateway                                          housekeeping: checkpoints, free space, the balance beam
//
// It decides nothing about money and reads no message.
package daemon
