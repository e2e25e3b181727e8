package daemon

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestControlEndsWhatIsAskedBeforeItCloses: the ledger is closed next, and whoever reads it then would stop the process.
func TestControlEndsWhatIsAskedBeforeItCloses(t *testing.T) {
	entered := make(chan struct{})
	var ended atomic.Bool
	c := &control{failed: make(chan error, 1)}
	handler := c.gate.through(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done() // a long read that ends when nobody waits for it any more
		ended.Store(true)
	}), refuseStopping)
	c.server = &http.Server{Handler: handler}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served, asked := make(chan struct{}), make(chan struct{})
	go func() { defer close(served); c.serve(listener) }()
	go func() {
		defer close(asked)
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		if response, err := client.Get("http://" + listener.Addr().String()); err == nil {
			_ = response.Body.Close()
		}
	}()
	<-entered
	require.NoError(t, c.close())
	require.True(t, ended.Load())
	<-served
	<-asked
	late := httptest.NewRecorder()
	handler.ServeHTTP(late, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, http.StatusServiceUnavailable, late.Code)
	require.Contains(t, late.Body.String(), "the switch is stopping")
}
