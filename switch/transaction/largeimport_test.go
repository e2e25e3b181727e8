package transaction_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/switch/transaction"
)

// memoryStage keeps what is staged; before is called when a save begins.
type memoryStage struct {
	parts  [][]byte
	before func()
}

func (m *memoryStage) SaveStage(parts func(func([]byte) error) error) error {
	if m.before != nil {
		m.before()
	}
	m.parts = nil
	return parts(func(part []byte) error { m.parts = append(m.parts, slices.Clone(part)); return nil })
}

func (m *memoryStage) LoadStage(visit func([]byte) error) error {
	for _, part := range m.parts {
		if err := visit(part); err != nil {
			return err
		}
	}
	return nil
}

func (m *memoryStage) DropStage() error { m.parts = nil; return nil }

// brokenJournal refuses blocks from one on, as a disk that fails.
type brokenJournal struct {
	memoryJournal
	blocks int
}

var errBroken = errors.New("the disk is gone")

func (j *brokenJournal) Append(b ledger.Block) error {
	if j.blocks == 0 {
		return errBroken
	}
	j.blocks--
	return j.memoryJournal.Append(b)
}

// manyPeople are more than one block takes whole: five parts of people and five of cards.
func manyPeople() *transaction.Directory {
	dir := &transaction.Directory{Classes: []transaction.ClassRow{{Code: "student"}}, Merchants: []transaction.MerchantRow{{Code: merchantCode("103410054110001")}}}
	dir.Terminals = []transaction.TerminalRow{terminalRow("POS00001", "103410054110001", transaction.TerminalPOS)}
	for i := range 17_000 {
		number := fmt.Sprintf("2026%05d", i)
		dir.Holders = append(dir.Holders, transaction.HolderRow{Number: number, Class: "student", OpeningMain: 500})
		dir.Cards = append(dir.Cards, transaction.CardRow{Number: 9156000000000000 + transaction.CardNumber(i), Holder: number})
	}
	return dir
}

func openStaged(t *testing.T, journal ledger.Journal, stage ledger.Stage, now int64) (*transaction.Engine, error) {
	t.Helper()
	return transaction.Open(context.Background(), transaction.Config{Journal: journal, Stage: stage, Routes: routes(), Site: transaction.DefaultSite()}, now)
}

// sumOf is a hash over everything a checkpoint of the state would hold.
func sumOf(t *testing.T, e *transaction.Engine) string {
	t.Helper()
	snapshot, err := e.SnapshotBeforeRun()
	require.NoError(t, err)
	all := sha256.New()
	for _, s := range snapshot.Sections {
		for part := range s.Parts {
			all.Write(s.Encode(nil, part))
		}
	}
	return hex.EncodeToString(all.Sum(nil))
}

// TestLargeImportIsAllOrNothing stops a large import before every one of its blocks. Opened again, the ledger is the one of an import that
// nothing has stopped, to the byte.
func TestLargeImportIsAllOrNothing(t *testing.T) {
	whole := &memoryJournal{}
	engine, err := openStaged(t, whole, &memoryStage{}, 1)
	require.NoError(t, err)
	dir := manyPeople()
	faults, err := engine.ImportBeforeRun(dir, 2)
	require.NoError(t, err)
	require.Empty(t, faults)
	want := sumOf(t, engine)
	require.Len(t, whole.blocks, 11, "genesis, five parts of people, five of cards")
	for cut := 1; cut <= 10; cut++ {
		journal, stage := &brokenJournal{blocks: cut}, &memoryStage{}
		engine, err := openStaged(t, journal, stage, 1)
		require.NoError(t, err)
		_, err = engine.ImportBeforeRun(dir, 2)
		require.ErrorIs(t, err, errBroken)
		require.NotEmpty(t, stage.parts)
		engine, err = openStaged(t, &journal.memoryJournal, stage, 2)
		require.NoError(t, err)
		require.Equal(t, want, sumOf(t, engine), "stopped before block %d", cut)
		require.Empty(t, stage.parts)
		faults, err := engine.ImportBeforeRun(dir, 3)
		require.NoError(t, err)
		require.NotEmpty(t, faults, "everybody is registered")
	}
}

// TestLargeImportWithFaultsStagesNothing: one bad row in thousands, and nothing is written anywhere.
func TestLargeImportWithFaultsStagesNothing(t *testing.T) {
	journal, stage := &memoryJournal{}, &memoryStage{}
	engine, err := openStaged(t, journal, stage, 1)
	require.NoError(t, err)
	dir := manyPeople()
	dir.Cards[16_999].Holder = "nobody"
	faults, err := engine.ImportBeforeRun(dir, 2)
	require.NoError(t, err)
	require.Len(t, faults, 1)
	require.Len(t, journal.blocks, 1)
	require.Empty(t, stage.parts)
}

// TestLargeImportOnARunningSwitch: it comes while purchases go on, one at a time, and outlives whoever asked for it.
func TestLargeImportOnARunningSwitch(t *testing.T) {
	stage := &memoryStage{}
	engine, err := openStaged(t, &memoryJournal{}, stage, 1)
	require.NoError(t, err)
	engine.Connect(newScriptedDoor(), newScriptedBank())
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx, 3) }()
	asking, leave := context.WithCancel(ctx)
	stage.before = func() {
		leave()
		_, err := engine.Import(ctx, &transaction.Directory{Classes: []transaction.ClassRow{{Code: "staff"}}}, 3)
		require.ErrorIs(t, err, transaction.ErrImporting)
	}
	dir := manyPeople()
	faults, err := engine.Import(asking, dir, 3)
	require.NoError(t, err)
	require.Empty(t, faults)
	require.NoError(t, engine.Look(ctx, func(s *transaction.State) {
		require.EqualValues(t, len(dir.Holders), s.Holders())
		require.EqualValues(t, len(dir.Cards), s.Cards())
		require.Zero(t, s.Book().Sum())
	}))
	faults, err = engine.Import(ctx, &transaction.Directory{Classes: []transaction.ClassRow{{Code: "staff"}}}, 3)
	require.NoError(t, err)
	require.Empty(t, faults)
	stop()
	require.NoError(t, <-ended)
}

// TestAnImportWithFaultsIsAnswered: nothing is written, and who asks hears of the faults while the engine runs.
func TestAnImportWithFaultsIsAnswered(t *testing.T) {
	s := newStory(t)
	s.cast()
	before := s.journal.Head()
	faults, err := s.engine.Import(t.Context(), &transaction.Directory{Classes: []transaction.ClassRow{{Code: "student"}}}, s.now.UnixMicro())
	require.NoError(t, err)
	require.Len(t, faults, 1, "the class is there already")
	require.Equal(t, before, s.journal.Head())
}
