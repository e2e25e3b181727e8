package demo

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Size is how large a campus is made at the first start.
type Size struct{ Holders, Merchants, POS, Gates, Kiosks int }

// Options of a demonstration.
type Options struct {
	Binary string // of onecard: the switch, the import and the audit are its commands
	Data   string
	Size   Size
	Seed   uint64

	Speed    float64       // campus seconds in a real one
	Start    time.Duration // time of day at which the campus begins
	Loop     time.Duration // campus time after which it begins again; 0: the day goes on
	Duration time.Duration // real time until the day is closed by itself; 0: when somebody asks for it
	Keys     string        // keys pressed by nobody: "b@2s k@3.5s b@5s"

	Terminals, Operations, Bank string // where to listen; loopback only

	JSON  string // file for the summary, "" for none
	Plain bool   // lines instead of a screen

	Out    io.Writer // what is to stay: the start, the sheet
	In     *os.File  // a terminal that keys are read from
	Screen *os.File  // a terminal to draw on; nil: lines
}

// DefaultOptions is the demonstration that `make run` starts.
func DefaultOptions() Options {
	return Options{
		Data: "data", Size: Size{Holders: 30_000, Merchants: 12, POS: 400, Gates: 40, Kiosks: 6}, Seed: 1,
		Speed: 14, Start: 11*time.Hour + 40*time.Minute, Loop: 36 * time.Minute,
		Terminals: "127.0.0.1:8583", Operations: "127.0.0.1:9583", Bank: "127.0.0.1:0",
	}
}

// Transactions and passages of a whole day per holder (handbook 5.2; gates are quieter than 5.4 says, or they would be all one sees).
const (
	transactionsPerHolder = 2.5
	passagesPerHolder     = 0.8
)

// Bounds of the options.
const (
	mostSpeed   = 200
	mostHolders = 200_000
)

// ErrOptions says that an option is out of bounds.
var ErrOptions = errors.New("参数不对 / an option is out of bounds")

func (o *Options) validate() error {
	wrong := func(zh, en string) error { return fmt.Errorf("%w: %s / %s", ErrOptions, zh, en) }
	s := &o.Size
	switch {
	case o.Speed < 0.1 || o.Speed > mostSpeed:
		return wrong("--speed 须在 0.1 与 200 之间", "--speed must be between 0.1 and 200")
	case o.Duration < 0 || o.Loop < 0 || o.Start < 0 || o.Start >= 24*time.Hour:
		return wrong("时长不能为负,--start 须小于 24h", "durations may not be negative, --start must be below 24h")
	case o.Loop > 0 && o.Loop < time.Minute:
		return wrong("--loop 至少 1m", "--loop must be at least 1m")
	case s.Holders < 50 || s.Holders > mostHolders:
		return wrong("人数须在 50 与 200000 之间", "the campus must have 50 to 200,000 people")
	case s.Merchants < 1 || s.POS < s.Merchants || s.Gates < 0 || s.Kiosks < 1 || s.POS+s.Gates+s.Kiosks > 4000 || s.Merchants > 500:
		return wrong("商户 1 至 500,每户至少一台 POS,至少一台圈存机,终端共不超过 4000", "merchants 1 to 500, at least one POS for each, at least one kiosk, at most 4000 terminals")
	}
	if o.JSON != "" { // better now than when the day is over
		if folder, err := os.Stat(filepath.Dir(o.JSON)); err != nil || !folder.IsDir() {
			return wrong("--json 所在文件夹不存在", "the folder of --json is not there")
		}
	}
	_, err := parseKeys(o.Keys)
	return errors.Join(err, loopback(o.Terminals), loopback(o.Operations), loopback(o.Bank))
}

// pressed is a key and its moment.
type pressed struct {
	after time.Duration
	key   byte
}

// parseKeys reads "b@2s k@3.5s".
func parseKeys(text string) ([]pressed, error) {
	var keys []pressed
	for _, word := range strings.Fields(text) {
		key, moment, ok := strings.Cut(word, "@")
		after, err := time.ParseDuration(moment)
		if !ok || err != nil || len(key) != 1 || !strings.Contains("bklrq", key) {
			return nil, fmt.Errorf("%w: --keys %q: 写成 b@2s,键为 b k l r q / write b@2s, keys are b k l r q", ErrOptions, word)
		}
		keys = append(keys, pressed{after, key[0]})
	}
	slices.SortStableFunc(keys, func(a, b pressed) int { return cmp.Compare(a.after, b.after) })
	return keys, nil
}
