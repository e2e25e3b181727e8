package ledgertest_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/ledgertest"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// stored is one decoded entry of a ledger that a forger edits; the chain is hashed again afterwards, so only the books can tell.
type stored struct {
	entry ledger.Entry
	day   uint32
}

type forger struct {
	t       *testing.T
	entries []stored
}

func newForger(t *testing.T) *forger {
	journal, _ := play(t, 3, 600, false)
	f := &forger{t: t}
	for _, raw := range journal.raw {
		b, err := ledger.OpenBlock(raw)
		require.NoError(t, err)
		require.NoError(t, b.Each(func(_ uint64, e *ledger.Entry) error {
			copied := *e
			copied.Legs, copied.Opens, copied.States, copied.Payload = slices.Clone(e.Legs), slices.Clone(e.Opens), slices.Clone(e.States), slices.Clone(e.Payload)
			f.entries = append(f.entries, stored{copied, b.Day()})
			return nil
		}))
	}
	return f
}

// blocks writes the entries as a whole new ledger, one block an entry.
func (f *forger) blocks() [][]byte {
	var all [][]byte
	var builder ledger.BlockBuilder
	head := ledger.Head{}
	for i := range f.entries {
		builder.Begin(head, f.entries[i].day)
		builder.Add(&f.entries[i].entry)
		block := builder.Seal()
		head, all = block.Head(), append(all, slices.Clone(block.Bytes()))
	}
	return all
}

// find returns the index of an entry of a kind with a reason (requests) that moved money or not.
func (f *forger) find(kind ledger.Kind, reason byte, money bool) int {
	for i := len(f.entries) - 1; i >= 0; i-- {
		e := &f.entries[i].entry
		if e.Kind == kind && (kind >= 20 || e.Payload[1] == reason) && (len(e.Legs) > 0) == money {
			return i
		}
	}
	f.t.Fatalf("the traffic has no entry of kind %d with reason %d", kind, reason)
	return 0
}

// add appends an entry at the end.
func (f *forger) add(e ledger.Entry) {
	last := f.entries[len(f.entries)-1]
	e.Time = last.entry.Time
	f.entries = append(f.entries, stored{e, last.day})
}

// switchDay appends a day switch in a block that is some days on; it closes the last day and opens one that is some days on.
func (f *forger) switchDay(block, opens uint32) {
	last := f.entries[len(f.entries)-1].day
	book := ledger.NewBook()
	for i := range f.entries {
		book.Apply(uint64(i)+1, &f.entries[i].entry)
	}
	over := transaction.DaySwitch{Closes: last, Opens: last + opens, Totals: book.ControlTotals()}
	f.add(ledger.Entry{Kind: transaction.KindDaySwitch, Payload: over.Append(nil)})
	f.entries[len(f.entries)-1].day = last + block
}

// endDay appends a day-end of the day so many days back, with its last entry and hash off by so much.
func (f *forger) endDay(back uint32, last uint64, hash byte) {
	blocks := f.blocks()
	day := f.entries[len(f.entries)-1].day
	p := binary.BigEndian.AppendUint32(nil, day-back)
	p = binary.BigEndian.AppendUint64(p, uint64(len(blocks))-uint64(back)+last)
	end, err := ledger.OpenBlock(blocks[len(blocks)-1-int(back)])
	require.NoError(f.t, err)
	sum := end.Head().Hash
	sum[0] ^= hash
	f.add(ledger.Entry{Kind: transaction.KindDayEnd, Payload: append(append(p, sum[:]...), make([]byte, 65)...)})
}

// request writes a request's payload as record.go documents it.
func request(reason byte, terminal, batch, trace, card, amount, main, subsidy uint64, reversalOf ...uint64) []byte {
	flags := byte(1)
	if main+subsidy > 0 {
		flags |= 32
	}
	p := []byte{flags, reason, 0}
	for _, v := range []uint64{terminal, batch, trace, card, amount} {
		p = binary.AppendUvarint(p, v)
	}
	if main+subsidy > 0 {
		p = binary.AppendUvarint(binary.AppendUvarint(p, main), subsidy)
	}
	for _, v := range reversalOf {
		p = binary.AppendUvarint(p, v)
	}
	return p
}

