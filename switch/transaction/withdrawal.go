package transaction

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"onecard/ledger"
	"onecard/ledger/invariant"
	"onecard/ledger/money"
)

// Withdrawals to the bank account (提现到银行卡, 退回银行卡; handbook 2.7, 3.8, 3.11): a load with the signs turned. A holder's own money goes back to
// the account that he is bound to, on the word of an operator.
//
//	SENT -> PAID | DECLINED | UNKNOWN -> PAID | DECLINED | MANUAL -> PAID | DECLINED | charged or returned by two persons
//
// What a load has reversed, a withdrawal has repeated. A debit that was not answered is taken back: at worst the holder has his money where it
// was. A credit that was not answered must not be: the reversal of a credit is a debit of the holder's account, which he may have emptied and
// whose bank may refuse it; and a bank that answers the reversal with "not found" may still be about to pay. A repeat under the same identity
// can pay once at most, and whatever it is answered says what became of all copies: so nothing has to be taken back, the bank's answer is
// believed whenever it comes, and the hold ends on that answer alone.
//
// The hold is on the main purse, so that what is on its way can be spent by nobody; posting it is right after a freeze of the account, too.

// Kinds of what becomes of a withdrawal. Values are stored: never renumber.
const (
	KindWithdrawalLate     Kind = 19 // an answer after its end: reported, moves nothing
	KindWithdrawalPaid     Kind = 26 // the bank has paid: posted
	KindWithdrawalDeclined Kind = 27 // the bank declined, or nothing left the house: the hold is released
	KindWithdrawalUnknown  Kind = 28 // no answer in time: the bank is asked again
	KindWithdrawalManual   Kind = 29 // given up: two persons settle it by the bank's file

	KindBankWithdrawal     Kind = 71 // 提现到银行卡: the money is on hold, the bank is asked
	KindWithdrawalCharged  Kind = 72 // 提现补扣: the bank's file says that it has paid
	KindWithdrawalReturned Kind = 73 // 提现退还: the bank's file says that it has not
)

// isWithdrawalOutcome says whether a kind is the bank's word about a withdrawal.
func isWithdrawalOutcome(kind Kind) bool {
	return kind >= KindWithdrawalPaid && kind <= KindWithdrawalManual || kind == KindWithdrawalLate
}

// withdrawalByHand says whether an operation settles a withdrawal.
func withdrawalByHand(kind Kind) bool {
	return kind == KindWithdrawalCharged || kind == KindWithdrawalReturned
}

// WithdrawalTerms are what the site allows of withdrawals to bank accounts. They are looked at when one is asked for and never again.
type WithdrawalTerms struct {
	Takes      func(account uint64) bool // whose banks pay; nil: none does
	Single     money.Fen                 // at once; 0 no bound
	Day        money.Fen                 // of a holder on a date; 0 no bound
	TwoPersons money.Fen                 // above it a second person approves; 0 never
}

// openWithdrawal is one whose outcome is not settled; finished ones live in the ledger only.
type openWithdrawal struct {
	order  LoadOrder
	holder uint32
	held   money.Fen // the amount with the fee
	state  withdrawalState
}

type withdrawalState uint8

const (
	withdrawalSent    withdrawalState = iota + 1 // the hold is on disk before the bank is asked
	withdrawalUnknown                            // asked again until the bank answers
	withdrawalManual                             // given up: the hold stays until two persons say what the bank's file says, or the bank does after all
)

// withdrawals are all that are open, and what every holder has asked for on the newest date.
type withdrawals struct {
	open map[uint64]openWithdrawal
	date uint32 // of sums
	sums map[uint32]money.Fen
}

func newWithdrawals() withdrawals {
	return withdrawals{open: make(map[uint64]openWithdrawal), sums: make(map[uint32]money.Fen)}
}

// on is what a holder has asked for on a date, what did not come to be left aside.
func (ws *withdrawals) on(date, holder uint32) money.Fen {
	if ws.date != date {
		return 0
	}
	return ws.sums[holder]
}

