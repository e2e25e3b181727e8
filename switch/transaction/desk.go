package transaction

import (
	"encoding/binary"
	"fmt"

	"onecard/ledger"
	"onecard/ledger/money"
)

// DeskRow is a cash desk (收银台): its cash is an account of its own.
type DeskRow struct {
	Code string // at most 20 bytes
}

// Desk is a cash desk and, while its drawer is open, what went through it.
type Desk struct {
	Code     string
	Cash     ledger.AccountID
	Operator uint16    // who opened the drawer: number from 1; 0 it is closed
	Opened   uint64    // the entry that opened it
	Float    money.Fen // what was in it then
	Receipts money.Fen
	Payments money.Fen
	Acts     uint32
}

// Expected is what must be in the drawer.
func (d *Desk) Expected() money.Fen { return d.Float + d.Receipts - d.Payments }

// payload of a desk: row type u8 = 11 | code text; it opens the desk's cash account.
func encodeDesk(r *DeskRow) []byte { return appendText([]byte{rowDesk}, r.Code) }

func (s *State) addDesk(p *payloadReader, e *ledger.Entry) {
	code := p.string()
	s.deskByCode[code] = uint16(len(s.desks))
	s.desks = append(s.desks, Desk{Code: code, Cash: s.opened(e, 0)})
}

// Desks lists the cash desks.
func (s *State) Desks() []Desk { return s.desks }

// DeskByCode finds a cash desk.
func (s *State) DeskByCode(code string) (Desk, bool) {
	i, ok := s.deskByCode[code]
	if !ok {
		return Desk{}, false
	}
	return s.desks[i], true
}

func (dir *Directory) checkDesks(c *checker) {
	keys := keysOf(c.state.deskByCode)
	for i, row := range dir.Desks {
		keys.add(c, "desks", i, "code", row.Code, row.Code)
		c.length("desks", i, "code", row.Code, 20)
	}
}

// payload of an operator:
//
//	row type u8 = 9 | code text | roles uvarint | suspended u8 | token hash 32 bytes | by text
func encodeOperator(r *OperatorRow, by string) []byte {
	p := binary.AppendUvarint(appendText([]byte{rowOperator}, r.Code), uint64(r.Roles))
	return appendText(append(appendFlag(p, r.Suspended), r.TokenHash[:]...), by)
}

func (s *State) applyOperator(p *payloadReader) {
	o := Operator{Code: p.string(), Roles: Role(p.uvarint()), Suspended: p.byte() == 1, TokenHash: [32]byte(p.take(32))}
	p.string() // who registered him
	if i, there := s.operatorByCode[o.Code]; there {
		s.operators[i] = o
		return
	}
	s.operatorByCode[o.Code] = uint16(len(s.operators))
	s.operators = append(s.operators, o)
}

// Operators lists the operators.
func (s *State) Operators() []Operator { return s.operators }

// OperatorByCode finds an operator.
func (s *State) OperatorByCode(code string) (Operator, bool) {
	i, ok := s.operatorByCode[code]
	if !ok {
		return Operator{}, false
	}
	return s.operators[i], true
}

// OperatorNumber is what entries call an operator: his row + 1; 0 when there is none.
func (s *State) OperatorNumber(code string) uint16 {
	i, ok := s.operatorByCode[code]
	if !ok {
		return 0
	}
	return i + 1
}

// serving finds an operator who may do what his roles allow; 0 when he is not registered or is suspended.
func (s *State) serving(code string) (number uint16, roles Role) {
	i, ok := s.operatorByCode[code]
	if !ok || s.operators[i].Suspended {
		return 0, 0
	}
	return i + 1, s.operators[i].Roles
}

// checkOperator says why an operator may not be registered so.
func (s *State) checkOperator(r *OperatorRow, by string) error {
	_, there := s.operatorByCode[r.Code]
	switch {
	case len(r.Code) == 0 || len(r.Code) > 20:
		return fmt.Errorf("操作员代码须为 1 至 20 字节 / an operator's code must be 1 to 20 bytes: %q", r.Code)
	case r.Roles == 0 || r.Roles > rolesAll:
		return fmt.Errorf("操作员 %s 没有角色 / operator %s has no role: give one of cashier, cards, accountant, approver, reader, administrator", r.Code, r.Code)
	case len(by) == 0 || len(by) > 32:
		return fmt.Errorf("须写明由谁登记 / say who registers the operator, 1 to 32 bytes")
	case r.TokenHash == [32]byte{}:
		return fmt.Errorf("操作员 %s 没有令牌 / operator %s has no token", r.Code, r.Code)
	case !there && len(s.operators) >= 1<<16-2:
		return fmt.Errorf("操作员已满 / there are too many operators")
	}
	return nil
}
