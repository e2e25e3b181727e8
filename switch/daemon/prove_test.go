package daemon_test

import (
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger/pebblestore"
	"onecard/switch/daemon"
)

// TestProofOfARunningAndAStoppedLedger: the same record, proven through the control socket while terminals buy and again without a switch;
// both hold under the one public key.
func TestProofOfARunningAndAStoppedLedger(t *testing.T) {
	c := newCampus(t)
	r := c.run(t)
	client := daemon.NewClient(c.config.Data.Directory)
	terminal := c.terminal(t, r.Terminals, 0)
	bought, err := terminal.Purchase(c.Holders[0].Card, 450, "")
	require.NoError(t, err)
	sequence, err := strconv.ParseUint(string(bought.Reference[:]), 10, 64)
	require.NoError(t, err)

	var group sync.WaitGroup
	for range 4 { // the first proofs draw the key, at once
		group.Go(func() {
			p, err := client.Prove(t.Context(), sequence)
			if key, failed := daemon.LoadSigningKey(c.config.Data.Directory); err == nil && failed == nil {
				_, err = p.Check(key.Public().(ed25519.PublicKey))
			} else {
				err = errors.Join(err, failed)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	for range 20 {
		_, err := terminal.Purchase(c.Holders[1].Card, 1, "")
		require.NoError(t, err)
	}
	group.Wait()
	running, err := client.Prove(t.Context(), sequence)
	require.NoError(t, err)
	require.False(t, running.Signed.Complete, "today may still grow")
	require.Equal(t, "10000001", running.Names.Terminal)
	require.Contains(t, running.Names.Card, "******", "masked")
	for _, none := range []uint64{0, 1 << 40} {
		_, err = client.Prove(t.Context(), none)
		require.ErrorContains(t, err, "no such entry")
	}
	_, _, err = daemon.Prove(t.Context(), &c.config, sequence)
	require.ErrorIs(t, err, pebblestore.ErrInUse)
	require.NoError(t, r.stop())

	_, err = client.Prove(t.Context(), sequence)
	require.ErrorIs(t, err, daemon.ErrNotRunning)
	stopped, doubts, err := daemon.Prove(t.Context(), &c.config, sequence)
	require.NoError(t, err)
	require.Empty(t, doubts)
	require.Equal(t, running.Record, stopped.Record)
	require.Equal(t, running.Names, stopped.Names)
	key, err := daemon.LoadSigningKey(c.config.Data.Directory)
	require.NoError(t, err)
	contents, err := stopped.Check(key.Public().(ed25519.PublicKey))
	require.NoError(t, err)
	require.EqualValues(t, -450, contents.Entry.Legs[0].Amount)
	require.Equal(t, stopped.Signed.PublicKey, running.Signed.PublicKey)
}

func TestSigningKeyIsDrawnOnceAndKept(t *testing.T) {
	_, err := daemon.LoadSigningKey(t.TempDir())
	require.ErrorIs(t, err, pebblestore.ErrNoLedger, "no key is left behind where there is no ledger")
	c := newCampus(t)
	dir := c.config.Data.Directory
	first, err := daemon.LoadSigningKey(dir)
	require.NoError(t, err)
	second, err := daemon.LoadSigningKey(dir)
	require.NoError(t, err)
	require.True(t, first.Equal(second))
	path := filepath.Join(dir, "signing.key")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	left, err := filepath.Glob(path + ".*")
	require.NoError(t, err)
	require.Empty(t, left)
	require.NoError(t, os.Chmod(path, 0o644))
	_, err = daemon.LoadSigningKey(dir)
	require.ErrorContains(t, err, "chmod 600")
	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, os.WriteFile(path, []byte("abc"), 0o600))
	_, err = daemon.LoadSigningKey(dir)
	require.ErrorContains(t, err, "64 hexadecimal digits", "a key that is cut off is not drawn anew")
}
