package command

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/pebblestore"
	"onecard/switch/campus"
	"onecard/switch/campus/consumption"
	"onecard/switch/daemon"
	"onecard/switch/transaction"
)

// till buys and reverses, and writes down every answer as a terminal does.
type till struct {
	left     int
	empty    chan struct{} // closed when everything is asked
	wake     chan struct{}
	asked    []transaction.Request
	receipts bytes.Buffer
}

func (d *till) Poll(wait time.Duration, requests []transaction.Request) ([]transaction.Request, error) {
	for range min(20, d.left) {
		d.left--
		r := transaction.Request{
			Kind: transaction.KindPurchase, Origin: transaction.Origin(len(d.asked) + 1), Received: 1_795_405_680_000_000 + int64(len(d.asked)),
			Terminal: 1, Batch: 1, Trace: uint32(len(d.asked) + 1), Card: 9156000000000000, Amount: 100,
		}
		if len(d.asked)%10 == 9 {
			r.Kind, r.Trace = transaction.KindReversal, uint32(len(d.asked))
		}
		d.asked = append(d.asked, r)
		requests = append(requests, r)
	}
	if len(requests) == 0 && d.empty != nil {
		close(d.empty)
		d.empty = nil
	}
	if len(requests) == 0 && wait != 0 {
		<-d.wake
	}
	return requests, nil
}

func (d *till) Answer(decisions []transaction.Decision) {
	for i := range decisions {
		r, code, reference := d.asked[decisions[i].Origin-1], decisions[i].Code, decisions[i].Reference()
		class := byte(1)
		if r.Kind == transaction.KindReversal {
			class = 2
		}
		record := append([]byte{class, byte(r.Kind)}, code[:]...)
		record = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(record, r.Batch), r.Trace)
		record = append(append(record, "T0000001"...), reference[:]...)
		d.receipts.Write(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(record, uint64(r.Amount)), uint64(r.Card)))
	}
}

func (d *till) Wake() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// sampleLedger makes a ledger of a few hundred purchases, with an index, a checkpoint and receipts, and closes it.
func sampleLedger(t *testing.T) (dir, receipts string) {
	dir = filepath.Join(t.TempDir(), "data")
	store, err := pebblestore.Open(pebblestore.Options{Dir: dir, MemTableBytes: 1 << 20})
	require.NoError(t, err)
	engine, err := transaction.Open(context.Background(), transaction.Config{
		Journal: store, Routes: campus.Routes([]campus.Subsystem{consumption.New(consumption.DefaultConfig())}), Site: transaction.DefaultSite(),
	}, 1)
	require.NoError(t, err)
	require.NoError(t, store.StartIndexer(daemon.Index(engine.State().NewRegister())))
	shop := transaction.MerchantCode([]byte("103410054110001"))
	faults, err := engine.ImportBeforeRun(&transaction.Directory{
		Classes: []transaction.ClassRow{{Code: "student"}}, Merchants: []transaction.MerchantRow{{Code: shop}},
		Terminals: []transaction.TerminalRow{{Code: transaction.TerminalCode([]byte("T0000001")), Merchant: shop, Type: transaction.TerminalPOS, SealedKey: []byte{1}}},
		Holders:   []transaction.HolderRow{{Number: "1", Class: "student", OpeningMain: 10_000_000}},
		Cards:     []transaction.CardRow{{Number: 9156000000000000, Holder: "1"}},
	}, 2)
	require.NoError(t, err)
	require.Empty(t, faults)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	door := &till{left: 400, empty: make(chan struct{}), wake: make(chan struct{}, 1)}
	door.receipts.WriteString("ONECARD-RCPT\x00\x00\x00\x01")
	engine.Connect(door, nil)
	saved, empty := make(chan error, 1), door.empty
	go func() { // ends when the checkpoint is written
		<-empty
		snapshot, err := engine.Snapshot(ctx)
		if err == nil {
			err = store.SaveCheckpoint(ctx, snapshot)
		}
		saved <- err
		cancel()
	}()
	require.NoError(t, engine.Run(ctx, 3))
	require.NoError(t, <-saved)
	require.NoError(t, store.Close())
	receipts = filepath.Join(t.TempDir(), "receipts.bin")
	require.NoError(t, os.WriteFile(receipts, door.receipts.Bytes(), 0o600))
	return dir, receipts
}

// verify runs the command and returns its JSON, what it printed and its exit code.
func verify(t *testing.T, args ...string) (result map[string]any, printed string, code int) {
	var out, errOut bytes.Buffer
	file := filepath.Join(t.TempDir(), "result.json")
	c := newVerifyCommand()
	c.SetArgs(append(args, "--json", file))
	c.SetOut(&out)
	c.SetErr(&errOut)
	c.SilenceErrors, c.SilenceUsage = true, true
	if err := c.ExecuteContext(context.Background()); err != nil {
		code = exitFailed
		if e := new(exitError); errors.As(err, &e) {
			code = e.code
		}
		fmt.Fprint(&out, err)
	}
	if text, err := os.ReadFile(file); err == nil {
		require.NoError(t, json.Unmarshal(text, &result))
	}
	return result, out.String(), code
}

