package pebblestore

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger/pebblestore/faultdisk"
)

// What shows which invariant of the safety handbook (2.1), of those that the disk can break:
//
//	I1  sum zero after each block         judge here and auditCrash in transaction: the auditor replays every copy that a crash has left
//	I2  no purse below its floor          TestCrashOfTheWholeCore (the auditor); transaction's property tests; make sim
//	I3  acknowledged once, with its amount TestCrashAtEveryOperation, TestErrorAtEveryOperation (acked <= head); TestCrashOfTheWholeCore (repeats)
//	I4  one identity, one effect          TestCrashOfTheWholeCore, TestJournalSeam in transaction
//	I5  state = checkpoint + tail, chain  judge (auditor, checkCheckpoint), TestIndexIsTheSameHoweverItWasBuilt
//	I6  bank asked <=> load in the ledger TestCrashOfTheWholeCore (ordered), make kill against the bank's books
//	I7  reversal once, tombstones         TestCrashOfTheWholeCore (reversals are repeated), stories in transaction
//	I9  totals = journal                  totals_test.go, verify
//	I10 no answer before what it rests on TestCrashOfTheWholeCore; its teeth: TestCrashOfTheWholeCoreHasTeeth, TestCrashTestsHaveTeeth
//	I11 witness <= ledger after open      TestDamageIsRefusedOrRepaired, TestJournalBehindItsWitnessIsRefused, TestWitnessNeverRunsAhead
//	I12 acts in one unbroken chain        acts are entries: I5
//	I13 counters = recomputation          the auditor in TestCrashOfTheWholeCore; make sim
//	I14 PIN tries never fall by a crash   not here: tries are not part of the site that is crashed
//
// I8, I15 and I16 are the bank link's and the log's: bankgw, make sim, daemon's log tests.
//
// The campaigns: what the tests of this package take a slice of, as often as is asked for (make crash, make eio, make rot).

// asked returns the campaign that the environment asks for. Without one the test is skipped: the slices that every run of the tests takes are
// elsewhere.
func asked(t *testing.T, name string) *faultdisk.Campaign {
	campaign := faultdisk.Asked(name)
	if campaign == nil {
		t.Skip("no campaign was asked for: see make " + name)
	}
	return campaign
}

// finish prints the counts and writes them where the command asks for them.
func finish(t *testing.T, campaign *faultdisk.Campaign) {
	require.NoError(t, campaign.Finish(os.Stdout, os.Getenv("ONECARD_OUT")))
}

// TestCampaignCrash: one round in four crashes every operation of its workload; the others crash recovery as well, one, two and three deep.
// Every second four archive their blocks and move them out.
func TestCampaignCrash(t *testing.T) {
	campaign := asked(t, "crash")
	campaign.Run(func(seed uint64) {
		depth := int(seed % 4)
		crashRun(campaign, seed, 40, []int{1, 10, 30, 60}[depth], depth, func(w *workload, _ *Options) { w.archives = seed%8 >= 4 })
	})
	finish(t, campaign)
}

func TestCampaignDamage(t *testing.T) {
	campaign := asked(t, "rot")
	campaign.Run(func(seed uint64) { damageRun(t, campaign, seed, seed%2 == 0, false, seed%4 >= 2, 4, nil) })
	finish(t, campaign)
}

// TestCampaignErrors plays each round in a process of its own: a store that has stopped with Fatal leaves its goroutines behind.
func TestCampaignErrors(t *testing.T) {
	campaign := asked(t, "eio")
	campaign.Run(func(seed uint64) {
		if err := errorChild(campaign, seed); err != nil {
			campaign.Fail(faultdisk.Broken, "seed %d: %v", seed, err)
		}
	})
	finish(t, campaign)
}

func errorChild(campaign *faultdisk.Campaign, seed uint64) error {
	child := exec.Command(os.Args[0], "-test.run", "^TestErrorAtEveryOperation$", "-test.timeout", "0")
	cause := seed % uint64(len(causes))
	child.Env = append(os.Environ(), fmt.Sprintf("ONECARD_ERROR_CHILD=%d/%d", seed/uint64(len(causes)), cause))
	var errOut bytes.Buffer
	child.Stderr = &errOut
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	acknowledged := uint64(0)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var p errorPoint
		if json.Unmarshal(lines.Bytes(), &p) != nil {
			continue // the testing package's own words
		}
		if !campaign.Point(p.Operation, p.File) {
			_ = child.Process.Kill()
			break
		}
		campaign.Count("cause", p.Cause, 1)
		campaign.Count("outcome", p.Outcome, 1)
		acknowledged = max(acknowledged, p.Acknowledged)
		if p.Failure != "" {
			campaign.Fail(p.Verdict, "%s", p.Failure)
		}
	}
	campaign.Total("entries acknowledged", int64(acknowledged))
	if err := child.Wait(); err != nil && !campaign.Full() {
		return fmt.Errorf("%w: %s", err, errOut.String())
	}
	return nil
}
