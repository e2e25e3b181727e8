package whatif

import (
	"context"

	"onecard/ledger"
	"onecard/switch/rules"
	"onecard/switch/transaction"
)

// counters are what the rules ask of the holder.
func (h *holder) counters(d *decided) (c rules.Counters) {
	if h.day == d.day {
		c.DayAmount, c.DayCount, c.SincePIN = h.amount, h.count, h.amount-h.beforePIN
	}
	if h.meal == d.meal {
		c.MealAmount, c.MealCount, c.Privileged = h.mealAmount, h.mealCount, h.privileged
	}
	return c
}

// buy counts a purchase.
func (h *holder) buy(d *decided, pin bool) {
	if h.day != d.day {
		h.day, h.amount, h.count, h.beforePIN = d.day, 0, 0, 0
	}
	if h.meal != d.meal {
		h.meal, h.mealAmount, h.mealCount, h.privileged = d.meal, 0, 0, 0
	}
	payable := d.whatIf.Payable()
	h.amount += payable
	h.count++
	h.mealAmount += payable
	h.mealCount++
	if d.whatIf.How&rules.UsedPrivilege != 0 {
		h.privileged++
	}
	if pin {
		h.beforePIN = h.amount
	}
}

// giveBack takes a purchase off the counters of its day and of its meal, where they still stand.
func (h *holder) giveBack(d *decided) {
	payable := d.whatIf.Payable()
	if h.day == d.day {
		h.amount -= payable
		h.count--
		h.beforePIN = min(h.beforePIN, h.amount)
	}
	if h.meal == d.meal {
		h.mealAmount = max(0, h.mealAmount-payable)
		h.mealCount -= min(h.mealCount, 1)
		if d.whatIf.How&rules.UsedPrivilege != 0 {
			h.privileged -= min(h.privileged, 1)
		}
	}
}

// site knows what records call by number. A number means the same for the life of a ledger, so each is asked of the owner once, those of one
// block together.
type site struct {
	look      Look
	zone      int64
	window    uint32
	cards     []uint32 // row of the holder + 1, by row of the card; 0 not asked yet
	classes   []uint8  // the holder's now, by row of the card
	terminals []uint32 // row of the merchant + 1, by row of the terminal
}

// learn asks for the cards and terminals of a block that are not known yet.
func (s *site) learn(ctx context.Context, b ledger.Block) error {
	var cards, terminals []uint32
	err := b.Each(func(sequence uint64, e *ledger.Entry) error {
		if e.Kind != transaction.KindPurchase && e.Kind != transaction.KindReversal {
			return nil
		}
		line, ok := transaction.ReadEntry(sequence, b.Day(), e)
		if !ok {
			return ledger.ErrMalformed
		}
		if line.Card != 0 && (int(line.Card) > len(s.cards) || s.cards[line.Card-1] == 0) {
			cards = append(cards, line.Card)
		}
		if n := uint32(line.Terminal); int(n) > len(s.terminals) || s.terminals[n-1] == 0 {
			terminals = append(terminals, n)
		}
		return nil
	})
	if err != nil || len(cards)+len(terminals) == 0 {
		return err
	}
	return s.look(ctx, func(state *transaction.State) {
		for _, card := range cards {
			row := state.Card(card - 1).Holder
			s.cards, s.classes = put(s.cards, card, row+1), put(s.classes, card, state.Holder(row).Class)
		}
		for _, n := range terminals {
			s.terminals = put(s.terminals, n, state.Terminal(transaction.TerminalID(n)).Merchant+1)
		}
	})
}

// put sets row number n, from 1.
func put[T uint8 | uint32](rows []T, n uint32, value T) []T {
	for uint32(len(rows)) < n {
		rows = append(rows, 0)
	}
	rows[n-1] = value
	return rows
}
