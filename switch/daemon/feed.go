package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"onecard/ledger/pebblestore"
	"onecard/switch/transaction"
)

// feeding is the change feeds of a running switch, read through the control socket.
//
//	GET    /feeds                          where each feed stands
//	GET    /feeds/{name}?from=SEQ          records as JSON lines, for as long as the reader stays; an empty line says that what was sent so
//	                                       far can be committed, a line that begins with ! says why nothing follows
//	POST   /feeds/{name}/cursor?sequence=N the reader is done with everything up to N
//	DELETE /feeds/{name}                   forgets the feed
//
// A reader who does not read holds up the goroutine of his own connection, with one lot of records, and nobody else.
type feeding struct {
	store  *pebblestore.Store
	roster roster
	ending context.Context // ends with the control socket
	mu     sync.Mutex
	open   map[string]*pebblestore.Feed // guarded by mu
}

const (
	// feedLot is how many records are read, put into words and sent together.
	feedLot = 512
	// behindHeader says how many records were waiting when the reader came.
	behindHeader = "Onecard-Behind"
	// inUsePatience is how long a reader waits for the one before him, who may have gone without our knowing it yet.
	inUsePatience = time.Second
	inUseLook     = 20 * time.Millisecond
)

func (s *server) serveFeeds(mux *http.ServeMux, c *http.Server) {
	ending, end := context.WithCancel(context.Background())
	c.RegisterOnShutdown(end)
	f := &feeding{store: s.opened.store, roster: roster{look: s.opened.engine.Look}, ending: ending, open: map[string]*pebblestore.Feed{}}
	mux.HandleFunc("GET /feeds", f.list)
	mux.HandleFunc("GET /feeds/{name}", f.stream)
	mux.HandleFunc("POST /feeds/{name}/cursor", f.commit)
	mux.HandleFunc("DELETE /feeds/{name}", f.drop)
}

// largestLag is how far the feed that is furthest behind is behind, in records.
func largestLag(store *pebblestore.Store) float64 {
	all, err := store.Feeds()
	if err != nil {
		return 0 // the ledger is being closed
	}
	largest := uint64(0)
	for _, f := range all {
		largest = max(largest, f.Lag)
	}
	return float64(largest)
}

func (f *feeding) list(w http.ResponseWriter, _ *http.Request) {
	all, err := f.store.Feeds()
	if err != nil {
		answerJSON(w, http.StatusInternalServerError, Answer{Error: err.Error()})
		return
	}
	answerJSON(w, http.StatusOK, Answer{Feeds: all})
}

func (f *feeding) drop(w http.ResponseWriter, r *http.Request) {
	if err := f.store.DropFeed(r.PathValue("name")); err != nil {
		answerJSON(w, http.StatusConflict, Answer{Error: err.Error()})
		return
	}
	answerJSON(w, http.StatusOK, Answer{})
}

func (f *feeding) commit(w http.ResponseWriter, r *http.Request) {
	sequence, err := strconv.ParseUint(r.FormValue("sequence"), 10, 64)
	if err == nil {
		f.mu.Lock()
		feed := f.open[r.PathValue("name")]
		f.mu.Unlock()
		if feed == nil {
			err = errors.New("该订阅没有读者 / the feed has no reader")
		} else {
			err = feed.Commit(sequence)
		}
	}
	if err != nil {
		answerJSON(w, http.StatusConflict, Answer{Error: err.Error()})
		return
	}
	answerJSON(w, http.StatusOK, Answer{})
}

// stream sends records until the reader goes or the switch stops.
func (f *feeding) stream(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(f.ending, cancel)()
	feed, err := f.admit(ctx, r.PathValue("name"), r.FormValue("from"))
	if err != nil {
		answerJSON(w, http.StatusConflict, Answer{Error: err.Error()})
		return
	}
	defer f.dismiss(r.PathValue("name"), feed)
	w.Header().Set("Content-Type", "application/jsonl")
	w.Header().Set(behindHeader, strconv.FormatUint(feed.Behind(), 10))
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w).Flush
	err = flush()
	var lines []byte
	for err == nil {
		records, failed := feed.Next(ctx, feedLot)
		if failed == nil {
			lines, failed = f.roster.lines(ctx, lines[:0], records)
		}
		if failed != nil {
			if f.ending.Err() != nil {
				failed = transaction.ErrStopped
			}
			_, _ = fmt.Fprintf(w, "!%v\n", failed) // a reader who has gone does not hear it
			return
		}
		if _, err = w.Write(append(lines, '\n')); err == nil {
			err = flush()
		}
	}
}

// admit opens the feed for a reader.
func (f *feeding) admit(ctx context.Context, name, from string) (*pebblestore.Feed, error) {
	look := time.NewTicker(inUseLook)
	defer look.Stop()
	for began := time.Now(); ; {
		feed, err := openFeed(f.store, name, from)
		if err == nil {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.open[name] = feed
			return feed, nil
		}
		if !errors.Is(err, pebblestore.ErrFeedInUse) || time.Since(began) > inUsePatience {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-look.C:
		}
	}
}

// dismiss closes a reader's feed.
func (f *feeding) dismiss(name string, feed *pebblestore.Feed) {
	f.mu.Lock()
	delete(f.open, name)
	f.mu.Unlock()
	feed.Close()
}

// openFeed opens a feed behind its cursor, or before the record that from names.
func openFeed(store *pebblestore.Store, name, from string) (*pebblestore.Feed, error) {
	if from == "" {
		return store.Feed(name)
	}
	sequence, err := strconv.ParseUint(from, 10, 64)
	if err != nil || sequence == 0 {
		return nil, fmt.Errorf("from=%s: 须为 1 以上的记录号 / must be the number of a record, from 1", from)
	}
	return store.FeedFrom(name, sequence-1)
}
