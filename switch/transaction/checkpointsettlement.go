package transaction

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"

	"onecard/ledger"
	"onecard/ledger/invariant"
	"onecard/ledger/money"
)

// Names of the settlement centre's checkpoint sections. A checkpoint of an older program has none of them and restores to an empty one.
const (
	sectionSettlement = "settlement.small"
	sectionPurses     = "settlement.purses"
	sectionPurseHeads = "settlement.purse_heads"
	sectionSplits     = "settlement.splits"
	sectionRefunded   = "settlement.refunded"
	sectionKeys       = "settlement.keys"
	sectionBatches    = "settlement.batches"
	sectionSheets     = "settlement.sheets"
	sectionAgreements = "settlement.bank_agreements"
)

// settlementSections shares the settlement centre's state. Which lines wait for a holder is worked out again from the batches.
func (s *State) settlementSections(how *ledger.Sharing) []ledger.Section {
	return []ledger.Section{
		ledger.Whole(sectionSettlement, s.encodeSettlement()),
		s.purses.Section(how, sectionPurses, encodePurseRow),
		s.holders.IndexedSection(how, sectionPurseHeads, encodePurseHead),
		ledger.Whole(sectionSplits, s.encodeSplits()),
		s.refunds.rows.Section(how, sectionRefunded, encodeRefund),
		ledger.Whole(sectionKeys, s.keys.encode()),
		ledger.Whole(sectionBatches, s.batches.encode()),
		ledger.Whole(sectionSheets, s.encodeSheets()),
		s.agreements.rows.Section(how, sectionAgreements, encodeAgreement),
		ledger.Whole(sectionWithdrawals, s.encodeWithdrawals()),
	}
}

type sectionReader struct {
	name  string
	visit func([]byte) error
}

func (s *State) settlementReaders() []sectionReader {
	return []sectionReader{
		{sectionSettlement, s.restoreSettlement},
		{sectionPurses, func(part []byte) error { return s.purses.Restore(part, decodePurseRow) }},
		{sectionPurseHeads, s.restorePurseHeads},
		{sectionSplits, s.restoreSplits},
		{sectionRefunded, s.refunds.restore},
		{sectionKeys, s.keys.restore},
		{sectionBatches, s.restoreBatches},
		{sectionSheets, s.restoreSheets},
		{sectionAgreements, s.restoreAgreements},
		{sectionWithdrawals, s.restoreWithdrawals},
	}
}

func encodePurseRow(dst []byte, p *ProgrammePurse) []byte {
	for _, v := range []uint32{uint32(p.Account), p.Holder, p.Next, p.Expiry, p.MealDay, p.MealUsed} {
		dst = binary.BigEndian.AppendUint32(dst, v)
	}
	return append(binary.BigEndian.AppendUint16(dst, p.Programme), p.Meal)
}

func decodePurseRow(src []byte, purse *ProgrammePurse) ([]byte, error) {
	p := payloadReader{b: src}
	*purse = ProgrammePurse{Account: ledger.AccountID(p.u32()), Holder: p.u32(), Next: p.u32(), Expiry: p.u32(), MealDay: p.u32(), MealUsed: p.u32()}
	purse.Programme = binary.BigEndian.Uint16(p.take(2))
	purse.Meal = p.byte()
	return p.rest()
}

// encodeSettlement writes what is small: each list with its length before it.
func (s *State) encodeSettlement() []byte {
	keys := slices.SortedFunc(maps.Keys(s.chart), func(a, b chartKey) int {
		return cmp.Or(cmp.Compare(a.set, b.set), cmp.Compare(a.code, b.code))
	})
	p := binary.AppendUvarint(nil, uint64(len(keys)))
	for _, k := range keys {
		p = binary.AppendUvarint(append(p, byte(k.set)), uint64(k.code))
		p = binary.AppendUvarint(p, uint64(s.chart[k]))
	}
	p = binary.AppendUvarint(p, uint64(len(s.sets)))
	for _, set := range s.sets {
		p = appendText(append(p, byte(set.Set)), set.Code)
	}
	p = s.encodeAllTerms(p)
	p = binary.AppendUvarint(p, uint64(len(s.programmes)))
	for i := range s.programmes {
		p = append(p, encodeProgramme(&s.programmes[i].ProgrammeRow)[1:]...)
		p = binary.AppendUvarint(p, uint64(s.programmes[i].Receivable))
	}
	p = binary.AppendUvarint(p, uint64(len(s.desks)))
	for i := range s.desks {
		d := &s.desks[i]
		p = appendText(p, d.Code)
		for _, v := range []uint64{uint64(d.Cash), uint64(d.Operator), d.Opened, uint64(d.Float), uint64(d.Receipts), uint64(d.Payments), uint64(d.Acts)} {
			p = binary.AppendUvarint(p, v)
		}
	}
	p = binary.AppendUvarint(p, uint64(len(s.operators)))
	for i := range s.operators {
		o := OperatorRow(s.operators[i])
		p = append(p, encodeOperator(&o, "")[1:]...)
	}
	return s.encodeWaiting(p)
}

