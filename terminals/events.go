package terminals

import "onecard/switch/transaction"

// Events are called by the owner goroutine; they must be quick. Any of them may be nil. Labels are closed sets: see CloseReasons and
// Rejections.
type Events struct {
	// ConnectionOpened is called for each connection that was let in.
	ConnectionOpened func()
	// ConnectionClosed is called for each connection that ends, and for each that was turned away at the door.
	ConnectionClosed func(reason string)
	// FrameRejected is called for each frame that did not become a request, with the codec's fault or one of Rejections.
	FrameRejected func(fault string)
	// MACFailed is called for each message of a signed-on terminal whose MAC is wrong or missing.
	MACFailed func()
	// SignedOn is called when a terminal has its working keys.
	SignedOn func(terminal transaction.TerminalID)
	// Held is called when reading is stopped at a bound: "connection" or "total".
	Held func(bound string)
	// AnswerDropped is called when a decision's asker has gone.
	AnswerDropped func()
}

// CloseReason is why a connection ends. It is the error that a Link is closed with.
type CloseReason uint8

const (
	ClosedByPeer      CloseReason = iota // the terminal closed it
	ClosedReset                          // the network or the terminal broke it
	ClosedUnsigned                       // no sign-on in time
	ClosedIdle                           // nothing heard in time
	ClosedHalfFrame                      // a frame was begun and not finished in time
	ClosedFraming                        // length prefix out of bounds: the stream cannot be read any further
	ClosedGarbage                        // a frame that names nobody who could be answered
	ClosedBadFrames                      // too many frames that cannot be read, or requests without a sign-on
	ClosedBadMACs                        // too many wrong MACs, or sign-ons without a good one, in a row
	ClosedSlowReader                     // answers are not taken
	ClosedReplaced                       // the terminal has signed on elsewhere
	ClosedPerAddress                     // too many connections from its address
	ClosedConnectRate                    // connections come too fast from its address
	ClosedFull                           // no connection slot left
	ClosedNoResources                    // the system has no file or memory left
	ClosedStopping                       // the switch stops
	closeReasonCount
)

var closeReasonLabels = [closeReasonCount]string{
	"peer", "reset", "sign_on_timeout", "idle", "half_frame", "framing", "garbage", "bad_frames", "bad_macs", "slow_reader", "replaced",
	"per_address", "connect_rate", "full", "no_resources", "stopping",
}

// String is the label in metrics.
func (r CloseReason) String() string { return closeReasonLabels[r] }

func (r CloseReason) Error() string { return "connection closed: " + closeReasonLabels[r] }

// CloseReasons calls visit with every label of ConnectionClosed.
func CloseReasons(visit func(label string)) {
	for _, label := range closeReasonLabels {
		visit(label)
	}
}

// rejection is why a readable frame did not become a request.
type rejection uint8

const (
	rejectedNotSignedOn rejection = iota
	rejectedMAC
	rejectedMissingField
	rejectedIdentity
	rejectedCurrency
	rejectedCard
	rejectedPurse
	rejectedPIN
	rejectedUnsupported
	rejectedNotARequest
	rejectedScheme
	rejectedKeys
	rejectedUnproven
	rejectionCount
)

var rejectionLabels = [rejectionCount]string{
	"not_signed_on", "mac", "missing_field", "identity", "currency", "card_number", "purse", "pin_format", "unsupported", "not_a_request",
	"key_scheme", "terminal_key", "unproven",
}

// Rejections calls visit with every label of FrameRejected that is not a fault of the codec.
func Rejections(visit func(label string)) {
	for _, label := range rejectionLabels {
		visit(label)
	}
}

func (e *Events) rejected(label string) {
	if e.FrameRejected != nil {
		e.FrameRejected(label)
	}
}

func (e *Events) held(bound string) {
	if e.Held != nil {
		e.Held(bound)
	}
}

func (e *Events) closed(reason CloseReason) {
	if e.ConnectionClosed != nil {
		e.ConnectionClosed(reason.String())
	}
}
