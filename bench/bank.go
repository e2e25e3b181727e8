package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"

	"onecard/bankgw/banksim"
	"onecard/ledger/money"
	"onecard/switch/iso8583"
)

// bank is the simulated bank of a site: it lives in this process, so that it outlives the switch and its books can be compared.
type bank struct {
	*banksim.Bank
	address string
	key     iso8583.Secret
	stop    context.CancelFunc
	done    chan error
}

// bankOpening is what every account at the bank has in the beginning.
const bankOpening money.Fen = 100_000_000

// newBank opens a bank on a port of its own. mix is how it behaves, in banksim's words; "" approves everything.
func newBank(ctx context.Context, seed uint64, mix string) (*bank, error) {
	key := iso8583.Secret("bench bank key 1")
	sim, err := banksim.New(banksim.Config{MACKey: key, MACMode: iso8583.MACSM4CBC, DefaultBalance: bankOpening, Mix: mix, Seed: seed})
	if err != nil {
		return nil, err
	}
	b := &bank{Bank: sim, address: "127.0.0.1:0", key: key}
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// open takes links. The address is the same ever after.
func (b *bank) open(ctx context.Context) error {
	l, err := net.Listen("tcp", b.address)
	if err != nil {
		return fmt.Errorf("opening the bank: %w", err)
	}
	serving, stop := context.WithCancel(ctx)
	b.address, b.stop, b.done = l.Addr().String(), stop, make(chan error, 1)
	go func() { b.done <- b.Serve(serving, l) }()
	return nil
}

func (b *bank) close() {
	b.stop()
	<-b.done
}

// config are the lines of YAML by which the switch finds the bank. The waits are short, so that a test hears the end of everything.
func (b *bank) config(keyFile string) (string, error) {
	if err := os.WriteFile(keyFile, []byte(hex.EncodeToString(b.key)+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("writing the bank's key: %w", err)
	}
	return fmt.Sprintf(`bank:
  addresses: [%s]
  mac_key_file: %s
  request_timeout: 1s
  reconnect_min: 50ms
  reconnect_max: 500ms
  reversal_back_off: [200ms, 500ms, 1s]
  not_found_after: 2s
`, b.address, keyFile), nil
}

// held is what the bank has taken from its customers for the campus, less what it has paid them.
func (b *bank) held() money.Fen {
	s := b.Stats()
	return s.Debited.Sum - s.Reversed.Sum - s.Paid.Sum
}

// loadInTransitCode is the account that stands for the bank in the ledger (handbook 3.11: 1011).
const loadInTransitCode = 1011

// inTransit is what the ledger says that the bank has taken: nothing else may be in that account once all loads have ended.
func (a *audit) inTransit() money.Fen {
	for _, row := range a.ByCode {
		if row.Code == loadInTransitCode {
			return row.Debit - row.Credit
		}
	}
	return 0
}

// openLoads asks the switch how many loads wait for the bank.
func (p *process) openLoads(ctx context.Context) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.operations+"/status", nil)
	if err != nil {
		return 0, err
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("reading the switch's status: %w", err)
	}
	defer func() { _ = reply.Body.Close() }()
	var status struct {
		LoadsOpen int `json:"loads_open"`
	}
	if err := json.NewDecoder(reply.Body).Decode(&status); err != nil {
		return 0, fmt.Errorf("reading the switch's status: %w", err)
	}
	return status.LoadsOpen, nil
}
