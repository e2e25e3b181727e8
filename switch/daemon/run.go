package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

	"onecard/bankgw"
	"onecard/ledger/background"
	"onecard/switch/query"
	"onecard/switch/telemetry"
	"onecard/terminals"
)

// Addresses are where a running switch can be reached.
type Addresses struct {
	Terminals  string `json:"terminals"`
	Operations string `json:"operations"`
	Control    string `json:"control"`
}

// Options are what a run needs besides its configuration.
type Options struct {
	Version string
	Log     io.Writer       // JSON lines; nil: standard error
	Ready   func(Addresses) // called when terminals may come; nil: nobody
	Dial    bankgw.DialFunc // nil: TCP
	Random  io.Reader       // nil: crypto/rand
}

// server is a running switch.
type server struct {
	config      *Config
	options     Options
	log         *zap.Logger
	metrics     *telemetry.Metrics
	opened      *opened
	pulse       *pulse
	terminals   *terminals.Server
	banks       *bankgw.Banks                     // nil: no bank
	totalsSaid  map[string]chan bankgw.TotalsSaid // by bank, to keepBank
	desk        *desk
	operations  *operations
	control     *control
	clock       *clock
	archive     archiveState
	started     time.Time
	recovered   time.Duration
	dayEnds     sync.Mutex    // held by who ends a business day
	checkpoints sync.Mutex    // held by who writes a checkpoint
	reader      *query.Reader // of the past
	payments    []*payment    // third-party payment channels
	lookedOn    int           // keepHouse: the day of the year on which all purses were last looked through for expired money
}

// Run runs a switch until the context ends, then stops it politely: terminals are answered, the bank is signed off from, a checkpoint is
// written. It returns an error when a part fails; nothing that was answered is lost by that.
func Run(ctx context.Context, c Config, o Options) (err error) {
	s := &server{config: &c, options: o, clock: newClock(), started: time.Now()}
	if s.options.Log == nil {
		s.options.Log = os.Stderr
	}
	if s.options.Random == nil {
		s.options.Random = rand.Reader
	}
	s.log, s.metrics, s.pulse = newLogger(c.Log, s.options.Log), telemetry.New(o.Version), newPulse(s.clock)
	bankKeys, err := loadBankKeys(c.banks()) // before a ledger is made beside a configuration that cannot run
	if err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.connect(bankKeys); err != nil {
		return err
	}
	return s.serve(ctx)
}

// open opens the ledger.
func (s *server) open(ctx context.Context) error {
	s.log.Info("正在打开账本 / opening the ledger", zap.String("data", s.config.Data.Directory))
	began := time.Now()
	o, err := openLedger(ctx, s.config, s.options.Version, s.clock.micros(), s.storeEvents(), s.engineEvents())
	if err != nil {
		return err
	}
	s.opened, s.pulse.engine, s.recovered = o, o.engine, time.Since(began)
	if err := o.store.StartIndexer(Index(o.engine.State().NewRegister())); err != nil {
		return errors.Join(fmt.Errorf("starting the statement index: %w", err), o.store.Close())
	}
	state := o.engine.State()
	s.reader = newReader(o.store, state.Site().ZoneSeconds, s.clock.micros, o.engine.Look)
	s.log.Info("账本已打开 / ledger open", zap.Uint64("sequence", state.Book().Sequence()), zap.Uint32("holders", state.Holders()),
		zap.Uint32("terminals", state.Terminals()), zap.Int("open_loads", state.OpenLoads()), zap.Duration("took", s.recovered))
	return nil
}

