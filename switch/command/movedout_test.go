package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger/pebblestore"
	"onecard/switch/daemon"
	"onecard/switch/query"
	"onecard/switch/transaction"
)

// lookAround is what the commands say of a ledger: statements in pages, the feed, proofs, and the auditor's report.
func lookAround(t *testing.T, dir string) (said map[string]string) {
	t.Helper()
	said = map[string]string{}
	config := daemon.Config{}
	config.Data.Directory = dir
	for name, subject := range map[string]query.Subject{"card": {Card: uint64(statementCard)}, "terminal": {Terminal: statementTerminal}, "holder": {Holder: "20260001"}} {
		for _, oldestFirst := range []bool{false, true} {
			ask := query.StatementQuestion{Subject: subject, Limit: 40, OldestFirst: oldestFirst}
			for page := 1; page == 1 || ask.After > 0; page++ {
				var out bytes.Buffer
				require.NoError(t, runStatement(t.Context(), &config, ask, true, &out))
				said[fmt.Sprint(name, oldestFirst, page)] = out.String()
				var answer query.Statement
				require.NoError(t, json.Unmarshal(out.Bytes(), &answer))
				ask.After, ask.UpTo = answer.Next, answer.UpTo
			}
		}
	}
	require.Greater(t, len(said), 20)
	var feed bytes.Buffer
	require.NoError(t, daemon.ReadFeed(t.Context(), &config, daemon.FeedQuestion{Name: "all"}, &feed))
	said["feed"] = feed.String()
	for _, record := range []uint64{9, 60, 140} {
		p, doubts, err := daemon.Prove(t.Context(), &config, record)
		require.NoError(t, err)
		require.Empty(t, doubts)
		text, err := json.Marshal(p)
		require.NoError(t, err)
		said["proof of "+transaction.ReferenceOf(record).String()] = string(text)
	}
	result, printed, code := verify(t, "--data", dir)
	require.Zero(t, code, printed)
	for _, key := range []string{"data", "moved_out", "witness"} {
		delete(result, key)
	}
	text, err := json.Marshal(result)
	require.NoError(t, err)
	said["auditor"] = string(text)
	return said
}

// TestCommandsReadMovedBlocks: ten days of lunches, of which the first were moved out into the archive. Every command says what it said
// before; the index is built again across the border; and what is missing is named.
func TestCommandsReadMovedBlocks(t *testing.T) {
	var steps []transaction.Request
	for i := range 150 {
		steps = append(steps, transaction.Request{Kind: transaction.KindPurchase, Received: at(24*60*(i/15) + i%15), Trace: uint32(i + 1), Card: statementCard, Amount: 1})
	}
	dir := makeLedger(t, true, steps)
	folder := filepath.Join(t.TempDir(), "archive")
	store, err := pebblestore.Open(pebblestore.Options{Dir: dir})
	require.NoError(t, err)
	engine, err := transaction.Open(t.Context(), transaction.Config{Journal: store, Checkpoints: store}, 0)
	require.NoError(t, err)
	snapshot, err := engine.SnapshotBeforeRun()
	require.NoError(t, err)
	require.NoError(t, store.SaveCheckpoint(t.Context(), snapshot))
	require.NoError(t, store.Close())
	before := lookAround(t, dir)
	same := func(dir string) {
		t.Helper()
		for name, said := range lookAround(t, dir) {
			if said != before[name] {
				t.Errorf("%s of %s:\n%.2000s\nbefore:\n%.2000s", name, dir, said, before[name])
			}
		}
	}
	store, err = pebblestore.Open(pebblestore.Options{Dir: dir})
	require.NoError(t, err)
	_, err = store.Archive(t.Context(), folder, false)
	require.NoError(t, err)
	moved, err := store.MoveOut(t.Context(), folder, math.MaxInt64, false)
	require.NoError(t, err)
	require.Greater(t, moved.UpTo, uint64(120), moved.HeldBack)
	require.NoError(t, store.Close())

	same(dir)
	_, printed, _ := verify(t, "--data", dir)
	require.Contains(t, printed, folder)
	code, out, errOut := onecard("index", "--data", dir)
	require.Zero(t, code, out+errOut)
	same(dir)
	root := t.TempDir()
	copied, whole := filepath.Join(root, "copy"), filepath.Join(root, "whole")
	code, out, errOut = onecard("backup", "--data", dir, copied)
	require.Zero(t, code, errOut)
	require.Contains(t, out, "are not in the backup")
	code, out, errOut = onecard("restore", "--from", copied, "--data", whole)
	require.Zero(t, code, out+errOut)
	require.NoError(t, os.WriteFile(filepath.Join(whole, "signing.key"), mustRead(t, filepath.Join(dir, "signing.key")), 0o600))
	same(whole)

	files, err := filepath.Glob(filepath.Join(folder, "*.blocks"))
	require.NoError(t, err)
	require.NoError(t, os.Remove(files[1]))
	_, printed, code = verify(t, "--data", dir)
	require.Equal(t, exitFindings, code)
	require.Contains(t, printed, filepath.Base(files[1]))
	code, out, errOut = onecard("statement", "--data", dir, "--card", "9156000000000012", "--limit", "500")
	require.Equal(t, exitFailed, code, out)
	require.Contains(t, errOut, filepath.Base(files[1]))
	code, out, errOut = onecard("statement", "--data", dir, "--card", "9156000000000012", "--limit", "30")
	require.Zero(t, code, out+errOut)
	code, _, errOut = onecard("index", "--data", dir)
	require.Equal(t, exitFailed, code)
	require.Contains(t, errOut, "the index was left as it is")
	code, out, errOut = onecard("restore", "--from", copied, "--data", filepath.Join(root, "other"))
	require.Equal(t, exitFindings, code, errOut)
	require.Contains(t, out, filepath.Base(files[1]))
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return text
}
