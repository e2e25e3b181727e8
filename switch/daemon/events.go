package daemon

import (
	"time"

	"go.uber.org/zap"

	"onecard/bankgw"
	"onecard/ledger/pebblestore"
	"onecard/switch/iso8583"
	"onecard/switch/transaction"
	"onecard/terminals"
)

// What happens inside the parts goes to metrics, and what an operator must hear of to the log. No transaction is logged: each is in the
// journal.

func (s *server) storeEvents() pebblestore.Events {
	return pebblestore.Events{
		Synced: func(entries uint32, _ int, took time.Duration) {
			s.metrics.Synced(took)
			s.pulse.synced(entries, took)
		},
		DiskSlow: func(text string) {
			s.metrics.DiskSlow()
			s.log.Warn("磁盘慢 / slow disk", zap.String("detail", text))
		},
		WriteStall: func(begin bool) {
			if begin {
				s.metrics.WriteStalled()
				s.log.Warn("Pebble 暂停写入 / Pebble holds up writes")
			}
		},
		Failed: func(err error) {
			s.log.Error("账本后台任务失败,将重试 / a background task of the ledger failed and will be tried again", zap.Error(err))
		},
		Repaired: func(blocks int) {
			s.log.Warn("已由见证文件补回末块 / the newest blocks were put back from the witness", zap.Int("blocks", blocks))
		},
		Info: func(text string) { s.log.Debug(text) },
	}
}

func (s *server) engineEvents() transaction.Events {
	return transaction.Events{
		Answered:  func(decisions []transaction.Decision) { s.metrics.Answered(decisions, s.clock.micros()) },
		Group:     s.metrics.Group,
		LoadState: s.metrics.LoadState, WithdrawalState: s.metrics.WithdrawalState,
		CheckpointSkipped: func(err error) {
			s.log.Error("检查点无法使用,改用更早的或重放更多 / a checkpoint cannot be used: an older one, or replaying more, takes its place", zap.Error(err))
		},
	}
}

func (s *server) terminalEvents() terminals.Events {
	return terminals.Events{
		ConnectionClosed: s.metrics.ConnectionClosed,
		FrameRejected:    s.metrics.FrameRejected,
		MACFailed:        s.metrics.MACFailed,
		Held:             s.metrics.Held,
		AnswerDropped:    s.metrics.AnswerDropped,
	}
}

func (s *server) bankEvents(bank string) bankgw.Events {
	name := zap.String("bank", bank)
	said := s.totalsSaid[bank]
	return bankgw.Events{
		TotalsSaid: func(t bankgw.TotalsSaid) {
			select {
			case said <- t:
			default: // far more than a bank has days: it says them again
				s.log.Warn("银行总额来得太多,略过 / too many totals of the bank's, left out", name)
			}
		},
		LinkState: func(link int, state string) {
			s.log.Info("银行链路 / bank link", name, zap.Int("link", link), zap.String("state", state))
		},
		LinkLost: func(link int, reason string) {
			s.log.Warn("银行链路中断 / bank link lost", name, zap.Int("link", link), zap.String("reason", reason))
		},
		Message:     func(direction, mti string) { s.metrics.BankMessage(bank, direction, mti) },
		LoadRefused: func(cause string) { s.metrics.BankRefused(bank, cause) },
		OwnerBusy:   s.metrics.OwnerBusy,
		CutOver: func(begins bool) {
			s.log.Info("银行日切 / the bank turns its day", name, zap.Bool("begins", begins))
		},
		KeyAsked: func(ordered bool) {
			s.log.Info("向银行申请新的 MAC 密钥 / the bank is asked for a new MAC key", name, zap.Bool("ordered", ordered))
		},
		KeyChanged: func(checkValue string) {
			s.metrics.BankKeyChanged(bank)
			s.log.Info("MAC 密钥已更换 / the MAC key was changed", name, zap.String("check_value", checkValue))
		},
		Fault: func(fault string) {
			s.metrics.BankFault(bank, fault)
			s.log.Warn("银行侧异常 / the bank did not do what was expected", name, zap.String("fault", fault))
		},
	}
}

