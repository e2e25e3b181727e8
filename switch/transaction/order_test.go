package transaction_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/switch/transaction"
)

// scene is one request before everything that could refuse it. As it is made, it is approved.
type scene struct {
	merchant transaction.MerchantRow
	class    transaction.ClassRow
	terminal transaction.TerminalRow
	door     transaction.DoorRow
	holder   transaction.HolderRow
	card     transaction.CardRow
	before   []transaction.Request // decided earlier; their answers don't matter
	request  transaction.Request
}

const (
	sceneCard   transaction.CardNumber = 9156000000000007
	sceneWindow uint32                 = 8
)

func newScene(kind transaction.Kind) *scene {
	s := &scene{
		merchant: transaction.MerchantRow{Code: merchantCode("103410054110001")},
		class:    transaction.ClassRow{Code: "student"},
		door:     transaction.DoorRow{Code: "library", Grants: []transaction.Grant{{Group: 1, Weekdays: 0x7F}}},
		holder:   transaction.HolderRow{Number: "1", Class: "student", OpeningMain: fen("100"), Groups: 1 << 1, BankAccount: 6217000012345678},
		card:     transaction.CardRow{Number: sceneCard, Holder: "1", PINValue: 1234},
		request:  transaction.Request{Kind: kind, Terminal: 1, Batch: 1, Trace: 101, Card: sceneCard, Amount: fen("10")},
	}
	terminals := map[transaction.Kind]transaction.TerminalType{
		transaction.KindPurchase: transaction.TerminalPOS, transaction.KindLoad: transaction.TerminalKiosk, transaction.KindPassage: transaction.TerminalGate,
	}
	s.terminal = terminalRow("TERM0001", "103410054110001", terminals[kind])
	s.terminal.Door = "library"
	switch kind {
	case transaction.KindLoad:
		s.request.PINValue = 1234
	case transaction.KindPassage:
		s.request.Amount, s.request.Direction = 0, transaction.DirectionIn
	}
	return s
}

// earlier adds a purchase of one fen that comes first.
func (s *scene) earlier(change func(*transaction.Request)) {
	r := transaction.Request{Kind: transaction.KindPurchase, Terminal: 1, Batch: 1, Trace: 90 + uint32(len(s.before)), Card: sceneCard, Amount: 1}
	if change != nil {
		change(&r)
	}
	s.before = append(s.before, r)
}

func (s *scene) decide(t *testing.T) transaction.Decision {
	t.Helper()
	st := &story{t: t, journal: &memoryJournal{}, checkpoints: &memoryCheckpoints{}, now: noon}
	st.open()
	defer st.close()
	dir := &transaction.Directory{
		Merchants: []transaction.MerchantRow{s.merchant}, Classes: []transaction.ClassRow{s.class}, Doors: []transaction.DoorRow{s.door},
		Terminals: []transaction.TerminalRow{s.terminal}, Holders: []transaction.HolderRow{s.holder}, Cards: []transaction.CardRow{s.card},
	}
	faults, err := st.engine.Import(t.Context(), dir, st.now.UnixMicro())
	require.NoError(t, err)
	require.Empty(t, faults)
	all := append(append([]transaction.Request(nil), s.before...), s.request)
	for i := range all {
		all[i].Origin, all[i].Received = transaction.Origin(i+1), st.now.UnixMicro()
	}
	st.door.incoming <- all
	st.door.Wake()
	st.look(func(*transaction.State) {})
	for len(st.door.answers) > 0 {
		for _, d := range <-st.door.answers {
			if d.Origin == transaction.Origin(len(all)) {
				return d
			}
		}
	}
	return transaction.Decision{} // a load on its way to the bank
}

// rule is one step of handbook 3.1 with what makes a request break it. A later rule that changes what an earlier one needs names it.
type rule struct {
	reason transaction.Reason
	breaks func(*scene)
	not    []transaction.Reason // earlier rules that cannot be broken together with this one
}

func commonRules() []rule {
	yesterday := uint32(noon.AddDate(0, 0, -1).Unix() / 86400)
	cardState := func(state transaction.CardState) func(*scene) { return func(s *scene) { s.card.State = state } }
	return []rule{
		{reason: transaction.ReasonTerminalSuspended, breaks: func(s *scene) { s.terminal.Suspended = true }},
		{reason: transaction.ReasonTraceTooOld, breaks: func(s *scene) {
			s.earlier(func(r *transaction.Request) { r.Trace = s.request.Trace + sceneWindow })
		}},
		{reason: transaction.ReasonDuplicateDiffers, not: []transaction.Reason{transaction.ReasonTraceTooOld}, breaks: func(s *scene) {
			s.earlier(func(r *transaction.Request) { r.Trace, r.Amount = s.request.Trace, 2 })
		}},
		{reason: transaction.ReasonReversedBefore, not: []transaction.Reason{transaction.ReasonTraceTooOld, transaction.ReasonDuplicateDiffers}, breaks: func(s *scene) {
			s.earlier(func(r *transaction.Request) { r.Kind, r.Trace = transaction.KindReversal, s.request.Trace })
		}},
		{reason: transaction.ReasonKindNotAllowed, breaks: func(s *scene) {
			s.terminal.Type = transaction.TerminalGate
			if s.request.Kind == transaction.KindPassage {
				s.terminal.Type = transaction.TerminalPOS
			}
		}},
		{reason: transaction.ReasonCardUnknown, breaks: func(s *scene) { s.request.Card++ }},
		{reason: transaction.ReasonCardLost, breaks: cardState(transaction.CardLost)},
		{reason: transaction.ReasonCardFrozen, breaks: cardState(transaction.CardFrozen), not: []transaction.Reason{transaction.ReasonCardLost}},
		{reason: transaction.ReasonCardClosed, breaks: cardState(transaction.CardClosed), not: []transaction.Reason{transaction.ReasonCardLost, transaction.ReasonCardFrozen}},
		{reason: transaction.ReasonCardExpired, breaks: func(s *scene) { s.card.ExpiryDay = yesterday }},
		{reason: transaction.ReasonHolderState, breaks: func(s *scene) { s.holder.State = transaction.HolderLeft }},
		{reason: transaction.ReasonMerchantClosed, breaks: func(s *scene) { s.merchant.Closed = true }},
	}
}

