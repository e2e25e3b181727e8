package transaction_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/switch/transaction"
)

// shelf hands out checkpoints, newest first; the first so many are damaged in one section.
type shelf struct {
	kept    []*memoryCheckpoints // newest first
	damaged int
}

func (s *shelf) SaveCheckpoint(ctx context.Context, snapshot ledger.Snapshot) error {
	c := new(memoryCheckpoints)
	s.kept = append([]*memoryCheckpoints{c}, s.kept...)
	return c.SaveCheckpoint(ctx, snapshot)
}

func (s *shelf) CheckpointBefore(sequence uint64) (ledger.Stored, error) {
	for i, c := range s.kept {
		if c.head.Sequence < sequence {
			return &rotten{c, i < s.damaged}, nil
		}
	}
	return nil, nil
}

type rotten struct {
	*memoryCheckpoints
	bad bool
}

var errRot = errors.New("a page has rotted")

func (r *rotten) Section(name string, visit func([]byte) error) error {
	if r.bad && name == "core.cards" {
		return errRot
	}
	return r.memoryCheckpoints.Section(name, visit)
}

// TestADamagedCheckpointCostsTimeOnly: the one before it takes its place, and a replay of everything when there is none; the state is the same.
func TestADamagedCheckpointCostsTimeOnly(t *testing.T) {
	journal, checkpoints := &memoryJournal{}, &shelf{}
	config := transaction.Config{Journal: journal, Checkpoints: checkpoints, Routes: routes(), Site: transaction.DefaultSite()}
	engine, err := transaction.Open(context.Background(), config, 1)
	require.NoError(t, err)
	var taken []uint64
	dir := manyPeople()
	dir.Holders, dir.Cards = dir.Holders[:9000], dir.Cards[:9000]
	for _, part := range []*transaction.Directory{dir, {Classes: []transaction.ClassRow{{Code: "staff"}}}, {Classes: []transaction.ClassRow{{Code: "guest"}}}} {
		faults, err := engine.ImportBeforeRun(part, 2)
		require.NoError(t, err)
		require.Empty(t, faults)
		snapshot, err := engine.SnapshotBeforeRun()
		require.NoError(t, err)
		require.NoError(t, checkpoints.SaveCheckpoint(t.Context(), snapshot))
		taken = append([]uint64{snapshot.Head.Sequence}, taken...)
	}
	want := sumOf(t, engine)
	for damaged := range 4 {
		var skipped []error
		checkpoints.damaged = damaged
		config.Events.CheckpointSkipped = func(err error) { skipped = append(skipped, err) }
		engine, err := transaction.Open(context.Background(), config, 3)
		require.NoError(t, err)
		require.Len(t, skipped, damaged)
		for _, err := range skipped {
			require.ErrorIs(t, err, errRot)
		}
		require.Equal(t, append(taken, 0)[damaged], engine.RestoredFrom())
		require.Equal(t, want, sumOf(t, engine), "%d checkpoints damaged", damaged)
	}
}
