package command

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/switch/daemon"
)

// TestADeskFromTheCommandLine: operators are given out, a drawer is opened, money comes in, a second person approves, the sheet agrees, the audit
// log is whole. Everything goes through the program's own commands against a real switch.
func TestADeskFromTheCommandLine(t *testing.T) {
	c := daemon.DefaultConfig()
	c.Data.Directory, c.Data.BallastBytes, c.Data.LowWaterBytes = filepath.Join(t.TempDir(), "data"), 0, 0
	c.Terminals.Listen, c.Operations.Listen = "127.0.0.1:0", "127.0.0.1:0"
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan daemon.Addresses, 1), make(chan error, 1)
	go func() {
		done <- daemon.Run(ctx, c, daemon.Options{Log: io.Discard, Ready: func(a daemon.Addresses) { ready <- a }})
	}()
	addresses := <-ready
	files := t.TempDir()
	for name, text := range map[string]string{
		"organisations.csv": "code,name\nA,大学\n", "desks.csv": "code,name\nD01,一号窗口\n",
		"classes.csv": "code,name\nstudent,学生\n", "holders.csv": "number,name,class\n2026001,李小明,student\n2026002,王芳,student\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(files, name), []byte(text), 0o600))
	}
	run := func(want int, args ...string) string {
		t.Helper()
		code, out, errOut := onecard(args...)
		require.Equal(t, want, code, "%v: %s%s", args, out, errOut)
		return out + errOut
	}
	run(0, "import", "--data", c.Data.Directory, files)
	token := func(code, roles string) string {
		t.Helper()
		found := regexp.MustCompile(`(?m)^` + code + `\.\S+$`).FindString(run(0, "operator", "add", code, "--roles", roles, "--data", c.Data.Directory))
		require.NotEmpty(t, found)
		return found
	}
	zhang, wang, zhao := token("zhang", "cashier"), token("wang", "accountant"), token("zhao", "approver")
	desk := func(want int, who string, args ...string) string {
		t.Helper()
		t.Setenv("ONECARD_TOKEN", who)
		return run(want, append([]string{"desk", "--address", addresses.Operations}, args...)...)
	}
	require.Contains(t, desk(0, zhang, "me"), "cashier")
	desk(0, zhang, "drawer", "open", "--desk", "D01", "--amount", "100.00")
	require.Contains(t, desk(0, zhang, "deposit", "--desk", "D01", "--holder", "2026001", "--amount", "20.00", "--key", "deposit-1"), "现金存款")
	require.Contains(t, desk(0, zhang, "deposit", "--desk", "D01", "--holder", "2026001", "--amount", "20.00", "--key", "deposit-1"), "reprint")
	require.Contains(t, desk(1, zhang, "deposit", "--desk", "D01", "--holder", "2026009", "--amount", "20.00"), "请核对学号", "what is wrong and what to do")
	require.Contains(t, desk(2, zhang, "deposit", "--desk", "D01", "--holder", "2026001"), "--amount")
	require.Contains(t, desk(1, zhang, "adjust", "--holder", "2026001", "--amount", "1.00", "--reason", "更正"), "accountant", "it says which role is needed")

	list := filepath.Join(files, "november.csv")
	require.NoError(t, os.WriteFile(list, []byte("学号,金额\n2026001,150.00\n2026002,80.50\n"), 0o600))
	submitted := desk(0, wang, "batch", "submit", "--kind", "subsidy", "--programme", "subsidy", "--reason", "十一月补贴", list)
	number := regexp.MustCompile(`\d{12}`).FindString(submitted)
	require.Contains(t, desk(0, wang, "batch", "submit", "--kind", "subsidy", "--programme", "subsidy", "--reason", "十一月补贴", list), number, "the same file is the same batch")
	desk(0, zhao, "batch", "approve", number)
	require.Contains(t, desk(0, zhao, "batch", "show", number, "--watch"), "230.50")
	require.Contains(t, desk(0, zhao, "holder", "2026001"), "150.00")

	require.Contains(t, desk(0, zhao, "statement", "--holder", "2026001"), "20.00")
	desk(0, zhang, "drawer", "close", "--desk", "D01", "--amount", "119.00")
	require.Contains(t, desk(3, zhang, "sheet", "D01"), "-1.00")
	require.Contains(t, run(0, "audit", "check", "--data", c.Data.Directory), "✓")
	run(0, "operator", "suspend", "zhang", "--data", c.Data.Directory)
	require.Contains(t, desk(1, zhang, "me"), "停用")
	cancel()
	require.NoError(t, <-done)
}
