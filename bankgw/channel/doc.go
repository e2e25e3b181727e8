// Package channel tops up holders' accounts through third-party payment channels (第三方充值): WeChat Pay, Alipay and what works like them.
//
// The one idea: an order is a promise and a credit is money, and they are kept apart. An order is a row on disk before the channel hears of
// it; the money is one entry of the ledger under a key made of the channel's name and the order's number. A notification, an answer to a
// question and a line of the daily file may each bring the evidence that an order was paid; whichever comes first credits, and the others
// find the key taken.
//
//	CREATED ──paid──▶ PAID ──refund asked──▶ REFUNDING ──all of it──▶ REFUNDED
//	   │               ▲ ▲                      │
//	   │ expired,      │ └──────part of it, ────┘
//	   ▼ closed there  │        or refused
//	 CLOSED ──paid─────┘            MANUAL: a wrong amount, a holder that cannot be credited, a claim
//
// Credit only on positive evidence: signed by the channel, for this merchant, in CNY, of the order's amount. A wrong amount moves nothing.
// An order that nobody hears of is asked about until it expires, and is closed at the channel before it is let go; one that turns out paid
// at its closing is credited.
//
// A refund takes the money from the holder's purse first, never more than is there, and only then is the channel asked to pay. Its number
// makes it happen once there. What became of it is asked until it is known; the purse gets its money back only when the channel says that
// the refund is closed, or has refused it, was given time for what may still be on its way, and then knows nothing of it.
//
// Orders are rows beside the ledger (Rows) and not entries in it. Most orders that are not paid carry no money and name a person, and an
// entry is for ever; what the ledger must know of an order it knows from the entry that credits it: holder, amount, the number as document. If
// the rows are lost no fen is: the file of the day names what was paid, and the ledger what was credited. A row is synced before what it
// announces is done.
//
// It does not choose who may ask (switch/console), hold money, or show a QR code: Pay is the text to make one of. An order that waits for a
// person (MANUAL) is moved by nobody but the comparison with the file.
package channel
