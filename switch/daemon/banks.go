package daemon

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"onecard/bankgw"
	"onecard/ledger/money"
	"onecard/switch/daemon/settings"
	"onecard/switch/transaction"
)

// banks are the banks of the configuration: the one under bank, when it has an address, and those of the list.
func (c *Config) banks() []bankgw.Config {
	var banks []bankgw.Config
	if c.hasBank() {
		banks = append(banks, c.Bank)
	}
	return append(banks, c.Banks...)
}

func (c *Config) hasBank() bool { return len(c.Bank.Addresses) > 0 }

// bankGroup is where the keys of a bank stand in the file; i counts as in banks.
func (c *Config) bankGroup(i int) string {
	if c.hasBank() {
		if i == 0 {
			return "bank"
		}
		i--
	}
	return fmt.Sprintf("banks[%d]", i)
}

// validateBanks checks every bank and what must be different between them.
func (c *Config) validateBanks() []error {
	var faults []error
	banks := c.banks()
	for i := range banks {
		group := c.bankGroup(i)
		faults = append(faults, inGroup(group, banks[i].Validate())...)
		if banks[i].MACKeyFile == "" {
			faults = append(faults, settings.Faultf(group+".mac_key_file", "启用银行时须给出 / must be given when the bank is enabled"))
		}
	}
	if joined, ok := bankgw.ValidateBanks(banks).(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			var indexed bankgw.IndexedError
			if errors.As(err, &indexed) {
				faults = append(faults, inGroup(c.bankGroup(indexed.Index), indexed.Err)...)
			}
		}
	}
	return faults
}

// takesAutomatic says which accounts' banks have the feature auto_load. It needs no gateway: the configuration says it, with the longest prefix as
// in bankgw.Banks.
func (c *Config) takesAutomatic() func(account uint64) bool {
	banks := bankgw.RoutesOf(c.banks())
	return func(account uint64) bool {
		bank := banks.Of(account)
		return bank != nil && bank.Dialect.Has(bankgw.FeatureAutoLoad)
	}
}

// withdrawalTerms are what the configuration allows of withdrawals to accounts.
func (c *Config) withdrawalTerms() transaction.WithdrawalTerms {
	banks := bankgw.RoutesOf(c.banks())
	return transaction.WithdrawalTerms{
		Takes: func(account uint64) bool {
			bank := banks.Of(account)
			return bank != nil && bank.Dialect.TakesWithdrawals()
		},
		Single: money.Fen(c.Withdrawals.SingleMaxFen), Day: money.Fen(c.Withdrawals.DayMaxFen), TwoPersons: money.Fen(c.Withdrawals.TwoPersonsAboveFen),
	}
}

// loadBankKeys reads the keys that are shared with the banks.
func loadBankKeys(banks []bankgw.Config) ([]bankgw.Keys, error) {
	keys := make([]bankgw.Keys, len(banks))
	for i := range banks {
		var err error
		if keys[i].MAC, err = LoadBankKey(banks[i].MACKeyFile); err != nil {
			return nil, fmt.Errorf("%s: %w", banks[i].Name, err)
		}
		if banks[i].ZMKFile == "" {
			continue
		}
		if keys[i].ZMK, err = readKeyFile(banks[i].ZMKFile, bankKeyBytes); err != nil {
			return nil, fmt.Errorf("%s: 区域主密钥 / the zone master key: %w", banks[i].Name, err)
		}
	}
	return keys, nil
}

// connectBanks prepares the way to the banks, or to none.
func (s *server) connectBanks(keys []bankgw.Keys) (transaction.Bank, error) {
	configs := s.config.banks()
	if len(configs) == 0 {
		return noBank{}, nil
	}
	if err := s.keepBankKeys(configs, keys); err != nil {
		return nil, err
	}
	s.totalsSaid = make(map[string]chan bankgw.TotalsSaid, len(configs))
	for i := range configs {
		s.totalsSaid[configs[i].Name] = make(chan bankgw.TotalsSaid, totalsBound)
	}
	banks, err := bankgw.NewBanks(configs, keys, s.opened.engine.Submit, s.bankEvents, bankgw.Options{Dial: s.options.Dial})
	if err != nil {
		return nil, err
	}
	s.banks = banks
	return banks, nil
}

// eachBank visits the banks' gateways, the first of the configuration first.
func (s *server) eachBank(visit func(name string, bank *bankgw.Gateway)) {
	if s.banks != nil {
		s.banks.Each(visit)
	}
}

func (s *server) runBanks(ctx context.Context) {
	if s.banks == nil {
		return
	}
	if err := s.banks.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		s.log.Error("银行网关停止 / the bank gateway ended", zap.Error(err))
	}
}

// noBank stands where a bank would: the subsystem refuses every load before it begins. A load that was open when the bank was taken out of
// the configuration stays open until there is a bank again.
type noBank struct{}

func (noBank) Load(transaction.LoadOrder)     {}
func (noBank) Reverse(transaction.LoadOrder)  {}
func (noBank) Withdraw(transaction.LoadOrder) {}
