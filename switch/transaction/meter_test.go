package transaction_test

import (
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"

	"onecard/switch/transaction"
)

// metered prints what the ledger says of uses that were settled by a reading.
func (s *story) metered() string {
	var b strings.Builder
	for _, block := range s.journal.blocks {
		require.NoError(s.t, block.Each(func(sequence uint64, e *entry) error {
			if line, ok := transaction.ReadOperation(sequence, block.Day(), e); ok && line.Tariff != "" {
				fmt.Fprintf(&b, "record %d: %s by %s (%d) per %s, rules %d: %s\n", sequence, line.Metered(), line.Tariff, line.Reading, line.Per, line.RulesVersion, line.Amount)
			}
			return nil
		}))
	}
	return b.String()
}
