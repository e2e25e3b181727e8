package command

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/ledger/pebblestore"
	"onecard/switch/campus"
	"onecard/switch/campus/access"
	"onecard/switch/campus/bankload"
	"onecard/switch/campus/consumption"
	"onecard/switch/daemon"
	"onecard/switch/query"
	"onecard/switch/transaction"
)

// lunch is a door and a bank: each step hands in one request, or what the bank says to the newest load.
type lunch struct {
	steps   []transaction.Request
	engine  *transaction.Engine
	stop    context.CancelFunc
	newest  uint64
	unasked int // loads that have not reached the bank yet
}

func (l *lunch) Poll(_ time.Duration, requests []transaction.Request) ([]transaction.Request, error) {
	if len(l.steps) == 0 {
		l.stop()
		return requests, nil
	}
	r := l.steps[0]
	if r.Kind >= transaction.KindLoadConfirmed && l.unasked > 0 {
		return requests, nil // still on its way to the disk
	}
	l.steps = l.steps[1:]
	if r.Kind == transaction.KindLoad {
		l.unasked++
	}
	if r.Kind >= transaction.KindLoadConfirmed {
		r.Load = l.newest
		return requests, l.engine.Submit(r)
	}
	r.Origin, r.Terminal, r.Batch = 1, r.Terminal+1, 7
	return append(requests, r), nil
}

func (l *lunch) Answer([]transaction.Decision)    {}
func (l *lunch) Wake()                            {}
func (l *lunch) Load(o transaction.LoadOrder)     { l.newest, l.unasked = o.Load, l.unasked-1 }
func (l *lunch) Reverse(o transaction.LoadOrder)  { l.newest = o.Load }
func (l *lunch) Withdraw(o transaction.LoadOrder) { l.newest = o.Load }

const (
	statementCard     = transaction.CardNumber(9156000000000012)
	statementTerminal = "10000001"
)

// makeStatementLedger writes a ledger with one card, a POS and a kiosk, and closes it with an index that is behind.
func makeStatementLedger(t *testing.T, indexed bool) string {
	t.Helper()
	return makeLedger(t, indexed, []transaction.Request{
		{Kind: transaction.KindPurchase, Received: at(1), Trace: 1, Card: statementCard, Amount: 500},
		{Kind: transaction.KindPurchase, Received: at(2), Trace: 2, Card: statementCard, Amount: 9900},
		{Kind: transaction.KindReversal, Received: at(3), Trace: 1, Card: statementCard, Amount: 500},
		{Kind: transaction.KindBalance, Received: at(4), Terminal: 1, Trace: 1, Card: statementCard},
		{Kind: transaction.KindLoad, Received: at(5), Terminal: 1, Trace: 2, Card: statementCard, Amount: 5000, PINValue: 5},
		{Kind: transaction.KindLoadConfirmed, Received: at(6), BankCode: transaction.Approved},
		{Kind: transaction.KindLoad, Received: at(7), Terminal: 1, Trace: 3, Card: statementCard, Amount: 6000, PINValue: 5},
		{Kind: transaction.KindLoadUnknown, Received: at(8)},
		{Kind: transaction.KindLoadReversed, Received: at(9)},
		{Kind: transaction.KindLoad, Received: at(10), Terminal: 1, Trace: 4, Card: statementCard, Amount: 7000, PINValue: 5},
		{Kind: transaction.KindPurchase, Received: at(11), Trace: 3, Card: 9156000000009999, Amount: 100},
	})
}

// makeLedger writes a ledger of steps.
func makeLedger(t *testing.T, indexed bool, steps []transaction.Request) string {
	t.Helper()
	dir := t.TempDir()
	store, err := pebblestore.Open(pebblestore.Options{Dir: dir, MemTableBytes: 1 << 20})
	require.NoError(t, err)
	engine, err := transaction.Open(t.Context(), transaction.Config{Journal: store, Checkpoints: store, Site: transaction.DefaultSite(), Routes: campus.Routes([]campus.Subsystem{
		consumption.New(consumption.DefaultConfig()), bankload.New(bankload.Config{}), access.New(),
	})}, at(0))
	require.NoError(t, err)
	require.NoError(t, store.PutDirectory([]pebblestore.DirectoryRow{
		{Kind: 'n', Key: "holder\x0020260001", Value: []byte("张伟\x00计算机学院")}, {Kind: 'n', Key: "merchant\x00103410054110001", Value: []byte("一食堂\x00")},
	}))
	merchant := transaction.MerchantCode([]byte("103410054110001"))
	terminal := func(code string, kind transaction.TerminalType) transaction.TerminalRow {
		return transaction.TerminalRow{Code: transaction.TerminalCode([]byte(code)), Merchant: merchant, Type: kind, SealedKey: []byte{1}}
	}
	faults, err := engine.ImportBeforeRun(&transaction.Directory{
		Classes:   []transaction.ClassRow{{Code: "student", LoadSingle: 20000}},
		Merchants: []transaction.MerchantRow{{Code: merchant}},
		Terminals: []transaction.TerminalRow{terminal(statementTerminal, transaction.TerminalPOS), terminal("10000002", transaction.TerminalKiosk)},
		Holders:   []transaction.HolderRow{{Number: "20260001", Class: "student", BankAccount: 6217000012345678, OpeningMain: 1000, OpeningSubsidy: 120}},
		Cards:     []transaction.CardRow{{Number: statementCard, Holder: "20260001", PINValue: 5}},
	}, at(0))
	require.NoError(t, err)
	require.Empty(t, faults)
	if indexed {
		require.NoError(t, store.StartIndexer(daemon.Index(engine.State().NewRegister())))
	}
	ctx, stop := context.WithCancel(t.Context())
	l := &lunch{engine: engine, stop: stop, steps: steps}
	engine.Connect(l, l)
	require.NoError(t, engine.Run(ctx, at(0)))
	require.NoError(t, store.Close())
	return dir
}

