package transaction

import (
	"encoding/binary"
	"fmt"

	"onecard/ledger"
	"onecard/ledger/invariant"
	"onecard/ledger/money"
)

// Row types of a directory entry's payload: one row an entry.
const (
	rowClass = iota + 1
	rowMerchant
	rowDoor
	rowTerminal
	rowHolder
	rowCard
	rowTerms
	rowProgramme
	rowOperator
	rowAccountSet
	rowDesk
)

// entries writes the directory as entries, in an order in which every reference is already known. REQUIRES: Check found nothing.
func (dir *Directory) entries(s *State, now int64, add func(*ledger.Entry)) {
	one := func(payload []byte, opens ...ledger.Opening) {
		add(&ledger.Entry{Kind: KindDirectory, Time: now, Opens: opens, Payload: payload})
	}
	for i := range dir.Classes {
		one(encodeClass(&dir.Classes[i]))
	}
	for i := range dir.Merchants {
		one(encodeMerchant(&dir.Merchants[i]), ledger.Opening{Code: ledger.CodeMerchantPayable})
	}
	for i := range dir.Doors {
		one(encodeDoor(&dir.Doors[i]))
	}
	for i := range dir.Terminals {
		one(encodeTerminal(&dir.Terminals[i]))
	}
	for i := range dir.Holders {
		h := &dir.Holders[i]
		one(encodeHolder(h),
			ledger.Opening{Code: ledger.CodeMainPurse, Flags: ledger.MustNotOverdraw},
			ledger.Opening{Code: ledger.CodeSubsidyPurse, Flags: ledger.MustNotOverdraw})
		if legs := openingLegs(s, h); len(legs) > 0 {
			add(&ledger.Entry{Kind: OpeningKind, Time: now, Legs: legs})
		}
	}
	for i := range dir.Cards {
		one(encodeCard(&dir.Cards[i]))
	}
	dir.settlementEntries(s, now, add)
}

// settlementEntries writes what the settlement centre needs beyond people and devices.
func (dir *Directory) settlementEntries(s *State, now int64, add func(*ledger.Entry)) {
	if len(dir.Sets)+len(dir.Terms)+len(dir.Programmes)+len(dir.Desks) == 0 {
		return
	}
	if entry := s.chartEntry(0, "", now); entry != nil {
		add(entry)
	}
	for i := range dir.Sets {
		if entry := s.chartEntry(dir.Sets[i].Set, dir.Sets[i].Code, now); entry != nil {
			add(entry)
		}
	}
	for i := range dir.Terms {
		add(s.termsEntry(&dir.Terms[i], now))
	}
	for i := range dir.Programmes {
		add(s.programmeEntry(&dir.Programmes[i], now))
	}
	for i := range dir.Desks {
		add(&ledger.Entry{Kind: KindDirectory, Time: now, Opens: []ledger.Opening{{Code: ledger.CodeCash}}, Payload: encodeDesk(&dir.Desks[i])})
	}
}

