package simulation

import (
	"encoding/binary"
	"encoding/json"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/transaction"
)

// centre is what the reckoning knows of the settlement centre (结算中心): programmes and their purses, desks, what was refunded, who may
// approve, what every paper stands for.
type centre struct {
	chart      map[chartKey]ledger.AccountID
	programmes []programmeBook
	desks      map[string]*deskBook
	deskRows   []string
	operators  []transaction.OperatorRow
	groups     map[int]uint8 // of merchants
	counts     map[int]ledger.AccountID
	papers     map[string]*paper // by document: what was asked for
	proposals  map[uint64]*paper
	batches    map[uint64]*batchBook
	sheets     map[string]*sheet // batches by document
	sheetList  []*sheet
	refunded   map[uint64]money.Fen
	holdings   map[uint64]bool // holds that an operation opened
	parts      []ledger.Leg    // what the purses pay for the purchase on the table
}

type chartKey struct {
	set  ledger.AccountSet
	code ledger.AccountCode
}

type programmeBook struct {
	row        *transaction.ProgrammeRow
	receivable ledger.AccountID
}

type purseBook struct {
	account   ledger.AccountID
	programme int // debt: what the holder owes
	expiry    uint32
	mealDay   uint32
	mealUsed  money.Fen
}

const debt = 1<<16 - 1

type deskBook struct {
	cash     ledger.AccountID
	operator uint16
	inside   money.Fen
}

// paper is one operation that the office has asked for, with everything that became of it.
type paper struct {
	op       transaction.Operation
	entry    uint64 // that carried it out
	proposal uint64
	closed   bool // the proposal was rejected
	refused  bool // the office was told so
	answered bool
	tries    int
	receipt  transaction.Receipt
}

func newCentre() centre {
	return centre{
		chart: map[chartKey]ledger.AccountID{}, desks: map[string]*deskBook{}, groups: map[int]uint8{}, counts: map[int]ledger.AccountID{},
		papers: map[string]*paper{}, proposals: map[uint64]*paper{}, batches: map[uint64]*batchBook{}, sheets: map[string]*sheet{}, refunded: map[uint64]money.Fen{}, holdings: map[uint64]bool{},
	}
}

// numbersIn reads uvarints and texts off the front of a payload.
type numbersIn struct{ b []byte }

func (n *numbersIn) number() uint64 {
	v, size := binary.Uvarint(n.b)
	n.b = n.b[max(0, size):]
	return v
}

func (n *numbersIn) skip(bytes int) { n.b = n.b[min(bytes, len(n.b)):] }

func (n *numbersIn) text() string {
	size := min(int(n.number()), len(n.b))
	text := string(n.b[:size])
	n.b = n.b[size:]
	return text
}

// settlementDirectory is what the campus has of it.
func (c *campus) settlement() {
	d := &c.directory
	d.Sets = []transaction.AccountSetRow{{Set: transaction.CountSet, Code: "counts"}}
	d.Programmes = []transaction.ProgrammeRow{
		{Code: "meal", Account: ledger.CodeSubsidyPurse, PerMeal: 500},
		{Code: "lab", Account: ledger.CodeSubsidyPurse, Purposes: 1 << labGroup, Provider: "laboratory", WholeOnly: true},
		{Code: "water", Account: ledger.CodeWaterPurse, Purposes: 1 << 40},
		{Code: "tickets", Account: ledger.CodeCountPurse, Set: transaction.CountSet},
	}
	d.Terms = []transaction.MerchantTerms{
		{Merchant: merchantCode(0), Department: true, Sets: 1 << transaction.CountSet}, {Merchant: merchantCode(merchantHours), Department: true, Group: labGroup},
	}
	d.Desks = []transaction.DeskRow{{Code: "desk1"}, {Code: "desk2"}}
}

const labGroup = 3

// staff are the operators: two at the desks, an accountant, one for cards, one who approves, and one who is gone.
func staff() []transaction.OperatorRow {
	token := [32]byte{1}
	return []transaction.OperatorRow{
		{Code: "cashier1", Roles: transaction.RoleCashier, TokenHash: token},
		{Code: "cashier2", Roles: transaction.RoleCashier | transaction.RoleAccountant, TokenHash: token},
		{Code: "accountant", Roles: transaction.RoleAccountant, TokenHash: token},
		{Code: "cards", Roles: transaction.RoleCards, TokenHash: token},
		{Code: "approver", Roles: transaction.RoleApprover | transaction.RoleAccountant, TokenHash: token},
		{Code: "gone", Roles: transaction.RoleCashier | transaction.RoleApprover, Suspended: true, TokenHash: token},
	}
}

