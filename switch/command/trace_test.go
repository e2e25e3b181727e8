package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"onecard/switch/iso8583"
)

// runTrace runs the command as main does and returns what it prints and its exit code.
func runTrace(stdin string, args ...string) (out string, code int, err error) {
	c := newTraceCommand()
	c.SilenceUsage, c.SilenceErrors = true, true
	var b bytes.Buffer
	c.SetOut(&b)
	c.SetErr(&b)
	c.SetIn(strings.NewReader(stdin))
	c.SetArgs(append([]string{}, args...)) // nil would be the arguments of the test
	err = c.Execute()
	e := new(exitError)
	switch {
	case errors.As(err, &e):
		code = e.code
	case err != nil:
		code = exitFailed
	}
	return b.String(), code, err
}

// TestTrace: what an engineer sees (go test -run TestTrace -rewrite writes it anew).
func TestTrace(t *testing.T) {
	datadriven.Walk(t, "testdata/trace", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			require.Equal(t, "trace", d.Cmd)
			var args []string
			for _, a := range d.CmdArgs {
				args = append(args, "--"+a.String())
			}
			out, code, err := runTrace(d.Input, append(args, "-")...)
			if err != nil && err.Error() != "" {
				out += "error: " + err.Error() + "\n"
			}
			return out + "exit " + string(rune('0'+code)) + "\n"
		})
	})
}

const echoFrame = "0037600003000160310031000008200020000000C0001000000231303031363931393834333239303034353832303030310011000000013010"

func TestTraceReadsHexHoweverItIsWritten(t *testing.T) {
	want, code, err := runTrace("", echoFrame)
	require.NoError(t, err)
	require.Zero(t, code)
	var spaced []string
	for i := 0; i < len(echoFrame); i += 2 {
		spaced = append(spaced, echoFrame[i:i+2])
	}
	for name, args := range map[string][]string{
		"many arguments":  spaced,
		"lower case":      {strings.ToLower(echoFrame)},
		"0x in front":     {"0x" + echoFrame},
		"0x at each byte": {"0x" + strings.Join(spaced, ", 0x")},
		"spaces":          {strings.Join(spaced, " ")},
	} {
		got, _, err := runTrace("", args...)
		require.NoError(t, err, name)
		require.Equal(t, want, got, name)
	}
	got, _, err := runTrace(strings.Join(spaced, "\r\n\t "), "-")
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestTraceRefusesWhatIsNoHex(t *testing.T) {
	for _, c := range []struct {
		stdin string
		args  []string
		say   string
	}{
		{"", nil, "给了 0 个"},
		{"", []string{"00zz"}, `'z'`},
		{"", []string{"00 5"}, "3 个"},
		{" \n", []string{"-"}, "没有报文"},
		{strings.Repeat("00", traceInputMax), []string{"-"}, "太长"},
		{"", []string{"--output", "xml", "00"}, "text 或 json"},
	} {
		_, code, err := runTrace(c.stdin, c.args...)
		require.ErrorContains(t, err, c.say)
		require.Equal(t, exitUsage, code, c.say)
	}
}

func TestTraceJSON(t *testing.T) {
	out, code, err := runTrace("", "--output", "json", echoFrame)
	require.NoError(t, err)
	require.Zero(t, code)
	var d iso8583.Description
	require.NoError(t, json.Unmarshal([]byte(out), &d))
	require.Equal(t, "0820", d.MTI)
	require.Nil(t, d.Fault)
	require.Equal(t, "echo", d.Purpose.EN)

	out, code, err = runTrace("", "--output", "json", echoFrame[:len(echoFrame)-2])
	require.Error(t, err)
	require.Equal(t, exitFindings, code)
	require.NoError(t, json.Unmarshal([]byte(out), &d))
	require.Equal(t, "truncated", d.Fault.Fault)
	require.Equal(t, 60, d.Fault.Field)
}

// TestTraceLinesUp: on a terminal every meaning begins in the same column, Chinese or not.
func TestTraceLinesUp(t *testing.T) {
	out, _, err := runTrace("", echoFrame)
	require.NoError(t, err)
	lines := strings.Split(out, "\n")
	at := -1
	for _, line := range lines {
		before, _, ok := strings.Cut(line, "含义")
		if ok {
			at = columns(before)
		}
	}
	require.Positive(t, at)
	for _, meaning := range []string{"其后 55 字节", "目的 0003", "应用类别 60", "网络管理请求 / network", "60.1 交易类型", "60.3 网管码"} {
		found := false
		for _, line := range lines[2:] {
			if before, _, ok := strings.Cut(line, meaning); ok && !strings.HasPrefix(line, meaning) {
				require.Equal(t, at, columns(before), line)
				found = true
			}
		}
		require.True(t, found, meaning)
	}
}