func (s *State) encodeAllTerms(p []byte) []byte {
	p = binary.AppendUvarint(p, uint64(len(s.terms)))
	for _, i := range slices.Sorted(maps.Keys(s.terms)) {
		t := s.terms[i]
		p = append(p, encodeTerms(&t)[1:]...)
		p = binary.AppendUvarint(p, uint64(len(s.merchants[i].Others)))
		for _, other := range s.merchants[i].Others {
			p = binary.AppendUvarint(append(p, byte(other.Set)), uint64(other.Account))
		}
	}
	return p
}

// encodeWaiting writes what waits for somebody: proposals, holds; and the bank's figure.
func (s *State) encodeWaiting(p []byte) []byte {
	proposals := s.Proposals()
	p = binary.AppendUvarint(p, uint64(len(proposals)))
	for i := range proposals {
		encoded, err := json.Marshal(&proposals[i])
		invariant.Hold(err == nil, "a proposal cannot be written: %v", err)
		p = appendText(p, string(encoded))
	}
	p = binary.AppendUvarint(p, uint64(len(s.holdings)))
	for _, id := range slices.Sorted(maps.Keys(s.holdings)) {
		p = binary.AppendUvarint(p, id)
		p = binary.AppendUvarint(binary.AppendUvarint(p, uint64(s.holdings[id].holder)), uint64(s.holdings[id].merchant))
	}
	p = binary.AppendUvarint(binary.AppendUvarint(p, s.bankFigure.Sequence), uint64(s.bankFigure.Day))
	return appendText(binary.AppendUvarint(p, uint64(s.bankFigure.Amount)), s.bankFigure.Document)
}

func (s *State) restoreSettlement(part []byte) error {
	p := payloadReader{b: part}
	for n := p.uvarint(); n > 0 && !p.bad; n-- {
		set, code := ledger.AccountSet(p.byte()), ledger.AccountCode(p.uvarint())
		s.chart[chartKey{set, code}] = ledger.AccountID(p.uvarint())
	}
	for n := p.uvarint(); n > 0 && !p.bad; n-- {
		s.sets = append(s.sets, AccountSetRow{ledger.AccountSet(p.byte()), p.string()})
	}
	for n := p.uvarint(); n > 0 && !p.bad; n-- {
		s.restoreTerms(&p)
	}
	for n := p.uvarint(); n > 0 && !p.bad; n-- {
		s.programmes = append(s.programmes, Programme{readProgramme(&p), ledger.AccountID(p.uvarint())})
	}
	for n := p.uvarint(); n > 0 && !p.bad; n-- {
		s.desks = append(s.desks, Desk{
			Code: p.string(), Cash: ledger.AccountID(p.uvarint()), Operator: uint16(p.uvarint()), Opened: p.uvarint(), Float: money.Fen(p.uvarint()),
			Receipts: money.Fen(p.uvarint()), Payments: money.Fen(p.uvarint()), Acts: uint32(p.uvarint()),
		})
	}
	for n := p.uvarint(); n > 0 && !p.bad; n-- {
		s.applyOperator(&p)
	}
	for n := p.uvarint(); n > 0 && !p.bad; n-- {
		var proposal Proposal
		if json.Unmarshal([]byte(p.string()), &proposal) != nil {
			return ledger.ErrMalformed
		}
		s.proposals[proposal.Number] = proposal
	}
	for n := p.uvarint(); n > 0 && !p.bad; n-- {
		id := p.uvarint()
		s.holdings[id] = holding{uint32(p.uvarint()), uint32(p.uvarint())}
	}
	s.bankFigure = BankFigure{p.uvarint(), uint32(p.uvarint()), money.Fen(p.uvarint()), p.string()}
	return p.done(KindDirectory)
}