// identity reads terminal, batch and trace of a request's payload.
func identity(payload []byte) (terminal, batch, trace uint64) {
	rest := payload[3:]
	for _, v := range []*uint64{&terminal, &batch, &trace} {
		n := 0
		*v, n = binary.Uvarint(rest)
		rest = rest[n:]
	}
	return terminal, batch, trace
}

// purses of the first card of the sample campus, and the payable of the first merchant: 9 site accounts, 2 merchants, then holders.
const (
	transit, payable, mainPurse, subsidyPurse = 3, 10, 12, 13
	plenty                                    = 1 << 40
)

func purchase(trace, amount uint64, legs ...ledger.Leg) ledger.Entry {
	if legs == nil {
		legs = []ledger.Leg{{Account: mainPurse, Amount: -money.Fen(amount)}, {Account: payable, Amount: money.Fen(amount)}}
	}
	return ledger.Entry{Kind: transaction.KindPurchase, Legs: legs, Payload: request(0, 1, 900, trace, 1, amount, amount, 0)}
}

// fraud is something that nobody may do to a ledger, and what the auditor must say about it.
type fraud struct {
	name   string
	commit func(f *forger)
	says   string
}

// frauds are against the books and what was decided before.
var frauds = []fraud{
	{"the same debit twice", func(f *forger) { f.add(f.entries[f.find(transaction.KindPurchase, 0, true)].entry) }, "money moved twice"},
	{"a debit for an identity already refused", func(f *forger) {
		terminal, batch, trace := identity(f.entries[f.find(transaction.KindPassage, 26, false)].entry.Payload)
		e := purchase(1, 5)
		e.Payload = request(0, terminal, batch, trace, 1, 5, 5, 0)
		f.add(e)
	}, "decided twice"},
	{"legs that do not sum to zero", func(f *forger) { f.entries[f.find(transaction.KindPurchase, 0, true)].entry.Legs[0].Amount-- }, "the legs sum to -0.01"},
	{"a purchase paid to another merchant", func(f *forger) {
		f.add(purchase(1, 5, ledger.Leg{Account: mainPurse, Amount: -5}, ledger.Leg{Account: payable + 1, Amount: 5}))
	}, "are not its parts"},
	{"a purchase of the wrong holder", func(f *forger) {
		f.add(purchase(1, 5, ledger.Leg{Account: mainPurse + 2, Amount: -5}, ledger.Leg{Account: payable, Amount: 5}))
	}, "are not its parts"},
	{"a purse overdrawn", func(f *forger) { f.add(purchase(1, 90_000_000)) }, "account 12 is overdrawn: -"},
	{"an account that does not exist", func(f *forger) {
		f.add(purchase(1, 5, ledger.Leg{Account: 60_000, Amount: -5}, ledger.Leg{Account: payable, Amount: 5}))
	}, "account 60000 does not exist"},
	{"a leg without an amount", func(f *forger) {
		f.add(ledger.Entry{Kind: transaction.OpeningKind, Legs: []ledger.Leg{{Account: 2, Amount: 0}}})
	}, "has no amount"},
	{"a purchase with a closed card", func(f *forger) {
		f.add(ledger.Entry{Kind: transaction.KindCardState, Payload: []byte{1, 3, 1, 'x'}})
		f.add(purchase(1, 5))
	}, "not in good standing"},
	{"a closed card comes alive", func(f *forger) {
		f.add(ledger.Entry{Kind: transaction.KindCardState, Payload: []byte{1, 3, 1, 'x'}})
		f.add(ledger.Entry{Kind: transaction.KindCardState, Payload: []byte{1, 0, 1, 'x'}})
	}, "has changed its state again"},
	{"money in a refusal", func(f *forger) {
		e := purchase(1, 5)
		e.Payload = request(25, 1, 900, 1, 1, 5, 0, 0)
		f.add(e)
	}, "must not move money: account 12 -0.05"},
	{"a wrong balance told", func(f *forger) {
		e := purchase(1, 5)
		e.Payload = slices.Insert(slices.Clone(e.Payload), len(e.Payload)-2, 2)
		e.Payload[0] |= 4
		f.add(e)
	}, "told a balance of 0.01"},
	{"a reversal without an original", func(f *forger) {
		f.add(ledger.Entry{
			Kind: transaction.KindReversal, Legs: []ledger.Leg{{Account: payable, Amount: -5}, {Account: mainPurse, Amount: 5}},
			Payload: request(0, 1, 900, 1, 1, 5, 5, 0, 77),
		})
	}, "0.05 given back without an original"},
	{"a reversal of more than its original", func(f *forger) {
		f.add(purchase(1, 5))
		f.add(ledger.Entry{
			Kind: transaction.KindReversal, Legs: []ledger.Leg{{Account: payable, Amount: -6}, {Account: mainPurse, Amount: 6}},
			Payload: request(0, 1, 900, 1, 1, 6, 6, 0, uint64(len(f.entries))),
		})
	}, "is not of its original"},
	{"a reversal to another purse", func(f *forger) {
		f.add(purchase(1, 5))
		f.add(ledger.Entry{
			Kind: transaction.KindReversal, Legs: []ledger.Leg{{Account: payable, Amount: -5}, {Account: subsidyPurse, Amount: 5}},
			Payload: request(0, 1, 900, 1, 1, 5, 5, 0, uint64(len(f.entries))),
		})
	}, "turned round"},
	{"the same reversal twice", func(f *forger) { f.add(f.entries[f.find(transaction.KindReversal, 0, true)].entry) }, "was reversed twice"},
	{"an original after its tombstone", func(f *forger) {
		f.add(ledger.Entry{Kind: transaction.KindReversal, Payload: request(40, 1, 900, 1, 1, 5, 0, 0, 0)})
		f.add(purchase(1, 5))
	}, "the late original of 0.05 was approved"},
	{"a tombstone for an original that had come", func(f *forger) {
		f.add(purchase(1, 5))
		f.add(ledger.Entry{Kind: transaction.KindReversal, Payload: request(40, 1, 900, 1, 1, 5, 0, 0, 0)})
	}, "is said not to have come"},
	{"refused as reversed, but was not", func(f *forger) {
		f.add(purchase(1, 5))
		f.add(ledger.Entry{Kind: transaction.KindPurchase, Payload: request(10, 1, 900, 1, 1, 5, 0, 0)})
	}, "refused as reversed, but"},
	{"a load credited twice", func(f *forger) { f.add(f.entries[f.find(transaction.KindLoadConfirmed, 0, true)].entry) }, "has ended, yet another outcome"},
	{"a load credited after its reversal was queued", func(f *forger) {
		f.add(openLoad())
		id := uint64(len(f.entries))
		f.add(outcome(transaction.KindLoadUnknown, id, ledger.HoldNone))
		f.add(outcome(transaction.KindLoadConfirmed, id, ledger.HoldPost, ledger.Leg{Account: transit, Amount: -5}, ledger.Leg{Account: mainPurse, Amount: 5}))
	}, "must not come after its reversal was queued"},
	{"an outcome with no settlement date in its place", func(f *forger) {
		f.add(openLoad())
		said := outcome(transaction.KindLoadUnknown, uint64(len(f.entries)), ledger.HoldNone)
		said.Payload = append(said.Payload, 0)
		f.add(said)
	}, "the payload of kind"},
	{"an outcome with something behind the settlement date", func(f *forger) {
		f.add(openLoad())
		said := outcome(transaction.KindLoadUnknown, uint64(len(f.entries)), ledger.HoldNone)
		said.Payload = append(said.Payload, 5, 5)
		f.add(said)
	}, "the payload of kind"},
	{"a load credited with more than was asked", func(f *forger) {
		f.add(openLoad())
		f.add(outcome(transaction.KindLoadConfirmed, uint64(len(f.entries)), ledger.HoldPost, ledger.Leg{Account: transit, Amount: -6}, ledger.Leg{Account: mainPurse, Amount: 6}))
	}, "of 0.05 from account 3 to 12 was posted with 0.06 taken"},
	{"a load credited to somebody else", func(f *forger) {
		f.add(openLoad())
		f.add(outcome(transaction.KindLoadConfirmed, uint64(len(f.entries)), ledger.HoldPost, ledger.Leg{Account: transit, Amount: -5}, ledger.Leg{Account: mainPurse + 2, Amount: 5}))
	}, "must credit 0.05 to account 12"},
	{"a failed load keeps its hold", func(f *forger) {
		f.add(openLoad())
		f.add(outcome(transaction.KindLoadDeclined, uint64(len(f.entries)), ledger.HoldNone))
	}, "must be released"},
	{"a late answer that credits", func(f *forger) {
		f.add(outcome(transaction.KindLoadLate, 30, ledger.HoldNone, ledger.Leg{Account: transit, Amount: -5}, ledger.Leg{Account: mainPurse, Amount: 5}))
	}, "must not move money"},
	{"a load without a hold", func(f *forger) {
		e := openLoad()
		e.Hold = ledger.HoldAction{}
		f.add(e)
	}, "must hold that amount"},
	{"a hold that never was", func(f *forger) {
		f.add(ledger.Entry{Kind: 99, Hold: ledger.HoldAction{Op: ledger.HoldVoid, ID: plenty}})
	}, "does not exist or has ended"},
	{"a kind that nobody knows", func(f *forger) { f.add(ledger.Entry{Kind: 99}) }, "kind 99 is unknown"},
	{"an opening balance out of a purse", func(f *forger) {
		f.add(ledger.Entry{Kind: transaction.OpeningKind, Legs: []ledger.Leg{{Account: mainPurse, Amount: -5}, {Account: 2, Amount: 5}}})
	}, "a leg the wrong way"},
	{"an account closed with money on it", func(f *forger) {
		f.add(ledger.Entry{Kind: 99, States: []ledger.StateChange{{Account: mainPurse, State: ledger.AccountClosed}}})
	}, "was closed with a balance"},
	{"a posting on a frozen account", func(f *forger) {
		f.add(ledger.Entry{Kind: 99, States: []ledger.StateChange{{Account: mainPurse, State: ledger.AccountFrozen}}})
		f.add(purchase(1, 5))
	}, "is frozen or closed, yet -0.05"},
	{"time that goes back", func(f *forger) {
		f.add(purchase(1, 5))
		f.entries[len(f.entries)-1].entry.Time -= 3_000_000
	}, "time goes back"},
	{"a day that goes back", func(f *forger) { f.entries[len(f.entries)-1].day-- }, "the business day goes back"},
	{"a day that goes on without a switch", func(f *forger) {
		f.switchDay(1, 1)
		f.add(purchase(1, 5))
		f.entries[len(f.entries)-1].day++
	}, "without a day switch"},
	{"a closed day that gets another block", func(f *forger) {
		f.switchDay(1, 1)
		f.add(purchase(1, 5))
		f.entries[len(f.entries)-1].day--
	}, "the business day goes back"},
	{"a day switch that closes another day", func(f *forger) {
		f.switchDay(1, 1)
		f.entries[len(f.entries)-1].entry.Payload[3]--
	}, "the day switch closes"},
	{"a day switch that opens another day", func(f *forger) { f.switchDay(1, 2) }, "the day switch closes"},
	{"a day switch within its day", func(f *forger) { f.switchDay(0, 0) }, "the day switch closes"},
	{"a day switch that moves money", func(f *forger) {
		f.switchDay(1, 1)
		f.entries[len(f.entries)-1].entry.Legs = purchase(1, 5).Legs
	}, "must not move money"},
	{"a day switch with another balance", func(f *forger) {
		f.switchDay(1, 1)
		over, err := transaction.ReadDaySwitch(f.entries[len(f.entries)-1].entry.Payload)
		require.NoError(f.t, err)
		over.Totals[1].Balance -= 7
		f.entries[len(f.entries)-1].entry.Payload = over.Append(nil)
	}, "the day switch says that code 1002"},
	{"a day switch with an account too many", func(f *forger) {
		f.switchDay(1, 1)
		over, err := transaction.ReadDaySwitch(f.entries[len(f.entries)-1].entry.Payload)
		require.NoError(f.t, err)
		over.Totals[len(over.Totals)-1].Accounts++
		f.entries[len(f.entries)-1].entry.Payload = over.Append(nil)
	}, "the day switch says that code"},
	{"a day switch that leaves out a code", func(f *forger) {
		f.switchDay(1, 1)
		over, err := transaction.ReadDaySwitch(f.entries[len(f.entries)-1].entry.Payload)
		require.NoError(f.t, err)
		over.Totals = over.Totals[1:]
		f.entries[len(f.entries)-1].entry.Payload = over.Append(nil)
	}, "the day switch leaves out code 1001"},
	{"a day-end of the open day", func(f *forger) { f.endDay(0, 0, 0) }, "which is open or has no entry"},
	{"a day-end with another last entry", func(f *forger) { f.switchDay(1, 1); f.endDay(1, 1, 0) }, "it ends with"},
	{"a day-end with another hash", func(f *forger) { f.switchDay(1, 1); f.endDay(1, 0, 1) }, "or the hash of its block is another"},
	{"a day-end cut short", func(f *forger) {
		f.switchDay(1, 1)
		f.endDay(1, 0, 0)
		e := &f.entries[len(f.entries)-1].entry
		e.Payload = e.Payload[:100]
	}, "the payload of kind 7 cannot be read"},
	{"a day switch cut short", func(f *forger) {
		f.switchDay(1, 1)
		e := &f.entries[len(f.entries)-1].entry
		e.Payload = e.Payload[:7]
	}, "the payload of kind 6 cannot be read"},
	{"a card issued twice", func(f *forger) { f.add(f.entries[f.lastCard()].entry) }, "is registered twice"},
	{"a payload cut short", func(f *forger) {
		e := purchase(1, 5)
		e.Payload = e.Payload[:5]
		f.add(e)
	}, "the payload of kind 13 cannot be read"},
	{"a terminal that is not registered", func(f *forger) {
		e := purchase(1, 5)
		e.Payload = request(0, 4000, 900, 1, 1, 5, 5, 0)
		f.add(e)
	}, "terminal 4000 is not registered"},
}