// at is a moment after noon of 2026-11-23 in China.
func at(minutes int) int64 {
	return time.Date(2026, 11, 23, 4, minutes, 0, 0, time.UTC).UnixMicro()
}

const wantCardStatement = `卡 / card      915600******0012  active
持卡人 / holder 20260001 张伟
余额 / balance  61.20(主 / main 60.00,补贴 / subsidy 1.20)

时间 / time          参考号 / DE 37  业务 / what      终端 / terminal  批次-流水 / trace  金额 / amount  变动 / change  余额 / balance  结果 / result
2026-11-23 12:10:00  000000000018    圈存 / load      10000002         000007-000004              70.00                                 在途,等银行应答 / on its way, waiting for the bank
2026-11-23 12:07:00  000000000015    圈存 / load      10000002         000007-000003              60.00                                 68 银行未应答,冲正 / no answer from the bank, being reversed 12:08:00; 银行已冲正 / reversed at the bank 12:09:00
2026-11-23 12:05:00  000000000013    圈存 / load      10000002         000007-000002              50.00         +50.00           61.20  00 已入账 / credited 12:06:00
2026-11-23 12:04:00  000000000012    查询 / balance   10000002         000007-000001                                             11.20  00 成功 / approved
2026-11-23 12:03:00  000000000011    冲正 / reversal  10000001         000007-000001               5.00          +5.00           11.20  00 成功 / approved (000000000009)
2026-11-23 12:02:00  000000000010    消费 / purchase  10000001         000007-000002              99.00                           6.20  51 余额不足:可用6.20,需99.00,请充值 / 6.20 available, 99.00 needed: top up
2026-11-23 12:01:00  000000000009    消费 / purchase  10000001         000007-000001               5.00          -5.00            6.20  00 成功 / approved
2026-11-23 12:00:00  000000000007    期初 / opening                                               11.20         +11.20

8 条,完 / 8 entries, the end
`

const wantTerminalStatement = `终端 / terminal 10000001
商户 / merchant 103410054110001 一食堂

时间 / time          参考号 / DE 37  业务 / what      卡 / card                       批次-流水 / trace  金额 / amount  变动 / change  余额 / balance  结果 / result
2026-11-23 12:11:00  000000000019    消费 / purchase  915600******9999 ?              000007-000003               1.00                                 14 无此卡,请到卡务中心 / no such card: go to the card office
2026-11-23 12:03:00  000000000011    冲正 / reversal  915600******0012 20260001 张伟  000007-000001               5.00          +5.00           11.20  00 成功 / approved (000000000009)

2 条,下一页 / 2 entries, the next page: --after 11 --up-to 19
`

// TestStatement: the statement of a card and of a terminal, from an index that is complete and from blocks that no index has yet.
func TestStatement(t *testing.T) {
	for _, indexed := range []bool{true, false} {
		config := daemon.Config{}
		config.Data.Directory = makeStatementLedger(t, indexed)
		var out bytes.Buffer
		ask := func(q query.StatementQuestion) error { return runStatement(t.Context(), &config, q, false, &out) }
		ofTerminal := query.StatementQuestion{Subject: query.Subject{Terminal: statementTerminal}, Limit: 2}
		require.NoError(t, ask(query.StatementQuestion{Subject: query.Subject{Card: uint64(statementCard)}}))
		require.Equal(t, wantCardStatement, out.String())
		out.Reset()
		require.NoError(t, ask(ofTerminal))
		require.Equal(t, wantTerminalStatement, out.String())
		require.ErrorContains(t, ask(query.StatementQuestion{Subject: query.Subject{Card: 9156000000000013}}), "915600******0013 未登记")
		require.ErrorContains(t, ask(query.StatementQuestion{Subject: query.Subject{Terminal: "1"}}), "未登记")
	}
}
