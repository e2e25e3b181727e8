package inprocess

import (
	"bytes"
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLedgerSaysEveryFigure runs the parts once, small: every figure is there, and nothing is left behind.
func TestLedgerSaysEveryFigure(t *testing.T) {
	work := t.TempDir()
	var out bytes.Buffer
	result, err := Ledger(context.Background(), Options{Work: work, Records: 30_000, Holders: 500, Seconds: 0.3, Groups: []int{64, 512}}, &out)
	require.NoError(t, err, out.String())
	require.Len(t, result.Groups, 2)
	for name, figure := range map[string]float64{
		"durable": result.DurablePerSecond, "decide": result.Decide, "index": result.IndexCPU, "rebuild": result.Rebuild, "verify": result.Verify, "verify cpu": result.VerifyCPU,
	} {
		require.Positive(t, figure, name)
	}
	left, err := os.ReadDir(work)
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestARefusedPurchaseEndsTheRun: a figure of refusals would be one of something else.
func TestARefusedPurchaseEndsTheRun(t *testing.T) {
	ctx := context.Background()
	engine, err := engineOn(ctx, &nowhere{}, 10)
	require.NoError(t, err)
	d := &door{holders: 11, group: 64, left: 640} // one card more than was imported
	_, _, err = (&opened{engine: engine}).sell(ctx, d)
	require.ErrorContains(t, err, "card_unknown")
}
