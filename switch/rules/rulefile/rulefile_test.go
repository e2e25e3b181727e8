package rulefile_test

import (
	"testing"

	"github.com/cockroachdb/datadriven"

	"onecard/switch/rules/rulefile"
)

// TestFaults: everything wrong with a file is said at once, each with its line.
func TestFaults(t *testing.T) {
	datadriven.RunTest(t, "testdata/faults", func(_ *testing.T, d *datadriven.TestData) string {
		if _, err := rulefile.Read("rules.yaml", []byte(d.Input)); err != nil {
			return err.Error() + "\n"
		}
		return "ok\n"
	})
}
