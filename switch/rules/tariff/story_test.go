package tariff_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"onecard/ledger/money"
	"onecard/switch/rules/tariff"
)

// TestWorkedExamples holds the numbers of handbook 3.9.
func TestWorkedExamples(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &story{t: t}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return s.run(d) })
	})
}

type story struct {
	t      *testing.T
	tariff tariff.Tariff
}

// run understands:
//
//	tariff            one "key value" a line
//	use [free= held=] a reading a line, with what it comes to
//	buy [free=]       an amount a line
//	fine limit=       readings that are late, a holder a line
//	medical share= [left=]  a bill, then "refund AMOUNT" lines
func (s *story) run(d *datadriven.TestData) string {
	lines := strings.Split(strings.TrimSpace(d.Input), "\n")
	var b strings.Builder
	switch d.Cmd {
	case "tariff":
		return s.define(lines)
	case "use":
		for _, line := range lines {
			c := s.tariff.Charge(s.reading(line), s.readingArg(d, "free"))
			fmt.Fprintf(&b, "%s: charged %s = %d milli-fen -> %s", line, s.kind().Reading(c.Charged), c.Accumulated, c.Amount)
			if d.HasArg("held") {
				fmt.Fprintf(&b, ", back %s", s.fenArg(d, "held")-c.Amount)
			}
			b.WriteString("\n")
		}
	case "buy":
		for _, line := range lines {
			n := s.tariff.Gives(s.fen(line))
			fmt.Fprintf(&b, "%s: gives %s", line, s.kind().Reading(n))
			if free := s.readingArg(d, "free"); free > 0 {
				fmt.Fprintf(&b, ", with what is free %s", s.kind().Reading(n+free))
			}
			b.WriteString("\n")
		}
	case "fine":
		for _, line := range lines {
			var late []uint64
			for _, word := range strings.Split(line, ",") {
				late = append(late, s.reading(word))
			}
			sum := s.tariff.Fine(late)
			fmt.Fprintf(&b, "%s: %s, borrowing blocked: %v\n", line, sum, tariff.Blocks(sum, s.fenArg(d, "limit")))
		}
	case "medical":
		s.medical(&b, d, lines)
	default:
		d.Fatalf(s.t, "no command %s", d.Cmd)
	}
	return b.String()
}

func (s *story) define(lines []string) string {
	s.tariff = tariff.Tariff{Code: "script"}
	var err error
	for _, line := range lines {
		words := strings.Fields(line)
		switch words[0] {
		case "price": // price 0.025 per L
			s.tariff.Price, err = tariff.ParsePrice(words[1])
			require.NoError(s.t, err)
			for i, name := range tariff.UnitNames() {
				if name == words[3] {
					s.tariff.Per = tariff.Unit(i + 1)
				}
			}
		case "above": // above 8 min 0.40
			above, err := strconv.ParseUint(words[1], 10, 32)
			require.NoError(s.t, err)
			price, err := tariff.ParsePrice(words[3])
			require.NoError(s.t, err)
			s.tariff.Steps = append(s.tariff.Steps, tariff.Step{Above: uint32(above), Price: price})
		case "bill":
			s.tariff.Bill = s.reading(strings.Join(words[1:], " "))
		case "minimum":
			s.tariff.Minimum = s.reading(strings.Join(words[1:], " "))
		case "most":
			s.tariff.Most = s.fen(words[1])
		case "round":
			s.tariff.Rounding = map[string]tariff.Rounding{"half-up": tariff.HalfUp, "up": tariff.Up, "down": tariff.Down}[words[1]]
		}
	}
	var b strings.Builder
	s.tariff.Check(func(key, text string) { fmt.Fprintf(&b, "%s: %s\n", key, text) })
	if b.Len() == 0 {
		return fmt.Sprintf("ok: %s yuan per %s = %d milli-fen\n", s.tariff.Price, s.tariff.Per, s.tariff.Price)
	}
	return b.String()
}

func (s *story) kind() tariff.Kind { return s.tariff.Per.Kind() }

// reading reads pairs of number and unit: "38.4 L", "7 min 23 s".
func (s *story) reading(text string) (sum uint64) {
	words := strings.Fields(text)
	for i := 0; i+1 < len(words); i += 2 {
		whole, fraction, _ := strings.Cut(words[i], ".")
		n, err := strconv.ParseUint(whole+fraction, 10, 64)
		require.NoError(s.t, err)
		size := uint64(1) // "s", "ml", "Wh", "use"
		for u := tariff.Litre; u <= tariff.Use; u++ {
			if u.String() == words[i+1] {
				size = u.Size()
			}
		}
		for range fraction {
			require.Zero(s.t, size%10)
			size /= 10
		}
		sum += n * size
	}
	return sum
}

