package command

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

const wantFeed = `{"sequence":9,"reference":"000000000009","time":"2026-11-23T12:01:00.000000+08:00","day":"2026-11-23","kind":"purchase","terminal":"10000001","batch":7,"trace":1,"card":"915600******0012","amount_fen":500,"main_fen":380,"subsidy_fen":120,"balance_fen":620,"code":"00","reason":"none"}
{"sequence":10,"reference":"000000000010","time":"2026-11-23T12:02:00.000000+08:00","day":"2026-11-23","kind":"purchase","terminal":"10000001","batch":7,"trace":2,"card":"915600******0012","amount_fen":9900,"balance_fen":620,"code":"51","reason":"funds"}
{"sequence":11,"reference":"000000000011","time":"2026-11-23T12:03:00.000000+08:00","day":"2026-11-23","kind":"reversal","terminal":"10000001","batch":7,"trace":1,"card":"915600******0012","amount_fen":500,"main_fen":380,"subsidy_fen":120,"balance_fen":1120,"code":"00","reason":"none","original":9}
`

// TestFeedOfAStoppedLedger: lines for a program on the output, words for people beside it; wrong command lines.
func TestFeedOfAStoppedLedger(t *testing.T) {
	data := makeStatementLedger(t, true)
	run := func(args ...string) (int, string, string) {
		var out, errOut bytes.Buffer
		code := Run("test", append([]string{"feed"}, args...), nil, &out, &errOut)
		return code, out.String(), errOut.String()
	}
	code, out, said := run("--data", data, "--name", "reports", "--from", "9")
	require.Zero(t, code, said)
	require.Equal(t, wantFeed, out[:len(wantFeed)])
	require.Contains(t, said, "read-only")
	code, whole, _ := run("--data", data, "--name", "reports")
	require.Zero(t, code)
	require.Contains(t, whole, `{"sequence":1,"reference":"000000000001",`)
	require.Contains(t, whole, `"kind":"load_unknown"`)
	require.True(t, bytes.HasSuffix([]byte(whole), []byte(out)))
	code, out, _ = run("list", "--data", data)
	require.Zero(t, code)
	require.Contains(t, out, "cursor")
	for _, wrong := range [][]string{{"--data", data}, {"--name", "reports"}, {"--data", data, "--name", "r", "--from", "0"}, {"drop", "--data", data}} {
		code, _, said = run(wrong...)
		require.Equal(t, exitUsage, code, "%v: %s", wrong, said)
	}
	for _, failing := range [][]string{{"--data", data, "--name", "r", "--follow"}, {"drop", "--data", data, "r"}, {"--data", data, "--name", "R"}, {"--data", t.TempDir(), "--name", "r"}} {
		code, _, said = run(failing...)
		require.Equal(t, exitFailed, code, "%v: %s", failing, said)
	}
}
