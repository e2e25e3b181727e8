package console

import (
	"strings"

	"onecard/ledger/money"
)

// Receipt is what an operator hands over: what was asked, what it did, and under which number it stands in the ledger. A proposal's
// receipt moves nothing: it says who must look at it.
type Receipt struct {
	Number      string      `json:"number" doc:"number of the entry, as DE 37 has it; of a proposal: its own"`
	Record      uint64      `json:"record"`
	Kind        string      `json:"kind" doc:"label of the catalogue"`
	KindZH      string      `json:"kind_zh"`
	KindEN      string      `json:"kind_en"`
	Status      string      `json:"status" enum:"posted,pending" doc:"pending: it waits for a second person, nothing has been moved"`
	Repeated    bool        `json:"repeated" doc:"the key was seen before: this is the first receipt once more"`
	Time        string      `json:"time"`
	BusinessDay Day         `json:"business_day"`
	Desk        string      `json:"desk,omitempty"`
	Operator    string      `json:"operator,omitempty"`
	Approver    string      `json:"approver,omitempty"`
	Holder      *Subject    `json:"holder,omitempty"`
	OtherHolder *Subject    `json:"other_holder,omitempty"`
	Merchant    string      `json:"merchant,omitempty"`
	OtherMerch  string      `json:"other_merchant,omitempty"`
	Terminal    string      `json:"terminal,omitempty"`
	Purse       string      `json:"purse,omitempty"`
	OtherPurse  string      `json:"other_purse,omitempty"`
	Amount      *Yuan       `json:"amount,omitempty"`
	Count       *int64      `json:"count,omitempty" doc:"in place of the amount, where counts have moved"`
	Balance     *Yuan       `json:"balance,omitempty" doc:"what the holder can spend afterwards"`
	Expected    *Yuan       `json:"expected,omitempty" doc:"drawers: what had to be in it; the amount is what was counted"`
	Tariff      string      `json:"tariff,omitempty" doc:"of a meter that was settled by a reading"`
	Reading     *uint64     `json:"reading,omitempty" doc:"in millilitres, seconds, watt hours or uses"`
	Metered     string      `json:"metered,omitempty" doc:"the reading as people say it"`
	Rules       uint32      `json:"rules_version,omitempty" doc:"version of the rules that has the tariff"`
	Original    string      `json:"original,omitempty"`
	Bank        *Agreement  `json:"bank,omitempty" doc:"of an agreement with the bank"`
	Withdrawal  *Withdrawal `json:"withdrawal,omitempty" doc:"of a withdrawal to a bank account: how far it has come by now"`
	Document    string      `json:"document,omitempty"`
	Reason      string      `json:"reason,omitempty"`
	Legs        []Leg       `json:"legs,omitempty"`
	Proof       string      `json:"proof,omitempty" doc:"where the record's inclusion proof is, once the day is signed"`
}

// Subject is a person on a receipt: it lies about on counters, so the name is masked.
type Subject struct {
	Number string `json:"number"`
	Name   string `json:"name,omitempty"`
}

// Leg is one leg of the entry: credit positive, debit negative.
type Leg struct {
	Account uint32 `json:"account"`
	Code    uint16 `json:"code" doc:"chart of accounts"`
	Amount  *Yuan  `json:"amount,omitempty"`
	Count   *int64 `json:"count,omitempty"`
}

// quantityOf is an amount as JSON has it: yuan, or a count.
func quantityOf(amount money.Fen, counts bool) (*Yuan, *int64) {
	if counts {
		n := int64(amount)
		return nil, &n
	}
	y := Yuan(amount)
	return &y, nil
}

// maskName keeps the first character: 张*, 欧阳** would say too much of short names.
func maskName(name string) string {
	runes := []rune(strings.TrimSpace(name))
	if len(runes) < 2 {
		return string(runes)
	}
	return string(runes[0]) + strings.Repeat("*", min(len(runes)-1, 3))
}

// maskNumber keeps the last four characters of a holder's number.
func maskNumber(number string) string {
	if len(number) <= 4 {
		return number
	}
	return strings.Repeat("*", len(number)-4) + number[len(number)-4:]
}