// connect opens the ports and the way to the bank. The operations port and the control socket come last: whoever asks them may look at
// every part.
func (s *server) connect(bankKeys []bankgw.Keys) error {
	keys, err := newTerminalKeys(s.opened.site)
	if err != nil {
		return err
	}
	if s.terminals, err = terminals.Listen(s.config.Terminals, keys, s.options.Random, s.clock.micros, s.terminalEvents()); err != nil {
		return err
	}
	bank, err := s.connectBanks(bankKeys)
	if err != nil {
		return err
	}
	s.opened.engine.Connect(s.terminals, bank)
	s.registerGauges()
	s.registerArchive()
	if err := s.openChannels(); err != nil {
		return err
	}
	if err := s.openDesk(); err != nil {
		return err
	}
	if s.operations, err = listenOperations(s); err != nil {
		return err
	}
	s.control, err = listenControl(s)
	return err
}

// addresses are where the parts listen.
func (s *server) addresses() Addresses {
	return Addresses{s.terminals.Addr().String(), s.operations.address(), ControlPath(s.config.Data.Directory)}
}

// serve runs the parts until the context ends or one of them fails.
func (s *server) serve(ctx context.Context) error {
	running, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	sequence := s.opened.engine.RestoredFrom()
	ownerDone := make(chan error, 1)
	go func() { ownerDone <- s.opened.engine.Run(running, s.clock.micros()) }()
	parts := newCrew()
	parts.start(func() { s.pulse.run(running) })
	parts.start(func() { s.keepHouse(running, sequence) })
	parts.start(func() { s.loadInTheNight(running) })
	parts.start(func() { background.GiveWay(); s.keepArchive(running) })
	parts.start(func() { background.GiveWay(); s.endDays(running) })
	banks := s.config.banks()
	for i := range banks {
		parts.start(func() { s.keepBank(running, &banks[i], s.totalsSaid[banks[i].Name]) })
	}
	for _, p := range s.payments {
		parts.start(func() { s.keepChannel(running, p) })
		parts.start(func() { s.reconcileChannel(running, p) })
	}
	bankContext, stopBank := context.WithCancel(running)
	bankDone := make(chan struct{})
	go func() { defer close(bankDone); s.runBanks(bankContext) }()
	a := s.addresses()
	s.log.Info("交换机就绪 / the switch is ready", zap.String("terminals", a.Terminals), zap.String("operations", a.Operations), zap.String("control", a.Control))
	s.operations.ready.Store(true)
	if s.options.Ready != nil {
		s.options.Ready(a)
	}
	var failed error
	ended := false
	select {
	case <-ctx.Done():
	case failed = <-ownerDone:
		ended = true
		failed = errors.Join(errors.New("owner goroutine ended"), failed)
	case failed = <-s.operations.failed:
	case failed = <-s.control.failed:
	}
	s.operations.ready.Store(false)
	s.log.Info("正在停止 / stopping", zap.Error(failed))
	if !ended {
		s.drain()
	}
	stopBank()
	<-bankDone
	stop(nil)
	parts.wait()
	if !ended {
		failed = errors.Join(failed, <-ownerDone)
	}
	return failed
}

// drain answers what is in flight, for as long as the configuration allows.
func (s *server) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), s.config.StopTimeout)
	defer cancel()
	if err := s.terminals.Drain(ctx); err != nil {
		s.log.Warn("停止时仍有请求未答,终端会重发 / some requests were not answered in time: terminals will repeat them", zap.Error(err))
	}
}

// close closes what open and connect have opened, the ledger last. A clean stop leaves a checkpoint behind, so that the next start has
// nothing to replay.
func (s *server) close() error {
	var errs []error
	if s.control != nil {
		errs = append(errs, s.control.close())
	}
	if s.desk != nil {
		errs = append(errs, s.desk.close())
	}
	if s.terminals != nil {
		s.terminals.Close()
	}
	if snapshot, err := s.opened.engine.SnapshotBeforeRun(); err == nil && s.terminals != nil {
		errs = append(errs, s.opened.store.SaveCheckpoint(context.Background(), snapshot))
	}
	errs = append(errs, s.opened.store.Close())
	if s.operations != nil {
		errs = append(errs, s.operations.close())
	}
	err := errors.Join(errs...)
	s.log.Info("已停止 / stopped", zap.Error(err))
	_ = s.log.Sync() // standard error cannot be synced
	return err
}
