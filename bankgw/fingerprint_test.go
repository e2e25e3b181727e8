package bankgw_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unsafe"

	"onecard/bankgw"
	"onecard/switch/transaction"
)

// fingerprint writes down all that a gateway at rest remembers, so that two histories that leave it alike are one state of the proof. It
// walks the gateway itself by reflection: what a later version remembers is in it without a word here.
//
// What would never come back the same is written so that it does: a moment as how many tens of seconds are left until it (every wait of
// the proof is one or two of them), a pointer, the number of a line and of a network message by the order in which it is met, and counts
// that only the first of matter up to there. What says nothing about what comes next is left out: see passed.
type fingerprint struct {
	text    strings.Builder
	now     time.Time
	met     map[string]int // pointers and numbers, by the order in which they are met
	timers  []time.Time    // moments to come at which the gateway does something
	cutOver bool
}

const tick = 10 * time.Second // every wait in the proof's configuration is one or two of them

// passed are fields that the walk leaves out: what New was given, what a turn uses and leaves, what is said to people, and the draw of the
// jitter.
var passed = []string{
	"config", "mode", "key", "ring", "dial", "open", "submit", "events", "handover", "happenings", "running", "writer", "random", "mu", "status", "taken",
	"lastError", "cut", "line", "heard", "offerAt",
}

// counted are fields of which only the first values matter. That the tenth refusal gives a reversal up is a story.
var counted = map[string]int64{"attempts": 1, "rounds": 1, "refusals": 1, "failures": 1, "misses": 3, "bad": 5}

func fingerprintOf(g *bankgw.Gateway, now time.Time) *fingerprint {
	f := &fingerprint{now: now, met: make(map[string]int)}
	f.walk("", reflect.ValueOf(g).Elem())
	return f
}

// next is the earliest timer; zero: the gateway waits for others.
func (f *fingerprint) next() (next time.Time) {
	for _, at := range f.timers {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

func (f *fingerprint) order(kind string, value any) {
	key := fmt.Sprint(kind, value)
	if _, known := f.met[key]; !known {
		f.met[key] = len(f.met)
	}
	fmt.Fprintf(&f.text, "%s%d ", kind, f.met[key])
}

func (f *fingerprint) walk(name string, v reflect.Value) {
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		f.moment(name, *(*time.Time)(unsafe.Pointer(v.UnsafeAddr())))
		return
	case reflect.TypeFor[transaction.LoadOrder](): // the one load: its age is in the state, and 0420 or 0421 is the same to a bank
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		f.fields(v)
	case reflect.Pointer:
		f.pointer(name, v)
	case reflect.Slice, reflect.Array:
		f.text.WriteString("[")
		for i := range v.Len() {
			f.walk(name, v.Index(i))
		}
		f.text.WriteString("] ")
	case reflect.Map:
		f.entries(name, v)
	case reflect.Bool:
		fmt.Fprintf(&f.text, "%v ", v.Bool())
	case reflect.String:
		fmt.Fprintf(&f.text, "%q ", v.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		f.number(name, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		f.number(name, int64(v.Uint()))
	case reflect.Func, reflect.Chan, reflect.Interface:
		fmt.Fprintf(&f.text, "%v ", !v.IsNil())
	case reflect.UnsafePointer: // its address is another one in every history, and no two states would be the same
		panic("a field that the walk cannot read: " + name)
	default:
		fmt.Fprintf(&f.text, "%v ", v)
	}
}

func (f *fingerprint) fields(v reflect.Value) {
	f.text.WriteString("{")
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; !slices.Contains(passed, name) && !stale(v, name) {
			f.text.WriteString(name + " ")
			f.walk(name, v.Field(i))
		}
	}
	f.text.WriteString("} ")
}

// stale says that a link's moment is of what is over: of the sign-on of a link that is up, of a network message that was answered.
func stale(v reflect.Value, name string) bool {
	state, function := v.FieldByName("state"), v.FieldByName("function")
	if !state.IsValid() || !function.IsValid() {
		return false
	}
	return name == "due" && state.Uint() == uint64(bankgw.LinkUp) || name == "answerBy" && function.Int() == 0
}

// pointer writes what is pointed at when it is met first. An exchange that has ended is not there any more.
func (f *fingerprint) pointer(name string, v reflect.Value) {
	if v.IsNil() {
		f.text.WriteString("nil ")
		return
	}
	if to := v.Elem(); to.Kind() == reflect.Struct {
		if ended := to.FieldByName("ended"); ended.IsValid() && ended.Bool() {
			return
		}
	}
	before := len(f.met)
	if f.order("@", v.Pointer()); len(f.met) > before {
		f.walk(name, v.Elem())
	}
}

// entries writes a map by its keys.
func (f *fingerprint) entries(name string, v reflect.Value) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	f.text.WriteString("map[")
	for _, key := range keys {
		fmt.Fprintf(&f.text, "%v:", key)
		f.walk(name, v.MapIndex(key))
	}
	f.text.WriteString("] ")
}

func (f *fingerprint) number(name string, n int64) {
	if most, ok := counted[name]; ok {
		n = min(n, most)
	}
	if name == "generation" || name == "trace" {
		f.order(name, n)
		return
	}
	fmt.Fprintf(&f.text, "%d ", n)
}

func (f *fingerprint) moment(name string, at time.Time) {
	left := at.Sub(f.now)
	switch {
	case at.IsZero():
		f.text.WriteString("never ")
	case left <= 0:
		f.text.WriteString("past ")
	case name == "cutOver": // the bank ends it; that it ends by itself is a story. Only a load that is yet to be sent asks for it
		f.cutOver = true
	default:
		fmt.Fprintf(&f.text, "in %d ", (left+tick-1)/tick)
		f.timers = append(f.timers, at)
	}
}
