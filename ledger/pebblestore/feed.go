package pebblestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"onecard/ledger"
)

// Feeds read blocks from disk behind the durable head (ledger.Feed). Nothing is queued: of what a feed has read and not handed out yet, it
// keeps the rest of one block.
//
// A cursor is a sequence and the hash of the block that holds it. The hash says that the past the reader knows is this ledger's past: after
// a backup was restored, other records may stand under numbers that he has seen, and going on would hide them from him.

const (
	markFeed    = "feed/"
	cursorBytes = 8 + len(ledger.Hash{})
	// feedsMax bounds the names of feeds: each costs a look at every block.
	feedsMax    = 64
	feedNameMax = 64
	// feedRest lets records pile up before a waiting feed reads, and bounds how often it disturbs the owner's processor.
	feedRest = 50 * time.Millisecond
)

// Errors of feeds.
var (
	ErrFeedInUse   = errors.New("该订阅正被另一个读者使用 / the feed has another reader: stop that one first")
	ErrFeedClosed  = errors.New("账本已关闭 / the ledger has been closed")
	ErrFeedForeign = errors.New("账本与该订阅读过的不同(从备份恢复过?):请核对后用 --from 重新定位 / the ledger is not the one that the feed has read (restored from a backup?): compare, then say with --from where to go on")
	ErrFeedName    = errors.New("订阅名为 1 至 64 个小写字母、数字、点、横线或下划线 / a feed's name is 1 to 64 of a-z 0-9 . - _")
	ErrNoFeed      = errors.New("没有这个订阅 / there is no such feed")
)

// feeds are the feeds that are open.
type feeds struct {
	open   atomic.Pointer[[]*Feed] // replaced whole under mu: the owner looks at it without a lock
	mu     sync.Mutex
	gate   sync.RWMutex // held by readers while they are in Pebble; close waits for them
	closed bool         // guarded by gate
}

// tell wakes the feeds that wait. Owner: one look at a pointer, and a send that never waits for each feed.
func (fs *feeds) tell() {
	if open := fs.open.Load(); open != nil {
		for _, f := range *open {
			select {
			case f.news <- struct{}{}:
			default:
			}
		}
	}
}

// enter admits a reader to Pebble, until it calls gate.RUnlock.
func (fs *feeds) enter() error {
	fs.gate.RLock()
	if fs.closed {
		fs.gate.RUnlock()
		return ErrFeedClosed
	}
	return nil
}

// close ends the waiting of all feeds and returns when none is in Pebble.
func (fs *feeds) close() {
	fs.gate.Lock()
	fs.closed = true
	fs.gate.Unlock()
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.replace(func(open []*Feed) []*Feed {
		for _, f := range open {
			close(f.ended)
		}
		return nil
	})
}

// replace puts another list in place of the one that the owner looks at. REQUIRES: mu is held.
func (fs *feeds) replace(change func(open []*Feed) []*Feed) {
	var open []*Feed
	if now := fs.open.Load(); now != nil {
		open = slices.Clone(*now)
	}
	open = change(open)
	fs.open.Store(&open)
}

// isOpen says whether a feed has a reader. REQUIRES: mu is held.
func (fs *feeds) isOpen(name string) bool {
	now := fs.open.Load()
	return now != nil && slices.ContainsFunc(*now, func(f *Feed) bool { return f.name == name })
}

// Feed is a reader of the records behind a cursor of its own (ledger.Feed). Next belongs to one goroutine; the rest may be
// called by any.
type Feed struct {
	store *Store
	name  string
	news  chan struct{}
	ended chan struct{}  // closed by Close, or with the store
	read  atomic.Uint64  // sequence up to which records were handed out
	rest  ledger.Entries // of the block that was begun
	day   uint32         // of that block
}

func feedKey(name string) []byte { return markKey(markFeed + name) }

func checkFeedName(name string) error {
	strange := func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789.-_", r) }
	if name == "" || len(name) > feedNameMax || strings.ContainsFunc(name, strange) {
		return fmt.Errorf("%q: %w", name, ErrFeedName)
	}
	return nil
}

// Feed opens the feed of a name behind its cursor, and makes it, at the beginning of the ledger, when there is none. It has one reader at a
// time. On a store that is open for reading nothing is made and Commit is refused.
func (s *Store) Feed(name string) (*Feed, error) {
	return s.openFeed(name, func(cursor ledger.Head) (uint64, error) {
		hash, err := s.blockHash(cursor.Sequence)
		if err != nil || hash != cursor.Hash {
			return 0, errors.Join(fmt.Errorf("%s (%d): %w", name, cursor.Sequence, ErrFeedForeign), err)
		}
		return cursor.Sequence, nil
	})
}

// FeedFrom is Feed behind an entry of the caller's choice, whatever the cursor says; the cursor follows with the first Commit.
func (s *Store) FeedFrom(name string, after uint64) (*Feed, error) {
	return s.openFeed(name, func(ledger.Head) (uint64, error) {
		if durable := s.durable.Load(); after > durable {
			return 0, fmt.Errorf("账本止于 %d,没有第 %d 条 / the ledger ends at %[1]d: there is no entry %[2]d", durable, after)
		}
		return after, nil
	})
}

