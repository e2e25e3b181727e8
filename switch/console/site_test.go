package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	randv2 "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/ledger/pebblestore"
	"onecard/switch/console"
	"onecard/switch/query"
	"onecard/switch/transaction"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a small campus with a real ledger, a real engine and the console on a real port.
type site struct {
	t      testing.TB
	folder string     // of the audit log
	disk   *vfs.MemFS // of the ledger
	store  *pebblestore.Store
	engine *transaction.Engine
	audit  *console.Audit
	server *httptest.Server
	clock  *atomic.Int64
	stop   func()
	last   string // number of the newest act
	bank   paperBank

	bankless bool

	mu     sync.Mutex
	tokens map[string]string // guarded by mu
	events events
}

// events counts what the console tells.
type events struct {
	mu           sync.Mutex
	asked        map[string]int // act and outcome
	unidentified int
	failed       []error
}

// people of the card centre: who may do what.
var staff = map[string]string{
	"zhang": "cashier", "li": "cashier", "wang": "accountant", "zhao": "approver", "chen": "cards", "sun": "reader", "qian": "administrator", "wu": "accountant,approver",
}

var staffOrder = []string{"zhang", "li", "wang", "zhao", "chen", "sun", "qian", "wu"}

// nine is 2026-11-26 09:00 at the site.
var nine = time.Date(2026, 11, 26, 9, 0, 0, 0, time.FixedZone("", 8*3600))

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, folder: t.TempDir(), disk: vfs.NewCrashableMem(), clock: new(atomic.Int64), tokens: map[string]string{}, events: events{asked: map[string]int{}}}
	s.clock.Store(nine.UnixMicro())
	s.open(true)
	return s
}

// now goes on by a second with each look, so that receipts can be told apart and the same script gives the same times.
func (s *site) now() int64 { return s.clock.Add(1_000_000) }

func (s *site) open(fresh bool) {
	t := s.t
	var err error
	s.store, err = pebblestore.Open(pebblestore.Options{Dir: "ledger", FS: s.disk, MemTableBytes: 4 << 20})
	require.NoError(t, err)
	s.engine, err = transaction.Open(context.Background(), transaction.Config{Journal: s.store, Checkpoints: s.store, Site: transaction.DefaultSite(), Withdrawals: transaction.WithdrawalTerms{
		Takes: func(account uint64) bool { return account/1_000_000_000_000 == 6222 }, Single: 30_000, Day: 50_000, TwoPersons: 20_000,
	}}, s.clock.Load())
	require.NoError(t, err)
	if fresh {
		s.populate()
	}
	register := s.engine.State().NewRegister()
	require.NoError(t, s.store.StartIndexer(pebblestore.Index{Keys: register.Statements, Shared: transaction.SharedStatements, Totals: pebblestore.Totals{Count: register.Count, Settle: register.Settle, RollUp: transaction.RollUp}}))
	s.audit, err = console.OpenAudit(s.folder, console.AuditKey{7}, time.UnixMicro(s.clock.Load()))
	require.NoError(t, err)
	door := &idleDoor{wake: make(chan struct{}, 1)}
	s.engine.Connect(door, noBank{})
	running, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.engine.Run(running, s.clock.Load()) }()
	var bank console.Bank
	if !s.bankless {
		bank = &s.bank
	}
	c := console.New(console.Config{
		Core: s.engine, Store: s.store, NoEntry: pebblestore.ErrNoEntry, Audit: s.audit, Clock: s.now, Zone: 8 * 3600, Version: "test", Events: s.told(),
		Settlement: oneLine{}, Bank: bank, LoadAutomatically: func(context.Context) (int, error) { return 3, nil },
		Names: func(_, key string) string {
			return map[string]string{"2026001": "李小明", "2026002": "欧阳晓"}[key]
		},
		Questions: query.New(query.Config{Store: s.store, Look: s.engine.Look, Now: s.clock.Load}, 8*3600), Days: noDays{},
		Prove: func(_ context.Context, sequence uint64) (any, error) {
			if sequence > 1<<40 {
				return nil, console.ErrNoEntry
			}
			return map[string]uint64{"record": sequence}, nil
		},
	})
	s.server = httptest.NewServer(c.Handler())
	var once sync.Once
	s.stop = func() {
		once.Do(func() {
			s.server.Close()
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				require.NoError(t, err)
			}
			require.NoError(t, s.audit.Close())
			require.NoError(t, s.store.Close())
		})
	}
	t.Cleanup(s.stop)
}

