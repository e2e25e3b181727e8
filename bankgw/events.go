package bankgw

// Events are called by the gateway's goroutine; they must be quick. Any of them may be nil. Labels are closed sets: see Faults,
// LinkStates, Refusals and MessageTypes.
type Events struct {
	// LinkState is called when a link changes its state.
	LinkState func(link int, state string)
	// LinkLost is called with the reason when a link goes down; it carries no secret.
	LinkLost func(link int, reason string)
	// Message is called for each message that goes "out" to the bank or comes "in" from it.
	Message func(direction, mti string)
	// Fault is called for each thing of the bank's that does not fit.
	Fault func(fault string)
	// LoadRefused is called for each load that is declined because it could not be sent.
	LoadRefused func(cause string)
	// CutOver is called when the bank begins or ends the turn of its day.
	CutOver func(begins bool)
	// TotalsSaid is called with what the bank says about a day's totals, or that it says nothing.
	TotalsSaid func(TotalsSaid)
	// KeyAsked is called when the bank is asked for a new MAC key, and whether an operator has ordered it.
	KeyAsked func(ordered bool)
	// KeyChanged is called with the check value of a new MAC key when it is in force.
	KeyChanged func(checkValue string)
	// OwnerBusy is called when the owner's inbox was full and the outcomes wait.
	OwnerBusy func()
}

// LinkState is where a link stands.
type LinkState uint8

const (
	LinkDown LinkState = iota
	LinkConnecting
	LinkSigningOn
	LinkUp
	LinkSigningOff
	linkStateCount
)

var linkStateLabels = [linkStateCount]string{"down", "connecting", "signing_on", "up", "signing_off"}

// String is the label in metrics.
func (s LinkState) String() string { return linkStateLabels[s] }

