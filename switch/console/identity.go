package console

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"onecard/switch/transaction"
)

// tokenBytes is how much randomness a token holds: it cannot be guessed, so its hash need not be slow.
const tokenBytes = 32

// NewToken makes a token for an operator: what he shows, CODE.TOKEN, which is never kept, and its hash, which is.
func NewToken(code string, random io.Reader) (shown string, hash [sha256.Size]byte, err error) {
	var token [tokenBytes]byte
	if _, err := io.ReadFull(random, token[:]); err != nil {
		return "", hash, fmt.Errorf("making a token: %w", err)
	}
	return code + "." + base64.RawURLEncoding.EncodeToString(token[:]), sha256.Sum256(token[:]), nil
}

// readBearer takes apart "Bearer CODE.TOKEN".
func readBearer(header string) (code string, token []byte, ok bool) {
	scheme, rest, found := strings.Cut(header, " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return "", nil, false
	}
	dot := strings.LastIndexByte(rest, '.')
	if dot < 1 {
		return "", nil, false
	}
	token, err := base64.RawURLEncoding.DecodeString(rest[dot+1:])
	if err != nil || len(token) != tokenBytes {
		return "", nil, false
	}
	return rest[:dot], token, true
}

// person is who asks, from where.
type person struct {
	code    string
	roles   transaction.Role
	address string
}

type personKey struct{}

// asker is the operator whose token came with the request. REQUIRES: the route wants one.
func asker(ctx context.Context) person { p, _ := ctx.Value(personKey{}).(person); return p }

// identify finds the operator of a request. It says no in the same words and the same time whether the operator or the token is wrong.
func (c *Console) identify(r *http.Request) (person, *Problem) {
	p := person{address: addressOf(r)}
	if !confidential(r) {
		return p, problem(http.StatusForbidden, "tls_required", "令牌只能经本机或 TLS 发送:请在 operations.tls_certificate 配置证书",
			"tokens travel over loopback or TLS only: configure operations.tls_certificate")
	}
	code, token, ok := readBearer(r.Header.Get("Authorization"))
	if !ok {
		return p, unauthorized("token_missing", "请以 Authorization: Bearer 操作员.令牌 表明身份;令牌由 onecard operator add 发放",
			"say who you are with Authorization: Bearer CODE.TOKEN; onecard operator add gives tokens out")
	}
	p.code = code
	var operator transaction.Operator
	known := false
	if err := c.core.Look(r.Context(), func(s *transaction.State) { operator, known = s.OperatorByCode(code) }); err != nil {
		return p, c.problemOf("identify", err)
	}
	right := operator.Holds(token) // of nobody, too: it takes the same time
	switch {
	case !known || !right:
		return p, unauthorized("token_wrong", "操作员或令牌不对", "operator or token is wrong")
	case operator.Suspended:
		return p, problem(http.StatusForbidden, "operator_suspended", "操作员 "+code+" 已停用,请找管理员", "operator "+code+" is suspended: ask an administrator")
	}
	p.roles = operator.Roles
	return p, nil
}

func unauthorized(rule, chinese, english string) *Problem {
	p := problem(http.StatusUnauthorized, rule, chinese, english)
	p.headers = http.Header{"Www-Authenticate": {`Bearer realm="onecard"`}}
	return p
}

// allowed says whether one of the roles is held; else which are needed.
func allowed(p person, need transaction.Role) *Problem {
	if p.roles&need != 0 {
		return nil
	}
	return problem(http.StatusForbidden, "role_missing", fmt.Sprintf("操作员 %s 的角色是 %s,此事需要 %s 之一", p.code, p.roles, need),
		fmt.Sprintf("operator %s has the roles %s, this needs one of %s", p.code, p.roles, need))
}

// confidential says whether nobody in between can read along: TLS, or a connection that does not leave this machine.
func confidential(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	address, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	host, _, err := net.SplitHostPort(address.String())
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

func addressOf(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}

// brake makes whoever tries tokens wait for his refusal. A right token never waits, so that nobody can keep an operator out.
type brake struct {
	wait func(ctx context.Context, d time.Duration)

	mu      sync.Mutex
	failed  map[string]int // by address; guarded by mu
	waiting int            // guarded by mu
}

// Bounds of the brake.
const (
	brakeStep      = 100 * time.Millisecond // more for each failure
	brakeMax       = 2 * time.Second
	brakeAddresses = 1024 // remembered; then it starts afresh
	brakeWaiting   = 64   // refusals held back at once; further ones are told to come later
)

func newBrake() *brake {
	return &brake{failed: make(map[string]int), wait: func(ctx context.Context, d time.Duration) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}}
}

// failure counts a wrong token from an address and holds the caller back. held is false when too many wait already.
func (b *brake) failure(ctx context.Context, address string) (held bool) {
	b.mu.Lock()
	if len(b.failed) >= brakeAddresses {
		clear(b.failed)
	}
	b.failed[address]++
	d := min(time.Duration(b.failed[address])*brakeStep, brakeMax)
	if b.waiting >= brakeWaiting {
		b.mu.Unlock()
		return false
	}
	b.waiting++
	b.mu.Unlock()
	b.wait(ctx, d)
	b.mu.Lock()
	b.waiting--
	b.mu.Unlock()
	return true
}

// success forgets an address's failures.
func (b *brake) success(address string) {
	b.mu.Lock()
	delete(b.failed, address)
	b.mu.Unlock()
}

// keyOf is an operation's key: who asks and what he calls it. Two operators may use the same name.
func keyOf(operator, name string) transaction.Key {
	sum := sha256.Sum256([]byte(operator + "\x00" + name))
	return transaction.Key(sum[:16])
}
