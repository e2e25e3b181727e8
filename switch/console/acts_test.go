package console_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/switch/console"
	"onecard/switch/rules"
	"onecard/switch/rules/tariff"
	"onecard/switch/transaction"
)

// actStep is one operation that is possible where it stands.
type actStep struct {
	kind, who, body string
	before          func(*site) // what must have happened
}

// goodActs carries out every kind of the catalogue once, in an order in which each is possible. %s is the number of the act before.
var goodActs = []actStep{
	{kind: "drawer_open", who: "zhang", body: `{"desk":"D01","amount":"500.00"}`},
	{kind: "cash_deposit", who: "zhang", body: `{"desk":"D01","holder":"2026001","amount":"100.00"}`},
	{kind: "reversal", who: "zhang", body: `{"desk":"D01","original":"%s","reason":"错"}`},
	{kind: "withdrawal", who: "zhang", body: `{"desk":"D01","holder":"2026002","amount":"10.00"}`},
	{kind: "fund_deposit", who: "wang", body: `{"holder":"2026003","amount":"300.00","document":"ZP-1"}`},
	{kind: "subsidy", who: "wang", body: `{"holder":"2026003","purse":"aid","amount":"80.00","expiry":"2027-01-31","reason":"补助"}`},
	{kind: "subsidy_return", who: "wang", body: `{"holder":"2026003","purse":"aid","amount":"30.00","reason":"清退"}`},
	{kind: "deduction", who: "wang", body: `{"holder":"2026003","merchant":"100000000000001","amount":"20.00","reason":"水电"}`},
	{kind: "transfer", who: "wang", body: `{"holder":"2026003","other_holder":"2026004","amount":"5.00","reason":"转账"}`},
	{kind: "adjustment", who: "wang", body: `{"holder":"2026003","amount":"-1.00","reason":"更正"}`},
	{kind: "card_fee", who: "zhang", body: `{"desk":"D01","holder":"2026005","amount":"15.00"}`},
	{kind: "card_deposit", who: "zhang", body: `{"desk":"D01","amount":"20.00"}`},
	{kind: "card_deposit_return", who: "zhang", body: `{"desk":"D01","original":"%s"}`},
	{kind: "hold", who: "wang", body: `{"holder":"2026006","merchant":"100000000000001","amount":"10.00","reason":"预订","until":"2026-12-01T00:00:00+08:00"}`},
	{kind: "hold_release", who: "wang", body: `{"original":"%s","reason":"取消"}`},
	{kind: "hold_settle", who: "wang", body: `{"original":"%s","amount":"7.00"}`, before: func(s *site) {
		s.must("wang", "hold", `{"holder":"2026006","merchant":"100000000000001","amount":"10.00","reason":"预订"}`)
	}},
	{kind: "refund", who: "wang", body: `{"original":"%s","amount":"3.00","reason":"退"}`},
	{kind: "offline_sale", who: "wang", body: `{"holder":"2026007","terminal":"10000001","amount":"60.00","occurred":"2026-11-25T12:00:00+08:00","reason":"补录"}`},
	{kind: "department_transfer", who: "wang", body: `{"merchant":"100000000000002","other_merchant":"100000000000003","amount":"5.00","reason":"结转"}`, before: func(s *site) {
		s.must("wang", "deduction", `{"holder":"2026008","merchant":"100000000000002","amount":"20.00","reason":"实验费"}`)
	}},
	{kind: "payout", who: "wang", body: `{"merchant":"100000000000001","amount":"40.00","document":"JK-1"}`},
	{kind: "merchant_deduction", who: "wang", body: `{"merchant":"100000000000001","amount":"10.00","reason":"房租"}`},
	{kind: "service_fee", who: "wang", body: `{"merchant":"100000000000001","amount":"0.80"}`},
	{kind: "third_party_load", who: "wang", body: `{"holder":"2026009","amount":"50.00","document":"WX-1"}`},
	{kind: "third_party_settled", who: "wang", body: `{"amount":"50.00","document":"WX-D1"}`},
	{kind: "third_party_refund", who: "wang", body: `{"holder":"2026009","amount":"20.00","document":"WX-1R1"}`},
	{kind: "load_make_up", who: "wang", body: `{"original":"%s","amount":"1.00","document":"RC-1","reason":"补账"}`},
	{kind: "load_claim", who: "wang", body: `{"original":"%s","amount":"1.00","document":"RC-2","reason":"追回"}`},
	{kind: "load_close", who: "wang", body: `{"original":"%s","reason":"了结"}`},
	{kind: "subsidy_received", who: "wang", body: `{"purse":"aid","amount":"50.00","document":"BK-1"}`},
	{kind: "bank_statement", who: "wang", body: `{"amount":"1234.56","document":"DZ-1"}`},
	{kind: "meter_start", who: "zhang", body: `{"holder":"2026010","terminal":"10000001","amount":"5.00"}`},
	{kind: "meter_settle", who: "zhang", body: `{"original":"%s","amount":"0.96"}`},
	{kind: "meter_cancel", who: "zhang", body: `{"original":"%s"}`, before: func(s *site) {
		s.must("zhang", "meter_start", `{"holder":"2026010","terminal":"10000001","amount":"5.00"}`)
	}},
	{kind: "account_state", who: "chen", body: `{"holder":"2026011","state":"frozen","reason":"核查"}`},
	{kind: "counts", who: "wang", body: `{"holder":"2026012","purse":"meals","count":10,"reason":"餐券"}`},
	{kind: "count_sale", who: "zhang", body: `{"holder":"2026012","purse":"meals","terminal":"10000001","count":1}`},
	{kind: "close", who: "zhang", body: `{"desk":"D01","holder":"2026013","reason":"毕业"}`},
	{kind: "unclaimed", who: "wang", body: `{"holder":"2026014","reason":"离校一年"}`},
	{kind: "bank_sign", who: "chen", body: `{"holder":"2026015","account":"6222020012345678","identity":"id_card","signed":"2026-11-26","document":"TP-1","name":"李小明","id_number":"11010120000101123X"}`},
	{kind: "auto_load", who: "chen", body: `{"holder":"2026015","threshold":"100.00","amount":"200.00"}`},
	{kind: "bank_change", who: "chen", body: `{"holder":"2026015","account":"6222020012345678","other_account":"6222020087654321","identity":"records","signed":"2026-11-25","document":"TP-2","name":"李小明","id_number":"11010120000101123X"}`},
	{kind: "bank_unsign", who: "chen", body: `{"holder":"2026015","account":"6222020087654321","reason":"毕业"}`},
	{kind: "bank_withdrawal", who: "zhang", body: `{"holder":"2026016","amount":"20.00"}`, before: func(s *site) {
		s.must("chen", "bank_sign", `{"holder":"2026016","account":"6222020012345699","identity":"id_card","signed":"2026-11-26","document":"TP-3","name":"李小明","id_number":"11010120000101123X"}`)
	}},
	{kind: "withdrawal_charge", who: "wang", body: `{"original":"%s","amount":"20.00","document":"RC-3","reason":"补扣"}`},
	{kind: "withdrawal_return", who: "wang", body: `{"original":"%s","amount":"20.00","document":"RC-4","reason":"退还"}`},
	{kind: "drawer_close", who: "zhang", body: `{"desk":"D01","amount":"555.00"}`},
	{kind: "cash_to_bank", who: "wang", body: `{"amount":"50.00","document":"JK-2"}`},
	{kind: "transit_settled", who: "wang", body: `{"amount":"1.00","document":"QC-1"}`},
}

