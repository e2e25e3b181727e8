// Package tariff prices what a meter has read: water by volume or by time, electricity, computer rooms, late books, bus rides (domain handbook
// 3.9), and splits a doctor's bill between a patient and the school.
//
// The one idea: a price is exact until the end. A reading is a whole number of the smallest unit of its kind (millilitres, seconds, watt hours,
// uses), a price is in thousandths of a fen, what they come to is added up over all steps without a division, and is rounded once, at close,
// to the fen. So a stepped price and a price with a free quota never lose a fraction between two steps, and the same reading always costs the
// same.
//
// A reading is charged in this order: at least the minimum, less what is free, begun billing units as whole ones, steps, rounding, cap. What
// is free is used by the minimum too, and steps count from the first unit that is not free.
//
// It keeps no session, no quota and no debt, and moves no money: who has how much free is the caller's to know, and the hold of a metered use
// belongs to the core of the switch.
package tariff
