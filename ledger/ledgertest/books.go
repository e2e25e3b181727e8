package ledgertest

// Flags and states of accounts.
const (
	flagMustNotOverdraw = 1
	stateOpen           = 0
	stateFrozen         = 1
	stateClosed         = 2
	stateRetained       = 3
)

type account struct {
	balance int64
	held    int64
	code    uint16
	state   byte
	flags   byte
	set     byte // account set: its balances sum to zero alone
}

type hold struct {
	from, to uint32
	amount   int64
	expires  int64
}

// add says whether a+b fits.
func add(a, b int64) (int64, bool) {
	c := a + b
	return c, (c > a) == (b > 0) || b == 0
}

// checkLegs: every leg has an amount and all of them sum to zero.
func (a *Auditor) checkLegs() {
	var sum int64
	for _, l := range a.entry.legs {
		if l.amount == 0 {
			a.note("账户 %d 的分录金额为零", "the leg of account %d has no amount", l.account)
		}
		var fits bool
		if sum, fits = add(sum, l.amount); !fits {
			a.note("分录之和溢出", "the sum of the legs overflows")
		}
	}
	if sum != 0 {
		a.note("分录之和为 %[1]s,应为 0.00(首个账户 %[2]d)", "the legs sum to %[1]s, not 0.00 (first account %[2]d)", yuan(sum), a.entry.legs[0].account)
	}
}

// checkSets: what leaves an account set comes back into it in the same entry.
func (a *Auditor) checkSets() {
	var sums [16]int64
	for _, l := range a.entry.legs {
		if a.known(l.account) {
			sums[a.accounts[l.account].set] += l.amount
		}
	}
	for set, sum := range sums {
		if sum != 0 {
			a.note("帐套 %d 的分录之和为 %s,应为 0.00", "the legs in account set %d sum to %s, not 0.00", set, yuan(sum))
		}
	}
}

func (a *Auditor) known(id uint32) bool { return id > 0 && int(id) < len(a.accounts) }

// applyLegs moves the money and looks at what is left.
func (a *Auditor) applyLegs() {
	e := &a.entry
	a.checkSets()
	for _, l := range e.legs {
		if !a.known(l.account) {
			a.note("账户 %d 不存在(金额 %s)", "account %d does not exist (amount %s)", l.account, yuan(l.amount))
			continue
		}
		to := &a.accounts[l.account]
		if to.state == stateClosed || to.state == stateFrozen && l.amount < 0 && l.account != a.promised {
			a.note("账户 %d 已冻结或关闭,却记了 %s", "account %d is frozen or closed, yet %s was posted", l.account, yuan(l.amount))
		}
		balance, fits := add(to.balance, l.amount)
		if !fits {
			a.note("账户 %d 余额溢出", "the balance of account %d overflows", l.account)
		}
		to.balance = balance
		a.sum += l.amount
		if l.amount > 0 {
			a.credits += l.amount
			if e.kind != kindOpening {
				a.moved += l.amount
			}
		} else {
			a.debits -= l.amount
		}
	}
	for _, l := range e.legs {
		if l.amount < 0 && a.known(l.account) {
			a.checkOverdraft(l.account)
		}
	}
	if e.hold.op == holdOpen && a.known(e.hold.from) {
		a.checkOverdraft(e.hold.from)
	}
}

func (a *Auditor) checkOverdraft(id uint32) {
	if from := &a.accounts[id]; from.flags&flagMustNotOverdraw != 0 && from.balance-from.held < 0 {
		a.note("账户 %d 透支:可用 %s", "account %d is overdrawn: %s available", id, yuan(from.balance-from.held))
	}
}

