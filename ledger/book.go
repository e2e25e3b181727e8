package ledger

import (
	"onecard/ledger/invariant"
	"onecard/ledger/money"
)

// Refusal says why an entry may not be applied, in order of precedence: the first that holds is returned.
type Refusal uint8

const (
	Accepted          Refusal = iota
	TooManyLegs               // more than maxLegs
	AccountUnknown            // no such account
	AmountZero                // a leg or a hold without an amount
	LegsUnbalanced            // legs do not sum to zero in each account set, or a hold goes from one to another
	AmountOverflow            // a balance would not fit
	AccountNotOpen            // closed, or frozen and debited by what was not on hold
	HoldUnknown               // no such open hold
	HoldExceeded              // legs take more from the holding account than was held
	FundsInsufficient         // available balance would go below zero
	AccountNotEmpty           // closing with money or holds on it
)

var refusalNames = [...]string{
	"accepted", "too_many_legs", "account_unknown", "amount_zero", "legs_unbalanced", "amount_overflow", "account_not_open",
	"hold_unknown", "hold_exceeded", "funds_insufficient", "account_not_empty",
}

func (r Refusal) String() string { return refusalNames[r] }

// Book is the state of all accounts after some entry. Owner: one goroutine.
type Book struct {
	accounts Table[Account] // row 0 is unused: AccountID 0 is no account
	holds    map[uint64]Hold
	sequence uint64         // of the last entry applied
	credits  money.Fen      // all credit legs ever posted
	debits   money.Fen      // all debit legs ever posted, as a positive amount; credits == debits always
	controls []ControlTotal // in the order in which their first accounts were opened; each balance is the sum of its accounts'
	adding   adding         // not part of what a checkpoint holds
}

// NewBook returns an empty book.
func NewBook() *Book {
	b := &Book{holds: make(map[uint64]Hold)}
	b.accounts.Append(Account{State: AccountClosed})
	return b
}

// Sequence of the last entry applied; 0 when none.
func (b *Book) Sequence() uint64 { return b.sequence }

// Turnover returns the totals of all credit and all debit legs ever posted. They are equal at every moment.
func (b *Book) Turnover() (credits, debits money.Fen) { return b.credits, b.debits }

// Accounts is the number of accounts ever opened; their numbers are 1..Accounts.
func (b *Book) Accounts() uint32 { return b.accounts.Len() - 1 }

// Known says whether the account exists.
func (b *Book) Known(id AccountID) bool { return id > 0 && uint32(id) < b.accounts.Len() }

// Account returns an account for reading. REQUIRES: Known(id).
func (b *Book) Account(id AccountID) *Account { return b.accounts.At(uint32(id)) }

// Hold returns an open hold.
func (b *Book) Hold(id uint64) (Hold, bool) {
	h, ok := b.holds[id]
	return h, ok
}

// EachHold visits the open holds, in no order.
func (b *Book) EachHold(visit func(Hold)) {
	for _, h := range b.holds {
		visit(h)
	}
}

// Holds is the number of open holds.
func (b *Book) Holds() int { return len(b.holds) }

// Expired returns the open holds whose time has passed, oldest first.
func (b *Book) Expired(now int64) []Hold {
	var expired []Hold
	for _, h := range b.holds {
		if h.Expires != 0 && h.Expires <= now {
			expired = append(expired, h)
		}
	}
	sortHolds(expired)
	return expired
}

// Check says whether the entry may be applied now.
func (b *Book) Check(e *Entry) Refusal {
	if b.plain(e) {
		return Accepted
	}
	if len(e.Legs) > maxLegs {
		return TooManyLegs
	}
	if r := b.checkLegs(e.Legs, b.promisedBy(&e.Hold)); r != Accepted {
		return r
	}
	released, r := b.checkHold(&e.Hold, e.Legs)
	if r != Accepted {
		return r
	}
	if r := b.checkFunds(e, released); r != Accepted {
		return r
	}
	return b.checkStates(e, released)
}

