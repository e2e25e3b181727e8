package tariff

import (
	"fmt"
	"strings"
)

// Kind is what a meter measures. Its readings are whole numbers of one smallest unit.
type Kind uint8

const (
	Volume Kind = iota + 1 // millilitres
	Time                   // seconds
	Energy                 // watt hours
	Uses                   // uses
)

// Reading prints a reading of the kind as people say it: "38.4 L", "7 min 23 s", "79.88 kWh", "3 次".
func (k Kind) Reading(n uint64) string {
	switch k {
	case Volume:
		return thousandths(n) + " L"
	case Energy:
		return thousandths(n) + " kWh"
	case Time:
		switch {
		case n >= 60 && n%60 == 0:
			return fmt.Sprintf("%d min", n/60)
		case n >= 60:
			return fmt.Sprintf("%d min %d s", n/60, n%60)
		}
		return fmt.Sprintf("%d s", n)
	case Uses:
		return fmt.Sprintf("%d 次", n)
	}
	return fmt.Sprint(n)
}

func thousandths(n uint64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%d.%03d", n/1000, n%1000), "0"), ".")
}

// Unit is what a price is for.
type Unit uint8

const (
	Litre Unit = iota + 1
	Tonne
	Minute
	Hour
	Day
	KilowattHour
	Use
)

// units are by Unit-1: the name in rules, the kind, and how many of the kind's smallest unit one is.
var units = [...]struct {
	name string
	kind Kind
	size uint64
}{
	{"L", Volume, 1000},
	{"t", Volume, 1_000_000},
	{"min", Time, 60},
	{"h", Time, 3600},
	{"day", Time, 86_400},
	{"kWh", Energy, 1000},
	{"use", Uses, 1},
}

// UnitNames are the units as rules name them, by Unit-1.
func UnitNames() []string {
	names := make([]string, 0, len(units))
	for i := range units {
		names = append(names, units[i].name)
	}
	return names
}

// Known says whether it is one of those above.
func (u Unit) Known() bool { return u >= Litre && u <= Use }

// Kind is what the unit measures. REQUIRES: the unit is one of those above.
func (u Unit) Kind() Kind { return units[u-1].kind }

// Size is how many of the kind's smallest unit one is. REQUIRES: the unit is one of those above.
func (u Unit) Size() uint64 { return units[u-1].size }

func (u Unit) String() string {
	if !u.Known() {
		return fmt.Sprintf("unit %d", uint8(u))
	}
	return units[u-1].name
}
