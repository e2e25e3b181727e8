package console

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"onecard/switch/transaction"
)

// Events tell of what happens at the desk. Any of them may be nil.
type Events struct {
	// Asked is called for every request: which operation of the API, how it ended ("done", "read", "pending" or the rule that refused).
	Asked func(act, outcome string, took time.Duration)
	// Unidentified is called for every request whose token was not accepted, without the token.
	Unidentified func(rule, operator, address string)
	// Failed is called for what should not have happened: the operator is told no more than that.
	Failed func(act string, err error)
}

// Base is where the API is mounted.
const Base = "/api/v1"

// Bounds of a request.
const (
	requestTimeout = time.Minute
	bodyMax        = 64 << 10
	batchBodyMax   = 32 << 20 // 200,000 lines
	bodyTimeout    = 30 * time.Second
)

// Handler serves the API below Base.
func (c *Console) Handler() http.Handler {
	mux := http.NewServeMux()
	api := humago.New(mux, c.config())
	api.UseMiddleware(c.enter(api))
	for _, group := range []func(huma.API){
		c.registerPeople, c.registerOperations, c.registerProposals, c.registerBatches, c.registerSettlements, c.registerDesks, c.registerReceipts,
		c.registerQueries, c.registerChannels, c.registerReconciliations, c.registerBank, c.registerBanks, c.registerNight, c.registerWithdrawals, c.registerBankBalance,
	} {
		group(api)
	}
	describeProblems(api.OpenAPI())
	c.serveDocs(mux, api.OpenAPI())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, problem(http.StatusNotFound, "not_found", "没有此路径或方法,见 "+Base+"/docs", "there is no such path or method: see "+Base+"/docs"))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		mux.ServeHTTP(w, r.WithContext(ctx))
	})
}

func (c *Console) config() huma.Config {
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "onecard 柜台接口 / desk API", Version: c.version,
				Description: "结算中心的交易与查询。金额为元的字符串,如 \"12.30\";日期如 2026-11-26;时间为 RFC 3339。\n" +
					"Transactions and queries of the settlement centre. Amounts are strings of yuan, days are ISO 8601, times RFC 3339.",
			},
			Components: &huma.Components{
				Schemas:         huma.NewMapRegistry("#/components/schemas/", schemaName),
				SecuritySchemes: map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer", BearerFormat: "CODE.TOKEN"}},
			},
			Security: []map[string][]string{{"token": {}}},
		},
		OpenAPIPath:                  Base + "/openapi",
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{ours},
	}
}

// route is one operation of the API.
type route struct {
	id, method, path string
	chinese, english string
	need             transaction.Role // one of them; 0: whoever is registered
	tag              string
	bodyMax          int64
	schema           *huma.Schema // of the body, in place of the type's
	status           int
}

// readers may look at everything that desks and finance work with.
const readers = transaction.RoleCashier | transaction.RoleCards | transaction.RoleAccountant | transaction.RoleApprover | transaction.RoleReader

// note is what a request leaves in the audit log.
type note struct {
	act      string
	subject  string
	outcome  string
	reason   string
	record   uint64
	recorded bool
}

type noteKey struct{}

// register adds a route. do returns a Problem, a transaction.Refused, or an error that is nobody's fault; what it notes is in the audit log
// before the answer leaves.
func register[I, O any](c *Console, api huma.API, r route, do func(ctx context.Context, who person, in *I, n *note) (*O, error)) {
	operation := huma.Operation{
		OperationID: r.id, Method: r.method, Path: Base + r.path, Summary: r.chinese + " / " + r.english, Tags: []string{r.tag},
		Metadata: map[string]any{"need": r.need}, MaxBodyBytes: r.bodyMax, BodyReadTimeout: bodyTimeout, DefaultStatus: r.status,
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity},
	}
	if operation.MaxBodyBytes == 0 {
		operation.MaxBodyBytes = bodyMax
	}
	if r.need != 0 {
		operation.Description = "角色 / roles: " + r.need.String()
	}
	if r.schema != nil {
		operation.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: r.schema}}}
	}
	huma.Register(api, operation, func(ctx context.Context, in *I) (*O, error) {
		n, _ := ctx.Value(noteKey{}).(*note)
		out, err := do(ctx, asker(ctx), in, n)
		if err != nil {
			p := c.problemOf(r.id, err)
			n.outcome = p.Rule
			c.record(asker(ctx), n)
			return nil, p
		}
		if n.outcome == "" {
			n.outcome = "read"
		}
		if failed := c.record(asker(ctx), n); failed != nil && n.outcome == "read" {
			return nil, problem(http.StatusServiceUnavailable, "audit_unavailable", "审计日志写不下去,暂停查询;请联系管理员", "the audit log cannot be written: nothing is shown until an administrator has seen to it")
		}
		return out, nil
	})
}

