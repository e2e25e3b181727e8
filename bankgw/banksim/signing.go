package banksim

import (
	"strings"

	"onecard/switch/iso8583"
)

// Processing codes of 0100: agreements of account holders with a campus.
const (
	actBind    = "890000"
	actRelease = "920000"
	actVerify  = "330000"
)

// Codes of agreements.
const (
	codeIdentity   = "05" // name or identity number is not the account's
	codeNoAccount  = "14"
	codeNotAllowed = "57" // a load of an account that has no agreement
)

// signed are the bank's customers, as far as it was told of them, and their agreements.
type signed struct {
	customers  map[string]iso8583.BankIdentity // by account
	agreements map[string]string               // who has signed at the campus, by account
}

// Register makes an account with the name and the identity number of whose it is.
func (b *Bank) Register(account, name, number string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.signed.customers[account] = iso8583.BankIdentity{Number: number, Name: name}
}

// Agreement is who at the campus has signed for an account; "" nobody.
func (b *Bank) Agreement(account string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.signed.agreements[account]
}

// takeSigning answers an 0100 as the script says.
func (b *Bank) takeSigning(l *link, m *iso8583.BankMessage) {
	if !l.signedOn {
		b.send(l, b.answer(m, codeUnsigned), nil)
		return
	}
	how := b.next(kindSigning)
	if b.turnedAway(l, m, how) {
		return
	}
	if how.verb == verbSlow {
		b.later(how.after, func() {
			code, has := b.sign(m)
			b.send(l, b.signingAnswer(m, code, has), nil)
		})
		return
	}
	code, has := b.sign(m)
	b.deliver(l, b.signingAnswer(m, code, has), how)
}

// signingAnswer is answer with the bank's own number where it agrees, and what it knows where it was only asked.
func (b *Bank) signingAnswer(m *iso8583.BankMessage, code, has string) *iso8583.BankMessage {
	answer := b.answer(m, code).Set(44, has)
	if reference := m.String(37); code == codeApproved && len(reference) == 12 {
		answer.Set(38, "G"+reference[len(reference)-5:])
	}
	return answer
}

// sign does in the books what an 0100 asks. Whoever asks twice for the same gets the same answer, but for a release: what is gone is not found.
func (b *Bank) sign(m *iso8583.BankMessage) (code, has string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	account, holder := m.String(102), m.String(103)
	if account == "" || holder == "" {
		return codeFormat, ""
	}
	if code := b.signed.known(account, m); code != codeApproved {
		return code, ""
	}
	agreed, there := b.signed.agreements[account]
	switch m.String(3) {
	case actBind:
		if there && agreed != holder {
			return codeDuplicate, ""
		}
		b.signed.agreements[account] = holder
	case actRelease:
		if !there || agreed != holder {
			return codeNotFound, ""
		}
		delete(b.signed.agreements, account)
	case actVerify:
		if has = "N"; there && agreed == holder {
			has = "Y"
		}
	default:
		return codeUnknown, ""
	}
	return codeApproved, has
}

// known compares who asks with whose the account is. A release may come without.
func (s *signed) known(account string, m *iso8583.BankMessage) string {
	customer, there := s.customers[account]
	if !there {
		return codeNoAccount
	}
	if !m.Has(61) && m.String(3) == actRelease {
		return codeApproved
	}
	asks, err := iso8583.ReadBankIdentity(m.String(61))
	switch {
	case err != nil:
		return codeFormat
	case !strings.EqualFold(asks.Number, customer.Number) || asks.Name != customer.Name:
		return codeIdentity
	}
	return codeApproved
}

// permits says whether a load may be asked of an account.
func (b *Bank) permits(account string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, there := b.signed.agreements[account]
	return there || !b.config.SignedOnly
}
