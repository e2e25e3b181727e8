package transaction

import (
	"encoding/binary"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/rules/tariff"
)

// operationRecord is the payload of an operation's entry, for whoever reads it later: who did what to whom, on whose word, and why.
//
//	flags uvarint | operator, approver, desk: number or 0, uvarint | amount varint |
//	[holder uvarint] [other holder uvarint] [merchant uvarint] [other merchant uvarint] [purse uvarint] [other purse uvarint]
//	[terminal uvarint] [original uvarint] [batch, line uvarint] [proposal uvarint] [card uvarint] [key 16 bytes, contents u64] [occurred varint]
//	[state u8] [expiry day uvarint] [balance varint] [document, reason text] [tariff text, per u8, reading, rules version uvarint]
//	[terms of an agreement with the bank, see bankTerms]
//
// Holders, merchants, operators and desks are rows counted from 1. A purse is 0 main, 1 general subsidy, 2 + the programme's row. The line of
// a batch takes about 15 bytes.
type operationRecord struct {
	flags                   uint64
	operator, approver      uint16
	desk                    uint16
	amount                  money.Fen
	holder, otherHolder     uint32
	merchant, otherMerchant uint32
	purse, otherPurse       uint16
	terminal                TerminalID
	original                uint64
	batch                   uint64
	line                    uint32
	proposal                uint64
	card                    uint32 // that the bank is told of a withdrawal
	key                     Key
	contents                uint64 // fingerprint of what was asked under the key
	occurred                int64
	state                   byte
	expiry                  uint32
	balance                 money.Fen
	document, reason        string
	tariff                  string // what a meter's amount was worked out by
	per                     tariff.Unit
	reading                 uint64
	version                 uint32 // of the rules that have the tariff
	bank                    bankTerms
}

const (
	recordHolder = 1 << iota
	recordOtherHolder
	recordMerchant
	recordOtherMerchant
	recordPurse
	recordOtherPurse
	recordTerminal
	recordOriginal
	recordBatch
	recordProposal
	recordKey
	recordOccurred
	recordState
	recordExpiry
	recordBalance
	recordTexts
	recordMetered
	recordBank
	recordCard
	recordFlags = 1<<iota - 1
)

func (r *operationRecord) setFlags() {
	r.flags &= recordBalance // zero is a balance too
	r.numbers(func(flag, value uint64) {
		if value != 0 {
			r.flags |= flag
		}
	})
	for _, f := range [...]struct {
		flag uint64
		set  bool
	}{
		{recordKey, r.key != Key{}},
		{recordOccurred, r.occurred != 0},
		{recordState, r.state != 0},
		{recordExpiry, r.expiry != 0},
		{recordTexts, r.document != "" || r.reason != ""},
		{recordMetered, r.tariff != ""},
		{recordBank, r.bank != bankTerms{}},
	} {
		if f.set {
			r.flags |= f.flag
		}
	}
}

// numbers are the fields that stand as uvarints behind the amount, each with its flag.
func (r *operationRecord) numbers(visit func(flag, value uint64)) {
	visit(recordHolder, uint64(r.holder))
	visit(recordOtherHolder, uint64(r.otherHolder))
	visit(recordMerchant, uint64(r.merchant))
	visit(recordOtherMerchant, uint64(r.otherMerchant))
	visit(recordPurse, uint64(r.purse))
	visit(recordOtherPurse, uint64(r.otherPurse))
	visit(recordTerminal, uint64(r.terminal))
	visit(recordOriginal, r.original)
	visit(recordBatch, r.batch)
	visit(recordBatch, uint64(r.line))
	visit(recordProposal, r.proposal)
	visit(recordCard, uint64(r.card))
}

func (r *operationRecord) append(dst []byte) []byte {
	r.setFlags()
	dst = binary.AppendUvarint(dst, r.flags)
	for _, v := range []uint16{r.operator, r.approver, r.desk} {
		dst = binary.AppendUvarint(dst, uint64(v))
	}
	dst = binary.AppendVarint(dst, int64(r.amount))
	r.numbers(func(flag, value uint64) {
		if r.flags&flag != 0 {
			dst = binary.AppendUvarint(dst, value)
		}
	})
	if r.flags&recordKey != 0 {
		dst = binary.BigEndian.AppendUint64(append(dst, r.key[:]...), r.contents)
	}
	if r.flags&recordOccurred != 0 {
		dst = binary.AppendVarint(dst, r.occurred)
	}
	if r.flags&recordState != 0 {
		dst = append(dst, r.state)
	}
	if r.flags&recordExpiry != 0 {
		dst = binary.AppendUvarint(dst, uint64(r.expiry))
	}
	if r.flags&recordBalance != 0 {
		dst = binary.AppendVarint(dst, int64(r.balance))
	}
	if r.flags&recordTexts != 0 {
		dst = appendText(appendText(dst, r.document), r.reason)
	}
	if r.flags&recordMetered != 0 {
		dst = append(appendText(dst, r.tariff), byte(r.per))
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, r.reading), uint64(r.version))
	}
	if r.flags&recordBank != 0 {
		dst = r.bank.append(dst)
	}
	return dst
}