// applyHold opens a hold, or ends one: once, by the right amount.
func (a *Auditor) applyHold() {
	e := &a.entry
	a.promised = 0
	switch e.hold.op {
	case holdNone:
		return
	case holdOpen:
		a.openHold()
		return
	}
	held, ok := a.holds[e.hold.id]
	if !ok {
		a.note("冻结 %d 不存在或已了结", "hold %d does not exist or has ended already", e.hold.id)
		return
	}
	delete(a.holds, e.hold.id)
	a.accounts[held.from].held -= held.amount
	if e.hold.op == holdExpire && (held.expires == 0 || held.expires > e.time) {
		a.note("冻结 %d 未到期即释放", "hold %d was released before it expired", e.hold.id)
	}
	if e.hold.op != holdPost {
		if len(e.legs) > 0 {
			a.note("释放冻结 %d 时不应移动资金", "releasing hold %d must not move money", e.hold.id)
		}
		return
	}
	a.promised = held.from
	var taken, given int64
	for _, l := range e.legs {
		if l.account == held.from {
			taken -= l.amount
		}
		if l.account == held.to {
			given += l.amount
		}
	}
	if taken <= 0 || taken > held.amount || given <= 0 {
		a.note("冻结 %[1]d 为 %[2]s(账户 %[3]d 至 %[4]d),入账取走 %[5]s、给予 %[6]s", "hold %[1]d of %[2]s from account %[3]d to %[4]d was posted with %[5]s taken and %[6]s given",
			e.hold.id, yuan(held.amount), held.from, held.to, yuan(taken), yuan(given))
	}
}

func (a *Auditor) openHold() {
	e := &a.entry
	h := hold{e.hold.from, e.hold.to, e.hold.amount, e.hold.expires}
	if !a.known(h.from) || !a.known(h.to) {
		a.note("冻结涉及不存在的账户 %d 或 %d", "the hold names account %d or %d, which does not exist", h.from, h.to)
		return
	}
	if h.amount <= 0 {
		a.note("冻结金额为 %[1]s", "a hold of %[1]s", yuan(h.amount))
	}
	from := &a.accounts[h.from]
	if from.set != a.accounts[h.to].set {
		a.note("冻结从账户 %d 到 %d 跨越帐套", "the hold from account %d to %d crosses account sets", h.from, h.to)
	}
	if from.state != stateOpen || a.accounts[h.to].state == stateClosed {
		a.note("账户 %d 或 %d 状态不允许冻结", "account %d or %d is not open for a hold", h.from, h.to)
	}
	held, fits := add(from.held, h.amount)
	if !fits {
		a.note("账户 %d 冻结总额溢出", "the holds of account %d overflow", h.from)
	}
	from.held = held
	a.holds[e.sequence] = h
}

func (a *Auditor) applyStates() {
	for _, s := range a.entry.states {
		if !a.known(s.account) || s.state > stateRetained {
			a.note("账户 %d 不能变为状态 %d", "account %d cannot have state %d", s.account, s.state)
			continue
		}
		to := &a.accounts[s.account]
		if to.state == stateClosed {
			a.note("已关闭的账户 %d 又改变了状态", "account %d was closed and has changed its state again", s.account)
		}
		if s.state == stateClosed && (to.balance != 0 || to.held != 0) {
			a.note("关闭账户 %d 时仍有余额 %s、冻结 %s", "account %d was closed with a balance of %s and holds of %s", s.account, yuan(to.balance), yuan(to.held))
		}
		to.state = s.state
	}
}

// finishBooks adds everything up once more.
func (a *Auditor) finishBooks() {
	a.recount()
	if a.debits != a.credits {
		a.note("借方合计 %[1]s 与贷方合计 %[2]s 不等", "debits of %[1]s differ from credits of %[2]s", yuan(a.debits), yuan(a.credits))
	}
	held := map[uint32]int64{}
	for _, h := range a.holds {
		held[h.from] += h.amount
	}
	for i := range a.accounts {
		if a.accounts[i].held != held[uint32(i)] {
			a.note("账户 %d 冻结额 %s 与未了结冻结之和 %s 不符", "account %d holds %s, its open holds sum to %s", i, yuan(a.accounts[i].held), yuan(held[uint32(i)]))
		}
	}
}

// Account is what the auditor knows of one account.
type Account struct {
	Balance, Held int64
	Code          uint16
	State, Flags  byte
}

// Account returns account id, from 1; false when there is none.
func (a *Auditor) Account(id uint32) (Account, bool) {
	if !a.known(id) {
		return Account{}, false
	}
	row := a.accounts[id]
	return Account{row.balance, row.held, row.code, row.state, row.flags}, true
}

// Accounts is the number of accounts.
func (a *Auditor) Accounts() uint32 { return uint32(len(a.accounts) - 1) }
