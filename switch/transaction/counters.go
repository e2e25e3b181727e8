package transaction

import (
	"math"

	"onecard/ledger/money"
	"onecard/switch/rules"
)

// A holder's counters are of the calendar day CounterDay and, within it, of one meal: that of his last purchase. A meal that goes over
// midnight is the meal of the evening on which it began, so his meal's counters outlive the day then. They move by applying entries alone,
// whatever the rules say about them: another version of the rules finds them there.

// mealOfNight marks in Holder.Meal that the meal began on the day before CounterDay.
const mealOfNight = 0x10

// countsOn says whether the counters are those of a day. A row keeps a day's low sixteen bits: they come round after 179 years.
func (h *Holder) countsOn(day uint32) bool { return h.CounterDay == uint16(day) }

// turnDay starts the counters of a new day.
func (h *Holder) turnDay(day uint32) {
	if h.countsOn(day) {
		return
	}
	if h.Meal&mealOfNight == 0 && h.countsOn(day-1) {
		h.Meal |= mealOfNight // it may go on
	} else {
		h.Meal, h.MealAmount, h.MealCount, h.Privileged = 0, 0, 0, 0 // also when it was no meal then and is none now
	}
	h.CounterDay, h.DayAmount, h.DayCount, h.DayLoaded, h.BeforePIN = uint16(day), 0, 0, 0, 0
}

// turnMeal starts the counters of another meal.
func (h *Holder) turnMeal(meal uint8) {
	if h.Meal != meal {
		h.Meal, h.MealAmount, h.MealCount, h.Privileged = meal, 0, 0, 0
	}
}

// mealMark is a meal as Holder.Meal has it, on the day of the purchase.
func mealMark(meal uint8, how rules.How) uint8 {
	if how&rules.NightMeal != 0 {
		return meal | mealOfNight
	}
	return meal
}

// mealDay is the day on which the meal of a purchase began.
func mealDay(day uint32, how rules.How) uint32 {
	if how&rules.NightMeal != 0 {
		return day - 1
	}
	return day
}

// count counts an approved purchase. REQUIRES: the day has been turned.
func (h *Holder) count(r *record) {
	h.turnMeal(mealMark(r.price.meal, r.price.How))
	h.DayAmount = plus(h.DayAmount, r.amount)
	h.MealAmount = plus(h.MealAmount, r.amount)
	h.DayCount += sat(h.DayCount)
	h.MealCount += sat(h.MealCount)
	if r.price.How&rules.UsedPrivilege != 0 {
		h.Privileged += sat(h.Privileged)
	}
	if r.pinVerified {
		h.BeforePIN = h.DayAmount
	}
}

// uncount takes a purchase of the calendar day off the counters again when it is given back; its meal's when they still stand. What was
// bought before the last right PIN is taken off what counts since then, as far as that goes: the counters do not tell which it was.
func (h *Holder) uncount(day uint32, payable money.Fen, meal uint8, how rules.How) {
	if h.countsOn(day) {
		h.DayAmount = minus(h.DayAmount, payable)
		h.BeforePIN = min(h.BeforePIN, h.DayAmount)
		h.DayCount -= min(h.DayCount, 1)
	}
	mark := mealMark(meal, how)
	if h.countsOn(day+1) && mark&mealOfNight == 0 {
		mark |= mealOfNight
	} else if !h.countsOn(day) {
		return
	}
	if h.Meal != mark {
		return
	}
	h.MealAmount = minus(h.MealAmount, payable)
	h.MealCount -= min(h.MealCount, 1)
	if how&rules.UsedPrivilege != 0 {
		h.Privileged -= min(h.Privileged, 1)
	}
}

// plus and minus keep a counter within its 32 bits: more than forty million yuan a day is above every limit.
func plus(counter uint32, amount money.Fen) uint32 {
	return uint32(min(money.Fen(counter)+amount, math.MaxUint32))
}

func minus(counter uint32, amount money.Fen) uint32 {
	return uint32(max(money.Fen(counter)-amount, 0))
}

// sat is 1 unless the counter is full.
func sat[T uint8 | uint16](counter T) T {
	if counter == ^T(0) {
		return 0
	}
	return 1
}

// counters are what the rules ask of the holder at a meal of a day.
func (h *Holder) counters(day uint32, meal uint8, night bool) rules.Counters {
	var c rules.Counters
	if h.countsOn(day) {
		c.DayAmount, c.DayCount = money.Fen(h.DayAmount), uint32(h.DayCount)
		c.SincePIN = money.Fen(h.DayAmount - h.BeforePIN)
	}
	var how rules.How
	if night {
		how = rules.NightMeal
	}
	stands := h.Meal
	if h.countsOn(day-1) && stands&mealOfNight == 0 {
		stands |= mealOfNight
	} else if !h.countsOn(day) {
		return c
	}
	if stands == mealMark(meal, how) {
		c.MealAmount, c.MealCount, c.Privileged = money.Fen(h.MealAmount), uint32(h.MealCount), uint32(h.Privileged)
	}
	return c
}