// oneLine draws up sheets of one line: how they are worked out is tested with the totals of a real switch.
type oneLine struct{}

func (oneLine) Lines(_ context.Context, _ string, _, _ uint32, _, _ []transaction.SheetLine) ([]transaction.SheetLine, money.Fen, error) {
	return []transaction.SheetLine{{Code: "gross", Amount: 100}}, 100, nil
}

func (oneLine) Title(code string) string { return code }

func (oneLine) Payout(_ context.Context, w io.Writer, sheets []transaction.Sheet, format string) error {
	_, err := fmt.Fprintln(w, format, len(sheets))
	return err
}

// populate registers 100 holders, one merchant with a terminal, two desks, a programme of each kind, and the staff.
func (s *site) populate() {
	t := s.t
	dir := &transaction.Directory{
		Classes: []transaction.ClassRow{{Code: "student", PurseCap: 200_000}},
		Merchants: []transaction.MerchantRow{
			{Code: merchant("100000000000001")}, {Code: merchant("100000000000002")}, {Code: merchant("100000000000003")},
		},
		Terminals: []transaction.TerminalRow{{Code: transaction.TerminalCode([]byte("10000001")), Merchant: merchant("100000000000001"), Type: transaction.TerminalPOS, SealedKey: []byte("sealed")}},
		Sets:      []transaction.AccountSetRow{{Set: transaction.CountSet, Code: "counts"}},
		Terms: []transaction.MerchantTerms{
			{Merchant: merchant("100000000000001"), Sets: 1 << transaction.CountSet},
			{Merchant: merchant("100000000000002"), Department: true},
			{Merchant: merchant("100000000000003"), Department: true},
		},
		Programmes: []transaction.ProgrammeRow{
			{Code: "aid", Account: ledger.CodeSubsidyPurse}, {Code: "water", Account: ledger.CodeWaterPurse}, {Code: "meals", Account: ledger.CodeCountPurse, Set: transaction.CountSet},
		},
		Desks: []transaction.DeskRow{{Code: "D01"}, {Code: "D02"}},
	}
	for i := range 100 {
		dir.Holders = append(dir.Holders, transaction.HolderRow{Number: holderNumber(i + 1), Class: "student", OpeningMain: 5000})
		dir.Cards = append(dir.Cards, transaction.CardRow{Number: transaction.CardNumber(9156000000000001 + i), Holder: holderNumber(i + 1)})
	}
	faults, err := s.engine.ImportBeforeRun(dir, s.clock.Load())
	require.NoError(t, err)
	require.Empty(t, faults)
	random := rand.New(rand.NewSource(1))
	for _, code := range staffOrder {
		roles, ok := transaction.ParseRoles(staff[code])
		require.True(t, ok)
		token, hash, err := console.NewToken(code, random)
		require.NoError(t, err)
		s.tokens[code] = token
		require.NoError(t, s.engine.SetOperatorBeforeRun(transaction.OperatorRow{Code: code, Roles: roles, TokenHash: hash}, "root", s.clock.Load()))
	}
}

func holderNumber(i int) string {
	return "2026" + string([]byte{byte('0' + i/100), byte('0' + i/10%10), byte('0' + i%10)})
}

func merchant(code string) transaction.MerchantCode { return transaction.MerchantCode([]byte(code)) }

func (s *site) told() console.Events {
	return console.Events{
		Asked: func(act, outcome string, _ time.Duration) {
			s.events.mu.Lock()
			defer s.events.mu.Unlock()
			s.events.asked[act+" "+outcome]++
		},
		Unidentified: func(string, string, string) {
			s.events.mu.Lock()
			defer s.events.mu.Unlock()
			s.events.unidentified++
		},
		Failed: func(_ string, err error) {
			s.events.mu.Lock()
			defer s.events.mu.Unlock()
			s.events.failed = append(s.events.failed, err)
		},
	}
}

