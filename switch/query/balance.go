package query

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// A balance at a moment.
//
// Of a holder: what his purses hold now, less what moved them since, which his lists tell. Of an account that is no purse: the months and days
// that were closed before, from totals, and of the day in which the moment lies the entries up to it. The trial balance is the same over
// all accounts, purses by code.

// Balance answers with a balance.
func (r *Reader) Balance(ctx context.Context, q BalanceQuestion) (Balance, error) {
	newest, err := r.Store.ReadTo()
	if err != nil {
		return Balance{}, err
	}
	entry := q.Entry
	switch {
	case entry > newest:
		return Balance{}, wrong("entry", "账本中没有第 %d 条(至 %d) / the ledger has no entry %[1]d (it ends at %[2]d)", entry, newest)
	case entry != 0 && q.At != "":
		return Balance{}, wrong("at", "请只给出时间与记录号之一 / give only one of a moment and an entry")
	case entry == 0:
		if entry, err = r.at(q.At, newest); err != nil {
			return Balance{}, err
		}
	}
	b := Balance{Entry: entry, Accounts: []AccountBalance{}}
	if entry > 0 {
		e, err := r.entry(entry)
		if err != nil {
			return Balance{}, err
		}
		b.Time = r.local(e.entry.Time)
	}
	if q.All {
		b.Of = "all"
		err = r.trial(ctx, &b)
	} else {
		err = r.balanceOf(ctx, &q.Subject, &b)
	}
	for i := range b.Accounts {
		if b.Accounts[i].Set == 0 {
			b.Sum += b.Accounts[i].Balance
		}
	}
	return b, err
}

func (r *Reader) balanceOf(ctx context.Context, asked *Subject, b *Balance) error {
	found, err := r.find(ctx, asked)
	if err != nil {
		return err
	}
	b.Of = strings.TrimSpace(found.about.Kind + " " + found.about.Code)
	switch found.about.Kind {
	case "holder", "card":
		return r.purses(ctx, found, b)
	case "merchant", "account":
		return r.account(ctx, found.own[0], b)
	}
	return wrong("subject", "余额只能按持卡人、卡、商户或账户查询 / a balance is of a holder, a card, a merchant or an account")
}

// awaitPause is between two looks whether what the state has decided is durable.
const awaitPause = time.Millisecond

// purses takes from what a holder has now what came since.
func (r *Reader) purses(ctx context.Context, found *subject, b *Balance) error {
	var now uint64
	err := r.Look(ctx, func(s *transaction.State) {
		now = s.Book().Sequence()
		for _, p := range s.Purses(s.Holder(found.row)) {
			b.Accounts = append(b.Accounts, AccountBalance{p.Account, p.Code, p.Set, p.Name, p.Balance})
		}
	})
	if err != nil {
		return err
	}
	for {
		durable, err := r.Store.ReadTo()
		if err != nil || durable >= now {
			return firstOf(err, r.takeBack(ctx, found, b, now))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(awaitPause):
		}
	}
}

func (r *Reader) takeBack(ctx context.Context, found *subject, b *Balance, now uint64) error {
	lists := found.lists
	if found.about.Kind == "card" { // his other cards move the same purses
		holder, err := r.find(ctx, &Subject{Holder: found.about.Holder})
		if err != nil {
			return err
		}
		lists = holder.lists
	}
	p := page{first: b.Entry + 1, last: now, limit: linesMax}
	for p.first <= p.last {
		sequences, err := r.merge(lists, &p)
		if err != nil {
			return err
		}
		for _, sequence := range sequences {
			e, _, err := r.Store.Entry(sequence)
			if err != nil {
				return err
			}
			for i := range b.Accounts {
				b.Accounts[i].Balance -= change(&e, []ledger.AccountID{b.Accounts[i].Account})
			}
			p.first = sequence + 1
		}
		if err := ctx.Err(); err != nil || len(sequences) < p.limit {
			return err
		}
	}
	return nil
}

