package proof_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/ledger"
	"onecard/ledger/pebblestore"
	"onecard/switch/campus"
	"onecard/switch/campus/consumption"
	"onecard/switch/proof"
	"onecard/switch/transaction"
)

// shop sells one thing every six hours, then ends the day's work.
type shop struct {
	left, asked int
	stop        context.CancelFunc
}

const (
	opening  = int64(1_795_405_680_000_000) // 2026-11-23 11:48 in China
	sixHours = int64(6 * time.Hour / time.Microsecond)
)

func (s *shop) Poll(_ time.Duration, requests []transaction.Request) ([]transaction.Request, error) {
	if s.left == 0 {
		s.stop()
		return requests, nil
	}
	s.left--
	s.asked++
	return append(requests, transaction.Request{
		Kind: transaction.KindPurchase, Origin: transaction.Origin(s.asked), Received: opening + int64(s.asked)*sixHours,
		Terminal: 1, Batch: 1, Trace: uint32(s.asked), Card: 9156000000000000, Amount: 100,
	}), nil
}

func (*shop) Answer([]transaction.Decision) {}
func (*shop) Wake()                         {}

// sellFor makes a ledger with the real engine: an import, then purchases over some days.
func sellFor(t *testing.T, purchases int) *pebblestore.Store {
	store, err := pebblestore.Open(pebblestore.Options{Dir: "data", FS: vfs.NewMem(), MemTableBytes: 1 << 20})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	engine, err := transaction.Open(t.Context(), transaction.Config{
		Journal: store, Routes: campus.Routes([]campus.Subsystem{consumption.New(consumption.DefaultConfig())}), Site: transaction.DefaultSite(),
	}, 1)
	require.NoError(t, err)
	code := transaction.MerchantCode([]byte("103410054110001"))
	faults, err := engine.ImportBeforeRun(&transaction.Directory{
		Classes: []transaction.ClassRow{{Code: "student"}}, Merchants: []transaction.MerchantRow{{Code: code}},
		Terminals: []transaction.TerminalRow{{Code: transaction.TerminalCode([]byte("T0000001")), Merchant: code, Type: transaction.TerminalPOS, SealedKey: []byte{1}}},
		Holders:   []transaction.HolderRow{{Number: "1", Class: "student", OpeningMain: 10_000}},
		Cards:     []transaction.CardRow{{Number: 9156000000000000, Holder: "1"}},
	}, opening)
	require.NoError(t, err)
	require.Empty(t, faults)
	ctx, stop := context.WithCancel(t.Context())
	engine.Connect(&shop{left: purchases, stop: stop}, nil)
	require.NoError(t, engine.Run(ctx, opening))
	return store
}

