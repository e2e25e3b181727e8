package channel_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/bankgw/channel"
	"onecard/ledger/money"
)

// TestCompareExplainsEveryFen: whatever stands on both sides, what is equal and what differs explain the difference of the totals, every number
// is in one case, and the order of the lines says nothing (handbook 3.8: the difference must be explained to zero).
func TestCompareExplainsEveryFen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ours []channel.Booked
		var theirs []channel.Line
		numbers := map[string]bool{}
		var left, right money.Fen
		for i := range rapid.IntRange(0, 30).Draw(t, "orders") {
			number := fmt.Sprintf("O%d", i)
			amount := money.Fen(rapid.Int64Range(1, 50_000).Draw(t, "amount"))
			side := rapid.IntRange(0, 3).Draw(t, "side") // neither never happens, both, ours, theirs, both and different
			numbers[number] = true
			if side != 2 {
				ours, left = append(ours, channel.Booked{Number: number, Amount: amount}), left+amount
			}
			if side == 3 {
				amount++
			}
			if side != 1 {
				theirs, right = append(theirs, channel.Line{Order: number, Amount: amount}), right+amount
			}
		}
		equal, differences := channel.Compare(ours, theirs)
		require.Equal(t, len(numbers), equal+len(differences))
		explained := money.Fen(0)
		for _, d := range differences {
			explained += d.Theirs - d.Ours
			switch d.Case {
			case channel.ChannelOnly:
				require.Zero(t, d.Ours)
			case channel.OursOnly:
				require.Zero(t, d.Theirs)
			case channel.AmountDiffers:
				require.NotEqual(t, d.Ours, d.Theirs)
			default:
				require.Fail(t, "an equal number among the differences")
			}
		}
		require.Equal(t, right-left, explained)
		shuffled, _ := channel.Compare(rapid.Permutation(ours).Draw(t, "ours"), rapid.Permutation(theirs).Draw(t, "theirs"))
		require.Equal(t, equal, shuffled)
	})
}

// TestReconcilingMends: after days of payments told of, not told of, late, and refunds of every kind, the comparison leaves both sides equal,
// and a second comparison has nothing to do.
func TestReconcilingMends(t *testing.T) {
	pairs()
	rapid.Check(t, func(r *rapid.T) {
		s := newSite(t)
		s.holdOrders(r)
		day := s.now.Format(time.DateOnly)
		s.now = s.now.Add(24 * time.Hour)
		first, err := s.channel.Reconcile(context.Background(), day, s.micros())
		require.NoError(r, err)
		require.Equal(r, first.OursPaid+mended(first.Differences, false), first.TheirsPaid, "%+v", first)
		require.Equal(r, first.OursRefunded+mended(first.Differences, true), first.TheirsRefunded, "%+v", first)
		require.True(r, first.Settled(), "%+v", first)
		entries := len(s.books.entries)
		second, err := s.channel.Reconcile(context.Background(), day, s.micros())
		require.NoError(r, err)
		require.Empty(r, second.Differences)
		require.Equal(r, second.OursPaid, second.TheirsPaid)
		require.Equal(r, second.OursRefunded, second.TheirsRefunded)
		require.Len(r, s.books.entries, entries, "the second comparison has moved money")
		totals := s.sim.Totals()
		taken := money.Fen(0) // from purses for refunds that the channel has not paid yet
		for _, number := range s.sim.Numbers() {
			o, err := s.channel.Order(number)
			require.NoError(r, err)
			for i := range o.Refunds {
				if o.Refunds[i].State == channel.RefundTaken || o.Refunds[i].State == channel.RefundRejected {
					taken += o.Refunds[i].Amount
				}
			}
		}
		require.Equal(r, totals.Taken-totals.Returned-taken, s.books.transit)
		kept, there, err := s.channel.Report(day)
		require.NoError(r, err)
		require.True(r, there)
		require.Equal(r, second.Equal, kept.Equal)
	})
}

// holdOrders makes a day of orders with everything that a channel may leave out.
func (s *site) holdOrders(r *rapid.T) {
	for i := range rapid.IntRange(0, 6).Draw(r, "orders") {
		s.now = s.now.Add(time.Duration(rapid.IntRange(1, 3000).Draw(r, "pause")) * time.Second)
		holder := fmt.Sprintf("20260%02d", rapid.IntRange(0, 2).Draw(r, "holder"))
		amount := money.Fen(rapid.Int64Range(1, 10_000).Draw(r, "amount"))
		o, _, err := s.channel.Place(context.Background(), channel.Asked{By: "li", Key: fmt.Sprint("k", i), Holder: holder, Amount: amount}, s.micros())
		require.NoError(r, err)
		if !rapid.Bool().Draw(r, "pays") {
			continue
		}
		told := rapid.SampledFrom([]string{"", "lose", "late", "twice", "forged"}).Draw(r, "told")
		if told != "" {
			require.NoError(r, s.sim.Script("notify "+told))
		}
		require.NoError(r, s.sim.Pay(o.Number))
		s.deliver()
		if how := rapid.SampledFrom([]string{"none", "", "drop", "reject", "lose", "process"}).Draw(r, "refund"); how != "none" {
			if how != "" {
				require.NoError(r, s.sim.Script("refund "+how+"\nnotify lose"))
			}
			part := money.Fen(rapid.Int64Range(1, int64(amount)).Draw(r, "part"))
			_, _, _ = s.channel.Refund(context.Background(), channel.RefundAsked{By: "li", Key: fmt.Sprint("r", i), Number: o.Number, Amount: part, Reason: "holder"}, s.micros())
		}
		if rapid.IntRange(0, 4).Draw(r, "crash") == 0 {
			s.open()
		}
	}
}

// mended is what the comparison has made up for.
func mended(differences []channel.Difference, refunds bool) (sum money.Fen) {
	for _, d := range differences {
		if d.Refund == refunds {
			sum += d.Theirs - d.Ours
		}
	}
	return sum
}
