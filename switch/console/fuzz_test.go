package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"onecard/switch/console"
	"onecard/switch/transaction"
)

// FuzzBodies: whatever body is sent to whatever act, the answer is a receipt or a problem, never an internal error, and the books balance.
func FuzzBodies(f *testing.F) {
	var labels []string
	transaction.Catalogue(func(row transaction.CatalogueRow) { labels = append(labels, "operations/"+row.Label) })
	labels = append(labels, "batches", "proposals/1/approve", "batches/1/reject")
	for i, step := range goodActs {
		f.Add(byte(i), []byte(step.body))
	}
	f.Add(byte(len(labels)-3), []byte(`{"kind":"subsidy","programme":"aid","reason":"x","lines":[{"holder":"2026003","amount":"5.00"}]}`))
	for _, body := range []string{`{"amount":"9223372036854775807"}`, `{"original":"18446744073709551616"}`, `{"holder":"\u0000","desk":"\ud800"}`, `{"occurred":"9999-12-31T23:59:59Z"}`, `{"expiry":"0000-01-01"}`} {
		f.Add(byte(0), []byte(body))
	}
	s := newSite(f)
	s.hire("all", "cashier,cards,accountant,approver,reader,administrator")
	s.must("zhang", "drawer_open", `{"desk":"D01","amount":"0"}`)
	handler := s.server.Config.Handler
	local := context.WithValue(context.Background(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}))
	f.Fuzz(func(t *testing.T, which byte, body []byte) {
		r := httptest.NewRequestWithContext(local, http.MethodPost, console.Base+"/"+labels[int(which)%len(labels)], bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+s.tokens["all"])
		r.Header.Set("Idempotency-Key", console.NewName())
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code >= 500 || w.Code < 200 || !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s %q: %d %s", r.URL.Path, body, w.Code, w.Body)
		}
		if _, err := console.ParseDay(string(body)); err == nil && len(body) > 0 && len(body) != len("2006-01-02") {
			t.Fatalf("%q is no day", body)
		}
		if sum, err := s.sum(); err != nil || sum != 0 {
			t.Fatalf("after %s %q the balances sum to %s (%v)", r.URL.Path, body, sum, err)
		}
	})
}
