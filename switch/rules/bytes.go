package rules

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"onecard/ledger/money"
	"onecard/switch/rules/tariff"
)

// MaxBytes bounds the stored form of a version.
const MaxBytes = 256 << 10

// ErrMalformed says that stored bytes are not what this package writes.
var ErrMalformed = errors.New("malformed rules")

// The first byte of stored rules. What has no tariffs is written as it was before there were any.
const (
	format        = 1
	formatTariffs = 2
)

// Append writes the tables in their one stored form: numbers are uvarints, texts and lists have their length in front.
//
//	format u8 | title | fee first, only in meals u8 | groups (name, merchants) |
//	meals (number u8, code, zh, en, from, to, weekdays u8, merchants) |
//	privileges (scope, mode u8, rate, amount, school bears u8, per meal u8) | fees (scope, rate, amount) |
//	load fees (classes, deposit, withdrawal) |
//	limits (classes, purses u8, PIN single, PIN day, reset u8, day amount, day count, purse cap, load single, load day) |
//	meal limits (scope, count u8, amount, after u8, surcharge) | debit orders (classes, merchants, kinds u8 each, refuse partial u8) |
//	in format 2, tariffs (code, per u8, price, steps (above, price), billing unit, minimum, most, rounding u8)
//
// where a scope is (classes, merchants, meals, purses u8). REQUIRES: Check found nothing.
func (t *Tables) Append(dst []byte) []byte {
	w := &writer{append(dst, byte(format+bit(len(t.Tariffs) > 0)))}
	w.text(t.Title)
	w.b = append(w.b, bit(t.FeeFirst)|bit(t.OnlyInMeals)<<1)
	each(w, t.Groups, func(g *Group) { w.text(g.Name); w.texts(g.Merchants) })
	each(w, t.Meals, func(m *Meal) {
		w.b = append(w.b, m.Number)
		w.text(m.Code)
		w.text(m.Chinese)
		w.text(m.English)
		w.numbers(uint64(m.From), uint64(m.To))
		w.b = append(w.b, m.Weekdays)
		w.texts(m.Merchants)
	})
	each(w, t.Privileges, func(p *Privilege) {
		w.scope(&p.Scope)
		w.b = append(w.b, byte(p.Mode))
		w.numbers(uint64(p.Rate), uint64(p.Amount))
		w.b = append(w.b, bit(p.SchoolBears), p.PerMeal)
	})
	each(w, t.Fees, func(f *Fee) { w.scope(&f.Scope); w.numbers(uint64(f.Rate), uint64(f.Amount)) })
	each(w, t.LoadFees, func(f *LoadFee) { w.texts(f.Classes); w.numbers(uint64(f.Deposit), uint64(f.Withdrawal)) })
	each(w, t.Limits, w.limit)
	each(w, t.MealLimits, func(l *MealLimit) {
		w.scope(&l.Scope)
		w.b = append(w.b, l.Count)
		w.numbers(uint64(l.Amount))
		w.b = append(w.b, byte(l.After))
		w.numbers(uint64(l.Surcharge))
	})
	each(w, t.DebitOrders, func(o *DebitOrder) {
		w.texts(o.Classes)
		w.texts(o.Merchants)
		each(w, o.Kinds, func(k *PurseKind) { w.b = append(w.b, byte(*k)) })
		w.b = append(w.b, bit(o.RefusePartial))
	})
	if len(t.Tariffs) > 0 {
		each(w, t.Tariffs, w.tariff)
	}
	return w.b
}

func (w *writer) tariff(t *tariff.Tariff) {
	w.text(t.Code)
	w.b = append(w.b, byte(t.Per))
	w.numbers(uint64(t.Price))
	each(w, t.Steps, func(s *tariff.Step) { w.numbers(uint64(s.Above), uint64(s.Price)) })
	w.numbers(t.Bill, t.Minimum, uint64(t.Most))
	w.b = append(w.b, byte(t.Rounding))
}

type writer struct{ b []byte }

func each[T any](w *writer, rows []T, write func(*T)) {
	w.numbers(uint64(len(rows)))
	for i := range rows {
		write(&rows[i])
	}
}

func bit(set bool) byte {
	if set {
		return 1
	}
	return 0
}

func (w *writer) numbers(values ...uint64) {
	for _, v := range values {
		w.b = binary.AppendUvarint(w.b, v)
	}
}

