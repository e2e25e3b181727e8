package channel

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// notificationMax bounds a notification's body.
const notificationMax = 64 << 10

// Outcomes of a notification, for metrics.
const (
	notifiedTaken   = "taken"
	notifiedForged  = "not_believed"
	notifiedFailed  = "failed"
	notifiedStrange = "unreadable"
	notifiedUnknown = "unknown_order"
	notifiedIgnored = "ignored"
)

// NotifyOutcomes calls visit with every outcome of a notification.
func NotifyOutcomes(visit func(string)) {
	for _, outcome := range []string{notifiedTaken, notifiedForged, notifiedFailed, notifiedStrange, notifiedUnknown, notifiedIgnored} {
		visit(outcome)
	}
}

// notification is a message of the channel's own accord. Its resource is encrypted.
type notification struct {
	Event    string `json:"event_type"`
	Resource struct {
		Algorithm  string `json:"algorithm"`
		Nonce      string `json:"nonce"`
		Associated string `json:"associated_data"`
		Ciphertext string `json:"ciphertext"`
	} `json:"resource"`
}

// Notifications answers what the channel tells of its own accord. A message is believed when the channel has signed it within five minutes; it
// is decrypted after that, and answered SUCCESS when what it brings is durable. Anything else is answered so that it comes again.
type Notifications struct {
	channel *Channel
	keys    Keys
	clock   func() time.Time
}

// NewNotifications makes the handler of a channel's notifications.
func NewNotifications(c *Channel, keys Keys, clock func() time.Time) *Notifications {
	return &Notifications{c, keys, clock}
}

func (n *Notifications) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	outcome, status, err := n.take(w, r)
	c := n.channel
	if c.events.Notified != nil {
		c.events.Notified(c.config.Name, outcome)
	}
	code, message := "SUCCESS", ""
	if err != nil {
		c.failed("", fmt.Errorf("a notification: %w", err))
		code, message = "FAIL", outcome // the reason is ours
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"code": code, "message": message})
}

// take reads, believes, decrypts and carries out, in that order.
func (n *Notifications) take(w http.ResponseWriter, r *http.Request) (outcome string, status int, err error) {
	if r.Method != http.MethodPost {
		return notifiedStrange, http.StatusMethodNotAllowed, errors.New("not a POST")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, notificationMax))
	if err != nil {
		return notifiedStrange, http.StatusRequestEntityTooLarge, err
	}
	now := n.clock()
	if err := n.keys.verify(n.channel.config.ChannelSerial, r.Header, body, now); err != nil {
		return notifiedForged, http.StatusUnauthorized, err
	}
	var message notification
	if err := json.Unmarshal(body, &message); err != nil {
		return notifiedStrange, http.StatusBadRequest, err
	}
	var act func(plain []byte) error
	switch message.Event {
	case "TRANSACTION.SUCCESS":
		act = func(plain []byte) error { return n.paid(r, plain, now) }
	case "REFUND.SUCCESS", "REFUND.CLOSED", "REFUND.ABNORMAL":
		act = func(plain []byte) error { return n.repaid(r, plain, now) }
	default:
		return notifiedIgnored, http.StatusOK, nil // of no concern: it need not come again
	}
	if message.Resource.Algorithm != "AEAD_AES_256_GCM" {
		return notifiedStrange, http.StatusBadRequest, fmt.Errorf("algorithm %q", message.Resource.Algorithm)
	}
	plain, err := n.keys.open(message.Resource.Nonce, message.Resource.Associated, message.Resource.Ciphertext)
	if err != nil {
		return notifiedStrange, http.StatusBadRequest, err
	}
	switch err := act(plain); {
	case errors.Is(err, ErrNoOrder):
		return notifiedUnknown, http.StatusNotFound, err
	case errors.Is(err, errUnreadable):
		return notifiedStrange, http.StatusBadRequest, err
	case err != nil:
		return notifiedFailed, http.StatusInternalServerError, err
	}
	return notifiedTaken, http.StatusOK, nil
}

var errUnreadable = errors.New("the notification cannot be used")

func (n *Notifications) paid(r *http.Request, plain []byte, now time.Time) error {
	var body paymentBody
	if err := json.Unmarshal(plain, &body); err != nil {
		return errors.Join(errUnreadable, err)
	}
	p, err := body.payment(n.channel.config.Merchant)
	if err != nil {
		return errors.Join(errUnreadable, err)
	}
	return n.channel.Settle(r.Context(), p, now.UnixMicro())
}

func (n *Notifications) repaid(r *http.Request, plain []byte, now time.Time) error {
	var body repaymentBody
	if err := json.Unmarshal(plain, &body); err != nil {
		return errors.Join(errUnreadable, err)
	}
	word, err := body.repayment()
	if err != nil {
		return errors.Join(errUnreadable, err)
	}
	return n.channel.Repaid(r.Context(), word, now.UnixMicro())
}
