package query_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/query"
	"onecard/switch/transaction"
)

// TestAnswersAreThoseOfANaiveReader: what the index, the totals and the walks back say is what reading every entry says.
func TestAnswersAreThoseOfANaiveReader(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newTown(t, seed)
			w.run(250)
			first := firstPages(t, w.reader())
			w.run(150)
			reader, all := w.reader(), w.entries()
			require.Equal(t, first.again(t, reader), first.pages, "the same page again")
			checkStatements(t, w, reader, all)
			checkBalances(t, w, reader, all)
			checkTotals(t, w, reader, all)
			require.NoError(t, w.store.Close())
		})
	}
}

// pages are first pages of holders, asked for again later.
type pages struct{ pages []query.Statement }

func questionOf(holder int, upTo uint64) query.StatementQuestion {
	return query.StatementQuestion{Subject: query.Subject{Holder: fmt.Sprintf("2026%04d", holder)}, Limit: 5, UpTo: upTo}
}

func firstPages(t *testing.T, r *query.Reader) pages {
	var p pages
	for i := range people {
		page, err := r.Statement(context.Background(), questionOf(i, 0))
		require.NoError(t, err)
		page.About = query.About{} // says what is now
		p.pages = append(p.pages, page)
	}
	return p
}

func (p pages) again(t *testing.T, r *query.Reader) []query.Statement {
	var again []query.Statement
	for i := range people {
		page, err := r.Statement(context.Background(), questionOf(i, p.pages[i].UpTo))
		require.NoError(t, err)
		page.About = query.About{}
		again = append(again, page)
	}
	return again
}

// walk reads all pages.
func walk(t *testing.T, r *query.Reader, q query.StatementQuestion) (lines []query.Line) {
	for {
		page, err := r.Statement(context.Background(), q)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Lines), q.Limit)
		lines = append(lines, page.Lines...)
		if q.UpTo, q.After = page.UpTo, page.Next; page.Next == 0 {
			return lines
		}
	}
}

func sequencesOf(lines []query.Line) []uint64 {
	sequences := []uint64{}
	for i := range lines {
		sequences = append(sequences, lines[i].Sequence)
	}
	return sequences
}

// naive lists the entries that satisfy, newest first.
func naive(all []entry, satisfies func(*entry) bool) []uint64 {
	sequences := []uint64{}
	for i := range all {
		if satisfies(&all[i]) {
			sequences = append(sequences, all[i].sequence)
		}
	}
	slices.Reverse(sequences)
	return sequences
}

func (e *entry) moves(account ledger.AccountID) bool {
	return slices.ContainsFunc(e.Legs, func(l ledger.Leg) bool { return l.Account == account })
}

func checkStatements(t *testing.T, w *town, r *query.Reader, all []entry) {
	s := w.engine.State()
	from, to := all[len(all)/4].Time, all[3*len(all)/4].Time
	local := func(micros int64) string { return time.UnixMicro(micros).UTC().Format(time.RFC3339Nano) }
	for i := range people {
		h := s.Holder(uint32(i))
		his := func(e *entry) bool {
			return e.act.Holder == uint32(i)+1 || e.line.Card != 0 && s.Card(e.line.Card-1).Holder == uint32(i) || e.Kind == transaction.OpeningKind && (e.moves(h.Main) || e.moves(h.Subsidy))
		}
		q := query.StatementQuestion{Subject: query.Subject{Holder: s.HolderNumber(uint32(i))}, Limit: 7}
		lines := walk(t, r, q)
		require.Equal(t, naive(all, his), sequencesOf(lines))
		var sum money.Fen
		for j := range lines {
			sum += lines[j].Change
			checkWithdrawal(t, &lines[j])
		}
		require.Equal(t, s.Book().Account(h.Main).Balance+s.Book().Account(h.Subsidy).Balance, sum, "the changes add up to what there is")
		q.From, q.To = local(from), local(to)
		within := naive(all, func(e *entry) bool { return his(e) && e.Time >= from && e.Time < to })
		require.Equal(t, within, sequencesOf(walk(t, r, q)))
		q.OldestFirst = true
		slices.Reverse(within)
		require.Equal(t, within, sequencesOf(walk(t, r, q)))
	}
	for i := range merchants {
		payable := s.MerchantAt(uint32(i)).Payable
		lines := walk(t, r, query.StatementQuestion{Subject: query.Subject{Merchant: merchantCode(i)}, Limit: 9})
		require.Equal(t, naive(all, func(e *entry) bool { return e.moves(payable) }), sequencesOf(lines))
	}
	for id := transaction.TerminalID(1); uint32(id) <= s.Terminals(); id++ {
		lines := walk(t, r, query.StatementQuestion{Subject: query.Subject{Terminal: s.Terminal(id).Code.String()}, Limit: 50})
		require.Equal(t, naive(all, func(e *entry) bool { return e.line.Terminal == id }), sequencesOf(lines))
	}
	one, err := r.Statement(context.Background(), query.StatementQuestion{Subject: query.Subject{Record: all[40].sequence}})
	require.NoError(t, err)
	require.Equal(t, []uint64{all[40].sequence}, sequencesOf(one.Lines))
	require.Len(t, one.Lines[0].Legs, len(all[40].Legs))
}

