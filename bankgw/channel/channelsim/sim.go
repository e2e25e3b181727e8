package channelsim

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"onecard/ledger/money"
)

// Config is what a channel is made of.
type Config struct {
	Merchant       string
	MerchantKey    *rsa.PublicKey
	MerchantSerial string
	Key            *rsa.PrivateKey // the channel's own
	Serial         string
	Secret         string // 32 characters
	Zone           *time.Location
	Clock          func() time.Time
	NotifyURL      string // "": where each order says
	// Watch is called with every request, as "POST /v3/...", before it is carried out and, unless it is lost, after it; it must not ask the
	// channel anything. nil: nobody watches.
	Watch func(request string, done bool)
}

// Sim is a channel. Its methods may be called by any goroutine.
type Sim struct {
	config Config
	mux    *http.ServeMux

	mu      sync.Mutex
	orders  map[string]*Order   // guarded by mu
	script  map[string][]string // guarded by mu
	mail    []delivery          // guarded by mu
	late    []delivery          // guarded by mu
	counter int                 // guarded by mu
	Forged  int                 // requests whose signature was wrong; guarded by mu
}

// New makes a channel without orders.
func New(c Config) (*Sim, error) {
	if len(c.Secret) != 32 || c.Key == nil || c.MerchantKey == nil || c.Clock == nil || c.Zone == nil {
		return nil, errors.New("a channel needs keys, a secret of 32 characters, a clock and a zone")
	}
	s := &Sim{config: c, mux: http.NewServeMux(), orders: map[string]*Order{}, script: map[string][]string{}}
	s.mux.HandleFunc("POST /v3/pay/transactions/native", s.create)
	s.mux.HandleFunc("GET /v3/pay/transactions/out-trade-no/{number}", s.query)
	s.mux.HandleFunc("POST /v3/pay/transactions/out-trade-no/{number}/close", s.close)
	s.mux.HandleFunc("POST /v3/refund/domestic/refunds", s.refund)
	s.mux.HandleFunc("GET /v3/refund/domestic/refunds/{number}", s.queryRefund)
	s.mux.HandleFunc("GET /v3/bill/tradebill", s.bill)
	s.mux.HandleFunc("GET /v3/billdownload/{day}", s.download)
	return s, nil
}

// ServeHTTP answers a merchant whose signature is right.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.identify(r, body); err != nil {
		s.Forged++
		s.answer(w, http.StatusUnauthorized, saying{"SIGN_ERROR", err.Error()})
		return
	}
	if s.config.Watch != nil {
		request := r.Method + " " + r.URL.Path
		s.config.Watch(request, false)
		defer s.config.Watch(request, true) // after it is carried out and before the answer is on its way: it is still in the buffer
	}
	s.mux.ServeHTTP(w, r.WithContext(withBody(r.Context(), body)))
}

