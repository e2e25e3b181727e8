package console

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// TestSlips: receipts as a printer prints them; the input is the JSON of a receipt.
func TestSlips(t *testing.T) {
	datadriven.RunTest(t, "testdata/slips", func(t *testing.T, d *datadriven.TestData) string {
		var r Receipt
		require.NoError(t, json.Unmarshal([]byte(d.Input), &r))
		paper := Slip58
		if d.Cmd == "80mm" {
			paper = Slip80
		}
		var b strings.Builder
		require.NoError(t, r.Slip(&b, paper))
		for line := range strings.Lines(b.String()) {
			require.LessOrEqual(t, columns(strings.TrimRight(line, "\n")), int(paper), "%q runs over the edge", line)
		}
		return b.String()
	})
}