// before are the ranges of the months and days before a day: of one account, or (account 0) of all and of what moved purses.
func (r *Reader) before(day uint32, spaces []breakdown, account ledger.AccountID) ([]ledger.CellRange, error) {
	_, first, err := r.Store.Entry(1)
	if err != nil || first >= day {
		return nil, err
	}
	month := transaction.MonthOf(day)
	firstOfMonth := uint32(time.Date(int(month/12), time.Month(month%12+1), 1, 0, 0, 0, 0, time.UTC).Unix() / secondsPerDay)
	var ranges []ledger.CellRange
	for i := range spaces {
		if from := transaction.MonthOf(first); from < month {
			ranges = append(ranges, spaces[i].ranges(periods{transaction.PeriodMonth, from, month - 1}, account)...)
		}
		if from := max(first, firstOfMonth); from < day {
			ranges = append(ranges, spaces[i].ranges(periods{transaction.PeriodDay, from, day - 1}, account)...)
		}
	}
	slices.SortFunc(ranges, func(a, b ledger.CellRange) int { return slices.Compare(a.From[:], b.From[:]) })
	return ranges, nil
}

// account adds up closed months and days and the part of the day.
func (r *Reader) account(ctx context.Context, id ledger.AccountID, b *Balance) error {
	balance, account := money.Fen(0), AccountBalance{Account: id}
	if err := r.Look(ctx, func(s *transaction.State) { account.find(s) }); err != nil {
		return err
	}
	if b.Entry > 0 {
		_, day, err := r.Store.Entry(b.Entry)
		if err != nil {
			return err
		}
		ranges, err := r.before(day, []breakdown{breakdowns["account"]}, id)
		if err != nil {
			return err
		}
		if _, err = r.Store.Cells(ranges, func(_ ledger.CellKey, cell *ledger.Sums) error {
			balance += money.Fen(cell[transaction.FlowIn] - cell[transaction.FlowOut])
			return nil
		}); err != nil {
			return err
		}
		part, taken, err := r.backwards(id, day, b.Entry)
		if err == nil && !taken {
			part, err = r.part(ctx, id, day, b.Entry)
		}
		if err != nil {
			return err
		}
		balance += part
	}
	account.Balance = balance
	b.Accounts = append(b.Accounts, account)
	return nil
}

// find adds what the state knows of an account.
func (a *AccountBalance) find(s *transaction.State) {
	account := s.Book().Account(a.Account)
	a.Code, a.Set, a.Name = account.Code, account.Set, AccountName(account.Code)
}

// backwards is what moved an account on a day up to an entry, from the whole day's total less what came after; false when that is much.
func (r *Reader) backwards(id ledger.AccountID, day uint32, upTo uint64) (sum money.Fen, ok bool, err error) {
	whole := breakdowns["account"]
	counted, err := r.Store.Cells(whole.ranges(periods{transaction.PeriodDay, day, day}, id), func(_ ledger.CellKey, cell *ledger.Sums) error {
		sum += money.Fen(cell[transaction.FlowIn] - cell[transaction.FlowOut])
		return nil
	})
	if err != nil {
		return 0, false, err
	}
	behind, err := r.Store.EntryOfDay(day + 1)
	if err != nil {
		return 0, false, err
	}
	after, err := r.Store.Statement(transaction.StatementAccount, uint64(id), upTo+1, min(counted, behind-1), backListed+1, false)
	if err != nil || len(after) > backListed {
		return 0, false, err
	}
	own := []ledger.AccountID{id}
	for _, sequence := range after {
		e, _, err := r.Store.Entry(sequence)
		if err != nil {
			return 0, false, err
		}
		sum -= change(&e, own)
	}
	return sum, true, nil
}

// backListed is how many entries of an account are taken back one by one before the other way is tried.
const backListed = 250

// partListed is how many entries of an account are read one by one; beyond, reading all of a day's in a row is quicker.
const partListed = 2000