func (w *writer) text(s string) {
	w.numbers(uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *writer) texts(list []string) { each(w, list, func(s *string) { w.text(*s) }) }

func (w *writer) scope(s *Scope) {
	w.texts(s.Classes)
	w.texts(s.Merchants)
	w.texts(s.Meals)
	w.b = append(w.b, byte(s.Purses))
}

func (w *writer) limit(l *Limit) {
	w.texts(l.Classes)
	w.b = append(w.b, byte(l.Purses))
	w.numbers(uint64(l.PINSingle), uint64(l.PINDay))
	w.b = append(w.b, bit(l.ResetOnPIN))
	w.numbers(uint64(l.DayAmount), uint64(l.DayCount), uint64(l.PurseCap), uint64(l.LoadSingle), uint64(l.LoadDay))
}

// Decode reads what Append wrote and checks it. Bytes that Append would write otherwise are refused.
func Decode(src []byte) (*Tables, error) {
	if len(src) > MaxBytes {
		return nil, fmt.Errorf("%d bytes of rules, at most %d: %w", len(src), MaxBytes, ErrMalformed)
	}
	r := &reader{b: src}
	written := r.byte()
	if written != format && written != formatTariffs {
		return nil, fmt.Errorf("rules of another format: %w", ErrMalformed)
	}
	t := &Tables{Title: r.text()}
	flags := r.byte()
	t.FeeFirst, t.OnlyInMeals = flags&1 != 0, flags&2 != 0
	t.Groups = list(r, func() Group { return Group{Name: r.text(), Merchants: r.texts()} })
	t.Meals = list(r, func() Meal {
		return Meal{
			Number: r.byte(), Code: r.text(), Chinese: r.text(), English: r.text(), From: uint16(r.number()), To: uint16(r.number()),
			Weekdays: r.byte(), Merchants: r.texts(),
		}
	})
	t.Privileges = list(r, func() Privilege {
		return Privilege{Scope: r.scope(), Mode: Mode(r.byte()), Rate: r.rate(), Amount: r.fen(), SchoolBears: r.byte() == 1, PerMeal: r.byte()}
	})
	t.Fees = list(r, func() Fee { return Fee{Scope: r.scope(), Rate: r.rate(), Amount: r.fen()} })
	t.LoadFees = list(r, func() LoadFee { return LoadFee{Classes: r.texts(), Deposit: r.rate(), Withdrawal: r.rate()} })
	t.Limits = list(r, r.limit)
	t.MealLimits = list(r, func() MealLimit {
		return MealLimit{Scope: r.scope(), Count: r.byte(), Amount: r.fen(), After: After(r.byte()), Surcharge: r.rate()}
	})
	t.DebitOrders = list(r, func() DebitOrder {
		return DebitOrder{Classes: r.texts(), Merchants: r.texts(), Kinds: list(r, func() PurseKind { return PurseKind(r.byte()) }), RefusePartial: r.byte() == 1}
	})
	if written == formatTariffs {
		t.Tariffs = list(r, r.tariff)
	}
	if r.bad || !bytes.Equal(t.Append(nil), src) {
		return nil, fmt.Errorf("%d bytes: %w", len(src), ErrMalformed)
	}
	if faults := t.Check(); len(faults) > 0 {
		return nil, fmt.Errorf("%s: %w", faults[0], ErrMalformed)
	}
	return t, nil
}

// reader takes fields off the front; the first fault sticks.
type reader struct {
	b   []byte
	bad bool
}

func list[T any](r *reader, read func() T) []T {
	var rows []T
	for n := r.number(); n > 0 && !r.bad; n-- {
		rows = append(rows, read())
	}
	return rows
}

func (r *reader) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) text() string {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *reader) texts() []string { return list(r, r.text) }
func (r *reader) rate() Rate      { return Rate(r.number()) }
func (r *reader) fen() money.Fen  { return money.Fen(r.number()) }

func (r *reader) tariff() tariff.Tariff {
	price := func() tariff.Millifen { return tariff.Millifen(r.number()) }
	return tariff.Tariff{
		Code: r.text(), Per: tariff.Unit(r.byte()), Price: price(),
		Steps: list(r, func() tariff.Step { return tariff.Step{Above: uint32(r.number()), Price: price()} }),
		Bill:  r.number(), Minimum: r.number(), Most: r.fen(), Rounding: tariff.Rounding(r.byte()),
	}
}

func (r *reader) scope() Scope {
	return Scope{Classes: r.texts(), Merchants: r.texts(), Meals: r.texts(), Purses: Purses(r.byte())}
}

func (r *reader) limit() Limit {
	return Limit{
		Classes: r.texts(), Purses: Purses(r.byte()), PINSingle: r.fen(), PINDay: r.fen(), ResetOnPIN: r.byte() == 1,
		DayAmount: r.fen(), DayCount: uint32(r.number()), PurseCap: r.fen(), LoadSingle: r.fen(), LoadDay: r.fen(),
	}
}
