package demo

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"time"

	"onecard/ledger/money"
)

// Summary is the JSON of a run. Requests are those that were answered, and approved and refused together; what a terminal gave up for want
// of an answer and took back counts as refused with 98. The acknowledged figures come from the terminals' own memory, over all runs on the
// folder, compared with the ledger after it was closed and opened again.
type Summary struct {
	Requests            uint64            `json:"requests"`
	Approved            uint64            `json:"approved"`
	Refused             map[string]uint64 `json:"refused"` // by response code, DE 39
	TPS                 float64           `json:"tps"`
	Latency             Latency           `json:"latency_ms"`
	BankLoads           BankLoads         `json:"bank_loads"`
	AcknowledgedLost    uint64            `json:"acknowledged_lost"`
	AcknowledgedDoubled uint64            `json:"acknowledged_doubled"`
	Difference          money.Fen         `json:"difference_fen"`
}

// Latency is from the tap to the answer, in milliseconds; what was repeated after a kill is in it.
type Latency struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
}

// BankLoads are bank loads: as kiosks were told, and how many the bank gave back.
type BankLoads struct {
	Approved    uint64 `json:"approved"`
	Reversed    uint64 `json:"reversed"`    // at the bank: it had debited and gave back
	Declined    uint64 `json:"declined"`    // by the bank or by a rule of ours
	Unreachable uint64 `json:"unreachable"` // nothing left the house
	TimedOut    uint64 `json:"timed_out"`   // no answer from the bank: reversed if it had debited
}

func summaryOf(t *tally, reversed int, elapsed time.Duration, a *audit) Summary {
	s := Summary{
		Requests: t.requests, Approved: t.approved, Refused: map[string]uint64{}, AcknowledgedLost: a.Lost, AcknowledgedDoubled: a.Doubled, Difference: a.difference(),
		BankLoads: BankLoads{t.loads.credited, uint64(reversed), t.loads.declined, t.loads.unreachable, t.loads.silent},
	}
	for code, count := range t.refused {
		s.Refused[code.String()] = count
	}
	if elapsed > 0 {
		s.TPS = rounded(float64(t.requests) / elapsed.Seconds())
	}
	q := quantiles(t.whole)
	s.Latency = Latency{milliseconds(q.P50), milliseconds(q.P99), milliseconds(q.P999)}
	return s
}

func milliseconds(d time.Duration) float64 { return rounded(d.Seconds() * 1e3) }

func rounded(v float64) float64 { return math.Round(v*1000) / 1000 }

// write writes the JSON, whole or not at all.
func (s *Summary) write(path string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("the summary: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("结果文件 / the summary: %w", err)
	}
	return nil
}
