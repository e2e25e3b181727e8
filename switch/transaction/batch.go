package transaction

import "onecard/ledger/money"

// Kinds of entries about batches. Values are stored: never renumber.
const (
	KindBatch        Kind = 80 // a batch was handed in
	KindBatchLines   Kind = 81 // lines of it
	KindBatchDecided Kind = 82 // a second person approved or rejected it, or somebody cancelled what was left
	KindLineRefused  Kind = 83 // a line that could not be posted, with its reason
)

// Batch is many operations of one kind that are approved together: 72,000 subsidies, a dormitory's deductions, the clearing of a purse.
//
// Each line is posted once, whatever happens: its entry names batch and line, and the line counts as done by applying it. A batch that is
// stopped anywhere goes on where it stood. While it runs, whoever taps first is posted first.
type Batch struct {
	Kind      Kind // KindSubsidyIssued, KindDeduction, KindSubsidyReturned, KindCountsIssued
	Key       Key
	Operator  string
	Programme string // of subsidies
	Merchant  string // of deductions: who gets them
	AtTap     bool   // each holder claims his line at his next tap; otherwise lines are posted at once
	Replace   bool   // 清零补贴: what is left in the purse goes back first; otherwise it is added (累计补贴)
	StartDay  uint32 // lines are posted from this business day on; 0 at once
	ClaimDay  uint32 // last day for claiming at a tap; 0 no end
	ExpiryDay uint32 // last day the money can be used; 0 no end
	Document  string
	Reason    string
	Lines     []BatchLine
}

// BatchLine is one holder's line. Amount 0 takes everything (clearing only).
type BatchLine struct {
	Holder string
	Amount money.Fen
}

// BatchState is where a batch is.
type BatchState uint8

const (
	BatchProposed BatchState = iota
	BatchApproved            // lines are being posted or claimed
	BatchRejected
	BatchCancelled // what was left is not posted
	BatchDone
)

// BatchStatus is a batch for those who look at it.
type BatchStatus struct {
	Number    uint64 // sequence of its first entry
	Kind      Kind
	State     BatchState
	Operator  string
	Approver  string
	Programme string
	Document  string
	Lines     uint32
	Total     money.Fen // of all lines
	Posted    uint32
	Moved     money.Fen // of the lines posted
	Refused   uint32
}
