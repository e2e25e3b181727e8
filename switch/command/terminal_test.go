package command

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/switch/daemon"
	"onecard/terminals/emulator/samplecampus"
)

// handSite is a small campus with a running switch, for terminals by hand.
func handSite(t *testing.T) (csv, address string, campus *samplecampus.Campus) {
	return handSiteAt(t, filepath.Join(t.TempDir(), "data"))
}

func handSiteAt(t *testing.T, data string) (csv, address string, campus *samplecampus.Campus) {
	o := samplecampus.DefaultOptions()
	o.Holders, o.Merchants, o.POS, o.Gates, o.Kiosks = 50, 2, 2, 1, 1
	campus = samplecampus.New(o)
	csv = filepath.Join(t.TempDir(), "csv")
	require.NoError(t, campus.WriteCSV(csv))
	config, err := daemon.Load("", nil)
	require.NoError(t, err)
	config.Data.Directory = data
	config.Data.MemTableBytes, config.Data.BallastBytes, config.Data.LowWaterBytes = 4<<20, 0, 0
	config.Terminals.Listen, config.Operations.Listen = "127.0.0.1:0", "127.0.0.1:0"
	_, problems, err := daemon.Import(t.Context(), &config, os.DirFS(csv))
	require.NoError(t, err)
	require.Empty(t, problems)
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan daemon.Addresses, 1), make(chan error, 1)
	go func() {
		done <- daemon.Run(ctx, config, daemon.Options{Version: "test", Log: io.Discard, Ready: func(a daemon.Addresses) { ready <- a }})
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	select {
	case a := <-ready:
		return csv, a.Terminals, campus
	case <-time.After(20 * time.Second):
		t.Fatal("the switch did not get ready")
	}
	return "", "", nil
}

func byHand(t *testing.T, in string, args ...string) (out string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c := newTerminalCommand()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	c.SetIn(strings.NewReader(in))
	c.SetOut(&stdout)
	c.SetErr(&stderr)
	err := c.ExecuteContext(t.Context())
	if err != nil {
		code = exitFailed
		if coded, ok := err.(*exitError); ok {
			code = coded.code
		}
		stderr.WriteString(err.Error())
	}
	return stdout.String() + stderr.String(), code
}

// A day of one terminal by hand: the messages are shown, and nothing secret is.
func TestTerminalByHand(t *testing.T) {
	csv, address, campus := handSite(t)
	out, code := byHand(t, "", "--campus", csv, "--address", address, "buy,", "repeat,", "reverse,", "balance,", "pass")
	require.Zero(t, code, out)
	require.Contains(t, out, "→ 0800")
	require.Contains(t, out, "→ 0200")
	require.Contains(t, out, "← 0410")
	require.Contains(t, out, "重发,同一应答")
	var card string
	for i := range campus.Holders {
		if h := &campus.Holders[i]; h.State == "active" && h.Expires == "" {
			card = fmt.Sprint(h.Card)
			break
		}
	}
	require.NotContains(t, out, card, "card numbers are masked")
	require.Regexp(t, regexp.MustCompile(`F62 .*\*`), out, "keys are hidden")

	// A repeat has the reference of the first answer.
	references := regexp.MustCompile(`reference (\d{12})`).FindAllStringSubmatch(out, -1)
	require.GreaterOrEqual(t, len(references), 4)
	require.Equal(t, references[0], references[1])
	require.NotEqual(t, references[0], references[2])

	// From a pipe; a refusal is exit code 3.
	out, code = byHand(t, "# too much\nbuy "+card+" 99999\n\nsignoff\n", "--campus", csv, "--address", address, "--brief")
	require.Equal(t, exitFindings, code, out)
	require.Contains(t, out, "✗ ")
	require.NotContains(t, out, "→ 0200")

	for _, bad := range [][]string{
		{"--campus", csv, "dance"},
		{"--campus", csv, "--address", address, "buy 12"},
		{"--campus", csv, "--address", address, "buy " + card + " 1.234"},
		{"buy"},
		{"--campus", t.TempDir(), "buy"},
		{"--terminal", "10000001", "--merchant", "1", "--key-file", "/none", "buy"},
	} {
		out, code := byHand(t, "", bad...)
		require.Equal(t, exitUsage, code, "%v: %s", bad, out)
	}
	out, code = byHand(t, "", "--campus", csv, "--address", "127.0.0.1:1", "buy")
	require.Equal(t, exitFailed, code)
	require.Contains(t, out, "连不上交换机")
}

// What stands between a terminal and its answer is told in both languages: a wrong key, a port that is no switch's.
func TestTerminalSaysWhyThereIsNoAnswer(t *testing.T) {
	_, address, campus := handSite(t)
	key := filepath.Join(t.TempDir(), "tmk.hex")
	require.NoError(t, os.WriteFile(key, []byte("00112233445566778899aabbccddeeff\n"), 0o600))
	row := &campus.Terminals[0]
	out, code := byHand(t, "", "--address", address, "--terminal", row.Code, "--merchant", campus.MerchantOf(row), "--key-file", key, "--brief", "signon")
	require.Equal(t, exitFailed, code, out)
	require.Contains(t, out, "不是交换机登记的主密钥")

	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer deaf.Close()
	out, code = byHand(t, "", "--address", deaf.Addr().String(), "--terminal", row.Code, "--merchant", campus.MerchantOf(row), "--key-file", key, "--brief", "--timeout", "50ms", "echo")
	require.Equal(t, exitFailed, code, out)
	require.Contains(t, out, "没有及时应答")
}
