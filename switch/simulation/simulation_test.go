package simulation

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/switch/transaction"
)

const (
	seedsInTest    = 20
	eventsOfSeed   = 6_000
	eventsInTest   = 3_000
	seedsForTable  = 1_000 // from so many on, an empty cell of the table is a fault
	linesOfHistory = 60
)

func number(t *testing.T, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, "%s", name)
	return n
}

// campaign is what all seeds together have met.
type campaign struct {
	mu       sync.Mutex
	coverage Coverage
	results  []Result
	failed   []error
}

// TestSeeds lets many seeds happen, each twice: every invariant after every event, and the same seed is the same history.
//
//	make sim SEEDS=2000          the whole campaign, the table of what met what, and out/sim.json
//	make sim SEED=17 SEEDS=1     one seed
func TestSeeds(t *testing.T) {
	first, seeds := number(t, "ONECARD_SEED", 1), number(t, "ONECARD_SEEDS", seedsInTest)
	events := number(t, "ONECARD_EVENTS", eventsInTest)
	if os.Getenv("ONECARD_SEEDS") != "" {
		events = number(t, "ONECARD_EVENTS", eventsOfSeed)
	}
	began := time.Now()
	c := &campaign{}
	next := make(chan uint64)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() { c.work(t, next, events) })
	}
	for seed := first; seed < first+seeds; seed++ {
		next <- seed
	}
	close(next)
	workers.Wait()
	slices.SortFunc(c.results, func(a, b Result) int { return int(a.Seed) - int(b.Seed) })
	c.report(t, first, seeds, events, time.Since(began))
	for _, err := range c.failed {
		t.Error(err)
	}
	if seeds >= seedsForTable {
		require.Empty(t, c.coverage.Empty(), "cells of the table")
	}
	_, stray := c.coverage.Rows()
	require.Empty(t, stray)
}

// work takes seeds until there are none, or one has failed.
func (c *campaign) work(t *testing.T, seeds <-chan uint64, events uint64) {
	coverage := new(Coverage)
	for seed := range seeds {
		if c.hasFailed() {
			continue
		}
		result, err := live(t, seed, events, coverage, nil)
		if err == nil {
			var again Result
			if again, err = live(t, seed, events, new(Coverage), nil); err == nil && again != result {
				err = fmt.Errorf("seed %d is not the same history twice: %+v and %+v", seed, result, again)
			}
		}
		if err != nil {
			err = fmt.Errorf("%w\n%s\nmake sim SEED=%d SEEDS=1", err, history(t, seed, events), seed)
		}
		c.mu.Lock()
		c.results = append(c.results, result)
		if err != nil {
			c.failed = append(c.failed, err)
		}
		c.mu.Unlock()
	}
	c.mu.Lock()
	c.coverage.Add(coverage)
	c.mu.Unlock()
}

// live is Run in a bubble of its own.
func live(t *testing.T, seed, events uint64, coverage *Coverage, tell func(format string, args ...any)) (result Result, err error) {
	synctest.Test(t, func(*testing.T) { result, err = Run(seed, events, coverage, synctest.Wait, tell) })
	return result, err
}

func (c *campaign) hasFailed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.failed) > 0
}

// history is the end of a seed's story.
func history(t *testing.T, seed, events uint64) string {
	var lines []string
	_, _ = live(t, seed, events, new(Coverage), func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) })
	return strings.Join(lines[max(0, len(lines)-linesOfHistory):], "\n")
}

// report prints the figures and writes them to out/sim.json, when it is the campaign that was asked for.
func (c *campaign) report(t *testing.T, first, seeds, events uint64, took time.Duration) {
	var sum Result
	hash := uint64(0)
	for _, r := range c.results {
		sum.Events, sum.Requests, sum.Answers, sum.Entries = sum.Events+r.Events, sum.Requests+r.Requests, sum.Answers+r.Answers, sum.Entries+r.Entries
		sum.Lives, sum.Lost, sum.Kept, sum.Loads = sum.Lives+r.Lives, sum.Lost+r.Lost, sum.Kept+r.Kept, sum.Loads+r.Loads
		hash = hash*1099511628211 ^ r.Hash
	}
	t.Logf("%d seeds from %d, %d events each and calm after them, each twice: %.1f s\n"+
		"%d events, %d requests, %d answers, %d entries, %d loads, %d owners, %d blocks lost and %d found after a death\n"+
		"hash of all histories %016x; invariants broken: %d", len(c.results), first, events, took.Seconds(),
		sum.Events, sum.Requests, sum.Answers, sum.Entries, sum.Loads, sum.Lives, sum.Lost, sum.Kept, hash, len(c.failed))
	if os.Getenv("ONECARD_SEEDS") == "" {
		return
	}
	t.Logf("\n%s", c.coverage.String())
	rows, _ := c.coverage.Rows()
	figures := map[string]any{
		"refusals_at_desks": c.coverage.rules,
		"seeds":             seeds, "first": first, "events_per_seed": events, "seconds": took.Seconds(), "events": sum.Events, "requests": sum.Requests, "answers": sum.Answers,
		"entries": sum.Entries, "loads": sum.Loads, "owners": sum.Lives, "blocks_lost": sum.Lost, "blocks_found": sum.Kept, "hash": fmt.Sprintf("%016x", hash),
		"findings": len(c.failed), "empty_cells": c.coverage.Empty(), "coverage": rows,
	}
	text, err := json.MarshalIndent(figures, "", " ")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll("../../out", 0o755))
	require.NoError(t, os.WriteFile("../../out/sim.json", text, 0o644))
}

// TestEveryReasonHasItsPlace: a reason that a subsystem begins to give must be taught to the table, or be said to come from elsewhere.
func TestEveryReasonHasItsPlace(t *testing.T) {
	transaction.Reasons(func(r transaction.Reason) {
		here := slices.ContainsFunc(messages(), func(m message) bool { return slices.Contains(m.reasons, r) })
		if why := elsewhere[r]; here == (why != "") {
			t.Errorf("reason %s: in the table %t, elsewhere: %q", r, here, why)
		}
	})
}
