package daemon_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger/pebblestore"
	"onecard/switch/daemon"
)

// TestBackupOfARunningSwitch: terminals buy while the switch is backed up through its socket; another switch serves on the copy, under the
// site key that was kept apart, and knows every purchase that was answered before.
func TestBackupOfARunningSwitch(t *testing.T) {
	c := newCampus(t)
	r := c.run(t)
	h := &c.Holders[0]
	terminal := c.terminal(t, r.Terminals, 0)
	bought, err := terminal.Purchase(h.Card, 100, "")
	require.NoError(t, err)
	require.True(t, bought.Approved())
	stop, done := make(chan struct{}), make(chan error, 1)
	other := c.terminal(t, r.Terminals, 1)
	go func() { // ends by stop
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if _, err := other.Purchase(c.Holders[1].Card, 1, ""); err != nil {
				done <- err
				return
			}
		}
	}()
	folder := filepath.Join(t.TempDir(), "copy")
	made, err := daemon.Backup(t.Context(), &c.config, folder, "")
	require.NoError(t, err)
	require.Equal(t, "test", made.Version, "the running switch made it")
	_, err = daemon.Backup(t.Context(), &c.config, folder, "")
	require.ErrorContains(t, err, "not empty")
	_, err = daemon.NewClient(c.config.Data.Directory).Backup(t.Context(), "relative")
	require.ErrorContains(t, err, "absolute path")
	_, err = daemon.Backup(t.Context(), &c.config, filepath.Join(c.config.Data.Directory, "inside"), "")
	require.ErrorContains(t, err, "inside the data folder")
	close(stop)
	require.NoError(t, <-done)
	require.NoError(t, r.stop())

	store, err := pebblestore.Inspect(pebblestore.Options{Dir: folder})
	require.NoError(t, err)
	require.Empty(t, store.Doubts())
	require.Equal(t, made.Sequence, store.Head().Sequence)
	require.NoError(t, store.Close())
	c.config.Data.SiteKeyFile = filepath.Join(c.config.Data.Directory, "site.key")
	c.config.Data.Directory = folder
	r = c.run(t)
	terminal = c.terminal(t, r.Terminals, 0)
	balance, err := terminal.Balance(h.Card)
	require.NoError(t, err)
	require.Equal(t, h.Main+h.Subsidy-100, balance.Balance)
	require.NoError(t, r.stop())

	// Nobody runs on the first folder now: the program opens it itself.
	c.config.Data.Directory = filepath.Dir(c.config.Data.SiteKeyFile)
	made, err = daemon.Backup(t.Context(), &c.config, filepath.Join(t.TempDir(), "again"), "other")
	require.NoError(t, err)
	require.Equal(t, "other", made.Version)
}