func (s *State) restoreTerms(p *payloadReader) {
	t := readTerms(p)
	for i := range s.merchants {
		m := &s.merchants[i]
		if m.Code != t.Merchant {
			continue
		}
		s.terms[uint32(i)], m.Group = t, t.Group
		for n := p.uvarint(); n > 0 && !p.bad; n-- {
			m.Others = append(m.Others, SetPayable{ledger.AccountSet(p.byte()), ledger.AccountID(p.uvarint())})
		}
		return
	}
	p.bad = true
}

// encodePurseHead writes a holder who has purses of programmes: where their list begins, and whether he owes.
func encodePurseHead(dst []byte, i uint32, h *Holder) []byte {
	if h.Purses == 0 {
		return dst
	}
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(i)), uint64(h.Purses))
	return appendFlag(dst, h.Owes)
}

func (s *State) restorePurseHeads(part []byte) error {
	p := payloadReader{b: part}
	for len(p.b) > 0 && !p.bad {
		i, first, owes := uint32(p.uvarint()), uint32(p.uvarint()), p.byte() == 1
		if i >= s.holders.Len() || first == 0 || first > s.purses.Len() {
			return ledger.ErrMalformed
		}
		h := s.holders.Edit(i)
		h.Purses, h.Owes = first, owes
	}
	return p.done(KindPurse)
}

func (s *State) encodeSplits() []byte {
	var p []byte
	for _, row := range slices.Sorted(maps.Keys(s.splits)) {
		p = binary.AppendUvarint(binary.AppendUvarint(p, uint64(row)), uint64(len(s.splits[row])))
		for _, l := range s.splits[row] {
			p = binary.AppendVarint(binary.AppendUvarint(p, uint64(l.Account)), int64(l.Amount))
		}
	}
	return p
}

func (s *State) restoreSplits(part []byte) error {
	p := payloadReader{b: part}
	for len(p.b) > 0 && !p.bad {
		row := uint32(p.uvarint())
		for n := p.uvarint(); n > 0 && !p.bad; n-- {
			s.splits[row] = append(s.splits[row], ledger.Leg{Account: ledger.AccountID(p.uvarint()), Amount: money.Fen(p.varint())})
		}
	}
	return p.done(KindPurchase)
}

// indexSettlement builds the look-up maps. A checkpoint of an older program knows no chart: genesis opened what there is.
func (s *State) indexSettlement() {
	if len(s.chart) == 0 {
		s.indexChart()
	}
	for i := range s.programmes {
		s.programmeByCode[s.programmes[i].Code] = uint16(i)
	}
	for i := range s.desks {
		s.deskByCode[s.desks[i].Code] = uint16(i)
	}
}

// encode writes every batch as its first entry and how far it has come; open ones with their lines.
func (bs *batches) encode() []byte {
	var p []byte
	for _, b := range bs.list {
		first := b.encode()
		p = appendText(p, string(first))
		for _, v := range []uint64{b.number, uint64(b.day), uint64(b.state), uint64(b.approver), uint64(b.posted), uint64(b.moved), uint64(b.refused), uint64(b.cursor), uint64(len(b.lines))} {
			p = binary.AppendUvarint(p, v)
		}
		for i := range b.lines {
			p = binary.AppendUvarint(binary.AppendUvarint(p, uint64(b.lines[i].holder)), uint64(b.lines[i].amount))
			p = appendFlag(p, b.lines[i].done)
		}
	}
	return p
}

func (s *State) restoreBatches(part []byte) error {
	p := payloadReader{b: part}
	for len(p.b) > 0 && !p.bad {
		first := payloadReader{b: []byte(p.string())}
		b := decodeBatch(&first)
		b.number, b.day, b.state, b.approver = p.uvarint(), uint32(p.uvarint()), BatchState(p.uvarint()), uint16(p.uvarint())
		b.posted, b.moved, b.refused, b.cursor = uint32(p.uvarint()), money.Fen(p.uvarint()), uint32(p.uvarint()), uint32(p.uvarint())
		s.batches.add(b)
		if b.state == BatchApproved {
			s.batches.open++
		}
		for n := p.uvarint(); n > 0 && !p.bad; n-- {
			line := batchLine{holder: uint32(p.uvarint()), amount: money.Fen(p.uvarint()), done: p.byte() == 1}
			if line.holder == 0 || line.holder > s.holders.Len() {
				return ledger.ErrMalformed
			}
			if line.done {
				b.lines = append(b.lines, line)
			} else {
				s.addLine(b, line)
			}
		}
		p.bad = p.bad || first.done(KindBatch) != nil
	}
	return p.done(KindBatch)
}
