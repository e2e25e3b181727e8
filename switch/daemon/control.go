package daemon

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/user"
	"strconv"

	"golang.org/x/sys/unix"

	"onecard/ledger/pebblestore"
	"onecard/switch/directory"
	"onecard/switch/proof"
	"onecard/switch/transaction"
)

// control is a socket in the data folder through which its owner changes what a running switch knows: a card's state, an import. Who may
// is decided by the file system: the folder and the socket are open to their owner alone, and the peer's user is asked for besides.
type control struct {
	server *http.Server
	failed chan error
	gate   gate
}

// maxUpload bounds the files of an import.
const maxUpload = 256 << 20

func listenControl(s *server) (*control, error) {
	path := ControlPath(s.config.Data.Directory)
	// The ledger is ours alone while it is open, so a socket that is there was left by a process that is gone.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("the control socket: %w", err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("控制套接字 / the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("the control socket: %w", err), listener.Close())
	}
	c := &control{failed: make(chan error, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", s.answerStatus)
	mux.HandleFunc("POST /cards/state", s.changeCard)
	mux.HandleFunc("POST /import", s.importUpload)
	mux.HandleFunc("GET /operators", s.listOperators)
	mux.HandleFunc("POST /operators", s.changeOperator)
	mux.HandleFunc("POST /backup", s.makeBackup)
	mux.HandleFunc("POST /archive", s.makeArchive)
	mux.HandleFunc("GET /proof/{record}", s.answerProof)
	mux.HandleFunc("POST /checkpoint", s.checkpointNow)
	mux.HandleFunc("POST /index/write", s.writeIndexNow)
	mux.HandleFunc("POST /compact", s.compactNow)
	mux.HandleFunc("POST /day/end", s.endDayNow)
	mux.HandleFunc("POST /day/switch", s.switchDayNow)
	c.server = &http.Server{Handler: c.gate.through(mux, refuseStopping), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout}
	s.serveQueries(mux)
	s.serveFeeds(mux, c.server)
	s.serveRules(mux)
	s.serveDenyList(mux)
	go c.serve(ownersOnly{listener})
	return c, nil
}

func (c *control) serve(l net.Listener) {
	if err := c.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		c.failed <- fmt.Errorf("the control socket: %w", err)
	}
}

// close ends what is still being asked and waits for it: a proof reads blocks of a ledger that is closed next.
func (c *control) close() error {
	err := closeServer(c.server)
	c.gate.close()
	return err
}

func refuseStopping(w http.ResponseWriter, _ *http.Request) {
	answerJSON(w, http.StatusServiceUnavailable, Answer{Error: "交换机正在停止 / the switch is stopping"})
}

// ownersOnly accepts connections of the switch's own user and of root.
type ownersOnly struct{ *net.UnixListener }

// Accept closes the connections of others.
func (l ownersOnly) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if uid, err := peerOf(c); err == nil && (uid == uint32(os.Getuid()) || uid == 0) {
			return c, nil
		}
		_ = c.Close()
	}
}

func peerOf(c *net.UnixConn) (uid uint32, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var credentials *unix.Ucred
	var inner error
	err = raw.Control(func(fd uintptr) {
		credentials, inner = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, inner); err != nil {
		return 0, err
	}
	return credentials.Uid, nil
}

// Answer is what the control socket says: an error for people, or what was done.
type Answer struct {
	Error    string                   `json:"error,omitempty"`
	Problems []directory.Problem      `json:"problems,omitempty"`
	Imported *Imported                `json:"imported,omitempty"`
	Backup   *pebblestore.Backup      `json:"backup,omitempty"`
	Archived *ArchiveResult           `json:"archived,omitempty"`
	Proof    *proof.Proof             `json:"proof,omitempty"`
	Feeds    []pebblestore.FeedStatus `json:"feeds,omitempty"`
	DayEnded *DayEnded                `json:"day_ended,omitempty"`

	Operators []OperatorAnswer `json:"operators,omitempty"`
}

// CardChange asks for another state of a card.
type CardChange struct {
	Card     uint64 `json:"card"`
	State    string `json:"state"`
	Operator string `json:"operator"`
}

func (s *server) changeCard(w http.ResponseWriter, r *http.Request) {
	var asked CardChange
	if err := json.NewDecoder(io.LimitReader(r.Body, 4096)).Decode(&asked); err != nil {
		answerJSON(w, http.StatusBadRequest, Answer{Error: err.Error()})
		return
	}
	to, err := transaction.ParseCardState(asked.State)
	if err == nil {
		err = s.opened.engine.ChangeCard(r.Context(), transaction.CardStateChange{Card: transaction.CardNumber(asked.Card), To: to, Operator: asked.Operator}, s.clock.micros())
	}
	if err != nil {
		answerJSON(w, http.StatusUnprocessableEntity, Answer{Error: err.Error()})
		return
	}
	answerJSON(w, http.StatusOK, Answer{})
}

// importUpload takes a zip of the CSV files.
func (s *server) importUpload(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxUpload))
	if err != nil {
		answerJSON(w, http.StatusRequestEntityTooLarge, Answer{Error: err.Error()})
		return
	}
	files, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		answerJSON(w, http.StatusBadRequest, Answer{Error: err.Error()})
		return
	}
	check := func(d *transaction.Directory) (faults []transaction.Fault, err error) {
		err = s.opened.engine.Look(r.Context(), func(state *transaction.State) { faults = d.Check(state) })
		return faults, err
	}
	apply := func(d *transaction.Directory) ([]transaction.Fault, error) {
		return s.opened.engine.Import(r.Context(), d, s.clock.micros())
	}
	imported, problems, err := importFolder(files, s.opened.store, s.opened.site, check, apply)
	switch {
	case err != nil:
		answerJSON(w, http.StatusUnprocessableEntity, Answer{Error: err.Error()})
	case len(problems) > 0:
		answerJSON(w, http.StatusUnprocessableEntity, Answer{Problems: problems})
	default:
		answerJSON(w, http.StatusOK, Answer{Imported: &imported})
	}
}

// operatorName is the user who asks, for the record.
func operatorName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "uid " + strconv.Itoa(os.Getuid())
}
