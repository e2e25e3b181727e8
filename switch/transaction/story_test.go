package transaction_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"onecard/ledger/money"
	"onecard/switch/campus"
	"onecard/switch/campus/access"
	"onecard/switch/campus/bankload"
	"onecard/switch/campus/consumption"
	"onecard/switch/dayend"
	"onecard/switch/transaction"
)

// story is a switch without edges: the test is the terminals and the bank.
type story struct {
	t           *testing.T
	journal     *memoryJournal
	checkpoints *memoryCheckpoints
	engine      *transaction.Engine
	door        *scriptedDoor
	bank        *scriptedBank
	stop        context.CancelFunc
	stopped     chan error
	now         time.Time
	trace       uint32
	daySwitch   uint16
	tellDays    bool // the business day of each answer is printed
	closing     dayend.Balances
	ended       *dayend.SignedBefore
	origin      transaction.Origin
	keys        int               // given to operations so far
	names       map[string]uint64 // records that a story speaks of
	ordered     []uint64          // loads in the order in which the bank was asked
}

var (
	china = time.FixedZone("CST", 8*3600)
	noon  = time.Date(2026, 11, 23, 11, 48, 0, 0, china) // a Monday
)

func newStory(t *testing.T) *story {
	s := &story{
		t: t, journal: &memoryJournal{}, checkpoints: &memoryCheckpoints{},
		now: noon, names: make(map[string]uint64),
	}
	s.open()
	t.Cleanup(func() { s.close() })
	return s
}

func routes() []transaction.Route {
	return campus.Routes([]campus.Subsystem{consumption.New(consumption.DefaultConfig()), access.New(), bankload.New(bankload.Config{})})
}

func (s *story) open() {
	var err error
	s.door, s.bank = newScriptedDoor(), newScriptedBank()
	s.engine, err = transaction.Open(context.Background(), transaction.Config{
		Journal: s.journal, Checkpoints: s.checkpoints, Routes: routes(), Site: transaction.Site{Window: 8, ZoneSeconds: 8 * 3600}, DaySwitch: s.daySwitch,
		Withdrawals: transaction.WithdrawalTerms{Takes: func(account uint64) bool { return account == castAccount }, Single: fen("250"), Day: fen("260"), TwoPersons: fen("200")},
	}, s.now.UnixMicro())
	require.NoError(s.t, err)
	s.engine.Connect(s.door, s.bank)
	ctx, cancel := context.WithCancel(context.Background())
	s.stop, s.stopped = cancel, make(chan error, 1)
	go func() { s.stopped <- s.engine.Run(ctx, s.now.UnixMicro()) }() // ends when the story closes
	s.look(func(*transaction.State) {})
}

func (s *story) close() {
	if s.stop != nil {
		s.stop()
		require.NoError(s.t, <-s.stopped)
		s.stop = nil
	}
}

// look runs on the owner and returns when everything before it is durable and answered.
func (s *story) look(f func(*transaction.State)) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := s.engine.Snapshot(ctx)
	require.NoError(s.t, err)
	require.NoError(s.t, s.engine.Look(ctx, f))
}

func fen(s string) money.Fen {
	f, err := money.Parse(s)
	if err != nil {
		panic(err)
	}
	return f
}

// cast imports the cast of the stories.
func (s *story) cast() {
	faults, err := s.engine.Import(context.Background(), castOf(s.now), s.now.UnixMicro())
	require.NoError(s.t, err)
	require.Empty(s.t, faults)
}

