package ledger_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/ledger"
	"onecard/ledger/money"
)

// drawAnyEntry draws entries that no book would accept too: a block carries whatever was decided.
func drawAnyEntry(t *rapid.T, time int64) ledger.Entry {
	e := ledger.Entry{
		Kind: ledger.Kind(rapid.Byte().Draw(t, "kind")), Time: time + int64(rapid.Uint32().Draw(t, "step")),
		Payload: rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, "payload"),
	}
	e.Legs = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ledger.Leg {
		return ledger.Leg{Account: ledger.AccountID(rapid.Uint32().Draw(t, "account")), Amount: money.Fen(rapid.Int64().Draw(t, "amount"))}
	}), 0, 15).Draw(t, "legs")
	switch rapid.IntRange(0, 3).Draw(t, "hold") {
	case 0:
		e.Hold = ledger.HoldAction{
			Op: ledger.HoldOpen, From: ledger.AccountID(rapid.Uint32().Draw(t, "from")), To: ledger.AccountID(rapid.Uint32().Draw(t, "to")),
			Amount: money.Fen(rapid.Int64Min(0).Draw(t, "held")), Expires: rapid.Int64().Draw(t, "expires"),
		}
	case 1:
		e.Hold = ledger.HoldAction{Op: ledger.HoldOp(rapid.IntRange(2, 4).Draw(t, "op")), ID: rapid.Uint64().Draw(t, "id")}
	}
	e.Opens = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ledger.Opening {
		return ledger.Opening{Code: ledger.AccountCode(rapid.Uint16().Draw(t, "code")), Flags: ledger.AccountFlags(rapid.ByteMax(15).Draw(t, "flags")), Set: ledger.AccountSet(rapid.ByteMax(15).Draw(t, "set"))}
	}), 0, 3).Draw(t, "opens")
	e.States = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ledger.StateChange {
		return ledger.StateChange{Account: ledger.AccountID(rapid.Uint32().Draw(t, "whose")), State: ledger.AccountState(rapid.Byte().Draw(t, "state"))}
	}), 0, 3).Draw(t, "states")
	return e
}

// same compares entries, an empty slice being as good as none.
func same(a, b *ledger.Entry) bool {
	return a.Kind == b.Kind && a.Time == b.Time && a.Hold == b.Hold && slices.Equal(a.Legs, b.Legs) && slices.Equal(a.Opens, b.Opens) &&
		slices.Equal(a.States, b.States) && bytes.Equal(a.Payload, b.Payload)
}

// TestBlocksGiveBackWhatWasPutIn: any entries, block after block, come back as they were, and the chain holds.
func TestBlocksGiveBackWhatWasPutIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var builder ledger.BlockBuilder
		head, time := ledger.Head{Sequence: rapid.Uint64Range(0, 1<<60).Draw(t, "before")}, rapid.Int64Range(0, 1<<60).Draw(t, "time")
		for range rapid.IntRange(1, 3).Draw(t, "blocks") {
			builder.Begin(head, rapid.Uint32().Draw(t, "day"))
			var put []ledger.Entry
			for range rapid.IntRange(1, 10).Draw(t, "entries") {
				e := drawAnyEntry(t, time)
				time = e.Time
				if got, want := builder.Add(&e), head.Sequence+uint64(len(put))+1; got != want {
					t.Fatalf("sequence %d, %d expected", got, want)
				}
				put = append(put, e)
			}
			block, err := ledger.OpenBlock(slices.Clone(builder.Seal().Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			if err := block.Follows(head); err != nil {
				t.Fatal(err)
			}
			next := head.Sequence
			err = block.Each(func(sequence uint64, e *ledger.Entry) error {
				next++
				if want := &put[sequence-head.Sequence-1]; sequence != next || !same(e, want) {
					t.Fatalf("entry %d is %+v, put in as %+v", sequence, e, want)
				}
				return nil
			})
			shown, window := 0, make([]ledger.Entry, rapid.IntRange(1, 4).Draw(t, "window"))
			ahead := block.EachAhead(window, func(coming []ledger.Entry) {
				for i := range coming {
					if !same(&coming[i], &put[shown+i]) {
						t.Fatalf("entry %d ahead is %+v, put in as %+v", shown+i, coming[i], put[shown+i])
					}
				}
				shown += len(coming)
			}, func(sequence uint64, e *ledger.Entry) error {
				if i := int(sequence - head.Sequence - 1); i >= shown || !same(e, &put[i]) {
					t.Fatalf("entry %d is %+v, put in as %+v", sequence, e, put[i])
				}
				return nil
			})
			if ahead != nil || shown != len(put) {
				t.Fatal(ahead, shown)
			}
			stored := block.EachStored(func(sequence uint64, moment int64, encoded []byte) error {
				e, err := ledger.DecodeStored(moment, encoded)
				if want := &put[sequence-head.Sequence-1]; err != nil || !same(&e, want) {
					t.Fatalf("entry %d away from its block is %+v (%v), put in as %+v", sequence, e, err, want)
				}
				return nil
			})
			if stored != nil {
				t.Fatal(stored)
			}
			if err != nil || int(block.Count()) != len(put) || block.Last() != next {
				t.Fatal(err, block.Count(), block.Last())
			}
			head = block.Head()
		}
	})
}

func sampleBlock() []byte {
	var builder ledger.BlockBuilder
	builder.Begin(ledger.Head{Sequence: 41, Hash: ledger.Hash{1, 2, 3}}, 20_000)
	builder.Add(&ledger.Entry{Kind: 13, Time: 5, Legs: []ledger.Leg{{Account: 12, Amount: -500}, {Account: 10, Amount: 500}}, Payload: []byte("payload")})
	builder.Add(&ledger.Entry{Kind: 14, Time: 9, Hold: ledger.HoldAction{Op: ledger.HoldOpen, From: 3, To: 12, Amount: 100}})
	builder.Add(&ledger.Entry{Kind: 2, Time: 9, Opens: []ledger.Opening{{Code: 2001, Flags: 1}}, States: []ledger.StateChange{{Account: 4, State: 2}}})
	return slices.Clone(builder.Seal().Bytes())
}

// TestEveryFlippedBitIsNoticed in a block: header, hash or body.
func TestEveryFlippedBitIsNoticed(t *testing.T) {
	raw := sampleBlock()
	_, err := ledger.OpenBlock(raw)
	require.NoError(t, err)
	for i := range raw {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			_, err := ledger.OpenBlock(raw)
			require.ErrorIs(t, err, ledger.ErrMalformed, "byte %d bit %d", i, bit)
			raw[i] ^= 1 << bit
		}
	}
	for n := range raw {
		_, err := ledger.OpenBlock(raw[:n])
		require.ErrorIs(t, err, ledger.ErrMalformed, "cut to %d bytes", n)
	}
}

// FuzzOpenBlock: bytes that pass the header are walked to the end or refused; nothing panics, nothing is read outside.
func FuzzOpenBlock(f *testing.F) {
	f.Add(sampleBlock())
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := ledger.OpenBlock(raw); err == nil && !bytes.Equal(raw, sampleBlock()) {
			t.Logf("a block with a good hash: %x", raw)
		}
		b, err := ledger.SkimBlock(raw)
		if err != nil {
			return
		}
		count := uint64(0)
		if err := b.Each(func(uint64, *ledger.Entry) error { count++; return nil }); err == nil && count != uint64(b.Count()) {
			t.Fatalf("%d entries of %d", count, b.Count())
		}
	})
}
