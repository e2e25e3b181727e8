package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"onecard/ledger"
	"onecard/ledger/money"
	"onecard/switch/proof"
	"onecard/switch/query"
	"onecard/switch/transaction"
)

// FeedLine is one record of the ledger for the programs behind it: reports, exports, alerts. Card numbers are masked. What a record of its
// kind does not say is left out.
type FeedLine struct {
	Sequence  uint64                 `json:"sequence"`
	Reference string                 `json:"reference"` // DE 37
	Time      string                 `json:"time"`      // at the site
	Day       string                 `json:"day"`       // business day
	Kind      string                 `json:"kind"`
	Terminal  string                 `json:"terminal,omitempty"`
	Batch     uint32                 `json:"batch,omitempty"`
	Trace     uint32                 `json:"trace,omitempty"`
	Card      transaction.CardNumber `json:"card,omitempty"`
	Purse     string                 `json:"purse,omitempty"`
	Direction string                 `json:"direction,omitempty"`
	Amount    money.Fen              `json:"amount_fen,omitempty"`
	List      money.Fen              `json:"list_fen,omitempty"` // purchases that were not sold at their list price
	Discount  money.Fen              `json:"discount_fen,omitempty"`
	Fee       money.Fen              `json:"fee_fen,omitempty"`
	Meal      uint8                  `json:"meal,omitempty"`
	Rules     uint32                 `json:"rules_version,omitempty"`
	Main      money.Fen              `json:"main_fen,omitempty"`
	Subsidy   money.Fen              `json:"subsidy_fen,omitempty"`
	Balance   *money.Fen             `json:"balance_fen,omitempty"`
	Code      string                 `json:"code,omitempty"` // DE 39
	Reason    string                 `json:"reason,omitempty"`
	Original  uint64                 `json:"original,omitempty"` // of a reversal
	Load      uint64                 `json:"load,omitempty"`     // of what the bank said
	State     string                 `json:"state,omitempty"`    // of a card from now on
	Closes    string                 `json:"closes,omitempty"`   // business day of a day switch or a day-end
	Operator  string                 `json:"operator,omitempty"`
}

var feedKinds = map[transaction.Kind]string{
	transaction.KindGenesis: "genesis", transaction.KindDirectory: "directory", transaction.OpeningKind: "opening", transaction.KindCardState: "card_state",
	transaction.KindDaySwitch: "day_switch", transaction.KindDayEnd: "day_end", transaction.KindRules: "rules",
	transaction.KindBalance: "balance", transaction.KindPurchase: "purchase", transaction.KindLoad: "load", transaction.KindReversal: "reversal",
	transaction.KindPassage: "passage", transaction.KindLoadConfirmed: "load_confirmed", transaction.KindLoadDeclined: "load_declined",
	transaction.KindLoadUnknown: "load_unknown", transaction.KindLoadReversed: "load_reversed", transaction.KindLoadLate: "load_late",
	transaction.KindLoadManual:     "load_manual",
	transaction.KindWithdrawalPaid: "withdrawal_paid", transaction.KindWithdrawalDeclined: "withdrawal_declined", transaction.KindWithdrawalUnknown: "withdrawal_unknown",
	transaction.KindWithdrawalManual: "withdrawal_manual", transaction.KindWithdrawalLate: "withdrawal_late",
}

// roster knows what records call by number: cards and terminals. A number means the same for the life of a ledger, so each is asked of the
// owner once and not for every record; and he is asked for so few at a time that no terminal notices.
type roster struct {
	look func(context.Context, func(*transaction.State)) error

	mu        sync.Mutex
	zone      *time.Location             // guarded by mu
	cards     []transaction.CardNumber   // guarded by mu
	terminals []transaction.TerminalCode // guarded by mu
}

// rosterRows are copied in one look: some 50 us.
const rosterRows = 4096

