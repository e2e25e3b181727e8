package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"onecard/ledger/money"
)

// status is what the switch says of itself (GET /status), as far as it is shown.
type status struct {
	PID               int       `json:"pid"`
	RecoveryMS        float64   `json:"recovery_ms"`
	Sequence          uint64    `json:"sequence"`
	Credits           money.Fen `json:"credits_fen"`
	Debits            money.Fen `json:"debits_fen"`
	Difference        money.Fen `json:"difference_fen"`
	LoadsOpen         int       `json:"loads_open"`
	Groups            uint64    `json:"groups"`
	GroupEntries      uint64    `json:"group_entries"`
	SyncMicros        uint64    `json:"sync_us"`
	SyncLongestMicros uint64    `json:"sync_longest_us"`
	DiskLow           bool      `json:"disk_low"`
	Bank              *struct {
		Links []struct {
			State string `json:"state"`
		} `json:"links"`
		LoadsInFlight   int       `json:"loads_in_flight"`
		ReversalsQueued int       `json:"reversals_queued"`
		OldestReversal  time.Time `json:"oldest_reversal"`
	} `json:"bank"`
}

// control is the switch's control socket, spoken to as any program of the folder's owner may.
type control struct{ client http.Client }

// controlTimeout bounds a question: a switch that was just killed does not answer.
const controlTimeout = 2 * time.Second

func newControl(path string) *control {
	return &control{http.Client{Timeout: controlTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
	}}}
}

func (c *control) status(ctx context.Context) (*status, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://switch/status", nil)
	if err != nil {
		return nil, err
	}
	response, err := c.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("asking the switch for its status: %w", err)
	}
	defer response.Body.Close()
	s := new(status)
	if err := json.NewDecoder(response.Body).Decode(s); err != nil {
		return nil, fmt.Errorf("reading the switch's status: %w", err)
	}
	return s, nil
}

// reportLost moves a card to lost and returns when that is durable.
func (c *control) reportLost(ctx context.Context, card uint64) error {
	body, err := json.Marshal(map[string]any{"card": card, "state": "lost", "operator": "demo"})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://switch/cards/state", bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := c.client.Do(r)
	if err != nil {
		return fmt.Errorf("reporting a card lost: %w", err)
	}
	defer response.Body.Close()
	var answer struct {
		Error string `json:"error"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("reporting a card lost: %w", err)
	}
	if answer.Error != "" {
		return errors.New(answer.Error)
	}
	return nil
}

// watcher asks the switch how it is, again and again, so that the conductor never waits for it.
type watcher struct {
	control *control
	latest  atomic.Pointer[sighting]
}

// sighting is the status with the moment it came. Nil status: the switch did not answer.
type sighting struct {
	at     time.Time
	status *status
}

const watchInterval = 250 * time.Millisecond

// run watches until the context ends.
func (w *watcher) run(ctx context.Context) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		s, err := w.control.status(ctx)
		if err != nil {
			s = nil
		}
		w.latest.Store(&sighting{time.Now(), s})
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// now is the newest sighting; never nil.
func (w *watcher) now() *sighting {
	if s := w.latest.Load(); s != nil {
		return s
	}
	return new(sighting)
}
