package transaction

import (
	"encoding/binary"
	"slices"

	"onecard/ledger"
	"onecard/ledger/money"
)

// ProgrammeRow is a subsidy programme (补贴项目), or another kind of purse that a holder can have besides main and general subsidy.
type ProgrammeRow struct {
	Code     string             // at most 16 bytes; how operators and rules name the purse
	Account  ledger.AccountCode // CodeSubsidyPurse, CodeWaterPurse, CodeElectronicAccount or CodeCountPurse
	Set      ledger.AccountSet
	Purposes uint64 // merchant groups where the money may be used, a bit each; 0: everywhere
	Provider string // who pays: its receivable is an account of its own; "" the school
	// PerMeal is the most that one meal may take from the purse (handbook 3.4, worked A); 0 no limit.
	PerMeal money.Fen
	// WholeOnly leaves the purse alone when it does not cover its part (partial_subsidy off).
	WholeOnly bool
}

// Programme is a registered programme.
type Programme struct {
	ProgrammeRow
	Receivable ledger.AccountID // where its money comes from and expired money goes back to
}

// ProgrammePurse is a holder's purse of a programme, or what he owes. It is opened when it is first needed.
type ProgrammePurse struct {
	Account   ledger.AccountID
	Holder    uint32 // index
	Next      uint32 // the holder's next purse: index + 1
	Expiry    uint32 // last day the money can be used, days since 1970; 0 never
	MealDay   uint32 // the day and the meal that MealUsed is of
	MealUsed  uint32 // fen
	Programme uint16 // index; debtProgramme
	Meal      uint8
}

// debtProgramme marks the account of what a holder owes (欠款, handbook 3.7): served offline, paid later.
const debtProgramme = 1<<16 - 1

// maxProgrammes bounds the programmes of a site.
const maxProgrammes = 4096

// payload of a programme:
//
//	row type u8 = 8 | code text | account code uvarint | set u8 | purposes u64 | provider text | per meal uvarint | whole only u8
func encodeProgramme(r *ProgrammeRow) []byte {
	p := appendText([]byte{rowProgramme}, r.Code)
	p = append(binary.AppendUvarint(p, uint64(r.Account)), byte(r.Set))
	p = appendText(binary.BigEndian.AppendUint64(p, r.Purposes), r.Provider)
	return appendFlag(binary.AppendUvarint(p, uint64(r.PerMeal)), r.WholeOnly)
}

func readProgramme(p *payloadReader) ProgrammeRow {
	return ProgrammeRow{
		Code: p.string(), Account: ledger.AccountCode(p.uvarint()), Set: ledger.AccountSet(p.byte()), Purposes: p.u64(), Provider: p.string(),
		PerMeal: money.Fen(p.uvarint()), WholeOnly: p.byte() == 1,
	}
}

// addProgramme registers a programme, or changes purposes and limits of one that is there: what its money is and who pays it stays.
func (s *State) addProgramme(p *payloadReader, e *ledger.Entry) {
	row := readProgramme(p)
	if i, there := s.programmeByCode[row.Code]; there {
		now := &s.programmes[i]
		now.Purposes, now.PerMeal, now.WholeOnly = row.Purposes, row.PerMeal, row.WholeOnly
		return
	}
	receivable := s.receivableOf(row.Set, row.Provider)
	if len(e.Opens) == 1 {
		receivable = s.opened(e, 0)
	}
	s.programmeByCode[row.Code] = uint16(len(s.programmes))
	s.programmes = append(s.programmes, Programme{row, receivable})
}

// receivableOf is the account of what a provider owes; 0 when it has none yet.
func (s *State) receivableOf(set ledger.AccountSet, provider string) ledger.AccountID {
	if provider == "" {
		id, _ := s.SiteAccount(set, ledger.CodeSubsidyReceivable)
		return id
	}
	for i := range s.programmes {
		if p := &s.programmes[i]; p.Set == set && p.Provider == provider {
			return p.Receivable
		}
	}
	return 0
}

func (s *State) programmeEntry(row *ProgrammeRow, now int64) *ledger.Entry {
	e := &ledger.Entry{Kind: KindDirectory, Time: now, Payload: encodeProgramme(row)}
	if _, there := s.programmeByCode[row.Code]; !there && s.receivableOf(row.Set, row.Provider) == 0 {
		e.Opens = []ledger.Opening{{Code: ledger.CodeSubsidyReceivable, Set: row.Set}}
	}
	return e
}

