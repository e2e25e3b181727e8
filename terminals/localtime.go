package terminals

import "time"

// localTime turns moments into the digits of DE 12, 13 and 15. A second's digits are computed once.
type localTime struct {
	zone       int64 // seconds ahead of UTC
	second     int64 // whose digits are kept
	hhmmss     uint64
	mmdd       uint64
	day        uint32 // whose settlement date is kept
	settlement uint64
}

func newLocalTime(zone time.Duration) localTime {
	l := localTime{zone: int64(zone / time.Second), second: -1, day: ^uint32(0)}
	return l
}

// at returns hhmmss and MMDD of a moment in microseconds since 1970.
func (l *localTime) at(moment int64) (hhmmss, mmdd uint64) {
	second := moment / 1e6
	if second != l.second {
		t := time.Unix(second+l.zone, 0).UTC()
		l.second = second
		l.hhmmss = uint64(t.Hour()*10000 + t.Minute()*100 + t.Second())
		l.mmdd = monthDay(t)
	}
	return l.hhmmss, l.mmdd
}

// settlementDate returns MMDD of a day since 1970.
func (l *localTime) settlementDate(day uint32) uint64 {
	if day != l.day {
		l.day, l.settlement = day, monthDay(time.Unix(int64(day)*86400, 0).UTC())
	}
	return l.settlement
}

func monthDay(t time.Time) uint64 {
	_, month, day := t.Date()
	return uint64(int(month)*100 + day)
}