func checkBalances(t *testing.T, w *town, r *query.Reader, all []entry) {
	s, balances := w.engine.State(), map[ledger.AccountID]money.Fen{}
	for i := range all {
		for _, l := range all[i].Legs {
			balances[l.Account] += l.Amount
		}
		if i%29 != 0 && i != len(all)-1 {
			continue
		}
		at := query.BalanceQuestion{Entry: all[i].sequence}
		if i+1 < len(all) && all[i+1].Time > all[i].Time {
			at = query.BalanceQuestion{At: time.UnixMicro(all[i].Time).UTC().Format(time.RFC3339Nano)}
		}
		ask := func(subject query.Subject) []query.AccountBalance {
			at.Subject = subject
			b, err := r.Balance(context.Background(), at)
			require.NoError(t, err)
			require.Equal(t, all[i].sequence, b.Entry)
			return b.Accounts
		}
		for j := range people {
			for _, a := range ask(query.Subject{Card: uint64(cardOf(j))}) {
				require.Equal(t, balances[a.Account], a.Balance, "holder %d at %d", j, i)
			}
		}
		for j := range merchants {
			require.Equal(t, balances[s.MerchantAt(uint32(j)).Payable], ask(query.Subject{Merchant: merchantCode(j)})[0].Balance)
		}
		require.Equal(t, balances[transaction.AccountLoadInTransit], ask(query.Subject{Account: transaction.AccountLoadInTransit})[0].Balance)
		checkTrial(t, r, s, at, balances)
	}
}

// checkTrial: the trial balance of the moment.
func checkTrial(t *testing.T, r *query.Reader, s *transaction.State, at query.BalanceQuestion, balances map[ledger.AccountID]money.Fen) {
	at.Subject, at.All = query.Subject{}, true
	trial, err := r.Balance(context.Background(), at)
	require.NoError(t, err)
	require.Zero(t, trial.Sum)
	want, got := map[ledger.AccountCode]money.Fen{}, map[ledger.AccountCode]money.Fen{}
	for id, balance := range balances {
		want[s.Book().Account(id).Code] += balance
	}
	for _, a := range trial.Accounts {
		got[a.Code] += a.Balance
		if a.Account != 0 {
			require.Equal(t, balances[a.Account], a.Balance)
		}
	}
	require.Equal(t, want, got)
}

// sums are naive totals.
type sums struct {
	count, reversals int64
	list, reversed   money.Fen
}

