package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"onecard/switch/rules"
	"onecard/switch/transaction"
)

// RulesQuestion is what is asked of a running switch about its rules: a file's tables in their stored form, or a return to an older version.
type RulesQuestion struct {
	Tables    []byte `json:"tables,omitempty"`
	ReturnTo  uint32 `json:"return_to,omitempty"`
	Effective string `json:"effective,omitempty"` // at the site, EffectiveLayout; "" at once
	Author    string `json:"author,omitempty"`
	Approver  string `json:"approver,omitempty"`
	Reason    string `json:"reason,omitempty"`
}

// EffectiveLayout is how the time is written from which a version counts.
const EffectiveLayout = "2006-01-02T15:04"

// RulesVersion is one publication for those who look at it.
type RulesVersion struct {
	Number    uint32    `json:"version"`
	Names     uint32    `json:"tables_of"` // the version whose tables these are; 0: the directory's limits alone
	Title     string    `json:"title,omitempty"`
	Effective time.Time `json:"effective"`
	Published time.Time `json:"published"`
	Record    uint64    `json:"record"`
	Author    string    `json:"author"`
	Approver  string    `json:"approver,omitempty"`
	Reason    string    `json:"reason"`
	Tables    []byte    `json:"tables,omitempty"` // stored form
}

// RulesState is all that was published, oldest first, and what is in force.
type RulesState struct {
	Versions []RulesVersion `json:"versions"`
	InForce  uint32         `json:"in_force"`
	Next     *time.Time     `json:"next,omitempty"` // when the version in force changes by itself
}

// RulesAnswer is what the control socket says about rules.
type RulesAnswer struct {
	Error     string        `json:"error,omitempty"`
	Faults    []rules.Fault `json:"faults,omitempty"`
	State     *RulesState   `json:"state,omitempty"`
	Published *RulesVersion `json:"published,omitempty"`
}

func rulesVersionOf(v *transaction.RulesVersion, zone *time.Location) RulesVersion {
	out := RulesVersion{
		Number: v.Number, Names: v.Names, Effective: time.UnixMicro(v.Effective).In(zone), Published: time.UnixMicro(v.Published).In(zone), Record: v.Sequence,
		Author: v.Author, Approver: v.Approver, Reason: v.Reason, Tables: v.Tables,
	}
	if tables, err := rules.Decode(v.Tables); err == nil {
		out.Title = tables.Title
	}
	return out
}

// rulesStateOf reads what was published. It is called on the owner, or on a ledger that nobody serves.
func rulesStateOf(state *transaction.State, now int64) ([]transaction.RulesVersion, RulesState, *time.Location) {
	zone := time.FixedZone("", int(state.Site().ZoneSeconds))
	number, until := state.RulesInForce(now)
	s := RulesState{InForce: number}
	if until < 1<<62 {
		next := time.UnixMicro(until).In(zone)
		s.Next = &next
	}
	return state.RulesVersions(), s, zone
}

func (s *RulesState) fill(versions []transaction.RulesVersion, zone *time.Location) {
	s.Versions = make([]RulesVersion, len(versions))
	for i := range versions {
		s.Versions[i] = rulesVersionOf(&versions[i], zone)
	}
}

// serveRules adds the rules to the control socket.
//
//	GET  /rules        what was published and what is in force
//	POST /rules        publishes a version (RulesQuestion)
//	POST /rules/check  says what is wrong with tables for this site
//	POST /whatif       prices past purchases again, see whatif.go
func (s *server) serveRules(mux *http.ServeMux) {
	mux.HandleFunc("GET /rules", s.listRules)
	mux.HandleFunc("POST /rules", s.publishRules)
	mux.HandleFunc("POST /rules/check", s.checkRules)
	mux.HandleFunc("POST /whatif", s.answerWhatIf)
}

func (s *server) listRules(w http.ResponseWriter, r *http.Request) {
	var versions []transaction.RulesVersion
	var state RulesState
	var zone *time.Location
	err := s.opened.engine.Look(r.Context(), func(of *transaction.State) { versions, state, zone = rulesStateOf(of, s.clock.micros()) })
	if err != nil {
		answerJSON(w, http.StatusServiceUnavailable, RulesAnswer{Error: err.Error()})
		return
	}
	state.fill(versions, zone)
	answerJSON(w, http.StatusOK, RulesAnswer{State: &state})
}