func (r *operationRecord) decode(src []byte, kind Kind) error {
	p := payloadReader{b: src}
	*r = operationRecord{flags: p.uvarint(), operator: uint16(p.uvarint()), approver: uint16(p.uvarint()), desk: uint16(p.uvarint()), amount: money.Fen(p.varint())}
	number := func(flag uint64) uint64 {
		if r.flags&flag == 0 {
			return 0
		}
		return p.uvarint()
	}
	r.holder, r.otherHolder = uint32(number(recordHolder)), uint32(number(recordOtherHolder))
	r.merchant, r.otherMerchant = uint32(number(recordMerchant)), uint32(number(recordOtherMerchant))
	r.purse, r.otherPurse = uint16(number(recordPurse)), uint16(number(recordOtherPurse))
	r.terminal, r.original = TerminalID(number(recordTerminal)), number(recordOriginal)
	r.batch, r.line = number(recordBatch), uint32(number(recordBatch))
	r.proposal = number(recordProposal)
	r.card = uint32(number(recordCard))
	if r.flags&recordKey != 0 {
		r.key, r.contents = Key(p.take(16)), p.u64()
	}
	if r.flags&recordOccurred != 0 {
		r.occurred = p.varint()
	}
	if r.flags&recordState != 0 {
		r.state = p.byte()
	}
	r.expiry = uint32(number(recordExpiry))
	if r.flags&recordBalance != 0 {
		r.balance = money.Fen(p.varint())
	}
	if r.flags&recordTexts != 0 {
		r.document, r.reason = p.string(), p.string()
	}
	if r.flags&recordMetered != 0 {
		r.tariff, r.per, r.reading, r.version = p.string(), tariff.Unit(p.byte()), p.uvarint(), uint32(p.uvarint())
		p.bad = p.bad || !r.per.Known()
	}
	if r.flags&recordBank != 0 {
		r.bank = p.bankTerms()
	}
	p.bad = p.bad || r.flags > recordFlags
	return p.done(kind)
}

// IsOperation says whether entries of a kind are operations of the settlement centre.
func IsOperation(kind Kind) bool { return kind >= KindCashDeposit && kind <= kindOperationLast }

// kindOperationLast is the highest kind with an operation's payload.
const kindOperationLast = KindLoadClosed

// OperationLine is an operation's entry read for statements and reports. Rows are counted from 1, 0 is none.
type OperationLine struct {
	Sequence                uint64
	Kind                    Kind
	Time                    int64
	Day                     uint32
	Operator, Approver      uint16
	Desk                    uint16
	Holder, OtherHolder     uint32
	Merchant, OtherMerchant uint32
	Purse, OtherPurse       uint16 // 0 main, 1 general subsidy, 2 + the programme's row
	Terminal                TerminalID
	Amount                  money.Fen
	Original                uint64
	Batch                   uint64
	Line                    uint32
	Proposal                uint64
	Card                    uint32 // row from 1, that the bank is told of a withdrawal
	Occurred                int64
	Expiry                  uint32
	HasBalance              bool
	Balance                 money.Fen
	Document, Reason        string
	Tariff                  string       // of a meter that was settled by a reading; "" where the amount was given
	Per                     tariff.Unit  // what its price is for
	Reading                 uint64       // in the smallest unit of that kind
	RulesVersion            uint32       // that has the tariff
	Bank                    BankLine     // of an agreement with the bank
	Legs                    []ledger.Leg // the entry's own
}

// ReadOperation reads an operation's entry.
func ReadOperation(sequence uint64, day uint32, e *ledger.Entry) (OperationLine, bool) {
	var r operationRecord
	if !IsOperation(e.Kind) || r.decode(e.Payload, e.Kind) != nil {
		return OperationLine{}, false
	}
	return OperationLine{
		Sequence: sequence, Kind: e.Kind, Time: e.Time, Day: day, Operator: r.operator, Approver: r.approver, Desk: r.desk, Holder: r.holder,
		OtherHolder: r.otherHolder, Merchant: r.merchant, OtherMerchant: r.otherMerchant, Purse: r.purse, OtherPurse: r.otherPurse, Terminal: r.terminal,
		Amount: r.amount, Original: r.original, Batch: r.batch, Line: r.line, Proposal: r.proposal, Card: r.card, Occurred: r.occurred, Expiry: r.expiry,
		HasBalance: r.flags&recordBalance != 0, Balance: r.balance, Document: r.document, Reason: r.reason, Legs: e.Legs,
		Tariff: r.tariff, Per: r.per, Reading: r.reading, RulesVersion: r.version, Bank: r.bank.line(),
	}, true
}

// Metered is the reading as people say it, "38.4 L"; "" where there is none.
func (o *OperationLine) Metered() string {
	if o.Tariff == "" {
		return ""
	}
	return o.Per.Kind().Reading(o.Reading)
}

// EvidenceOf reads an entry as evidence for a refund or a reversal; nil when it is neither a sale nor an operation.
func EvidenceOf(day uint32, e *ledger.Entry) *Evidence {
	evidence := &Evidence{Kind: e.Kind, Time: e.Time, Day: day, Legs: append([]ledger.Leg(nil), e.Legs...)}
	switch {
	case e.Kind == KindPurchase:
		var r record
		if r.decode(e.Payload, e.Kind) != nil || r.reason != ReasonNone {
			return nil
		}
		evidence.Card = r.card
	case e.Kind == KindLoad:
		var r record
		if r.decode(e.Payload, e.Kind) != nil || r.reason != ReasonNone {
			return nil
		}
		evidence.Card, evidence.Amount = r.card, r.amount
	case IsOperation(e.Kind):
		var r operationRecord
		if r.decode(e.Payload, e.Kind) != nil {
			return nil
		}
		if evidence.Holder = r.holder; e.Kind == KindBankWithdrawal {
			evidence.Amount = r.amount
		}
	default:
		return nil
	}
	return evidence
}
