package pebblestore

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// campaign runs rounds from ONECARD_SEED on until ONECARD_CAMPAIGN (a duration) is over; without it the test is skipped: the slices that
// every run of the tests takes are elsewhere.
func campaign(t *testing.T, round func(seed uint64)) {
	duration, err := time.ParseDuration(os.Getenv("ONECARD_CAMPAIGN"))
	if err != nil {
		t.Skip("ONECARD_CAMPAIGN is not set: see make crash")
	}
	seed, _ := strconv.ParseUint(os.Getenv("ONECARD_SEED"), 10, 64)
	for end := time.Now().Add(duration); time.Now().Before(end) && !t.Failed(); seed++ {
		round(seed)
	}
}

func TestCampaignCrash(t *testing.T) {
	var ops, clones, nested int64
	campaign(t, func(seed uint64) {
		depth := int(seed % 4)
		counts := crashRun(seed, 40, []int{1, 10, 30, 60}[depth], depth, nil)
		ops, clones, nested = ops+counts.ops.Load(), clones+counts.clones.Load(), nested+counts.nested.Load()
		require.Empty(t, counts.failures, "seed %d depth %d", seed, depth)
	})
	fmt.Printf("crash: operations=%d crashes=%d recoveries_crashed=%d lost=0 invented=0\n", ops, clones, nested)
}

func TestCampaignDamage(t *testing.T) {
	all, rounds := damageCounts{}, 0
	campaign(t, func(seed uint64) {
		counts, bad := damageRun(t, seed, seed%2 == 0, false, 4, nil)
		require.Empty(t, bad)
		for kind, by := range counts {
			for o, n := range by {
				for range n {
					all.add(kind, o)
				}
			}
		}
		rounds++
	})
	for _, kind := range slices.Sorted(maps.Keys(all)) {
		fmt.Printf("damage: %-36s refused %6d   harmless or repaired %6d\n", kind, all[kind][refused], all[kind][harmless])
	}
	fmt.Printf("damage: folders=%d refused=%d harmless_or_repaired=%d silent=0\n", rounds, all.total(refused), all.total(harmless))
}

// TestCampaignErrors runs each seed in a process of its own: a store that has stopped with Fatal leaves its goroutines behind.
func TestCampaignErrors(t *testing.T) {
	var fatal, returned, survived int
	campaign(t, func(seed uint64) {
		child := exec.Command(os.Args[0], "-test.run", "^TestErrorAtEveryOperation$")
		child.Env = append(os.Environ(), fmt.Sprintf("ONECARD_ERROR_SEED=%d", seed))
		out, err := child.CombinedOutput()
		require.NoError(t, err, "seed %d: %s", seed, out)
		var f, r, s int
		_, err = fmt.Sscanf(string(out), "errors: fatal=%d returned=%d survived=%d", &f, &r, &s)
		require.NoError(t, err, "%s", out)
		fatal, returned, survived = fatal+f, returned+r, survived+s
	})
	fmt.Printf("errors: operations_failed=%d fatal=%d returned=%d survived=%d lost=0\n", fatal+returned+survived, fatal, returned, survived)
}
