package transaction_test

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/ledger/money"
	"onecard/switch/transaction"
)

type fenAmount = money.Fen

// Few numbers, so that they meet often.
var (
	someAmounts = rapid.SampledFrom([]fenAmount{0, 1, 50, 50, 50, 120, 121, 300, 301, 500, 800, 900})
	someKinds   = rapid.SampledFrom([]transaction.Kind{
		transaction.KindPurchase, transaction.KindPurchase, transaction.KindPurchase, transaction.KindBalance, transaction.KindLoad, transaction.KindLoad, transaction.KindPassage,
	})
)

func (m *machine) next() transaction.Origin { m.origin++; return m.origin }

func (m *machine) drawRequest(t *rapid.T) transaction.Request {
	r := transaction.Request{
		Kind: someKinds.Draw(t, "kind"), Origin: m.next(),
		Card: machineCard(rapid.SampledFrom([]int{0, 1, 2, 3, 0, 1, 0, 1, 4, 0, 1}).Draw(t, "card")), Amount: someAmounts.Draw(t, "amount"), PINValue: rapid.SampledFrom([]uint64{0, 1234, 1234, 1234, 1234, 1234, 1234, 1234, 9, 0, 0, 0}).Draw(t, "pin"),
		Purse: transaction.Purse(rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "purse")),
	}
	own := map[transaction.Kind]transaction.TerminalID{transaction.KindPurchase: 1, transaction.KindBalance: 1, transaction.KindLoad: 3, transaction.KindPassage: 4}
	r.Terminal = own[r.Kind]
	if rapid.IntRange(0, 29).Draw(t, "elsewhere") == 17 {
		r.Terminal = transaction.TerminalID(rapid.IntRange(1, 4).Draw(t, "terminal"))
	}
	m.drawTrace(t, &r)
	if r.Kind == transaction.KindLoad && r.PINValue == 0 && rapid.IntRange(0, 9).Draw(t, "no PIN") != 4 {
		r.PINValue = 1234
	}
	if r.Kind == transaction.KindBalance || r.Kind == transaction.KindPassage {
		r.Amount = 0
	}
	return r
}

// drawTrace takes the terminal's next trace most of the time, and one near it now and then. They start again at 1 soon after the beginning.
func (m *machine) drawTrace(t *rapid.T, r *transaction.Request) {
	newest := &m.trace[r.Terminal]
	step := rapid.SampledFrom([]uint32{1, 1, 1, 1, 1, 1, 1, 2, 5, 0, 999_997, 1, 1}).Draw(t, "step")
	r.Trace = (*newest+step-1)%999_999 + 1
	if step <= 5 {
		*newest = r.Trace
	}
	batch := &m.batch[r.Terminal]
	switch rapid.IntRange(0, 39).Draw(t, "batch") {
	case 23:
		*batch = *batch%999_999 + 1 // and so on from the same trace
	case 31:
		r.Batch = (*batch+999_997)%999_999 + 1
		return
	}
	r.Batch = *batch
}

// ask sends one to four new requests together.
func (m *machine) ask(t *rapid.T) {
	var requests []transaction.Request
	for range rapid.IntRange(1, 4).Draw(t, "requests") {
		requests = append(requests, m.drawRequest(t))
	}
	m.asked = append(m.asked, requests...)
	if half := len(requests) / 2; half > 0 && rapid.IntRange(0, 5).Draw(t, "midnight") == 3 { // the clock strikes in the middle of a group
		for i := range requests[:half] {
			requests[i].Received = m.now
		}
		m.passTime(t)
	}
	m.tell(requests...)
}

func (m *machine) earlier(t *rapid.T) transaction.Request {
	if len(m.asked) == 0 {
		t.Skip("nothing was asked yet")
	}
	last := len(m.asked) - 1
	return m.asked[last-min(last, rapid.IntRange(0, 12).Draw(t, "back"))]
}

// again sends an earlier request once more, as it was or with one thing changed.
func (m *machine) again(t *rapid.T) {
	r := m.earlier(t)
	switch rapid.IntRange(0, 5).Draw(t, "change") {
	case 3:
		r.Amount++
	case 4:
		r.Card = machineCard(rapid.IntRange(0, 4).Draw(t, "card"))
	case 5:
		r.PINValue = 1234 // no part of what was asked
	}
	r.Origin = m.next()
	m.asked = append(m.asked, r)
	m.tell(r)
}

// reverse takes an earlier request back, or one that has not come.
func (m *machine) reverse(t *rapid.T) {
	var r transaction.Request
	switch rapid.IntRange(0, 5).Draw(t, "whose") {
	case 2:
		r = m.drawRequest(t)
	case 3:
		r = m.earlier(t)
	default:
		r = m.worthReversing(t)
	}
	r.Kind, r.PINValue, r.Purse, r.Received = transaction.KindReversal, 0, 0, 0
	switch rapid.IntRange(0, 14).Draw(t, "wrong") {
	case 7:
		r.Amount++
	case 8:
		r.Card = machineCard(rapid.IntRange(0, 4).Draw(t, "card"))
	}
	requests := []transaction.Request{r}
	if rapid.Bool().Draw(t, "twice") {
		requests = append(requests, r)
	}
	for i := range requests {
		requests[i].Origin = m.next()
	}
	m.tell(requests...)
}

// worthReversing is a recent purchase or load that was approved, or still waits.
func (m *machine) worthReversing(t *rapid.T) transaction.Request {
	var all []transaction.Request
	for _, f := range m.naive.facts {
		if (f.request.Kind == transaction.KindPurchase || f.request.Kind == transaction.KindLoad) && f.answer.Reason == transaction.ReasonNone && !f.reversed {
			all = append(all, f.request)
		}
	}
	if len(all) == 0 {
		t.Skip("nothing to take back")
	}
	return all[len(all)-1-min(len(all)-1, rapid.IntRange(0, 8).Draw(t, "back"))]
}

