package daemon

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"onecard/ledger/pebblestore"
	"onecard/switch/transaction"
)

// commitTimeout bounds how long a reader that was told to leave waits for his cursor.
const commitTimeout = 10 * time.Second

// FeedQuestion says what is read of the change feed.
type FeedQuestion struct {
	Name   string
	From   uint64 // the first record; 0: behind the cursor
	Follow bool   // goes on until the context ends
}

func (q *FeedQuestion) from() string {
	if q.From == 0 {
		return ""
	}
	return strconv.FormatUint(q.From, 10)
}

func feedPath(name string) string { return "/feeds/" + url.PathEscape(name) }

// Feed writes records as JSON lines (FeedLine) and moves the feed's cursor over those that were written. Without Follow it ends behind the
// newest record that there was when it began.
func (c *Client) Feed(ctx context.Context, q FeedQuestion, out io.Writer) error {
	// The connection outlives ctx by as long as it takes to commit what has been written.
	streaming, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	response, err := c.openFeed(streaming, &q)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	left, err := strconv.ParseUint(response.Header.Get(behindHeader), 10, 64)
	if err != nil {
		return fmt.Errorf("reading the switch's answer: %w", err)
	}
	r := &feedReader{client: c, name: q.Name, out: bufio.NewWriter(out)}
	r.idle.Store(true)
	defer context.AfterFunc(ctx, func() {
		if r.idle.Load() {
			hangUp()
		}
	})()
	lines := bufio.NewReader(response.Body)
	for q.Follow || left > 0 {
		line, err := lines.ReadBytes('\n')
		switch {
		case ctx.Err() != nil:
			return r.commit(ctx)
		case err != nil:
			return fmt.Errorf("交换机断开,再次运行会从断点继续 / the switch has hung up; run again to go on from here: %w", err)
		case line[0] == '!':
			return errors.New(string(bytes.TrimSpace(line[1:])))
		case line[0] == '\n':
			if err := r.commit(ctx); err != nil {
				return err
			}
			if r.idle.Store(true); ctx.Err() != nil {
				return nil // it ended before it could see us idle
			}
			continue
		}
		r.idle.Store(false)
		if err := r.take(line); err != nil {
			return err
		}
		left--
	}
	return r.commit(ctx)
}

func (c *Client) openFeed(ctx context.Context, q *FeedQuestion) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://switch"+feedPath(q.Name)+"?from="+q.from(), nil)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(r)
	if err != nil {
		return nil, unreachable(err)
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	var a Answer
	if err := json.NewDecoder(response.Body).Decode(&a); err != nil || a.Error == "" {
		return nil, fmt.Errorf("reading the switch's answer (%s): %w", response.Status, err)
	}
	return nil, errors.New(a.Error)
}

// feedReader writes lines and commits those that were written.
type feedReader struct {
	client  *Client
	name    string
	out     *bufio.Writer
	idle    atomic.Bool // nothing is written that is not committed
	last    uint64      // sequence of the last line
	written uint64      // committed
}

func (r *feedReader) take(line []byte) error {
	var numbered struct {
		Sequence uint64 `json:"sequence"`
	}
	if err := json.Unmarshal(line, &numbered); err != nil {
		return fmt.Errorf("reading the switch's answer: %w", err)
	}
	if _, err := r.out.Write(line); err != nil {
		return fmt.Errorf("writing record %d: %w", numbered.Sequence, err)
	}
	r.last = numbered.Sequence
	return nil
}

// commit writes out what is buffered, and when that has succeeded moves the cursor, whether the context has ended or not.
func (r *feedReader) commit(ctx context.Context) error {
	if r.last == r.written {
		return nil
	}
	if err := r.out.Flush(); err != nil {
		return fmt.Errorf("writing up to record %d: %w", r.last, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	var a Answer
	if err := r.client.call(ctx, http.MethodPost, feedPath(r.name)+"/cursor?sequence="+strconv.FormatUint(r.last, 10), nil, &a); err != nil {
		return err
	}
	if a.Error != "" {
		return errors.New(a.Error)
	}
	r.written = r.last
	return nil
}

// Feeds lists the feeds.
func (c *Client) Feeds(ctx context.Context) ([]pebblestore.FeedStatus, error) {
	var a Answer
	if err := c.call(ctx, http.MethodGet, "/feeds", nil, &a); err != nil {
		return nil, err
	}
	if a.Error != "" {
		return nil, errors.New(a.Error)
	}
	return a.Feeds, nil
}

// DropFeed forgets a feed.
func (c *Client) DropFeed(ctx context.Context, name string) error {
	var a Answer
	if err := c.call(ctx, http.MethodDelete, feedPath(name), nil, &a); err != nil {
		return err
	}
	if a.Error != "" {
		return errors.New(a.Error)
	}
	return nil
}

// ReadFeed is Feed on a ledger that no switch has open: it is opened for reading, and the cursor stays where it is.
func ReadFeed(ctx context.Context, c *Config, q FeedQuestion, out io.Writer) (err error) {
	store, engine, err := OpenToRead(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	feed, err := openFeed(store, q.Name, q.from())
	if err != nil {
		return err
	}
	names := roster{look: func(_ context.Context, look func(*transaction.State)) error { look(engine.State()); return nil }}
	var lines []byte
	for feed.Behind() > 0 {
		records, err := feed.Next(ctx, feedLot)
		if err == nil {
			lines, err = names.lines(ctx, lines[:0], records)
		}
		if err == nil {
			_, err = out.Write(lines)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// StoppedFeeds lists the feeds of a ledger that no switch has open.
func StoppedFeeds(c *Config) (all []pebblestore.FeedStatus, err error) {
	store, err := pebblestore.Open(pebblestore.Options{Dir: c.Data.Directory, WALDir: c.Data.WALDirectory, ArchiveDir: c.Archive.Directory, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return store.Feeds()
}