func castOf(now time.Time) *transaction.Directory {
	dir := &transaction.Directory{
		Classes: []transaction.ClassRow{
			{Code: "student", PINSingle: fen("30"), PINDay: fen("50"), DayAmount: fen("200"), DayCount: 20, PurseCap: fen("1000"), LoadSingle: fen("200"), LoadDay: fen("500")},
			{Code: "whole", RefusePartial: true},
		},
		Merchants: []transaction.MerchantRow{{Code: merchantCode("103410054110001")}, {Code: merchantCode("103410054110002"), Opens: 7 * 60, Closes: 9 * 60}, {Code: merchantCode("103410054110003"), Closed: true}},
		Doors:     []transaction.DoorRow{{Code: "library", Grants: []transaction.Grant{{Group: 1, Weekdays: 0x1F, From: 7 * 60, To: 22 * 60}, {Group: 2, Weekdays: 0x7F}}}},
		Terminals: []transaction.TerminalRow{
			terminalRow("POS00001", "103410054110001", transaction.TerminalPOS), terminalRow("POS00002", "103410054110002", transaction.TerminalPOS),
			terminalRow("POS00003", "103410054110003", transaction.TerminalPOS), terminalRow("KIOSK001", "103410054110001", transaction.TerminalKiosk),
			terminalRow("GATE0001", "103410054110001", transaction.TerminalGate),
			{Code: transaction.TerminalCode([]byte("POS00009")), Merchant: merchantCode("103410054110001"), Type: transaction.TerminalPOS, Suspended: true, SealedKey: []byte{1}},
		},
	}
	dir.Terminals[4].Door = "library"
	for i, h := range []struct {
		class         string
		main, subsidy string
		groups        uint64
	}{{"student", "300.00", "0", 1 << 1}, {"student", "20.00", "3.00", 1 << 2}, {"whole", "10.00", "1.20", 0}, {"student", "50.00", "0", 0}} {
		number := fmt.Sprintf("2026%04d", i+1)
		dir.Holders = append(dir.Holders, transaction.HolderRow{Number: number, Class: h.class, Groups: h.groups, BankAccount: castAccount, OpeningMain: fen(h.main), OpeningSubsidy: fen(h.subsidy)})
		dir.Cards = append(dir.Cards, transaction.CardRow{Number: 9156000000000001 + transaction.CardNumber(i), Holder: number, PINValue: 1234})
	}
	dir.Holders[3].State = transaction.HolderSuspended
	dir.Cards = append(dir.Cards, transaction.CardRow{Number: 9156000000000009, Holder: "20260001", ExpiryDay: uint32(now.AddDate(0, 0, -1).Unix() / 86400)})
	return dir
}

func merchantCode(s string) transaction.MerchantCode { return transaction.MerchantCode([]byte(s)) }

func terminalRow(code, merchant string, kind transaction.TerminalType) transaction.TerminalRow {
	return transaction.TerminalRow{Code: transaction.TerminalCode([]byte(code)), Merchant: merchantCode(merchant), Type: kind, SealedKey: []byte{1}}
}

var kinds = map[string]transaction.Kind{
	"buy": transaction.KindPurchase, "balance": transaction.KindBalance, "load": transaction.KindLoad, "reverse": transaction.KindReversal, "pass": transaction.KindPassage,
	"confirm": transaction.KindLoadConfirmed, "decline": transaction.KindLoadDeclined, "unknown": transaction.KindLoadUnknown, "reversed": transaction.KindLoadReversed, "late": transaction.KindLoadLate,
	"manual": transaction.KindLoadManual,
	"paid":   transaction.KindWithdrawalPaid, "unpaid": transaction.KindWithdrawalDeclined, "silent": transaction.KindWithdrawalUnknown,
	"given-up": transaction.KindWithdrawalManual, "paid-late": transaction.KindWithdrawalLate,
	"echo": transaction.KindEcho, "signon": transaction.KindSignOn,
}

// load is the number of the n-th load that the bank was asked for: "#1".
func (s *story) load(name string) uint64 {
	n, err := strconv.Atoi(strings.TrimPrefix(name, "#"))
	require.NoError(s.t, err)
	return s.ordered[n-1]
}

// request reads: buy terminal=POS00001 card=1 amount=4.50 trace=7 batch=1 pin=1234 purse=main at=11:48
func (s *story) request(d *datadriven.TestData) transaction.Request {
	r := transaction.Request{Kind: kinds[d.Cmd], Batch: 1, Origin: s.next()}
	for _, arg := range d.CmdArgs {
		value := strings.Join(arg.Vals, "")
		number, _ := strconv.ParseUint(value, 10, 64)
		switch arg.Key {
		case "terminal":
			r.TerminalCode = transaction.TerminalCode([]byte(value))
			s.look(func(state *transaction.State) { r.Terminal, _ = state.TerminalByCode(r.TerminalCode) })
		case "merchant":
			r.MerchantCode = merchantCode(value)
		case "card":
			r.Card = 9156000000000000 + transaction.CardNumber(number)
		case "amount":
			r.Amount = fen(value)
		case "trace":
			r.Trace = uint32(number)
		case "batch":
			r.Batch = uint32(number)
		case "pin":
			r.PINValue = number
		case "purse":
			r.Purse = map[string]transaction.Purse{"main": transaction.PurseMain, "subsidy": transaction.PurseSubsidy}[value]
		case "direction":
			r.Direction = map[string]transaction.Direction{"in": transaction.DirectionIn, "out": transaction.DirectionOut}[value]
		case "load":
			r.Load = s.load(value)
		case "code":
			r.BankCode = transaction.ResponseCode([]byte(value))
		case "at":
			s.setClock(value)
		default:
			s.t.Fatalf("%s: argument %s", d.Pos, arg.Key)
		}
	}
	if r.Trace == 0 {
		s.trace++
		r.Trace = 1000 + s.trace
	}
	r.Received = s.now.UnixMicro()
	return r
}

func (s *story) next() transaction.Origin { s.origin++; return s.origin }

