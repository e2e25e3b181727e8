package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"onecard/switch/console"
)

// operations is the port for those who run the switch, and for the desks: metrics, health, profiles, and the desk API, which alone changes
// anything and asks for a token. It listens on loopback unless the configuration says otherwise.
type operations struct {
	listener net.Listener
	server   *http.Server
	failed   chan error
	ready    atomic.Bool
}

// Bounds of the HTTP servers.
const (
	headerTimeout = 5 * time.Second
	idleTimeout   = time.Minute
	closeTimeout  = 2 * time.Second
)

func listenOperations(s *server) (*operations, error) {
	listener, err := net.Listen("tcp", s.config.Operations.Listen)
	if err != nil {
		return nil, fmt.Errorf("运维端口 / the operations port: %w", err)
	}
	o := &operations{listener: listener, failed: make(chan error, 1)}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answerHealth(w, s.pulse.healthy(), "主循环无响应 / the owner does not answer")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		_, low := s.opened.store.Space()
		switch {
		case !o.ready.Load():
			answerHealth(w, false, "正在启动或停止 / starting or stopping")
		case !s.pulse.healthy():
			answerHealth(w, false, "主循环无响应 / the owner does not answer")
		default:
			answerHealth(w, !low, "磁盘空间低,新交易被拒 / disk low: new work is refused")
		}
	})
	mux.HandleFunc("GET /status", s.answerStatus)
	mux.Handle(console.Base+"/", s.desk.handler)
	mux.Handle("POST /channels/{channel}/notify", s.desk.notifications)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	o.server = &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout}
	go o.serve(s.config.Operations.TLSCertificate, s.config.Operations.TLSKey)
	return o, nil
}

// serve serves over TLS when there is a certificate.
func (o *operations) serve(certificate, key string) {
	serve := func() error { return o.server.Serve(o.listener) }
	if certificate != "" {
		serve = func() error { return o.server.ServeTLS(o.listener, certificate, key) }
	}
	if err := serve(); !errors.Is(err, http.ErrServerClosed) {
		o.failed <- fmt.Errorf("the operations port: %w", err)
	}
}

func (o *operations) address() string { return o.listener.Addr().String() }

func (o *operations) close() error { return closeServer(o.server) }

// closeServer lets running requests end, but not for long: a profile may run for minutes.
func closeServer(s *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := s.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		return s.Close()
	} else if err != nil {
		return err
	}
	return nil
}

func answerHealth(w http.ResponseWriter, ok bool, text string) {
	if ok {
		_, _ = w.Write([]byte("ok\n"))
		return
	}
	http.Error(w, text, http.StatusServiceUnavailable)
}

func answerJSON(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(value)
}
