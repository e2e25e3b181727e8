package channel_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw/channel"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

const (
	smallAmount = money.Fen(10_000)
	smallHolder = "2026001"
)

// act is something that can happen in the small world, and how the channel behaves meanwhile.
type act struct {
	name string
	how  string
}

// acts are what can happen at any time, in any order.
func acts() (list []act) {
	add := func(name string, hows ...string) {
		for _, how := range hows {
			list = append(list, act{name, how})
		}
	}
	add("place", "", "drop")
	add("pay", "")
	add("pay-wrong", "")
	add("notify", "")
	add("notify-forged", "")
	add("notify-wrong-amount", "")
	add("query", "", "drop", "pay") // a question that is lost changes as little as one whose answer is
	add("time", "")
	add("spend", "")
	add("refund-60", "", "drop", "reject", "process")
	add("refund-40", "")
	add("finish-paid", "")
	add("finish-closed", "")
	add("notify-refund", "")
	return list
}

// explorer walks through every state of the small world.
type explorer struct {
	t      *testing.T
	keys   channel.Keys
	signed map[string]*http.Request
	bodies map[string][]byte
	seen   map[string]bool
	orders map[string]*channel.Order // by their rows
	moves  int
	crash  int
	states map[channel.State]int
}

// TestSmallWorld: one order, every order of events, a crash at every durable step of each, before it and after it. In every state that can be
// reached the books are right, and from each of them, left alone, everything ends with both sides equal or with a person.
func TestSmallWorld(t *testing.T) {
	ours, theirs := pairs()[0], pairs()[1]
	x := &explorer{
		t: t, keys: channel.NewKeys(ours, &theirs.PublicKey, []byte(secret)), signed: map[string]*http.Request{}, bodies: map[string][]byte{}, seen: map[string]bool{},
		orders: map[string]*channel.Order{}, states: map[channel.State]int{},
	}
	queue := []*world{newWorld()}
	x.seen[queue[0].fingerprint()] = true
	for len(queue) > 0 {
		w := queue[0]
		queue = queue[1:]
		for _, a := range acts() {
			if w.idle(a) {
				continue
			}
			for _, next := range x.outcomes(w, a) {
				x.step(w, next, a)
				if f := next.fingerprint(); !x.seen[f] {
					x.seen[f] = true
					x.check(w, next, a)
					x.left(next)
					queue = append(queue, next)
				}
			}
		}
	}
	t.Logf("%d states, %d transitions, %d of them crashes; orders stand %v", len(x.seen), x.moves, x.crash, x.states)
	require.Greater(t, len(x.seen), 500, "the small world has shrunk: something no longer happens")
	channel.States(func(s channel.State) { require.NotZero(t, x.states[s], "no order was ever %s", s) })
}

// idle says whether an act finds nothing to act on.
func (w *world) idle(a act) bool {
	processing := slices.ContainsFunc(slices.Collect(maps.Values(w.model.refunds)), func(r channel.Repayment) bool { return r.Status == channel.RefundProcessing })
	switch a.name {
	case "pay", "pay-wrong":
		return w.model.paid > 0 || w.model.closed || w.phase > 0
	case "notify":
		return w.model.paid == 0
	case "time":
		return w.phase == len(phases)-1
	case "spend":
		return w.books.purses[smallHolder] <= 5_000
	case "finish-paid", "finish-closed":
		return !processing
	case "notify-refund":
		return len(w.model.refunds) == 0
	case "place":
		return w.disk.rows["head"] == nil && w.phase > 0 // an order made later is one made in time
	}
	return false
}

// outcomes are what an act leads to: done, or stopped by a crash at each of its durable steps.
func (x *explorer) outcomes(w *world, a act) []*world {
	done := w.copied()
	x.perform(done, a)
	list := []*world{done}
	for step := range done.power.took {
		for _, after := range []bool{false, true} {
			stopped := w.copied()
			stopped.power.set(step, after)
			x.perform(stopped, a)
			stopped.power.set(-1, false)
			x.crash++
			list = append(list, stopped)
		}
	}
	x.moves += len(list)
	return list
}

// open starts the channel from what is on disk: nothing else outlives an act.
func (x *explorer) open(w *world) *channel.Channel {
	c, err := channel.Open(testConfig(), &w.model, &w.disk, w.books, channel.Events{})
	require.NoError(x.t, err)
	return c
}

// order is the one order of a world; nil when it is not on disk.
func (x *explorer) order(w *world) *channel.Order {
	row := string(w.disk.rows["order/0000000000000001"])
	if row == "" {
		return nil
	}
	o, known := x.orders[row]
	if !known {
		o = new(channel.Order)
		require.NoError(x.t, json.Unmarshal([]byte(row), o))
		x.orders[row] = o
	}
	return o
}

