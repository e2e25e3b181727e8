package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"onecard/bankgw/banksim"
	"onecard/ledger/money"
	"onecard/switch/iso8583"
)

// bank is the simulated bank with its line. It listens from the start to the end; the line is cut and restored in between.
type bank struct {
	sim     *banksim.Bank
	address string
	cutAt   int64 // on the fleet's clock; 0: the line is whole
	stop    context.CancelFunc
	done    chan error
}

// temper is how the bank behaves, in thousandths: some 30 ms for an answer, now and then one of the ways in which banks are banks
// (ecosystem 14; handbook 5.4). Every one of them must end with the card credited if and only if the account was debited.
const temper = `280 delay 20ms; 300 delay 30ms; 300 delay 40ms; 60 delay 300ms; 30 decline 51; 12 drop; 6 lose; 5 twice; 4 late; 3 done-close
reversal: 50 lose; reversal: 950 delay 20ms`

func startBank(address string, key iso8583.Secret, seed uint64) (*bank, error) {
	if err := loopback(address); err != nil {
		return nil, err
	}
	sim, err := banksim.New(banksim.Config{MACKey: key, MACMode: iso8583.MACSM4CBC, Mix: temper, Seed: seed, DefaultBalance: 5_000_000})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("模拟银行 / the simulated bank: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	b := &bank{sim: sim, address: listener.Addr().String(), stop: stop, done: make(chan error, 1)}
	go func() { b.done <- sim.Serve(ctx, listener) }()
	return b, nil
}

func (b *bank) close() error {
	b.stop()
	return <-b.done
}

// toggle cuts the line or restores it.
func (b *bank) toggle(now int64) {
	if b.cutAt != 0 {
		b.sim.Restore()
		b.cutAt = 0
		return
	}
	b.sim.Cut()
	b.cutAt = max(1, now)
}

// held is what the bank has taken from accounts and not given back.
func (b *bank) held() (loads int, amount money.Fen) {
	s := b.sim.Stats()
	return s.Debited.Count - s.Reversed.Count, s.Debited.Sum - s.Reversed.Sum
}

// audit lets the bank's own books be checked.
func (b *bank) audit() error {
	if err := b.sim.Check(); err != nil {
		return errors.Join(errors.New("模拟银行自己的账不平 / the simulated bank's own books do not balance"), err)
	}
	return nil
}

// viewOf is the bank as it is shown.
func (b *bank) viewOf(now int64, s *status, l *loadTally) BankView {
	stats := b.sim.Stats()
	v := BankView{
		Cut: b.cutAt != 0, Credited: l.credited, CreditedFen: l.creditedFen, Declined: l.declined, Unreachable: l.unreachable, Silent: l.silent,
		DebitedAtBank: uint64(stats.Debited.Count), ReversedAtBank: uint64(stats.Reversed.Count),
	}
	if v.Cut {
		v.CutFor = time.Duration(now - b.cutAt)
	}
	if s == nil || s.Bank == nil {
		return v
	}
	v.Known, v.Links, v.InFlight, v.Reversals = true, len(s.Bank.Links), s.Bank.LoadsInFlight, s.Bank.ReversalsQueued
	for _, link := range s.Bank.Links {
		if link.State == "up" {
			v.LinksUp++
		}
	}
	if oldest := s.Bank.OldestReversal; !oldest.IsZero() {
		v.OldestReversal = max(0, time.Since(oldest))
	}
	return v
}
