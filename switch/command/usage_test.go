package command_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/switch/command"
	"onecard/switch/daemon"
)

func onecard(args ...string) (out, errOut string, code int) {
	var o, e bytes.Buffer
	code = command.Run("test", args, strings.NewReader(""), &o, &e)
	return o.String(), e.String(), code
}

// TestWrongCommandLines: a script hears of a slip of the pen by the exit code, a person in both languages.
func TestWrongCommandLines(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"sevre", "是否 / did you mean: serve"},
		{"sevre --config x", `没有命令 "sevre"`},
		{"config prin", "是否 / did you mean: print"},
		{"help nosuch", `没有命令 "nosuch"`},
		{"help config nosuch", `没有命令 "nosuch"`},
		{"serve extra", "参数个数不对,给了 1 个 / wrong number of arguments, 1 given"},
		{"trace", "用法 / usage: onecard trace HEX | -"},
		{"--nope", "没有选项 --nope / there is no flag --nope"},
		{"verify -x", "没有选项 -x"},
		{"card --data", "选项 --data 缺少值 / the flag --data needs a value"},
		{"statement --limit many", `选项 --limit 的值 "many" 不对`},
		{"config check nosuch.yaml", "读不出配置文件 / the configuration cannot be read"},
		{"verify --data x --json nowhere/x.json", "没有文件夹 nowhere / there is no folder nowhere"},
		{"demo --json nowhere/x.json", "the folder of --json is not there"},
		{"completion csh", `没有外壳 "csh"`},
		{"card 9156000000000019 gone", "写 active、lost、frozen 或 closed"},
	} {
		out, errOut, code := onecard(strings.Fields(c.line)...)
		require.Equal(t, 2, code, "%s: %s%s", c.line, out, errOut)
		require.Contains(t, errOut, c.want, c.line)
		require.Empty(t, out, c.line)
	}
}

// TestHelpIsInBothLanguages walks every command's help: no heading, short text or flag is in one language alone.
func TestHelpIsInBothLanguages(t *testing.T) {
	name := regexp.MustCompile(`(?m)^  ([a-z-]+) +\S.*$`)
	chinese := regexp.MustCompile(`\p{Han}`)
	var walk func(words []string)
	walk = func(words []string) {
		out, _, code := onecard(append(words, "--help")...)
		require.Zero(t, code, words)
		asked, _, _ := onecard(append([]string{"help"}, words...)...)
		require.Equal(t, out, asked, "help %v", words)
		for _, foreign := range []string{"Usage:", "Available Commands:", "Flags:", "Examples:", "help for ", "for more information"} {
			require.NotContains(t, out, foreign, words)
		}
		for line := range strings.Lines(out) {
			if strings.HasPrefix(strings.TrimSpace(line), "-") {
				require.Regexp(t, chinese, line, "%v", words)
			}
		}
		_, list, found := strings.Cut(out, "命令 / commands:\n")
		if list, _, _ = strings.Cut(list, "\n\n"); !found {
			require.Contains(t, out, "示例 / examples:", words)
		}
		for _, match := range name.FindAllStringSubmatch(list, -1) {
			require.Regexp(t, chinese, match[0])
			walk(append(words[:len(words):len(words)], match[1]))
		}
	}
	walk(nil)
}

// TestCompletion: each shell gets a script, and the program answers what the scripts ask.
func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		out, errOut, code := onecard("completion", shell)
		require.Zero(t, code, errOut)
		require.Contains(t, out, "onecard", shell)
	}
	out, _, code := onecard("__complete", "config", "")
	require.Zero(t, code)
	require.Contains(t, out, "check\t一次列出")
}

// TestImportLeavesTheFolderOfARunningSwitchAlone: the running one is asked; an open of our own, refused as it would be, wrote a ballast
// of another size into the folder before.
func TestImportLeavesTheFolderOfARunningSwitchAlone(t *testing.T) {
	c := daemon.DefaultConfig()
	c.Data.Directory, c.Data.BallastBytes, c.Data.LowWaterBytes = filepath.Join(t.TempDir(), "data"), 0, 0
	c.Terminals.Listen, c.Operations.Listen = "127.0.0.1:0", "127.0.0.1:0"
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- daemon.Run(ctx, c, daemon.Options{Log: io.Discard, Ready: func(daemon.Addresses) { close(ready) }})
	}()
	<-ready
	files := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(files, "organisations.csv"), []byte("code,name\nA,大学\n"), 0o600))
	out, errOut, code := onecard("import", "--data", c.Data.Directory, files)
	require.Zero(t, code, errOut)
	require.Contains(t, out, "1  名称 / names")
	require.NoFileExists(t, filepath.Join(c.Data.Directory, "BALLAST"))
	cancel()
	require.NoError(t, <-done)
	require.NoFileExists(t, daemon.ControlPath(c.Data.Directory))
}