func (ws *withdrawals) count(date, holder uint32, amount money.Fen) {
	if date > ws.date {
		ws.date = date
		clear(ws.sums)
	}
	if date != ws.date {
		return
	}
	if ws.sums[holder] += amount; ws.sums[holder] <= 0 {
		delete(ws.sums, holder)
	}
}

// OpenWithdrawals is the number of withdrawals whose outcome at the bank is not settled.
func (s *State) OpenWithdrawals() int { return len(s.withdrawals.open) }

// withdrawing is what a holder has on its way to the bank.
func (s *State) withdrawing(holder uint32) (sum money.Fen) {
	for _, w := range s.withdrawals.open { // few: each is looked at in no order
		if w.holder == holder {
			sum += w.held
		}
	}
	return sum
}

// deskTerminal is DE 41 of what desks ask of banks; DE 42 is that of automatic loads.
var deskTerminal = TerminalCode{'D', 'E', 'S', 'K', '0', '0', '0', '0'}

// applyWithdrawal opens one.
func (s *State) applyWithdrawal(sequence uint64, day uint32, e *ledger.Entry, r *operationRecord) {
	w := openWithdrawal{
		order:  LoadOrder{Load: sequence, Time: e.Time, Day: day, Amount: r.amount, BankAccount: r.bank.account, TerminalCode: deskTerminal, MerchantCode: automaticMerchant},
		holder: r.holder - 1, held: e.Hold.Amount, state: withdrawalSent,
	}
	if r.card != 0 {
		w.order.Card = s.cards.At(r.card - 1).Number
	}
	s.withdrawals.open[sequence] = w
	s.withdrawals.count(s.calendarDay(e.Time), w.holder, r.amount)
}

// endWithdrawal takes one off the list, and off its day when nothing was paid.
func (s *State) endWithdrawal(w *openWithdrawal, paid bool) {
	delete(s.withdrawals.open, w.order.Load)
	if !paid {
		s.withdrawals.count(s.calendarDay(w.order.Time), w.holder, -w.order.Amount)
	}
}

// withdrawalOutcome decides what the bank's word does to a withdrawal. Whatever it says of one that is open is believed, whenever it comes; of
// one that has ended it is kept as evidence.
func (d *decider) withdrawalOutcome(r *Request) result {
	w, ok := d.state.withdrawals.open[r.Load]
	kind := r.Kind
	switch {
	case kind == KindWithdrawalLate:
	case kind == KindWithdrawalUnknown && w.state != withdrawalSent, kind == KindWithdrawalManual && w.state != withdrawalUnknown:
		return resultLater // said before, or settled meanwhile
	case !ok:
		kind = KindWithdrawalLate
	}
	d.begin(kind)
	rec := loadRecord{load: r.Load, code: r.BankCode, bank: r.BankTrace}
	switch kind {
	case KindWithdrawalPaid:
		h, site := d.state.holders.At(w.holder), d.state.site(ledger.CodeManagementFee)
		d.leg(h.Main, -w.held)
		d.leg(AccountLoadInTransit, w.order.Amount)
		d.leg(site, w.held-w.order.Amount)
		d.entry.Hold = ledger.HoldAction{Op: ledger.HoldPost, ID: r.Load}
		rec.code = Approved
		rec.balance = d.state.Spendable(h, d.day)
	case KindWithdrawalDeclined:
		d.entry.Hold = ledger.HoldAction{Op: ledger.HoldVoid, ID: r.Load}
		if rec.code == Approved || rec.code == (ResponseCode{}) { // a refusal that says nothing, or the opposite, must not be read as paid
			rec.code = BankCannotOperate
		}
		rec.balance = d.state.Spendable(d.state.holders.At(w.holder), d.day) + w.held
	case KindWithdrawalUnknown:
		rec.code = BankTimeout
	}
	d.payload = rec.append(d.payload[:0])
	d.entry.Payload = d.payload
	return resultEntry
}

