package channel_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw/channel"
	"onecard/ledger/money"
)

// TestNotificationsAreBelievedWhole: one changed bit of the body or of any signed header, another serial, no signature, a time outside five minutes
// (safety handbook T5, T6, T14): nothing is credited. The message itself is.
func TestNotificationsAreBelievedWhole(t *testing.T) {
	s := newSite(t)
	o, _, err := s.channel.Place(t.Context(), channel.Asked{By: "li", Key: "k", Holder: "2026001", Amount: 100}, s.micros())
	require.NoError(t, err)
	body := notificationBody(t, o.Number, 100)
	send := func(change func(*http.Request, []byte) []byte) int {
		r := signedRequest(t, pairs()[1], body, s.now)
		sent := change(r, bytes.Clone(body))
		r.Body = http.NoBody
		if sent != nil {
			r = r.Clone(t.Context())
			r.Body = readCloser{bytes.NewReader(sent)}
		}
		answer := httptest.NewRecorder()
		s.notify.ServeHTTP(answer, r)
		return answer.Code
	}
	for bit := range 8 * len(body) {
		if bit%97 != 0 { // a hundred of them
			continue
		}
		require.Equal(t, http.StatusUnauthorized, send(func(_ *http.Request, b []byte) []byte { b[bit/8] ^= 1 << (bit % 8); return b }), "bit %d", bit)
	}
	for _, header := range []string{"Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Serial", "Wechatpay-Signature"} {
		require.Equal(t, http.StatusUnauthorized, send(func(r *http.Request, b []byte) []byte { r.Header.Del(header); return b }), header)
		require.Equal(t, http.StatusUnauthorized, send(func(r *http.Request, b []byte) []byte { r.Header.Set(header, r.Header.Get(header)+"1"); return b }), header)
	}
	for _, off := range []time.Duration{-301 * time.Second, 302 * time.Second, 24 * time.Hour} {
		now := s.now
		answer := httptest.NewRecorder()
		r := signedRequest(t, pairs()[1], body, now)
		s.now = now.Add(off)
		s.notify.ServeHTTP(answer, r)
		s.now = now
		require.Equal(t, http.StatusUnauthorized, answer.Code, off)
	}
	require.Equal(t, http.StatusRequestEntityTooLarge, send(func(*http.Request, []byte) []byte { return make([]byte, 65<<10) }))
	require.Empty(t, s.books.entries)
	require.Equal(t, http.StatusOK, send(func(_ *http.Request, b []byte) []byte { return b }))
	require.Len(t, s.books.entries, 1)
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// TestSignedNonsenseMovesNothing: what the channel has signed and cannot be meant.
func TestSignedNonsenseMovesNothing(t *testing.T) {
	s := newSite(t)
	o, _, err := s.channel.Place(t.Context(), channel.Asked{By: "li", Key: "k", Holder: "2026001", Amount: 100}, s.micros())
	require.NoError(t, err)
	payment := func(change string, to string) []byte {
		plain := `{"mchid":"1900000001","out_trade_no":"` + o.Number + `","transaction_id":"T1","trade_state":"SUCCESS","success_time":"2026-11-26T12:00:00+08:00","amount":{"total":100,"currency":"CNY"}}`
		return sealed(t, "TRANSACTION.SUCCESS", []byte(strings.Replace(plain, change, to, 1)))
	}
	for name, c := range map[string]struct {
		body   []byte
		status int
	}{
		"not JSON":          {[]byte("{"), http.StatusBadRequest},
		"not encrypted":     {[]byte(`{"event_type":"TRANSACTION.SUCCESS","resource":{"algorithm":"none","ciphertext":"e30="}}`), http.StatusBadRequest},
		"another key":       {[]byte(`{"event_type":"TRANSACTION.SUCCESS","resource":{"algorithm":"AEAD_AES_256_GCM","nonce":"0123456789ab","ciphertext":"` + strings.Repeat("QUFB", 20) + `"}}`), http.StatusBadRequest},
		"of no concern":     {[]byte(`{"event_type":"COUPON.USE"}`), http.StatusOK},
		"another merchant":  {payment("1900000001", "1900000002"), http.StatusBadRequest},
		"no time":           {payment("2026-11-26T12:00:00+08:00", ""), http.StatusBadRequest},
		"not paid":          {payment(`"SUCCESS"`, `"NOTPAY"`), http.StatusOK},
		"an unknown order":  {payment(o.Number, "OC20261126120000000000009"), http.StatusNotFound},
		"an order's number": {payment(o.Number, "../../order"), http.StatusNotFound},
		"a refund nobody asked for": {
			sealed(t, "REFUND.SUCCESS", []byte(`{"out_refund_no":"`+o.Number+`R1","refund_status":"SUCCESS","success_time":"2026-11-26T12:00:00+08:00","amount":{"refund":1,"total":100}}`)),
			http.StatusOK,
		},
	} {
		answer := httptest.NewRecorder()
		s.notify.ServeHTTP(answer, signedRequest(t, pairs()[1], c.body, s.now))
		require.Equal(t, c.status, answer.Code, "%s: %v", name, s.said)
	}
	require.Empty(t, s.books.entries)
	answer := httptest.NewRecorder()
	s.notify.ServeHTTP(answer, signedRequest(t, pairs()[1], payment("CNY", "USD"), s.now))
	require.Equal(t, http.StatusOK, answer.Code)
	require.Empty(t, s.books.entries)
	after, err := s.channel.Order(o.Number)
	require.NoError(t, err)
	require.Equal(t, channel.Manual, after.State, "another currency is for a person")
}

// TestAnswersThatAreNone: a channel that does not sign, says too much, sends us elsewhere, answers about another order or hangs is one that has not
// answered.
func TestAnswersThatAreNone(t *testing.T) {
	s := newSite(t)
	o, _, err := s.channel.Place(t.Context(), channel.Asked{By: "li", Key: "k", Holder: "2026001", Amount: 100}, s.micros())
	require.NoError(t, err)
	hang := make(chan struct{})
	for name, handler := range map[string]http.HandlerFunc{
		"unsigned":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"trade_state":"SUCCESS"}`)) },
		"too long":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 300<<10)) },
		"elsewhere": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/v3/else", http.StatusFound) },
		"hangs":     func(_ http.ResponseWriter, r *http.Request) { <-hang },
	} {
		server := httptest.NewServer(handler)
		config := s.config
		config.URL, config.RequestTimeout = server.URL, 50*time.Millisecond
		transport := &http.Transport{}
		client := channel.NewClient(config, s.keys, transport, func() time.Time { return s.now })
		_, err := client.Query(t.Context(), o.Number)
		require.Error(t, err, name)
		require.NotErrorIs(t, err, channel.ErrRejected, name)
		if name == "hangs" {
			close(hang)
		}
		transport.CloseIdleConnections()
		server.Close()
	}
}

// TestRetriesEnd: what may pass is asked again, as often as is configured; what the channel will not do is not.
func TestRetriesEnd(t *testing.T) {
	s := newSite(t)
	s.config.Attempts = 3
	client := channel.NewClient(s.config, s.keys, direct{s.sim}, func() time.Time { return s.now })
	o := &channel.Order{Number: "OC20261126120000000000001", Amount: 100, Expires: s.now.Add(time.Minute).UnixMicro()}
	require.NoError(t, s.sim.Script("create busy\ncreate lose"))
	pay, err := client.Create(t.Context(), o)
	require.NoError(t, err, "the third attempt")
	require.Contains(t, pay, o.Number)
	require.NoError(t, s.sim.Script("query busy\nquery busy\nquery busy\nquery busy"))
	_, err = client.Query(t.Context(), o.Number)
	require.ErrorContains(t, err, "SYSTEM_ERROR")
	require.NoError(t, s.sim.Script("create refuse\ncreate refuse"))
	_, err = client.Create(t.Context(), o)
	require.ErrorIs(t, err, channel.ErrRejected)
	_, err = client.Create(t.Context(), o)
	require.ErrorIs(t, err, channel.ErrRejected, "it was asked once before")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = client.Query(ended, o.Number)
	require.True(t, errors.Is(err, context.Canceled) || err != nil)
}

// TestConfigurationIsCheckedAtTheStart: every key that is wrong is named, keys of the files included.
func TestConfigurationIsCheckedAtTheStart(t *testing.T) {
	open := filepath.Join(t.TempDir(), "open.pem")
	require.NoError(t, os.WriteFile(open, []byte("key"), 0o644))
	c := channel.Config{Name: "WeChat Pay", URL: "http://pay.example.com", NotifyURL: "ftp://x", MerchantKeyFile: open, AmountMaxFen: -1, Expiry: time.Millisecond}.WithDefaults()
	err := c.Validate()
	for _, want := range []string{"name:", "url:", "notify_url:", "merchant:", "merchant_serial:", "channel_serial:", "merchant_key_file:", "chmod 600", "amount_max_fen:", "expiry:"} {
		require.ErrorContains(t, err, want)
	}
	for url, good := range map[string]bool{
		"https://api.mch.weixin.qq.com": true, "http://127.0.0.1:9000": true, "http://10.0.0.1": false, "https://user:pass@host": false, "api": false,
	} {
		c.URL = url
		require.Equal(t, good, !strings.Contains("\n"+c.Validate().Error(), "\nurl:"), url)
	}
}

// TestKeysAreNotPrinted.
func TestKeysAreNotPrinted(t *testing.T) {
	k := channel.NewKeys(pairs()[0], &pairs()[1].PublicKey, []byte(secret))
	for _, format := range []string{k.String(), k.GoString()} {
		require.NotContains(t, format, secret[:8])
	}
}

// TestFilesThatAreRefused: columns gone, another merchant's, another day's, amounts below nothing (safety handbook T15).
func TestFilesThatAreRefused(t *testing.T) {
	s := newSite(t)
	o, _, err := s.channel.Place(t.Context(), channel.Asked{By: "li", Key: "k", Holder: "2026001", Amount: 12_345}, s.micros())
	require.NoError(t, err)
	require.NoError(t, s.sim.Pay(o.Number))
	file := s.sim.File("2026-11-26")
	good, err := channel.ReadStatement(strings.NewReader(file), "2026-11-26", "1900000001", beijing)
	require.NoError(t, err)
	require.Equal(t, []channel.Line{{Order: o.Number, Transaction: good.Lines[0].Transaction, Amount: 12_345, At: s.now.UnixMicro()}}, good.Lines)
	require.Equal(t, money.Fen(12_345), good.Payments)
	for name, bad := range map[string]string{
		"merchant": strings.Replace(file, "`1900000001", "`1900000002", 1), "backtick": strings.Replace(file, "`123.45", "123.45", 1),
		"column": strings.Replace(file, "商户订单号", "订单", 1), "amount": strings.ReplaceAll(file, "`123.45", "`-123.45"), "currency": strings.Replace(file, "`CNY", "`USD", 1),
		"state": strings.Replace(file, "`SUCCESS", "`REVOKED", 1), "cut": file[:strings.LastIndex(file, "总交易单数")], "fee": strings.Replace(file, "`0.74070", "`0.7407000", 1),
		"empty": "", "day": strings.Replace(file, "`2026-11-26", "`2026-11-25", 1),
	} {
		require.NotEqual(t, file, bad, name)
		_, err := channel.ReadStatement(strings.NewReader(bad), "2026-11-26", "1900000001", beijing)
		require.Error(t, err, name)
	}
}