// register enters a directory row of the settlement centre.
func (k *reckoning) register(e *ledger.Entry) {
	first := ledger.AccountID(len(k.balances))
	in := numbersIn{e.Payload[1:]}
	switch e.Payload[0] {
	case rowAccountSet:
		for i, o := range e.Opens {
			k.chart[chartKey{ledger.AccountSet(e.Payload[1]), o.Code}] = first + ledger.AccountID(i)
		}
	case rowTerms:
		for i := range k.campus.directory.Merchants {
			if m := &k.campus.directory.Merchants[i]; string(m.Code[:]) == string(in.b[:15]) {
				if len(e.Opens) == 1 {
					k.counts[i] = first
				}
				for _, t := range k.campus.directory.Terms {
					if t.Merchant == m.Code {
						k.groups[i] = t.Group
					}
				}
			}
		}
	case rowProgramme:
		code := in.text()
		for i := range k.campus.directory.Programmes {
			if row := &k.campus.directory.Programmes[i]; row.Code == code {
				receivable := k.site(row.Set, ledger.CodeSubsidyReceivable)
				if len(e.Opens) == 1 {
					receivable = first
				}
				k.programmes = append(k.programmes, programmeBook{row, receivable})
			}
		}
	case rowDesk:
		code := in.text()
		k.desks[code] = &deskBook{cash: first}
		k.deskRows = append(k.deskRows, code)
	case rowOperator:
		code := in.text()
		for _, row := range staff() {
			if row.Code == code {
				k.operators = append(k.operators, row)
			}
		}
	}
}

// site is one of the site's own accounts: genesis opened the first of set 0, in the order of their constants.
func (k *reckoning) site(set ledger.AccountSet, code ledger.AccountCode) ledger.AccountID {
	genesis := map[ledger.AccountCode]ledger.AccountID{
		ledger.CodeCash: transaction.AccountCash, ledger.CodeBankCustody: transaction.AccountBankCustody, ledger.CodeLoadInTransit: transaction.AccountLoadInTransit,
		ledger.CodeThirdPartyTransit: transaction.AccountThirdPartyTransit, ledger.CodeSubsidyReceivable: transaction.AccountSubsidyReceivable,
		ledger.CodeDeposits: transaction.AccountDeposits, ledger.CodeManagementFee: transaction.AccountManagementFee, ledger.CodeSuspense: transaction.AccountSuspense,
	}
	if id, ok := genesis[code]; ok && set == 0 {
		return id
	}
	return k.chart[chartKey{set, code}]
}

// purse finds a purse of a holder by what records call it: 0 main, 1 general subsidy, 2 and up a programme.
func (k *reckoning) purse(h *holderBook, number uint16) ledger.AccountID {
	switch number {
	case 0:
		return h.main
	case 1:
		return h.subsidy
	}
	if p := h.programme(int(number) - 2); p != nil {
		return p.account
	}
	k.find("I3", "entry %d names a purse that the holder does not have", k.sequence)
	return h.main
}

func (h *holderBook) programme(n int) *purseBook {
	for _, p := range h.others {
		if p.programme == n {
			return p
		}
	}
	return nil
}

func (k *reckoning) provider(number uint16) ledger.AccountID {
	if number < 2 {
		return transaction.AccountSubsidyReceivable
	}
	return k.programmes[number-2].receivable
}

// owes is what a holder was served and has not paid.
func (k *reckoning) owes(h *holderBook) money.Fen {
	if p := h.programme(debt); p != nil {
		return -k.balances[p.account]
	}
	return 0
}

// spendable is what a holder can spend when an entry has been posted.
func (k *reckoning) spendable(h *holderBook, e *ledger.Entry) money.Fen {
	accounts := []ledger.AccountID{h.main, h.subsidy}
	for _, p := range h.others {
		if p.programme != debt && k.programmes[p.programme].row.Set == 0 && (p.expiry == 0 || localDay(e.Time) <= p.expiry) {
			accounts = append(accounts, p.account)
		}
	}
	var sum money.Fen
	for _, account := range accounts {
		sum += k.free(account)
		switch at := k.holds[e.Hold.ID]; {
		case e.Hold.Op == ledger.HoldOpen && e.Hold.From == account:
			sum -= e.Hold.Amount
		case e.Hold.Op > ledger.HoldOpen && at.from == account:
			sum += at.amount
		}
		for _, leg := range e.Legs {
			if leg.Account == account {
				sum += leg.Amount
			}
		}
	}
	return sum
}

