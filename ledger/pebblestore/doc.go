// Package pebblestore keeps a ledger on Pebble: the blocks, a witness of the newest ones beside them, checkpoints, and indexes built
// behind. It is the only importer of Pebble.
//
// The one idea: on the way to an answer one key is written, the block, and two files are synced at once: Pebble's WAL and the witness.
// Pebble alone cannot prove that nothing is missing — it takes a damaged tail of its newest WAL for the end and opens without it — so the
// witness holds the newest blocks a second time. Open compares the two: a journal that is behind by what the witness still holds is
// repaired from it, one that is behind by more is refused. It is never silently shorter.
//
//	DIR/pebble/   Pebble
//	DIR/WITNESS   the newest blocks again, in slots that are overwritten in turn (witness.go)
//	DIR/restoring a restore that is not finished (restore.go)
//	DIR/BALLAST   space that is given up when the disk is full, so that the process can stop and start again
//
// Keys, integers big-endian:
//
//	B | first sequence u64                      -> block
//	C | generation u64 | section | 0 | part u32 -> rows of a checkpoint
//	K | generation u64                          -> manifest of a complete checkpoint, written last
//	I | space u8 | id u64 | sequence u64        -> a list of sequences: the statement index (index.go)
//	I | space + 0x80 u8 | id/16 u64 | sequence  -> one list for sixteen neighbours (lists.go)
//	S | key of a cell, 16 bytes                 -> sums: totals (totals.go)
//	M | name                                    -> marks: how far the index is built
//	M | moved                                   -> which blocks are in the archive alone, and where that is (moved.go)
//	M | feed/ | name                            -> cursor of a feed: sequence u64, hash of the block with that entry
//	W                                           -> mark of a complete import that is being brought in (stage.go)
//	W | part u32                                -> a part of it
//	D | kind u8 | key                           -> directory rows: names of people, which must be erasable
//
// Blocks are archived behind the owner into a folder of files (archiving.go, package archive), from which a ledger comes back, and old ones
// may be moved out of Pebble into them: whoever reads blocks goes through a cursor that knows both places (cursor.go).
//
// It decides nothing and reads no payload: what is indexed is said by a function of the caller.
package pebblestore
