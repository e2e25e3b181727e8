package transaction_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/switch/transaction"
)

// gatedJournal is durable when the test says so.
type gatedJournal struct {
	memoryJournal
	gate chan struct{} // nil: at once
}

func (j *gatedJournal) Wait(sequence uint64) error {
	if j.gate != nil {
		<-j.gate
	}
	return j.memoryJournal.Wait(sequence)
}

// gatedDoor brings nothing, and lets the owner go on when the test says so: what was asked meanwhile is decided in one group.
type gatedDoor struct {
	turn chan struct{}
	idle chan struct{}
}

func (d *gatedDoor) Poll(wait time.Duration, requests []transaction.Request) ([]transaction.Request, error) {
	if wait != 0 {
		d.idle <- struct{}{}
		<-d.turn
	}
	return requests, nil
}

func (d *gatedDoor) Answer([]transaction.Decision) {}
func (d *gatedDoor) Wake()                         {}

// runGated runs an engine behind a door that lets it go on when the test says so, and returns when it waits there for the first time.
func runGated(ctx context.Context, engine *transaction.Engine) (*gatedDoor, <-chan error) {
	door := &gatedDoor{turn: make(chan struct{}), idle: make(chan struct{})}
	engine.Connect(door, newScriptedBank())
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx, noon.UnixMicro()) }()
	<-door.idle
	return door, ended
}

// TestLookIsAheadOfTheDisk: what is looked at in the group of a change, in the same millisecond, has the change and the ledger has not. LookDurable
// returns when it has. Between a state that was looked at and the list of what changed it, the bank account of a load was once the wrong one.
func TestLookIsAheadOfTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		journal := &gatedJournal{}
		engine, err := transaction.Open(ctx, transaction.Config{Journal: journal, Site: transaction.DefaultSite()}, noon.UnixMicro())
		require.NoError(t, err)
		faults, err := engine.ImportBeforeRun(rushCampus(), noon.UnixMicro())
		require.NoError(t, err)
		require.Empty(t, faults)
		door, ended := runGated(ctx, engine)
		journal.gate = make(chan struct{})

		card := func(s *transaction.State) transaction.CardState {
			row, ok := s.CardIndex(machineCard(0))
			require.True(t, ok)
			return s.Card(row).State
		}
		var looked, durable transaction.CardState
		told := map[string]chan error{"change": make(chan error, 1), "look": make(chan error, 1), "durable": make(chan error, 1)}
		ask := func(name string, do func() error) {
			go func() { told[name] <- do() }() // ends with the answer
			synctest.Wait()
		}
		ask("change", func() error {
			return engine.ChangeCard(ctx, transaction.CardStateChange{Card: machineCard(0), To: transaction.CardLost, Operator: "li"}, noon.UnixMicro())
		})
		ask("look", func() error { return engine.Look(ctx, func(s *transaction.State) { looked = card(s) }) })
		ask("durable", func() error { return engine.LookDurable(ctx, func(s *transaction.State) { durable = card(s) }) })
		before := len(journal.blocks)
		door.turn <- struct{}{}
		synctest.Wait()
		require.NoError(t, <-told["look"])
		require.Equal(t, transaction.CardLost, looked)
		require.Equal(t, before, journal.durable, "the state is ahead of the disk")
		require.Empty(t, told["change"])
		require.Empty(t, told["durable"], "it waits for what it has seen")

		close(journal.gate)
		require.NoError(t, <-told["change"])
		require.NoError(t, <-told["durable"])
		require.Equal(t, transaction.CardLost, durable)
		require.Greater(t, journal.durable, before)
		<-door.idle
		cancel()
		door.turn <- struct{}{}
		<-ended
	})
}

// TestWhoGivesUpLeavesNothingShared: somebody asks for all accounts, or for a checkpoint, and goes away before the owner comes to it. What the owner then
// shares is ended behind him: what nobody takes would be kept until the switch stops, the old row of every account that is edited.
func TestWhoGivesUpLeavesNothingShared(t *testing.T) {
	for name, ask := range map[string]func(context.Context, *transaction.Engine) error{
		"accounts":   func(ctx context.Context, e *transaction.Engine) error { _, _, err := e.Accounts(ctx); return err },
		"checkpoint": func(ctx context.Context, e *transaction.Engine) error { _, err := e.Snapshot(ctx); return err },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				engine, err := transaction.Open(ctx, transaction.Config{Journal: &gatedJournal{}, Site: transaction.DefaultSite()}, noon.UnixMicro())
				require.NoError(t, err)
				door, ended := runGated(ctx, engine)
				asking, giveUp := context.WithCancel(ctx)
				told := make(chan error, 1)
				go func() { told <- ask(asking, engine) }()
				synctest.Wait() // it waits for the owner
				giveUp()
				synctest.Wait()
				taking := make(chan int, 1)
				go func() {
					_ = engine.Look(ctx, func(s *transaction.State) { taking <- s.Book().Taking() })
				}()
				synctest.Wait()
				over := make(chan struct{})
				go func() {
					for {
						select {
						case <-door.idle: // it is asked again: it goes on
							door.turn <- struct{}{}
						case <-over:
							return
						}
					}
				}()
				door.turn <- struct{}{}
				require.Zero(t, <-taking)
				require.ErrorIs(t, <-told, context.Canceled)
				cancel()
				<-ended
				close(over)
			})
		})
	}
}
