package transaction

import "onecard/ledger"

// What a desk reads besides the operations themselves.

// StatementDesk is the space of the statement index that lists the operations of a cash desk; an id is its DeskNumber.
const StatementDesk byte = 'D'

// deskOfEntry is the desk that an operation went through; 0 none.
func deskOfEntry(e *ledger.Entry) uint16 {
	if !IsOperation(e.Kind) {
		return 0
	}
	p := payloadReader{b: e.Payload}
	p.uvarint() // flags
	p.uvarint() // operator
	p.uvarint() // approver
	return uint16(p.uvarint())
}

// DeskNumber is what entries call a cash desk: its row + 1; 0 when there is none.
func (s *State) DeskNumber(code string) uint16 {
	i, ok := s.deskByCode[code]
	if !ok {
		return 0
	}
	return i + 1
}

// KeySequence is the entry that an operation's key stands for: of a proposal its own until it is carried out, then what it did.
func (s *State) KeySequence(key Key) (sequence uint64, ok bool) {
	k, ok := s.keys.of[key]
	return k.sequence, ok
}

// ProposalOpen says whether a proposal still waits for a second person.
func (s *State) ProposalOpen(number uint64) bool {
	_, ok := s.proposals[number]
	return ok
}