func (dir *Directory) checkProgrammes(c *checker) {
	purses := []ledger.AccountCode{ledger.CodeSubsidyPurse, ledger.CodeWaterPurse, ledger.CodeElectronicAccount, ledger.CodeCountPurse}
	coming := map[string]bool{}
	for i, row := range dir.Programmes {
		c.length("programmes", i, "code", row.Code, 16)
		if coming[row.Code] || row.Code == purseMain || row.Code == purseSubsidy {
			c.fault("programmes", i, "code", "%s 重复或为保留名 / %s is given twice or is a reserved name", row.Code, row.Code)
		}
		coming[row.Code] = true
		if !slices.Contains(purses, row.Account) {
			c.fault("programmes", i, "account", "科目须为 2002、2003、2004 或 2005 / the account must be 2002, 2003, 2004 or 2005")
		}
		if (row.Account == ledger.CodeCountPurse) != (row.Set == CountSet) {
			c.fault("programmes", i, "account_set", "计次钱包(2005)属于帐套 1,其余不属于 / count purses (2005) belong to account set 1 and others do not")
		}
		if !dir.hasSet(c.state, row.Set) {
			c.fault("programmes", i, "account_set", "帐套 %s 未登记 / account set %s is not registered", setName(row.Set), setName(row.Set))
		}
		if row.PerMeal < 0 || len(row.Provider) > 40 {
			c.fault("programmes", i, "per_meal", "每餐限额不能为负,出资方最多 40 字节 / the limit per meal may not be negative, the provider has at most 40 bytes")
		}
		if n, there := c.state.programmeByCode[row.Code]; there {
			if was := &c.state.programmes[n]; was.Account != row.Account || was.Set != row.Set || was.Provider != row.Provider {
				c.fault("programmes", i, "code", "项目 %s 的科目、帐套、出资方不能改 / account, set and provider of programme %s cannot change: register another", row.Code, row.Code)
			}
		}
	}
	if len(c.state.programmes)+len(dir.Programmes) > maxProgrammes {
		c.fault("programmes", len(dir.Programmes)-1, "", "项目最多 %d 个 / at most %[1]d programmes", maxProgrammes)
	}
}

// Programmes is how many programmes are registered; Programme returns one by its number from 1.
func (s *State) Programmes() int { return len(s.programmes) }

// Programme returns programme number n. REQUIRES: 1 <= n <= Programmes().
func (s *State) Programme(n uint16) *Programme { return &s.programmes[n-1] }

// purse finds a holder's purse of a programme.
func (s *State) purse(h *Holder, programme uint16) (index uint32, ok bool) {
	for n := h.Purses; n != 0; n = s.purses.At(n - 1).Next {
		if s.purses.At(n-1).Programme == programme {
			return n - 1, true
		}
	}
	return 0, false
}

// purseOf finds the purse that an account belongs to among a holder's programmes.
func (s *State) purseOf(h *Holder, account ledger.AccountID) (index uint32, ok bool) {
	for n := h.Purses; n != 0; n = s.purses.At(n - 1).Next {
		if s.purses.At(n-1).Account == account {
			return n - 1, true
		}
	}
	return 0, false
}

// purseEntry opens a holder's purse of a programme.
//
//	holder index + 1 uvarint | programme uvarint
func (s *State) purseEntry(holder uint32, programme uint16, now int64) *ledger.Entry {
	payload := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(holder)+1), uint64(programme))
	return &ledger.Entry{Kind: KindPurse, Time: now, Opens: []ledger.Opening{s.purseOpening(programme)}, Payload: payload}
}

// purseOpening is the account that a purse of a programme is opened with.
func (s *State) purseOpening(programme uint16) ledger.Opening {
	if programme == debtProgramme {
		return ledger.Opening{Code: ledger.CodeHolderDebt}
	}
	p := &s.programmes[programme]
	return ledger.Opening{Code: p.Account, Flags: ledger.MustNotOverdraw, Set: p.Set}
}

func (s *State) applyPurse(e *ledger.Entry) bool {
	p := payloadReader{b: e.Payload}
	holder, programme := uint32(p.uvarint())-1, uint16(p.uvarint())
	if p.done(KindPurse) != nil || holder >= s.holders.Len() || len(e.Opens) != 1 {
		return false
	}
	h := s.holders.Edit(holder)
	h.Purses = s.purses.Append(ProgrammePurse{Account: s.opened(e, 0), Holder: holder, Next: h.Purses, Programme: programme}) + 1
	return true
}

// Debt is what the holder owes for what he was served while his purse was empty.
func (s *State) Debt(h *Holder) money.Fen {
	if !h.Owes {
		return 0
	}
	if i, ok := s.purse(h, debtProgramme); ok {
		return -s.book.Account(s.purses.At(i).Account).Balance
	}
	return 0
}

// returnsTo is where money goes that comes back to a purse: into it, or to its provider when the purse's money has expired meanwhile
// (handbook 3.4).
func (s *State) returnsTo(h *Holder, account ledger.AccountID, day uint32) ledger.AccountID {
	if account == h.Main || account == h.Subsidy {
		return account
	}
	if i, ok := s.purseOf(h, account); ok {
		if p := s.purses.At(i); p.Programme != debtProgramme && p.Expiry != 0 && day > p.Expiry {
			return s.programmes[p.Programme].Receivable
		}
	}
	return account
}