// applyWithdrawalOutcome ends a withdrawal, or takes it one state further.
func (s *State) applyWithdrawalOutcome(e *ledger.Entry) {
	var r loadRecord
	invariant.Hold(r.decode(e.Payload, e.Kind) == nil, "outcome of a withdrawal after entry %d cannot be read", s.book.Sequence())
	if e.Kind == KindWithdrawalLate {
		return
	}
	w, ok := s.withdrawals.open[r.load]
	invariant.Hold(ok, "outcome of withdrawal %d, which is not open", r.load)
	switch e.Kind {
	case KindWithdrawalUnknown:
		w.state = withdrawalUnknown
	case KindWithdrawalManual:
		w.state = withdrawalManual
	default:
		s.endWithdrawal(&w, e.Kind == KindWithdrawalPaid)
		return
	}
	s.withdrawals.open[r.load] = w
}

// resumeWithdrawals takes up what was open when the ledger was closed: it may have been asked for, so it is asked for again under its own
// identity. What was given up stays so.
func (e *Engine) resumeWithdrawals(now int64) error {
	for _, id := range slices.Sorted(maps.Keys(e.state.withdrawals.open)) {
		w := e.state.withdrawals.open[id]
		if w.state == withdrawalManual {
			continue
		}
		if w.state == withdrawalSent {
			if err := e.handle(&Request{Kind: KindWithdrawalUnknown, Load: id, Received: now}); err != nil {
				return err
			}
		}
		order := w.order
		order.Repeat = true
		e.open.orders = append(e.open.orders, bankOrder{withdraw: true, order: order})
	}
	return nil
}

// withdrawalRecorded asks the bank when the group is durable.
func (e *Engine) withdrawalRecorded(sequence uint64) {
	e.open.orders = append(e.open.orders, bankOrder{withdraw: true, order: e.state.withdrawals.open[sequence].order})
	e.withdrawalState("sent")
}

var withdrawalStates = map[Kind]string{
	KindWithdrawalPaid: "paid", KindWithdrawalDeclined: "declined", KindWithdrawalUnknown: "unknown", KindWithdrawalLate: "late", KindWithdrawalManual: "manual",
}

func (e *Engine) withdrawalState(state string) {
	if e.config.Events.WithdrawalState != nil {
		e.config.Events.WithdrawalState(state)
	}
}

// sectionWithdrawals holds the open ones and the sums of the newest date:
//
//	date u32 | n uvarint, (holder, amount uvarint) ... | (id, time, day, amount, card, account, holder, held, state uvarint) ...
const sectionWithdrawals = "settlement.bank_withdrawals"

func (s *State) encodeWithdrawals() []byte {
	ws := &s.withdrawals
	p := binary.BigEndian.AppendUint32(nil, ws.date)
	p = binary.AppendUvarint(p, uint64(len(ws.sums)))
	for _, holder := range slices.Sorted(maps.Keys(ws.sums)) {
		p = binary.AppendUvarint(binary.AppendUvarint(p, uint64(holder)), uint64(ws.sums[holder]))
	}
	for _, w := range slices.SortedFunc(maps.Values(ws.open), func(a, b openWithdrawal) int { return cmp.Compare(a.order.Load, b.order.Load) }) {
		o := &w.order
		for _, v := range []uint64{
			o.Load, uint64(o.Time), uint64(o.Day), uint64(o.Amount), uint64(o.Card), o.BankAccount, uint64(w.holder), uint64(w.held), uint64(w.state),
		} {
			p = binary.AppendUvarint(p, v)
		}
	}
	return p
}

func (s *State) restoreWithdrawals(part []byte) error {
	p, ws := payloadReader{b: part}, &s.withdrawals
	ws.date = p.u32()
	for n := p.uvarint(); n > 0 && !p.bad; n-- {
		holder := uint32(p.uvarint())
		ws.sums[holder] = money.Fen(p.uvarint())
	}
	for len(p.b) > 0 && !p.bad {
		o := LoadOrder{
			Load: p.uvarint(), Time: int64(p.uvarint()), Day: uint32(p.uvarint()), Amount: money.Fen(p.uvarint()), Card: CardNumber(p.uvarint()),
			BankAccount: p.uvarint(), TerminalCode: deskTerminal, MerchantCode: automaticMerchant,
		}
		ws.open[o.Load] = openWithdrawal{order: o, holder: uint32(p.uvarint()), held: money.Fen(p.uvarint()), state: withdrawalState(p.uvarint())}
	}
	return p.done(KindBankWithdrawal)
}
