package bankgw_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"onecard/bankgw"
	"onecard/bankgw/banksim"
	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/campus"
	"onecard/switch/campus/bankload"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(800) // thousands of short worlds: collecting them costs more than running them
	goleak.VerifyTestMain(m)
}

// bankZMK is the key that new keys come under.
var bankZMK = iso8583.Secret("the zone's master")[:16]

var bankKey = iso8583.Secret("\x01\x23\x45\x67\x89\xAB\xCD\xEF\xFE\xDC\xBA\x98\x76\x54\x32\x10")

const (
	cardNumber  = 9156000000000001
	account     = "6217000012345678"
	openingMain = 10_000 // fen
)

var errDied = errors.New("the machine has died")

// syncTime of the disk. What the terminal hears comes after what the gateway does at once, so that a story has one order only.
const syncTime = time.Millisecond

// disk holds the blocks that survive a death.
type disk struct {
	mu     sync.Mutex
	blocks []ledger.Block // guarded by mu
}

// journal is a life's journal: what it has appended is on the disk when Wait has returned.
type journal struct {
	disk    *disk
	life    *life
	pending []ledger.Block
	head    ledger.Head
}

func openJournal(d *disk, l *life) *journal {
	j := &journal{disk: d, life: l}
	if len(d.blocks) > 0 {
		j.head = d.blocks[len(d.blocks)-1].Head()
	}
	return j
}

func (j *journal) Append(b ledger.Block) error {
	if j.life.isDead() {
		return errDied
	}
	copied, err := ledger.OpenBlock(slices.Clone(b.Bytes()))
	j.pending, j.head = append(j.pending, copied), b.Head()
	return err
}

func (j *journal) Wait(uint64) error {
	if len(j.pending) == 0 {
		return nil
	}
	time.Sleep(syncTime)
	if !j.life.passes("before block") {
		return errDied
	}
	j.disk.mu.Lock()
	j.disk.blocks = append(j.disk.blocks, j.pending...)
	j.disk.mu.Unlock()
	j.pending = nil
	if !j.life.passes("after block") {
		return errDied
	}
	return nil
}

func (j *journal) Head() ledger.Head { return j.head }

func (j *journal) Replay(_ context.Context, after uint64, visit func(ledger.Block) error) error {
	for _, b := range j.disk.blocks {
		if b.Last() <= after {
			continue
		}
		if err := visit(b); err != nil {
			return err
		}
	}
	return nil
}

// door is the terminals' side: what the test puts in, and the answers.
type door struct {
	incoming chan []transaction.Request
	wake     chan struct{}
	answered func(transaction.Decision)
}

func (d *door) Poll(wait time.Duration, requests []transaction.Request) ([]transaction.Request, error) {
	if wait == 0 {
		select {
		case r := <-d.incoming:
			return append(requests, r...), nil
		default:
			return requests, nil
		}
	}
	select {
	case r := <-d.incoming:
		return append(requests, r...), nil
	case <-d.wake:
		return requests, nil
	}
}

func (d *door) Answer(decisions []transaction.Decision) {
	for _, decision := range decisions {
		if !decision.Silent {
			d.answered(decision)
		}
	}
}

func (d *door) Wake() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// world is a switch with its gateway, lived more than once, and a bank.
type world struct {
	t       testing.TB
	bank    *banksim.Bank
	network *network // nil: TCP
	config  bankgw.Config
	disk    *disk
	life    *life
	stop    context.CancelFunc
	lives   sync.WaitGroup
	serving sync.WaitGroup

	operates int // withdrawals asked for

	// passes is asked at each point where a machine may die; false kills it.
	passes func(point string) bool

	mu      sync.Mutex
	faults  map[string]int // guarded by mu
	refused map[string]int
	log     func(format string, args ...any)

	keys    bankgw.Keys               // as they were last kept; used between lives
	notKept bool                      // they cannot be kept
	dates   bool                      // the bank's settlement dates are told
	heard   chan transaction.Decision // what terminals hear; kept for a test that waits for it
	states  chan string               // of links
}

// life is one run of the switch, from its start to its death or polite end.
type life struct {
	world   *world
	machine *machine
	engine  *transaction.Engine
	gateway *bankgw.Gateway
	door    *door
	stop    context.CancelFunc // of the engine
	signOff context.CancelFunc // of the gateway
	ended   chan struct{}      // gateway and engine have returned
	gone    chan struct{}      // gateway has returned

	mu   sync.Mutex
	dead bool
}

func (l *life) isDead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

func (l *life) passes(point string) bool {
	if l.isDead() {
		return false
	}
	if !l.world.passes(point) {
		l.die()
		return false
	}
	return true
}

