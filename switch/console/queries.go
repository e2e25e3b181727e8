package console

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"onecard/ledger"
	"onecard/switch/query"
)

// Questions answer what was: a query.Reader.
type Questions interface {
	Statement(ctx context.Context, q query.StatementQuestion) (query.Statement, error)
	Totals(ctx context.Context, q query.TotalsQuestion) (query.Totals, error)
	Balance(ctx context.Context, q query.BalanceQuestion) (query.Balance, error)
}

// Days are the signed statements of business days. A day is written as 2026-11-26.
type Days interface {
	List(ctx context.Context) ([]string, error)
	// Statement is the signed statement as it stands in its file; ErrNoEntry when the day has none.
	Statement(ctx context.Context, day string) (any, error)
}

// SubjectAsked names whose statement or balance is asked for: exactly one of these.
type SubjectAsked struct {
	Holder   string           `query:"holder" maxLength:"32" doc:"学号、工号 / the holder's number"`
	Card     uint64           `query:"card" doc:"卡号 / card number"`
	Merchant string           `query:"merchant" maxLength:"15" doc:"商户号 / merchant"`
	Terminal string           `query:"terminal" maxLength:"8" doc:"终端号 / terminal"`
	Operator string           `query:"operator" maxLength:"32" doc:"操作员 / operator"`
	Account  ledger.AccountID `query:"account" doc:"账户 / account of the ledger"`
}

func (s *SubjectAsked) subject() query.Subject {
	return query.Subject{Holder: s.Holder, Card: s.Card, Merchant: s.Merchant, Terminal: s.Terminal, Operator: s.Operator, Account: s.Account}
}

// words says in the audit log whose data was read; the log masks a card number.
func (s *SubjectAsked) words() string {
	for _, of := range []struct{ what, which string }{
		{"holder ", s.Holder}, {"card ", digits(s.Card)}, {"merchant ", s.Merchant}, {"terminal ", s.Terminal}, {"operator ", s.Operator}, {"account ", digits(uint64(s.Account))},
	} {
		if of.which != "" {
			return of.what + of.which
		}
	}
	return ""
}

type statementAsked struct {
	SubjectAsked
	Record      uint64 `query:"record" doc:"一条记录 / one record"`
	From        string `query:"from" maxLength:"40" doc:"起 / from: 2026-11-26, 2026-11-26 12:30 or RFC 3339"`
	To          string `query:"to" maxLength:"40" doc:"止;只写日期即当日终了 / to; a date is the end of that day"`
	Limit       int    `query:"limit" minimum:"0" maximum:"1000" doc:"每页条数,缺省 50 / lines a page"`
	After       uint64 `query:"after" doc:"上一页的 next / next of the page before"`
	UpTo        uint64 `query:"up_to" doc:"第一页的 up_to,各页因而不变 / up_to of the first page: the pages then stay what they were"`
	OldestFirst bool   `query:"oldest_first" doc:"旧的在前 / the oldest first"`
}

type totalsAsked struct {
	Unit     string `query:"unit" enum:"day,month" default:"day" doc:"会计日或月 / business days or months"`
	From     string `query:"from" required:"true" maxLength:"10" doc:"2026-11-26 或 / or 2026-11"`
	To       string `query:"to" maxLength:"10" doc:"含 / inclusive"`
	Merchant string `query:"merchant" maxLength:"15"`
	By       string `query:"by" enum:"merchant,terminal,meal,class,period,purse,kind,account" doc:"行 / what the rows are"`
}

type balanceAsked struct {
	SubjectAsked
	At    string `query:"at" maxLength:"40" doc:"时刻;只写日期即当日终了 / the moment; a date is the end of that day"`
	Entry uint64 `query:"entry" doc:"某一条之后 / after this entry"`
}

type dayAsked struct {
	Day string `path:"day" format:"date"`
}

