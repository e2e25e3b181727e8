package transaction

import (
	"encoding/binary"
	"fmt"

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

// ReadSite reads what a ledger was made for from its first entry.
func ReadSite(e *ledger.Entry) (Site, bool) {
	if e.Kind != KindGenesis || len(e.Payload) != 8 {
		return Site{}, false
	}
	return Site{binary.BigEndian.Uint32(e.Payload), int32(binary.BigEndian.Uint32(e.Payload[4:]))}, true
}

// checkSite says whether the configuration still describes the site that the ledger was made for. A field that is zero takes what is there:
// whoever only reads need not know it.
func (s *State) checkSite(configured Site) error {
	if configured.Window != 0 && configured.Window != s.window {
		return fmt.Errorf("每终端记忆应答数建账时定为 %d,配置为 %d / answers remembered per terminal were fixed at %[1]d when the ledger was made, the configuration says %[2]d: "+
			"写回 %[1]d,或另建账本 / write %[1]d again, or make another ledger", s.window, configured.Window)
	}
	if configured.ZoneSeconds != s.zone && configured != (Site{}) {
		return fmt.Errorf("时区建账时定为 UTC%+d 秒,配置为 UTC%+d 秒 / the time zone was fixed at UTC%+[1]d s when the ledger was made, the configuration says UTC%+[2]d s: "+
			"写回原值,或另建账本 / write the first again, or make another ledger", s.zone, configured.ZoneSeconds)
	}
	return nil
}

func (s *State) applyGenesis(e *ledger.Entry) {
	invariant.Hold(len(e.Payload) == 8 && s.book.Accounts() == uint32(len(siteAccounts)), "genesis entry of %d bytes", len(e.Payload))
	s.indexChart()
	s.window = binary.BigEndian.Uint32(e.Payload)
	s.zone = int32(binary.BigEndian.Uint32(e.Payload[4:]))
	invariant.Hold(s.window > 0, "a window of no answers")
	s.indexChart()
}
