package transaction_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/switch/transaction"
)

// failingJournal refuses blocks when it is told to.
type failingJournal struct {
	memoryJournal
	failure error
}

func (j *failingJournal) Append(b ledger.Block) error {
	if j.failure != nil {
		return j.failure
	}
	return j.memoryJournal.Append(b)
}

func openEngine(t *testing.T, journal ledger.Journal, site transaction.Site) *transaction.Engine {
	t.Helper()
	engine, err := transaction.Open(context.Background(), transaction.Config{Journal: journal, Routes: routes(), Site: site}, 1)
	require.NoError(t, err)
	engine.Connect(newScriptedDoor(), newScriptedBank())
	return engine
}

// TestJournalFailureInAJobStopsTheOwner: an import or a snapshot that finds the journal broken must not leave an owner who goes on deciding
// on what is not on disk.
func TestJournalFailureInAJobStopsTheOwner(t *testing.T) {
	journal := &failingJournal{}
	engine := openEngine(t, journal, transaction.DefaultSite())
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(context.Background(), 2) }() // ends by the failure
	require.NoError(t, engine.Look(context.Background(), func(*transaction.State) { journal.failure = errors.New("the disk is gone") }))
	dir := &transaction.Directory{Classes: []transaction.ClassRow{{Code: "student"}}}
	_, err := engine.Import(context.Background(), dir, 3)
	require.ErrorContains(t, err, "the disk is gone")
	select {
	case err := <-ended:
		require.ErrorContains(t, err, "the disk is gone")
	case <-time.After(10 * time.Second):
		t.Fatal("the owner goes on")
	}
}

// TestAskingAfterTheEnd: whoever asks an owner who has ended is told so and does not wait for ever.
func TestAskingAfterTheEnd(t *testing.T) {
	engine := openEngine(t, &memoryJournal{}, transaction.DefaultSite())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, engine.Run(ctx, 2))
	require.ErrorIs(t, engine.Look(context.Background(), func(*transaction.State) {}), transaction.ErrStopped)
	_, err := engine.Snapshot(context.Background())
	require.ErrorIs(t, err, transaction.ErrStopped)
	err = engine.ChangeCard(context.Background(), transaction.CardStateChange{}, 3)
	require.ErrorIs(t, err, transaction.ErrStopped)
}

// TestInboxIsBounded: the bank's answers wait in a queue with a bound; beyond it the gateway keeps them. What is in the queue when the
// owner is told to end is decided before he ends.
func TestInboxIsBounded(t *testing.T) {
	journal := &memoryJournal{}
	engine := openEngine(t, journal, transaction.DefaultSite())
	const bound = 8192
	for range bound {
		require.NoError(t, engine.Submit(transaction.Request{Kind: transaction.KindLoadLate, Load: 99, Received: 2}))
	}
	require.ErrorIs(t, engine.Submit(transaction.Request{Kind: transaction.KindLoadLate, Load: 99}), transaction.ErrBusy)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, engine.Run(ctx, 2))
	require.Equal(t, uint64(1+bound), journal.Head().Sequence)
	require.Equal(t, len(journal.blocks), journal.durable)
}

// TestSiteIsFixed: the window and the time zone are part of what was decided; a configuration that says otherwise is refused in words.
func TestSiteIsFixed(t *testing.T) {
	journal := &memoryJournal{}
	openEngine(t, journal, transaction.Site{Window: 16, ZoneSeconds: 8 * 3600})
	open := func(site transaction.Site) error {
		_, err := transaction.Open(context.Background(), transaction.Config{Journal: journal, Routes: routes(), Site: site}, 2)
		return err
	}
	require.NoError(t, open(transaction.Site{Window: 16, ZoneSeconds: 8 * 3600}))
	require.NoError(t, open(transaction.Site{}), "whoever only reads takes what is there")
	require.ErrorContains(t, open(transaction.Site{Window: 32, ZoneSeconds: 8 * 3600}), "fixed at 16 when the ledger was made, the configuration says 32")
	require.ErrorContains(t, open(transaction.Site{Window: 16}), "fixed at UTC+28800 s when the ledger was made, the configuration says UTC+0 s")
}

// TestEchoReferencesAreNeverUsedAgain: an answer that stores nothing has a number of its own, many in one microsecond and after a restart.
func TestEchoReferencesAreNeverUsedAgain(t *testing.T) {
	s := newStory(t)
	s.cast()
	seen := map[transaction.Reference]bool{}
	for round := range 3 {
		var echoes []transaction.Request
		for range 50 {
			echoes = append(echoes, transaction.Request{Kind: transaction.KindEcho, Origin: s.next(), Received: s.now.UnixMicro()})
		}
		s.door.incoming <- echoes
		s.door.Wake()
		s.look(func(*transaction.State) {})
		for len(s.door.answers) > 0 {
			for _, d := range <-s.door.answers {
				require.False(t, seen[d.Reference()], "%s in round %d", d.Reference(), round)
				seen[d.Reference()] = true
			}
		}
		s.now = s.now.Add(50 * time.Microsecond) // a restart takes longer than an echo each microsecond
		s.close()
		s.open()
	}
	require.Len(t, seen, 150)
}
