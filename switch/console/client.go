package console

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client asks a console over HTTP. What it repeats after a broken connection it repeats under the same name, so that nothing is done twice.
type Client struct {
	base  string
	token string
	http  *http.Client
	// Retry is called before a request is sent again; nil: nobody is told.
	Retry func(attempt int, err error)
	// Pause waits before a request is sent again.
	Pause func(ctx context.Context, attempt int)
}

// attempts is how often a request whose outcome is not known is sent.
const attempts = 5

// answerMax bounds what a client reads.
const answerMax = 64 << 20

// NewClient makes a client for an address, "127.0.0.1:9583" or "https://desk.campus.edu", and an operator's token.
func NewClient(address, token string, transport http.RoundTripper) *Client {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	return &Client{base: strings.TrimSuffix(address, "/") + Base, token: token, http: &http.Client{Transport: transport}, Pause: func(ctx context.Context, attempt int) {
		select {
		case <-time.After(time.Duration(attempt) * 300 * time.Millisecond):
		case <-ctx.Done():
		}
	}}
}

// ErrUnanswered says that a request's outcome is not known.
var ErrUnanswered = errors.New("未得到应答,结果未知 / no answer: the outcome is not known")

// NewName makes a name for a request (Idempotency-Key).
func NewName() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}

// Ask reads something. A Problem comes back as *Problem.
func (c *Client) Ask(ctx context.Context, path string, query url.Values, into any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.send(ctx, http.MethodGet, path, "", nil, into)
}

// Act asks for something to be done, under a name.
func (c *Client) Act(ctx context.Context, path, name string, body, into any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return c.send(ctx, http.MethodPost, path, name, encoded, into)
}

func (c *Client) send(ctx context.Context, method, path, name string, body []byte, into any) error {
	for attempt := 1; ; attempt++ {
		err := c.once(ctx, method, path, name, body, into)
		if !errors.Is(err, ErrUnanswered) || attempt == attempts || ctx.Err() != nil {
			return err
		}
		if c.Retry != nil {
			c.Retry(attempt, err)
		}
		c.Pause(ctx, attempt)
	}
}

func (c *Client) once(ctx context.Context, method, path, name string, body []byte, into any) error {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Accept", "application/json")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", name)
	}
	response, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnanswered, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, answerMax))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnanswered, err)
	}
	if response.StatusCode < 300 {
		return read(answer, into)
	}
	p := new(Problem)
	if !strings.HasPrefix(response.Header.Get("Content-Type"), problemType) || json.Unmarshal(answer, p) != nil {
		return fmt.Errorf("%s: 不是柜台接口的应答,请核对地址 / not an answer of the desk API: check the address", response.Status)
	}
	if p.Rule == "unknown_outcome" {
		return fmt.Errorf("%w: %w", ErrUnanswered, p)
	}
	return p
}

// read takes JSON, or text as it is.
func read(answer []byte, into any) error {
	switch into := into.(type) {
	case nil:
		return nil
	case *string:
		*into = string(answer)
		return nil
	case *json.RawMessage:
		*into = answer
		return nil
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("应答无法读取 / the answer cannot be read: %w", err)
	}
	return nil
}
