package pebblestore

import (
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"onecard/ledger"
)

// TestChainIsProvedBehind: a ledger whose chain is walked while its owner gets ready is used like any other; one with a hole is opened, and
// nobody is answered from it.
func TestChainIsProvedBehind(t *testing.T) {
	mem := vfs.NewMem()
	o := testOptions("data", mem)
	o.ProveBehind = true
	s := open(t, o)
	b := newBooks(t, s)
	b.pay(5)
	hole := s.Head().Sequence + 1
	for range 40 { // further back than the witness remembers
		b.pay(5)
	}
	last := b.pay(5)
	require.NoError(t, s.Close())
	s = open(t, o)
	require.Equal(t, last, s.Head().Sequence)
	require.NoError(t, s.Wait(last))
	last = newBooks(t, s).pay(3)
	require.NoError(t, s.db.Delete(blockKey(nil, hole), pebble.Sync))
	require.NoError(t, s.Close())
	s = open(t, o)
	require.Equal(t, last, s.Head().Sequence)
	err := s.Wait(last)
	require.ErrorIs(t, err, ledger.ErrMalformed)
	require.ErrorContains(t, err, "entries are missing")
	require.NoError(t, s.Close())
	s = open(t, o) // closed before anybody asks: what was found is said by Close
	require.ErrorIs(t, s.Close(), ledger.ErrMalformed)
	o.ProveBehind = false
	_, err = Open(o)
	require.ErrorIs(t, err, ledger.ErrMalformed)
}
