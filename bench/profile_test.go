package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/require"
)

// looks makes a profile of stacks, innermost function first, one look each.
func looks(stacks ...[]string) *profile.Profile {
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}}, PeriodType: &profile.ValueType{}}
	functions := map[string]*profile.Location{}
	for _, stack := range stacks {
		s := &profile.Sample{Value: []int64{1, 10_000_000}}
		for _, name := range stack {
			if functions[name] == nil {
				id := uint64(len(functions) + 1)
				f := &profile.Function{ID: id, Name: name}
				functions[name] = &profile.Location{ID: id, Line: []profile.Line{{Function: f}}}
				p.Function, p.Location = append(p.Function, f), append(p.Location, functions[name])
			}
			s.Location = append(s.Location, functions[name])
		}
		p.Sample = append(p.Sample, s)
	}
	return p
}

// What is called belongs to who called it, the innermost stage counts, and nothing is lost.
func TestStages(t *testing.T) {
	engine := []string{"onecard/switch/transaction.(*Engine).turn", "onecard/switch/transaction.(*Engine).Run"}
	under := func(names ...string) []string { return append(names, engine...) }
	p := looks(
		under("syscall.RawSyscall6", "onecard/terminals/reactor.readNow", "onecard/terminals/reactor.(*Conn).receive"),
		under("crypto/internal/fips140/aes.encryptBlock", "onecard/switch/iso8583.(*MAC).Sum", "onecard/switch/iso8583.(*Builder).Finish", "onecard/terminals.(*Session).answer"),
		under("runtime.memmove", "onecard/ledger.(*BlockBuilder).Add"),
		under("crypto/internal/fips140/sha256.block", "onecard/ledger.Block.sum", "onecard/ledger.(*BlockBuilder).Seal"),
		under("onecard/ledger.(*Book).Account", "onecard/switch/transaction.(*State).warm"),
		under("onecard/ledger.(*Book).Check", "onecard/switch/transaction.(*decider).judge"),
		[]string{"onecard/switch/transaction.(*record).decode", "onecard/switch/transaction.(*Register).Count", "onecard/ledger/pebblestore.(*indexer).run"},
		[]string{"runtime.scanobject", "runtime.gcDrain", "runtime.gcBgMarkWorker"},
		[]string{"who.knows"},
	)
	total, seen := 0.0, map[string]float64{}
	for _, s := range costs(p, 18) {
		total += s.CPU
		seen[s.Name] = s.CPU
	}
	require.InDelta(t, 18, total, 1e-9)
	for _, name := range []string{"read", "MAC", "warm", "decide", "index", "runtime", "other"} {
		require.InDelta(t, 2, seen[name], 1e-9, name)
	}
	require.InDelta(t, 4, seen["journal"], 1e-9, "the hash of a block is no MAC")
	var out bytes.Buffer
	path := filepath.Join(t.TempDir(), "cpu.pprof")
	taken := profiling{path: path, taken: map[string][]*profile.Profile{"64x1": {p, p}}}
	result, err := taken.close(&out, "64x1", 16)
	require.NoError(t, err)
	require.Len(t, result, len(stages))
	require.Contains(t, out.String(), "18 次采样 samples")
	require.FileExists(t, path)
}
