package bankgw

import (
	"time"

	"onecard/switch/transaction"
)

// names says whether an answer is to the request of a key. A bank that does not give DE 7 back is taken at its trace and terminal.
func (a *answer) names(k *muxKey) bool {
	return a.trace == k.trace && a.terminal == k.terminal && (a.date == 0 || a.date == k.date)
}

// isAbout says whether an answer is to the request of a class about a load.
func (a *answer) isAbout(g *Gateway, c class, o *transaction.LoadOrder) bool {
	k := g.keyOf(c, o)
	return a.names(&k)
}

// keyOfAnswer is the key of the request that an answer names. Without a date it is one of today's.
func (g *Gateway) keyOfAnswer(now time.Time, c class, a *answer) muxKey {
	date := a.date
	if date == 0 {
		date = monthDayOf(g.config.local(now.UnixMicro()))
	}
	return muxKey{c, a.terminal, a.trace, date}
}
