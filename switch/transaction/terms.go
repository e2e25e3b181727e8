package transaction

import (
	"encoding/binary"

	"onecard/ledger"
	"onecard/ledger/money"
)

// MerchantTerms are what the settlement centre agreed with a merchant: where it stands in the merchant tree, what it pays, where its money
// goes. They can change; what they change counts from then on.
type MerchantTerms struct {
	Merchant   MerchantCode
	Parent     string // code of the merchant above it; "" none
	Group      uint8  // 0..63: what purposes of subsidies speak of
	Department bool   // a department of the school: its money goes by transfer inside the house, never out
	ServiceFee uint16 // per 10,000 of net sales
	Bank       string // at most 40 bytes each
	Account    string
	Payee      string
	Sets       uint16 // account sets besides set 0 in which it is paid, a bit each
}

// SetPayable is what a merchant is owed in an account set besides set 0.
type SetPayable struct {
	Set     ledger.AccountSet
	Account ledger.AccountID
}

// PayableIn is the account of what the merchant is owed in an account set; 0 when it takes no part in it.
func (m *Merchant) PayableIn(set ledger.AccountSet) ledger.AccountID {
	if set == 0 {
		return m.Payable
	}
	for _, p := range m.Others {
		if p.Set == set {
			return p.Account
		}
	}
	return 0
}

// payload of terms:
//
//	row type u8 = 7 | merchant 15 bytes | parent text | group u8 | department u8 | service fee uvarint | bank, account, payee text | sets u16
func encodeTerms(t *MerchantTerms) []byte {
	p := append([]byte{rowTerms}, t.Merchant[:]...)
	p = appendFlag(append(appendText(p, t.Parent), t.Group), t.Department)
	p = binary.AppendUvarint(p, uint64(t.ServiceFee))
	p = appendText(appendText(appendText(p, t.Bank), t.Account), t.Payee)
	return binary.BigEndian.AppendUint16(p, t.Sets)
}

func readTerms(p *payloadReader) MerchantTerms {
	t := MerchantTerms{Merchant: MerchantCode(p.take(15)), Parent: p.string(), Group: p.byte(), Department: p.byte() == 1, ServiceFee: uint16(p.uvarint())}
	t.Bank, t.Account, t.Payee = p.string(), p.string(), p.string()
	t.Sets = binary.BigEndian.Uint16(p.take(2))
	return t
}

func (s *State) applyTerms(p *payloadReader, e *ledger.Entry) {
	t := readTerms(p)
	i := s.merchantByCode[t.Merchant]
	m := &s.merchants[i]
	m.Group = t.Group
	for n, o := range e.Opens {
		m.Others = append(m.Others, SetPayable{o.Set, s.opened(e, n)})
	}
	s.terms[i] = t
}

func (s *State) termsEntry(t *MerchantTerms, now int64) *ledger.Entry {
	e := &ledger.Entry{Kind: KindDirectory, Time: now, Payload: encodeTerms(t)}
	m := &s.merchants[s.merchantByCode[t.Merchant]]
	for set := ledger.AccountSet(1); set < 16; set++ {
		if t.Sets&(1<<set) != 0 && m.PayableIn(set) == 0 {
			e.Opens = append(e.Opens, ledger.Opening{Code: ledger.CodeMerchantPayable, Set: set})
		}
	}
	return e
}

// Merchants is the number of merchants; MerchantAt returns one by its row. REQUIRES: i < Merchants().
func (s *State) Merchants() uint32 { return uint32(len(s.merchants)) }

// MerchantAt returns a merchant by its row.
func (s *State) MerchantAt(i uint32) *Merchant { return &s.merchants[i] }

// MerchantByCode finds the row of the merchant with a code of fifteen characters.
func (s *State) MerchantByCode(code string) (uint32, bool) {
	fixed, fits := parseMerchantCode(code)
	i, ok := s.merchantByCode[fixed]
	return i, fits && ok
}

// Terms are a merchant's terms; those of one that has none are zero but for its code.
func (s *State) Terms(i uint32) MerchantTerms {
	if t, ok := s.terms[i]; ok {
		return t
	}
	return MerchantTerms{Merchant: s.merchants[i].Code}
}

// maxServiceFee is half of the sales, per 10,000.
const maxServiceFee = 5000

func (dir *Directory) checkTerms(c *checker, merchants *known[MerchantCode]) {
	for i, row := range dir.Terms {
		if !merchants.has(row.Merchant) {
			c.fault("terms", i, "merchant", "商户 %s 未登记 / merchant %s is not registered", row.Merchant, row.Merchant)
		}
		if row.Parent != "" {
			if code, ok := parseMerchantCode(row.Parent); !ok || !merchants.has(code) || code == row.Merchant {
				c.fault("terms", i, "parent", "上级商户 %s 未登记 / the merchant above, %s, is not registered", row.Parent, row.Parent)
			}
		}
		if row.Group > 63 || row.ServiceFee > maxServiceFee {
			c.fault("terms", i, "group", "商户组须为 0 至 63,服务费不超过 %s %% / the group must be 0 to 63, the service fee at most %[1]s %%", money.Fen(maxServiceFee))
		}
		if len(row.Bank) > 40 || len(row.Account) > 40 || len(row.Payee) > 40 {
			c.fault("terms", i, "payee", "开户行、账号、户名各最多 40 字节 / bank, account and payee have at most 40 bytes each")
		}
		for set := ledger.AccountSet(1); set < 16; set++ {
			if row.Sets&(1<<set) != 0 && !dir.hasSet(c.state, set) {
				c.fault("terms", i, "account_sets", "帐套 %s 未登记 / account set %s is not registered", setName(set), setName(set))
			}
		}
	}
}

// parseMerchantCode reads a DE 42: fifteen characters.
func parseMerchantCode(code string) (MerchantCode, bool) {
	if len(code) != len(MerchantCode{}) {
		return MerchantCode{}, false
	}
	return MerchantCode([]byte(code)), true
}
