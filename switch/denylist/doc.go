// Package denylist keeps which cards a terminal must refuse when it cannot ask (黑名单, domain handbook 3.5), and says what has changed since a
// version.
//
// The one idea: only the last change of each card is kept, in the order of the changes. What has changed since a version is then what stands
// behind it, already compacted; a page ends where the next one begins, with no list frozen in between; and a card that changes while pages are
// being read moves behind whoever reads them. A version is the number of the ledger entry that made the change: it only grows, is the same
// after a restart and on every copy of the ledger, and is no time.
//
// Cards that were taken off the list are remembered, the newest ones, so that terminals hear of it; who comes with a version from before what
// is remembered or with none, or would get more entries than the list has cards, gets the whole list instead, under the version at which it began.
//
// It does not say who is liable for an offline sale, knows no state of a card but denied or not, and sends nothing: how terminals ask for pages
// on the wire, and how they are told that the list has moved, belongs to the terminal server and is not there yet.
package denylist
