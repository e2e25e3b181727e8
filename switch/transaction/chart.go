package transaction

import (
	"fmt"

	"onecard/ledger"
	"onecard/ledger/invariant"
)

// AccountSetRow opens an account set (帐套) with a chart of accounts of its own.
type AccountSetRow struct {
	Set  ledger.AccountSet // 1..15; 0 is the campus card fund and always there
	Code string            // at most 16 bytes
}

// CountSet is the account set whose unit is not fen but counts (计次): meal tickets, entries.
const CountSet ledger.AccountSet = 1

// chartCodes are the site's own accounts of an account set (handbook 3.11). A ledger's genesis opened the first of them for set 0; the rest
// is opened when something first needs it.
var chartCodes = [...]ledger.AccountCode{
	ledger.CodeCash, ledger.CodeBankCustody, ledger.CodeLoadInTransit, ledger.CodeThirdPartyTransit, ledger.CodeSubsidyReceivable, ledger.CodeHolderDebt,
	ledger.CodeDeposits, ledger.CodeManagementFee, ledger.CodeSuspense, ledger.CodeUnclaimed, ledger.CodeCardIncome, ledger.CodeServiceIncome,
	ledger.CodeDeductionIncome, ledger.CodeLostCardLoss, ledger.CodeSchoolDiscount,
}

type chartKey struct {
	set  ledger.AccountSet
	code ledger.AccountCode
}

// SiteAccount finds the site's own account of a code in an account set.
func (s *State) SiteAccount(set ledger.AccountSet, code ledger.AccountCode) (ledger.AccountID, bool) {
	id, ok := s.chart[chartKey{set, code}]
	return id, ok
}

// site is SiteAccount where the chart is known to be complete.
func (s *State) site(code ledger.AccountCode) ledger.AccountID {
	id, ok := s.chart[chartKey{0, code}]
	invariant.Hold(ok, "the chart of accounts has no %d", code)
	return id
}

// chartEntry opens what is missing of a set's chart; nil when nothing is.
//
//	row type u8 = 10 | set u8 | code text
func (s *State) chartEntry(set ledger.AccountSet, code string, now int64) *ledger.Entry {
	var opens []ledger.Opening
	for _, c := range chartCodes {
		if _, there := s.chart[chartKey{set, c}]; !there {
			opens = append(opens, ledger.Opening{Code: c, Set: set})
		}
	}
	if opens == nil {
		return nil
	}
	return &ledger.Entry{Kind: KindDirectory, Time: now, Opens: opens, Payload: appendText([]byte{rowAccountSet, byte(set)}, code)}
}

// completeChart opens the accounts of set 0 that genesis did not. REQUIRES: a group has begun.
func (e *Engine) completeChart() {
	if entry := e.state.chartEntry(0, "", e.decider.now); entry != nil {
		e.add(entry)
	}
}

// opened is the number of the n-th account that the entry just applied has opened.
func (s *State) opened(e *ledger.Entry, n int) ledger.AccountID {
	return ledger.AccountID(int(s.book.Accounts()) - len(e.Opens) + 1 + n)
}

func (s *State) addAccountSet(p *payloadReader, e *ledger.Entry) {
	set, code := ledger.AccountSet(p.byte()), p.string()
	for i, o := range e.Opens {
		s.chart[chartKey{set, o.Code}] = s.opened(e, i)
	}
	if code != "" {
		s.sets = append(s.sets, AccountSetRow{set, code})
	}
}

// indexChart finds the site's accounts that genesis opened.
func (s *State) indexChart() {
	for i, o := range siteAccounts {
		s.chart[chartKey{0, o.Code}] = ledger.AccountID(i + 1)
	}
}

// AccountSets lists the account sets besides the campus card fund.
func (s *State) AccountSets() []AccountSetRow { return s.sets }

func (dir *Directory) checkSets(c *checker) {
	seen := map[ledger.AccountSet]bool{}
	for _, set := range c.state.sets {
		seen[set.Set] = true
	}
	for i, row := range dir.Sets {
		c.length("account_sets", i, "code", row.Code, 16)
		if row.Set == 0 || row.Set > 15 {
			c.fault("account_sets", i, "set", "帐套编号须为 1 至 15 / the set must be 1 to 15")
		}
		if seen[row.Set] {
			c.fault("account_sets", i, "set", "帐套 %d 已有 / account set %[1]d is there already", row.Set)
		}
		seen[row.Set] = true
	}
}

// hasSet says whether an account set exists or comes with the directory.
func (dir *Directory) hasSet(s *State, set ledger.AccountSet) bool {
	if _, ok := s.SiteAccount(set, ledger.CodeSuspense); ok || set == 0 {
		return true
	}
	for _, row := range dir.Sets {
		if row.Set == set {
			return true
		}
	}
	return false
}

func setName(set ledger.AccountSet) string { return fmt.Sprintf("%d", set) }
