package daemon

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"onecard/ledger/pebblestore"
	"onecard/switch/rules"
	"onecard/switch/transaction"
	"onecard/switch/whatif"
)

// WhatIfQuestion asks for past purchases under other rules. Days since 1970 at the site.
type WhatIfQuestion struct {
	Tables *rules.Tables
	From   uint32
	To     uint32
}

// whatIfLine is one line of the stream that a running switch answers with: how far it has read, and at last the result or an error.
type whatIfLine struct {
	Read   uint64         `json:"read,omitempty"`
	Result *whatif.Result `json:"result,omitempty"`
	Error  string         `json:"error,omitempty"`
}

// answerWhatIf reads blocks beside the owner, who is asked for what records call by number, a block's worth at a time.
func (s *server) answerWhatIf(w http.ResponseWriter, r *http.Request) {
	_, tables, ok := readRules(w, r)
	if !ok {
		return
	}
	from, err1 := strconv.ParseUint(r.FormValue("from"), 10, 32)
	to, err2 := strconv.ParseUint(r.FormValue("to"), 10, 32)
	if err := errors.Join(err1, err2); err != nil || tables == nil {
		answerJSON(w, http.StatusBadRequest, whatIfLine{Error: fmt.Sprintf("须给出规则与起止日 / rules and days are needed: %v", err)})
		return
	}
	w.Header().Set("Content-Type", "application/jsonl")
	lines := json.NewEncoder(w)
	flush := http.NewResponseController(w).Flush
	q := whatif.Question{Tables: tables, From: uint32(from), To: uint32(to)}
	result, err := whatif.Run(r.Context(), q, s.opened.store, s.opened.engine.Look, func(sequence uint64) {
		_ = lines.Encode(whatIfLine{Read: sequence}) // a reader who has gone ends the request's context
		_ = flush()
	})
	if err != nil {
		_ = lines.Encode(whatIfLine{Error: err.Error()})
		return
	}
	nameRows(s.opened.store, result)
	_ = lines.Encode(whatIfLine{Result: result})
}

// nameRows puts the merchants' names beside their codes.
func nameRows(store *pebblestore.Store, r *whatif.Result) {
	for i := range r.Merchants {
		r.Merchants[i].Name = NameOf(store, "merchant", r.Merchants[i].Code)
	}
}

// WhatIf asks a running switch. progress is told how far it has read.
func (c *Client) WhatIf(ctx context.Context, q WhatIfQuestion, progress func(sequence uint64)) (*whatif.Result, error) {
	body, err := json.Marshal(&RulesQuestion{Tables: q.Tables.Append(nil)})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://switch/whatif?from=%d&to=%d", q.From, q.To), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(r)
	if err != nil {
		return nil, unreachable(err)
	}
	defer response.Body.Close()
	for in := json.NewDecoder(bufio.NewReader(response.Body)); ; {
		var line whatIfLine
		if err := in.Decode(&line); err != nil {
			return nil, fmt.Errorf("reading the switch's answer (%s): %w", response.Status, err)
		}
		switch {
		case line.Error != "":
			return nil, errors.New(line.Error)
		case line.Result != nil:
			return line.Result, nil
		case progress != nil:
			progress(line.Read)
		}
	}
}

// WhatIf asks a ledger that no switch has open, or a backup. Nothing is written.
func WhatIf(ctx context.Context, c *Config, q WhatIfQuestion, progress func(sequence uint64)) (result *whatif.Result, err error) {
	store, engine, err := OpenToRead(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	look := func(_ context.Context, look func(*transaction.State)) error { look(engine.State()); return nil }
	if faults := engine.State().CheckRules(q.Tables); len(faults) > 0 {
		return nil, fmt.Errorf("规则不适用于此账本 / the rules do not fit this ledger: %s", faults[0])
	}
	if result, err = whatif.Run(ctx, whatif.Question(q), store, look, progress); err != nil {
		return nil, err
	}
	nameRows(store, result)
	return result, nil
}
