package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"onecard/ledger/money"
)

// chaosDesks are the cash desks of a run: they ask over HTTP for withdrawals to bank accounts (提现), each under a name of its own (Idempotency-Key)
// until it is answered, while the switch behind them is killed and started. What they were told is held against the ledger.
type chaosDesks struct {
	url   string // of the operation
	token string
	http  http.Client
	jobs  chan deskJob
	stop  context.CancelFunc
	ended sync.WaitGroup

	mu      sync.Mutex
	given   int
	posted  map[uint64]money.Fen // guarded by mu: by record, what the desks were told is asked of the bank
	refused map[string]int       // guarded by mu: by rule
	again   int                  // guarded by mu: requests that were sent once more
	failed  error                // guarded by mu: the first
}

// deskJob is one withdrawal that a holder wants.
type deskJob struct {
	name   string
	holder string
	amount money.Fen
}

// desksAtWork is how many ask at the same time.
const desksAtWork = 4

// deskPause is before the same request is sent again.
const deskPause = 50 * time.Millisecond

// openDesks registers a cashier with the running switch and begins to ask. most is how many will be asked for.
func (r *chaos) openDesks(ctx context.Context, most int) (*chaosDesks, error) {
	var added struct {
		Operators []struct {
			Token string `json:"token"`
		} `json:"operators"`
	}
	asker := newControlAsker(r.house.site.path("data"))
	body := map[string]string{"act": "add", "code": "desk", "roles": "cashier", "by": "bench"}
	if err := asker.ask(ctx, http.MethodPost, "/operators", body, &added); err != nil || len(added.Operators) != 1 {
		return nil, fmt.Errorf("登记出纳 / registering a cashier: %w", err)
	}
	d := &chaosDesks{
		url: "http://" + r.house.servers["switch"].operations + "/api/v1/operations/bank_withdrawal", token: added.Operators[0].Token,
		http: http.Client{Timeout: patience, Transport: &http.Transport{}}, jobs: make(chan deskJob, most),
		posted: make(map[uint64]money.Fen), refused: make(map[string]int),
	}
	ctx, d.stop = context.WithCancel(ctx)
	for range desksAtWork {
		d.ended.Add(1)
		go d.work(ctx)
	}
	return d, nil
}

// close ends the desks, whatever they have not asked for yet. REQUIRES: nothing is given any more.
func (d *chaosDesks) close() {
	d.stop()
	close(d.jobs)
	d.ended.Wait()
	d.http.CloseIdleConnections()
}

// give has one more asked for. REQUIRES: no more than were announced.
func (d *chaosDesks) give(j deskJob) {
	d.mu.Lock()
	d.given++
	d.mu.Unlock()
	d.jobs <- j
}

// idle says that everything was answered, or that something has failed.
func (d *chaosDesks) idle() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	answered := len(d.posted)
	for _, n := range d.refused {
		answered += n
	}
	return answered == d.given || d.failed != nil
}

func (d *chaosDesks) work(ctx context.Context) {
	defer d.ended.Done()
	for j := range d.jobs {
		if err := d.ask(ctx, j); err != nil {
			d.mu.Lock()
			d.failed = errors.Join(d.failed, err)
			d.mu.Unlock()
		}
	}
}

// ask sends one request until it is answered.
func (d *chaosDesks) ask(ctx context.Context, j deskJob) error {
	body, err := json.Marshal(map[string]string{"holder": j.holder, "amount": j.amount.String()})
	if err != nil {
		return err
	}
	for limit := time.Now().Add(patience); ; {
		done, err := d.once(ctx, j, body)
		if done || err != nil && time.Now().After(limit) {
			return err
		}
		d.mu.Lock()
		d.again++
		d.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(deskPause):
		}
	}
}

// once sends it and says whether it was answered; one that the switch could not answer is an error and may have been done.
func (d *chaosDesks) once(ctx context.Context, j deskJob, body []byte) (done bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url, bytes.NewReader(body))
	if err != nil {
		return true, err
	}
	request.Header.Set("Authorization", "Bearer "+d.token)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", j.name)
	reply, err := d.http.Do(request)
	if err != nil {
		return false, err
	}
	defer func() { _ = reply.Body.Close() }()
	contents, err := io.ReadAll(reply.Body)
	if err != nil {
		return false, err
	}
	var said struct {
		Record uint64 `json:"record"`
		Rule   string `json:"rule"`
	}
	if err := json.Unmarshal(contents, &said); err != nil {
		return false, fmt.Errorf("%s: %w", reply.Status, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case (reply.StatusCode == http.StatusCreated || reply.StatusCode == http.StatusOK) && said.Record > 0:
		if _, twice := d.posted[said.Record]; twice {
			return true, fmt.Errorf("记录 %d 应答给两笔提现 / record %[1]d is the answer to two withdrawals", said.Record)
		}
		d.posted[said.Record] = j.amount
		return true, nil
	case reply.StatusCode == http.StatusUnprocessableEntity:
		d.refused[said.Rule]++
		return true, nil
	}
	final := reply.StatusCode >= http.StatusBadRequest && reply.StatusCode < http.StatusInternalServerError && reply.StatusCode != http.StatusTooManyRequests
	return final, fmt.Errorf("%s: %s", reply.Status, contents)
}

// compare holds what the desks were told against the ledger: every withdrawal that was asked for is there once, and no other.
func (d *chaosDesks) compare(loads map[string]*ourLoad) (found []difference) {
	add := func(reference string, told, booked money.Fen, text string) {
		found = append(found, difference{"柜台 the desks' receipts", reference, -booked, -told, text})
	}
	for record, amount := range d.posted {
		reference := fmt.Sprintf("%012d", record)
		switch l := loads[reference]; {
		case l == nil || !l.Withdrawal || !l.known:
			add(reference, amount, 0, "柜台已得回执,账本中没有 / a desk has a receipt, the ledger does not have it")
		case l.Amount != amount:
			add(reference, amount, l.Amount, "回执与账本金额不符 / receipt and ledger differ")
		}
	}
	for reference, l := range loads {
		if !l.Withdrawal {
			continue
		}
		var record uint64
		if _, err := fmt.Sscanf(reference, "%d", &record); err != nil || d.posted[record] == 0 {
			add(reference, 0, l.Amount, "没有柜台要过 / no desk has asked for it")
		}
	}
	return found
}