// MarshalText writes the label.
func (s LinkState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote; an unknown label is down.
func (s *LinkState) UnmarshalText(text []byte) error {
	*s = LinkDown
	for state, label := range linkStateLabels {
		if label == string(text) {
			*s = LinkState(state)
		}
	}
	return nil
}

// LinkStates calls visit with every label of LinkState.
func LinkStates(visit func(label string)) { visitAll(linkStateLabels[:], visit) }

// fault is what does not fit. None of them credits a card.
type fault uint8

const (
	faultMAC             fault = iota // F128 is not the MAC of the bytes
	faultUnreadable                   // not a message of the link
	faultTooLong                      // longer than max_message_bytes
	faultMalformed                    // an answer without code, reference, trace or terminal
	faultUnexpected                   // a message type nobody asked for
	faultUnmatched                    // an answer to nothing that is remembered
	faultReference                    // trace and terminal of a request in flight, another reference
	faultIdentity                     // reference of a request in flight, another trace or terminal
	faultAmount                       // approved with another amount: reversed
	faultUncertain                    // a code that does not say whether money was taken: reversed
	faultDuplicate                    // the same answer again
	faultContradiction                // another answer than before
	faultLate                         // an answer to a load that is being, or was, taken back
	faultTimeout                      // no answer to a load in time
	faultLinkLost                     // a load was in flight when its link broke
	faultReversalTimeout              // no answer to a reversal in time
	faultReversalRefused              // a reversal answered with another code than 00 or 25: repeated
	faultQueryFailed                  // what became of a load was asked and not told: reversed
	faultGivenUp                      // a reversal that was repeated long enough: two persons settle it
	faultNotFoundYet                  // a reversal answered 25 while its original may still be under way: repeated
	faultEchoMissed                   // no echo in time
	faultNetworkRefused               // sign-on or echo answered with another code than 00
	faultEncoding                     // an order that cannot be written as a message
	faultRejected                     // the bank's front end gave a message back unread
	faultNoBank                       // a load to take back whose account is no bank's any more: it stays open in the ledger
	faultBankDay                      // an answer with a settlement date that none can be: left out
	faultTotalsSilent                 // no answer to a day's totals, however often they were sent
	faultTotalsRefused                // they were answered with another code than 00
	faultTotalsUnknown                // the bank's totals of a day that we have none of
	faultKeyCheckValue                // a new key without the check value that came with it: refused
	faultKeyMAC                       // a key change that is not signed with the key that it brings: refused
	faultKeyRetired                   // a key change that brings back a key of before: refused
	faultKeyNotKept                   // a new key that could not be stored: refused
	faultKeyTimeout                   // no new key in time after it was asked for
	faultKeyRefused                   // the bank does not give a new key
	faultCount
)

var faultLabels = [faultCount]string{
	"mac", "unreadable", "too_long", "malformed", "unexpected", "unmatched", "wrong_reference", "wrong_identity", "wrong_amount",
	"uncertain_code", "duplicate", "contradiction", "late", "timeout", "link_lost", "reversal_timeout", "reversal_refused", "query_failed", "given_up",
	"not_found_yet", "echo_missed", "network_refused", "encoding", "rejected",
	"no_bank", "bank_day", "totals_silent", "totals_refused", "totals_unknown", "key_check_value", "key_mac", "key_retired", "key_not_kept", "key_timeout", "key_refused",
}

// Faults calls visit with every label of Fault.
func Faults(visit func(label string)) { visitAll(faultLabels[:], visit) }

// refusal is why a load was declined before it left the house.
type refusal uint8

const (
	refusedNoLink refusal = iota
	refusedWindow
	refusedKeyInUse
	refusedDuplicate // said nothing: the first order's outcome counts
	refusedCutOver
	refusedEncoding
	refusedStopping
	refusedNoBank
	refusalCount
)

var refusalLabels = [refusalCount]string{"no_link", "window_full", "key_in_use", "duplicate", "cut_over", "encoding", "stopping", "no_bank"}

// Refusals calls visit with every label of LoadRefused.
func Refusals(visit func(label string)) { visitAll(refusalLabels[:], visit) }

var messageTypes = [...]string{"0100", "0110", "0200", "0201", "0210", "0420", "0421", "0430", "0520", "0530", "0600", "0610", "0800", "0810", "0820", "0830", "other"}

// MessageTypes calls visit with every MTI of Message; "other" is whatever else the bank sends.
func MessageTypes(visit func(mti string)) { visitAll(messageTypes[:], visit) }

func visitAll(labels []string, visit func(string)) {
	for _, label := range labels {
		visit(label)
	}
}

func (e *Events) linkState(link int, s LinkState) {
	if e.LinkState != nil {
		e.LinkState(link, s.String())
	}
}

func (e *Events) linkLost(link int, reason string) {
	if e.LinkLost != nil {
		e.LinkLost(link, reason)
	}
}

func (e *Events) message(direction, mti string) {
	if e.Message == nil {
		return
	}
	for _, known := range messageTypes {
		if known == mti {
			e.Message(direction, known)
			return
		}
	}
	e.Message(direction, "other")
}

func (e *Events) fault(f fault) {
	if e.Fault != nil {
		e.Fault(faultLabels[f])
	}
}

func (e *Events) loadRefused(r refusal) {
	if e.LoadRefused != nil {
		e.LoadRefused(refusalLabels[r])
	}
}

func (e *Events) cutOver(begins bool) {
	if e.CutOver != nil {
		e.CutOver(begins)
	}
}

func (e *Events) totalsSaid(said TotalsSaid) {
	if e.TotalsSaid != nil {
		e.TotalsSaid(said)
	}
}

func (e *Events) keyAsked(ordered bool) {
	if e.KeyAsked != nil {
		e.KeyAsked(ordered)
	}
}

func (e *Events) keyChanged(checkValue string) {
	if e.KeyChanged != nil {
		e.KeyChanged(checkValue)
	}
}

func (e *Events) ownerBusy() {
	if e.OwnerBusy != nil {
		e.OwnerBusy()
	}
}