// readRules reads a question. false: the answer has been given.
func readRules(w http.ResponseWriter, r *http.Request) (q RulesQuestion, tables *rules.Tables, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 2*rules.MaxBytes))
	if err == nil {
		err = json.Unmarshal(body, &q)
	}
	if err == nil && len(q.Tables) > 0 {
		tables, err = rules.Decode(q.Tables)
	}
	if err != nil {
		answerJSON(w, http.StatusBadRequest, RulesAnswer{Error: err.Error()})
	}
	return q, tables, err == nil
}

func (s *server) publishRules(w http.ResponseWriter, r *http.Request) {
	q, tables, ok := readRules(w, r)
	if !ok {
		return
	}
	zone := time.FixedZone("", int(s.config.site().ZoneSeconds))
	effective := int64(0)
	if q.Effective != "" {
		at, err := time.ParseInLocation(EffectiveLayout, q.Effective, zone)
		if err != nil {
			answerJSON(w, http.StatusBadRequest, RulesAnswer{Error: fmt.Sprintf("生效时间 %q 须写成 2027-02-22T00:00 / write the time %[1]q as 2027-02-22T00:00", q.Effective)})
			return
		}
		effective = at.UnixMicro()
	}
	p := &transaction.Publication{Tables: tables, ReturnTo: q.ReturnTo, Effective: effective, Author: q.Author, Approver: q.Approver, Reason: q.Reason}
	version, faults, err := s.opened.engine.PublishRules(r.Context(), p, s.clock.micros())
	switch {
	case err != nil:
		answerJSON(w, http.StatusUnprocessableEntity, RulesAnswer{Error: err.Error()})
	case len(faults) > 0:
		answerJSON(w, http.StatusUnprocessableEntity, RulesAnswer{Faults: faults})
	default:
		published := rulesVersionOf(&version, zone)
		published.Tables = nil
		answerJSON(w, http.StatusOK, RulesAnswer{Published: &published})
	}
}

func (s *server) checkRules(w http.ResponseWriter, r *http.Request) {
	_, tables, ok := readRules(w, r)
	if !ok {
		return
	}
	var faults []rules.Fault
	err := s.opened.engine.Look(r.Context(), func(state *transaction.State) {
		if tables != nil {
			faults = state.CheckRules(tables)
		}
	})
	if err != nil {
		answerJSON(w, http.StatusServiceUnavailable, RulesAnswer{Error: err.Error()})
		return
	}
	answerJSON(w, http.StatusOK, RulesAnswer{Faults: faults})
}

func (c *Client) askRules(ctx context.Context, method, path string, q *RulesQuestion) (RulesAnswer, error) {
	var body []byte
	var a RulesAnswer
	if q != nil {
		var err error
		if body, err = json.Marshal(q); err != nil {
			return a, err
		}
	}
	if err := c.call(ctx, method, path, body, &a); err != nil {
		return a, err
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

// Rules asks what was published and what is in force.
func (c *Client) Rules(ctx context.Context) (*RulesState, error) {
	a, err := c.askRules(ctx, http.MethodGet, "/rules", nil)
	if err == nil && a.State == nil {
		err = errors.New("交换机的应答不完整 / the switch's answer is incomplete")
	}
	return a.State, err
}

// CheckRules asks what is wrong with tables for the site of a running switch.
func (c *Client) CheckRules(ctx context.Context, tables *rules.Tables) ([]rules.Fault, error) {
	a, err := c.askRules(ctx, http.MethodPost, "/rules/check", &RulesQuestion{Tables: tables.Append(nil)})
	return a.Faults, err
}

// PublishRules publishes a version. An empty author is the user who runs this program.
func (c *Client) PublishRules(ctx context.Context, q RulesQuestion) (*RulesVersion, []rules.Fault, error) {
	if q.Author == "" {
		q.Author = operatorName()
	}
	a, err := c.askRules(ctx, http.MethodPost, "/rules", &q)
	return a.Published, a.Faults, err
}

// StoppedRules reads the rules of a ledger that no switch has open.
func StoppedRules(ctx context.Context, c *Config) (state *RulesState, err error) {
	store, engine, err := OpenToRead(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	versions, s, zone := rulesStateOf(engine.State(), newClock().micros())
	s.fill(versions, zone)
	return &s, nil
}

// CheckStoppedRules says what is wrong with tables for the site of a ledger that no switch has open.
func CheckStoppedRules(ctx context.Context, c *Config, tables *rules.Tables) (faults []rules.Fault, err error) {
	store, engine, err := OpenToRead(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return engine.State().CheckRules(tables), nil
}
