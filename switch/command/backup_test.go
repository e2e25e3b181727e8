package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger/pebblestore"
)

// TestBackupAndRestore: a stopped ledger is backed up, the copy verifies, comes back whole and up to an entry, and goes on.
func TestBackupAndRestore(t *testing.T) {
	dir, receipts := sampleLedger(t)
	root := t.TempDir()
	copied := filepath.Join(root, "copy")
	code, out, errOut := onecard("backup", "--data", dir, copied)
	require.Zero(t, code, errOut)
	require.Contains(t, out, "✓ 备份完成 / backup made   "+copied)
	require.Contains(t, out, filepath.Join(dir, "site.key"))
	_, err := os.Stat(filepath.Join(copied, "site.key"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, printed, code := verify(t, "--data", copied, "--receipts", receipts)
	require.Zero(t, code, printed)

	code, _, errOut = onecard("backup", "--data", dir, copied)
	require.Equal(t, exitFailed, code)
	require.Contains(t, errOut, "the folder exists and is not empty")
	code, _, errOut = onecard("backup", "--data", dir, filepath.Join(receipts, "copy"))
	require.Equal(t, exitFailed, code)
	require.Contains(t, errOut, "备份目录无法")
	code, _, errOut = onecard("backup", "--data", root, filepath.Join(root, "other"))
	require.Equal(t, exitFailed, code)
	require.Contains(t, errOut, "there is no ledger here")

	whole := filepath.Join(root, "whole")
	require.NoError(t, os.Mkdir(whole, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(whole, "site.key"), []byte("put back first\n"), 0o600))
	code, out, errOut = onecard("restore", "--from", copied, "--data", whole)
	require.Zero(t, code, errOut)
	require.NotContains(t, out, "left out")
	before, _, _ := verify(t, "--data", dir)
	result, printed, code := verify(t, "--data", whole, "--receipts", receipts)
	require.Zero(t, code, printed)
	require.Equal(t, before["head"], result["head"])
	require.Equal(t, before["accounts_by_code"], result["accounts_by_code"])
	code, _, errOut = onecard("restore", "--from", copied, "--data", whole)
	require.Equal(t, exitFailed, code)
	require.Contains(t, errOut, "the folder holds a ledger")

	cut := filepath.Join(root, "cut")
	code, out, errOut = onecard("restore", "--from", copied, "--data", cut, "--to", "150")
	require.Zero(t, code, errOut)
	require.Contains(t, out, "left out")
	result, printed, code = verify(t, "--data", cut)
	require.Zero(t, code, printed)
	require.LessOrEqual(t, result["entries"], 150.0)
	require.Greater(t, result["entries"], 100.0)
	t.Log("\n" + out)
}

// TestRestoreIsRefused: no manifest, no such entry, a flipped bit; each says what and where, and leaves nothing behind.
func TestRestoreIsRefused(t *testing.T) {
	dir, _ := sampleLedger(t)
	store, err := pebblestore.Open(pebblestore.Options{Dir: dir}) // what was in the log comes into a table
	require.NoError(t, err)
	require.NoError(t, store.Close())
	root := t.TempDir()
	copied, data := filepath.Join(root, "copy"), filepath.Join(root, "data")
	code, _, errOut := onecard("backup", "--data", dir, copied)
	require.Zero(t, code, errOut)
	refused := func(want int, text string, args ...string) {
		t.Helper()
		code, out, errOut := onecard(append([]string{"restore", "--from", copied, "--data", data}, args...)...)
		require.Equal(t, want, code, out+errOut)
		require.Contains(t, out+errOut, text)
		left, err := filepath.Glob(filepath.Join(data, "*"))
		require.NoError(t, err)
		require.Empty(t, left)
	}
	refused(exitUsage, "--to", "--to", "0")
	refused(exitFailed, "leave --to out", "--to", "100000")
	code, _, _ = onecard("restore", "--data", data)
	require.Equal(t, exitUsage, code)

	manifest := filepath.Join(copied, "BACKUP.json")
	require.NoError(t, os.Rename(manifest, manifest+".new"))
	refused(exitFailed, "there is no BACKUP.json")
	require.NoError(t, os.Rename(manifest+".new", manifest))

	tables, err := filepath.Glob(filepath.Join(copied, "pebble", "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	for _, table := range tables {
		text, err := os.ReadFile(table)
		require.NoError(t, err)
		at := strings.Index(string(text), "T0000001") // within the block of the import
		if at < 0 {
			continue
		}
		text[at] ^= 1
		require.NoError(t, os.Remove(table)) // it is the original's too
		require.NoError(t, os.WriteFile(table, text, 0o600))
	}
	refused(exitFindings, "42000000000000")
	_, printed, code := verify(t, "--data", dir)
	require.Zero(t, code, printed)
}
