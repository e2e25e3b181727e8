package rulefile_test

import (
	"os"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/switch/rules"
	"onecard/switch/rules/rulefile"
	"onecard/switch/rules/rulestest"
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

// TestWrittenFileReadsBack: what is printed of any tables is a file of the same tables.
func TestWrittenFileReadsBack(t *testing.T) {
	example, err := os.ReadFile("../../../configs/rules.yaml")
	require.NoError(t, err)
	same := func(t require.TestingT, tables *rules.Tables) {
		text := rulefile.Write(tables)
		again, err := rulefile.Read("again.yaml", text)
		require.NoError(t, err, "%s", text)
		require.Equal(t, tables.Append(nil), again.Append(nil), "%s", text)
	}
	tables, err := rulefile.Read("rules.yaml", example)
	require.NoError(t, err)
	same(t, tables)
	tables.Title = "\"quotes\" : and # more\\"
	same(t, tables)
	rapid.Check(t, func(t *rapid.T) {
		same(t, rulestest.Tables(t, []string{"student", "staff"}, []string{"103410054110001", "103410054110002"}))
	})
}