// die is kill -9: nothing more leaves, nothing more is written.
func (l *life) die() {
	l.mu.Lock()
	l.dead = true
	l.mu.Unlock()
	l.machine.die()
	l.stop()
	l.signOff()
}

type worldOptions struct {
	bank   banksim.Config
	change func(*bankgw.Config)
	log    func(format string, args ...any)
	tcp    bool
	secure func(net.Listener) net.Listener // puts TLS over the bank listener; nil: plain
	record bool                            // the other dialect: records of fixed places
	from   *disk                           // a site that is already there
}

// newWorld opens a bank and a site with one holder whose purse has 100.00, and starts the switch.
func newWorld(t testing.TB, o worldOptions) *world {
	w := &world{
		t: t, config: bankgw.DefaultConfig(), disk: &disk{}, faults: make(map[string]int), refused: make(map[string]int), log: o.log,
		passes: func(string) bool { return true }, heard: make(chan transaction.Decision, 4096), states: make(chan string, 4096),
	}
	if w.log == nil {
		w.log = func(string, ...any) {}
	}
	if o.record {
		o.bank.Records, o.bank.Framing = true, iso8583.FramingASCII6
		w.config.Dialect.Kind, w.config.Framing = bankgw.DialectRecord, iso8583.FramingASCII6
	}
	o.bank.MACKey, o.bank.ZMK = bankKey, bankZMK
	w.keys = bankgw.Keys{MAC: bankKey, ZMK: bankZMK}
	w.keys.Keep = func(k bankgw.Keys) error {
		if w.notKept {
			return errDied
		}
		w.keys = k
		return nil
	}
	if o.bank.MACMode == 0 {
		o.bank.MACMode = iso8583.MACSM4CBC
	}
	var err error
	w.bank, err = banksim.New(o.bank)
	require.NoError(t, err)
	var listener net.Listener
	if o.tcp {
		listener, err = net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		w.config.Addresses = []string{listener.Addr().String()}
		if o.secure != nil {
			listener = o.secure(listener)
		}
	} else {
		w.network = newNetwork()
		listener = w.network
	}
	if o.change != nil {
		o.change(&w.config)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	w.serving.Add(1)
	go func() {
		defer w.serving.Done()
		if err := w.bank.Serve(ctx, listener); err != nil {
			t.Error(err)
		}
	}()
	if o.from != nil {
		w.disk.blocks = slices.Clone(o.from.blocks)
	} else {
		w.disk = newSite(t, time.Now())
	}
	w.start()
	return w
}

// newSite is a ledger with one holder, as it stands on disk.
func newSite(t testing.TB, now time.Time) *disk {
	d := &disk{}
	w := &world{t: t, passes: func(string) bool { return true }}
	l := &life{world: w, machine: &machine{}}
	engine := openEngine(t, d, l, now)
	faults, err := engine.ImportBeforeRun(&transaction.Directory{
		Classes:   []transaction.ClassRow{{Code: "student"}},
		Merchants: []transaction.MerchantRow{{Code: transaction.MerchantCode([]byte("103410054110001"))}},
		Terminals: []transaction.TerminalRow{{Code: transaction.TerminalCode([]byte("KIOSK001")), Merchant: transaction.MerchantCode([]byte("103410054110001")), Type: transaction.TerminalKiosk, SealedKey: []byte{1}}},
		Holders:   []transaction.HolderRow{{Number: "20260001", Class: "student", BankAccount: 6217000012345678, OpeningMain: openingMain}},
		Cards:     []transaction.CardRow{{Number: cardNumber, Holder: "20260001", PINValue: 1234}},
	}, now.UnixMicro())
	require.NoError(t, err)
	require.Empty(t, faults)
	return d
}

func openEngine(t testing.TB, d *disk, l *life, now time.Time) *transaction.Engine {
	engine, err := transaction.Open(context.Background(), transaction.Config{
		Journal: openJournal(d, l), Routes: campus.Routes([]campus.Subsystem{bankload.New(bankload.Config{})}), Site: transaction.Site{Window: 64, ZoneSeconds: 8 * 3600},
		Withdrawals: transaction.WithdrawalTerms{Takes: func(uint64) bool { return true }},
	}, now.UnixMicro())
	require.NoError(t, err)
	return engine
}

// start begins a life of the switch on the same disk.
func (w *world) start() {
	l := &life{world: w, ended: make(chan struct{}), gone: make(chan struct{})}
	var o bankgw.Options
	l.machine = &machine{network: w.network, passing: func(out, delivered bool) bool {
		if !out && delivered {
			return true // a death now is a death before the next thing that the machine does
		}
		return l.passes(fmt.Sprintf("frame out=%v delivered=%v", out, delivered))
	}}
	if w.network != nil {
		o.Dial = l.machine.dial
	}
	o.Seed = 1
	l.engine = openEngine(w.t, w.disk, l, time.Now())
	var err error
	l.gateway, err = bankgw.New(w.config, w.keys, func(r transaction.Request) error {
		if l.isDead() {
			return errDied
		}
		said := strings.Trim(string(r.BankTrace[:]), " \x00")
		if w.dates && r.BankDay != 0 {
			said += time.Unix(int64(r.BankDay)*86400, 0).UTC().Format(" bank's day 2006-01-02")
		}
		w.log("owner hears %s load=%d code=%s %s", outcomes[r.Kind], r.Load, r.BankCode, said)
		return l.engine.Submit(r)
	}, l.events(), o)
	require.NoError(w.t, err)
	l.door = &door{incoming: make(chan []transaction.Request, 64), wake: make(chan struct{}, 1), answered: func(d transaction.Decision) {
		select {
		case w.heard <- d:
		default:
		}
		w.log("terminal hears %s %s ref=%s", d.Code, d.Reason, d.Reference())
	}}
	l.engine.Connect(l.door, l.gateway)
	running, stop := context.WithCancel(context.Background())
	carrying, signOff := context.WithCancel(context.Background())
	l.stop, l.signOff = stop, signOff
	w.lives.Add(2)
	go func() {
		defer w.lives.Done()
		defer close(l.gone)
		if err := l.gateway.Run(carrying); err != nil {
			w.t.Error(err)
		}
	}()
	go func() {
		defer w.lives.Done()
		defer close(l.ended)
		if err := l.engine.Run(running, time.Now().UnixMicro()); err != nil && !l.isDead() {
			w.t.Error(err)
		}
	}()
	w.life = l
}

var outcomes = map[transaction.Kind]string{
	transaction.KindLoadConfirmed: "confirmed", transaction.KindLoadDeclined: "declined", transaction.KindLoadUnknown: "unknown",
	transaction.KindWithdrawalPaid: "paid", transaction.KindWithdrawalDeclined: "unpaid", transaction.KindWithdrawalUnknown: "unanswered",
	transaction.KindWithdrawalLate: "answered late", transaction.KindWithdrawalManual: "given up",
	transaction.KindLoadReversed: "reversed", transaction.KindLoadLate: "late", transaction.KindLoadManual: "manual",
}

// events of a life; the dead say nothing.
func (l *life) events() bankgw.Events {
	w := l.world
	log := func(format string, args ...any) {
		if !l.isDead() {
			w.log(format, args...)
		}
	}
	return bankgw.Events{
		Fault: func(f string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.faults[f]++
			log("fault %s", f)
		},
		LoadRefused: func(cause string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.refused[cause]++
			log("not sent: %s", cause)
		},
		LinkState: func(_ int, state string) {
			select {
			case w.states <- state:
			default: // nobody in this test waits for links
			}
			log("link %s", state)
		},
		TotalsSaid: func(s bankgw.TotalsSaid) {
			bank := "no figures"
			if s.Bank != nil {
				bank = fmt.Sprintf("%d of %s, reversed %d of %s", s.Bank.Debits, s.Bank.DebitAmount, s.Bank.Reversed, s.Bank.ReversedAmount)
			}
			log("bank's totals of %s: asked %v, silent %v, code %d %s; %s %s", time.Unix(int64(s.Day)*86400, 0).UTC().Format(time.DateOnly), s.Asked, s.Silent, s.Code, s.Refused, bank, s.File)
		},
		KeyAsked:   func(ordered bool) { log("asks for a key, ordered %v", ordered) },
		KeyChanged: func(checkValue string) { log("new key %s", checkValue) },
		LinkLost:   func(_ int, reason string) { log("link lost: %s", reason) },
	}
}

// end stops the switch politely and the bank.
func (w *world) end() {
	w.life.signOff()
	<-w.life.gone
	w.life.stop()
	w.lives.Wait()
	w.stop()
	w.serving.Wait()
}

// bury ends a world whatever its state, when a test has failed half way.
func (w *world) bury() {
	w.life.die()
	w.lives.Wait()
	w.stop()
	w.serving.Wait()
}

// ask gives a terminal's request to the switch.
func (w *world) ask(kind transaction.Kind, trace uint32, amount money.Fen) {
	w.life.door.incoming <- []transaction.Request{{
		Kind: kind, Origin: transaction.Origin(trace), Received: time.Now().UnixMicro(), Terminal: 1, TerminalCode: transaction.TerminalCode([]byte("KIOSK001")),
		MerchantCode: transaction.MerchantCode([]byte("103410054110001")), Batch: 1, Trace: trace, Card: cardNumber, Amount: amount, PINValue: 1234, Cause: [2]byte{'9', '8'},
	}}
	w.life.door.Wake()
}
