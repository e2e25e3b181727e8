package query

import (
	"strings"
	"time"
)

const secondsPerDay = 86_400

// layouts are the ways to write a moment at the site.
var layouts = [...]string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04"}

// moment reads a moment as microseconds since 1970. A date is its first moment, or with end the first of the day after.
func (r *Reader) moment(field, text string, end bool) (int64, error) {
	if t, err := time.ParseInLocation(time.DateOnly, text, r.zone); err == nil {
		if end {
			t = t.AddDate(0, 0, 1)
		}
		return t.UnixMicro(), nil
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, text, r.zone); err == nil {
			return t.UnixMicro(), nil
		}
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t.UnixMicro(), nil
	}
	return 0, wrong(field, "%s %q: 请写 2026-11-26、2026-11-26 12:30 或 RFC 3339 / write 2026-11-26, 2026-11-26 12:30 or RFC 3339", field, text)
}

// span turns moments into entries: the first and the last one between them.
func (r *Reader) span(from, to string, upTo uint64) (first, last uint64, err error) {
	first, last = 1, upTo
	if from != "" {
		moment, err := r.moment("from", from, false)
		if err != nil {
			return 0, 0, err
		}
		if first, err = r.Store.EntryAt(moment); err != nil {
			return 0, 0, err
		}
	}
	if to != "" {
		moment, err := r.moment("to", to, true)
		if err != nil {
			return 0, 0, err
		}
		behind, err := r.Store.EntryAt(moment)
		if err != nil {
			return 0, 0, err
		}
		last = min(last, behind-1)
	}
	return first, last, nil
}

// at is the last entry at or before a moment, and no later than the newest.
func (r *Reader) at(text string, newest uint64) (uint64, error) {
	if text == "" {
		return newest, nil
	}
	moment, err := r.moment("at", text, true)
	if err != nil {
		return 0, err
	}
	if !strings.Contains(text, ":") {
		moment-- // a date ends before the next one begins
	}
	behind, err := r.Store.EntryAt(moment + 1)
	return min(behind-1, newest), err
}

func (r *Reader) local(micros int64) string {
	return time.UnixMicro(micros).In(r.zone).Format("2006-01-02 15:04:05")
}

// today is the day at the site, in days since 1970.
func (r *Reader) today() uint32 {
	_, offset := time.UnixMicro(r.Now()).In(r.zone).Zone()
	return uint32((r.Now()/1e6 + int64(offset)) / secondsPerDay)
}