func openLoad() ledger.Entry {
	return ledger.Entry{
		Kind: transaction.KindLoad, Hold: ledger.HoldAction{Op: ledger.HoldOpen, From: transit, To: mainPurse, Amount: 5},
		Payload: request(0, 1, 900, 2, 1, 5, 0, 0),
	}
}

func outcome(kind ledger.Kind, load uint64, op ledger.HoldOp, legs ...ledger.Leg) ledger.Entry {
	e := ledger.Entry{Kind: kind, Legs: legs, Payload: append(binary.AppendUvarint(nil, load), make([]byte, 15)...)}
	if op != ledger.HoldNone {
		e.Hold = ledger.HoldAction{Op: op, ID: load}
	}
	return e
}

func (f *forger) lastCard() int {
	for i := len(f.entries) - 1; i >= 0; i-- {
		if e := &f.entries[i].entry; e.Kind == transaction.KindDirectory && e.Payload[0] == 6 {
			return i
		}
	}
	f.t.Fatal("no card")
	return 0
}

func TestEveryFraudIsNamed(t *testing.T) {
	require.Empty(t, audit(newForger(t).blocks()).Finish().Findings, "the ledger before the fraud")
	for _, fraud := range slices.Concat(frauds, ruleFrauds, deskFrauds, withdrawalFrauds) {
		t.Run(fraud.name, func(t *testing.T) {
			f := newForger(t)
			fraud.commit(f)
			report := audit(f.blocks()).Finish()
			named := false
			for _, finding := range report.Findings {
				require.NotContains(t, finding.Text, "%!", "a badly formatted finding")
				named = named || strings.Contains(finding.Text, fraud.says)
			}
			require.True(t, named, "findings: %v", report.Findings)
		})
	}
}

