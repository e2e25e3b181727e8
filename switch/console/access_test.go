package console_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/switch/console"
	"onecard/switch/transaction"
)

var allRoles = []string{"cashier", "cards", "accountant", "approver", "reader", "administrator"}

// allowedTo says who may do what besides the operations of the catalogue. The matrix below holds every path of the API against it.
var allowedTo = map[string][]string{
	"GET /me": allRoles, "GET /catalogue": allRoles,
	"GET /operators":                   {"administrator", "approver", "reader"},
	"GET /holders/{number}":            {"cashier", "cards", "accountant", "approver", "reader"},
	"GET /proposals":                   {"cashier", "cards", "accountant", "approver", "reader"},
	"GET /proposals/{number}":          {"cashier", "cards", "accountant", "approver", "reader"},
	"POST /proposals/{number}/approve": {"approver"},
	"POST /proposals/{number}/reject":  {"cashier", "cards", "accountant", "approver", "reader"},
	"GET /batches":                     {"cashier", "cards", "accountant", "approver", "reader"},
	"GET /batches/{number}":            {"cashier", "cards", "accountant", "approver", "reader"},
	"POST /batches":                    {"accountant"},
	"POST /batches/{number}/approve":   {"approver"},
	"POST /batches/{number}/reject":    {"accountant", "approver"},
	"POST /batches/{number}/cancel":    {"accountant", "approver"},

	"POST /settlements":                                {"accountant"},
	"GET /settlements":                                 {"cashier", "cards", "accountant", "approver", "reader"},
	"GET /settlements/{number}":                        {"cashier", "cards", "accountant", "approver", "reader"},
	"GET /payouts":                                     {"accountant", "approver"},
	"POST /settlements/{number}/check":                 {"cards"},
	"POST /settlements/{number}/approve":               {"approver"},
	"POST /settlements/{number}/pay":                   {"accountant"},
	"POST /settlements/{number}/close":                 {"accountant", "approver"},
	"POST /settlements/{number}/cancel":                {"cards", "accountant", "approver"},
	"GET /desks":                                       {"cashier", "cards", "accountant", "approver", "reader"},
	"GET /desks/{desk}/sheet":                          {"cashier", "cards", "accountant", "approver", "reader"},
	"GET /receipts/{number}":                           {"cashier", "cards", "accountant", "approver", "reader"},
	"GET /receipts/{number}/slip":                      {"cashier", "cards", "accountant", "approver", "reader"},
	"GET /statements":                                  {"cashier", "cards", "accountant", "approver", "reader"},
	"GET /totals":                                      {"cashier", "cards", "accountant", "approver", "reader"},
	"GET /balances":                                    {"cashier", "cards", "accountant", "approver", "reader"},
	"GET /days":                                        {"cashier", "cards", "accountant", "approver", "reader"},
	"GET /days/{day}":                                  {"cashier", "cards", "accountant", "approver", "reader"},
	"GET /channels":                                    {"cashier", "cards", "accountant", "approver", "reader"},
	"POST /channels/{channel}/orders":                  {"cashier", "accountant"},
	"GET /channels/{channel}/orders/{number}":          {"cashier", "cards", "accountant", "approver", "reader"},
	"POST /channels/{channel}/orders/{number}/refunds": {"cashier", "accountant"},
	"POST /channels/{channel}/orders/{number}/settle":  {"accountant"},
	"POST /channels/{channel}/reconciliations/{day}":   {"accountant"},
	"GET /channels/{channel}/reconciliations/{day}":    {"cashier", "cards", "accountant", "approver", "reader"},
	"POST /bank/verify":                                {"cashier", "cards"},
	"POST /bank/balance":                               {"cashier", "cards", "accountant"},
	"GET /bank/withdrawals":                            {"cashier", "cards", "accountant", "approver", "reader"},
	"POST /bank/automatic-loads":                       {"accountant"},
	"POST /banks/{bank}/days/{day}":                    {"accountant"},
	"POST /banks/{bank}/days/{day}/proposals":          {"accountant"},
	"GET /banks/{bank}/days/{day}":                     {"cashier", "cards", "accountant", "approver", "reader"},
	"GET /banks/{bank}/days/{day}/totals":              {"cashier", "cards", "accountant", "approver", "reader"},
	"GET /banks/{bank}/days":                           {"cashier", "cards", "accountant", "approver", "reader"},
	"GET /banks":                                       {"cashier", "cards", "accountant", "approver", "reader"},
	"POST /banks/{bank}/key":                           {"accountant"},
	"POST /banks/{bank}/links/{link}/drain":            {"accountant"},
	"POST /banks/{bank}/links/{link}/resume":           {"accountant"},
	"GET /proofs/{number}":                             {"cashier", "cards", "accountant", "approver", "reader"},
}

