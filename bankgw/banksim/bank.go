package banksim

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"onecard/ledger/money"
	"onecard/switch/iso8583"
)

// Config of a bank.
type Config struct {
	MACKey  iso8583.Secret
	MACMode iso8583.MACMode
	// ZMK is the zone master key that new MAC keys go out under; nil: the key is never changed.
	ZMK     iso8583.Secret
	Framing iso8583.BankFraming // "": ascii4
	// Station and Campus are the stations in the header of cups46: the bank's and the campus's.
	Station, Campus string
	// Records makes the bank speak records of fixed places instead of ISO 8583 (see record.go).
	Records bool
	// AnswerBadMAC has the bank answer a message whose MAC is wrong with A0; else it is as if it had never come.
	AnswerBadMAC bool
	// DefaultBalance of an account that is heard of for the first time; 0: 10,000.00 yuan.
	DefaultBalance money.Fen
	// SignedOnly refuses loads of accounts that have no agreement (see Bank.Register).
	SignedOnly bool
	// Script and Mix say how the bank behaves (see Bank.Script and Bank.Mix); Seed is of the mix.
	Script, Mix string
	Seed        uint64
	// Clock is the bank's; nil: time.Now. Zone is where it stands, ahead of UTC; 0: +08:00.
	Clock func() time.Time
	Zone  time.Duration
	// CutOver is the time of day at which the bank's next settlement date begins, such as 23h; 0: midnight.
	CutOver time.Duration
	// Institution and School are the codes in the bank's files; "": 01050000 and 10010001.
	Institution, School string
	// Trace is called with each message, masked, in the direction as the bank sees it: "in" or "out". Calls come one at a time.
	Trace func(direction, message string)
}

const (
	defaultBalance     money.Fen = 1_000_000
	defaultZone                  = 8 * time.Hour
	defaultInstitution           = "01050000"
	defaultSchool                = "10010001"
)

// fill puts in what is left out.
func (c *Config) fill() {
	c.Framing = cmp.Or(c.Framing, iso8583.FramingASCII4)
	c.DefaultBalance = cmp.Or(c.DefaultBalance, defaultBalance)
	c.Zone = cmp.Or(c.Zone, defaultZone)
	c.Institution = cmp.Or(c.Institution, defaultInstitution)
	c.School = cmp.Or(c.School, defaultSchool)
	if c.Clock == nil {
		c.Clock = time.Now
	}
}

// Bank is a bank in software. Its methods may be called by any goroutine.
type Bank struct {
	config Config
	framer *iso8583.BankFramer
	begin  func(mti string) *iso8583.BankMessage
	wire   func() wire            // one for each direction of a link
	keys   atomic.Pointer[keySet] // stored under mu
	serves sync.WaitGroup         // readers of links

	mu      sync.Mutex
	books   books          // guarded by mu
	signed  signed         // guarded by mu
	program program        // guarded by mu
	links   map[*link]bool // guarded by mu
	linked  int            // guarded by mu; links that there have been
	cut     bool           // guarded by mu: links are refused
	stopped bool           // guarded by mu
	trace   uint64         // guarded by mu; DE 11 of the bank's own messages
	pinned  uint32         // guarded by mu; the settlement date, 0: the clock's
	faults  []fileFault    // guarded by mu; of the files
	deaf    bool           // guarded by mu; to the next message under the next key

	tracing sync.Mutex // one call of Trace at a time
}

// New opens a bank. A fault of the script or the mix is reported with its step.
func New(c Config) (*Bank, error) {
	c.fill()
	if err := c.tryKeys(); err != nil {
		return nil, err
	}
	framer, err := iso8583.NewBankFramer(c.Framing, c.Station, c.Campus)
	if err != nil {
		return nil, fmt.Errorf("bank simulator: %w", err)
	}
	spec := iso8583.BankSpec()
	b := &Bank{
		config: c, framer: framer,
		begin:  func(mti string) *iso8583.BankMessage { return iso8583.NewBankMessage(spec, mti) },
		books:  books{opening: c.DefaultBalance, accounts: make(map[string]money.Fen), records: make(map[loadKey]*Record), named: make(map[string][]*Record)},
		signed: signed{make(map[string]iso8583.BankIdentity), make(map[string]string)},
		links:  make(map[*link]bool),
	}
	b.keys.Store(&keySet{keys: [keyPlaces]iso8583.Secret{keyNow: c.MACKey}})
	b.wire = func() wire {
		if c.Records {
			return &recordWire{profile: spec, signer: signer{bank: b}}
		}
		return &fieldWire{profile: spec, signer: signer{bank: b}}
	}
	b.books.now = b.postingNow
	b.program.random = rand.New(rand.NewPCG(c.Seed, 1))
	if err := b.Script(c.Script); err != nil {
		return nil, err
	}
	return b, b.Mix(c.Mix)
}