// plain says whether the entry is one of a few legs on different open accounts of one set, touches no hold and no state, and may be applied:
// nearly all are, and need one look at each account.
func (b *Book) plain(e *Entry) bool {
	if len(e.Legs) > plainLegs || e.Hold.Op != HoldNone || len(e.States) > 0 {
		return false
	}
	var sum money.Fen
	var sets uint32
	for i := range e.Legs {
		leg := &e.Legs[i]
		for j := range e.Legs[:i] {
			if e.Legs[j].Account == leg.Account {
				return false
			}
		}
		if leg.Amount == 0 || !b.Known(leg.Account) {
			return false
		}
		account := b.Account(leg.Account)
		balance, err := account.Balance.Add(leg.Amount)
		if err != nil || account.State != AccountOpen || leg.Amount < 0 && account.Flags&MustNotOverdraw != 0 && balance < account.Held {
			return false
		}
		if sum, err = sum.Add(leg.Amount); err != nil {
			return false
		}
		sets |= 1 << account.Set
	}
	return sum == 0 && sets&(sets-1) == 0
}

// plainLegs is how many legs plain looks at.
const plainLegs = 5

// promisedBy is the account whose promise an entry fulfils; 0 none. It is kept though the account was frozen since: frozen is for what is new.
func (b *Book) promisedBy(h *HoldAction) AccountID {
	if h.Op != HoldPost {
		return 0
	}
	return b.holds[h.ID].From
}

// checkLegs: accounts exist and are open, every leg has an amount, the sum is zero, nothing overflows.
func (b *Book) checkLegs(legs []Leg, promised AccountID) Refusal {
	for i := range legs {
		if !b.Known(legs[i].Account) {
			return AccountUnknown
		}
	}
	var sum money.Fen
	for i := range legs {
		if legs[i].Amount == 0 {
			return AmountZero
		}
		var err error
		if sum, err = sum.Add(legs[i].Amount); err != nil {
			return AmountOverflow
		}
	}
	if sum != 0 || !b.setsBalance(legs) {
		return LegsUnbalanced
	}
	for i := range legs {
		account := b.Account(legs[i].Account)
		if account.State == AccountClosed || account.State == AccountFrozen && legs[i].Amount < 0 && legs[i].Account != promised {
			return AccountNotOpen
		}
		balance := account.Balance
		for j := range legs[:i+1] {
			if legs[j].Account != legs[i].Account {
				continue
			}
			var err error
			if balance, err = balance.Add(legs[j].Amount); err != nil {
				return AmountOverflow
			}
		}
	}
	return Accepted
}

// setsBalance: legs that sum to zero together do so in each account set. Nearly all entries touch one set only.
func (b *Book) setsBalance(legs []Leg) bool {
	var seen uint32
	for i := range legs {
		seen |= 1 << b.Account(legs[i].Account).Set
	}
	if seen&(seen-1) == 0 {
		return true
	}
	var sums [maxSets]money.Fen
	for i := range legs {
		sums[b.Account(legs[i].Account).Set] += legs[i].Amount
	}
	return sums == [maxSets]money.Fen{}
}

// checkHold returns the hold that the entry releases, if any.
func (b *Book) checkHold(h *HoldAction, legs []Leg) (released Hold, r Refusal) {
	switch h.Op {
	case HoldNone:
		return Hold{}, Accepted
	case HoldOpen:
		return Hold{}, b.checkOpenHold(h)
	}
	released, ok := b.holds[h.ID]
	if !ok {
		return Hold{}, HoldUnknown
	}
	if h.Op != HoldPost {
		return released, Accepted
	}
	var taken money.Fen
	for i := range legs {
		if legs[i].Account == released.From {
			taken -= legs[i].Amount
		}
	}
	if taken <= 0 || taken > released.Amount {
		return Hold{}, HoldExceeded
	}
	return released, Accepted
}

func (b *Book) checkOpenHold(h *HoldAction) Refusal {
	switch {
	case !b.Known(h.From) || !b.Known(h.To):
		return AccountUnknown
	case h.Amount <= 0:
		return AmountZero
	case b.Account(h.From).Set != b.Account(h.To).Set:
		return LegsUnbalanced
	case b.Account(h.From).State != AccountOpen || b.Account(h.To).State == AccountClosed:
		return AccountNotOpen
	}
	if _, err := b.Account(h.From).Held.Add(h.Amount); err != nil {
		return AmountOverflow
	}
	return Accepted
}