// paths lists the API as it describes itself.
func (s *site) paths() (all []string) {
	var spec struct{ Paths map[string]map[string]any }
	response, err := http.Get(s.server.URL + console.Base + "/openapi.json")
	require.NoError(s.t, err)
	defer response.Body.Close()
	require.Equal(s.t, http.StatusOK, response.StatusCode)
	require.NoError(s.t, json.NewDecoder(response.Body).Decode(&spec))
	http.DefaultClient.CloseIdleConnections()
	for path, methods := range spec.Paths {
		for method := range methods {
			all = append(all, strings.ToUpper(method)+" "+strings.TrimPrefix(path, console.Base))
		}
	}
	slices.Sort(all)
	return all
}

// TestRolesMatrix: every path with every role alone, and with no token at all.
func TestRolesMatrix(t *testing.T) {
	s := newSite(t)
	for _, role := range allRoles {
		s.hire("only-"+role, role)
	}
	transaction.Catalogue(func(row transaction.CatalogueRow) {
		allowedTo["POST /operations/"+row.Label] = strings.Split(row.Roles.String(), ",")
	})
	paths := s.paths()
	require.Len(t, paths, len(allowedTo), "a path without a row in the matrix, or the other way round: %v", paths)
	cells := 0
	for _, route := range paths {
		may, known := allowedTo[route]
		require.True(t, known, "%s is not in the matrix", route)
		method, path, _ := strings.Cut(route, " ")
		path = strings.NewReplacer("{number}", "1", "{desk}", "D01", "{channel}", "wechat", "{day}", "2026-11-25").Replace(path)
		body := ""
		if method == http.MethodPost {
			body = "{}"
		}
		for _, role := range allRoles {
			a := s.send("only-"+role, method, path, console.NewName(), body)
			refused := a.status == http.StatusForbidden && a.problem.Rule == "role_missing"
			require.Equal(t, !slices.Contains(may, role), refused, "%s as %s: %d %s", route, role, a.status, a.body)
			if refused {
				require.Contains(t, a.problem.Detail, may[0], "it says which role is needed")
			}
			cells++
		}
		require.Equal(t, http.StatusUnauthorized, s.send("", method, path, console.NewName(), body).status, route)
	}
	t.Logf("%d paths, %d cells", len(paths), cells)
	require.Empty(t, s.events.failed)
}

// hire registers an operator while the switch runs.
func (s *site) hire(code, roles string) {
	s.t.Helper()
	parsed, ok := transaction.ParseRoles(roles)
	require.True(s.t, ok)
	token, hash, err := console.NewToken(code, strings.NewReader(strings.Repeat(code, 32)))
	require.NoError(s.t, err)
	require.NoError(s.t, s.engine.SetOperator(s.t.Context(), transaction.OperatorRow{Code: code, Roles: parsed, TokenHash: hash}, "root", s.now()))
	s.mu.Lock()
	s.tokens[code] = token
	s.mu.Unlock()
}

// TestTokens: a wrong token, another's, one of somebody suspended or unknown; none of them is in the log, and nothing says which part was
// wrong.
func TestTokens(t *testing.T) {
	s := newSite(t)
	_, secret, _ := strings.Cut(s.tokens["zhang"], ".")
	s.tokens["another's"] = "li." + secret
	s.tokens["nobody's"] = "nobody." + secret
	s.tokens["nonsense"] = "zhang.nonsense"
	wrong := s.get("another's", "/me", nil)
	require.Equal(t, http.StatusUnauthorized, wrong.status)
	require.Equal(t, "token_wrong", wrong.problem.Rule)
	require.Contains(t, wrong.header.Get("WWW-Authenticate"), "Bearer")
	unknown := s.get("nobody's", "/me", nil)
	require.Equal(t, string(wrong.body), string(unknown.body), "the same words for both")
	require.Equal(t, "token_missing", s.get("nonsense", "/me", nil).problem.Rule)
	require.Equal(t, "token_missing", s.get("", "/me", nil).problem.Rule)
	require.Equal(t, 4, s.events.unidentified)

	var me console.Me
	s.get("zhang", "/me", &me)
	require.Equal(t, console.Me{Operator: "zhang", Roles: []string{"cashier"}, Address: "127.0.0.1"}, me)
	var before transaction.Operator
	require.NoError(t, s.engine.Look(t.Context(), func(state *transaction.State) { before, _ = state.OperatorByCode("zhang") }))
	require.NoError(t, s.engine.SetOperator(t.Context(), transaction.OperatorRow{Code: "zhang", Roles: before.Roles, Suspended: true, TokenHash: before.TokenHash}, "root", s.now()))
	a := s.get("zhang", "/me", nil)
	require.Equal(t, http.StatusForbidden, a.status)
	require.Equal(t, "operator_suspended", a.problem.Rule)

	s.stop()
	log, err := os.ReadFile(filepath.Join(s.folder, console.AuditLog))
	require.NoError(t, err)
	require.NotContains(t, string(log), secret)
	require.Contains(t, string(log), `"outcome":"token_wrong"`)
	report, err := console.CheckAudit(s.folder, console.AuditKey{7}, "")
	require.NoError(t, err)
	require.Empty(t, report.Faults)
}

