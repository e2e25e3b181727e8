package bankgw_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The proof searches everything that can happen to one load, breadth first: from every state that is not known yet it takes every action
// that is possible there, once to its end and once for each point at which the machine can die in it. Real core, real gateway, virtual
// time. A state cannot be copied, so each is reached again from the start by the shortest history that leads to it. States are known by
// what the gateway remembers, what the ledger says and what the bank has said: the space is finite, and the search ends when it is closed.
//
// In every state the books balance and nothing is credited that the bank has not debited; and from every state, when the bank behaves
// from there on, it ends with: the bank has debited what the card was credited.

// search is one space.
type search struct {
	site    *disk
	forgets bool
	wrong   *wrongdoing
	pays    *payingBank // nil: the space of one load
	depth   int         // 0: until the space is closed

	mu      sync.Mutex
	known   map[[sha256.Size]byte]bool // guarded by mu
	next    []reached                  // guarded by mu: found in this round
	failure error                      // guarded by mu
	count   counts                     // guarded by mu
}

// reached is a state: the shortest history to it, and what is possible there.
type reached struct {
	history []move
	actions []string
}

// counts are printed and written.
type counts struct {
	Bank        string `json:"bank"`
	States      int    `json:"states"`
	Transitions int    `json:"transitions"`
	Deaths      int    `json:"transitions_with_a_death_in_them"`
	Depth       int    `json:"depth"`
	Closed      bool   `json:"closed"`
}

const proofWorkers = 2

// run searches until the space is closed, the depth is reached or something is found.
func (s *search) run(t *testing.T) (counts, error) {
	s.known = make(map[[sha256.Size]byte]bool)
	s.count.Bank = map[bool]string{false: "refuses an original after its reversal", true: "forgets a reversal that found nothing"}[s.forgets]
	if s.pays != nil {
		s.count.Bank = s.pays.name
	}
	began := time.Now()
	var frontier []reached
	s.live(t, s.wrong.after, func(w *smallWorld) error {
		frontier = []reached{{history: s.wrong.after, actions: w.actions()}}
		return w.safe()
	})
	for depth := 0; len(frontier) > 0 && s.failure == nil; depth++ {
		if s.depth > 0 && depth == s.depth {
			return s.count, nil
		}
		s.next = nil
		s.round(t, frontier)
		if s.depth == 0 {
			fmt.Printf("  深度 depth %2d  状态 states %5d  转移 transitions %6d  新 new %4d  %s\n", depth+1, s.count.States, s.count.Transitions, len(s.next), time.Since(began).Round(time.Second))
		}
		frontier = s.next
		if len(frontier) > 0 {
			s.count.Depth = depth + 1
		}
	}
	s.count.Closed = s.failure == nil
	return s.count, s.failure
}

// round takes every action from every state of the frontier.
func (s *search) round(t *testing.T, frontier []reached) {
	work := make(chan reached)
	t.Run(fmt.Sprintf("round of %d", len(frontier)), func(t *testing.T) {
		for range proofWorkers {
			t.Run("worker", func(t *testing.T) {
				t.Parallel()
				for from := range work {
					s.expand(t, from)
				}
			})
		}
		go func() {
			defer close(work)
			for _, from := range frontier {
				work <- from
			}
		}()
	})
}

// expand tries all that is possible in a state.
func (s *search) expand(t *testing.T, from reached) {
	for _, action := range from.actions {
		for dieAt, points := int64(0), int64(0); dieAt <= points && !s.failed(); dieAt++ {
			passed := s.try(t, from.history, move{action, dieAt})
			if dieAt == 0 && action != "crash" {
				points = passed
			}
		}
	}
}

func (s *search) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure != nil
}

// try takes one move after a history and returns at how many points the machine could have died in it.
func (s *search) try(t *testing.T, history []move, m move) (points int64) {
	s.live(t, history, func(w *smallWorld) error {
		points = w.do(m)
		if err := w.safe(); err != nil {
			return fmt.Errorf("%w: %v %v", err, history, m)
		}
		if r, isNew := s.learn(w, history, m); isNew && !s.wrong.atOnce {
			if err := w.fair(); err != nil {
				return fmt.Errorf("%w: %v", err, r.history)
			}
		}
		return nil
	})
	return points
}