// saying is an error in words.
type saying struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (s *Sim) answer(w http.ResponseWriter, status int, value any) {
	body := []byte{}
	if value != nil {
		body, _ = json.Marshal(value)
	}
	s.sign(w.Header(), body, s.config.Clock())
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// misbehave does what can be done before a request is carried out.
func (s *Sim) misbehave(w http.ResponseWriter, verb string) (over bool) {
	switch verb {
	case "lose":
		panic(http.ErrAbortHandler)
	case "busy":
		s.answer(w, http.StatusInternalServerError, saying{"SYSTEM_ERROR", "系统繁忙"})
		return true
	}
	return false
}

// money on the wire.
type amounts struct {
	Total    money.Fen `json:"total"`
	Refund   money.Fen `json:"refund,omitempty"`
	Currency string    `json:"currency"`
}

func (s *Sim) create(w http.ResponseWriter, r *http.Request) {
	verb, _ := s.next("create")
	if s.misbehave(w, verb) {
		return
	}
	var asked struct {
		Merchant string  `json:"mchid"`
		Number   string  `json:"out_trade_no"`
		Notify   string  `json:"notify_url"`
		Expire   string  `json:"time_expire"`
		Amount   amounts `json:"amount"`
	}
	err := json.Unmarshal(bodyOf(r.Context()), &asked)
	expires, timeErr := time.Parse(time.RFC3339, asked.Expire)
	if err != nil || timeErr != nil || asked.Merchant != s.config.Merchant || len(asked.Number) < 6 || len(asked.Number) > 32 || asked.Amount.Total <= 0 || asked.Amount.Currency != "CNY" {
		s.answer(w, http.StatusBadRequest, saying{"PARAM_ERROR", "参数错误"})
		return
	}
	if verb == "refuse" {
		s.answer(w, http.StatusForbidden, saying{"NO_AUTH", "商户无权限"})
		return
	}
	o, known := s.orders[asked.Number]
	switch {
	case !known:
		o = &Order{Number: asked.Number, Amount: asked.Amount.Total, Expires: expires, NotifyURL: asked.Notify}
		s.orders[asked.Number] = o
	case o.Amount != asked.Amount.Total:
		s.answer(w, http.StatusForbidden, saying{"OUT_TRADE_NO_USED", "商户订单号重复"})
		return
	case o.Taken > 0:
		s.answer(w, http.StatusBadRequest, saying{"ORDERPAID", "订单已支付"})
		return
	}
	if verb == "pay" {
		s.pay(o, o.Amount)
	}
	if verb == "drop" {
		panic(http.ErrAbortHandler)
	}
	s.answer(w, http.StatusOK, map[string]string{"code_url": "weixin://wxpay/bizpayurl?pr=" + o.Number})
}

func (s *Sim) paymentOf(o *Order) map[string]any {
	p := map[string]any{
		"mchid": s.config.Merchant, "out_trade_no": o.Number, "trade_state": "NOTPAY", "amount": amounts{Total: o.Amount, Currency: "CNY"},
	}
	switch {
	case o.Taken > 0:
		p["trade_state"], p["transaction_id"], p["success_time"] = "SUCCESS", o.Transaction, o.PaidAt.In(s.config.Zone).Format(time.RFC3339)
		p["amount"] = amounts{Total: o.Taken, Currency: "CNY"}
		if len(o.Refunds) > 0 {
			p["trade_state"] = "REFUND"
		}
	case o.Closed:
		p["trade_state"] = "CLOSED"
	}
	return p
}

func (s *Sim) query(w http.ResponseWriter, r *http.Request) {
	verb, amount := s.next("query")
	if verb == "drop" {
		panic(http.ErrAbortHandler)
	}
	o, ok := s.orders[r.PathValue("number")]
	switch {
	case s.misbehave(w, verb):
		return
	case !ok:
		s.answer(w, http.StatusNotFound, saying{"ORDER_NOT_EXIST", "订单不存在"})
		return
	}
	p := s.paymentOf(o)
	if verb == "amount" {
		p["amount"] = amounts{Total: amount, Currency: "CNY"}
	}
	if verb == "forged" {
		body, _ := json.Marshal(p)
		s.sign(w.Header(), append(body, ' '), s.config.Clock()) // what it has signed is something else
		_, _ = w.Write(body)
		return
	}
	s.answer(w, http.StatusOK, p)
}

func (s *Sim) close(w http.ResponseWriter, r *http.Request) {
	verb, _ := s.next("close")
	o, ok := s.orders[r.PathValue("number")]
	switch {
	case s.misbehave(w, verb):
	case !ok:
		s.answer(w, http.StatusNotFound, saying{"ORDER_NOT_EXIST", "订单不存在"})
	case o.Taken > 0:
		s.answer(w, http.StatusBadRequest, saying{"ORDERPAID", "订单已支付"})
	default:
		o.Closed = true
		if verb == "drop" {
			panic(http.ErrAbortHandler)
		}
		s.answer(w, http.StatusNoContent, nil)
	}
}

func (s *Sim) repaymentOf(o *Order, r *Refund, notified bool) map[string]any {
	status := "status"
	if notified {
		status = "refund_status"
	}
	p := map[string]any{
		"out_trade_no": o.Number, "out_refund_no": r.Number, status: r.Status, "amount": amounts{Total: o.Taken, Refund: r.Amount, Currency: "CNY"},
	}
	if r.Status == "SUCCESS" {
		p["success_time"] = r.At.In(s.config.Zone).Format(time.RFC3339)
	}
	return p
}

func (s *Sim) find(number string) (*Order, *Refund) {
	for _, o := range s.orders {
		for _, r := range o.Refunds {
			if r.Number == number {
				return o, r
			}
		}
	}
	return nil, nil
}

func (s *Sim) refund(w http.ResponseWriter, r *http.Request) {
	verb, _ := s.next("refund")
	if s.misbehave(w, verb) {
		return
	}
	var asked struct {
		Order  string  `json:"out_trade_no"`
		Number string  `json:"out_refund_no"`
		Amount amounts `json:"amount"`
	}
	if err := json.Unmarshal(bodyOf(r.Context()), &asked); err != nil || len(asked.Number) > 64 || asked.Amount.Refund <= 0 {
		s.answer(w, http.StatusBadRequest, saying{"PARAM_ERROR", "参数错误"})
		return
	}
	if o, before := s.find(asked.Number); before != nil {
		if before.Amount != asked.Amount.Refund || o.Number != asked.Order {
			s.answer(w, http.StatusBadRequest, saying{"INVALID_REQUEST", "退款单号重复"})
			return
		}
		s.answer(w, http.StatusOK, s.repaymentOf(o, before, false))
		return
	}
	o, ok := s.orders[asked.Order]
	if !ok || o.Taken == 0 || o.refunded()+asked.Amount.Refund > o.Taken {
		s.answer(w, http.StatusBadRequest, saying{"INVALID_REQUEST", "订单未支付或退款超额"})
		return
	}
	if verb == "reject" {
		s.answer(w, http.StatusForbidden, saying{"NOT_ENOUGH", "商户余额不足"})
		return
	}
	refund := &Refund{Number: asked.Number, Amount: asked.Amount.Refund, Status: "SUCCESS", At: s.config.Clock().Truncate(time.Second)}
	if status, ok := map[string]string{"process": "PROCESSING", "close": "CLOSED", "abnormal": "ABNORMAL"}[verb]; ok {
		refund.Status = status
	}
	o.Refunds = append(o.Refunds, refund)
	if refund.Status == "SUCCESS" {
		s.announce(o.NotifyURL, "REFUND.SUCCESS", s.repaymentOf(o, refund, true))
	}
	if verb == "drop" {
		panic(http.ErrAbortHandler)
	}
	s.answer(w, http.StatusOK, s.repaymentOf(o, refund, false))
}

func (s *Sim) queryRefund(w http.ResponseWriter, r *http.Request) {
	o, refund := s.find(r.PathValue("number"))
	if refund == nil {
		s.answer(w, http.StatusNotFound, saying{"RESOURCE_NOT_EXISTS", fmt.Sprintf("退款单 %s 不存在", r.PathValue("number"))})
		return
	}
	s.answer(w, http.StatusOK, s.repaymentOf(o, refund, false))
}