func checkTotals(t *testing.T, w *town, r *query.Reader, all []entry) {
	s := w.engine.State()
	byDay, byMonth, byTerminal := map[string]map[string]sums{}, map[string]sums{}, map[string]sums{}
	for i := range all {
		e := &all[i]
		if e.line.Terminal == 0 || len(e.Legs) == 0 || e.Kind != transaction.KindPurchase && e.Kind != transaction.KindReversal {
			continue
		}
		terminal := s.Terminal(e.line.Terminal)
		merchant := s.Merchant(terminal)
		if !e.moves(merchant.Payable) {
			continue // a load was taken back
		}
		add := func(v sums) sums {
			if e.Kind == transaction.KindPurchase {
				return sums{v.count + 1, v.reversals, v.list + e.line.Amount, v.reversed}
			}
			return sums{v.count, v.reversals + 1, v.list, v.reversed + e.line.Amount}
		}
		date := time.Unix(int64(e.day)*86_400, 0).UTC()
		day, month := date.Format(time.DateOnly), date.Format("2006-01")
		if byDay[day] == nil {
			byDay[day] = map[string]sums{}
		}
		byDay[day][merchant.Code.String()] = add(byDay[day][merchant.Code.String()])
		byMonth[month] = add(byMonth[month])
		byTerminal[terminal.Code.String()] = add(byTerminal[terminal.Code.String()])
	}
	require.Greater(t, len(byDay), 3)
	rows := func(q query.TotalsQuestion) map[string]sums {
		answer, err := r.Totals(context.Background(), q)
		require.NoError(t, err)
		found, total := map[string]sums{}, sums{}
		for _, row := range answer.Rows {
			v := sums{row.Sales.Count, row.Sales.Reversals, row.Sales.List, row.Sales.Reversed}
			found[row.Key] = v
			total = sums{total.count + v.count, total.reversals + v.reversals, total.list + v.list, total.reversed + v.reversed}
		}
		require.Equal(t, total, sums{answer.Total.Sales.Count, answer.Total.Sales.Reversals, answer.Total.Sales.List, answer.Total.Sales.Reversed})
		return found
	}
	for day, want := range byDay {
		require.Equal(t, want, rows(query.TotalsQuestion{From: day}))
	}
	require.Equal(t, byMonth, rows(query.TotalsQuestion{Unit: "month", From: "2026-10", To: "2027-06", By: "period"}))
	require.Equal(t, byTerminal, rows(query.TotalsQuestion{Unit: "month", From: "2026-10", To: "2027-06", By: "terminal"}))
	net, err := r.Totals(context.Background(), query.TotalsQuestion{Unit: "month", From: "2026-10", To: "2027-06", Merchant: merchantCode(1), By: "meal"})
	require.NoError(t, err)
	require.Equal(t, s.Book().Account(s.MerchantAt(1).Payable).Balance, net.Total.Sales.Net, "what is owed is what was sold and not taken back")
}

// checkWithdrawal: a withdrawal has ended, on its own line: its amount has gone, or it has not.
func checkWithdrawal(t *testing.T, l *query.Line) {
	if l.Kind != "bank_withdrawal" {
		return
	}
	require.NotEmpty(t, l.Outcomes)
	switch end := l.Outcomes[len(l.Outcomes)-1]; end.Kind {
	case "withdrawal_paid":
		require.Equal(t, -l.Amount, l.Change)
	default:
		require.Equal(t, "withdrawal_declined", end.Kind)
		require.Zero(t, l.Change)
		require.Equal(t, "14", end.Code)
		require.NotEmpty(t, end.Chinese)
	}
}

// TestWrongQuestions: what is wrong is said, with its field, and nothing is read.
func TestWrongQuestions(t *testing.T) {
	w := newTown(t, 1)
	r := w.reader()
	for want, q := range map[string]query.StatementQuestion{
		"give one of":                {},
		"only one of":                {Subject: query.Subject{Holder: "1", Terminal: "T0000001"}},
		"is not registered":          {Subject: query.Subject{Holder: "1"}},
		"a holder's purse":           {Subject: query.Subject{Account: w.engine.State().Holder(0).Main}},
		"there is no account 99999":  {Subject: query.Subject{Account: 99999}},
		"the ledger has no entry":    {Subject: query.Subject{Record: 1 << 40}},
		"write 2026-11-26":           {Subject: query.Subject{Terminal: "T0000001"}, From: "yesterday"},
		"limit must be 1 to 1000":    {Subject: query.Subject{Terminal: "T0000001"}, Limit: 1001},
		"merchant \"1\" is not":      {Subject: query.Subject{Merchant: "1"}},
		"card 915600******0900 is":   {Subject: query.Subject{Card: uint64(cardOf(900))}},
		"terminal \"T0000099\" is n": {Subject: query.Subject{Terminal: "T0000099"}},
	} {
		_, err := r.Statement(context.Background(), q)
		require.ErrorContains(t, err, want)
		require.True(t, query.IsWrong(err), "%v", err)
	}
	for want, q := range map[string]query.TotalsQuestion{
		"write it such as 2026-11-26": {From: "2026-11"},
		"write day or month":          {Unit: "year", From: "2026"},
		"write merchant, terminal":    {From: "2026-11-26", By: "colour"},
		"must not be after to":        {From: "2026-11-26", To: "2026-11-25"},
	} {
		_, err := r.Totals(context.Background(), q)
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, w.store.Close())
}
