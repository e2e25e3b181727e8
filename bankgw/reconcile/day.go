package reconcile

import (
	"fmt"
	"time"
)

const (
	secondsPerDay = 24 * 60 * 60
	dayMax        = Day(2_932_896) // 9999-12-31
)

// Day is a settlement date (DE 15), in days since 1970-01-01.
type Day uint32

// String prints 2026-11-26.
func (d Day) String() string { return time.Unix(int64(d)*secondsPerDay, 0).UTC().Format(time.DateOnly) }

// MarshalText is String.
func (d Day) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads 2026-11-26.
func (d *Day) UnmarshalText(text []byte) error {
	date, err := time.Parse(time.DateOnly, string(text))
	if err != nil || date.Unix() < 0 {
		return fmt.Errorf("日期 %q 应形如 2026-11-26 / date %q must be written as 2026-11-26", text, text)
	}
	*d = Day(date.Unix() / secondsPerDay)
	return nil
}

// Moment is a time on the wall clock where the money moved, in seconds since 1970-01-01 00:00:00 of that same clock. It has no zone: the
// bank's file has none, and our own times are brought to the site's clock before they are compared.
type Moment int64

// String prints 2026-11-26 23:59:58.
func (m Moment) String() string { return time.Unix(int64(m), 0).UTC().Format(time.DateTime) }

// MarshalText is String, and nothing for a moment that is not known.
func (m Moment) MarshalText() ([]byte, error) {
	if m == 0 {
		return nil, nil
	}
	return []byte(m.String()), nil
}

// UnmarshalText reads what MarshalText has written.
func (m *Moment) UnmarshalText(text []byte) error {
	if *m = 0; len(text) == 0 {
		return nil
	}
	moment, err := time.Parse(time.DateTime, string(text))
	if err != nil {
		return fmt.Errorf("时间 %q 应形如 2026-11-26 23:59:58 / time %q must be written as 2026-11-26 23:59:58", text, text)
	}
	*m = Moment(moment.Unix())
	return nil
}

// at is the moment a number of seconds into a day.
func (d Day) at(second int64) Moment { return Moment(int64(d)*secondsPerDay + second) }

// dayOf makes a day of year, month and day; ok is false for a date that no calendar has, or one before 1970.
func dayOf(year, month, day int) (d Day, ok bool) {
	date := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if y, m, n := date.Date(); year < 1970 || y != year || int(m) != month || n != day {
		return 0, false
	}
	return Day(date.Unix() / secondsPerDay), true
}
