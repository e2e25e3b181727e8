package ledger

import "time"

// DateOf prints a day, counted since 1970-01-01, as people write it: 2026-11-26.
func DateOf(day uint32) string {
	const secondsPerDay = 86_400
	return time.Unix(int64(day)*secondsPerDay, 0).UTC().Format(time.DateOnly)
}
