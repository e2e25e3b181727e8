package dayend_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/dayend"
	"onecard/switch/proof"
	"onecard/switch/transaction"
)

// accountant keeps a ledger by hand, one block an entry.
type accountant struct {
	t      *testing.T
	book   *ledger.Book
	blocks []ledger.Block
	head   ledger.Head
	day    uint32
	time   int64
	names  map[string]ledger.AccountID
	campus dayend.Campus
	before *dayend.SignedBefore
	opens  dayend.Balances // of the day under way
	first  uint64          // entry of the day under way
	input  dayend.Input    // of the day closed last
	signed []byte
}

var (
	siteKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	china   = time.FixedZone("CST", 8*3600)
)

func newAccountant(t *testing.T) *accountant {
	a := &accountant{t: t, book: ledger.NewBook(), names: map[string]ledger.AccountID{}, opens: dayend.NewBalances(), first: 1}
	a.campus.Accounts = make([]dayend.Account, 1)
	a.time = time.Date(2026, 11, 23, 0, 0, 0, 0, china).UnixMicro()
	a.day = uint32(a.time/1e6+8*3600) / 86_400
	return a
}

func (a *accountant) write(e *ledger.Entry) {
	a.time += 1_000_000
	e.Time = a.time
	var b ledger.BlockBuilder
	b.Begin(a.head, a.day)
	a.book.Apply(b.Add(e), e)
	block, err := ledger.OpenBlock(slices.Clone(b.Seal().Bytes()))
	require.NoError(a.t, err)
	a.blocks, a.head = append(a.blocks, block), block.Head()
}

// open opens accounts: name code [set=1] [class=student] [merchant=canteen] a line.
func (a *accountant) open(lines string) string {
	var e ledger.Entry
	e.Kind, e.Payload = transaction.KindDirectory, []byte{0}
	for line := range strings.Lines(lines) {
		fields := strings.Fields(line)
		code, err := strconv.Atoi(fields[1])
		require.NoError(a.t, err)
		account := dayend.Account{Code: ledger.AccountCode(code), Class: dayend.NoClass}
		for _, f := range fields[2:] {
			switch key, value, _ := strings.Cut(f, "="); key {
			case "set":
				account.Set = ledger.AccountSet(value[0] - '0')
			case "class":
				if !slices.Contains(a.campus.Classes, value) {
					a.campus.Classes = append(a.campus.Classes, value)
				}
				account.Class = uint8(slices.Index(a.campus.Classes, value))
			case "area":
				a.campus.Merchants = append(a.campus.Merchants, dayend.Merchant{Code: fields[0], Area: value})
				account.Merchant = uint32(len(a.campus.Merchants))
			}
		}
		e.Opens = append(e.Opens, ledger.Opening{Code: account.Code, Set: account.Set})
		a.names[fields[0]] = ledger.AccountID(len(a.campus.Accounts))
		a.campus.Accounts = append(a.campus.Accounts, account)
	}
	a.write(&e)
	return "ok\n"
}

var kinds = map[string]transaction.Kind{
	"opening": transaction.OpeningKind, "purchase": transaction.KindPurchase, "reversal": transaction.KindReversal, "bank_load": transaction.KindLoadConfirmed,
	"cash_deposit": transaction.KindCashDeposit, "third_party": transaction.KindThirdPartyLoad, "subsidy": transaction.KindSubsidyIssued, "refund": transaction.KindRefund,
	"adjustment": transaction.KindAdjustment, "withdrawal": transaction.KindWithdrawal, "close_account": transaction.KindAccountClosed, "card_fee": transaction.KindCardFee,
	"clear_subsidy": transaction.KindSubsidyReturned, "offline": transaction.KindOfflineSale, "transfer": transaction.KindTransfer, "payout": transaction.KindMerchantPayout,
	"department": transaction.KindDepartmentTransfer, "service_fee": transaction.KindServiceFee, "deduct": transaction.KindMerchantDeduction, "counts": transaction.KindCountsIssued,
	"count_sale": transaction.KindCountSale, "unknown": 99, "bank_withdrawal": transaction.KindWithdrawalPaid,
	"withdrawal_charge": transaction.KindWithdrawalCharged, "withdrawal_return": transaction.KindWithdrawalReturned,
}

func kindName(kind transaction.Kind) (zh, en string) {
	for name, k := range kinds {
		if k == kind {
			return name, name
		}
	}
	return "", ""
}

// post writes entries: kind, then account and amount in turn; credits are positive. A line that ends in "late" is of a day before.
func (a *accountant) post(lines string) string {
	for line := range strings.Lines(lines) {
		fields := strings.Fields(line)
		kind, ok := kinds[fields[0]]
		require.True(a.t, ok, fields[0])
		e := ledger.Entry{Kind: kind, Payload: []byte{0}}
		if fields[len(fields)-1] == "late" {
			e.Payload, fields = []byte{1}, fields[:len(fields)-1]
		}
		for i := 1; i < len(fields); i += 2 {
			id, ok := a.names[fields[i]]
			require.True(a.t, ok, fields[i])
			amount, err := money.Parse(strings.TrimPrefix(fields[i+1], "-"))
			require.NoError(a.t, err)
			if strings.HasPrefix(fields[i+1], "-") {
				amount = -amount
			}
			e.Legs = append(e.Legs, ledger.Leg{Account: id, Amount: amount})
		}
		a.write(&e)
	}
	return "ok\n"
}