// must carries an act out, with a second person where it needs one, and returns its receipt.
func (s *site) must(who, kind, body string) console.Receipt {
	s.t.Helper()
	a := s.post(who, "/operations/"+kind, body)
	if a.status == http.StatusAccepted {
		require.Equal(s.t, "pending", a.receipt.Status)
		a = s.post("zhao", "/proposals/"+a.receipt.Number+"/approve", "{}")
		require.Equal(s.t, "zhao", a.receipt.Approver)
	}
	require.Equal(s.t, http.StatusCreated, a.status, "%s: %s", kind, a.body)
	require.Equal(s.t, kind, a.receipt.Kind)
	require.Equal(s.t, who, a.receipt.Operator)
	s.last = a.receipt.Number
	return a.receipt
}

// TestReadingNeedsATariffInForce: a reading is priced by the rules, and what they do not have is said.
func TestReadingNeedsATariffInForce(t *testing.T) {
	s := newSite(t)
	s.must("zhang", "meter_start", `{"holder":"2026010","terminal":"10000001","amount":"5.00"}`)
	for body, rule := range map[string]string{
		`{"original":"%s","tariff":"shower","reading":38400}`:                 "tariff_known",
		`{"original":"%s","reading":38400}`:                                   "required",
		`{"original":"%s","tariff":"shower","reading":38400,"amount":"0.96"}`: "amount_or_reading",
	} {
		a := s.post("zhang", "/operations/meter_settle", fmt.Sprintf(body, s.last))
		require.Equal(t, http.StatusUnprocessableEntity, a.status, "%s", a.body)
		require.Equal(t, rule, a.problem.Rule, "%s", a.body)
	}
	tables := &rules.Tables{Tariffs: []tariff.Tariff{{Code: "shower", Per: tariff.Tonne, Price: 2_500_000}}}
	version, faults, err := s.engine.PublishRules(t.Context(), &transaction.Publication{Tables: tables, Author: "lin", Reason: "水价"}, s.now())
	require.NoError(t, err)
	require.Empty(t, faults)
	r := s.must("zhang", "meter_settle", fmt.Sprintf(`{"original":"%s","tariff":"shower","reading":38400}`, s.last))
	require.Equal(t, "0.96", r.Amount.String())
	require.Equal(t, "shower", r.Tariff)
	require.EqualValues(t, 38400, *r.Reading)
	require.Equal(t, "38.4 L", r.Metered)
	require.Equal(t, version.Number, r.Rules)
	s.must("zhang", "meter_start", `{"holder":"2026010","terminal":"10000001","amount":"5.00"}`)
	r = s.must("zhang", "meter_settle", fmt.Sprintf(`{"original":"%s","tariff":"shower"}`, s.last))
	require.Equal(t, "0.00", r.Amount.String(), "nothing used")
	require.Zero(t, *r.Reading)
	require.Empty(t, r.Legs)
	s.balanced()
}