// TestTokensTravelOnlyWhereNobodyReadsAlong: a listener that is not loopback, without TLS.
func TestTokensTravelOnlyWhereNobodyReadsAlong(t *testing.T) {
	s := newSite(t)
	r := httptest.NewRequest(http.MethodGet, console.Base+"/me", nil) // no local address in its context: it could be any
	r.Header.Set("Authorization", "Bearer "+s.tokens["zhang"])
	w := httptest.NewRecorder()
	s.server.Config.Handler.ServeHTTP(w, r)
	require.Equal(t, http.StatusForbidden, w.Code)
	require.Contains(t, w.Body.String(), "tls_required")
	r = httptest.NewRequest(http.MethodGet, "https://desk"+console.Base+"/me", nil) // TLS
	r.Header.Set("Authorization", "Bearer "+s.tokens["zhang"])
	w = httptest.NewRecorder()
	s.server.Config.Handler.ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code)
}

// TestAuditTellsWhoReadWhat: refusals and reads of persons' data, with address and subject; card numbers never.
func TestAuditTellsWhoReadWhat(t *testing.T) {
	s := newSite(t)
	s.get("sun", "/holders/2026001", &console.HolderView{})
	s.get("qian", "/holders/2026001", nil)
	s.get("sun", "/holders/9156000000000012", nil)
	s.post("zhang", "/operations/cash_deposit", `{"desk":"D01","holder":"2026001","amount":"1.00","reason":"卡 9156000000000012"}`)
	s.post("zhang", "/operations/cash_deposit", `{"desk":`)
	s.stop()
	log, err := os.ReadFile(filepath.Join(s.folder, console.AuditLog))
	require.NoError(t, err)
	var lines []string
	for line := range strings.Lines(string(log)) {
		line = regexp.MustCompile(`"time":"[^"]*",`).ReplaceAllString(line, "")
		lines = append(lines, strings.TrimSpace(regexp.MustCompile(`"chain":"[^"]*",`).ReplaceAllString(line, "")))
	}
	require.Equal(t, []string{
		`{"n":1,"operator":"sun","address":"127.0.0.1","act":"holder","subject":"holder 2026001","outcome":"read"}`,
		`{"n":2,"operator":"qian","address":"127.0.0.1","act":"holder","outcome":"role_missing"}`,
		`{"n":3,"operator":"sun","address":"127.0.0.1","act":"holder","subject":"holder 915600******0012","outcome":"holder_known"}`,
		`{"n":4,"operator":"zhang","address":"127.0.0.1","act":"cash_deposit","subject":"holder 2026001","outcome":"drawer_open","reason":"卡 915600******0012"}`,
		`{"n":5,"operator":"zhang","address":"127.0.0.1","act":"cash_deposit","outcome":"bad_request"}`,
	}, lines)
}

// TestNothingIsReadUnseen: when the audit log cannot be written, persons' data is not shown; money that has moved is still receipted.
func TestNothingIsReadUnseen(t *testing.T) {
	s := newSite(t)
	s.must("zhang", "drawer_open", `{"desk":"D01","amount":"10.00"}`)
	require.NoError(t, s.audit.Close())
	a := s.get("sun", "/holders/2026001", nil)
	require.Equal(t, http.StatusServiceUnavailable, a.status)
	require.Equal(t, "audit_unavailable", a.problem.Rule)
	require.NotContains(t, string(a.body), "李")
	s.must("zhang", "cash_deposit", `{"desk":"D01","holder":"2026001","amount":"1.00"}`)
	require.NotEmpty(t, s.events.failed)
}

// TestTheAPIDescribesItself: an OpenAPI document and a page, neither of which needs the internet.
func TestTheAPIDescribesItself(t *testing.T) {
	s := newSite(t)
	require.Greater(t, len(s.paths()), 50)
	for _, path := range []string{"/openapi.json", "/docs"} {
		w := httptest.NewRecorder()
		s.server.Config.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, console.Base+path, nil))
		require.Equal(t, http.StatusOK, w.Code)
		text := w.Body.String()
		for _, elsewhere := range []string{"unpkg", "cdn", "http://", "https://", "<script", "ErrorModel"} {
			require.False(t, strings.Contains(text, elsewhere), "%s speaks of %s", path, elsewhere)
		}
		require.True(t, strings.Contains(text, "cash_deposit"))
		require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	}
	var all struct{ Operations []console.CatalogueView }
	s.get("qian", "/catalogue", &all)
	require.Equal(t, "cash_deposit", all.Operations[0].Kind)
	require.Equal(t, fmt.Sprint([]string{"desk", "holder", "amount"}), fmt.Sprint(all.Operations[0].Needs))
}