func TestVerifyASoundLedger(t *testing.T) {
	dir, receipts := sampleLedger(t)
	result, printed, code := verify(t, "--data", dir, "--receipts", receipts)
	require.Zero(t, code, printed)
	require.Equal(t, true, result["ok"])
	require.Equal(t, 400.0, result["acknowledged"])
	for _, zero := range []string{"sum_fen", "duplicates", "lost", "doubled", "faults", "open_loads"} {
		require.Equal(t, 0.0, result[zero], zero)
	}
	require.Equal(t, result["debits_fen"], result["credits_fen"])
	require.Equal(t, 40_000.0, result["moved_fen"])
	require.Equal(t, true, result["checkpoint"].(map[string]any)["ok"])
	require.Equal(t, result["head"].(map[string]any)["hash"], result["witness"].(map[string]any)["hash"])
	require.Greater(t, result["index"].(map[string]any)["checked"], 800.0)
	require.Len(t, result["accounts_by_code"], 12)
	t.Log("\n" + printed)
	require.Contains(t, printed, "✓ 账本无误 / the ledger is sound")
	require.Contains(t, printed, "主钱包 / main purses")

	// A range of blocks, and a ledger that is in use.
	result, printed, code = verify(t, "--data", dir, "--blocks", "50:60")
	require.Zero(t, code, printed)
	require.Less(t, result["entries"], 100.0)
	store, err := pebblestore.Open(pebblestore.Options{Dir: dir})
	require.NoError(t, err)
	_, printed, code = verify(t, "--data", dir)
	require.Equal(t, exitFailed, code)
	require.Contains(t, printed, "another process")
	require.NoError(t, store.Close())
}

func TestVerifyNamesWhatIsWrong(t *testing.T) {
	dir, receipts := sampleLedger(t)
	text, err := os.ReadFile(receipts)
	require.NoError(t, err)
	text[16+39]++ // the first receipt remembers another amount
	require.NoError(t, os.WriteFile(receipts, text, 0o600))
	result, printed, code := verify(t, "--data", dir, "--receipts", receipts)
	require.Equal(t, exitFindings, code)
	require.Equal(t, 1.0, result["lost"])
	require.Contains(t, printed, "acknowledged and lost: 0210 T0000001/000001/000001 00 ref=")

	// Flipped bits in the tables (a start writes what was in the log into one): the blocks that stood there are named with their key.
	store, err := pebblestore.Open(pebblestore.Options{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, store.Close())
	tables, err := filepath.Glob(filepath.Join(dir, "pebble", "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	for _, table := range tables {
		whole, err := os.ReadFile(table)
		require.NoError(t, err)
		for at := 64; at < len(whole)/2; at += 100 {
			whole[at] ^= 1
		}
		require.NoError(t, os.WriteFile(table, whole, 0o600))
	}
	_, printed, code = verify(t, "--data", dir)
	require.Equal(t, exitFindings, code, printed)
	t.Log("\n" + printed)
	require.Contains(t, printed, "cannot be read")
	require.Contains(t, printed, "42000000000000")
}

func TestVerifySaysWhatItNeeds(t *testing.T) {
	for _, args := range [][]string{{}, {"--data", "x", "--blocks", "5"}, {"--data", "x", "--blocks", "7:5"}, {"--data", "x", "--blocks", "5:7", "--receipts", "y"}} {
		_, printed, code := verify(t, args...)
		require.Equal(t, exitUsage, code, printed)
	}
	_, printed, code := verify(t, "--data", t.TempDir())
	require.Equal(t, exitFailed, code)
	require.Contains(t, printed, "there is no ledger here")
}

// TestVerifyRecountsTotals: a total that is a fen too high is named, and an index that is built again is right.
func TestVerifyRecountsTotals(t *testing.T) {
	dir, _ := sampleLedger(t)
	result, printed, code := verify(t, "--data", dir)
	require.Zero(t, code, printed)
	totals := result["totals"].(map[string]any)
	require.Equal(t, []any{0.0, result["index"].(map[string]any)["to"]}, []any{totals["wrong"], totals["to"]})
	require.Greater(t, totals["checked"], 10.0)

	rebuild := func(extra int64) {
		register := transaction.NewRegister()
		index := daemon.Index(register)
		settle := index.Totals.Settle
		index.Totals.Settle = func(emit func(*ledger.CellKey, *ledger.Sums)) {
			settle(func(key *ledger.CellKey, by *ledger.Sums) {
				told := *by
				if transaction.ReadTotal(*key).Space == transaction.TotalTerminal {
					told[transaction.SaleList] += extra
					extra = 0
				}
				emit(key, &told)
			})
		}
		store, err := pebblestore.Open(pebblestore.Options{Dir: dir})
		require.NoError(t, err)
		require.NoError(t, store.RebuildIndex(t.Context(), index))
		require.NoError(t, store.Close())
	}
	rebuild(1)
	result, printed, code = verify(t, "--data", dir)
	require.Equal(t, exitFindings, code)
	require.Equal(t, 2.0, result["totals"].(map[string]any)["wrong"], "the terminal's day and its month")
	require.Contains(t, printed, "total T/d/")
	rebuild(0)
	_, printed, code = verify(t, "--data", dir)
	require.Zero(t, code, printed)
}