// registerGauges shows what is looked at rather than counted.
func (s *server) registerGauges() {
	m := s.metrics
	m.ExpectTerminals(func(visit func(string)) { terminals.Rejections(visit); iso8583.Faults(visit) }, terminals.CloseReasons)
	gauge := func(name, help string, read func() float64) { m.Gauge(name, help, nil, read) }
	gauge("onecard_ledger_sequence", "Sequence of the newest entry.", func() float64 { return float64(s.pulse.seen.Load().Sequence) })
	gauge("onecard_ledger_difference_fen", "Debits less credits, or the sum of all balances: 0, or the books are broken.", func() float64 { return float64(s.pulse.difference()) })
	gauge("onecard_ledger_accounts", "Accounts ever opened.", func() float64 { return float64(s.pulse.seen.Load().Accounts) })
	gauge("onecard_holders", "Card holders.", func() float64 { return float64(s.pulse.seen.Load().Holders) })
	gauge("onecard_index_sequence", "Sequence up to which statements are complete.", func() float64 { return float64(s.opened.store.IndexedTo()) })
	gauge("onecard_feed_lag_records", "Records that the change feed furthest behind has not committed.", func() float64 { return largestLag(s.opened.store) })
	gauge("onecard_loads_open", "Bank loads whose outcome is not settled.", func() float64 { return float64(s.pulse.seen.Load().Loads) })
	gauge("onecard_withdrawals_open", "Withdrawals to bank accounts whose outcome is not settled.", func() float64 { return float64(s.pulse.seen.Load().Withdrawals) })
	gauge("onecard_terminal_connections", "Terminal connections open.", func() float64 { return float64(s.terminals.Counts().Connections) })
	gauge("onecard_terminal_sessions", "Terminals signed on.", func() float64 { return float64(s.terminals.Counts().SignedOn) })
	gauge("onecard_terminal_requests_in_flight", "Requests that wait for their answers.", func() float64 { return float64(s.terminals.Counts().InFlight) })
	gauge("onecard_disk_free_bytes", "Free space for the ledger.", func() float64 { free, _ := s.opened.store.Space(); return float64(free) })
	gauge("onecard_disk_low", "1 when new work is refused for want of space.", func() float64 {
		if _, low := s.opened.store.Space(); low {
			return 1
		}
		return 0
	})
	gauge("onecard_pebble_l0_depth", "Tables above one another in Pebble's level 0.", func() float64 { return float64(s.opened.store.Metrics().L0Depth) })
	gauge("onecard_pebble_disk_bytes", "Bytes of the ledger on disk.", func() float64 { return float64(s.opened.store.Metrics().DiskBytes) })
	gauge("onecard_recovery_seconds", "Time to open the ledger at the start.", func() float64 { return s.recovered.Seconds() })
	s.eachBank(s.registerBank)
}

// registerBank shows what is looked at of one bank.
func (s *server) registerBank(name string, bank *bankgw.Gateway) {
	visitTotalsVerdicts(func(verdict string) { s.metrics.ExpectBankTotals(name, verdict) })
	s.metrics.ExpectBank(name, bankgw.Faults, bankgw.Refusals, bankgw.MessageTypes)
	gauge := func(metric, help string, read func(bankgw.Status) float64) {
		s.metrics.Gauge(metric, help, map[string]string{"bank": name}, func() float64 { return read(bank.Status()) })
	}
	gauge("onecard_bank_links_up", "Bank links that are signed on.", func(b bankgw.Status) float64 { return float64(b.LinksUp()) })
	gauge("onecard_bank_links_draining", "Bank links that an operator has taken out of work.", func(b bankgw.Status) float64 { return float64(b.LinksDraining()) })
	gauge("onecard_bank_cut_over", "1 while the bank turns its day and loads are declined with 90.", func(b bankgw.Status) float64 {
		if time.Now().Before(b.CutOverUntil) {
			return 1
		}
		return 0
	})
	gauge("onecard_bank_key_age_seconds", "How long the MAC key has been in force since it came over the link; 0: it was given by hand.", func(b bankgw.Status) float64 { return b.KeyAge(time.Now()).Seconds() })
	gauge("onecard_bank_loads_in_flight", "Loads that wait for the bank's answer.", func(b bankgw.Status) float64 { return float64(b.LoadsInFlight) })
	gauge("onecard_bank_oldest_reversal_seconds", "How long the oldest reversal has been without the bank's answer; 0: there is none.", func(b bankgw.Status) float64 { return b.OldestReversalAge(time.Now()).Seconds() })
	gauge("onecard_bank_reversals_queued", "Reversals that the bank has not answered.", func(b bankgw.Status) float64 { return float64(b.ReversalsQueued) })
}
