package ledgertest

// Replaying a ledger is waiting for memory: each entry touches two accounts, a card, its holder and a place in the identity table, all of
// them somewhere else. So the rows of some entries are read before the first of them is posted: these reads do not depend on each other and
// overlap. Nothing is judged here; what cannot be read is left to whoever posts it.

// aheadEntries are looked at together.
const aheadEntries = 64

// ahead reads the rows that the next entries of a block will need. r is the auditor's place in the block, by value.
func (a *Auditor) ahead(r reader, entries uint64) {
	var cards [aheadEntries]uint32
	n, sink := 0, int64(0)
	for range min(entries, aheadEntries) {
		body := reader{b: r.text()}
		if r.bad {
			break
		}
		kind, shape := body.byte(), body.byte()
		body.uvarint() // time
		for range shape & entryLegsMax {
			if account := body.uvarint(); account < uint64(len(a.accounts)) {
				sink += a.accounts[account].balance
			}
			body.varint()
		}
		if shape&^entryLegsMax != 0 || kind < kindBalance || kind > kindPassage {
			continue
		}
		card, slot := a.aheadRequest(&body, kind)
		sink += int64(slot)
		if card > 0 && int(card) <= len(a.campus.cards) {
			cards[n] = a.campus.cards[card-1].holder
			n++
		}
	}
	for _, h := range cards[:n] { // once their cards are here
		if int(h) < len(a.campus.holders) {
			sink += int64(a.campus.holders[h].state)
		}
	}
	a.warmth = sink // so that the reads are not left out
}

// aheadRequest reads a request's place in the identity table and returns its card.
func (a *Auditor) aheadRequest(body *reader, kind byte) (card, slot uint32) {
	flags := body.byte()
	body.take(2)
	class := byte(classOriginal)
	if kind == kindReversal {
		class = classReversal
	}
	key, ok := identityKey(class, body.u32(), body.u32(), body.u32())
	if flags&flagCard != 0 {
		card = body.u32()
	}
	if body.bad || !ok {
		return 0, 0
	}
	return card, a.requests.slots[a.requests.home(key)]
}