// killed makes the site that a kill -9 would leave behind now: what the process has written, and nothing that it would still do.
func (s *site) killed() *site {
	s.t.Helper()
	after := &site{t: s.t, folder: s.t.TempDir(), clock: s.clock, tokens: s.tokens, events: events{asked: map[string]int{}}}
	for _, name := range []string{console.AuditHead, console.AuditLog} { // the log is written first: its copy is never behind
		b, err := os.ReadFile(filepath.Join(s.folder, name))
		require.NoError(s.t, err)
		require.NoError(s.t, os.WriteFile(filepath.Join(after.folder, name), b, 0o600))
	}
	after.disk = s.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: randv2.New(randv2.NewPCG(1, 2))})
	s.stop()
	after.open(false)
	return after
}

// answer is what came back.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	receipt console.Receipt
	problem console.Problem
}

// send asks as an operator; body "" is a GET.
func (s *site) send(operator, method, path, key, body string) answer {
	s.t.Helper()
	r, err := http.NewRequest(method, s.server.URL+console.Base+path, bytes.NewReader([]byte(body)))
	require.NoError(s.t, err)
	if operator != "" {
		s.mu.Lock()
		r.Header.Set("Authorization", "Bearer "+s.tokens[operator])
		s.mu.Unlock()
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := s.server.Client().Do(r)
	require.NoError(s.t, err)
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	a := answer{status: response.StatusCode, header: response.Header, body: b}
	if response.StatusCode >= 400 {
		require.Equal(s.t, "application/problem+json", response.Header.Get("Content-Type"), "%s", b)
		require.NoError(s.t, json.Unmarshal(b, &a.problem), "%s", b)
		require.NotEmpty(s.t, a.problem.Rule)
		require.NotEmpty(s.t, a.problem.DetailZH)
		require.NotEmpty(s.t, a.problem.Detail)
	} else if method == http.MethodPost {
		_ = json.Unmarshal(b, &a.receipt)
	}
	return a
}

// post asks for an act under a fresh name.
func (s *site) post(operator, path, body string) answer {
	s.t.Helper()
	return s.send(operator, http.MethodPost, path, console.NewName(), body)
}

// get reads something.
func (s *site) get(operator, path string, into any) answer {
	s.t.Helper()
	a := s.send(operator, http.MethodGet, path, "", "")
	if into != nil {
		require.Equal(s.t, http.StatusOK, a.status, "%s", a.body)
		require.NoError(s.t, json.Unmarshal(a.body, into), "%s", a.body)
	}
	return a
}

func (s *site) spendable(holder string) money.Fen {
	s.t.Helper()
	var h console.HolderView
	s.get("sun", "/holders/"+holder, &h)
	return money.Fen(h.Spendable)
}

// balanced says that all balances together are zero.
func (s *site) balanced() {
	s.t.Helper()
	sum, err := s.sum()
	require.NoError(s.t, err)
	require.Zero(s.t, sum)
}

// sum is all balances together.
func (s *site) sum() (sum money.Fen, err error) {
	err = s.engine.Look(context.Background(), func(state *transaction.State) {
		for id := ledger.AccountID(1); uint64(id) <= uint64(state.Book().Accounts()); id++ {
			sum += state.Book().Account(id).Balance
		}
	})
	return sum, err
}

// idleDoor is the door of a switch without terminals.
type idleDoor struct{ wake chan struct{} }

func (d *idleDoor) Poll(wait time.Duration, requests []transaction.Request) ([]transaction.Request, error) {
	if wait == 0 {
		return requests, nil
	}
	<-d.wake
	return requests, nil
}

func (d *idleDoor) Answer([]transaction.Decision) {}

func (d *idleDoor) Wake() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// noDays is a site whose days were never ended but for one.
type noDays struct{}

func (noDays) List(context.Context) ([]string, error) { return []string{"2026-11-25"}, nil }

func (noDays) Statement(_ context.Context, day string) (any, error) {
	if day != "2026-11-25" {
		return nil, console.ErrNoEntry
	}
	return map[string]string{"day": day}, nil
}

type noBank struct{}

func (noBank) Load(transaction.LoadOrder)     {}
func (noBank) Reverse(transaction.LoadOrder)  {}
func (noBank) Withdraw(transaction.LoadOrder) {}

// sequence is the number of the newest entry.
func (s *site) sequence() (sequence uint64) {
	s.t.Helper()
	require.NoError(s.t, s.engine.Look(context.Background(), func(state *transaction.State) { sequence = state.Book().Sequence() }))
	return sequence
}