// plan is what the purses pay for a purchase, in debit order (handbook 3.4): bound subsidies, then others, each earliest expiry first, main
// last. It returns what is left.
func (k *reckoning) plan(l *transaction.Line, r *transaction.Request, h *holderBook) (left money.Fen) {
	type choice struct {
		account ledger.AccountID
		most    money.Fen
		whole   bool
		rank    uint64
	}
	today, group := localDay(l.Time), k.groups[k.merchantOf(l.Terminal)]
	var list []choice
	insert := func(c choice) {
		at := len(list)
		for at > 0 && c.rank < list[at-1].rank {
			at--
		}
		list = append(list[:at], append([]choice{c}, list[at:]...)...)
	}
	const never = 1<<32 - 1
	for _, p := range h.others {
		if p.programme == debt || p.expiry != 0 && today > p.expiry || k.states[p.account] != ledger.AccountOpen {
			continue
		}
		row := k.programmes[p.programme].row
		if row.Set != 0 || row.Purposes != 0 && row.Purposes>>group&1 == 0 {
			continue
		}
		c := choice{account: p.account, most: never, whole: row.WholeOnly, rank: never}
		if p.expiry != 0 {
			c.rank = uint64(p.expiry)
		}
		if row.Purposes == 0 {
			c.rank += 1 << 40
		}
		if row.PerMeal > 0 {
			c.most = row.PerMeal
			if p.mealDay == today {
				c.most = max(0, row.PerMeal-p.mealUsed)
			}
		}
		insert(c)
	}
	if k.states[h.subsidy] == ledger.AccountOpen {
		insert(choice{account: h.subsidy, most: never, rank: 1<<40 + never})
	}
	list = append(list, choice{account: h.main, most: never})
	left, k.parts = l.Amount, k.parts[:0]
	for _, c := range list {
		if named := r.Purse; named == transaction.PurseMain && c.account != h.main || named == transaction.PurseSubsidy && c.account == h.main {
			continue
		}
		whole := c.whole || c.account != h.main && r.Purse == transaction.PurseAuto && h.class.RefusePartial
		part, has := min(left, c.most), k.free(c.account)
		if has < part && whole {
			continue
		}
		if part = min(part, has); part > 0 {
			k.parts = append(k.parts, ledger.Leg{Account: c.account, Amount: -part})
			left -= part
		}
	}
	return left
}

// meal counts what programmes have paid today.
func (k *reckoning) meal(h *holderBook, today uint32, legs []ledger.Leg) {
	for _, p := range h.others {
		for _, leg := range legs {
			if leg.Account != p.account || p.programme == debt {
				continue
			}
			if p.mealDay != today {
				p.mealDay, p.mealUsed = today, 0
			}
			p.mealUsed -= leg.Amount
		}
	}
}

func (k *reckoning) unmeal(h *holderBook, of uint32, legs []ledger.Leg) {
	for _, p := range h.others {
		for _, leg := range legs {
			if leg.Account == p.account && p.mealDay == of {
				p.mealUsed = max(0, p.mealUsed+leg.Amount)
			}
		}
	}
}

// returnsTo is where money goes that comes back: into its purse, or to its provider when it has expired meanwhile.
func (k *reckoning) returnsTo(h *holderBook, account ledger.AccountID, today uint32) ledger.AccountID {
	for _, p := range h.others {
		if p.account == account && p.programme != debt && p.expiry != 0 && today > p.expiry {
			return k.programmes[p.programme].receivable
		}
	}
	return account
}

// settlement enters what is neither a terminal's nor the bank's.
func (k *reckoning) settlement(sequence uint64, day uint32, e *ledger.Entry) {
	in := numbersIn{e.Payload}
	switch e.Kind {
	case transaction.KindPurse:
		h := k.holders[in.number()-1]
		h.others = append([]*purseBook{{account: ledger.AccountID(len(k.balances)), programme: int(in.number())}}, h.others...)
	case transaction.KindProposal:
		k.proposed(sequence, e)
	case transaction.KindProposalClosed:
		p := k.proposals[in.number()]
		if p == nil || p.entry != 0 || p.closed {
			k.find("I12", "entry %d closes a proposal that is not open", sequence)
			return
		}
		p.closed = true
	case transaction.KindBatch, transaction.KindBatchLines, transaction.KindBatchDecided, transaction.KindLineRefused:
		k.batch(sequence, e)
	default:
		l, ok := transaction.ReadOperation(sequence, day, e)
		if !ok {
			k.find("I3", "entry %d is of kind %d, which nobody asked for", sequence, e.Kind)
			return
		}
		k.operation(&l, e)
	}
}

// proposed: what waits for a second person was asked for by a first, once, and moves nothing.
//
//	operator uvarint | key 16 bytes | contents u64 | the operation as JSON
func (k *reckoning) proposed(sequence uint64, e *ledger.Entry) {
	in := numbersIn{e.Payload}
	in.number()
	in.skip(24)
	var op transaction.Operation
	err := json.Unmarshal(in.b, &op)
	p := k.papers[op.Document]
	if err != nil || p == nil || p.op.Kind != op.Kind || p.op.Amount != op.Amount {
		k.find("I3", "proposal %d is about %q, which nobody asked for: %v", sequence, op.Document, err)
		return
	}
	if p.proposal != 0 || p.entry != 0 || p.refused {
		k.find("I4", "proposal %d is about %s, which was decided before", sequence, op.Document)
	}
	p.proposal = sequence
	k.proposals[sequence] = p
	k.legs(e)
	k.noHold(e)
}