func newKey(first byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(append([]byte{first}, make([]byte, ed25519.SeedSize-1)...))
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// TestEveryRecordIsProven: of a ledger of several days, through JSON and back, with the public key alone.
func TestEveryRecordIsProven(t *testing.T) {
	store, key := sellFor(t, 20), newKey(1)
	days, purchases, refused := map[proof.Day]proof.Root{}, 0, 0
	for sequence := uint64(1); sequence <= store.Head().Sequence; sequence++ {
		made, err := proof.Make(t.Context(), store, sequence, key)
		if err != nil {
			require.ErrorIs(t, err, proof.ErrNotProvable)
			refused++
			continue
		}
		text, err := json.Marshal(made)
		require.NoError(t, err)
		read, err := proof.Read(bytes.NewReader(text))
		require.NoError(t, err)
		require.Equal(t, made, read)
		contents, err := read.Check(public(key))
		require.NoError(t, err)
		require.Equal(t, sequence, contents.Sequence)
		entry, day, err := store.Entry(sequence)
		require.NoError(t, err)
		require.Equal(t, day, contents.Day)
		require.Equal(t, entry.Time, contents.Entry.Time)
		require.Equal(t, entry.Payload, contents.Entry.Payload)
		line, ok := transaction.ReadEntry(contents.Sequence, contents.Day, &contents.Entry)
		if ok && line.Kind == transaction.KindPurchase {
			purchases++
			require.EqualValues(t, purchases, line.Trace)
		}
		if root, seen := days[made.Record.Day]; seen {
			require.Equal(t, root, read.Signed, "one day has one root")
		}
		days[made.Record.Day] = read.Signed
	}
	require.Equal(t, 20, purchases)
	require.Equal(t, 5, refused, "class, merchant, terminal, holder and card")
	require.Len(t, days, 7, "the making of the ledger, and six days")
	for day, root := range days {
		require.Equal(t, day.String() != "2026-11-28", root.Complete, "%s: only the last day may still grow", day)
	}
}

func TestNoProofOfWhatIsNotThere(t *testing.T) {
	store := sellFor(t, 1)
	for _, sequence := range []uint64{0, store.Head().Sequence + 1, 1 << 63} {
		_, err := proof.Make(t.Context(), store, sequence, newKey(1))
		require.ErrorIs(t, err, pebblestore.ErrNoEntry)
	}
}

// TestWhatWasChangedDoesNotHold: whatever is changed in a proof, it is refused, and the words say by what.
func TestWhatWasChangedDoesNotHold(t *testing.T) {
	store, key := sellFor(t, 20), newKey(1)
	head := store.Head().Sequence
	made := func(sequence uint64) *proof.Proof {
		p, err := proof.Make(t.Context(), store, sequence, key)
		require.NoError(t, err)
		return &p
	}
	other, later := made(head-9), made(head)
	for name, change := range map[string]struct {
		do   func(p *proof.Proof)
		says string
	}{
		"an amount":           {func(p *proof.Proof) { p.Record.Leaf[len(p.Record.Leaf)-1] ^= 1 }, "not in the books"},
		"the moment":          {func(p *proof.Proof) { p.Record.Leaf[19] ^= 1 }, "not in the books"},
		"no leaf":             {func(p *proof.Proof) { p.Record.Leaf = p.Record.Leaf[:10] }, "only 10 bytes"},
		"a leaf cut off":      {func(p *proof.Proof) { p.Record.Leaf = p.Record.Leaf[:22] }, "cannot be read"},
		"the record's number": {func(p *proof.Proof) { p.Record.Sequence++ }, "the proof says"},
		"the leaf's number":   {func(p *proof.Proof) { p.Record.Leaf[7]++; p.Record.Sequence++ }, "not in the books"},
		"the index":           {func(p *proof.Proof) { p.Index ^= 1 }, "not in the books"},
		"an index beyond":     {func(p *proof.Proof) { p.Index = p.TreeSize }, "not in the books"},
		"the record's day":    {func(p *proof.Proof) { p.Record.Day++ }, "signed is"},
		"every day":           {func(p *proof.Proof) { p.Record.Day++; p.Signed.Day++; p.Record.Leaf[11]++ }, "signature"},
		"the size":            {func(p *proof.Proof) { p.TreeSize++ }, "not what was signed"},
		"both sizes":          {func(p *proof.Proof) { p.TreeSize++; p.Signed.TreeSize++ }, "signature"},
		"another day's root":  {func(p *proof.Proof) { p.Signed, p.Root = other.Signed, other.Root }, "signed is"},
		"another day's path":  {func(p *proof.Proof) { p.Path = other.Path }, "not in the books"},
		"the path":            {func(p *proof.Proof) { p.Path[0][0] ^= 1 }, "not in the books"},
		"a node cut off":      {func(p *proof.Proof) { p.Path[0] = p.Path[0][:31] }, "wrong length"},
		"no path":             {func(p *proof.Proof) { p.Path = nil }, "not in the books"},
		"the root":            {func(p *proof.Proof) { p.Root[0] ^= 1 }, "not what was signed"},
		"no root":             {func(p *proof.Proof) { p.Root, p.Signed.Root = nil, nil }, "wrong length"},
		"the block":           {func(p *proof.Proof) { p.Signed.LastBlock[0] ^= 1 }, "signature"},
		"the signature":       {func(p *proof.Proof) { p.Signed.Signature[0] ^= 1 }, "signature"},
		"no signature":        {func(p *proof.Proof) { p.Signed.Signature = nil }, "signature"},
		"the key":             {func(p *proof.Proof) { p.Signed.PublicKey = proof.Hex(public(newKey(2))) }, "another key"},
		"no key":              {func(p *proof.Proof) { p.Signed.PublicKey = nil }, "another key"},
	} {
		p := made(head - 3)
		_, err := p.Check(public(key))
		require.NoError(t, err)
		change.do(p)
		_, err = p.Check(public(key))
		require.ErrorIs(t, err, proof.ErrDoesNotHold, name)
		require.ErrorContains(t, err, change.says, name)
	}
	later.Signed.Complete = true
	_, err := later.Check(public(key))
	require.ErrorContains(t, err, "signature", "what is provisional cannot be made complete")
	_, err = made(head).Check(public(newKey(2)))
	require.ErrorContains(t, err, "another key")
}

func TestWhatIsNoProofIsRefusedWithWords(t *testing.T) {
	p, err := proof.Make(t.Context(), sellFor(t, 4), 9, newKey(1))
	require.NoError(t, err)
	text, err := json.Marshal(p)
	require.NoError(t, err)
	for cut := range text {
		_, err := proof.Read(bytes.NewReader(text[:cut]))
		require.ErrorIs(t, err, proof.ErrDoesNotHold, "cut off at %d", cut)
	}
	for says, text := range map[string]string{
		"something follows": string(text) + "{}",
		"format":            strings.Replace(string(text), "proof v1", "proof v2", 1),
		"unknown field":     strings.Replace(string(text), `"index"`, `"idex"`, 1),
		"no proof":          strings.Repeat(" ", 1<<20) + string(text),
		"is not a date":     strings.Replace(string(text), p.Record.Day.String(), "yesterday", 1),
		"invalid byte":      strings.Replace(string(text), `"leaf":"`, `"leaf":"zz`, 1),
	} {
		_, err := proof.Read(strings.NewReader(text))
		require.ErrorIs(t, err, proof.ErrDoesNotHold)
		require.ErrorContains(t, err, says)
	}
}

// TestNobodyElsesBytesHold: any one byte of the JSON changed to any other is refused or changes nothing that is proven.
func TestNobodyElsesBytesHold(t *testing.T) {
	key := newKey(1)
	p, err := proof.Make(t.Context(), sellFor(t, 12), 12, key)
	require.NoError(t, err)
	want, err := p.Check(public(key))
	require.NoError(t, err)
	text, err := json.Marshal(p)
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		changed := bytes.Clone(text)
		changed[rapid.IntRange(0, len(text)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		read, err := proof.Read(bytes.NewReader(changed))
		if err != nil {
			return
		}
		if got, err := read.Check(public(key)); err == nil {
			require.Equal(t, want, got)
		}
	})
}

// TestABigDay: a day of 200,000 entries in one walk; the tree is never held.
func TestABigDay(t *testing.T) {
	const entries, perBlock = 200_000, 1000
	store, err := pebblestore.Open(pebblestore.Options{Dir: "data", FS: vfs.NewMem()})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	var builder ledger.BlockBuilder
	for block := range entries / perBlock {
		builder.Begin(store.Head(), 20_780)
		for i := range perBlock {
			builder.Add(&ledger.Entry{
				Kind: transaction.KindPurchase, Time: int64(block*perBlock + i), Payload: []byte("a purchase is about this long"),
				Legs: []ledger.Leg{{Account: 100, Amount: -450}, {Account: 7, Amount: 450}},
			})
		}
		require.NoError(t, store.Append(builder.Seal()))
		require.NoError(t, store.Wait(store.Head().Sequence))
	}
	key := newKey(1)
	began := time.Now()
	p, err := proof.Make(t.Context(), store, 123_456, key)
	t.Logf("%d entries: %s", entries, time.Since(began))
	require.NoError(t, err)
	require.EqualValues(t, entries, p.TreeSize)
	require.Len(t, p.Path, 18)
	_, err = p.Check(public(key))
	require.NoError(t, err)
}
