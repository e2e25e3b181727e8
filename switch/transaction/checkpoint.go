package transaction

import (
	"encoding/binary"
	"errors"
	"fmt"

	"onecard/ledger"
	"onecard/ledger/money"
)

// Names of the core's checkpoint sections.
const (
	sectionSite      = "core.site"
	sectionSmall     = "core.directory" // classes, merchants, doors
	sectionTerminals = "core.terminals"
	sectionHolders   = "core.holders"
	sectionNumbers   = "core.holder_numbers"
	sectionCards     = "core.cards"
	sectionAnswers   = "core.answers"
	sectionLoads     = "core.loads"
	sectionDay       = "core.day"
	sectionCounters  = "core.meal_counters" // of the holders, by row
	sectionRules     = "core.rules"
	sectionDenied    = "core.deny_list"
)

// sections shares the whole state.
func (s *State) sections(how *ledger.Sharing) []ledger.Section {
	site := binary.BigEndian.AppendUint32(nil, s.window)
	site = binary.BigEndian.AppendUint32(site, uint32(s.zone))
	site = binary.BigEndian.AppendUint64(site, uint64(s.lastTime))
	core := append(s.book.Sections(how),
		ledger.Whole(sectionSite, site),
		ledger.Whole(sectionSmall, s.encodeSmall()),
		s.terminals.Section(how, sectionTerminals, encodeTerminalRow),
		s.holders.Section(how, sectionHolders, encodeHolderRow),
		s.numbers.section(sectionNumbers),
		s.cards.Section(how, sectionCards, encodeCardRow),
		s.answers.Section(how, sectionAnswers, encodeAnswered),
		ledger.Whole(sectionLoads, encodeLoads(s)),
		ledger.Whole(sectionDay, s.encodeDay()),
		s.holders.Section(how, sectionCounters, encodeCounters),
		ledger.Whole(sectionRules, s.rulebook.encode()),
		s.denySection(),
	)
	return append(core, s.settlementSections(how)...)
}

func (r sectionReader) from(stored ledger.Stored) error {
	if err := stored.Section(r.name, r.visit); err != nil {
		return fmt.Errorf("section %s: %w", r.name, err)
	}
	return nil
}

// restoreState reads a checkpoint back and builds the indexes. The large tables are read at the same time as the books.
func restoreState(stored ledger.Stored) (*State, error) {
	s := newState(nil)
	large := s.restoreLarge(stored)
	book, err := ledger.RestoreBook(stored)
	for range cap(large) {
		err = errors.Join(err, <-large)
	}
	if err != nil {
		return nil, err
	}
	s.book = book
	for _, section := range append([]sectionReader{
		{sectionSite, s.restoreSite},
		{sectionSmall, s.restoreSmall},
		{sectionTerminals, func(part []byte) error { return s.terminals.Restore(part, decodeTerminalRow) }},
		{sectionLoads, s.restoreLoads},
		{sectionDay, s.restoreDay},
		{sectionCounters, s.counterReader()},
		{sectionRules, s.restoreRulebook},
		{sectionDenied, s.denied.Restore},
	}, s.settlementReaders()...) {
		if err := section.from(stored); err != nil {
			return nil, err
		}
	}
	if s.business.day == 0 && book.Sequence() > 0 {
		s.business.day = s.calendarDay(s.lastTime) // written before there were day switches: days were dates
	}
	s.beginDenied()
	return s, s.index()
}

func (s *State) encodeDay() []byte {
	b := appendFlag(binary.BigEndian.AppendUint32(nil, s.business.day), s.business.switched)
	return binary.BigEndian.AppendUint32(b, s.business.ended)
}

func (s *State) restoreDay(part []byte) error {
	p := payloadReader{b: part}
	s.business = business{day: p.u32(), switched: p.byte() == 1, ended: p.u32()}
	return p.done(KindDaySwitch)
}

