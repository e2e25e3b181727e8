package console

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"onecard/ledger/money"
)

// Yuan is an amount in JSON: a string of yuan with at most two decimals, "12.30". A number is refused, because a program in between would
// make a float of it.
type Yuan money.Fen

// MarshalJSON writes "12.30".
func (y Yuan) MarshalJSON() ([]byte, error) { return json.Marshal(money.Fen(y).String()) }

// UnmarshalJSON reads what MarshalJSON writes, "12.3" and "12".
func (y *Yuan) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	fen, err := money.Parse(s)
	if err != nil {
		return err
	}
	*y = Yuan(fen)
	return nil
}

func (y Yuan) String() string { return money.Fen(y).String() }

const (
	yuanPattern = `^-?[0-9]{1,12}(\.[0-9]{1,2})?$` // what fits 64 bits of fen many times over
	yuanWords   = `yuan with at most two decimals, such as "12.30"`
)

// Schema says how an amount looks.
func (Yuan) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString, Pattern: yuanPattern, PatternDescription: yuanWords, Description: "金额,元 / yuan", Examples: []any{"12.30"}}
	s.PrecomputeMessages()
	return s
}

// Day is a day in JSON: "2026-11-26". It counts days since 1970; 0 is no day and is written as "".
type Day uint32

const (
	dayLayout     = "2006-01-02"
	secondsPerDay = 86_400
)

func (d Day) String() string {
	if d == 0 {
		return ""
	}
	return time.Unix(int64(d)*secondsPerDay, 0).UTC().Format(dayLayout)
}

// ParseDay reads "2026-11-26"; "" is no day.
func ParseDay(text string) (Day, error) {
	if text == "" {
		return 0, nil
	}
	t, err := time.Parse(dayLayout, text)
	if err != nil || t.Unix() <= 0 {
		return 0, fmt.Errorf("日期 %q 须写作 2026-11-26 / write the day %[1]q as 2026-11-26", text)
	}
	return Day(t.Unix() / secondsPerDay), nil
}

// MarshalJSON writes "2026-11-26".
func (d Day) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads it.
func (d *Day) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	day, err := ParseDay(s)
	if err != nil {
		return err
	}
	*d = day
	return nil
}

// Schema says how a day looks.
func (Day) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString, Format: "date", Description: "日期 / day", Examples: []any{"2026-11-26"}}
	s.PrecomputeMessages()
	return s
}

// local is a moment at the site: RFC 3339 with the site's offset.
func local(micros int64, zone *time.Location) string {
	return time.UnixMicro(micros).In(zone).Format("2006-01-02T15:04:05.000Z07:00")
}