// part is what moved an account on a day up to an entry.
func (r *Reader) part(ctx context.Context, id ledger.AccountID, day uint32, upTo uint64) (money.Fen, error) {
	first, err := r.Store.EntryOfDay(day)
	if err != nil {
		return 0, err
	}
	listed, err := r.Store.Statement(transaction.StatementAccount, uint64(id), first, upTo, partListed+1, false)
	if err != nil {
		return 0, err
	}
	own, sum := []ledger.AccountID{id}, money.Fen(0)
	if len(listed) > partListed {
		err = r.eachEntry(ctx, first, upTo, func(e *ledger.Entry) { sum += change(e, own) })
		return sum, err
	}
	for _, sequence := range listed {
		e, _, err := r.Store.Entry(sequence)
		if err != nil {
			return 0, err
		}
		sum += change(&e, own)
	}
	return sum, nil
}

// eachEntry reads entries in a row.
func (r *Reader) eachEntry(ctx context.Context, first, last uint64, visit func(*ledger.Entry)) error {
	done := errors.New("read")
	err := r.Store.Replay(ctx, first-1, func(block ledger.Block) error {
		if block.First() > last {
			return done
		}
		return block.Each(func(sequence uint64, e *ledger.Entry) error {
			if sequence > last {
				return done
			}
			if sequence >= first {
				visit(e)
			}
			return nil
		})
	})
	if errors.Is(err, done) {
		return nil
	}
	return err
}

// trial makes the trial balance: each account that is no purse, and the purses by code.
func (r *Reader) trial(ctx context.Context, b *Balance) error {
	if b.Entry == 0 {
		return nil
	}
	_, day, err := r.Store.Entry(b.Entry)
	if err != nil {
		return err
	}
	accounts, codes := map[ledger.AccountID]money.Fen{}, map[ledger.AccountCode]money.Fen{}
	ranges, err := r.before(day, []breakdown{breakdowns["account"], breakdowns["purse"]}, 0)
	if err != nil {
		return err
	}
	if _, err = r.Store.Cells(ranges, func(key ledger.CellKey, cell *ledger.Sums) error {
		net := money.Fen(cell[transaction.FlowIn] - cell[transaction.FlowOut])
		if t := transaction.ReadTotal(key); t.Space == transaction.TotalFlow {
			_, code := t.Flow()
			codes[code] += net
		} else {
			accounts[t.Account] += net
		}
		return nil
	}); err != nil {
		return err
	}
	first, err := r.Store.EntryOfDay(day)
	if err != nil {
		return err
	}
	if err := r.eachEntry(ctx, first, b.Entry, func(e *ledger.Entry) {
		for i := range e.Legs {
			accounts[e.Legs[i].Account] += e.Legs[i].Amount
		}
	}); err != nil {
		return err
	}
	return r.sheet(ctx, b, accounts, codes)
}

// sheet puts the accounts in order, purses together by code.
func (r *Reader) sheet(ctx context.Context, b *Balance, accounts map[ledger.AccountID]money.Fen, codes map[ledger.AccountCode]money.Fen) error {
	ids := slices.Sorted(maps.Keys(accounts))
	for some := range slices.Chunk(ids, rowsPerLook) {
		err := r.Look(ctx, func(s *transaction.State) {
			for _, id := range some {
				a := AccountBalance{Account: id, Balance: accounts[id]}
				if a.find(s); transaction.IsPurse(a.Code) {
					codes[a.Code] += a.Balance
					continue
				}
				b.Accounts = append(b.Accounts, a)
			}
		})
		if err != nil {
			return err
		}
	}
	for code, balance := range codes {
		a := AccountBalance{Code: code, Name: AccountName(code), Balance: balance}
		if code == ledger.CodeCountPurse {
			a.Set = transaction.CountSet
		}
		b.Accounts = append(b.Accounts, a)
	}
	slices.SortFunc(b.Accounts, func(x, y AccountBalance) int {
		return slices.Compare([]uint32{uint32(x.Code), uint32(x.Account)}, []uint32{uint32(y.Code), uint32(y.Account)})
	})
	return nil
}
