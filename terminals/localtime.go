package terminals

import (
	"fmt"
	"time"

	"onecard/switch/iso8583"
)

// localTime turns moments into the digits of DE 12, 13 and 15. A second's digits are computed once.
type localTime struct {
	zone       int64 // seconds ahead of UTC
	second     int64 // whose digits are kept
	hhmmss     uint64
	mmdd       uint64
	wire12     []byte // F12
	wire13     []byte // F13
	day        uint32 // whose settlement date is kept
	settlement []byte // F15
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
		l.wire12, l.wire13 = iso8583.WireOf(12, fmt.Sprintf("%06d", l.hhmmss)), iso8583.WireOf(13, fmt.Sprintf("%04d", l.mmdd))
	}
	return l.hhmmss, l.mmdd
}

// wire returns F12 and F13 of a moment.
func (l *localTime) wire(moment int64) (hhmmss, mmdd []byte) {
	l.at(moment)
	return l.wire12, l.wire13
}

// settlementDate returns F15 of a day since 1970.
func (l *localTime) settlementDate(day uint32) []byte {
	if day != l.day {
		l.day, l.settlement = day, iso8583.WireOf(15, fmt.Sprintf("%04d", monthDay(time.Unix(int64(day)*86400, 0).UTC())))
	}
	return l.settlement
}

func monthDay(t time.Time) uint64 {
	_, month, day := t.Date()
	return uint64(int(month)*100 + day)
}