func (s *Store) openFeed(name string, start func(cursor ledger.Head) (uint64, error)) (*Feed, error) {
	if err := checkFeedName(name); err != nil {
		return nil, err
	}
	if err := s.feeds.enter(); err != nil {
		return nil, err
	}
	defer s.feeds.gate.RUnlock()
	s.feeds.mu.Lock()
	defer s.feeds.mu.Unlock()
	if s.feeds.isOpen(name) {
		return nil, fmt.Errorf("%s: %w", name, ErrFeedInUse)
	}
	cursor, err := s.cursor(name)
	missing := errors.Is(err, ErrNoFeed)
	if err != nil && !missing {
		return nil, err
	}
	f := &Feed{store: s, name: name, news: make(chan struct{}, 1), ended: make(chan struct{})}
	after, err := start(cursor)
	if err != nil {
		return nil, err
	}
	if missing && !s.options.ReadOnly {
		if err := s.makeFeed(name); err != nil {
			return nil, err
		}
	}
	f.read.Store(after)
	s.feeds.replace(func(open []*Feed) []*Feed { return append(open, f) })
	return f, nil
}

// makeFeed writes a cursor at the beginning. REQUIRES: mu of the feeds is held.
func (s *Store) makeFeed(name string) error {
	all, err := s.cursors()
	if err != nil {
		return err
	}
	if len(all) >= feedsMax {
		return fmt.Errorf("%s: 订阅已满 %d 个,请先删除不用的 / there are %[2]d feeds already: drop one that is not used", name, feedsMax)
	}
	return s.setCursor(name, 0)
}

// cursor reads a cursor: the sequence, and the hash of its block.
func (s *Store) cursor(name string) (ledger.Head, error) {
	value, closer, err := s.db.Get(feedKey(name))
	if errors.Is(err, pebble.ErrNotFound) {
		return ledger.Head{}, fmt.Errorf("%s: %w", name, ErrNoFeed)
	}
	if err != nil {
		return ledger.Head{}, fmt.Errorf("cursor of feed %s: %w", name, err)
	}
	defer closer.Close()
	return readCursor(name, value)
}

func readCursor(name string, value []byte) (ledger.Head, error) {
	if len(value) != cursorBytes {
		return ledger.Head{}, fmt.Errorf("cursor of feed %s: %w", name, ledger.ErrMalformed)
	}
	return ledger.Head{Sequence: binary.BigEndian.Uint64(value), Hash: ledger.Hash(value[8:])}, nil
}

func (s *Store) setCursor(name string, sequence uint64) error {
	hash, err := s.blockHash(sequence)
	if err != nil {
		return err
	}
	value := append(binary.BigEndian.AppendUint64(nil, sequence), hash[:]...)
	if err := s.db.Set(feedKey(name), value, pebble.Sync); err != nil {
		return fmt.Errorf("writing the cursor of feed %s: %w", name, err)
	}
	return nil
}

// blockHash is the hash of the block that holds an entry; zero for entry 0.
func (s *Store) blockHash(sequence uint64) (ledger.Hash, error) {
	if sequence == 0 {
		return ledger.Hash{}, nil
	}
	it, valid, err := s.blocksAfter(sequence - 1)
	if err != nil {
		return ledger.Hash{}, err
	}
	defer it.Close()
	if !valid {
		return ledger.Hash{}, errors.Join(fmt.Errorf("no entry %d", sequence), it.Error())
	}
	b, err := storedUnder(it, ledger.SkimBlock)
	if err != nil {
		return ledger.Hash{}, err
	}
	if b.First() > sequence || b.Last() < sequence {
		return ledger.Hash{}, fmt.Errorf("no entry %d", sequence)
	}
	return b.Head().Hash, nil
}

// Behind is how many durable records have not been handed out.
func (f *Feed) Behind() uint64 {
	durable, read := f.store.durable.Load(), f.read.Load()
	return max(durable, read) - read
}

// Next hands out the records that follow (ledger.Feed).
func (f *Feed) Next(ctx context.Context, limit int) ([]ledger.Record, error) {
	if err := f.await(ctx); err != nil {
		return nil, err
	}
	if err := f.store.feeds.enter(); err != nil {
		return nil, err
	}
	defer f.store.feeds.gate.RUnlock()
	room := min(uint64(max(limit, 1)), f.Behind())
	records, err := f.take(make([]ledger.Record, 0, room))
	if err != nil {
		f.rest = ledger.Entries{} // what was taken is read again
		return nil, fmt.Errorf("feed %s after entry %d: %w", f.name, f.read.Load(), err)
	}
	f.read.Add(uint64(len(records)))
	return records, nil
}

// await returns when there is something to hand out.
func (f *Feed) await(ctx context.Context) error {
	if f.Behind() > 0 {
		return ctx.Err()
	}
	for f.Behind() == 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.ended:
			return ErrFeedClosed
		case <-f.news:
		}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-f.ended:
		return ErrFeedClosed
	case <-time.After(feedRest):
		return nil
	}
}

