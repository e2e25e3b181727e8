package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestArchiveAndRestore: a stopped ledger is archived, the archive is listed and checked, and a ledger comes back from it: whole, and up to
// a moment on the clock of the site, with a list of what was answered after it.
func TestArchiveAndRestore(t *testing.T) {
	dir := makeStatementLedger(t, true) // lunch of 2026-11-23, in China
	root := t.TempDir()
	folder := filepath.Join(root, "archive")
	code, out, errOut := onecard("archive", "--data", dir, "--to", folder)
	require.Zero(t, code, errOut)
	require.Contains(t, out, "✓ 已归档 / archived    "+folder)
	code, out, _ = onecard("archive", "--data", dir, "--to", folder)
	require.Zero(t, code)
	require.Contains(t, out, "新增 / new 0")
	code, out, errOut = onecard("archive", "list", folder)
	require.Zero(t, code, errOut)
	require.Contains(t, out, "2026-11-23")
	code, out, errOut = onecard("archive", "check", folder)
	require.Zero(t, code, out+errOut)
	require.Contains(t, out, "the archive is whole")

	whole := filepath.Join(root, "whole")
	code, out, errOut = onecard("restore", "--from", folder, "--data", whole)
	require.Zero(t, code, out+errOut)
	require.Contains(t, out, "an archive has no names")
	before, _, _ := verify(t, "--data", dir)
	after, printed, code := verify(t, "--data", whole)
	require.Zero(t, code, printed)
	require.Equal(t, before["head"], after["head"])

	noon, list := filepath.Join(root, "noon"), filepath.Join(root, "left.csv")
	code, out, errOut = onecard("restore", "--from", folder, "--data", noon, "--time", "2026-11-23 12:05:30", "--left-out", list)
	require.Zero(t, code, out+errOut)
	require.Contains(t, out, "2026-11-23 12:06:00 – 2026-11-23 12:11:00")
	require.Contains(t, out, "1 loads are on their way at the end")
	require.Contains(t, out, "圈存入账 / loads credited 1,成功 / approved 1,金额 / amount 50.00")
	_, printed, code = verify(t, "--data", noon)
	require.Zero(t, code, printed)
	text, err := os.ReadFile(list)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	require.Len(t, lines, 7)
	require.Equal(t, "record,time,what,terminal,batch,trace,card,amount_fen,code,original_or_load", lines[0])
	require.Equal(t, "000000000015,2026-11-23 12:07:00.000000,圈存请求 / loads asked for,10000002,000007,000003,915600******0012,6000,00,0", lines[2])
	t.Log("\n" + out)

	code, out, _ = onecard("restore", "--from", folder, "--data", filepath.Join(root, "later"), "--time", "2026-11-23T13:00:00+08:00")
	require.Zero(t, code)
	require.Contains(t, out, "whether there was more before the moment asked for, it cannot say")
}

func TestArchiveIsRefused(t *testing.T) {
	dir, _ := sampleLedger(t)
	root := t.TempDir()
	folder := filepath.Join(root, "archive")
	code, _, errOut := onecard("archive", "--data", dir)
	require.Equal(t, exitUsage, code)
	require.Contains(t, errOut, "--to")
	code, _, errOut = onecard("archive", "--data", root, "--to", folder)
	require.Equal(t, exitFailed, code)
	require.Contains(t, errOut, "there is no ledger here")
	code, _, errOut = onecard("archive", "check", root)
	require.Equal(t, exitFailed, code)
	require.Contains(t, errOut, "the folder holds no archive")
	for _, moment := range []string{"noon", "2026-11-23", "12:00:00"} {
		code, _, errOut = onecard("restore", "--from", folder, "--data", filepath.Join(root, "data"), "--time", moment)
		require.Equal(t, exitUsage, code)
		require.Contains(t, errOut, "2026-11-26 12:00:00")
	}
	code, _, _ = onecard("restore", "--from", folder, "--data", filepath.Join(root, "data"), "--time", "2026-11-23 12:00:00", "--to", "9")
	require.Equal(t, exitUsage, code)

	// A flipped bit is named by file, blocks and entries, and nothing is restored from it.
	code, _, errOut = onecard("archive", "--data", dir, "--to", folder)
	require.Zero(t, code, errOut)
	files, err := filepath.Glob(filepath.Join(folder, "*.blocks"))
	require.NoError(t, err)
	last := files[len(files)-1]
	text, err := os.ReadFile(last)
	require.NoError(t, err)
	text[len(text)/2] ^= 4
	require.NoError(t, os.WriteFile(last, text, 0o600))
	code, out, _ := onecard("archive", "check", folder)
	require.Equal(t, exitFindings, code)
	require.Contains(t, out, last)
	code, out, errOut = onecard("restore", "--from", folder, "--data", filepath.Join(root, "data"))
	require.Equal(t, exitFindings, code, errOut)
	require.Contains(t, out, last)
	require.NoError(t, os.Remove(last))
	code, out, _ = onecard("archive", "list", folder)
	require.Equal(t, exitFindings, code)
	require.Contains(t, out, "the file is not there")
	require.NoError(t, os.Remove(filepath.Join(folder, "INDEX")))
	code, out, errOut = onecard("archive", "--data", dir, "--to", folder)
	require.Zero(t, code, out+errOut)
	code, out, errOut = onecard("archive", "check", folder)
	require.Zero(t, code, out+errOut)
}
