package transaction

import (
	"encoding/binary"
	"strconv"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/rules"
)

// Agreements with the bank (签约, handbook 2.7): which bank account may be debited for which holder, on what consent, within which bounds of
// his own, and whether the switch may ask for money by itself (自动圈存).
//
// The account itself is in the holder's row, where a load looks; an import may put it there without an agreement. What only some holders have
// is in a table of its own, a row for each who has ever signed: a holder's row is a line of the processor's cache and stays one. Names and
// identity numbers are nowhere in the ledger: what is in it stays for ever, and they must be erasable. The bank has them from the message that
// asked it, and the paper that the document's number names is in the office.

// Agreement is a holder's.
type Agreement struct {
	Holder        uint32 // row
	Threshold     uint32 // fen; below it in the main purse money is asked for
	Automatic     uint32 // fen that are asked for then; 0 never
	Single        uint32 // his own bounds, fen; 0 those of his class alone
	Day           uint32
	Purse         uint32
	LastAutomatic uint32 // date of the last automatic load, days since 1970
	Active        bool
}

// agreements are all that were ever made, by the order of their making.
type agreements struct {
	rows ledger.Table[Agreement]
	of   map[uint32]uint32 // row by holder
	// bound counts the holders who have an account. It is made when it is first asked for, from the holders' rows, and kept from then on:
	// where nobody is signed at a desk it takes no memory.
	bound map[uint64]uint32
}

func newAgreements() agreements { return agreements{of: make(map[uint32]uint32)} }

// Agreement is a holder's, by his row; nil when he has never signed.
func (s *State) Agreement(holder uint32) *Agreement {
	n, there := s.agreements.of[holder]
	if !there {
		return nil
	}
	return s.agreements.rows.At(n)
}

// signed is a holder's agreement while it is in force; nil when there is none.
func (s *State) signed(holder uint32) *Agreement {
	if a := s.Agreement(holder); a != nil && a.Active {
		return a
	}
	return nil
}

// holdersBound is how many holders have a bank account.
func (s *State) holdersBound(account uint64) uint32 {
	if s.agreements.bound == nil {
		s.agreements.bound = make(map[uint64]uint32)
		for i := range s.holders.Len() {
			s.agreements.count(s.holders.At(i).BankAccount, 1)
		}
	}
	return s.agreements.bound[account]
}

// count keeps how many have an account, when anybody has asked.
func (as *agreements) count(account uint64, by int) {
	if as.bound == nil || account == 0 {
		return
	}
	if as.bound[account] += uint32(by); as.bound[account] == 0 {
		delete(as.bound, account)
	}
}

// applyAgreement does what an entry of an agreement says.
func (s *State) applyAgreement(kind Kind, r *operationRecord) {
	holder := r.holder - 1
	n, there := s.agreements.of[holder]
	if !there {
		n = s.agreements.rows.Append(Agreement{Holder: holder})
		s.agreements.of[holder] = n
	}
	row, terms := s.agreements.rows.Edit(n), &r.bank
	row.Active = kind != KindBankUnsigned
	row.Threshold, row.Automatic = uint32(terms.threshold), uint32(terms.automatic)
	row.Single, row.Day, row.Purse = uint32(terms.single), uint32(terms.day), uint32(terms.purse)
	if terms.account == terms.before {
		return
	}
	s.holders.Edit(holder).BankAccount = terms.account
	s.agreements.count(terms.before, -1)
	s.agreements.count(terms.account, 1)
}

func encodeAgreement(dst []byte, a *Agreement) []byte {
	for _, v := range []uint32{a.Holder, a.Threshold, a.Automatic, a.Single, a.Day, a.Purse, a.LastAutomatic} {
		dst = binary.AppendUvarint(dst, uint64(v))
	}
	return appendFlag(dst, a.Active)
}

func (s *State) restoreAgreements(part []byte) error {
	p := payloadReader{b: part}
	for len(p.b) > 0 && !p.bad {
		a := Agreement{
			Holder: uint32(p.uvarint()), Threshold: uint32(p.uvarint()), Automatic: uint32(p.uvarint()), Single: uint32(p.uvarint()), Day: uint32(p.uvarint()),
			Purse: uint32(p.uvarint()), LastAutomatic: uint32(p.uvarint()), Active: p.byte() == 1,
		}
		if a.Holder >= s.holders.Len() {
			return ledger.ErrMalformed
		}
		s.agreements.of[a.Holder] = s.agreements.rows.Append(a)
	}
	return p.done(KindBankSigned)
}

