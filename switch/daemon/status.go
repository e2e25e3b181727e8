package daemon

import (
	"net/http"
	"os"
	"time"

	"onecard/bankgw"
	"onecard/ledger/money"
	"onecard/switch/proof"
)

// Status is what a running switch says about itself. Amounts in fen.
type Status struct {
	Version    string    `json:"version"`
	PID        int       `json:"pid"`
	Started    time.Time `json:"started"`
	RecoveryMS float64   `json:"recovery_ms"` // time to open the ledger at the start
	Data       string    `json:"data"`
	Addresses  Addresses `json:"addresses"`

	Sequence      uint64    `json:"sequence"`
	IndexSequence uint64    `json:"index_sequence"`
	Credits       money.Fen `json:"credits_fen"`
	Debits        money.Fen `json:"debits_fen"`
	Difference    money.Fen `json:"difference_fen"`
	Accounts      uint32    `json:"accounts"`
	Holders       uint32    `json:"holders"`
	Cards         uint32    `json:"cards"`
	Terminals     uint32    `json:"terminals"`
	LoadsOpen     int       `json:"loads_open"`
	// WithdrawalsOpen are those to bank accounts.
	WithdrawalsOpen int       `json:"withdrawals_open"`
	BusinessDay     proof.Day `json:"business_day"`

	Connections int `json:"connections"`
	SignedOn    int `json:"signed_on"`
	InFlight    int `json:"in_flight"`

	// Counters since the start: what lies between two looks is the difference.
	Groups            uint64 `json:"groups"`
	GroupEntries      uint64 `json:"group_entries"`
	SyncMicros        uint64 `json:"sync_us"`
	SyncLongestMicros uint64 `json:"sync_longest_us"` // since the last look

	DiskFreeBytes uint64         `json:"disk_free_bytes"`
	DiskLow       bool           `json:"disk_low"`
	Bank          *bankgw.Status `json:"bank,omitempty"` // the first

	Banks []bankgw.Status `json:"banks,omitempty"` // all of them
}

func (s *server) status() Status {
	b := s.pulse.seen.Load()
	counts := s.terminals.Counts()
	free, low := s.opened.store.Space()
	status := Status{
		Version: s.options.Version, PID: os.Getpid(), Started: s.started, RecoveryMS: float64(s.recovered.Microseconds()) / 1e3,
		Data: s.config.Data.Directory, Addresses: s.addresses(),
		Sequence: b.Sequence, IndexSequence: s.opened.store.IndexedTo(), Credits: b.Credits, Debits: b.Debits, Difference: s.pulse.difference(),
		Accounts: b.Accounts, Holders: b.Holders, Cards: b.Cards, Terminals: b.Terminals, LoadsOpen: b.Loads, WithdrawalsOpen: b.Withdrawals, BusinessDay: proof.Day(b.BusinessDay),
		Connections: counts.Connections, SignedOn: counts.SignedOn, InFlight: counts.InFlight,
		Groups: s.pulse.groups.Load(), GroupEntries: s.pulse.entries.Load(), SyncMicros: s.pulse.syncMicros.Load(), SyncLongestMicros: s.pulse.syncLongest.Swap(0),
		DiskFreeBytes: free, DiskLow: low,
	}
	s.eachBank(func(_ string, bank *bankgw.Gateway) { status.Banks = append(status.Banks, bank.Status()) })
	if len(status.Banks) > 0 {
		status.Bank = &status.Banks[0]
	}
	return status
}

func (s *server) answerStatus(w http.ResponseWriter, _ *http.Request) {
	answerJSON(w, http.StatusOK, s.status())
}
