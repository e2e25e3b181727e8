package bankgw_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw"
)

// inFlight is how many loads wait on each link.
func (b *bench) inFlight() (counts []int) {
	synctest.Wait()
	for _, l := range b.gateway.Status().Links {
		counts = append(counts, l.InFlight)
	}
	return counts
}

// TestPolicies: seven loads that the bank answers late, with a window of four on each of three links, and one link drained between.
func TestPolicies(t *testing.T) {
	for policy, want := range map[bankgw.LinkPolicy]struct{ three, seven, drained []int }{
		bankgw.PolicyLeastPending:   {[]int{1, 1, 1}, []int{2, 3, 2}, []int{2, 4, 3}},
		bankgw.PolicyRoundRobin:     {[]int{1, 1, 1}, []int{2, 3, 2}, []int{2, 4, 3}},
		bankgw.PolicyPrimaryStandby: {[]int{3, 0, 0}, []int{4, 0, 0}, []int{4, 2, 0}},
	} {
		t.Run(string(policy), func(t *testing.T) {
			onBench(t, "30x delay 1h", func(c *bankgw.Config) { c.Policy, c.Links, c.MaxInFlight = policy, 3, 4 }, func(t *testing.T, b *bench) {
				give := func(from, to uint64) {
					for load := from; load <= to; load++ {
						b.gateway.Load(orderOf(load, 100))
						synctest.Wait()
					}
				}
				look := func(want []int) {
					t.Helper()
					require.Equal(t, want, b.inFlight())
				}
				give(1, 3)
				look(want.three)
				give(4, 7)
				look(want.seven)
				require.NoError(t, b.gateway.Drain(0))
				give(8, 9)
				look(want.drained)
			})
		})
	}
}

// TestRoundRobinIsBlindToLoad: the next in turn gets the next, however much waits there; the least pending does not.
func TestRoundRobinIsBlindToLoad(t *testing.T) {
	for policy, want := range map[bankgw.LinkPolicy]int{bankgw.PolicyLeastPending: 3, bankgw.PolicyRoundRobin: 5} {
		onBench(t, "delay 1h; approve; delay 1h; approve; delay 1h; approve; delay 1h; approve; 4x delay 1h", func(c *bankgw.Config) {
			c.Policy, c.Links = policy, 2
		}, func(t *testing.T, b *bench) {
			for load := uint64(1); load <= 10; load++ {
				b.gateway.Load(orderOf(load, 100))
				time.Sleep(500 * time.Millisecond)
			}
			counts := b.inFlight()
			require.Equal(t, want, max(counts[0], counts[1]), "%s: %v", policy, counts)
		})
	}
}

// TestNoSuchLink: an operator's slip is told, and so is a gateway that has stopped.
func TestNoSuchLink(t *testing.T) {
	onBench(t, "", func(c *bankgw.Config) { c.Links = 2 }, func(t *testing.T, b *bench) {
		require.ErrorContains(t, b.gateway.Drain(2), "there are 2")
		require.ErrorContains(t, b.gateway.Resume(-1), "no link -1")
		require.NoError(t, b.gateway.Drain(1))
		require.NoError(t, b.gateway.Drain(1))
		time.Sleep(10 * time.Minute)
		require.Equal(t, 1, b.gateway.Status().LinksUp())
		require.True(t, b.gateway.Status().Links[1].Draining)
		require.NoError(t, b.gateway.Resume(1))
		time.Sleep(time.Second)
		require.Equal(t, 2, b.gateway.Status().LinksUp())
	})
}
