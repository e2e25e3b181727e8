package demo

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/terminals/emulator"
)

func TestListensOnLoopbackOnly(t *testing.T) {
	for _, wish := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "localhost:0", "nonsense"} {
		_, _, err := freeAddress(wish)
		require.ErrorIs(t, err, ErrOptions, wish)
		o := DefaultOptions()
		o.Operations = wish
		require.ErrorIs(t, o.validate(), ErrOptions, wish)
	}
	address, moved, err := freeAddress("127.0.0.1:0")
	require.NoError(t, err)
	require.False(t, moved)
	require.NotContains(t, address, ":0")
}

func TestTakenPortIsChangedForAnother(t *testing.T) {
	b, err := startBank("127.0.0.1:0", bytes.Repeat([]byte{7}, 16), 1)
	require.NoError(t, err)
	defer func() { require.NoError(t, b.close()) }()
	address, moved, err := freeAddress(b.address)
	require.NoError(t, err)
	require.True(t, moved)
	require.NotEqual(t, b.address, address)
}

func TestSomebodysLedgerIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "pebble"), 0o700))
	_, _, err := openPlace(dir, DefaultOptions().Size, 1)
	require.ErrorIs(t, err, errNotOurs)
}

// TestBrokenOffFirstStart: what an import has left that did not come to its end is taken away; what a later run has left never is.
func TestBrokenOffFirstStart(t *testing.T) {
	dir := t.TempDir()
	p, fresh, err := openPlace(dir, Size{Holders: 100, Merchants: 1, POS: 1, Kiosks: 1}, 5)
	require.NoError(t, err)
	require.True(t, fresh)
	ledger := filepath.Join(dir, "pebble", "000001.log")
	require.NoError(t, os.MkdirAll(filepath.Dir(ledger), 0o700))
	require.NoError(t, os.WriteFile(ledger, []byte("half"), 0o600))
	_, _, err = openPlace(dir, Size{}, 6)
	require.ErrorIs(t, err, errOccupied)
	require.NoError(t, p.close())
	p, fresh, err = openPlace(dir, Size{Holders: 9999}, 6)
	require.NoError(t, err)
	require.True(t, fresh)
	require.NoFileExists(t, ledger)
	require.Equal(t, 100, p.note.Holders, "the campus is the one that was begun with")
	require.Equal(t, uint64(5), p.note.Seed)

	require.NoError(t, os.MkdirAll(filepath.Dir(ledger), 0o700))
	require.NoError(t, os.WriteFile(ledger, []byte("whole"), 0o600))
	p.note.Imported = true
	require.NoError(t, p.save())
	require.NoError(t, p.close())
	_, fresh, err = openPlace(dir, Size{}, 7)
	require.NoError(t, err)
	require.False(t, fresh)
	require.FileExists(t, ledger)
}

func TestDayLimitsAreThoseOfManyLunches(t *testing.T) {
	p, _, err := openPlace(t.TempDir(), Size{Holders: 60, Merchants: 2, POS: 2, Gates: 1, Kiosks: 1}, 1)
	require.NoError(t, err)
	require.NoError(t, p.writeCampus(p.campus()))
	text, err := os.ReadFile(p.path("campus/classes.csv"))
	require.NoError(t, err)
	require.Contains(t, string(text), "undergraduate,本科生,30.00,500.00,2000.00,200,1000.00,200.00,5000.00,yes")
	for _, name := range []string{"campus/terminals.csv", "campus/cards.csv", "campus/classes.csv", "demo.json"} {
		info, err := os.Stat(p.path(name))
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, "%s can be read by others", name)
	}
}

// TestPaperIsCutToWholeReceipts: a demonstration that was killed while it printed leaves half a receipt.
func TestPaperIsCutToWholeReceipts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "receipts.bin")
	record := bytes.Repeat([]byte{1}, recordBytes)
	for _, left := range [][]byte{nil, emulator.ReceiptsHeader()[:7], emulator.ReceiptsHeader(), append(append(emulator.ReceiptsHeader(), record...), record[:20]...)} {
		require.NoError(t, os.WriteFile(path, left, 0o600))
		p, err := openPaper(path)
		require.NoError(t, err)
		_, err = p.Write(record)
		require.NoError(t, err)
		require.NoError(t, p.close())
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(text, emulator.ReceiptsHeader()))
		require.Zero(t, (len(text)-headerBytes)%recordBytes)
		require.Equal(t, record, text[len(text)-recordBytes:])
	}
}