// learn makes the roster hold so many cards and terminals. REQUIRES: mu is held.
func (r *roster) learn(ctx context.Context, cards, terminals int) error {
	for r.zone == nil || len(r.cards) < cards || len(r.terminals) < terminals {
		known := len(r.cards) + len(r.terminals)
		first := r.zone == nil
		err := r.look(ctx, func(s *transaction.State) {
			r.zone = time.FixedZone("", int(s.Site().ZoneSeconds))
			for range min(rosterRows, int(s.Cards())-len(r.cards)) {
				r.cards = append(r.cards, s.Card(uint32(len(r.cards))).Number)
			}
			for range min(rosterRows, int(s.Terminals())-len(r.terminals)) {
				r.terminals = append(r.terminals, s.Terminal(transaction.TerminalID(len(r.terminals)+1)).Code)
			}
		})
		if err != nil {
			return err
		}
		if !first && len(r.cards)+len(r.terminals) == known {
			return fmt.Errorf("a record names card %d or terminal %d, which are not there: %w", cards, terminals, ledger.ErrMalformed)
		}
	}
	return nil
}

// lines appends a JSON line for each record.
func (r *roster) lines(ctx context.Context, dst []byte, records []ledger.Record) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range records {
		record := &records[i]
		kind, of := feedKinds[record.Entry.Kind]
		said, ok := transaction.ReadEntry(record.Sequence, record.Day, &record.Entry)
		if act, isAct := transaction.ReadOperation(record.Sequence, record.Day, &record.Entry); isAct {
			said.Amount, said.Original, said.Balance, said.HasBalance, ok = act.Amount, act.Original, act.Balance, act.HasBalance, true
		}
		readable := of && record.Entry.Kind != transaction.KindGenesis && record.Entry.Kind != transaction.KindDirectory || transaction.IsOperation(record.Entry.Kind)
		if readable && !ok {
			return dst, fmt.Errorf("第 %d 条无法读取,请运行 verify / entry %[1]d cannot be read: run onecard verify", record.Sequence)
		}
		if !of { // an operation of a desk, or what a settlement or a second person makes: its kind tells, and its amount where it has one
			kind = query.KindName(record.Entry.Kind)
		}
		if err := r.learn(ctx, int(said.Card), int(said.Terminal)); err != nil {
			return dst, err
		}
		line, err := json.Marshal(r.line(kind, &said))
		if err != nil {
			return dst, err
		}
		dst = append(append(dst, line...), '\n')
	}
	return dst, nil
}

// line puts a record into words. REQUIRES: mu is held.
func (r *roster) line(kind string, said *transaction.Line) *FeedLine {
	line := &FeedLine{
		Sequence: said.Sequence, Reference: transaction.ReferenceOf(said.Sequence).String(), Kind: kind,
		Time: time.UnixMicro(said.Time).In(r.zone).Format("2006-01-02T15:04:05.000000Z07:00"),
		Day:  proof.Day(said.Day).String(),

		Batch: said.Batch, Trace: said.Trace, Card: said.Number, Amount: said.Amount, Main: said.Main, Subsidy: said.Subsidy,
		Discount: said.Price.Discount, Fee: said.Price.Fee, Meal: said.Meal, Rules: said.Version,
		Original: said.Original, Load: said.Load, Operator: said.Operator,
		Purse: map[transaction.Purse]string{transaction.PurseMain: "main", transaction.PurseSubsidy: "subsidy"}[said.Purse],

		Direction: map[transaction.Direction]string{transaction.DirectionIn: "in", transaction.DirectionOut: "out"}[said.Direction],
	}
	if line.Discount != 0 || line.Fee != 0 {
		line.List = said.Price.List
	}
	if said.Card != 0 {
		line.Card = r.cards[said.Card-1]
	}
	if said.Terminal != 0 {
		line.Terminal = r.terminals[said.Terminal-1].String()
	}
	if said.HasBalance {
		line.Balance = &said.Balance
	}
	if said.Code != (transaction.ResponseCode{}) {
		line.Code, line.Reason = said.Code.String(), said.Reason.String()
	}
	switch said.Kind {
	case transaction.KindCardState:
		line.State = said.To.String()
	case transaction.KindDaySwitch, transaction.KindDayEnd:
		line.Closes = proof.Day(said.Closes).String()
	}
	return line
}