// learn remembers the state that a move has led to.
func (s *search) learn(w *smallWorld, history []move, m move) (r reached, isNew bool) {
	state := sha256.Sum256([]byte(w.state()))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count.Transitions++
	if m.dieAt > 0 {
		s.count.Deaths++
	}
	if s.known[state] {
		return reached{}, false
	}
	s.known[state] = true
	s.count.States++
	r = reached{history: append(history[:len(history):len(history)], m), actions: w.actions()}
	s.next = append(s.next, r)
	return r, true
}

// live lives a history and what is done behind it, in a bubble of its own.
func (s *search) live(t *testing.T, history []move, then func(*smallWorld) error) {
	synctest.Test(t, func(t *testing.T) {
		w, err := newSmallWorld(t, s.site, s.forgets, s.wrong, s.pays)
		if err == nil {
			for _, m := range history {
				w.do(m)
			}
			err = then(w)
			w.close()
		}
		if err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.failure = errors.Join(s.failure, err)
		}
	})
}

func proofSite(t *testing.T) *disk { return newSite(t, time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC)) }

// shortDepth is how far the search goes beside the other tests. With ONECARD_OUT it goes until the space is closed (make proof-bank).
const shortDepth = 3

// TestProof searches both banks: one that refuses an original after its reversal, and one that forgets a reversal which found nothing but
// books no original after not_found_after (see bookable and fresh for what is asked of it).
func TestProof(t *testing.T) {
	out := os.Getenv("ONECARD_OUT")
	site := proofSite(t)
	var all []counts
	for _, forgets := range []bool{true, false} {
		s := &search{site: site, forgets: forgets, wrong: &wrongdoing{}}
		if out == "" {
			s.depth = shortDepth
		}
		began := time.Now()
		c, err := s.run(t)
		require.NoError(t, err)
		require.Equal(t, out != "", c.Closed)
		t.Logf("圈存全状态 one load, a bank that %s: %d 状态 states  %d 转移 transitions (%d 含断电 with a death)  深度 depth %d  闭合 closed %v  %s",
			c.Bank, c.States, c.Transitions, c.Deaths, c.Depth, c.Closed, time.Since(began).Round(time.Second))
		all = append(all, c)
	}
	noteProof(t, "one_load", all)
}

// noteProof adds what was counted to out/bankproof.json, when it is asked for.
func noteProof(t *testing.T, key string, value any) {
	out := os.Getenv("ONECARD_OUT")
	if out == "" {
		return
	}
	path, notes := filepath.Join(out, "bankproof.json"), make(map[string]any)
	if contents, err := os.ReadFile(path); err == nil {
		require.NoError(t, json.Unmarshal(contents, &notes))
	}
	notes[key] = value
	contents, err := json.MarshalIndent(notes, "", "  ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(contents, '\n'), 0o644))
}

// TestProofNotices: each wrongdoing is found, in words that fit it.
func TestProofNotices(t *testing.T) {
	site := proofSite(t)
	found := make(map[string]string)
	t.Cleanup(func() { noteProof(t, "wrongdoings_found", found) })
	for i := range wrongdoings {
		m := &wrongdoings[i]
		t.Run(strings.ReplaceAll(m.name, " ", "_"), func(t *testing.T) {
			s := &search{site: site, forgets: m.forgets, wrong: m, depth: 8}
			c, err := s.run(t)
			require.Error(t, err, "%+v", c)
			require.Contains(t, err.Error(), m.found)
			found[m.name] = strings.Split(err.Error(), "\n")[0]
			t.Logf("found in state %d, depth %d: %s", c.States, c.Depth, found[m.name])
		})
	}
}

// TestProofHistories are histories that the search has once found to end wrongly.
func TestProofHistories(t *testing.T) {
	for _, h := range []struct {
		name    string
		forgets bool
		actions []string
	}{
		{"a 25 that was said before the original was booked, heard behind its late approval", true, []string{"load", "time", "bank reverses", "bank approves", "hear 0210/00", "hear 0430/25"}},
		{"the same, and the approval is heard again", true, []string{"load", "time", "bank reverses", "bank approves", "hear 0210/00", "hear 0430/25", "hear 0210/00"}},
	} {
		s := &search{site: proofSite(t), forgets: h.forgets, wrong: &wrongdoing{}}
		var history []move
		for _, action := range h.actions {
			history = append(history, move{action: action})
		}
		s.live(t, history, func(w *smallWorld) error { return w.fair() })
		require.NoError(t, s.failure, h.name)
	}
}
