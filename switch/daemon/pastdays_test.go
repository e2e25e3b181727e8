package daemon

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/switch/transaction"
)

// TestADayIsPastWhenNothingCanBeOnItsWay: some minutes after midnight at the site, wherever the site is.
func TestADayIsPastWhenNothingCanBeOnItsWay(t *testing.T) {
	for _, zone := range []time.Duration{8 * time.Hour, 0, -5 * time.Hour, 14 * time.Hour} {
		midnight := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC).Add(-zone)
		day := uint32(time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC).Unix() / 86_400)
		site := transaction.Site{ZoneSeconds: int32(zone / time.Second)}
		for after, want := range map[time.Duration]bool{-time.Second: false, 0: false, dayGrace - time.Second: false, dayGrace: true, 23 * time.Hour: true} {
			past := pastDays(midnight.Add(after).UnixMicro(), site)
			require.Equal(t, want, past(day), "UTC%+v, %v after midnight", zone, after)
			require.True(t, past(day-1))
			require.False(t, past(day+1))
		}
	}
}
