package daemon

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"onecard/switch/denylist"
	"onecard/switch/transaction"
)

// DenyQuestion asks for the next page of the list of denied cards.
type DenyQuestion struct {
	From denylist.Cursor `json:"from"`
	Most int             `json:"most"`
}

// maxDenyPage bounds a page: the owner goroutine reads it between two groups.
const maxDenyPage = 1000

// serveDenyList adds the deny list to the control socket.
func (s *server) serveDenyList(mux *http.ServeMux) {
	mux.HandleFunc("POST /cards/denied", answerQuery(func(ctx context.Context, q DenyQuestion) (page denylist.Page, err error) {
		most := min(cmp.Or(max(q.Most, 0), maxDenyPage), maxDenyPage)
		err = s.opened.engine.Look(ctx, func(state *transaction.State) { page = state.DenyList(q.From, most) })
		return page, err
	}))
}

// DenyList is what has changed on the list of denied cards since a version, or the whole list.
type DenyList struct {
	Whole   bool             `json:"whole"` // the entries are the list, whatever was known before
	Head    uint64           `json:"head"`  // the version that whoever applies them has
	Entries []denylist.Entry `json:"entries"`
}

// DenyList asks for all pages since a version; 0 is for the whole list. The last state of each card, in the order of the changes.
func (c *Client) DenyList(ctx context.Context, from uint64) (list DenyList, err error) {
	for cursor := denylist.Since(from); ; {
		page, err := askOver[denylist.Page](ctx, c, "/cards/denied", DenyQuestion{From: cursor})
		if err != nil {
			return DenyList{}, err
		}
		if page.Restart {
			list = DenyList{Whole: page.Snapshot != 0}
		}
		list.Entries = append(list.Entries, page.Entries...)
		cursor = page.Next
		if page.Last {
			list.Head = page.Head
			list.compact()
			return list, nil
		}
	}
}

// compact keeps the last entry of each card: one that changed while pages were read came twice.
func (l *DenyList) compact() {
	last := make(map[uint64]uint64, len(l.Entries))
	for _, e := range l.Entries {
		last[e.Card] = e.Version
	}
	l.Entries = slices.DeleteFunc(l.Entries, func(e denylist.Entry) bool { return last[e.Card] != e.Version || l.Whole && !e.Denied })
}