func TestSearchReadsWhatAMemoryWrites(t *testing.T) {
	p, err := openPaper(filepath.Join(t.TempDir(), "receipts.bin"))
	require.NoError(t, err)
	defer func() { require.NoError(t, p.close()) }()
	p.search = &search{terminal: "10000001", batch: 3, trace: 9}
	memory := emulator.NewMemory()
	a := emulator.Answer{
		Kind: emulator.KindPurchase, Authentic: true, Batch: 3, Trace: 9, Code: emulator.Approved, Reference: emulator.Reference([]byte("000000012345")), Amount: 850, Card: 9156000000000012,
	}
	memory.Remember("10000001", &a)
	memory.Remember("10000002", &a) // another terminal
	a.Trace = 10
	memory.Remember("10000001", &a)
	require.NoError(t, memory.Spill(p))
	require.Equal(t, []printed{{emulator.Approved, emulator.Reference([]byte("000000012345"))}}, p.search.found)
}

func TestOptions(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"speed": func(o *Options) { o.Speed = 1000 }, "duration": func(o *Options) { o.Duration = -1 }, "loop": func(o *Options) { o.Loop = time.Second },
		"people": func(o *Options) { o.Size.Holders = 3 }, "kiosks": func(o *Options) { o.Size.Kiosks = 0 }, "keys": func(o *Options) { o.Keys = "x@2s" },
		"moment": func(o *Options) { o.Keys = "b" },
	} {
		o := DefaultOptions()
		require.NoError(t, o.validate())
		change(&o)
		require.ErrorIs(t, o.validate(), ErrOptions, name)
	}
	keys, err := parseKeys("k@3.5s b@2s")
	require.NoError(t, err)
	require.Equal(t, []pressed{{2 * time.Second, 'b'}, {3500 * time.Millisecond, 'k'}}, keys)
}

// TestSummary: the JSON has the shape that scripts were promised.
func TestSummary(t *testing.T) {
	y := newTally([]string{"第一食堂"})
	y.start(0)
	second := int64(time.Second)
	for i := range int64(1000) {
		code := emulator.Approved
		if i%100 == 0 {
			code = codeFunds
		}
		y.advance(i * second / 100)
		y.answered(&tap{at: i * second / 100, kind: emulator.KindPurchase, amount: 850}, code, i*second/100+int64(time.Millisecond), 0)
	}
	for _, code := range []string{"00", "00", "51", "91", "68", "98"} {
		y.answered(&tap{kind: emulator.KindLoad, amount: 10_000}, emulator.ResponseCode([]byte(code)), second, -1)
	}
	s := summaryOf(y, 1, 10*time.Second, &audit{Lost: 0, Doubled: 0, Debits: 5, Credits: 5})
	path := filepath.Join(t.TempDir(), "result.json")
	require.NoError(t, s.write(path))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.JSONEq(t, `{"requests":1006,"approved":992,"refused":{"51":11,"68":1,"91":1,"98":1},"tps":100.6,"latency_ms":{"p50":1,"p99":1,"p999":1000},
		"bank_loads":{"approved":2,"reversed":1,"declined":1,"unreachable":1,"timed_out":2},"acknowledged_lost":0,"acknowledged_doubled":0,"difference_fen":0}`,
		strings.ReplaceAll(string(text), `"p999":1000.447`, `"p999":1000`))
	var keys map[string]any
	require.NoError(t, json.Unmarshal(text, &keys))
	require.Len(t, keys, 9)
	require.Len(t, y.rates, 9)
	require.InDelta(t, 100, y.rates[8], 0)
	require.Equal(t, uint64(990), y.canteens[0].Sold)
}