// TestDamagedBlocksAreNamed: what the chain alone can tell, with the range and the key of the block.
func TestDamagedBlocksAreNamed(t *testing.T) {
	for _, damage := range []struct {
		name string
		do   func(raw [][]byte) [][]byte
		says string
	}{
		{"a flipped bit in the body", func(raw [][]byte) [][]byte { raw[9][120] ^= 4; return raw }, "(key 42000000000000000a) do not match its hash"},
		{"a flipped bit in the header", func(raw [][]byte) [][]byte { raw[9][26] ^= 4; return raw }, "(key 42000000000000000a) do not match its hash"},
		{"a wrong version", func(raw [][]byte) [][]byte { raw[9][0] = 9; return raw }, "under key 42000000000000000a"},
		{"a cut block", func(raw [][]byte) [][]byte { raw[9] = raw[9][:100]; return raw }, "has a wrong length"},
		{"a missing block", func(raw [][]byte) [][]byte { return slices.Delete(raw, 9, 10) }, "entries 10 to 10 are missing before block 11"},
		{"a block twice", func(raw [][]byte) [][]byte { return slices.Insert(raw, 9, raw[8]) }, "overlaps the one before"},
		{"a chain cut and spliced", func(raw [][]byte) [][]byte { raw[9][40] ^= 1; return raw }, "does not carry the hash of the block before it"},
	} {
		t.Run(damage.name, func(t *testing.T) {
			raw := damage.do(newForger(t).blocks())
			for _, a := range []*ledgertest.Auditor{ledgertest.New(), ledgertest.NewRange()} {
				for i, b := range raw {
					key := uint64(i + 1)
					if len(b) >= 16 {
						key = binary.BigEndian.Uint64(b[8:])
					}
					a.Block(key, b)
				}
				report := a.Finish()
				require.NotEmpty(t, report.Findings)
				require.Contains(t, report.Findings[0].Text, damage.says)
			}
		})
	}
}