// Script appends steps to what the bank will do:
//
//	approve; 3x drop; decline 51; delay 2s; reversal: lose; reversal: decline 96; echo: always lose
//
// A step is [kind:] [always | Nx] verb [code or duration]. Kinds are load (when none is named), reversal, query, sign-on, sign-off, echo, totals,
// signing, withdrawal, balance and key; each takes its own steps in their order, then what Mix says, then what the script calls always, then it
// approves. Verbs (see Verbs):
//
//	approve             decline CODE        as they say
//	delay D             slow D              does it now and answers after D; does it after D
//	drop                lose                does it and never answers; never heard of it
//	close               done-close          closes the link; does it and closes the link
//	twice               wrong-mac garbage   answers twice; with a wrong MAC; with bytes that are no message
//	late                                    loads: answers after the load's reversal was answered
//	wrong-amount        wrong-reference     loads, queries: answers with another amount, another reference; totals: with another amount
//	wrong-check                             keys: with another check value
//	contradict          recant              loads: approves, then declines (it was debited); declines, then debits and approves
func (b *Bank) Script(text string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.program.addScript(text)
}

// Mix adds shares of behaviours that are drawn from: "970 approve; 20 decline 51; 5 delay 3s; 1 drop; reversal: 1 lose; reversal: 9 approve".
func (b *Bank) Mix(text string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.program.addMix(text)
}

// Serve takes links from the listener until the context ends, closes them and the listener, and returns when all is quiet. A bank that has
// been stopped may serve again: its books are as they were, what it had not yet answered it has forgotten.
func (b *Bank) Serve(ctx context.Context, listener net.Listener) error {
	b.mu.Lock()
	b.stopped = false
	b.mu.Unlock()
	stop := context.AfterFunc(ctx, func() {
		_ = listener.Close()
		b.mu.Lock()
		b.stopped = true
		b.mu.Unlock()
		b.closeLinks()
	})
	defer stop()
	defer b.serves.Wait()
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("bank simulator: accepting a link: %w", err)
		}
		l, ok := b.admit(conn)
		if !ok {
			_ = conn.Close()
			continue
		}
		b.serves.Add(1)
		go b.serve(l)
	}
}

// admit refuses links while the line is cut.
func (b *Bank) admit(conn net.Conn) (*link, bool) {
	l := &link{conn: conn, reading: b.wire(), sealing: b.wire()}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cut || b.stopped {
		return nil, false
	}
	b.linked++
	l.number = b.linked
	b.links[l] = true
	return l, true
}

func (b *Bank) closeLinks() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for l := range b.links {
		l.close()
	}
}

// Cut closes every link and refuses new ones until Restore: the line to the bank is cut.
func (b *Bank) Cut() {
	b.mu.Lock()
	b.cut = true
	b.mu.Unlock()
	b.closeLinks()
}

// Restore takes links again.
func (b *Bank) Restore() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cut = false
}

// IsCut says whether the line is cut.
func (b *Bank) IsCut() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cut
}

// Stats counts what has happened.
func (b *Bank) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.books.stats
	s.Links = len(b.links)
	return s
}

// Debited is what the bank holds for a reference (DE 37): what it has debited and not given back.
func (b *Bank) Debited(reference string) money.Fen {
	b.mu.Lock()
	defer b.mu.Unlock()
	var sum money.Fen
	for _, r := range b.books.named[reference] {
		if r.State == Debited {
			sum += r.Amount
		}
	}
	return sum
}

// Balance of an account.
func (b *Bank) Balance(account string) money.Fen {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.books.balance(account)
}

// Records returns the bank's books of loads, by reference.
func (b *Bank) Records() []Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	records := make([]Record, 0, len(b.books.records))
	for _, r := range b.books.records {
		copied := *r
		copied.held = nil
		records = append(records, copied)
	}
	slices.SortFunc(records, func(a, c Record) int {
		if a.Reference < c.Reference {
			return -1
		}
		return 1
	})
	return records
}

// Check proves that the bank's own books agree with themselves.
func (b *Bank) Check() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.books.check()
}

// Ask sends an 0820 of the bank's own on every link: 301 echo, 201 and 202 begin and end of cut-over, 002 sign-off.
func (b *Bank) Ask(function int) {
	b.mu.Lock()
	b.trace++
	trace := b.trace
	links := make([]*link, 0, len(b.links))
	for l := range b.links {
		links = append(links, l)
	}
	b.mu.Unlock()
	for _, l := range links {
		m := b.begin("0820").Set(7, "0101000000").SetNumber(11, trace).SetNumber(70, uint64(function))
		b.send(l, m, nil)
	}
}

// later does something after a while, unless the bank has stopped by then.
func (b *Bank) later(after time.Duration, do func()) {
	time.AfterFunc(after, func() {
		b.mu.Lock()
		stopped := b.stopped
		b.mu.Unlock()
		if !stopped {
			do()
		}
	})
}
