package bankgw_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"onecard/switch/iso8583"
	"onecard/switch/transaction"
)

// TestSettlementDates tells the stories of DE 15. Records have none unless the bank's layout has bank_date.
func TestSettlementDates(t *testing.T) {
	datadriven.Walk(t, "testdata/dates", func(t *testing.T, path string) {
		synctest.Test(t, func(t *testing.T) { tell(t, path, false) })
	})
}

// TestBankDate: MMDD is taken as the date next to the load's (2000-01-01); what cannot be one is left out and counted, and credits all the same.
func TestBankDate(t *testing.T) {
	for text, c := range map[string]struct {
		day   string
		fault bool
	}{
		"0101": {day: "2000-01-01"}, "0102": {day: "2000-01-02"}, "1231": {day: "1999-12-31"}, "0131": {day: "2000-01-31"}, "": {},
		"0229": {fault: true}, "1301": {fault: true}, "0100": {fault: true}, "0000": {fault: true}, "0230": {fault: true}, "0701": {fault: true},
	} {
		t.Run(text, func(t *testing.T) {
			outcomes, faults := withImposter(t, func(request *iso8583.BankMessage, mac *iso8583.MAC) [][]byte {
				return [][]byte{seal(t, mac, approval(request, 15, text))}
			})
			require.Equal(t, []transaction.Kind{transaction.KindLoadConfirmed}, kindsOf(outcomes))
			day := ""
			if outcomes[0].BankDay != 0 {
				day = time.Unix(int64(outcomes[0].BankDay)*86400, 0).UTC().Format(time.DateOnly)
			}
			require.Equal(t, c.day, day)
			require.Equal(t, c.fault, faults["bank_day"] == 1)
		})
	}
}
