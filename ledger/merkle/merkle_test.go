package merkle_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/ledger/merkle"
)

// The vectors that Certificate Transparency publishes with RFC 6962 (certificate-transparency/cpp/merkletree/merkle_tree_test.cc).
var (
	vectorLeaves = []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	vectorEmpty  = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	vectorRoots  = []string{
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	vectorPaths = []struct {
		index, size uint64
		path        []string
	}{
		{0, 1, nil},
		{0, 8, []string{
			"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
			"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
			"6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
		}},
		{5, 8, []string{
			"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
			"ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
			"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		}},
		{2, 3, []string{"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"}},
		{1, 5, []string{
			"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
			"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
			"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
		}},
	}
)

func unhex(t require.TestingT, text string) []byte {
	b, err := hex.DecodeString(text)
	require.NoError(t, err)
	return b
}

// grow adds leaves to a tree and returns its root.
func grow(t require.TestingT, tree *merkle.Tree, leaves [][]byte) merkle.Hash {
	for _, leaf := range leaves {
		require.NoError(t, tree.Add(leaf))
	}
	require.EqualValues(t, len(leaves), tree.Size())
	root, err := tree.Root()
	require.NoError(t, err)
	return root
}

func TestPublishedVectors(t *testing.T) {
	require.Equal(t, vectorEmpty, hex.EncodeToString(rootBytes(grow(t, merkle.New(), nil))))
	var leaves [][]byte
	for i, text := range vectorLeaves {
		leaves = append(leaves, unhex(t, text))
		require.Equal(t, vectorRoots[i], hex.EncodeToString(rootBytes(grow(t, merkle.New(), leaves))), "%d leaves", i+1)
	}
	for _, v := range vectorPaths {
		tree, err := merkle.NewPath(v.index, v.size)
		require.NoError(t, err)
		root := grow(t, tree, leaves[:v.size])
		path, err := tree.Path()
		require.NoError(t, err)
		require.Len(t, path, len(v.path), "leaf %d of %d", v.index, v.size)
		for i := range path {
			require.Equal(t, v.path[i], hex.EncodeToString(path[i][:]), "leaf %d of %d, node %d", v.index, v.size, i)
		}
		require.NoError(t, merkle.Verify(leaves[v.index], v.index, v.size, path, root))
	}
}

func rootBytes(h merkle.Hash) []byte { return h[:] }

// naive is section 2.1 as it is written there.
func naive(leaves [][]byte) merkle.Hash {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, leaves[0]...))
	}
	k := 1
	for 2*k < len(leaves) {
		k *= 2
	}
	left, right := naive(leaves[:k]), naive(leaves[k:])
	return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
}

// TestTreesOfAnySize: the root is that of the RFC's own recursion; the path of any leaf holds, and holds for nothing else.
func TestTreesOfAnySize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		leaves := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 40), 1, 70).Draw(t, "leaves")
		for i := range leaves { // two leaves that are the same have each other's place, which is as it should be
			leaves[i] = binary.BigEndian.AppendUint16(leaves[i], uint16(i))
		}
		size := uint64(len(leaves))
		index := rapid.Uint64Range(0, size-1).Draw(t, "index")
		tree, err := merkle.NewPath(index, size)
		require.NoError(t, err)
		root := grow(t, tree, leaves)
		require.Equal(t, naive(leaves), root)
		path, err := tree.Path()
		require.NoError(t, err)
		require.NoError(t, merkle.Verify(leaves[index], index, size, path, root))

		other := rapid.Uint64Range(0, size+1).Draw(t, "other")
		if other != index {
			require.ErrorIs(t, merkle.Verify(leaves[index], other, size, path, root), merkle.ErrMismatch)
		}
		require.ErrorIs(t, merkle.Verify(append(leaves[index], 0), index, size, path, root), merkle.ErrMismatch)
		require.ErrorIs(t, merkle.Verify(leaves[index], index, size, append(path, root), root), merkle.ErrMismatch)
		if len(path) > 0 {
			require.ErrorIs(t, merkle.Verify(leaves[index], index, size, path[1:], root), merkle.ErrMismatch)
			path[rapid.IntRange(0, len(path)-1).Draw(t, "node")][rapid.IntRange(0, 31).Draw(t, "byte")] ^= 1
			require.ErrorIs(t, merkle.Verify(leaves[index], index, size, path, root), merkle.ErrMismatch)
		}
	})
}

func TestWhatHasNoPath(t *testing.T) {
	for _, wrong := range [][2]uint64{{0, 0}, {1, 1}, {9, 8}} {
		_, err := merkle.NewPath(wrong[0], wrong[1])
		require.Error(t, err)
	}
	tree, err := merkle.NewPath(0, 2)
	require.NoError(t, err)
	require.NoError(t, tree.Add([]byte("one")))
	_, err = tree.Path()
	require.ErrorContains(t, err, "there are 1")
	_, err = merkle.New().Path()
	require.Error(t, err)
}