// LoadBounds are how much may be loaded; 0 no bound.
type LoadBounds struct {
	Single money.Fen // at once
	Day    money.Fen // on a date
	Purse  money.Fen // that the main purse may hold with it
}

// boundsWithin are a holder's own bounds within those of his class.
func boundsWithin(class *rules.Limit, own LoadBounds) LoadBounds {
	lower := func(class, own money.Fen) money.Fen {
		if class == 0 || own > 0 && own < class {
			return own
		}
		return class
	}
	return LoadBounds{lower(class.LoadSingle, own.Single), lower(class.LoadDay, own.Day), lower(class.PurseCap, own.Purse)}
}

// LoadBounds are the holder's: his class's, and below them those that he has signed for.
func (c *Case) LoadBounds() LoadBounds {
	var own LoadBounds
	if a := c.state.signed(c.state.cards.At(c.card - 1).Holder); a != nil {
		own = LoadBounds{money.Fen(a.Single), money.Fen(a.Day), money.Fen(a.Purse)}
	}
	return boundsWithin(c.Limits(PurseMain), own)
}

// IdentityCheck is how whoever signed was known.
type IdentityCheck string

const (
	IdentityIDCard   IdentityCheck = "id_card"  // 居民身份证
	IdentityPassport IdentityCheck = "passport" // 护照、通行证
	IdentityRecords  IdentityCheck = "records"  // 学籍、人事档案
	IdentityGuardian IdentityCheck = "guardian" // 监护人到场
)

// identityChecks are in the order of their numbers in the ledger, from 1.
var identityChecks = [...]IdentityCheck{IdentityIDCard, IdentityPassport, IdentityRecords, IdentityGuardian}

// bankTerms is what an entry of an agreement says of it: the whole of it as it is afterwards, so that applying it needs nothing else.
//
//	account, account before uvarint | identity u8 | day of the consent uvarint | single, day, purse, threshold, automatic uvarint |
//	bank's reference text, "" when the bank was not asked
type bankTerms struct {
	account, before      uint64 // 0 none; the same in both: the account is not touched
	identity             byte
	signed               uint32
	single, day, purse   money.Fen
	threshold, automatic money.Fen
	reference            string
}

func (t *bankTerms) append(dst []byte) []byte {
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, t.account), t.before)
	dst = binary.AppendUvarint(append(dst, t.identity), uint64(t.signed))
	for _, v := range []money.Fen{t.single, t.day, t.purse, t.threshold, t.automatic} {
		dst = binary.AppendUvarint(dst, uint64(v))
	}
	return appendText(dst, t.reference)
}

func (p *payloadReader) bankTerms() bankTerms {
	t := bankTerms{account: p.uvarint(), before: p.uvarint(), identity: p.byte(), signed: uint32(p.uvarint())}
	for _, into := range []*money.Fen{&t.single, &t.day, &t.purse, &t.threshold, &t.automatic} {
		*into = money.Fen(p.uvarint())
		p.bad = p.bad || *into < 0 || *into > maxOperation
	}
	t.reference = p.string()
	p.bad = p.bad || int(t.identity) > len(identityChecks)
	return t
}

// BankLine is what an entry of an agreement says, for statements and reports.
type BankLine struct {
	Account, Before      uint64 // 0 none
	Identity             IdentityCheck
	Signed               uint32 // day of the consent, days since 1970
	Single, Day, Purse   money.Fen
	Threshold, Automatic money.Fen
	Reference            string // the bank's own; "": it was not asked
}

func (t *bankTerms) line() BankLine {
	l := BankLine{
		Account: t.account, Before: t.before, Signed: t.signed, Single: t.single, Day: t.day, Purse: t.purse,
		Threshold: t.threshold, Automatic: t.automatic, Reference: t.reference,
	}
	if t.identity > 0 {
		l.Identity = identityChecks[t.identity-1]
	}
	return l
}

// MaskedAccount prints the first four and the last four digits of a bank account, of a short one the last four; "" for none.
func MaskedAccount(account uint64) string {
	digits := []byte(strconv.FormatUint(account, 10))
	if account == 0 {
		return ""
	}
	shown := 4
	if len(digits) < 12 {
		shown = 0
	}
	for i := shown; i < len(digits)-4; i++ {
		digits[i] = '*'
	}
	return string(digits)
}
