package transaction

import (
	"encoding/binary"

	"onecard/ledger"
	"onecard/ledger/invariant"
)

// Site is what is fixed for the life of a ledger when it is made.
type Site struct {
	Window      uint32 // answers remembered per terminal and class; a power of two is quickest
	ZoneSeconds int32  // seconds east of UTC; China is 28,800
}

// DefaultSite remembers 128 answers per terminal, in China Standard Time.
func DefaultSite() Site { return Site{Window: 128, ZoneSeconds: 8 * 3600} }

// genesis is the first entry of a ledger: it opens the site's own accounts and fixes what never changes.
//
//	window u32 | zone i32
func genesis(site Site, now int64) ledger.Entry {
	payload := binary.BigEndian.AppendUint32(nil, site.Window)
	payload = binary.BigEndian.AppendUint32(payload, uint32(site.ZoneSeconds))
	return ledger.Entry{Kind: KindGenesis, Time: now, Opens: siteAccounts, Payload: payload}
}

func (s *State) applyGenesis(e *ledger.Entry) {
	invariant.Hold(len(e.Payload) == 8 && s.book.Accounts() == uint32(len(siteAccounts)), "genesis entry of %d bytes", len(e.Payload))
	s.window = binary.BigEndian.Uint32(e.Payload)
	s.zone = int32(binary.BigEndian.Uint32(e.Payload[4:]))
	invariant.Hold(s.window > 0, "a window of no answers")
}
