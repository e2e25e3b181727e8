package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"onecard/ledger/pebblestore"
	"onecard/switch/query"
	"onecard/switch/transaction"
)

// newReader makes a reader of the past. look lets the state be read.
func newReader(store *pebblestore.Store, zoneSeconds int32, now func() int64, look func(context.Context, func(*transaction.State)) error) *query.Reader {
	return query.New(query.Config{
		Store: store, Look: look, Now: now, Name: func(table, code string) string { return NameOf(store, table, code) },
	}, zoneSeconds)
}

// OpenReader opens the ledger of a data folder that no switch has open, to answer questions. The store is the caller's to close.
func OpenReader(ctx context.Context, c *Config) (*query.Reader, *pebblestore.Store, error) {
	store, engine, err := OpenToRead(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	state := engine.State()
	look := func(_ context.Context, look func(*transaction.State)) error { look(state); return nil }
	return newReader(store, state.Site().ZoneSeconds, newClock().micros, look), store, nil
}

// maxQuestion bounds the bytes of a question.
const maxQuestion = 1 << 16

// serveQueries answers questions about the past while the switch runs.
func (s *server) serveQueries(mux *http.ServeMux) {
	mux.HandleFunc("POST /query/statement", answerQuery(s.reader.Statement))
	mux.HandleFunc("POST /query/totals", answerQuery(s.reader.Totals))
	mux.HandleFunc("POST /query/balance", answerQuery(s.reader.Balance))
}

func answerQuery[Q, A any](ask func(context.Context, Q) (A, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var question Q
		err := json.NewDecoder(io.LimitReader(r.Body, maxQuestion)).Decode(&question)
		if err != nil {
			answerJSON(w, http.StatusBadRequest, Answer{Error: err.Error()})
			return
		}
		answer, err := ask(r.Context(), question)
		switch {
		case query.IsWrong(err):
			answerJSON(w, http.StatusUnprocessableEntity, Answer{Error: err.Error()})
		case err != nil:
			answerJSON(w, http.StatusInternalServerError, Answer{Error: err.Error()})
		default:
			answerJSON(w, http.StatusOK, answer)
		}
	}
}

// askOver asks a running switch.
func askOver[A any](ctx context.Context, c *Client, path string, question any) (A, error) {
	var answer struct {
		Error string `json:"error"`
	}
	var raw json.RawMessage
	var said A
	body, err := json.Marshal(question)
	if err == nil {
		err = c.call(ctx, http.MethodPost, path, body, &raw)
	}
	if err == nil {
		err = json.Unmarshal(raw, &answer)
	}
	if err == nil && answer.Error != "" {
		err = errors.New(answer.Error)
	}
	if err != nil {
		return said, err
	}
	return said, json.Unmarshal(raw, &said)
}

// Statement asks a running switch for a page of a statement.
func (c *Client) Statement(ctx context.Context, q query.StatementQuestion) (query.Statement, error) {
	return askOver[query.Statement](ctx, c, "/query/statement", q)
}

// Totals asks a running switch for totals.
func (c *Client) Totals(ctx context.Context, q query.TotalsQuestion) (query.Totals, error) {
	return askOver[query.Totals](ctx, c, "/query/totals", q)
}

// Balance asks a running switch for a balance at a moment.
func (c *Client) Balance(ctx context.Context, q query.BalanceQuestion) (query.Balance, error) {
	return askOver[query.Balance](ctx, c, "/query/balance", q)
}