type (
	statementAnswer struct{ Body query.Statement }
	totalsAnswer    struct{ Body query.Totals }
	balanceAnswer   struct{ Body query.Balance }
	dayAnswer       struct{ Body any }
	daysAnswer      struct {
		Body struct {
			Days []string `json:"days"`
		}
	}
)

// registerQueries adds the questions about the past. Their amounts are whole fen under names that end in _fen: they are made for programs
// that add up.
func (c *Console) registerQueries(api huma.API) {
	register(c, api, route{
		id: "statement", method: http.MethodGet, path: "/statements", chinese: "流水", english: "a statement, page by page", need: readers, tag: "queries",
	}, func(ctx context.Context, _ person, in *statementAsked, n *note) (*statementAnswer, error) {
		q := query.StatementQuestion{Subject: in.subject(), From: in.From, To: in.To, Limit: in.Limit, After: in.After, UpTo: in.UpTo, OldestFirst: in.OldestFirst}
		if n.subject, q.Record = in.words(), in.Record; in.Record != 0 {
			n.subject = "record " + digits(in.Record)
		}
		answer, err := c.questions.Statement(ctx, q)
		return &statementAnswer{answer}, asProblem(err)
	})
	register(c, api, route{
		id: "totals", method: http.MethodGet, path: "/totals", chinese: "日、月汇总", english: "totals of days and months", need: readers, tag: "queries",
	}, func(ctx context.Context, _ person, in *totalsAsked, _ *note) (*totalsAnswer, error) {
		answer, err := c.questions.Totals(ctx, query.TotalsQuestion{Unit: in.Unit, From: in.From, To: in.To, Merchant: in.Merchant, By: in.By})
		return &totalsAnswer{answer}, asProblem(err)
	})
	register(c, api, route{
		id: "balance", method: http.MethodGet, path: "/balances", chinese: "任一时刻的余额", english: "a balance as it was", need: readers, tag: "queries",
	}, func(ctx context.Context, _ person, in *balanceAsked, n *note) (*balanceAnswer, error) {
		n.subject = in.words()
		answer, err := c.questions.Balance(ctx, query.BalanceQuestion{Subject: in.subject(), At: in.At, Entry: in.Entry})
		return &balanceAnswer{answer}, asProblem(err)
	})
	register(c, api, route{
		id: "days", method: http.MethodGet, path: "/days", chinese: "已日结的会计日", english: "the business days that were ended", need: readers, tag: "queries",
	}, func(ctx context.Context, _ person, _ *struct{}, _ *note) (*daysAnswer, error) {
		a := &daysAnswer{}
		list, err := c.days.List(ctx)
		a.Body.Days = append([]string{}, list...)
		return a, err
	})
	register(c, api, route{
		id: "day", method: http.MethodGet, path: "/days/{day}", chinese: "签名的日结单", english: "the signed statement of a business day", need: readers, tag: "queries",
	}, func(ctx context.Context, _ person, in *dayAsked, n *note) (*dayAnswer, error) {
		n.subject = "day " + in.Day
		statement, err := c.days.Statement(ctx, in.Day)
		if errors.Is(err, ErrNoEntry) {
			return nil, problem(http.StatusNotFound, "day_ended", "会计日 "+in.Day+" 尚未日结", "business day "+in.Day+" has not been ended").at("path.day", in.Day)
		}
		return &dayAnswer{statement}, err
	})
}

// asProblem says which part of a question was wrong.
func asProblem(err error) error {
	var w *query.Wrong
	if !errors.As(err, &w) {
		return err
	}
	chinese, english := halves(w.Text)
	return problem(http.StatusUnprocessableEntity, "question", chinese, english).at("query."+w.Field, nil)
}

// halves takes a text in both languages apart: Chinese stands first.
func halves(text string) (chinese, english string) {
	if before, after, both := strings.Cut(text, " / "); both {
		return before, after
	}
	return text, text
}

// digits prints a number that is there; 0 is none.
func digits(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}