// restoreLarge reads the tables that grow with people and terminals, each on a goroutine of its own that ends with what it sends. They depend
// on nothing but themselves.
func (s *State) restoreLarge(stored ledger.Stored) <-chan error {
	tables := []struct {
		sectionReader
		index func()
	}{
		{sectionReader{sectionHolders, func(part []byte) error { return s.holders.Restore(part, decodeHolderRow) }}, func() {}},
		{sectionReader{sectionNumbers, s.numbers.restore}, s.indexHolders},
		{sectionReader{sectionCards, func(part []byte) error { return s.cards.Restore(part, decodeCardRow) }}, s.indexCards},
		{sectionReader{sectionAnswers, func(part []byte) error { return s.answers.Restore(part, decodeAnswered) }}, func() {}},
	}
	restored := make(chan error, len(tables))
	for _, t := range tables {
		go func() {
			err := t.from(stored)
			if err == nil {
				t.index()
			}
			restored <- err
		}()
	}
	return restored
}

// index builds the look-up maps and checks that the tables fit each other.
func (s *State) index() error {
	for i := range s.classes {
		s.classByCode[s.classes[i].Code] = uint8(i)
	}
	for i := range s.merchants {
		s.merchantByCode[s.merchants[i].Code] = uint32(i)
	}
	for i := range s.entrances {
		s.entranceByCode[s.entrances[i].Code] = uint32(i)
	}
	s.indexSettlement()
	for i := uint32(0); i < s.terminals.Len(); i++ {
		s.terminalByCode[s.terminals.At(i).Code] = TerminalID(i + 1)
	}
	if s.numbers.rows != s.holders.Len() || s.answers.Len() != s.terminals.Len()*2*s.window || s.window == 0 {
		return fmt.Errorf("tables do not fit each other: %w", ledger.ErrMalformed)
	}
	return nil
}

func (s *State) restoreSite(part []byte) error {
	p := payloadReader{b: part}
	site := p.take(8)
	s.window, s.zone = binary.BigEndian.Uint32(site), int32(binary.BigEndian.Uint32(site[4:]))
	s.lastTime = int64(p.u64())
	return p.done(0)
}

// encodeSmall writes classes, merchants and doors as the directory entries that made them.
func (s *State) encodeSmall() []byte {
	p := binary.AppendUvarint(nil, uint64(len(s.classes)))
	for i := range s.classes {
		c := &s.classes[i]
		p = append(p, encodeClass(&ClassRow{c.Code, c.PINSingle, c.PINDay, c.DayAmount, c.DayCount, c.PurseCap, c.LoadSingle, c.LoadDay, c.RefusePartial})[1:]...)
	}
	p = binary.AppendUvarint(p, uint64(len(s.merchants)))
	for i := range s.merchants {
		m := &s.merchants[i]
		p = append(p, encodeMerchant(&MerchantRow{Code: m.Code, Closed: m.Closed, Opens: m.Opens, Closes: m.Closes})[1:]...)
		p = binary.AppendUvarint(p, uint64(m.Payable))
	}
	p = binary.AppendUvarint(p, uint64(len(s.entrances)))
	for i := range s.entrances {
		p = append(p, encodeDoor(&DoorRow{Code: s.entrances[i].Code, Grants: s.entrances[i].Grants})[1:]...)
	}
	return p
}

func (s *State) restoreSmall(part []byte) error {
	p := payloadReader{b: part}
	for n := p.uvarint(); n > 0 && !p.bad; n-- {
		s.addClass(&p)
	}
	for n := p.uvarint(); n > 0 && !p.bad; n-- {
		s.addMerchant(&p)
		s.merchants[len(s.merchants)-1].Payable = ledger.AccountID(p.uvarint())
	}
	for n := p.uvarint(); n > 0 && !p.bad; n-- {
		s.addDoor(&p)
	}
	return p.done(KindDirectory)
}

func (s *State) restoreLoads(part []byte) error {
	p := payloadReader{b: part}
	for len(p.b) > 0 && !p.bad {
		id, time := p.u64(), p.varint()
		order := LoadOrder{
			Load: id, Time: time, Day: uint32(p.uvarint()), Amount: money.Fen(p.uvarint()), Card: CardNumber(p.uvarint()), BankAccount: p.uvarint(),
		}
		l := load{order: order, holder: uint32(p.uvarint()), terminal: TerminalID(p.uvarint()), batch: uint32(p.uvarint()), trace: uint32(p.uvarint()), state: loadState(p.uvarint())}
		if uint32(l.terminal) > s.terminals.Len() {
			return ledger.ErrMalformed
		}
		l.order.TerminalCode, l.order.MerchantCode = s.deviceOf(l.terminal)
		s.loads[id] = l
	}
	return p.done(KindLoad)
}
