package daemon_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger/pebblestore"
	"onecard/switch/daemon"
)

// readLines reads JSON lines and checks that they are numbered on from a record, without a gap.
func readLines(t *testing.T, text string, first uint64) []daemon.FeedLine {
	t.Helper()
	var lines []daemon.FeedLine
	scanner := bufio.NewScanner(bytes.NewBufferString(text))
	for scanner.Scan() {
		var line struct {
			daemon.FeedLine
			Card string `json:"card"`
		}
		require.NoError(t, json.Unmarshal(scanner.Bytes(), &line))
		require.Equal(t, first+uint64(len(lines)), line.Sequence)
		lines = append(lines, line.FeedLine)
	}
	return lines
}

// TestFeedOfARunningSwitch: everything once, then what is new, whatever becomes of the reader; and the same lines when the switch has stopped.
func TestFeedOfARunningSwitch(t *testing.T) {
	c := newCampus(t)
	r := c.run(t)
	client := daemon.NewClient(c.config.Data.Directory)
	terminal := c.terminal(t, r.Terminals, 0)
	h := &c.Holders[0]
	bought, err := terminal.Purchase(h.Card, 450, "")
	require.NoError(t, err)

	var all bytes.Buffer
	ask := daemon.FeedQuestion{Name: "reports"}
	require.NoError(t, client.Feed(t.Context(), ask, &all))
	lines := readLines(t, all.String(), 1)
	last := lines[len(lines)-1]
	require.Equal(t, "purchase", last.Kind)
	require.Equal(t, bought.Reference.String(), last.Reference)
	require.Equal(t, c.Terminals[0].Code, last.Terminal)
	require.EqualValues(t, 450, last.Amount)
	require.EqualValues(t, bought.Balance, *last.Balance)
	require.Equal(t, "00", last.Code)
	require.Contains(t, all.String(), `"card":"915600******`)
	require.NotContains(t, all.String(), "9156000")
	require.Equal(t, "genesis", lines[0].Kind)

	var more bytes.Buffer
	require.NoError(t, client.Feed(t.Context(), ask, &more))
	require.Empty(t, more.String(), "everything has been read")
	_, err = terminal.Purchase(h.Card, 100, "")
	require.NoError(t, err)
	require.ErrorIs(t, client.Feed(t.Context(), ask, brokenWriter{}), errBroken)
	feeds, err := client.Feeds(t.Context())
	require.NoError(t, err)
	require.Equal(t, []pebblestore.FeedStatus{{Name: "reports", Cursor: last.Sequence, Lag: 1}}, feeds, "what was not written is not committed")
	_, metrics := r.get(t, "/metrics")
	require.Contains(t, metrics, "\nonecard_feed_lag_records 1\n")
	require.NoError(t, client.Feed(t.Context(), ask, &more))
	require.Len(t, readLines(t, more.String(), last.Sequence+1), 1)
	more.Reset()
	require.NoError(t, client.Feed(t.Context(), daemon.FeedQuestion{Name: "reports", From: 2}, &more))
	require.Len(t, readLines(t, more.String(), 2), int(last.Sequence))
	require.ErrorContains(t, client.Feed(t.Context(), daemon.FeedQuestion{Name: "reports", From: 1 << 40}, &more), "there is no entry")
	require.ErrorContains(t, client.Feed(t.Context(), daemon.FeedQuestion{Name: "Reports"}, &more), "a-z")
	require.NoError(t, client.DropFeed(t.Context(), "reports"))
	require.ErrorContains(t, client.DropFeed(t.Context(), "reports"), "no such feed")
	require.NoError(t, r.stop())

	var stopped bytes.Buffer
	require.ErrorIs(t, client.Feed(t.Context(), ask, &stopped), daemon.ErrNotRunning)
	require.NoError(t, daemon.ReadFeed(t.Context(), &c.config, daemon.FeedQuestion{Name: "reports", From: 2}, &stopped))
	require.Equal(t, more.String(), stopped.String())
	feeds, err = daemon.StoppedFeeds(&c.config)
	require.NoError(t, err)
	require.Empty(t, feeds)
}

var errBroken = errors.New("nobody reads this")

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

// follow starts a reader and returns what it writes and how it ended.
func follow(ctx context.Context, client *daemon.Client, name string) (*bufio.Scanner, chan error) {
	reading, writing := io.Pipe()
	ended := make(chan error, 1)
	go func() { // ends with the context, or the switch
		err := client.Feed(ctx, daemon.FeedQuestion{Name: name, Follow: true}, writing)
		_ = writing.Close()
		ended <- err
	}()
	return bufio.NewScanner(reading), ended
}

// TestFeedFollows: a reader hears of a purchase, leaves politely and has everything he wrote committed; another is told when the switch
// stops; one who never reads holds up neither the purchases nor the stop.
func TestFeedFollows(t *testing.T) {
	c := newCampus(t)
	r := c.run(t)
	client := daemon.NewClient(c.config.Data.Directory)
	terminal := c.terminal(t, r.Terminals, 0)
	ctx, leave := context.WithCancel(t.Context())
	lines, ended := follow(ctx, client, "alerts")
	asleep, asleepEnded := follow(t.Context(), client, "asleep")
	bought, err := terminal.Purchase(c.Holders[0].Card, 450, "")
	require.NoError(t, err)
	for lines.Scan() {
		var line daemon.FeedLine
		_ = json.Unmarshal(lines.Bytes(), &line) // the masked card is not a number
		if line.Reference == bought.Reference.String() {
			break
		}
	}
	require.NoError(t, lines.Err())
	leave()
	for lines.Scan() { // what is on its way
	}
	require.NoError(t, <-ended)
	feeds, err := client.Feeds(t.Context())
	require.NoError(t, err)
	require.Equal(t, "alerts", feeds[0].Name)
	require.Zero(t, feeds[0].Lag)

	follower, followerEnded := follow(t.Context(), client, "alerts")
	require.ErrorContains(t, client.Feed(t.Context(), daemon.FeedQuestion{Name: "asleep"}, io.Discard), "another reader")
	for range 20 {
		_, err := terminal.Purchase(c.Holders[0].Card, 1, "")
		require.NoError(t, err)
	}
	require.True(t, follower.Scan())
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }() // waited for below
	for follower.Scan() {
	}
	require.Error(t, <-followerEnded)
	require.NoError(t, <-stopped)
	for asleep.Scan() {
	}
	require.Error(t, <-asleepEnded)
}
