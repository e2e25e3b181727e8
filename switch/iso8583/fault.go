package iso8583

import "errors"

// Fault is what is wrong with a frame: a closed set, so that faults can be counted.
type Fault uint8

const (
	FaultNone        Fault = iota
	FaultLength            // the length prefix is below 21 or above 2,048
	FaultTPDU              // the frame does not begin with 60
	FaultMTI               // not BCD
	FaultOtherMTI          // well formed, but not a message of the hot codec
	FaultBit1              // a secondary bitmap on the terminal link
	FaultUndefined         // a field that the profile does not have
	FaultTruncated         // the message ends inside a field
	FaultTrailing          // bytes after the last field
	FaultNibble            // a digit above 9, or a pad nibble that is neither 0 nor F; at the bank a character that the field may not hold
	FaultLengthField       // LL or LLL is not BCD; at the bank not digits
	FaultTooLong           // LL or LLL above the field's length
	faultCount
)

var faultLabels = [faultCount]string{
	"none", "length", "tpdu", "mti", "other_mti", "bit_1", "undefined_field", "truncated", "trailing", "nibble", "length_not_bcd", "too_long",
}

// Label names the fault in metrics.
func (f Fault) Label() string { return faultLabels[f] }

// Faults calls visit with the label of every fault.
func Faults(visit func(label string)) {
	for f := FaultLength; f < faultCount; f++ {
		visit(f.Label())
	}
}

// ParseError says which fault stands in which field. Field is 0 for what comes before the fields.
type ParseError struct {
	Field int
	Fault Fault
}

func (e *ParseError) Error() string { return "field " + itoa(e.Field) + ": " + e.Fault.Label() }

// parseErrors holds one error for each field and fault, so that a flood of bad frames allocates nothing.
var parseErrors = tableOfParseErrors()

func tableOfParseErrors() [65][faultCount]*ParseError {
	var t [65][faultCount]*ParseError
	for f := range t {
		for fault := range t[f] {
			t[f][fault] = &ParseError{f, Fault(fault)}
		}
	}
	return t
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

// FaultOf returns the fault of an error of this package, FaultNone for others.
func FaultOf(err error) Fault {
	if p, ok := errors.AsType[*ParseError](err); ok { // unlike errors.As it allocates nothing
		return p.Fault
	}
	return FaultNone
}

// FieldOf returns the field that an error of this package is about; 0 for what stands before the fields, and for other errors.
func FieldOf(err error) int {
	if p, ok := errors.AsType[*ParseError](err); ok {
		return p.Field
	}
	return 0
}
