package console

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"onecard/switch/transaction"
)

// Problem is an error for a program and for people: application/problem+json (RFC 9457). Every text comes in Chinese and in English.
type Problem struct {
	Type     string   `json:"type" doc:"urn:onecard: and the rule"`
	Title    string   `json:"title"`
	Status   int      `json:"status"`
	Rule     string   `json:"rule" doc:"which rule said no: a word that does not change"`
	DetailZH string   `json:"detail_zh"`
	Detail   string   `json:"detail"`
	Errors   []Fault  `json:"errors,omitempty" doc:"field by field"`
	First    *Receipt `json:"first,omitempty" doc:"idempotency_key_reused: what the key stands for already"`

	headers http.Header
}

// Fault is what is wrong with one field.
type Fault struct {
	Location  string `json:"location" doc:"body.amount, header.Idempotency-Key, path.number ..."`
	Rule      string `json:"rule"`
	MessageZH string `json:"message_zh"`
	Message   string `json:"message"`
	Value     any    `json:"value,omitempty" doc:"as it was sent, long numbers masked"`
}

// Error is what the command line shows.
func (p *Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s / %s", p.DetailZH, p.Detail)
	for _, f := range p.Errors {
		if f.MessageZH == p.DetailZH {
			continue
		}
		fmt.Fprintf(&b, "\n  %s: %s / %s", f.Location, f.MessageZH, f.Message)
		if f.Value != nil {
			fmt.Fprintf(&b, " (%v)", f.Value)
		}
	}
	return b.String()
}

// GetStatus is the HTTP status; huma asks for it.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders are headers that go with it; huma asks for them.
func (p *Problem) GetHeaders() http.Header { return p.headers }

