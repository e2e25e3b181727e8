package bankgw_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw"
	"onecard/bankgw/banksim"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// TestBalanceEnquiry: wire handbook 5.2, 0200 with 300000 and DE 54, in ISO 8583 and in records. It is answered, refused, or not answered; nothing is
// written, nothing is reversed, and loads beside it go on.
func TestBalanceEnquiry(t *testing.T) {
	for name, record := range map[string]bool{"fields": false, "records": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { balanceEnquiry(t, record) })
		})
	}
}

func balanceEnquiry(t *testing.T, record bool) {
	const account = 6217000012345678
	w := newWorld(t, worldOptions{record: record, bank: banksim.Config{DefaultBalance: 12_345}, change: func(c *bankgw.Config) {
		c.Dialect.Features = []string{bankgw.FeatureBalance, bankgw.FeatureQuery}
	}})
	defer w.end()
	time.Sleep(linksUp)
	before := w.look()
	ask := func(script string) (bankgw.SigningAnswer, error) {
		require.NoError(t, w.bank.Script(script))
		return w.life.gateway.Balance(context.Background(), account)
	}
	has := func(script string, want money.Fen) {
		said, err := ask(script)
		require.NoError(t, err, script)
		require.Equal(t, transaction.Approved, said.Code)
		require.True(t, said.Told)
		require.Equal(t, want, said.Balance)
	}
	has("", 12_345)
	has("balance: delay 2s", 12_345)
	has("balance: twice", 12_345)
	said, err := ask("balance: decline 14")
	require.NoError(t, err)
	require.Equal(t, "14", said.Code.String())
	require.False(t, said.Told)
	for _, script := range []string{"balance: drop", "balance: lose", "balance: decline 96; balance: decline 68", "balance: wrong-mac", "balance: garbage", "balance: close", "balance: slow 20s"} {
		said, err = ask(script)
		if err == nil { // a bank that is not well says so
			require.NotEqual(t, transaction.Approved, said.Code, script)
			said, err = ask("")
		}
		require.ErrorIs(t, err, bankgw.ErrSilent, script)
		require.False(t, said.Told)
		time.Sleep(w.config.ReconnectMax)
	}
	require.Equal(t, before, w.look(), "nothing is written")
	require.Zero(t, w.bank.Stats().Loads+w.bank.Stats().Reversals)
	w.ask(transaction.KindLoad, 1, 2_345)
	time.Sleep(time.Second)
	has("", 10_000)
	said, err = w.life.gateway.Balance(context.Background(), 6217000011110000)
	require.NoError(t, err)
	require.EqualValues(t, 12_345, said.Balance, "each account its own")
	w.bank.Cut()
	synctest.Wait()
	_, err = ask("")
	require.ErrorIs(t, err, bankgw.ErrNotAsked, "the link is known to be dead")
}

// TestNoBalanceWithoutTheFeature: a bank that does not tell balances is not asked.
func TestNoBalanceWithoutTheFeature(t *testing.T) {
	inTown(t, []bankgw.Config{bankAt("bank", "bank:1", "62")}, func(t *testing.T, w *town) {
		for _, account := range []uint64{6217000012345678, 9917000012345678} {
			_, err := w.banks.Balance(context.Background(), account)
			require.ErrorIs(t, err, bankgw.ErrNoBalance)
		}
	})
}
