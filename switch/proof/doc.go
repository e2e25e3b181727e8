// Package proof makes and checks proofs that one record stands in the ledger's books of one business day.
//
// The one idea: whoever holds a proof and the site's public key needs nobody's word and no ledger. All records of a business day are the
// leaves of a Merkle tree (ledger/merkle, RFC 6962), in order of their sequence; the site signs the root; a proof is a record, the path
// from it to the root, and the signed root. A site that has signed a day cannot change, add or take away a record of it without the root
// saying so.
//
// A leaf, integers big-endian:
//
//	0   sequence u64
//	8   business day u32, days since 1970 at the site
//	12  moment i64, microseconds since 1970
//	20  the entry's bytes as they stand in its block (ledger.appendEntry)
//
// What is signed with Ed25519:
//
//	0   "onecard day root v1\n"
//	20  the site's public key, 32 bytes
//	52  business day u32
//	56  complete u8: 1 nothing can be added to the day, 0 provisional: what is there so far
//	57  tree size u64
//	65  root, 32 bytes
//	97  hash of the block that holds the last leaf, 32 bytes
//
// The block's hash ties the day into the ledger's chain: two signed roots of one day that disagree convict the site. What it does not do:
// say whose card a number in a record is (Names is the site's word, and marked so), hide the record from whoever is given its proof, or
// prove directory rows, which hold keys and card numbers.
package proof
