package channel

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"onecard/ledger/money"
)

// PaymentStatus is what a channel says of a payment.
type PaymentStatus string

// What a channel says of a payment.
const (
	PaymentDone    PaymentStatus = "SUCCESS" // paid; refunds do not change that here
	PaymentWaiting PaymentStatus = "NOTPAY"
	PaymentClosed  PaymentStatus = "CLOSED"
	PaymentUnknown PaymentStatus = "" // the channel has no such order
)

// Payment is a channel's word on an order.
type Payment struct {
	Number      string
	Transaction string
	Status      PaymentStatus
	Amount      money.Fen // of the order as the channel has it
	Currency    string
	At          int64 // microseconds since 1970
}

// RefundStatus is what a channel says of a refund.
type RefundStatus string

// What a channel says of a refund.
const (
	RefundDone       RefundStatus = "SUCCESS"
	RefundProcessing RefundStatus = "PROCESSING"
	RefundClosed     RefundStatus = "CLOSED"   // it will not happen
	RefundAbnormal   RefundStatus = "ABNORMAL" // it could not be paid to where it came from: a person decides at the channel
	RefundUnknown    RefundStatus = ""         // the channel has no such refund
)

// Repayment is a channel's word on a refund.
type Repayment struct {
	Number   string // out_refund_no
	Order    string // out_trade_no
	Status   RefundStatus
	Amount   money.Fen
	Currency string
	At       int64
}

// Errors of a channel. Everything else is an outcome that is not known.
var (
	// ErrPaid: an order cannot be closed because it has been paid.
	ErrPaid = errors.New("the order has been paid")
	// ErrRejected: the channel will not do what it was asked.
	ErrRejected = errors.New("the channel rejects it")
)

// Client talks to one channel. It keeps no state: every request may be sent again.
type Client struct {
	config Config
	keys   Keys
	http   *http.Client
	clock  func() time.Time
}

// NewClient makes a client. transport nil is the default one.
func NewClient(c Config, keys Keys, transport http.RoundTripper, clock func() time.Time) *Client {
	return &Client{config: c, keys: keys, clock: clock, http: &http.Client{
		Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("a channel does not send its clients elsewhere")
		},
	}}
}

const (
	answerMax    = 256 << 10
	statementMax = 256 << 20
	retryPause   = 100 * time.Millisecond
)

// amountBody is an amount on the wire: fen.
type amountBody struct {
	Total    money.Fen `json:"total"`
	Refund   money.Fen `json:"refund,omitempty"`
	Currency string    `json:"currency"`
}

const currency = "CNY"

// Create announces an order; the answer is the text of a QR code. The same order again gets its text again.
func (c *Client) Create(ctx context.Context, o *Order) (pay string, err error) {
	var answer struct {
		Pay string `json:"code_url"`
	}
	err = c.call(ctx, http.MethodPost, "/v3/pay/transactions/native", map[string]any{
		"appid": c.config.Application, "mchid": c.config.Merchant, "description": "校园卡充值", "out_trade_no": o.Number, "notify_url": c.config.NotifyURL,
		"time_expire": time.UnixMicro(o.Expires).In(c.config.zone()).Format(time.RFC3339), "amount": amountBody{Total: o.Amount, Currency: currency},
	}, &answer)
	if err == nil && answer.Pay == "" {
		err = errors.New("the channel gave no code_url")
	}
	return answer.Pay, err
}

// paymentBody is a payment in answers and notifications.
type paymentBody struct {
	Merchant    string     `json:"mchid"`
	Number      string     `json:"out_trade_no"`
	Transaction string     `json:"transaction_id"`
	State       string     `json:"trade_state"`
	SuccessTime string     `json:"success_time"`
	Amount      amountBody `json:"amount"`
}

// payment checks that the channel speaks of our order.
func (b *paymentBody) payment(merchant string) (Payment, error) {
	p := Payment{Number: b.Number, Transaction: b.Transaction, Amount: b.Amount.Total, Currency: b.Amount.Currency}
	if b.Merchant != merchant {
		return p, fmt.Errorf("the payment is of merchant %q", b.Merchant)
	}
	switch b.State {
	case "SUCCESS", "REFUND":
		p.Status = PaymentDone
		at, err := time.Parse(time.RFC3339, b.SuccessTime)
		if err != nil || b.Transaction == "" || len(b.Transaction) > 64 {
			return p, errors.New("a payment without time or transaction")
		}
		p.At = at.UnixMicro()
	case "CLOSED", "REVOKED", "PAYERROR":
		p.Status = PaymentClosed
	default:
		p.Status = PaymentWaiting
	}
	return p, nil
}

func (c *Client) ofOrder(number string) string {
	return "/v3/pay/transactions/out-trade-no/" + url.PathEscape(number)
}

// Query asks about an order.
func (c *Client) Query(ctx context.Context, number string) (Payment, error) {
	var body paymentBody
	err := c.call(ctx, http.MethodGet, c.ofOrder(number)+"?mchid="+url.QueryEscape(c.config.Merchant), nil, &body)
	if isCode(err, "ORDER_NOT_EXIST", "ORDERNOTEXIST") {
		return Payment{Number: number}, nil
	}
	if err != nil {
		return Payment{}, err
	}
	p, err := body.payment(c.config.Merchant)
	if err == nil && p.Number != number {
		err = fmt.Errorf("asked about order %s, the answer is about %q", number, p.Number)
	}
	return p, err
}