func TestReceiptsFindWhatTheLedgerLost(t *testing.T) {
	journal, l := play(t, 5, 2000, false)
	a := audit(journal.raw)
	clean := l.receipts.Bytes()
	first := firstApproved(clean)
	for _, c := range []struct {
		name          string
		edit          func(b []byte) []byte
		lost, doubled uint64
		says          string
	}{
		{"as told", func(b []byte) []byte { return b }, 0, 0, ""},
		{"another amount", func(b []byte) []byte { b[first+39]++; return b }, 1, 0, "this amount instead"},
		{"another card", func(b []byte) []byte { b[first+47] ^= 3; return b }, 1, 0, "another card"},
		{"another code", func(b []byte) []byte { b[first+2] = '5'; return b }, 1, 0, "this code instead"},
		{"an entry that is not there", func(b []byte) []byte { copy(b[first+20:], "000099999999"); return b }, 1, 0, "no such entry"},
		{"approved under two references", func(b []byte) []byte {
			twice := slices.Clone(b[first : first+48])
			copy(twice[20:], "000099999999")
			return append(b, twice...)
		}, 1, 1, "under two references"},
		{"a torn last record", func(b []byte) []byte { return append(b, 1, 2, 3) }, 0, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			found, err := a.Receipts(bytes.NewReader(c.edit(slices.Clone(clean))))
			require.NoError(t, err)
			require.Equal(t, []uint64{c.lost, c.doubled}, []uint64{found.Lost, found.Doubled}, "%v %v", found.LostFirst, found.DoubledFirst)
			require.Contains(t, strings.Join(append(found.LostFirst, found.DoubledFirst...), "\n"), c.says)
		})
	}
	_, err := a.Receipts(strings.NewReader("something else entirely"))
	require.ErrorIs(t, err, ledgertest.ErrReceipts)
}

func firstApproved(receipts []byte) int {
	for at := 16; ; at += 48 {
		if receipts[at+1] == 13 && string(receipts[at+2:at+4]) == "00" {
			return at
		}
	}
}

// TestReceiptsNameALostTail: the ledger is cut where it ends, the terminals know better.
func TestReceiptsNameALostTail(t *testing.T) {
	journal, l := play(t, 6, 1000, false)
	a := audit(journal.raw[:len(journal.raw)-3])
	found, err := a.Receipts(bytes.NewReader(l.receipts.Bytes()))
	require.NoError(t, err)
	require.Positive(t, found.Lost)
	require.Contains(t, found.LostFirst[0], "no such entry")
}

// FuzzAuditor: whatever bytes stand where a block should be, the auditor names them and goes on.
func FuzzAuditor(f *testing.F) {
	journal, _ := play(f, 1, 200, false)
	for i := range 6 {
		f.Add(journal.raw[len(journal.raw)-1-i], uint16(100))
	}
	f.Fuzz(func(t *testing.T, raw []byte, cut uint16) {
		a := audit(journal.raw[:min(len(journal.raw), int(cut))])
		a.Block(a.Last()+1, raw)
		a.Finish()
		a.BalanceSheet()
	})
}
