// Package settlement draws up what merchants are paid (清分结算, domain handbook 3.10): from a day's totals to the lines of a settlement sheet,
// and from approved sheets to the file that the bank is given.
//
// The one idea: a sheet is a sum whose every line can be pointed at. Lines come from the totals that stand behind the ledger and from what was
// agreed with the merchant; the last line is what is paid, and it is the same whoever adds it up.
//
// It reads no totals itself, keeps no sheets and moves no money: the core does, and only for days that are closed.
package settlement