// bank says anything about any load that there ever was, and now and then about one that there never was.
func (m *machine) bank(t *rapid.T) {
	ids := []uint64{999_999_999}
	for _, l := range m.naive.loads {
		if !l.ended || rapid.IntRange(0, 9).Draw(t, "ended") == 5 {
			ids = append(ids, l.id, l.id, l.id)
		}
	}
	id := ids[rapid.IntRange(0, len(ids)-1).Draw(t, "load")]
	r := transaction.Request{
		Kind: rapid.SampledFrom([]transaction.Kind{
			transaction.KindLoadConfirmed, transaction.KindLoadConfirmed, transaction.KindLoadDeclined, transaction.KindLoadUnknown, transaction.KindLoadReversed, transaction.KindLoadReversed, transaction.KindLoadLate,
		}).Draw(t, "outcome"),
		Load: id, BankCode: rapid.SampledFrom([]transaction.ResponseCode{transaction.Approved, transaction.InsufficientFunds, transaction.BankCannotOperate}).Draw(t, "code"),
	}
	m.tell(r)
}

// goodBank answers every open load as a bank should.
func (m *machine) goodBank(t *rapid.T) {
	for _, l := range m.naive.loads {
		switch {
		case l.ended || rapid.IntRange(0, 4).Draw(t, "slow") == 2:
		case l.reversing:
			m.tell(transaction.Request{Kind: transaction.KindLoadReversed, Load: l.id, BankCode: transaction.Approved})
		default:
			m.tell(transaction.Request{Kind: transaction.KindLoadConfirmed, Load: l.id, BankCode: transaction.Approved})
		}
	}
}

func (m *machine) changeCard(t *rapid.T) {
	number := machineCard(rapid.IntRange(0, 3).Draw(t, "card"))
	to := transaction.CardState(rapid.SampledFrom([]int{0, 0, 0, 0, 0, 1, 2, 0}).Draw(t, "state"))
	err := m.engine.ChangeCard(context.Background(), transaction.CardStateChange{Card: number, To: to, Operator: "test"}, m.now)
	if card := m.naive.cards[number]; card.state != to {
		require.NoError(t, err)
		card.state = to
		m.naive.record(m.naive.clock(m.now))
		return
	}
	require.Error(t, err)
}

// passTime moves the clock: a little, over midnight, or back.
func (m *machine) passTime(t *rapid.T) {
	m.now += int64(time.Duration(rapid.SampledFrom([]int{1, 43200, 60, 86400, 1, -5}).Draw(t, "seconds")) * time.Second / time.Microsecond)
}

// endDay lets the clock look at the day while nobody asks anything, or closes the day before its time.
func (m *machine) endDay(t *rapid.T) {
	ctx := context.Background()
	now := m.naive.clock(m.now)
	switch rapid.IntRange(0, 3).Draw(t, "how") {
	case 1:
		require.NoError(t, m.engine.CloseDay(ctx, m.naive.openDay, m.now))
		m.naive.record(now)
		m.naive.openDay++
	case 2:
		other := m.naive.openDay - 1 + 2*uint32(rapid.IntRange(0, 1).Draw(t, "other day"))
		require.ErrorIs(t, m.engine.CloseDay(ctx, other, m.now), transaction.ErrDayNotOpen)
	default:
		require.NoError(t, m.engine.TurnDay(ctx, m.now))
	}
}

func (m *machine) changeDisk(t *rapid.T) {
	m.naive.diskLow = rapid.IntRange(0, 5).Draw(t, "low") == 3
	require.NoError(t, m.engine.SetDiskLow(context.Background(), m.naive.diskLow))
}

// endSomehow ends the switch now and then.
func (m *machine) endSomehow(t *rapid.T) {
	switch rapid.IntRange(0, 5).Draw(t, "how") {
	case 2:
		m.restart(t)
	case 3:
		m.crash(t)
	}
}

// restart ends politely and opens again, sometimes from a checkpoint.
func (m *machine) restart(t *rapid.T) {
	if rapid.Bool().Draw(t, "checkpoint") {
		require.NoError(t, m.checkpoints.SaveCheckpoint(context.Background(), m.settle()))
	}
	m.end()
	m.compareWords(t)
	m.run()
	m.naive.reopen(m.now)
}

// crash kills the journal under a group. Nobody may hear of the group; it is there after the restart when its block is.
func (m *machine) crash(t *rapid.T) {
	var requests []transaction.Request
	for range rapid.IntRange(1, 4).Draw(t, "requests") {
		requests = append(requests, m.drawRequest(t))
	}
	how := death(rapid.IntRange(int(beforeBlock), int(keepsBlock)).Draw(t, "death"))
	before := m.naive.clone()
	for i := range requests {
		requests[i].Received = m.now
		m.naive.handle(requests[i])
	}
	written := m.naive.sequence != before.sequence
	if !written { // nothing to write: nothing to die of
		m.door.incoming <- requests
		m.door.Wake()
		return
	}
	require.NoError(t, m.engine.Look(context.Background(), func(*transaction.State) { m.journal.death = how }))
	m.door.incoming <- requests
	m.door.Wake()
	require.ErrorIs(t, <-m.ended, errDied)
	require.Empty(t, m.door.answers, "answers of a block that is not durable")
	require.Empty(t, m.wire.loads)
	m.stop()
	m.journal.death = lives
	if how != keepsBlock {
		m.naive = before
	}
	m.naive.said, m.naive.ordered = nil, nil
	m.run()
	m.naive.reopen(m.now)
	m.asked = append(m.asked, requests...)
}