// record writes the note into the audit log.
func (c *Console) record(who person, n *note) error {
	n.recorded = true
	err := c.audit.Record(AuditLine{
		Time: time.UnixMicro(c.clock()).In(c.zone), Operator: who.code, Address: who.address, Act: n.act, Subject: n.subject, Outcome: n.outcome, Record: n.record, Reason: n.reason,
	})
	if err != nil && c.events.Failed != nil {
		c.events.Failed(n.act, err)
	}
	return err
}

// enter says who asks and whether he may, before the request is read.
func (c *Console) enter(huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		began := time.Now()
		r, w := humago.Unwrap(ctx)
		operation := ctx.Operation()
		need, guarded := operation.Metadata["need"].(transaction.Role)
		if !guarded {
			next(ctx)
			return
		}
		n := &note{act: operation.OperationID}
		defer func() {
			if c.events.Asked != nil {
				c.events.Asked(n.act, n.outcome, time.Since(began))
			}
		}()
		who, wrong := c.identify(r)
		if wrong != nil {
			wrong = c.turnAway(r.Context(), who, wrong)
		} else {
			c.brake.success(who.address)
			if need != 0 {
				wrong = allowed(who, need)
			}
		}
		if wrong != nil {
			n.outcome = wrong.Rule
			_ = c.record(who, n)
			writeProblem(w, wrong)
			return
		}
		next(huma.WithValue(huma.WithValue(ctx, personKey{}, who), noteKey{}, n))
		if !n.recorded { // huma has refused it before it got to its handler
			n.outcome = "invalid_fields"
			if rule, ok := statusRules[ctx.Status()]; ok {
				n.outcome = rule[0]
			}
			_ = c.record(who, n)
		}
	}
}

// turnAway counts and slows whoever tries tokens.
func (c *Console) turnAway(ctx context.Context, who person, wrong *Problem) *Problem {
	if c.events.Unidentified != nil {
		c.events.Unidentified(wrong.Rule, maskDigits(clip(who.code, 20)), who.address)
	}
	if wrong.Rule != "token_wrong" {
		return wrong
	}
	if !c.brake.failure(ctx, who.address) {
		p := problem(http.StatusTooManyRequests, "too_many_tries", "令牌错误次数过多,请稍后再试", "too many wrong tokens: try again later")
		p.headers = http.Header{"Retry-After": {"5"}}
		return p
	}
	return wrong
}

func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}

// problemOf turns whatever went wrong into a Problem.
func (c *Console) problemOf(act string, err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	var refused *transaction.Refused
	switch {
	case errors.As(err, &refused):
		return refusal(refused)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, transaction.ErrStopped), errors.Is(err, transaction.ErrBusy):
		p := problem(http.StatusServiceUnavailable, "unknown_outcome", "未等到结果,可能已入账:请以同一 Idempotency-Key 重发,不会重复入账",
			"the outcome is not known: send it again with the same Idempotency-Key, it will not be posted twice")
		p.headers = http.Header{"Retry-After": {"1"}}
		return p
	}
	if c.events.Failed != nil {
		c.events.Failed(act, err)
	}
	return failed(err)
}

func failed(error) *Problem {
	return problem(http.StatusInternalServerError, "failed", "内部错误,已记入日志,请联系管理员", "an internal error, which is in the log: ask the administrator")
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	for key, values := range p.headers {
		w.Header()[key] = values
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_ = huma.DefaultJSONFormat.Marshal(w, p)
}