func (s *story) setClock(value string) {
	if day, clock, ok := strings.Cut(value, "T"); ok {
		at, err := time.ParseInLocation("2006-01-02 15:04", day+" "+clock, china)
		require.NoError(s.t, err)
		s.now = at
		return
	}
	at, err := time.ParseInLocation("15:04", value, china)
	require.NoError(s.t, err)
	s.now = time.Date(s.now.Year(), s.now.Month(), s.now.Day(), at.Hour(), at.Minute(), 0, 0, china)
}

// send gives requests to the door and prints the answers and what the bank is asked.
func (s *story) send(requests ...transaction.Request) string {
	s.door.incoming <- requests
	s.door.Wake()
	s.look(func(*transaction.State) {})
	return s.heard()
}

// castAccount is the bank account that everybody of the cast came with.
const castAccount = 6217000012345678

func (s *story) heard() string {
	var b strings.Builder
	for len(s.door.answers) > 0 {
		for _, d := range <-s.door.answers {
			printDecision(&b, &d)
			if s.tellDays && !d.Silent {
				fmt.Fprintf(&b, "  business day %s\n", date(d.Day))
			}
		}
	}
	for len(s.bank.loads) > 0 {
		o := <-s.bank.loads
		s.ordered = append(s.ordered, o.Load)
		fmt.Fprintf(&b, "  -> bank 0200 load=%d of %s: %s for %d of %s\n", o.Load, clock(o.Time), o.Amount, o.BankAccount, o.Card)
	}
	for len(s.bank.reversals) > 0 {
		o := <-s.bank.reversals
		fmt.Fprintf(&b, "  -> bank 0420 load=%d of %s: %s repeat=%v", o.Load, clock(o.Time), o.Amount, o.Repeat)
		if o.BankAccount != castAccount {
			fmt.Fprintf(&b, " of %d", o.BankAccount)
		}
		b.WriteString("\n")
	}
	for len(s.bank.withdrawals) > 0 {
		o := <-s.bank.withdrawals
		if !o.Repeat {
			s.ordered = append(s.ordered, o.Load)
		}
		fmt.Fprintf(&b, "  -> bank withdrawal=%d of %s: %s to %d of %s repeat=%v\n", o.Load, clock(o.Time), o.Amount, o.BankAccount, o.Card, o.Repeat)
	}
	if b.Len() == 0 {
		return "(nothing)\n"
	}
	return b.String()
}

func clock(micros int64) string { return time.UnixMicro(micros).In(china).Format("15:04") }

func printDecision(b *strings.Builder, d *transaction.Decision) {
	if d.Silent {
		fmt.Fprintf(b, "to %d: let go\n", d.Origin)
		return
	}
	fmt.Fprintf(b, "to %d: %s %s", d.Origin, d.Code, d.Reason)
	if d.Sequence != 0 {
		fmt.Fprintf(b, " ref=%s", d.Reference())
	}
	if d.HasBalance {
		fmt.Fprintf(b, " balance=%s", d.Balance)
	}
	if d.Main != 0 || d.Subsidy != 0 {
		fmt.Fprintf(b, " main=%s subsidy=%s", d.Main, d.Subsidy)
	}
	if p := d.Price; p.Discount != 0 || p.Fee != 0 || p.How != 0 || d.Meal != 0 {
		fmt.Fprintf(b, " list=%s discount=%s fee=%s payable=%s meal=%d", p.List, p.Discount, p.Fee, p.Payable(), d.Meal)
	}
	if d.Replayed {
		b.WriteString(" again")
	}
	if d.SignOn != nil {
		fmt.Fprintf(b, " batch=%d", d.SignOn.Batch)
	}
	b.WriteString("\n")
	if d.Code != transaction.Approved || d.Reason != transaction.ReasonNone {
		fmt.Fprintf(b, "  %s / %s\n", d.Reason.Sentence(d.Numbers), d.Reason.English(d.Numbers))
	}
}

// printBooks prints the site's accounts and every holder's purses, and the sum of everything.
func (s *story) printBooks() string {
	var b strings.Builder
	s.look(func(state *transaction.State) {
		book := state.Book()
		for id := uint32(1); id <= book.Accounts(); id++ {
			a := book.Account(accountID(id))
			if a.Balance != 0 || a.Held != 0 {
				fmt.Fprintf(&b, "%3d %d %12s", id, a.Code, a.Balance)
				if a.Held != 0 {
					fmt.Fprintf(&b, " held %s", a.Held)
				}
				b.WriteString("\n")
			}
		}
		credits, debits := book.Turnover()
		fmt.Fprintf(&b, "sum %s, credits-debits %s, open holds %d, open loads %d\n", book.Sum(), credits-debits, book.Holds(), state.OpenLoads())
	})
	return b.String()
}
