package command_test

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/switch/command"
)

// asProgram is the environment variable under which the test binary is the program.
const asProgram = "TEST_RUNS_ONECARD"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(command.Run("test", os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestServeOutlivesItsLogReader: with nobody at the other end of standard output and standard error, the switch answers and stops politely.
func TestServeOutlivesItsLogReader(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	c := exec.Command(os.Args[0], "serve")
	c.Env = []string{
		asProgram + "=1", "ONECARD_DATA_DIRECTORY=" + dir, "ONECARD_DATA_BALLAST_BYTES=0", "ONECARD_DATA_LOW_WATER_BYTES=0",
		"ONECARD_TERMINALS_LISTEN=127.0.0.1:0", "ONECARD_OPERATIONS_LISTEN=127.0.0.1:0",
	}
	out, writer, err := os.Pipe()
	require.NoError(t, err)
	c.Stdout, c.Stderr = writer, writer
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill() }) // when it has failed before its end
	require.NoError(t, writer.Close())
	address := ""
	for lines := bufio.NewScanner(out); address == ""; {
		require.True(t, lines.Scan(), "ended before it was ready")
		if rest, ready := strings.CutPrefix(lines.Text(), "ready "); ready {
			_, rest, _ = strings.Cut(rest, "operations=")
			address, _, _ = strings.Cut(rest, " ")
		}
	}
	require.NoError(t, out.Close())
	response, err := http.Get("http://" + address + "/status")
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.NoError(t, c.Process.Signal(syscall.SIGTERM)) // it logs that it stops
	require.NoError(t, c.Wait())
	require.NoFileExists(t, filepath.Join(dir, "control.sock"))
}
