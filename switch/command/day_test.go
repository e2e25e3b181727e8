package command_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// serving starts the program on a data folder and waits until it is ready.
func serving(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0], "serve")
	c.Env = []string{
		asProgram + "=1", "ONECARD_DATA_DIRECTORY=" + dir, "ONECARD_DATA_BALLAST_BYTES=0", "ONECARD_DATA_LOW_WATER_BYTES=0",
		"ONECARD_TERMINALS_LISTEN=127.0.0.1:0", "ONECARD_OPERATIONS_LISTEN=127.0.0.1:0",
	}
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	lines := bufio.NewScanner(out)
	for !strings.HasPrefix(lines.Text(), "ready ") {
		require.True(t, lines.Scan(), "ended before it was ready")
	}
	return c
}

// TestDayFromTheCommandLine: switched by hand, ended by itself, shown, checked away from the ledger, ended again; killed after a switch and
// started again, the day is still closed and comes to its end.
func TestDayFromTheCommandLine(t *testing.T) {
	dir, folder := filepath.Join(t.TempDir(), "data"), t.TempDir()
	c := serving(t, dir)
	closed := regexp.MustCompile(`open one is (\d{4}-\d{2}-\d{2})`)
	_, errOut, code := onecard("day", "switch", "--data", dir, "--now", "--closes", "2001-01-01")
	require.Equal(t, 1, code)
	require.Regexp(t, closed, errOut, "it says which day is open")
	today := closed.FindStringSubmatch(errOut)[1]
	_, errOut, code = onecard("day", "switch", "--data", dir, "--closes", today)
	require.Equal(t, 2, code)
	require.Contains(t, errOut, "--now")
	out, errOut, code := onecard("day", "switch", "--data", dir, "--now", "--closes", today)
	require.Zero(t, code, errOut)
	require.Contains(t, out, "business day "+today+" is closed")

	statement := filepath.Join(dir, "days", today+".json")
	require.Eventually(t, func() bool { _, err := os.Stat(statement); return err == nil }, 20*time.Second, 20*time.Millisecond)
	out, errOut, code = onecard("day", "list", "--data", dir)
	require.Zero(t, code, errOut)
	require.Contains(t, out, today+"    ✓ 通过 / passed")
	out, errOut, code = onecard("day", "show", "--data", dir, today)
	require.Zero(t, code, errOut)
	require.Contains(t, out, "✓ 日结通过 / the day-end has passed")

	key, errOut, code := onecard("prove", "--data", dir, "--public-key")
	require.Zero(t, code, errOut)
	site := filepath.Join(folder, "site.pub")
	require.NoError(t, os.WriteFile(site, []byte(key), 0o600))
	out, errOut, code = onecard("day", "check", "--key", site, statement)
	require.Zero(t, code, errOut)
	require.Contains(t, out, "✓ 日结单成立 / the statement holds")
	text, err := os.ReadFile(statement)
	require.NoError(t, err)
	lied := filepath.Join(folder, "lied.json")
	require.NoError(t, os.WriteFile(lied, []byte(strings.Replace(string(text), `"passed": true`, `"passed": false`, 1)), 0o600))
	_, errOut, code = onecard("day", "check", "--key", site, lied)
	require.Equal(t, 3, code)
	require.Contains(t, errOut, "signature")
	out, errOut, code = onecard("day", "end", "--data", dir, today)
	require.Zero(t, code, errOut)
	require.Contains(t, out, "已记账 / recorded")

	tomorrow := next(t, today)
	_, errOut, code = onecard("day", "end", "--data", dir, tomorrow)
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "has not been switched")
	_, errOut, code = onecard("day", "switch", "--data", dir, "--now", "--closes", tomorrow)
	require.Zero(t, code, errOut)
	require.NoError(t, c.Process.Kill())
	_ = c.Wait()
	_, errOut, code = onecard("day", "end", "--data", dir, tomorrow)
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "no switch is running")
	serving(t, dir)
	require.Eventually(t, func() bool {
		out, _, _ := onecard("day", "list", "--data", dir)
		return strings.Contains(out, tomorrow+"    ✓")
	}, 20*time.Second, 20*time.Millisecond)
	_, errOut, code = onecard("day", "switch", "--data", dir, "--now", "--closes", tomorrow)
	require.Equal(t, 1, code)
	require.Contains(t, errOut, "open one is "+next(t, tomorrow))
}

func next(t *testing.T, day string) string {
	at, err := time.Parse(time.DateOnly, day)
	require.NoError(t, err)
	return at.AddDate(0, 0, 1).Format(time.DateOnly)
}

func TestDaySaysWhatItNeeds(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		line string
		code int
		says string
	}{
		{"day end --data " + dir + " yesterday", 2, "is not a date"},
		{"day show --data " + dir + " 2026-11-23", 1, "onecard day end"},
		{"day check nowhere.json", 2, "give --key"},
		{"day switch --data " + dir, 2, "--closes"},
		{"day nosuch", 2, "there is no command"},
	} {
		_, errOut, code := onecard(strings.Fields(c.line)...)
		require.Equal(t, c.code, code, c.line)
		require.Contains(t, errOut, c.says, c.line)
	}
	out, _, code := onecard("day", "list", "--data", dir)
	require.Zero(t, code)
	require.Contains(t, out, "closing")
}