func (x *explorer) perform(w *world, a act) {
	ctx, now := context.Background(), w.now().UnixMicro()
	c := x.openDown(w)
	if a.how != "" {
		w.model.how = a.how
	}
	defer func() { w.model.how = "" }()
	o := x.order(w)
	if o == nil && a.name != "place" && a.name != "time" {
		return
	}
	switch a.name {
	case "place":
		_, _, _ = c.Place(ctx, channel.Asked{By: "li", Key: "k1", Holder: smallHolder, Amount: smallAmount}, now)
	case "pay", "pay-wrong":
		if w.model.exists && !w.model.closed && w.model.paid == 0 && w.phase == 0 && o.Pay != "" {
			w.model.paid = map[string]money.Fen{"pay": smallAmount, "pay-wrong": smallAmount - 1}[a.name]
		}
	case "notify", "notify-wrong-amount", "notify-forged":
		x.notified(w, c, a, o)
	case "query":
		_ = c.AttendOrder(ctx, 1, now)
	case "time":
		w.phase = min(w.phase+1, len(phases)-1)
	case "spend":
		w.books.purses[smallHolder] = min(w.books.purses[smallHolder], 5_000)
	case "refund-60", "refund-40":
		amount := map[string]money.Fen{"refund-60": 6_000, "refund-40": 4_000}[a.name]
		_, _, _ = c.Refund(ctx, channel.RefundAsked{By: "li", Key: a.name, Number: o.Number, Amount: amount, Reason: "holder"}, now)
	case "finish-paid":
		w.model.finish(channel.RefundDone)
	case "finish-closed":
		w.model.finish(channel.RefundClosed)
	case "notify-refund":
		for _, number := range slices.Sorted(maps.Keys(w.model.refunds)) {
			_ = c.Repaid(ctx, w.model.refunds[number], now)
		}
	}
}

// openDown opens the channel of a machine that is about to go down: opening is not what it goes down in.
func (x *explorer) openDown(w *world) *channel.Channel {
	steps, after := w.power.steps, w.power.after
	w.power.set(-1, false)
	c := x.open(w)
	w.power.set(steps, after)
	return c
}

// notified brings a notification through the real handler: its signature, its window and its encryption are checked there.
func (x *explorer) notified(w *world, c *channel.Channel, a act, o *channel.Order) {
	amount := w.model.paid
	switch {
	case a.name == "notify-wrong-amount":
		amount = smallAmount + 1
	case a.name == "notify-forged":
		amount = smallAmount
	case w.model.paid == 0:
		return
	}
	answer := httptest.NewRecorder()
	r := x.request(o.Number, amount, w.phase, a.name == "notify-forged")
	channel.NewNotifications(c, x.keys, w.now).ServeHTTP(answer, r)
	if a.name == "notify-forged" {
		require.Equal(x.t, http.StatusUnauthorized, answer.Code)
		return
	}
	if answer.Code == http.StatusOK {
		require.NotContains(x.t, []channel.State{channel.Created, channel.Closed}, x.order(w).State, "the channel was told SUCCESS and nothing is on disk")
	}
}

// request makes a signed notification, once for each contents.
func (x *explorer) request(number string, amount money.Fen, phase int, forged bool) *http.Request {
	name := fmt.Sprint(number, amount, phase, forged)
	if x.signed[name] == nil {
		key := pairs()[1]
		if forged {
			key = pairs()[0] // somebody else's
		}
		x.bodies[name] = notificationBody(x.t, number, amount)
		x.signed[name] = signedRequest(x.t, key, x.bodies[name], start.Add(phases[phase]))
	}
	r := x.signed[name].Clone(context.Background())
	r.Body = io.NopCloser(bytes.NewReader(x.bodies[name]))
	return r
}

func notificationBody(t *testing.T, number string, amount money.Fen) []byte {
	t.Helper()
	plain, err := json.Marshal(map[string]any{
		"mchid": "1900000001", "out_trade_no": number, "transaction_id": "T1", "trade_state": "SUCCESS", "success_time": start.Format(time.RFC3339),
		"amount": map[string]any{"total": amount, "currency": "CNY"},
	})
	require.NoError(t, err)
	return sealed(t, "TRANSACTION.SUCCESS", plain)
}