// impossible are the kinds that a site without a bank refuses, with the rule: no terminal has loaded anything, and no bank has said anything.
var impossible = map[string]string{
	"transit_settled": "account_funds", "load_make_up": "original_kind", "load_claim": "original_kind", "load_close": "load_open",
	"withdrawal_charge": "withdrawal_under_way", "withdrawal_return": "withdrawal_under_way",
}

// TestEveryKindOfTheCatalogue: each is carried out once and leaves the books balanced; its receipt can be read again.
func TestEveryKindOfTheCatalogue(t *testing.T) {
	s := newSite(t)
	done := map[string]bool{}
	for _, step := range goodActs {
		if step.before != nil {
			step.before(s)
		}
		body := step.body
		if strings.Contains(body, "%s") {
			body = fmt.Sprintf(body, s.last)
		}
		if rule, not := impossible[step.kind]; not {
			a := s.post(step.who, "/operations/"+step.kind, body)
			require.Equal(t, rule, a.problem.Rule)
			done[step.kind] = true
			continue
		}
		r := s.must(step.who, step.kind, body)
		s.balanced()
		done[step.kind] = true
		var again console.Receipt
		s.get("sun", "/receipts/"+r.Number, &again)
		r.Repeated = again.Repeated
		require.Equal(t, r, again)
		slip := s.get("sun", "/receipts/"+r.Number+"/slip?paper=80", nil)
		require.Equal(t, http.StatusOK, slip.status)
		require.Contains(t, string(slip.body), r.KindZH)
	}
	transaction.Catalogue(func(row transaction.CatalogueRow) { require.True(t, done[row.Label], "no example of %s", row.Label) })
	require.Empty(t, s.events.failed)
}