// after is an account's balance and holds as the entry leaves them: an account may stand in several legs, and in the hold too.
func (b *Book) after(id AccountID, e *Entry, released Hold) (balance, held money.Fen) {
	account := b.Account(id)
	balance, held = account.Balance, account.Held
	for i := range e.Legs {
		if e.Legs[i].Account == id {
			balance += e.Legs[i].Amount
		}
	}
	if e.Hold.Op == HoldOpen && e.Hold.From == id {
		held += e.Hold.Amount
	}
	if released.From == id {
		held -= released.Amount
	}
	return balance, held
}

// checkFunds: what is available on every account that must not overdraw, and that the entry takes from, stays at or above zero.
func (b *Book) checkFunds(e *Entry, released Hold) Refusal {
	for i := range e.Legs {
		if e.Legs[i].Amount < 0 && b.overdrawn(e.Legs[i].Account, e, released) {
			return FundsInsufficient
		}
	}
	if e.Hold.Op == HoldOpen && b.overdrawn(e.Hold.From, e, released) {
		return FundsInsufficient
	}
	return Accepted
}

func (b *Book) overdrawn(id AccountID, e *Entry, released Hold) bool {
	if b.Account(id).Flags&MustNotOverdraw == 0 {
		return false
	}
	balance, held := b.after(id, e, released)
	return balance < held
}

// checkStates: an account that closes is empty when the entry has been posted, and stays closed for ever.
func (b *Book) checkStates(e *Entry, released Hold) Refusal {
	for _, s := range e.States {
		if !b.Known(s.Account) || s.State > AccountRetained {
			return AccountUnknown
		}
		if b.Account(s.Account).State == AccountClosed {
			return AccountNotOpen
		}
		if balance, held := b.after(s.Account, e, released); s.State == AccountClosed && (balance != 0 || held != 0) {
			return AccountNotEmpty
		}
	}
	return Accepted
}

// Apply posts an entry. Sequences are dense: an entry that does not fit the books stops the process, because it was checked before it
// was written and what is on disk is the truth.
func (b *Book) Apply(sequence uint64, e *Entry) {
	if sequence != b.sequence+1 {
		invariant.Fail("entry %d applied after %d", sequence, b.sequence)
	}
	if r := b.Check(e); r != Accepted {
		invariant.Fail("entry %d of kind %d does not fit the books: %s", sequence, e.Kind, r)
	}
	b.applyHold(sequence, &e.Hold)
	for i := range e.Legs {
		leg := &e.Legs[i]
		account := b.accounts.Edit(uint32(leg.Account))
		account.Balance += leg.Amount
		b.adding.post(leg)
		b.controls[account.control].Balance += leg.Amount
		if leg.Amount > 0 {
			b.credits += leg.Amount
		} else {
			b.debits -= leg.Amount
		}
	}
	for _, o := range e.Opens {
		b.openAccount(Account{Code: o.Code, Flags: o.Flags, Set: o.Set})
	}
	for _, s := range e.States {
		b.accounts.Edit(uint32(s.Account)).State = s.State
	}
	b.sequence = sequence
}

func (b *Book) applyHold(sequence uint64, h *HoldAction) {
	switch h.Op {
	case HoldNone:
	case HoldOpen:
		b.holds[sequence] = Hold{ID: sequence, From: h.From, To: h.To, Amount: h.Amount, Expires: h.Expires}
		b.accounts.Edit(uint32(h.From)).Held += h.Amount
	default:
		released := b.holds[h.ID]
		delete(b.holds, h.ID)
		b.accounts.Edit(uint32(released.From)).Held -= released.Amount
	}
}

// Sum adds up all balances. It is zero after every entry; the sum is computed, not remembered.
func (b *Book) Sum() money.Fen {
	var sum money.Fen
	for i := uint32(1); i < b.accounts.Len(); i++ {
		sum += b.accounts.At(i).Balance
	}
	return sum
}