// sealed is the body of a notification around a resource.
func sealed(t *testing.T, event string, plain []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher([]byte(secret))
	require.NoError(t, err)
	gcm, err := cipher.NewGCM(block)
	require.NoError(t, err)
	nonce := "0123456789ab"
	body, err := json.Marshal(map[string]any{"event_type": event, "resource": map[string]string{
		"algorithm": "AEAD_AES_256_GCM", "nonce": nonce, "associated_data": "a",
		"ciphertext": base64.StdEncoding.EncodeToString(gcm.Seal(nil, []byte(nonce), plain, []byte("a"))),
	}})
	require.NoError(t, err)
	return body
}

func signedRequest(t *testing.T, key *rsa.PrivateKey, body []byte, at time.Time) *http.Request {
	t.Helper()
	digest := sha256.Sum256(fmt.Appendf(nil, "%d\nn1\n%s\n", at.Unix(), body))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodPost, "/channels/wechat/notify", bytes.NewReader(body))
	r.Header.Set("Wechatpay-Timestamp", fmt.Sprint(at.Unix()))
	r.Header.Set("Wechatpay-Nonce", "n1")
	r.Header.Set("Wechatpay-Serial", "C1")
	r.Header.Set("Wechatpay-Signature", base64.StdEncoding.EncodeToString(signature))
	return r
}

// step holds what must be true of every step.
func (x *explorer) step(before, w *world, a act) {
	if a.name == "notify-forged" && w.fingerprint() != before.fingerprint() {
		require.Fail(x.t, "a forged notification has changed something", before.fingerprint()+w.fingerprint())
	}
	was, is := x.order(before), x.order(w)
	if was != nil && was.State == channel.Manual && is.State != channel.Manual {
		require.Fail(x.t, "an order that waits for a person has gone on by itself", before.fingerprint()+w.fingerprint())
	}
	if is != nil && is.State == channel.Closed && was.State != channel.Closed && w.model.exists && !w.model.closed {
		require.Fail(x.t, "let go, and not closed at the channel", before.fingerprint()+w.fingerprint())
	}
}

// check holds what must be true in every state.
func (x *explorer) check(before, w *world, a act) {
	t := x.t
	o := x.order(w)
	told := func() string {
		return fmt.Sprintf("after %s %s:\n%s\nbefore:\n%s", a.name, a.how, w.fingerprint(), before.fingerprint())
	}
	if w.model.exists && o == nil {
		require.Fail(t, "the channel has heard of an order that is not on disk", told())
	}
	credited, credits := w.moved(transaction.KindThirdPartyLoad)
	if credits > 1 || credits == 1 && (w.model.paid != smallAmount || credited != smallAmount) {
		require.Fail(t, "credited without right, or twice", told())
	}
	net, _ := w.moved(transaction.KindThirdPartyRefunded, transaction.KindDepositReversed)
	if -net < w.model.promised() {
		require.Fail(t, "the channel pays back what no purse has given", told())
	}
	if w.books.purses[smallHolder] < 0 || w.books.transit != credited+net {
		require.Fail(t, "the books do not add up", told())
	}
	if o != nil {
		x.states[o.State]++
	}
}

// left leaves a state alone, with a channel that answers: everything must end.
func (x *explorer) left(from *world) {
	w := from.copied()
	w.model.finish(channel.RefundDone)
	var c *channel.Channel
	for day := range 5 {
		c = x.open(w)
		c.Attend(context.Background(), w.now().Add(time.Duration(day)*24*time.Hour).UnixMicro())
	}
	o := x.order(w)
	if o == nil {
		return
	}
	require.False(x.t, o.Open(), "it never ends: %s\nfrom %s", w.fingerprint(), from.fingerprint())
	require.Zero(x.t, c.Waiting())
	if o.State == channel.Manual {
		return
	}
	back := money.Fen(0)
	for _, r := range w.model.refunds {
		if r.Status == channel.RefundDone {
			back += r.Amount
		}
	}
	require.Equal(x.t, w.model.paid-back, w.books.transit, "the channel's books and account 1012 differ: %s\nfrom %s", w.fingerprint(), from.fingerprint())
}

// fingerprint is all that lasts of a world, in words.
func (w *world) fingerprint() string {
	if w.print != "" {
		return w.print
	}
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(w.disk.rows)) {
		fmt.Fprintf(&b, "%s %s\n", key, w.disk.rows[key])
	}
	for _, e := range w.books.entries {
		fmt.Fprintf(&b, "%d %s %s\n", e.Kind, e.Amount, e.Document)
	}
	fmt.Fprintf(&b, "purse %s channel %v %v %s phase %d\n", w.books.purses[smallHolder], w.model.exists, w.model.closed, w.model.paid, w.phase)
	for _, number := range slices.Sorted(maps.Keys(w.model.refunds)) {
		fmt.Fprintf(&b, "%s %s\n", number, w.model.refunds[number].Status)
	}
	w.print = b.String()
	return w.print
}
