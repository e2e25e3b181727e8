package command

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRulesOfARunningSwitch: tables are checked, published, listed and returned, and past purchases are priced again, all through the socket
// of a switch that sells meanwhile. What the site does not have is refused and nothing is published.
func TestRulesOfARunningSwitch(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	csv, address, campus := handSiteAt(t, data)
	file := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	run := func(want int, args ...string) string {
		t.Helper()
		code, out, errOut := onecard(args...)
		require.Equal(t, want, code, "%v: %s%s", args, out, errOut)
		return out + errOut
	}
	class := campus.Holders[0].Class
	autumn := file("autumn.yaml", "title: 秋季学期\nprivileges:\n  - {classes: "+class+", discount: 10 %, borne_by: school}\n")
	unknown := file("unknown.yaml", "title: 写错\nprivileges:\n  - {classes: nobody, discount: 10 %}\n")
	require.Contains(t, run(exitFindings, "rules", "check", "--data", data, unknown), "nobody")
	require.Contains(t, run(0, "rules", "check", "--data", data, autumn), "✓")
	require.Contains(t, run(exitFindings, "rules", "publish", "--data", data, "--operator", "lin", "--approver", "zhao", "--reason", "新学期", unknown), "nobody")
	require.Contains(t, run(1, "rules", "publish", "--data", data, "--operator", "lin", "--approver", "lin", "--reason", "新学期", autumn), "lin")
	run(0, "rules", "publish", "--data", data, "--operator", "lin", "--approver", "zhao", "--reason", "新学期", autumn)
	require.Contains(t, run(0, "rules", "list", "--data", data), "秋季学期")
	require.Contains(t, run(0, "rules", "show", "--data", data, "1"), "10 %")

	out, code := byHand(t, "", "--campus", csv, "--address", address, "--brief", "buy,")
	require.Zero(t, code, out)
	today := time.Now().UTC().Add(8 * time.Hour).Format(time.DateOnly)
	without := file("none.yaml", "title: 无优惠\n")
	priced := run(0, "whatif", "--data", data, "--rules", without, "--from", "2001-01-01", "--to", today)
	require.Contains(t, priced, class)
	require.Contains(t, run(exitFindings, "whatif", "--data", data, "--rules", unknown, "--from", today, "--to", today), "nobody")
	run(2, "whatif", "--data", data, "--rules", without, "--from", today, "--to", "2001-01-01")

	run(0, "rules", "rollback", "--data", data, "--operator", "lin", "--approver", "zhao", "--reason", "新学期", "1")
	require.Contains(t, run(0, "rules", "list", "--data", data), "2")
}
