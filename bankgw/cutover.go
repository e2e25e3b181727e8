package bankgw

import (
	"strconv"
	"time"

	"onecard/switch/transaction"
)

// The bank's day (wire handbook 4.2). While the bank turns it (0820/201 to 202) no load leaves the house: it is declined with 90. The settlement
// date that the bank puts a movement into comes with its answer (DE 15) and goes with the outcome into the ledger, so that the day's
// reconciliation knows which file to look in. Links sign on once a day at daily_sign_on, as many banks want it.

// fieldBankDay is DE 15.
const fieldBankDay = 15

// bankDayReach is how far from the day of a load the bank's may be: what is said beyond is no settlement date of this load.
const bankDayReach = 31

// dayTurns is the bank's 0820/201 and 202.
func (g *Gateway) dayTurns(now time.Time, begins bool) {
	if g.cutOver = (time.Time{}); begins {
		g.cutOver = now.Add(cutOverMax) // the end may get lost
	}
	g.events.cutOver(begins)
}

// bankDay is the settlement date that an answer says, in days since 1970: of the years that MMDD leaves open, the one next to the load's. 0: it says none,
// or one that cannot be.
func (g *Gateway) bankDay(o *transaction.LoadOrder, a *answer) uint32 {
	if a.bankDate == "" {
		return 0
	}
	n, err := strconv.Atoi(a.bankDate)
	ours := g.config.local(o.Time)
	for _, year := range []int{ours.Year(), ours.Year() - 1, ours.Year() + 1} {
		day := time.Date(year, time.Month(n/100), n%100, 0, 0, 0, 0, time.UTC)
		_, month, date := day.Date()
		if distance := day.Sub(ours).Abs(); err == nil && 100*int(month)+date == n && distance <= bankDayReach*24*time.Hour && day.Unix() > 0 {
			return uint32(day.Unix() / secondsPerDay)
		}
	}
	g.events.fault(faultBankDay)
	return 0
}

const secondsPerDay = int64(24 * time.Hour / time.Second)

// signOnDaily signs on again on every link that is up, once a day; the others sign on when they are connected.
func (g *Gateway) signOnDaily(now time.Time) (next time.Time) {
	if g.config.DailySignOn == 0 || g.phase != phaseRunning {
		return time.Time{}
	}
	if g.signOnAt.IsZero() {
		g.signOnAt = g.nextAt(now, g.config.DailySignOn)
	}
	if now.Before(g.signOnAt) {
		return g.signOnAt
	}
	g.signOnAt = g.nextAt(now, g.config.DailySignOn)
	for _, l := range g.links {
		if l.state == LinkUp && !l.draining && !g.askNetwork(now, l, functionSignOn, g.config.SignOnTimeout) {
			g.lose(now, l, "发送队列已满 / its outbox is full")
		}
	}
	return g.signOnAt
}

// nextAt is the next moment after now at a time of day where the bank stands.
func (g *Gateway) nextAt(now time.Time, after time.Duration) time.Time {
	midnight := now.UTC().Add(g.config.Zone).Truncate(24 * time.Hour).Add(-g.config.Zone)
	at := midnight.Add(after % (24 * time.Hour))
	if !at.After(now) {
		at = at.Add(24 * time.Hour)
	}
	return at
}