// switchDay ends the day, with control totals; it returns what a day-end is made from.
func (a *accountant) switchDay() {
	a.input = dayend.Input{
		Span: ledger.Span{Day: a.day, First: a.first, Last: a.head.Sequence, Followed: true}, Opening: a.opens, Before: a.before, Campus: a.campus, Zone: china, KindName: kindName,
		Late: func(e *ledger.Entry, _ int64) bool { return e.Payload[0] == 1 },
	}
	a.input.Memory = dayend.Balances{Head: a.head, Fen: make([]money.Fen, a.book.Accounts()+1)}
	for id := uint32(1); id <= a.book.Accounts(); id++ {
		a.input.Memory.Fen[id] = a.book.Account(ledger.AccountID(id)).Balance
	}
	over := transaction.DaySwitch{Closes: a.day, Opens: a.day + 1, Totals: a.book.ControlTotals()}
	a.first = a.head.Sequence + 1
	a.day++
	a.time = (int64(a.day)*86_400-8*3600)*1e6 - 1_000_000 // the switch is at midnight
	a.write(&ledger.Entry{Kind: transaction.KindDaySwitch, Payload: over.Append(nil)})
	a.input.Switch = dayend.DaySwitch{DaySwitch: over, Time: a.time}
}

func (a *accountant) close() (dayend.Statement, dayend.Balances) {
	s, closing, err := dayend.Close(context.Background(), a, &a.input, siteKey)
	require.NoError(a.t, err)
	file, hash, err := dayend.Sign(&s, siteKey)
	require.NoError(a.t, err)
	checked, again, err := dayend.Verify(bytes.NewReader(file), siteKey.Public().(ed25519.PublicKey))
	require.NoError(a.t, err)
	require.Equal(a.t, s, checked)
	require.Equal(a.t, hash, again)
	a.before, a.opens, a.signed = &dayend.SignedBefore{Statement: s, Hash: hash}, closing, file
	return s, closing
}

// EachOf makes the accountant the blocks of his ledger.
func (a *accountant) EachOf(_ context.Context, span ledger.Span, visit func(ledger.Block) error) error {
	for _, b := range a.blocks {
		if b.First() < span.First || b.Last() > span.Last {
			continue
		}
		if err := visit(b); err != nil {
			return err
		}
	}
	return nil
}

// TestHandbook runs the scripts in testdata: the worked book of handbook 3.11 and what can go wrong with it.
func TestHandbook(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		a := newAccountant(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			a.t = t
			switch d.Cmd {
			case "accounts":
				return a.open(d.Input)
			case "post":
				return a.post(d.Input)
			case "switch":
				a.switchDay()
				return proof.Day(a.day).String() + "\n"
			case "memory": // what the owner's memory holds beside the log
				a.input.Memory = a.input.Memory.Clone()
				for _, arg := range d.CmdArgs {
					off, err := money.Parse(strings.TrimPrefix(arg.Vals[0], "-"))
					if strings.HasPrefix(arg.Vals[0], "-") {
						off = -off
					}
					require.NoError(t, err)
					a.input.Memory.Fen[a.names[arg.Key]] += off
				}
				return "ok\n"
			case "given":
				return a.given(d)
			case "close":
				s, _ := a.close()
				return dayend.Text(&s)
			case "dimensions":
				return dimensions(&a.before.Statement)
			}
			t.Fatalf("%s: %s", d.Pos, d.Cmd)
			return ""
		})
	})
}

// given is what people and devices have said about the day:
//
//	given account=bank bank=100.00    what the bank has on an account
//	given drawer=1 operator=zhang expected=10.00 counted=9.00
//	given open=load amount=10.00
func (a *accountant) given(d *datadriven.TestData) string {
	text := map[string]string{}
	for _, arg := range d.CmdArgs {
		text[arg.Key] = strings.Join(arg.Vals, "")
	}
	amount := func(key string) money.Fen {
		f, err := money.Parse(text[key])
		require.NoError(a.t, err, key)
		return f
	}
	switch {
	case text["account"] != "":
		id := a.names[text["account"]]
		b := dayend.BankBalance{Account: uint32(id), Code: uint16(a.campus.Accounts[id].Code), Books: -a.input.Memory.Fen[id]}
		if text["bank"] != "" {
			f := amount("bank")
			b.Bank = &f
		}
		a.input.Bank = append(a.input.Bank, b)
	case text["drawer"] != "":
		drawer := dayend.Drawer{Desk: text["drawer"], Operator: text["operator"], Expected: amount("expected")}
		if text["counted"] != "" {
			drawer.Closed, drawer.Counted = 1, amount("counted")
		}
		a.input.Drawers = append(a.input.Drawers, drawer)
	default:
		a.input.Open = append(a.input.Open, dayend.OpenItem{What: text["open"], Entry: 1, Amount: amount("amount")})
	}
	return "ok\n"
}

// dimensions prints the equation of each purse kind and class, and of areas and merchants.
func dimensions(s *dayend.Statement) string {
	var b strings.Builder
	for _, list := range [][]dayend.Equation{s.ByPurse, s.ByClass} {
		for _, e := range list {
			fmt.Fprintf(&b, "%s: %s + %s − %s = %s\n", e.Of, e.Opening, e.TotalIn, e.TotalOut, e.Closing)
		}
	}
	for _, p := range append(slices.Clone(s.Areas), s.Merchants...) {
		fmt.Fprintf(&b, "%s: %s", p.Of, p.Opening)
		for _, l := range p.Lines {
			fmt.Fprintf(&b, " %s %s", l.Line, l.Amount)
		}
		fmt.Fprintf(&b, " = %s\n", p.Closing)
	}
	return b.String()
}