// take fills the room that records has: from the rest of the block that was begun, then from the blocks that follow.
func (f *Feed) take(records []ledger.Record) ([]ledger.Record, error) {
	records, err := f.drain(&f.rest, records)
	if err != nil || len(records) == cap(records) {
		return records, err
	}
	it, valid, err := f.store.blocksAfter(f.read.Load() + uint64(len(records)))
	if err != nil {
		return nil, err
	}
	defer it.Close()
	for ; valid && len(records) < cap(records); valid = it.Next() {
		b, err := storedUnder(it, ledger.OpenBlock)
		if err != nil {
			return nil, err
		}
		place := b.Entries()
		f.day = b.Day()
		if records, err = f.drain(&place, records); err != nil {
			return nil, err
		}
		f.rest = ledger.Entries{}
		if place.More() {
			f.rest = place.Own()
		}
	}
	if len(records) < cap(records) {
		return nil, errors.Join(fmt.Errorf("the blocks end at %d: %w", f.read.Load()+uint64(len(records)), ledger.ErrMalformed), it.Error())
	}
	return records, nil
}

// drain appends entries while there is room, and leaves out those that were handed out before.
func (f *Feed) drain(place *ledger.Entries, records []ledger.Record) ([]ledger.Record, error) {
	var e ledger.Entry
	for place.More() && len(records) < cap(records) {
		sequence, err := place.Next(&e)
		if err != nil {
			return nil, err
		}
		due := f.read.Load() + uint64(len(records)) + 1
		if sequence < due {
			continue
		}
		if sequence > due {
			return nil, fmt.Errorf("entry %d is followed by %d: %w", due-1, sequence, ledger.ErrMalformed)
		}
		records = append(records, ledger.Record{Sequence: sequence, Day: f.day, Entry: e.Clone()})
	}
	return records, nil
}

// Commit keeps the cursor on disk (ledger.Feed).
func (f *Feed) Commit(sequence uint64) error {
	if f.store.options.ReadOnly {
		return fmt.Errorf("feed %s: 账本只读,读到之处不保存 / the ledger is open for reading: the cursor is not kept", f.name)
	}
	if read := f.read.Load(); sequence > read {
		return fmt.Errorf("feed %s: 第 %d 条尚未交出(止于 %d)/ entry %[2]d has not been handed out, the last was %[3]d", f.name, sequence, read)
	}
	if err := f.store.feeds.enter(); err != nil {
		return err
	}
	defer f.store.feeds.gate.RUnlock()
	return f.store.setCursor(f.name, sequence)
}

// Close lets another reader have the feed. The cursor stays where it was committed.
func (f *Feed) Close() {
	fs := &f.store.feeds
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.replace(func(open []*Feed) []*Feed {
		i := slices.Index(open, f)
		if i < 0 {
			return open // closed before, or with the store
		}
		close(f.ended)
		return slices.Delete(open, i, i+1)
	})
}

// FeedStatus is where a feed stands.
type FeedStatus struct {
	Name   string `json:"name"`
	Cursor uint64 `json:"cursor"` // sequence up to which it is done with
	Lag    uint64 `json:"lag"`    // durable records behind the cursor
}

// Feeds lists the feeds by name.
func (s *Store) Feeds() ([]FeedStatus, error) {
	if err := s.feeds.enter(); err != nil {
		return nil, err
	}
	defer s.feeds.gate.RUnlock()
	return s.cursors()
}

func (s *Store) cursors() ([]FeedStatus, error) {
	prefix := markKey(markFeed)
	end := slices.Clone(prefix)
	end[len(end)-1]++
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: end})
	if err != nil {
		return nil, fmt.Errorf("reading the feeds: %w", err)
	}
	defer it.Close()
	durable := s.durable.Load()
	var all []FeedStatus
	for valid := it.First(); valid; valid = it.Next() {
		name := string(it.Key()[len(prefix):])
		cursor, err := readCursor(name, it.Value())
		if err != nil {
			return nil, err
		}
		all = append(all, FeedStatus{name, cursor.Sequence, max(durable, cursor.Sequence) - cursor.Sequence})
	}
	return all, s.unreadable(it.Error())
}

// DropFeed forgets a feed that nobody reads.
func (s *Store) DropFeed(name string) error {
	if err := checkFeedName(name); err != nil {
		return err
	}
	if err := s.feeds.enter(); err != nil {
		return err
	}
	defer s.feeds.gate.RUnlock()
	s.feeds.mu.Lock()
	defer s.feeds.mu.Unlock()
	if s.feeds.isOpen(name) {
		return fmt.Errorf("%s: %w", name, ErrFeedInUse)
	}
	if _, err := s.cursor(name); err != nil {
		return err
	}
	if err := s.db.Delete(feedKey(name), pebble.Sync); err != nil {
		return fmt.Errorf("dropping feed %s: %w", name, err)
	}
	return nil
}
