package tariff

import "onecard/ledger/money"

// Split is a doctor's bill between the patient and the school.
type Split struct{ Patient, School money.Fen }

// Copay splits a bill: the patient's share is in hundredths of a percent, rounded half up, the school gives the rest, but at most what is left
// of its cap for the year; the patient pays what it does not. REQUIRES: share <= 10,000; bill and left are not negative.
func Copay(bill money.Fen, share uint32, left money.Fen) Split {
	patient := (bill*money.Fen(share) + 5000) / 10_000
	school := min(bill-patient, left)
	return Split{Patient: bill - school, School: school}
}

// Refund is what goes back to each when some of a bill is given back after other refunds, in the proportion in which they paid. What goes back
// in all is worked out each time, so refunds of the whole bill add up to the split to the fen. REQUIRES: before+amount <= the bill.
func (s Split) Refund(before, amount money.Fen) Split {
	bill := s.Patient + s.School
	if bill == 0 {
		return Split{}
	}
	share := func(part money.Fen) money.Fen { return (2*s.Patient*part + bill) / (2 * bill) }
	patient := share(before+amount) - share(before)
	return Split{Patient: patient, School: amount - patient}
}
