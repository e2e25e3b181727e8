package faultdisk

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Verdict is what a fault has come to, when it has come to something that must not be.
type Verdict string

// Verdicts.
const (
	Lost     Verdict = "lost"     // something acknowledged is not there
	Invented Verdict = "invented" // something is there that nobody wrote
	Silent   Verdict = "silent"   // damage that nobody noticed
	Unnamed  Verdict = "unnamed"  // damage that was refused without saying where
	Broken   Verdict = "broken"   // anything else: not opened, does not go on, an answer that changed
)

// failuresKept is how many failures end a campaign: enough to see what they have in common.
const failuresKept = 20

// Campaign counts faults under a seed until it has seen as many points as it was asked for. Its methods may be called by any goroutine.
type Campaign struct {
	Name    string
	Seed    uint64
	Points  int64 // how many to judge
	Workers int   // rounds at once; 0: as many as there are processors

	began    time.Time
	points   atomic.Int64
	rounds   atomic.Int64
	mu       sync.Mutex
	groups   map[string]map[string]int64 // guarded by mu
	cells    map[[2]string]int64         // guarded by mu; the table: row and column
	totals   map[string]int64            // guarded by mu
	failures []Failure                   // guarded by mu
}

// Failure is one point at which something came out that must not.
type Failure struct {
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"text"`
}

// New is a campaign that ends after so many points.
func New(name string, seed uint64, points int64) *Campaign {
	return &Campaign{
		Name: name, Seed: seed, Points: points, began: time.Now(),
		groups: map[string]map[string]int64{}, cells: map[[2]string]int64{}, totals: map[string]int64{},
	}
}

// Asked is the campaign that the environment asks for: ONECARD_POINTS, from ONECARD_SEED on. Nil: none was asked for, this is an ordinary run
// of the tests.
func Asked(name string) *Campaign {
	points, err := strconv.ParseInt(os.Getenv("ONECARD_POINTS"), 10, 64)
	if err != nil || points <= 0 {
		return nil
	}
	seed, err := strconv.ParseUint(os.Getenv("ONECARD_SEED"), 10, 64)
	if err != nil {
		seed = 1
	}
	return New(name, seed, points)
}

// Full says that enough was seen, or that too much went wrong to go on.
func (c *Campaign) Full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.points.Load() >= c.Points || len(c.failures) >= failuresKept
}

// Point counts one point in the table, and takes it: false when the campaign is full.
func (c *Campaign) Point(row, column string) bool {
	if c.points.Add(1) > c.Points {
		c.points.Add(-1)
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cells[[2]string{row, column}]++
	return true
}

// Judged is how many points were taken.
func (c *Campaign) Judged() int64 { return c.points.Load() }

// Count counts in a group beside the table.
func (c *Campaign) Count(group, key string, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.groups[group] == nil {
		c.groups[group] = map[string]int64{}
	}
	c.groups[group][key] += n
}

// Counted is what Count has counted.
func (c *Campaign) Counted(group, key string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.groups[group][key]
}

// Total adds to a figure that stands for itself.
func (c *Campaign) Total(name string, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.totals[name] += n
}

// Fail keeps what must not be.
func (c *Campaign) Fail(v Verdict, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures = append(c.failures, Failure{v, fmt.Sprintf(format, args...)})
}

// Failures are what must not have been, oldest first.
func (c *Campaign) Failures() []Failure {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.failures)
}

// Run plays rounds, each with a seed of its own, until the campaign is full, and says now and then how far it is.
func (c *Campaign) Run(round func(seed uint64)) {
	workers := cmp.Or(c.Workers, runtime.GOMAXPROCS(0))
	var playing sync.WaitGroup
	for range workers {
		playing.Add(1)
		go c.play(&playing, round)
	}
	done := make(chan struct{})
	go func() {
		playing.Wait()
		close(done)
	}()
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			c.progress()
		}
	}
}

func (c *Campaign) play(playing *sync.WaitGroup, round func(seed uint64)) {
	defer playing.Done()
	for !c.Full() {
		round(c.Seed + uint64(c.rounds.Add(1)) - 1)
	}
}
