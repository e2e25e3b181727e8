package daemon_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/switch/daemon"
	"onecard/switch/directory"
)

const shipped = "../../configs/switch.yaml"

// TestShippedConfigurationIsTheDefaults: the file lists every key, with the value that holds without it.
func TestShippedConfigurationIsTheDefaults(t *testing.T) {
	fromFile, err := daemon.Load(shipped, nil)
	require.NoError(t, err)
	defaults, err := daemon.Load("", nil)
	require.NoError(t, err)
	defaults.Bank.Addresses, fromFile.Bank.Addresses = nil, nil
	require.Equal(t, defaults, fromFile)
	text, err := daemon.Describe(shipped, nil)
	require.NoError(t, err)
	for line := range strings.Lines(text) {
		if key, value, _ := strings.Cut(strings.TrimSpace(line), ":"); strings.TrimSpace(value) != "" {
			require.Contains(t, line, "# "+shipped, "key %s is not in the shipped file", key)
		}
	}
}

// TestAllFaultsAtOnce: keys of every part are reported in the words of the file, with line and caret.
func TestAllFaultsAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "switch.yaml")
	source := "terminals:\n  listen: nowhere\n  idle_timeout: 1ms\nbank:\n  addresses: [bank]\n  links: 99\ndata:\n  memtable_bytes: 1\nlog:\n  level: loud\nstop_timeout: 0s\nsite:\n  windows: 3\n"
	require.NoError(t, os.WriteFile(path, []byte(source), 0o600))
	_, err := daemon.Load(path, []string{"ONECARD_OPERATIONS_LISTEN=9583"})
	require.Error(t, err)
	text := err.Error()
	t.Log(text)
	for _, want := range []string{
		"terminals.listen: 须为 主机:端口", "2 |   listen: nowhere", "terminals.idle_timeout:", "bank.addresses:", "bank.links:", "bank.mac_key_file:", "data.memtable_bytes:",
		"log.level:", "stop_timeout:", "site.windows: 无此键", "operations.listen:", "^",
	} {
		require.Contains(t, text, want)
	}
}

// TestLogLevelKeepsErrors: zap knows levels above error, under which a failure would leave no line.
func TestLogLevelKeepsErrors(t *testing.T) {
	for level, good := range map[string]bool{"debug": true, "info": true, "warn": true, "error": true, "fatal": false, "panic": false, "": false, "INFO": false} {
		_, err := daemon.Load("", []string{"ONECARD_LOG_LEVEL=" + level})
		require.Equal(t, good, err == nil, "%q: %v", level, err)
	}
}

// TestNoLedgerBesideAWrongBankKey: a switch that cannot run does not make a data folder first.
func TestNoLedgerBesideAWrongBankKey(t *testing.T) {
	c := daemon.DefaultConfig()
	c.Data.Directory = filepath.Join(t.TempDir(), "data")
	c.Bank.Addresses, c.Bank.MACKeyFile = []string{"127.0.0.1:1"}, filepath.Join(t.TempDir(), "nowhere")
	require.ErrorContains(t, daemon.Run(t.Context(), c, daemon.Options{Log: io.Discard}), "the MAC key of the bank")
	require.NoDirExists(t, c.Data.Directory)
}

// TestPathOfTheControlSocket: a data folder whose socket could not be bound is refused before a ledger is made in it.
func TestPathOfTheControlSocket(t *testing.T) {
	for _, c := range []struct {
		length int
		good   bool
	}{{107, true}, {108, false}} {
		directory := strings.Repeat("d", c.length-len("/control.sock"))
		_, err := daemon.Load("", []string{"ONECARD_DATA_DIRECTORY=" + directory})
		require.Equal(t, c.good, err == nil, "%d: %v", c.length, err)
	}
}

// TestClientSaysWhyItCannotAsk: no socket, or one that was left behind, is no switch; a folder that is none of these is told as it is.
func TestClientSaysWhyItCannotAsk(t *testing.T) {
	dir := t.TempDir()
	_, err := daemon.NewClient(dir).Status(t.Context())
	require.ErrorIs(t, err, daemon.ErrNotRunning)
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: daemon.ControlPath(dir), Net: "unix"})
	require.NoError(t, err)
	listener.SetUnlinkOnClose(false)
	require.NoError(t, listener.Close())
	_, err = daemon.NewClient(dir).Status(t.Context())
	require.ErrorIs(t, err, daemon.ErrNotRunning)
	loop := filepath.Join(dir, "loop")
	require.NoError(t, os.Symlink(loop, loop))
	_, err = daemon.NewClient(loop).Status(t.Context())
	require.Error(t, err)
	require.NotErrorIs(t, err, daemon.ErrNotRunning)
	require.ErrorContains(t, err, "too many levels")
}

// TestNoLedgerForAnEmptyImport: a slip in the folder's name leaves no new ledger behind.
func TestNoLedgerForAnEmptyImport(t *testing.T) {
	c := daemon.DefaultConfig()
	c.Data.Directory = filepath.Join(t.TempDir(), "data")
	_, _, err := daemon.Import(t.Context(), &c, os.DirFS(t.TempDir()))
	require.ErrorIs(t, err, directory.ErrNoFiles)
	require.NoDirExists(t, c.Data.Directory)
}

func TestSiteKey(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "site.key")
	_, err := daemon.LoadSiteKey(path, false)
	require.ErrorIs(t, err, daemon.ErrSiteKey, "beside a ledger a missing key is not replaced")
	drawn, err := daemon.LoadSiteKey(path, true)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	again, err := daemon.LoadSiteKey(path, false)
	require.NoError(t, err)
	require.Equal(t, []byte(drawn), []byte(again))
	require.NoError(t, os.Chmod(path, 0o640))
	_, err = daemon.LoadSiteKey(path, false)
	require.ErrorContains(t, err, "chmod 600")
	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, os.WriteFile(path, []byte("00"), 0o600))
	_, err = daemon.LoadSiteKey(path, false)
	require.ErrorContains(t, err, "64")
}

// TestDaySwitchIsAMinuteOfTheDay: a business day begins at a whole minute after midnight, and before the next.
func TestDaySwitchIsAMinuteOfTheDay(t *testing.T) {
	for value, good := range map[string]bool{"0s": true, "23h": true, "23h59m": true, "2h30m": true, "24h": false, "-1h": false, "1h0m30s": false} {
		_, err := daemon.Load("", []string{"ONECARD_SITE_DAY_SWITCH=" + value})
		require.Equal(t, good, err == nil, "%q: %v", value, err)
	}
}

// TestDeskVariablesConfigureNothing: an operator who has exported his token can still run every other command.
func TestDeskVariablesConfigureNothing(t *testing.T) {
	c, err := daemon.Load("", []string{"ONECARD_TOKEN=li.x", "ONECARD_ADDRESS=127.0.0.1:1", "ONECARD_DESK=A", "ONECARD_LOG_LEVEL=warn"})
	require.NoError(t, err)
	require.Equal(t, "warn", c.Log.Level)
	_, err = daemon.Load("", []string{"ONECARD_TOKENS=li.x"})
	require.ErrorContains(t, err, "ONECARD_TOKENS")
}
