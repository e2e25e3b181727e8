package transaction_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/switch/denylist"
	"onecard/switch/transaction"
)

// TestDenyListComesBack: after a replay of everything and from a checkpoint the list has the same versions; from a checkpoint of an older
// program, which has none, it has the same cards.
func TestDenyListComesBack(t *testing.T) {
	journal, checkpoints := &memoryJournal{}, &memoryCheckpoints{}
	config := transaction.Config{Journal: journal, Routes: routes(), Site: transaction.DefaultSite()}
	engine, err := transaction.Open(t.Context(), config, 1)
	require.NoError(t, err)
	dir := manyPeople()
	dir.Holders, dir.Cards = dir.Holders[:50], dir.Cards[:50]
	for i := range dir.Cards[:20] {
		dir.Cards[i].State = transaction.CardState(i % 4)
	}
	faults, err := engine.ImportBeforeRun(dir, 2)
	require.NoError(t, err)
	require.Empty(t, faults)
	all := func(e *transaction.Engine) denylist.Page { return e.State().DenyList(denylist.Since(0), 100) }
	require.Len(t, all(engine).Entries, 15)

	snapshot, err := engine.SnapshotBeforeRun()
	require.NoError(t, err)
	require.NoError(t, checkpoints.SaveCheckpoint(t.Context(), snapshot))
	reopened := func(config transaction.Config) *transaction.Engine {
		e, err := transaction.Open(context.Background(), config, 3)
		require.NoError(t, err)
		return e
	}
	require.Equal(t, all(engine), all(reopened(config)), "replayed")
	config.Checkpoints = checkpoints
	require.Equal(t, all(engine), all(reopened(config)), "from a checkpoint")

	delete(checkpoints.sections, "core.deny_list")
	old := all(reopened(config))
	cards := func(p denylist.Page) (cards []uint64) {
		for _, e := range p.Entries {
			require.True(t, e.Denied)
			cards = append(cards, e.Card)
		}
		return cards
	}
	require.ElementsMatch(t, cards(all(engine)), cards(old))
	require.Equal(t, snapshot.Head.Sequence, old.Head, "whoever has an older version gets the whole list")
}
