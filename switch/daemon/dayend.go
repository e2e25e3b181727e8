package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/dayend"
	"onecard/switch/proof"
	"onecard/switch/transaction"
)

// DayEnded is what became of the day-end of a business day.
type DayEnded struct {
	Day    proof.Day `json:"day"`
	Passed bool      `json:"passed"`
	Path   string    `json:"path"`  // of the signed statement, on the switch's machine
	Entry  uint64    `json:"entry"` // that records it in the ledger
	Failed []string  `json:"failed"`
}

// retryDayEnd is how long a day-end waits that could not be made at all.
const retryDayEnd = time.Minute

// endDays ends every business day that is closed, one after the other and behind the switch, until the context ends. A ledger that never had
// a day-end begins with its newest closed day; the days before it can be ended by hand.
func (s *server) endDays(ctx context.Context) {
	tick := time.NewTicker(houseInterval)
	defer tick.Stop()
	var rest time.Time
	for {
		if time.Now().After(rest) {
			if day, due, err := s.dueDay(ctx); err == nil && due {
				_, err = s.endDay(ctx, day)
				if err != nil && ctx.Err() == nil {
					s.log.Error("日结未能进行,将重试 / a day-end could not be made and will be tried again", zap.Stringer("day", proof.Day(day)), zap.Error(err))
					rest = time.Now().Add(retryDayEnd)
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// dueDay is the business day that is to be ended next.
func (s *server) dueDay(ctx context.Context) (day uint32, due bool, err error) {
	var open, ended uint32
	if err := s.opened.engine.Look(ctx, func(state *transaction.State) { open, ended = state.BusinessDay(), state.EndedDay() }); err != nil {
		return 0, false, err
	}
	store := s.opened.store
	if ended == 0 {
		span, err := store.SpanOf(open)
		if err != nil || span.First == 1 {
			return 0, false, err
		}
		before, err := store.DayOf(span.First - 1)
		return before.Day, err == nil, err
	}
	span, err := store.SpanOf(ended)
	if err != nil || !span.Followed {
		return 0, false, err
	}
	next, err := store.DayOf(span.Last + 1)
	return next.Day, err == nil && next.Day < open, err
}

// endDay balances a closed day, signs its statement, puts it into the folder and records it. One at a time.
func (s *server) endDay(ctx context.Context, day uint32) (DayEnded, error) {
	s.dayEnds.Lock()
	defer s.dayEnds.Unlock()
	began := time.Now()
	key, err := LoadSigningKey(s.config.Data.Directory)
	if err != nil {
		return DayEnded{}, err
	}
	in, err := s.dayInput(ctx, day)
	if err != nil {
		return DayEnded{}, err
	}
	statement, closing, err := dayend.Close(ctx, s.opened.store, in, key)
	if err != nil {
		return DayEnded{}, err
	}
	file, hash, err := dayend.Sign(&statement, key)
	if err != nil {
		return DayEnded{}, err
	}
	days := DaysOf(s.config.Data.Directory)
	if err := days.save(statement.Day, file, &closing); err != nil {
		return DayEnded{}, err
	}
	ended := DayEnded{Day: statement.Day, Passed: statement.Passed, Path: days.Path(statement.Day), Failed: []string{}}
	ended.Entry, err = s.opened.engine.RecordDayEnd(ctx, transaction.DayEnd{
		Day: day, Last: statement.Last, Block: ledger.Hash(statement.Root.LastBlock), Root: [32]byte(statement.Root.Root), Statement: hash, Passed: statement.Passed,
	}, s.clock.micros())
	if err != nil {
		return DayEnded{}, err
	}
	s.tellDayEnd(&statement, &ended, time.Since(began))
	return ended, nil
}

func (s *server) tellDayEnd(statement *dayend.Statement, ended *DayEnded, took time.Duration) {
	for _, c := range statement.Checks {
		if c.Result != dayend.Failed {
			continue
		}
		for _, f := range c.Findings {
			ended.Failed = append(ended.Failed, f.Text)
			s.log.Error("日结不符 / the day-end does not agree", zap.Stringer("day", statement.Day), zap.Int("check", c.Number), zap.Uint32("account", f.Account),
				zap.Int64("amount_fen", int64(f.Amount)), zap.String("text", f.Text))
		}
	}
	s.log.Info("日结完成 / day-end made", zap.Stringer("day", statement.Day), zap.Bool("passed", statement.Passed), zap.Uint64("entries", statement.Entries),
		zap.Uint64("entry", ended.Entry), zap.Duration("took", took))
}

// dayInput gathers what a closed day is balanced from.
func (s *server) dayInput(ctx context.Context, day uint32) (*dayend.Input, error) {
	store := s.opened.store
	span, err := store.SpanOf(day)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", proof.Day(day), err)
	}
	if !span.Followed {
		return nil, fmt.Errorf("%s: %w", proof.Day(day), transaction.ErrDayOpen)
	}
	after, next, err := store.Entry(span.Last + 1)
	if err != nil {
		return nil, err
	}
	over, err := transaction.ReadDaySwitch(after.Payload)
	if after.Kind != transaction.KindDaySwitch || err != nil {
		return nil, fmt.Errorf("%s: 此日早于日切功能,没有日切条目 / %[1]s is of the time before day switches: there is none to balance it against (the next day is %s)", proof.Day(day), proof.Day(next))
	}
	in := &dayend.Input{Span: span, Switch: dayend.DaySwitch{DaySwitch: over, Time: after.Time}, KindName: kindName}
	if in.Opening, in.Before, err = s.opening(ctx, span); err != nil {
		return nil, err
	}
	leftover, err := s.memoryAt(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := s.campusOf(ctx, in); err != nil {
		return nil, err
	}
	return in, s.openItems(ctx, in, leftover)
}

// opening is what the day began with: the closing balances that the day before was signed with, or a replay of the log.
func (s *server) opening(ctx context.Context, span ledger.Span) (dayend.Balances, *dayend.SignedBefore, error) {
	opening := dayend.NewBalances()
	if span.First == 1 {
		return opening, nil, nil
	}
	store, days := s.opened.store, DaysOf(s.config.Data.Directory)
	before, err := store.DayOf(span.First - 1)
	if err != nil {
		return opening, nil, err
	}
	var signed *dayend.SignedBefore
	switch statement, err := days.Statement(proof.Day(before.Day)); {
	case err == nil:
		signed = &statement
		if b, ok := days.balances(statement.Statement.Day, statement.Statement.Balances); ok && b.Head.Sequence == span.First-1 {
			return b, signed, nil
		}
	case !errors.Is(err, ErrNoStatement):
		s.log.Error("前一日的日结单不可用 / the statement of the day before cannot be used", zap.Error(err))
	}
	err = store.Between(ctx, 0, span.First-1, opening.PostBlock)
	return opening, signed, err
}

// memoryAt takes what the owner's accounts hold back to the end of the day, by the blocks that were written since, and returns what these
// blocks ended that the day had left open.
func (s *server) memoryAt(ctx context.Context, in *dayend.Input) (*leftover, error) {
	accounts, sequence, err := s.opened.engine.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	in.Memory = dayend.Balances{Fen: make([]money.Fen, accounts.Rows)}
	in.Campus.Accounts = make([]dayend.Account, accounts.Rows)
	accounts.Each(func(i uint32, a *ledger.Account) {
		in.Memory.Fen[i] = a.Balance
		in.Campus.Accounts[i] = dayend.Account{Set: a.Set, Code: a.Code, Class: dayend.NoClass}
	})
	last := in.Span.Last
	left := newLeftover(last, in.Switch.Opens)
	later := 0
	err = s.opened.store.Between(ctx, last, sequence, func(b ledger.Block) error {
		opened, err := in.Memory.TakeBack(b)
		if err != nil {
			return err
		}
		later += opened
		return b.Each(func(sequence uint64, e *ledger.Entry) error {
			left.note(sequence, b.Day(), e)
			return nil
		})
	})
	in.Memory.Drop(later)
	return left, err
}

// DayOrder asks for something to be done with a business day.
type DayOrder struct {
	Day proof.Day `json:"day"`
}

func readDayOrder(r *http.Request) (DayOrder, error) {
	var asked DayOrder
	err := json.NewDecoder(io.LimitReader(r.Body, 4096)).Decode(&asked)
	return asked, err
}

func (s *server) endDayNow(w http.ResponseWriter, r *http.Request) {
	asked, err := readDayOrder(r)
	if err != nil {
		answerJSON(w, http.StatusBadRequest, Answer{Error: err.Error()})
		return
	}
	ended, err := s.endDay(r.Context(), uint32(asked.Day))
	if err != nil {
		answerJSON(w, http.StatusUnprocessableEntity, Answer{Error: err.Error()})
		return
	}
	answerJSON(w, http.StatusOK, Answer{DayEnded: &ended})
}

// switchDayNow closes the open business day before its time.
func (s *server) switchDayNow(w http.ResponseWriter, r *http.Request) {
	asked, err := readDayOrder(r)
	if err != nil {
		answerJSON(w, http.StatusBadRequest, Answer{Error: err.Error()})
		return
	}
	if err := s.opened.engine.CloseDay(r.Context(), uint32(asked.Day), s.clock.micros()); err != nil {
		answerJSON(w, http.StatusUnprocessableEntity, Answer{Error: err.Error()})
		return
	}
	s.log.Warn("会计日提前关闭 / the business day was closed before its time", zap.Stringer("day", asked.Day))
	answerJSON(w, http.StatusOK, Answer{})
}

// EndDay ends a closed business day, again if it was ended before.
func (c *Client) EndDay(ctx context.Context, day proof.Day) (DayEnded, error) {
	var a Answer
	if err := c.orderDay(ctx, "/day/end", day, &a); err != nil {
		return DayEnded{}, err
	}
	if a.DayEnded == nil {
		return DayEnded{}, fmt.Errorf("the switch has said nothing about %s", day)
	}
	return *a.DayEnded, nil
}

// SwitchDay closes the open business day, which is named so that it is closed once.
func (c *Client) SwitchDay(ctx context.Context, closes proof.Day) error {
	var a Answer
	return c.orderDay(ctx, "/day/switch", closes, &a)
}

func (c *Client) orderDay(ctx context.Context, path string, day proof.Day, a *Answer) error {
	body, err := json.Marshal(DayOrder{day})
	if err != nil {
		return err
	}
	if err := c.call(ctx, http.MethodPost, path, body, a); err != nil {
		return err
	}
	if a.Error != "" {
		return errors.New(a.Error)
	}
	return nil
}
