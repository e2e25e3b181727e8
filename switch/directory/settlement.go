package directory

import (
	"strings"

	"onecard/ledger"
	"onecard/switch/transaction"
)

// What the settlement centre is told by files: account sets, what was agreed with merchants, programmes of purses, cash desks. Terms and
// programmes can be imported again: the newer row counts from then on.

func (r *reader) readSettlement() {
	r.keep("account_sets", r.readAccountSets())
	r.keep("terms", r.readTerms())
	r.keep("programmes", r.readProgrammes())
	r.keep("desks", r.readDesks())
}

func (r *reader) readAccountSets() *table {
	return r.each("account_sets.csv", func(w *row) {
		set := transaction.AccountSetRow{Set: ledger.AccountSet(min(255, w.count("set"))), Code: w.needed("code")}
		r.result.Directory.Sets = append(r.result.Directory.Sets, set)
	})
}

// readTerms: service_fee is in percent of net sales, group and account_sets are numbers; several sets stand with a space between them.
func (r *reader) readTerms() *table {
	return r.each("terms.csv", func(w *row) {
		t := transaction.MerchantTerms{
			Merchant: merchantCode(w.exact("merchant", 15)), Parent: strings.Clone(w.text("parent")), Group: uint8(min(255, w.count("group"))),
			Department: w.choice("department", "no", "yes") == 1, ServiceFee: uint16(min(1<<16-1, max(0, w.yuan("service_fee")))),
			Bank: w.name("bank"), Account: w.name("account"), Payee: w.name("payee"),
		}
		if sets := w.groups("account_sets"); sets >= 1<<16 {
			w.problem("account_sets", "帐套编号须为 1 至 15 / an account set is 1 to 15")
		} else {
			t.Sets = uint16(sets)
		}
		r.result.Directory.Terms = append(r.result.Directory.Terms, t)
	})
}

// readProgrammes: purposes are the merchant groups where the money may be used, with a space between them; none is everywhere.
func (r *reader) readProgrammes() *table {
	return r.each("programmes.csv", func(w *row) {
		purse := w.choice("purse", "subsidy", "water", "electronic", "count")
		p := transaction.ProgrammeRow{
			Code: w.needed("code"), Provider: w.name("provider"), Purposes: w.groups("purposes"), PerMeal: w.yuan("per_meal"),
			WholeOnly: w.choice("partial", "yes", "no") == 1,
			Account:   []ledger.AccountCode{ledger.CodeSubsidyPurse, ledger.CodeWaterPurse, ledger.CodeElectronicAccount, ledger.CodeCountPurse}[max(0, purse)],
		}
		if p.Account == ledger.CodeCountPurse {
			p.Set = transaction.CountSet
		}
		r.named("programme", w, p.Code, "")
		r.result.Directory.Programmes = append(r.result.Directory.Programmes, p)
	})
}

func (r *reader) readDesks() *table {
	return r.each("desks.csv", func(w *row) {
		d := transaction.DeskRow{Code: w.needed("code")}
		r.named("desk", w, d.Code, "")
		r.result.Directory.Desks = append(r.result.Directory.Desks, d)
	})
}
