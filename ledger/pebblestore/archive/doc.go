// Package archive keeps the blocks of a ledger in a folder of compressed files: a copy of the whole chain on another disk or machine, from
// which a ledger is restored to any moment, and the place of blocks that are too old to stay in Pebble.
//
// The one idea: each file says by itself which blocks are in it, of which ledger, and how they hang in the chain, and is whole from the
// moment it has its name. So a folder of files needs nobody to vouch for it, an interrupted archiving leaves nothing behind that counts, and
// what is missing or damaged can be named by file, blocks and entries. What files cannot say of themselves is that the newest of them is
// gone: that says INDEX, a list in plain text that is written after them.
//
//	DIR/INDEX                       every file with its entries, day, times and hashes, and a sum over the list
//	DIR/FIRST-LAST.blocks           consecutive blocks of one business day, as zstd (file.go)
//
// The newest file of a day grows: it is written again with the blocks that have come since, under its new name, and then the shorter one is
// removed. All others never change.
//
// It knows no Pebble but its file system, decides nothing about what is archived when, and reads no entry's payload.
package archive