// openingLegs brings the holder's opening balances in: what the bank keeps for the holders, and the subsidy that the school owes.
func openingLegs(s *State, h *HolderRow) []ledger.Leg {
	i, _ := s.holderRow([]byte(h.Number))
	row := s.holders.At(i)
	var legs []ledger.Leg
	if h.OpeningMain > 0 {
		legs = append(legs, ledger.Leg{Account: AccountBankCustody, Amount: -h.OpeningMain}, ledger.Leg{Account: row.Main, Amount: h.OpeningMain})
	}
	if h.OpeningSubsidy > 0 {
		legs = append(legs, ledger.Leg{Account: AccountSubsidyReceivable, Amount: -h.OpeningSubsidy}, ledger.Leg{Account: row.Subsidy, Amount: h.OpeningSubsidy})
	}
	return legs
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendFlag(dst []byte, set bool) []byte {
	if set {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func encodeClass(c *ClassRow) []byte {
	p := appendText([]byte{rowClass}, c.Code)
	for _, v := range []money.Fen{c.PINSingle, c.PINDay, c.DayAmount, money.Fen(c.DayCount), c.PurseCap, c.LoadSingle, c.LoadDay} {
		p = binary.AppendUvarint(p, uint64(v))
	}
	return appendFlag(p, c.RefusePartial)
}

func encodeMerchant(m *MerchantRow) []byte {
	p := append([]byte{rowMerchant}, m.Code[:]...)
	p = binary.AppendUvarint(binary.AppendUvarint(p, uint64(m.Opens)), uint64(m.Closes))
	return appendFlag(p, m.Closed)
}

func encodeDoor(d *DoorRow) []byte {
	p := appendText([]byte{rowDoor}, d.Code)
	p = binary.AppendUvarint(p, uint64(len(d.Grants)))
	for _, g := range d.Grants {
		p = append(p, g.Group, g.Weekdays)
		p = binary.AppendUvarint(binary.AppendUvarint(p, uint64(g.From)), uint64(g.To))
	}
	return p
}

func encodeTerminal(t *TerminalRow) []byte {
	p := append([]byte{rowTerminal}, t.Code[:]...)
	p = append(p, t.Merchant[:]...)
	p = appendFlag(append(p, byte(t.Type), t.MACMode), t.Suspended)
	return appendText(appendText(p, string(t.SealedKey)), t.Door)
}

func encodeHolder(h *HolderRow) []byte {
	p := appendText(appendText([]byte{rowHolder}, h.Number), h.Class)
	p = append(p, byte(h.State))
	p = binary.BigEndian.AppendUint64(p, h.Groups)
	return binary.BigEndian.AppendUint64(p, h.BankAccount)
}

func encodeCard(c *CardRow) []byte {
	p := binary.BigEndian.AppendUint64([]byte{rowCard}, uint64(c.Number))
	p = append(appendText(p, c.Holder), byte(c.State))
	p = binary.AppendUvarint(p, uint64(c.ExpiryDay))
	return binary.BigEndian.AppendUint64(p, c.PINValue)
}

// applyDirectory adds the row of a directory entry to its table.
func (s *State) applyDirectory(e *ledger.Entry) {
	p := payloadReader{b: e.Payload}
	switch row := p.byte(); row {
	case rowClass:
		s.addClass(&p)
	case rowMerchant:
		s.addMerchant(&p)
	case rowDoor:
		s.addDoor(&p)
	case rowTerminal:
		s.addTerminal(&p)
	case rowHolder:
		s.addHolder(&p)
	case rowCard:
		s.addCard(&p)
	case rowTerms:
		s.applyTerms(&p, e)
	case rowProgramme:
		s.addProgramme(&p, e)
	case rowOperator:
		s.applyOperator(&p)
	case rowAccountSet:
		s.addAccountSet(&p, e)
	case rowDesk:
		s.addDesk(&p, e)
	default:
		invariant.Fail("directory row of type %d", row)
	}
	invariant.Hold(p.done(KindDirectory) == nil, "directory entry %d cannot be read", s.book.Sequence())
}

func (s *State) addClass(p *payloadReader) {
	s.rulebook.compiled = nil
	c := Class{Code: p.string()}
	c.PINSingle, c.PINDay, c.DayAmount = money.Fen(p.uvarint()), money.Fen(p.uvarint()), money.Fen(p.uvarint())
	c.DayCount, c.PurseCap = uint32(p.uvarint()), money.Fen(p.uvarint())
	c.LoadSingle, c.LoadDay, c.RefusePartial = money.Fen(p.uvarint()), money.Fen(p.uvarint()), p.byte() == 1
	s.classByCode[c.Code] = uint8(len(s.classes))
	s.classes = append(s.classes, c)
}

func (s *State) addMerchant(p *payloadReader) {
	s.rulebook.compiled = nil
	m := Merchant{Code: MerchantCode(p.take(15)), Payable: ledger.AccountID(s.book.Accounts())}
	m.Opens, m.Closes, m.Closed = uint16(p.uvarint()), uint16(p.uvarint()), p.byte() == 1
	s.merchantByCode[m.Code] = uint32(len(s.merchants))
	s.merchants = append(s.merchants, m)
}

func (s *State) addDoor(p *payloadReader) {
	d := Entrance{Code: p.string()}
	for n := p.uvarint(); n > 0 && !p.bad; n-- {
		d.Grants = append(d.Grants, Grant{Group: p.byte(), Weekdays: p.byte(), From: uint16(p.uvarint()), To: uint16(p.uvarint())})
	}
	s.entranceByCode[d.Code] = uint32(len(s.entrances))
	s.entrances = append(s.entrances, d)
}

func (s *State) addTerminal(p *payloadReader) {
	t := Terminal{Code: TerminalCode(p.take(8))}
	t.Merchant = s.merchantByCode[MerchantCode(p.take(15))]
	t.Type, t.MACMode, t.Suspended = TerminalType(p.byte()), p.byte(), p.byte() == 1
	t.SealedKey = []byte(p.string())
	if name := p.string(); name != "" {
		t.Door = s.entranceByCode[name] + 1
	}
	s.addTerminalRow(t)
	for range 2 * s.window {
		s.answers.Append(answered{})
	}
}

func (s *State) addTerminalRow(t Terminal) {
	s.terminalByCode[t.Code] = TerminalID(s.terminals.Append(t) + 1)
}

func (s *State) addHolder(p *payloadReader) {
	number := p.text()
	h := Holder{Class: s.classByCode[p.string()], State: HolderState(p.byte()), Groups: p.u64(), BankAccount: p.u64()}
	h.Main, h.Subsidy = ledger.AccountID(s.book.Accounts()-1), ledger.AccountID(s.book.Accounts())
	s.addHolderRow(number, h)
	s.agreements.count(h.BankAccount, 1)
}

func (s *State) addCard(p *payloadReader) {
	c := Card{Number: CardNumber(p.u64())}
	c.Holder, _ = s.holderRow(p.text())
	c.State, c.Expiry = CardState(p.byte()), cardExpiry(p.uvarint())
	c.PINValue = p.u64()
	s.addCardRow(c)
	s.deny(&c)
}

// encodeCardState writes: card index + 1 uvarint | state u8 | operator text.
func encodeCardState(index uint32, c *CardStateChange) []byte {
	p := binary.AppendUvarint(nil, uint64(index)+1)
	return appendText(append(p, byte(c.To)), c.Operator)
}

// cardStateRecord is the payload of a card's change of state.
type cardStateRecord struct {
	index    uint32
	to       CardState
	operator string
}

func decodeCardState(src []byte) (cardStateRecord, error) {
	p := payloadReader{b: src}
	number, to, operator := p.uvarint(), CardState(p.byte()), p.string()
	if p.bad = p.bad || number == 0 || number > 1<<32-1 || to > CardClosed; p.bad {
		return cardStateRecord{}, p.done(KindCardState)
	}
	return cardStateRecord{uint32(number - 1), to, operator}, p.done(KindCardState)
}

func (s *State) applyCardState(e *ledger.Entry) {
	c, err := decodeCardState(e.Payload)
	invariant.Hold(err == nil && c.index < s.cards.Len(), "card state entry %d cannot be read", s.book.Sequence())
	card := s.cards.Edit(c.index)
	card.State = c.to
	s.deny(card)
}

// CheckCardState says why a change of state is not allowed; nil when it is. A closed card stays closed (safety handbook A4).
func (s *State) checkCardState(c *CardStateChange) error {
	i, ok := s.cardRow(c.Card)
	if !ok {
		return fmt.Errorf("卡号 %s 不存在 / no card %s: check the number", c.Card, c.Card)
	}
	now := s.cards.At(i).State
	switch {
	case c.To > CardClosed:
		return fmt.Errorf("no card state %d", c.To)
	case now == CardClosed:
		return fmt.Errorf("卡 %s 已注销,不能再改变状态 / card %s is closed and stays closed: issue another", c.Card, c.Card)
	case now == c.To:
		return fmt.Errorf("卡 %s 已是 %s / card %s is %s already", c.Card, now, c.Card, now)
	case len(c.Operator) == 0 || len(c.Operator) > 32:
		return fmt.Errorf("operator %q: say who asks, 1 to 32 bytes", c.Operator)
	}
	return nil
}