// Close ends an order that has not been paid; ErrPaid when it has been. One that there is not is closed.
func (c *Client) Close(ctx context.Context, number string) error {
	err := c.call(ctx, http.MethodPost, c.ofOrder(number)+"/close", map[string]any{"mchid": c.config.Merchant}, nil)
	switch {
	case isCode(err, "ORDER_PAID", "ORDERPAID"):
		return ErrPaid
	case isCode(err, "ORDER_NOT_EXIST", "ORDERNOTEXIST", "ORDER_CLOSED", "ORDERCLOSED"):
		return nil
	}
	return err
}

// repaymentBody is a refund in answers and notifications.
type repaymentBody struct {
	Number      string     `json:"out_refund_no"`
	Order       string     `json:"out_trade_no"`
	Status      string     `json:"status"`
	NotifyState string     `json:"refund_status"` // in notifications
	SuccessTime string     `json:"success_time"`
	Amount      amountBody `json:"amount"`
}

func (b *repaymentBody) repayment() (Repayment, error) {
	r := Repayment{Number: b.Number, Order: b.Order, Status: RefundStatus(b.Status + b.NotifyState), Amount: b.Amount.Refund, Currency: b.Amount.Currency}
	switch r.Status {
	case RefundDone:
		at, err := time.Parse(time.RFC3339, b.SuccessTime)
		if err != nil {
			return r, errors.New("a refund without its time")
		}
		r.At = at.UnixMicro()
	case RefundProcessing, RefundClosed, RefundAbnormal:
	default:
		return r, fmt.Errorf("a refund in state %q", r.Status)
	}
	return r, nil
}

// Refund asks the channel to pay part of an order back. The same number again is the same refund. ErrRejected: it will not, as things stand.
func (c *Client) Refund(ctx context.Context, o *Order, r *Refund) (Repayment, error) {
	var body repaymentBody
	err := c.call(ctx, http.MethodPost, "/v3/refund/domestic/refunds", map[string]any{
		"out_trade_no": o.Number, "out_refund_no": r.Number, "reason": r.Reason, "notify_url": c.config.NotifyURL,
		"amount": amountBody{Total: o.Amount, Refund: r.Amount, Currency: currency},
	}, &body)
	return c.aboutRefund(&body, err, r.Number)
}

// QueryRefund asks about a refund.
func (c *Client) QueryRefund(ctx context.Context, number string) (Repayment, error) {
	var body repaymentBody
	err := c.call(ctx, http.MethodGet, "/v3/refund/domestic/refunds/"+url.PathEscape(number), nil, &body)
	if isCode(err, "RESOURCE_NOT_EXISTS") {
		return Repayment{Number: number}, nil
	}
	return c.aboutRefund(&body, err, number)
}

func (c *Client) aboutRefund(body *repaymentBody, err error, number string) (Repayment, error) {
	if err != nil {
		return Repayment{}, err
	}
	p, err := body.repayment()
	if err == nil && p.Number != number {
		err = fmt.Errorf("asked about refund %s, the answer is about %q", number, p.Number)
	}
	return p, err
}

// Said is an error that the channel has given words to, signed.
type Said struct {
	Status  int
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (s *Said) Error() string {
	return fmt.Sprintf("%d %s: %s", s.Status, s.Code, strings.ToValidUTF8(s.Message, ""))
}

// Is makes what the channel will not do ErrRejected: what it could not do now, and what it does not know, it may yet do.
func (s *Said) Is(target error) bool {
	return target == ErrRejected && s.Status >= 400 && s.Status < 500 && s.Status != http.StatusTooManyRequests && s.Status != http.StatusUnauthorized
}

func isCode(err error, codes ...string) bool {
	var said *Said
	if !errors.As(err, &said) {
		return false
	}
	for _, code := range codes {
		if said.Code == code {
			return true
		}
	}
	return false
}

// call asks until there is an answer that means something, the attempts are used up or the context ends.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("writing a request: %w", err)
		}
	}
	pause := retryPause
	for attempt := 1; ; attempt++ {
		err := c.once(ctx, method, path, body, out)
		if err == nil || errors.Is(err, ErrRejected) || attempt >= c.config.Attempts {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
		pause *= 2
	}
}

func (c *Client) once(ctx context.Context, method, path string, body []byte, out any) error {
	answer, err := c.send(ctx, method, path, body, answerMax)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("reading the channel's answer: %w", err)
	}
	return nil
}

// send carries one request and believes the answer only when the channel has signed it.
func (c *Client) send(ctx context.Context, method, path string, body []byte, most int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.RequestTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.config.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if err := c.keys.authorize(r, &c.config, body, c.clock(), rand.Reader); err != nil {
		return nil, err
	}
	response, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("asking the channel: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, most+1))
	if err != nil {
		return nil, fmt.Errorf("reading the channel's answer: %w", err)
	}
	if int64(len(answer)) > most {
		return nil, fmt.Errorf("the channel's answer is longer than %d bytes", most)
	}
	if err := c.keys.verify(c.config.ChannelSerial, response.Header, answer, c.clock()); err != nil {
		return nil, fmt.Errorf("通道应答 %s / an answer of the channel: %w", response.Status, err)
	}
	if response.StatusCode/100 == 2 {
		return answer, nil
	}
	said := &Said{Status: response.StatusCode}
	_ = json.Unmarshal(answer, said) // an error without words has none
	return nil, said
}
