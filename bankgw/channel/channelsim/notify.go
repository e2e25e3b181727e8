package channelsim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// delivery is a notification that waits to be sent. It comes again until it is answered SUCCESS.
type delivery struct {
	url   string
	event string
	plain map[string]any
	how   string
}

// announce puts a notification into the mail, as the script says. REQUIRES: mu is held.
func (s *Sim) announce(url, event string, plain map[string]any) {
	verb, amount := s.next("notify")
	if s.config.NotifyURL != "" {
		url = s.config.NotifyURL
	}
	d := delivery{url, event, plain, verb}
	switch verb {
	case "lose":
		return
	case "late":
		d.how = ""
		s.late = append(s.late, d)
		return
	case "twice":
		s.mail = append(s.mail, d)
	case "amount":
		d.plain = map[string]any{}
		for key, value := range plain {
			d.plain[key] = value
		}
		d.plain["amount"] = amounts{Total: amount, Currency: "CNY"}
	}
	s.mail = append(s.mail, d)
}

// Late puts what was kept back into the mail.
func (s *Sim) Late() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mail, s.late = append(s.mail, s.late...), nil
}

// request makes the request of a delivery, signed now.
func (s *Sim) request(ctx context.Context, d *delivery) (*http.Request, error) {
	plain, err := json.Marshal(d.plain)
	if err != nil {
		return nil, err
	}
	once, ciphertext := s.seal(plain)
	body, err := json.Marshal(map[string]any{
		"id": nonce(), "create_time": s.config.Clock().In(s.config.Zone).Format(time.RFC3339), "resource_type": "encrypt-resource", "event_type": d.event,
		"resource": map[string]string{"algorithm": "AEAD_AES_256_GCM", "nonce": once, "associated_data": "transaction", "ciphertext": ciphertext},
	})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	at, signed := s.config.Clock(), body
	switch d.how {
	case "stale":
		at = at.Add(-6 * time.Minute)
	case "forged":
		signed = append(bytes.Clone(body), ' ') // what was signed is something else
	}
	s.sign(r.Header, signed, at)
	return r, nil
}

// Deliver sends the mail. What is not answered SUCCESS stays in it, except what was forged or altered: that was nobody's true word.
func (s *Sim) Deliver(ctx context.Context, send func(*http.Request) (*http.Response, error)) (answers []int, err error) {
	s.mu.Lock()
	mail := s.mail
	s.mail = nil
	s.mu.Unlock()
	for i := range mail {
		d := &mail[i]
		r, err := s.request(ctx, d)
		if err != nil {
			return answers, err
		}
		response, err := send(r)
		if err != nil {
			s.keep(mail[i:])
			return answers, fmt.Errorf("notifying: %w", err)
		}
		body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<16))
		_ = response.Body.Close()
		answers = append(answers, response.StatusCode)
		taken := response.StatusCode == http.StatusOK && bytes.Contains(body, []byte(`"SUCCESS"`))
		if honest := d.how == "" || d.how == "twice"; !taken && honest {
			s.keep(mail[i : i+1])
		}
	}
	return answers, nil
}

func (s *Sim) keep(list []delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mail = append(s.mail, list...)
}

// Mail is how many notifications wait.
func (s *Sim) Mail() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mail)
}
