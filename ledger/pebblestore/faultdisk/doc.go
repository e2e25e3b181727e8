// Package faultdisk lets the disk under a ledger fail in tests: it is crashed, refused, filled, slowed and stuck at any operation, and a
// campaign counts how often, where, and what came of it.
//
// The one idea: every operation passes a hook before it is done. What the hook does — copy the disk as a power cut would leave it, return an
// error, wait — is the fault; that the hook is called for every operation of every file is what makes "at every operation" true. Pebble's own
// errorfs has holes there (logs that are used again pass it by), which is why this package exists.
//
// It does not know what is right after a fault: that is for whoever keeps something on the disk to say. It is for tests; the product does not
// import it.
package faultdisk
