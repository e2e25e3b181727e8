// Package merkle makes and checks Merkle trees as RFC 6962 section 2.1 has them: SHA-256, 0x00 before a leaf and 0x01 before two nodes, so
// that neither can be taken for the other.
//
// The one idea: a tree of any size is read once, leaf after leaf, and never kept. The hashing is that of transparency-dev/merkle, which the
// logs of Certificate Transparency run on; here it is given a face of plain hashes: a Tree holds the roots of its full subtrees, one for
// every bit of its size, and beside them the few nodes of a path that it was asked for before the first leaf.
//
//	Tree         leaves in, root out; with a path of one leaf (NewPath) or without (New)
//	Verify       a leaf, its path and a root: does the root stand for a tree with this leaf at this place?
//
// It knows no record, no key and no disk. Who speaks for a root is another's question: see switch/proof.
package merkle

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// Hash is the SHA-256 of a leaf, of a node or of a whole tree.
type Hash [sha256.Size]byte

// ErrMismatch says that a path does not lead from its leaf to its root.
var ErrMismatch = errors.New("路径与根不符 / the path does not lead to the root")

// Tree is a tree under way: leaves are added in order. Its memory grows with the logarithm of its size. One goroutine.
type Tree struct {
	leaves *compact.Range
	size   uint64 // that the path is for; 0: any
	nodes  proof.Nodes
	path   [][]byte // the hashes of nodes, as far as they are known
	wanted map[compact.NodeID]int
	buffer []byte
}

// New begins a tree of which only the root is wanted.
func New() *Tree {
	return &Tree{leaves: (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)}
}

// NewPath begins a tree of a known size that remembers the path of one of its leaves. An index beyond the size is an error.
func NewPath(index, size uint64) (*Tree, error) {
	nodes, err := proof.Inclusion(index, size)
	if err != nil {
		return nil, fmt.Errorf("leaf %d of a tree of %d: %w", index, size, err)
	}
	t := New()
	t.size, t.nodes, t.path, t.wanted = size, nodes, make([][]byte, len(nodes.IDs)), make(map[compact.NodeID]int, len(nodes.IDs))
	for i, id := range nodes.IDs {
		t.wanted[id] = i
	}
	return t, nil
}

// Add appends a leaf.
func (t *Tree) Add(leaf []byte) error {
	var visit compact.VisitFn
	if t.wanted != nil {
		visit = t.remember
	}
	if err := t.leaves.Append(t.hash(leaf), visit); err != nil {
		return fmt.Errorf("leaf %d: %w", t.Size(), err)
	}
	return nil
}

// hash is rfc6962's HashLeaf without its copy of the leaf for each.
func (t *Tree) hash(leaf []byte) []byte {
	t.buffer = append(append(t.buffer[:0], rfc6962.RFC6962LeafHashPrefix), leaf...)
	sum := sha256.Sum256(t.buffer)
	return sum[:]
}

func (t *Tree) remember(id compact.NodeID, hash []byte) {
	if i, ok := t.wanted[id]; ok {
		t.path[i] = hash
	}
}

// Size is the number of leaves so far.
func (t *Tree) Size() uint64 { return t.leaves.End() }

// Root is the hash of the tree so far. The root of no leaves is the hash of nothing (RFC 6962 section 2.1).
func (t *Tree) Root() (Hash, error) {
	if t.Size() == 0 {
		return Hash(rfc6962.DefaultHasher.EmptyRoot()), nil
	}
	root, err := t.leaves.GetRootHash(nil)
	if err != nil {
		return Hash{}, fmt.Errorf("the root of %d leaves: %w", t.Size(), err)
	}
	return Hash(root), nil
}

// Path is the audit path of the leaf that NewPath was asked for, from the leaf up (RFC 6962 section 2.1.1). It is an error while leaves are
// missing.
func (t *Tree) Path() ([]Hash, error) {
	if t.wanted == nil || t.Size() != t.size {
		return nil, fmt.Errorf("a path in a tree of %d leaves was asked for, and there are %d", t.size, t.Size())
	}
	hashes, err := t.nodes.Rehash(append([][]byte(nil), t.path...), rfc6962.DefaultHasher.HashChildren)
	if err != nil {
		return nil, fmt.Errorf("the path: %w", err)
	}
	path := make([]Hash, len(hashes))
	for i := range hashes {
		path[i] = Hash(hashes[i])
	}
	return path, nil
}

// Verify says whether root stands for a tree of size leaves with this one at index: nil, or an error that is ErrMismatch.
func Verify(leaf []byte, index, size uint64, path []Hash, root Hash) error {
	hashes := make([][]byte, len(path))
	for i := range path {
		hashes[i] = path[i][:]
	}
	err := proof.VerifyInclusion(rfc6962.DefaultHasher, index, size, rfc6962.DefaultHasher.HashLeaf(leaf), hashes, root[:])
	if mismatch := new(proof.RootMismatchError); errors.As(err, mismatch) {
		return fmt.Errorf("%w: %x, 应为 / should be %x", ErrMismatch, mismatch.CalculatedRoot, root)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMismatch, err)
	}
	return nil
}
