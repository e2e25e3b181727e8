package daemon

import (
	"net/http"
	"sync"
)

// gate lets requests through until it is shut, and waits for those inside: they read a ledger that is closed next.
type gate struct {
	inside sync.RWMutex // held for reading by each request
	shut   bool         // guarded by inside
}

// through guards a handler; refuse answers those who come too late.
func (g *gate) through(h http.Handler, refuse http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.inside.RLock()
		defer g.inside.RUnlock()
		if g.shut {
			refuse(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// close shuts the gate behind the last one inside.
func (g *gate) close() {
	g.inside.Lock()
	defer g.inside.Unlock()
	g.shut = true
}
