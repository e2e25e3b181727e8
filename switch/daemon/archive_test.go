package daemon_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/ledger/pebblestore"
	"onecard/ledger/pebblestore/archive"
	"onecard/switch/daemon"
)

// TestArchiveOfARunningSwitch: the switch archives by itself and when it is asked to; a ledger that comes back from the files alone knows
// every purchase.
func TestArchiveOfARunningSwitch(t *testing.T) {
	c := newCampus(t)
	root := t.TempDir()
	c.config.Archive.Directory, c.config.Archive.Interval = filepath.Join(root, "archive"), 20*time.Millisecond
	r := c.run(t)
	h := &c.Holders[0]
	terminal := c.terminal(t, r.Terminals, 0)
	bought, err := terminal.Purchase(h.Card, 100, "")
	require.NoError(t, err)
	require.True(t, bought.Approved())
	client := daemon.NewClient(c.config.Data.Directory)
	status, err := client.Status(t.Context())
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		folder, err := archive.Open(nil, c.config.Archive.Directory)
		return err == nil && folder.Head().Sequence >= status.Sequence
	}, 10*time.Second, 5*time.Millisecond)
	require.Eventually(t, func() bool {
		_, text := r.get(t, "/metrics")
		return strings.Contains(text, "\nonecard_archive_lag_records 0\n") && !strings.Contains(text, "\nonecard_archive_sequence 0\n")
	}, 10*time.Second, 20*time.Millisecond)

	other := filepath.Join(root, "other")
	done, err := daemon.Archive(t.Context(), &c.config, daemon.ArchiveOrder{Folder: other})
	require.NoError(t, err)
	require.GreaterOrEqual(t, done.Head.Sequence, status.Sequence)
	_, err = client.Archive(t.Context(), daemon.ArchiveOrder{Folder: "relative"})
	require.ErrorContains(t, err, "absolute path")
	_, err = daemon.Archive(t.Context(), &c.config, daemon.ArchiveOrder{Folder: filepath.Join(c.config.Data.Directory, "inside")})
	require.ErrorContains(t, err, "inside the data folder")
	require.NoError(t, r.stop())

	restored := filepath.Join(root, "data")
	restoration, err := pebblestore.BeginRestore(nil, other, "", restored)
	require.NoError(t, err)
	_, err = restoration.Copy(t.Context(), pebblestore.Cut{}, pebblestore.RestoreSink{
		Block: func(uint64, []byte) {}, Missing: func(_, _ uint64, why error) { t.Error(why) },
	})
	require.NoError(t, err)
	_, err = restoration.Finish()
	require.NoError(t, err)
	c.config.Data.SiteKeyFile = filepath.Join(c.config.Data.Directory, "site.key")
	c.config.Data.Directory, c.config.Archive.Directory = restored, filepath.Join(root, "third")
	r = c.run(t)
	terminal = c.terminal(t, r.Terminals, 0)
	balance, err := terminal.Balance(h.Card)
	require.NoError(t, err)
	require.Equal(t, h.Main+h.Subsidy-100, balance.Balance)
	require.NoError(t, r.stop())
}
