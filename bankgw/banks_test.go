package bankgw_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw"
	"onecard/bankgw/banksim"
	"onecard/ledger/money"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// town is several banks in software and one owner.
type town struct {
	banks *bankgw.Banks
	sims  map[string]*banksim.Bank // by address

	mu       sync.Mutex
	outcomes []transaction.Request // guarded by mu
	events   []string              // guarded by mu
	busy     int                   // guarded by mu: submits still to be refused
}

func (w *town) submit(r transaction.Request) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy > 0 {
		w.busy--
		return transaction.ErrBusy
	}
	w.outcomes = append(w.outcomes, r)
	return nil
}

func (w *town) tell(event string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, event)
}

// codes are the outcomes by load.
func (w *town) codes() map[uint64]string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	codes := map[uint64]string{}
	for _, r := range w.outcomes {
		codes[r.Load] = r.BankCode.String()
	}
	return codes
}

// inTown runs a test in virtual time with banks at work, each at an address of its own.
func inTown(t *testing.T, configs []bankgw.Config, test func(t *testing.T, w *town)) {
	synctest.Test(t, func(t *testing.T) {
		w := &town{sims: map[string]*banksim.Bank{}}
		serving, stopBanks := context.WithCancel(context.Background())
		var served sync.WaitGroup
		networks := map[string]*network{}
		keys := make([]bankgw.Keys, 0, len(configs))
		for i := range configs {
			c := &configs[i]
			bank, err := banksim.New(banksim.Config{MACKey: bankKey, MACMode: iso8583.MACSM4CBC, Framing: c.Framing, Records: c.Dialect.Kind == bankgw.DialectRecord})
			require.NoError(t, err)
			address, n := c.Addresses[0], newNetwork()
			w.sims[address], networks[address] = bank, n
			keys = append(keys, bankgw.Keys{MAC: bankKey})
			served.Add(1)
			go func() {
				defer served.Done()
				if err := bank.Serve(serving, n); err != nil {
					t.Error(err)
				}
			}()
		}
		dial := func(ctx context.Context, network, address string) (net.Conn, error) {
			m := &machine{network: networks[address], passing: func(bool, bool) bool { return true }}
			return m.dial(ctx, network, address)
		}
		var err error
		w.banks, err = bankgw.NewBanks(configs, keys, w.submit, func(name string) bankgw.Events {
			return bankgw.Events{
				LoadRefused: func(cause string) { w.tell(name + " " + cause) },
				Fault:       func(fault string) { w.tell(name + " " + fault) },
			}
		}, bankgw.Options{Dial: dial, Seed: 1})
		require.NoError(t, err)
		running, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- w.banks.Run(running) }()
		time.Sleep(time.Second)
		test(t, w)
		stop()
		require.NoError(t, <-ended)
		stopBanks()
		served.Wait()
	})
}

func bankAt(name, address string, prefixes ...string) bankgw.Config {
	c := bankgw.DefaultConfig()
	c.Name, c.Addresses, c.Prefixes = name, []string{address}, prefixes
	return c
}

func orderAt(load, account uint64) transaction.LoadOrder {
	o := orderOf(load, 100)
	o.BankAccount = account
	return o
}

// TestLongestPrefixWins: orders go to the bank whose prefix fits best, the rest to the bank without one; each bank speaks its own dialect.
func TestLongestPrefixWins(t *testing.T) {
	wide, narrow, rest := bankAt("wide", "wide:1", "62"), bankAt("narrow", "narrow:1", "622202", "621700"), bankAt("rest", "rest:1")
	narrow.Dialect.Kind, narrow.Framing = bankgw.DialectRecord, iso8583.FramingASCII6
	inTown(t, []bankgw.Config{rest, wide, narrow}, func(t *testing.T, w *town) {
		accounts := []uint64{6217000012345678, 6217010012345678, 6222021234567890, 4000000000000002, 62, 6}
		for i, account := range accounts {
			w.banks.Load(orderAt(uint64(i+1), account))
		}
		time.Sleep(time.Second)
		require.Len(t, w.codes(), len(accounts))
		for load, code := range w.codes() {
			require.Equal(t, "00", code, "load %d", load)
		}
		at := func(address string) (taken []string) {
			for _, r := range w.sims[address].Records() {
				taken = append(taken, r.Account)
			}
			slices.Sort(taken)
			return taken
		}
		require.Equal(t, []string{"6217000012345678", "6222021234567890"}, at("narrow:1"))
		require.Equal(t, []string{"62", "6217010012345678"}, at("wide:1"))
		require.Equal(t, []string{"4000000000000002", "6"}, at("rest:1"))

		w.banks.Reverse(orderAt(3, accounts[2]))
		time.Sleep(time.Second)
		require.Zero(t, w.sims["narrow:1"].Debited("000000000003"), "its reversal went to the same bank")
		require.Equal(t, money.Fen(100), w.sims["wide:1"].Debited("000000000002"))
		var names []string
		w.banks.Each(func(name string, g *bankgw.Gateway) {
			require.Equal(t, name, g.Status().Name)
			require.Equal(t, 2, g.Status().LinksUp())
			names = append(names, name)
		})
		require.Equal(t, []string{"rest", "wide", "narrow"}, names)
	})
}

// TestAccountOfNoBank: a load is declined with 15, also when the owner is busy at first; a reversal stays open and is told.
func TestAccountOfNoBank(t *testing.T) {
	inTown(t, []bankgw.Config{bankAt("icbc", "icbc:1", "6222"), bankAt("ccb", "ccb:1", "6217")}, func(t *testing.T, w *town) {
		w.mu.Lock()
		w.busy = 3
		w.mu.Unlock()
		w.banks.Load(orderAt(1, 4000000000000002))
		w.banks.Reverse(orderAt(2, 4000000000000002))
		time.Sleep(time.Second)
		require.Equal(t, map[uint64]string{1: "15"}, w.codes())
		w.mu.Lock()
		defer w.mu.Unlock()
		require.Equal(t, []string{"icbc no_bank", "icbc no_bank"}, w.events)
	})
}

// TestBanksMustDiffer: every fault of every bank is named at once.
func TestBanksMustDiffer(t *testing.T) {
	err := bankgw.ValidateBanks([]bankgw.Config{bankAt("a", "a:1"), bankAt("a", "b:1", "62"), bankAt("c", "c:1", "62"), bankAt("d", "d:1")})
	var told []string
	for _, fault := range err.(interface{ Unwrap() []error }).Unwrap() {
		var key bankgw.KeyError
		var at bankgw.IndexedError
		require.True(t, errors.As(fault, &key) && errors.As(fault, &at))
		told = append(told, key.Key+" "+string(rune('0'+at.Index)))
	}
	require.Equal(t, []string{"name 1", "prefixes 2", "prefixes 3"}, told)
	_, err = bankgw.NewBanks([]bankgw.Config{bankAt("a", "a:1"), bankAt("a", "b:1")}, nil, nil, nil, bankgw.Options{})
	require.Error(t, err)
}
