// Package iso8583 reads and writes the messages of the switch: the terminal link in the Chinese POS profile, and the bank link.
//
// The one idea: two codecs with one field table. The messages that come by the thousand are read in place by a hand-written codec that
// allocates nothing and keeps the raw bytes, because a MAC is over what came, not over what we think came, and because echoing the raw
// bytes keeps a vendor's pad nibbles. Every other message goes through moov-io/iso8583 with the same table, and moov is the oracle in a
// differential fuzz test of the hot codec.
//
// It also holds what belongs to messages: MACs, working keys, PIN blocks, and a description of a frame for people with everything secret
// masked. It opens no socket and keeps no key beyond the objects it returns. Clauses are those of the wire handbook.
package iso8583