// TestEveryKindRefusesWrongFields: whatever is missing, unknown or of the wrong type is named, and nothing is written.
func TestEveryKindRefusesWrongFields(t *testing.T) {
	s := newSite(t)
	before := s.sequence()
	for _, step := range goodActs {
		var good map[string]any
		require.NoError(t, json.Unmarshal([]byte(strings.ReplaceAll(step.body, "%s", "1")), &good))
		path := "/operations/" + step.kind
		wrong := func(rule, location string, change func(map[string]any)) {
			t.Helper()
			body := maps.Clone(good)
			change(body)
			encoded, err := json.Marshal(body)
			require.NoError(t, err)
			a := s.post(step.who, path, string(encoded))
			require.Equal(t, http.StatusUnprocessableEntity, a.status, "%s %s: %s", step.kind, encoded, a.body)
			require.True(t, slices.ContainsFunc(a.problem.Errors, func(f console.Fault) bool { return f.Rule == rule && f.Location == location }), "%s %s: %s", step.kind, encoded, a.body)
		}
		wrong("unknown_field", "body.surprise", func(b map[string]any) { b["surprise"] = 1 })
		wrong("unknown_field", "body.evidence", func(b map[string]any) { b["evidence"] = map[string]any{} })
		wrong("unknown_field", "body.operator", func(b map[string]any) { b["operator"] = "wang" })
		wrong("length", "body.reason", func(b map[string]any) { b["reason"] = strings.Repeat("x", 201) })
		for field, value := range good {
			location := "body." + field
			if _, isText := value.(string); isText {
				wrong("type", location, func(b map[string]any) { b[field] = 12.5 })
			} else {
				wrong("type", location, func(b map[string]any) { b[field] = "x" })
			}
			if field == "amount" {
				for _, amount := range []string{"", "1.005", "1e3", "+1", " 1", "１", "1,000.00", "9999999999999.00", "0x10", "NaN"} {
					wrong("yuan", location, func(b map[string]any) { b[field] = amount })
				}
			}
		}
		row := rowOf(t, step.kind)
		needs, _ := console.FieldsOf(&row)
		for _, field := range needs {
			wrong("required", "body", func(b map[string]any) { delete(b, field) })
		}
	}
	require.Equal(t, before, s.sequence(), "nothing was written")
	require.Empty(t, s.events.failed)
}

func rowOf(t *testing.T, label string) (found transaction.CatalogueRow) {
	t.Helper()
	transaction.Catalogue(func(row transaction.CatalogueRow) {
		if row.Label == label {
			found = row
		}
	})
	require.NotZero(t, found.Kind, label)
	return found
}

// TestWrongRequests: what is wrong before a field is looked at.
func TestWrongRequests(t *testing.T) {
	s := newSite(t)
	before := s.sequence()
	body := `{"desk":"D01","holder":"2026001","amount":"1.00"}`
	for _, c := range []struct {
		name, method, path, key, body, rule string
		status                              int
	}{
		{"no key", http.MethodPost, "/operations/cash_deposit", "", body, "invalid_fields", 422},
		{"a short key", http.MethodPost, "/operations/cash_deposit", "1234567", body, "invalid_fields", 422},
		{"a long key", http.MethodPost, "/operations/cash_deposit", strings.Repeat("k", 129), body, "invalid_fields", 422},
		{"a key with a space", http.MethodPost, "/operations/cash_deposit", "1234 5678", body, "invalid_fields", 422},
		{"no JSON", http.MethodPost, "/operations/cash_deposit", "12345678", "{", "bad_request", 400},
		{"two values", http.MethodPost, "/operations/cash_deposit", "12345678", body + body, "bad_request", 400},
		{"no body", http.MethodPost, "/operations/cash_deposit", "12345678", "", "bad_request", 400},
		{"a list", http.MethodPost, "/operations/cash_deposit", "12345678", "[1]", "invalid_fields", 422},
		{"null", http.MethodPost, "/operations/cash_deposit", "12345678", "null", "invalid_fields", 422},
		{"too much", http.MethodPost, "/operations/cash_deposit", "12345678", `{"reason":"` + strings.Repeat("x", 70_000) + `"}`, "too_large", 413},
		{"no such kind", http.MethodPost, "/operations/gift", "12345678", body, "not_found", 404},
		{"no such path", http.MethodGet, "/nothing", "", "", "not_found", 404},
		{"no such method", http.MethodDelete, "/operations/cash_deposit", "12345678", "", "not_found", 404},
		{"unknown query", http.MethodGet, "/desks?open=1", "", "", "invalid_fields", 422},
		{"a page too long", http.MethodGet, "/proposals?limit=501", "", "", "invalid_fields", 422},
		{"a token that is none", http.MethodGet, "/proposals?after=x", "", "", "invalid_fields", 422},
		{"no such day", http.MethodGet, "/desks/D01/sheet?day=2026-13-01", "", "", "invalid_fields", 422},
		{"no such desk", http.MethodGet, "/desks/D99/sheet", "", "", "desk_known", 404},
		{"no such holder", http.MethodGet, "/holders/9999", "", "", "holder_known", 404},
		{"no such receipt", http.MethodGet, "/receipts/999999", "", "", "record_known", 404},
		{"a receipt of no number", http.MethodGet, "/receipts/99999999999999999999", "", "", "number_known", 404},
		{"a receipt of a directory row", http.MethodGet, "/receipts/1", "", "", "not_an_operation", 404},
		{"no such proposal", http.MethodGet, "/proposals/1", "", "", "proposal_known", 404},
		{"no such batch", http.MethodGet, "/batches/1", "", "", "batch_known", 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.t = t
			a := s.send("zhang", c.method, c.path, c.key, c.body)
			require.Equal(t, c.status, a.status, "%s", a.body)
			require.Equal(t, c.rule, a.problem.Rule, "%s", a.body)
		})
	}
	s.t = t
	require.Equal(t, before, s.sequence(), "nothing was written")
	require.Empty(t, s.events.failed)
}

