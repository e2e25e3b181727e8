package daemon_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAlertRules runs the rules' own tests where Prometheus is installed (Debian: apt-get install prometheus; .ci/run does).
func TestAlertRules(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed: the alert rules are not tested in this run")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}, {"check", "config", "prometheus.yml"}} {
		command := exec.Command(promtool, args...)
		command.Dir = "../../configs/prometheus"
		out, err := command.CombinedOutput()
		require.NoError(t, err, "promtool %v: %s", args, out)
	}
}