func (s *story) readingArg(d *datadriven.TestData, key string) uint64 {
	if !d.HasArg(key) {
		return 0
	}
	arg, _ := d.Arg(key)
	return s.reading(strings.Join(arg.Vals, " "))
}

func (s *story) fenArg(d *datadriven.TestData, key string) money.Fen {
	var value string
	d.ScanArgs(s.t, key, &value)
	return s.fen(value)
}

func (s *story) fen(text string) money.Fen {
	f, err := money.Parse(text)
	require.NoError(s.t, err)
	return f
}

func (s *story) medical(b *strings.Builder, d *datadriven.TestData, lines []string) {
	var share uint32
	d.ScanArgs(s.t, "share", &share)
	left := money.Fen(1 << 40)
	if d.HasArg("left") {
		left = s.fenArg(d, "left")
	}
	var split tariff.Split
	var back money.Fen
	for _, line := range lines {
		words := strings.Fields(line)
		part := tariff.Split{}
		if words[0] == "refund" {
			amount := s.fen(words[1])
			part = split.Refund(back, amount)
			back += amount
		} else {
			split, back = tariff.Copay(s.fen(words[1]), share*100, left), 0
			part = split
		}
		fmt.Fprintf(b, "%s: student %s, school %s\n", line, part.Patient, part.School)
	}
}

// TestChargeIsSound: more use never costs less, a free quota never makes anything dearer, and what an amount gives can be paid with it.
func TestChargeIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		price := rapid.Custom(func(t *rapid.T) tariff.Millifen {
			return tariff.Millifen(rapid.Int64Range(0, int64(tariff.MaxPrice)).Draw(t, "price"))
		})
		tr := tariff.Tariff{
			Code: "any", Per: tariff.Unit(rapid.IntRange(1, 7).Draw(t, "per")), Price: price.Draw(t, "price"),
			Bill: rapid.Uint64Range(0, 10_000).Draw(t, "bill"), Minimum: rapid.Uint64Range(0, 10_000).Draw(t, "minimum"),
			Most: money.Fen(rapid.Int64Range(0, 100_000).Draw(t, "most")), Rounding: tariff.Rounding(rapid.IntRange(0, 2).Draw(t, "rounding")),
		}
		for range rapid.IntRange(0, 3).Draw(t, "steps") {
			last := uint32(0)
			if n := len(tr.Steps); n > 0 {
				last = tr.Steps[n-1].Above
			}
			tr.Steps = append(tr.Steps, tariff.Step{Above: last + rapid.Uint32Range(1, 1000).Draw(t, "above"), Price: price.Draw(t, "price")})
		}
		tr.Check(func(key, text string) { t.Fatalf("%s: %s", key, text) })
		reading, free := rapid.Uint64Range(0, tariff.MaxReading).Draw(t, "reading"), rapid.Uint64Range(0, 100_000).Draw(t, "free")
		more := rapid.Uint64Range(0, 100_000).Draw(t, "more")
		c := tr.Charge(reading, free)
		require.LessOrEqual(t, c.Amount, tr.Charge(reading+more, free).Amount)
		require.LessOrEqual(t, tr.Charge(reading, free+more).Amount, c.Amount)
		require.GreaterOrEqual(t, c.Amount, money.Fen(0))

		amount := money.Fen(rapid.Int64Range(0, 100_000_000).Draw(t, "amount"))
		plain := tr
		plain.Minimum, plain.Most = 0, 0
		gives := tr.Gives(amount)
		require.LessOrEqual(t, plain.Charge(gives, 0).Amount, amount)
		unit := max(tr.Bill, 1)
		if gives+unit <= tariff.MaxReading {
			plain.Rounding = tariff.Up
			require.Greater(t, plain.Charge(gives+unit, 0).Amount, amount, "one unit more can be paid too")
		}
	})
}

// TestRefundsAddUp: refunds in any parts give each what he paid, never more.
func TestRefundsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bill := money.Fen(rapid.Int64Range(1, 1_000_000).Draw(t, "bill"))
		split := tariff.Copay(bill, rapid.Uint32Range(0, 10_000).Draw(t, "share"), money.Fen(rapid.Int64Range(0, 1_000_000).Draw(t, "left")))
		require.Equal(t, bill, split.Patient+split.School)
		var back tariff.Split
		for before := money.Fen(0); before < bill; {
			amount := money.Fen(rapid.Int64Range(1, int64(bill-before)).Draw(t, "amount"))
			part := split.Refund(before, amount)
			require.GreaterOrEqual(t, part.Patient, money.Fen(0))
			require.GreaterOrEqual(t, part.School, money.Fen(0))
			back.Patient, back.School = back.Patient+part.Patient, back.School+part.School
			before += amount
		}
		require.Equal(t, split, back)
	})
}
