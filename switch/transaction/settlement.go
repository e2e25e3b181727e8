package transaction

import (
	"onecard/ledger"
)

// settlement is the part of the state that the settlement centre works with: programmes and purses, desks, operators, what waits for a
// second person, batches. Owner: the engine's goroutine.
type settlement struct {
	chart      map[chartKey]ledger.AccountID // the site's own accounts
	sets       []AccountSetRow
	terms      map[uint32]MerchantTerms // by merchant's row
	programmes []Programme
	purses     ledger.Table[ProgrammePurse]
	desks      []Desk
	operators  []Operator
	splits     map[uint32][]ledger.Leg // by row of the duplicate table: legs of originals that more than main and subsidy paid
	refunds    refunds
	holdings   map[uint64]holding // by the entry that opened the hold
	bankFigure BankFigure
	keys       keyring
	proposals  map[uint64]Proposal
	batches    batches
	sheets     sheets
	agreements agreements

	withdrawals withdrawals // to bank accounts

	// Indexes, rebuilt from the tables.
	programmeByCode map[string]uint16
	deskByCode      map[string]uint16
	operatorByCode  map[string]uint16
}

func newSettlement() settlement {
	return settlement{
		chart: make(map[chartKey]ledger.AccountID), terms: make(map[uint32]MerchantTerms), splits: make(map[uint32][]ledger.Leg), refunds: newRefunds(),
		holdings: make(map[uint64]holding),
		keys:     newKeyring(), proposals: make(map[uint64]Proposal), batches: newBatches(), sheets: newSheets(), agreements: newAgreements(), withdrawals: newWithdrawals(),
		programmeByCode: make(map[string]uint16), deskByCode: make(map[string]uint16), operatorByCode: make(map[string]uint16),
	}
}