// TestTheMoneyIsThere: what a good form asks for and the books do not allow.
func TestTheMoneyIsThere(t *testing.T) {
	s := newSite(t)
	s.must("zhang", "drawer_open", `{"desk":"D01","amount":"10.00"}`)
	for _, c := range []struct{ who, kind, body, rule, field string }{
		{"zhang", "withdrawal", `{"desk":"D01","holder":"2026001","amount":"50.01"}`, "funds", "amount"},
		{"zhang", "withdrawal", `{"desk":"D01","holder":"2026001","amount":"20.00"}`, "drawer_funds", "amount"},
		{"zhang", "withdrawal", `{"desk":"D01","holder":"2026001","amount":"1.05","unit":"0.10"}`, "unit", "amount"},
		{"zhang", "cash_deposit", `{"desk":"D01","holder":"2026001","amount":"-1.00"}`, "amount_positive", "amount"},
		{"zhang", "cash_deposit", `{"desk":"D01","holder":"2026001","amount":"0"}`, "required", "amount"},
		{"zhang", "cash_deposit", `{"desk":"D01","holder":"2026001","amount":"1950.01"}`, "purse_cap", "amount"},
		{"zhang", "cash_deposit", `{"desk":"D01","holder":"20260010","amount":"1.00"}`, "holder_known", "holder"},
		{"zhang", "cash_deposit", `{"desk":"D02","holder":"2026001","amount":"1.00"}`, "drawer_open", "desk"},
		{"zhang", "cash_deposit", `{"desk":"D01","holder":"2026001","purse":"aid","amount":"1.00"}`, "purse_own", "purse"},
		{"wang", "subsidy", `{"holder":"2026001","purse":"nobody","amount":"1.00","reason":"x"}`, "purse_known", "purse"},
		{"wang", "refund", `{"original":"999999","amount":"1.00","reason":"x"}`, "original_known", "original"},
		{"wang", "refund", `{"original":"1","amount":"1.00","reason":"x"}`, "original_kind", "original"},
		{"wang", "hold_release", `{"original":"1","reason":"x"}`, "hold_known", "original"},
	} {
		before := s.sequence()
		a := s.post(c.who, "/operations/"+c.kind, c.body)
		require.Equal(t, http.StatusUnprocessableEntity, a.status, "%s %s: %s", c.kind, c.body, a.body)
		require.Equal(t, c.rule, a.problem.Rule, "%s %s: %s", c.kind, c.body, a.body)
		require.Equal(t, "body."+c.field, a.problem.Errors[0].Location, "%s", a.body)
		require.LessOrEqual(t, s.sequence(), before+1, "nothing but the chart of accounts was written")
	}
	s.balanced()
}