// ContentType is application/problem+json.
func (p *Problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// problem makes a Problem.
func problem(status int, rule, chinese, english string) *Problem {
	return &Problem{Type: "urn:onecard:" + rule, Title: http.StatusText(status), Status: status, Rule: rule, DetailZH: chinese, Detail: english}
}

// at names the field that is to blame.
func (p *Problem) at(location string, value any) *Problem {
	p.Errors = append(p.Errors, Fault{location, p.Rule, p.DetailZH, p.Detail, shown(value)})
	return p
}

// refusal is what the core would not do, as a Problem.
func refusal(r *transaction.Refused) *Problem {
	status := http.StatusUnprocessableEntity
	if s, ok := refusalStatus[r.Rule]; ok {
		status = s
	}
	p := problem(status, r.Rule, r.Chinese, r.English)
	if r.Field != "" {
		p.at("body."+r.Field, nil)
	}
	return p
}

// shownMax is how much of a wrong value is said back.
const shownMax = 64

// shown is a value as it is said back: short, and no number in it that could be a card's.
func shown(value any) any {
	switch v := value.(type) {
	case nil, bool:
		return v
	case string:
		if len(v) > shownMax {
			v = v[:shownMax] + "…"
		}
		return maskDigits(v)
	case float64:
		return maskDigits(strconv.FormatFloat(v, 'f', -1, 64))
	case int, int64, uint64, uint32:
		return v
	}
	return nil // an object or an array: the location says enough
}

// maskDigits keeps the first six and the last four digits of every run of 13 or more.
func maskDigits(text string) string {
	b, run := []byte(text), 0
	for i := 0; i <= len(b); i++ {
		if i < len(b) && b[i] >= '0' && b[i] <= '9' {
			run++
			continue
		}
		if run >= 13 {
			for k := i - run + 6; k < i-4; k++ {
				b[k] = '*'
			}
		}
		run = 0
	}
	return strings.ToValidUTF8(string(b), "?")
}

// said are huma's words for a value that does not fit the schema, each with our rule and its Chinese. The rest of the message stands for %s.
var said = []struct{ starts, rule, chinese string }{
	{"unexpected property", "unknown_field", "没有这个字段,请删去"},
	{"expected required property ", "required", "缺少字段 %s"},
	{"unknown query parameter", "unknown_field", "没有这个查询参数,请删去"},
	{"required header parameter is missing", "required", "缺少此请求头"},
	{"required path parameter is missing", "required", "缺少此路径参数"},
	{"required query parameter is missing", "required", "缺少此查询参数"},
	{"expected string to be RFC 3339 date-time", "time", "须为 RFC 3339 时间,如 2026-11-26T12:00:00+08:00"},
	{"expected string to be RFC 3339 date", "day", "须为日期,如 2026-11-26"},
	{"expected string to be " + yuanWords, "yuan", "须为元,至多两位小数,写作字符串,如 \"12.30\""},
	{"expected string to match pattern ", "pattern", "格式不对,须匹配 %s"},
	{"expected string to be ", "pattern", "格式不对,须为 %s"},
	{"expected string", "type", "须为字符串(加引号)"},
	{"expected boolean", "type", "须为 true 或 false"},
	{"expected integer", "type", "须为整数"},
	{"expected number >= ", "minimum", "不得小于 %s"},
	{"expected number <= ", "maximum", "不得大于 %s"},
	{"expected number > ", "minimum", "须大于 %s"},
	{"expected number", "type", "须为数字"},
	{"expected array length >= ", "length", "至少 %s 项"},
	{"expected array length <= ", "length", "至多 %s 项"},
	{"expected array items to be unique", "unique", "各项不得重复"},
	{"expected array", "type", "须为数组"},
	{"expected object", "type", "须为对象"},
	{"expected length >= ", "length", "至少 %s 个字符"},
	{"expected length <= ", "length", "至多 %s 个字符"},
	{"expected value to be one of ", "choice", "须为下列之一:%s"},
	{"invalid integer", "type", "须为整数"},
	{"invalid boolean", "type", "须为 true 或 false"},
}

// translated puts huma's faults into our words.
func translated(d *huma.ErrorDetail) Fault {
	for _, s := range said {
		rest, ok := strings.CutPrefix(d.Message, s.starts)
		if !ok {
			continue
		}
		chinese := s.chinese
		if strings.Contains(chinese, "%s") {
			chinese = fmt.Sprintf(chinese, strings.TrimSuffix(rest, " to be present"))
		}
		return Fault{d.Location, s.rule, chinese, maskDigits(d.Message), shown(d.Value)}
	}
	if d.Location == "body" { // it could not be read at all
		return Fault{d.Location, "json", "不是合法的 JSON", maskDigits(d.Message), nil}
	}
	return Fault{d.Location, "invalid", "不合法", maskDigits(d.Message), shown(d.Value)}
}

// statusRules name what huma refuses before an act is looked at.
var statusRules = map[int][3]string{
	http.StatusBadRequest:            {"bad_request", "请求无法读取", "the request cannot be read"},
	http.StatusNotFound:              {"not_found", "没有此路径", "there is no such path"},
	http.StatusMethodNotAllowed:      {"method_not_allowed", "此路径不支持该方法", "the path does not know this method"},
	http.StatusNotAcceptable:         {"not_acceptable", "只能以 JSON 应答", "answers are JSON"},
	http.StatusRequestTimeout:        {"timeout", "请求体接收超时", "the body took too long to arrive"},
	http.StatusRequestEntityTooLarge: {"too_large", "请求体过大", "the body is too large"},
	http.StatusUnsupportedMediaType:  {"media_type", "请求体须为 application/json", "the body must be application/json"},
	http.StatusUnprocessableEntity:   {"invalid_fields", "有字段不合要求,未执行", "some fields are wrong: nothing was done"},
}

// ours turns what huma would answer with into a Problem; other bodies pass.
func ours(_ huma.Context, _ string, body any) (any, error) {
	m, ok := body.(*huma.ErrorModel)
	if !ok {
		return body, nil
	}
	words, ok := statusRules[m.Status]
	if !ok {
		words = [3]string{"failed", "内部错误,请联系管理员", "an internal error: ask the administrator"}
	}
	p := problem(m.Status, words[0], words[1], words[2])
	for _, d := range m.Errors {
		if d != nil {
			p.Errors = append(p.Errors, translated(d))
		}
	}
	return p, nil
}

// Rules of the core that the console acts upon.
const (
	ruleKeyReused    = "key_reused"
	ruleProposalOpen = "proposal_open"
)

// refusalStatus are the statuses of refusals of the core that are not 422.
var refusalStatus = map[string]int{
	ruleKeyReused: http.StatusConflict, ruleProposalOpen: http.StatusNotFound, "batch_known": http.StatusNotFound, "batch_state": http.StatusConflict,
	"role": http.StatusForbidden, "two_persons": http.StatusForbidden, "operator_known": http.StatusForbidden, "disk_low": http.StatusServiceUnavailable,
	"channel_known": http.StatusNotFound, "order_known": http.StatusNotFound, "report_known": http.StatusNotFound, "channel_busy": http.StatusServiceUnavailable,
	"order_key_reused":   http.StatusConflict,
	"channel_unanswered": http.StatusServiceUnavailable,
}