func purchaseRules() []rule {
	return append(
		commonRules(),
		rule{reason: transaction.ReasonOutsideHours, breaks: func(s *scene) { s.merchant.Opens, s.merchant.Closes = 7*60, 9*60 }},
		rule{reason: transaction.ReasonAmountZero, breaks: func(s *scene) { s.request.Amount = 0 }},
		rule{reason: transaction.ReasonAmountTooLarge, not: []transaction.Reason{transaction.ReasonAmountZero}, breaks: func(s *scene) { s.request.Amount = fen("5000.01") }},
		rule{reason: transaction.ReasonDayCount, breaks: func(s *scene) { s.class.DayCount = 1; s.earlier(nil) }},
		rule{reason: transaction.ReasonDayAmount, breaks: func(s *scene) { s.class.DayAmount = fen("9") }},
		rule{reason: transaction.ReasonPINNeededSingle, breaks: func(s *scene) { s.class.PINSingle = fen("9") }},
		rule{reason: transaction.ReasonPINNeededDay, breaks: func(s *scene) { s.class.PINDay = fen("9") }},
		rule{reason: transaction.ReasonPINLocked, not: []transaction.Reason{transaction.ReasonPINNeededSingle, transaction.ReasonPINNeededDay}, breaks: func(s *scene) {
			for range 3 {
				s.earlier(func(r *transaction.Request) { r.PINValue = 9 })
			}
			s.request.PINValue = 9 // wrong as well: locked comes before wrong
		}},
		rule{reason: transaction.ReasonPINWrong, not: []transaction.Reason{transaction.ReasonPINNeededSingle, transaction.ReasonPINNeededDay}, breaks: func(s *scene) { s.request.PINValue = 9 }},
		rule{reason: transaction.ReasonFunds, breaks: func(s *scene) { s.holder.OpeningMain = 1 }},
	)
}

func loadRules() []rule {
	return append(
		commonRules(),
		rule{reason: transaction.ReasonNoBankAccount, breaks: func(s *scene) { s.holder.BankAccount = 0 }},
		rule{reason: transaction.ReasonAmountZero, breaks: func(s *scene) { s.request.Amount = 0 }},
		rule{reason: transaction.ReasonLoadSingle, breaks: func(s *scene) { s.class.LoadSingle = fen("9") }},
		rule{reason: transaction.ReasonLoadDay, breaks: func(s *scene) { s.class.LoadDay = fen("9") }},
		rule{reason: transaction.ReasonPurseCap, breaks: func(s *scene) { s.class.PurseCap = fen("109.99") }},
		rule{reason: transaction.ReasonPINNeededLoad, breaks: func(s *scene) { s.request.PINValue = 0 }},
		rule{reason: transaction.ReasonPINLocked, breaks: func(s *scene) { s.card.PINValue = 0 }, not: []transaction.Reason{transaction.ReasonPINNeededLoad}},
		rule{reason: transaction.ReasonPINWrong, breaks: func(s *scene) { s.request.PINValue = 9 }, not: []transaction.Reason{transaction.ReasonPINNeededLoad}},
	)
}

func passageRules() []rule {
	return append(
		commonRules(),
		rule{reason: transaction.ReasonNoPermission, breaks: func(s *scene) { s.holder.Groups = 1 << 9 }},
		rule{reason: transaction.ReasonOutsideDoorTime, breaks: func(s *scene) { s.door.Grants[0].From, s.door.Grants[0].To = 1, 2 }},
	)
}

// TestEvaluationOrder breaks every two rules at once: the one that handbook 3.1 has first is the one that is heard. Each rule alone is
// heard too, so that a pair proves something.
func TestEvaluationOrder(t *testing.T) {
	for _, c := range []struct {
		kind  transaction.Kind
		rules []rule
	}{{transaction.KindPurchase, purchaseRules()}, {transaction.KindLoad, loadRules()}, {transaction.KindPassage, passageRules()}} {
		require.Equal(t, transaction.ReasonNone, newScene(c.kind).decide(t).Reason)
		for i, first := range c.rules {
			alone := newScene(c.kind)
			first.breaks(alone)
			require.Equal(t, first.reason.String(), alone.decide(t).Reason.String(), "kind %d", c.kind)
			for _, second := range c.rules[i+1:] {
				if excludes(second, first.reason) {
					continue
				}
				both := newScene(c.kind)
				second.breaks(both)
				first.breaks(both)
				require.Equal(t, first.reason.String(), both.decide(t).Reason.String(), fmt.Sprintf("kind %d, %s and %s at once", c.kind, first.reason, second.reason))
			}
		}
	}
}

func excludes(r rule, earlier transaction.Reason) bool {
	for _, not := range r.not {
		if not == earlier {
			return true
		}
	}
	return false
}
