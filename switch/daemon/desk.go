package daemon

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"time"

	"go.uber.org/zap"

	"onecard/ledger/pebblestore"
	"onecard/switch/console"
	"onecard/switch/iso8583"
	"onecard/switch/proof"
)

// desk is the desk API with what it is made of.
type desk struct {
	gate    gate
	audit   *console.Audit
	handler http.Handler
	// notifications are what payment channels tell of their own accord.
	notifications http.Handler
}

// AuditKey derives the key of the audit log's chain from the site key.
func AuditKey(site iso8583.Secret) console.AuditKey {
	mac := hmac.New(sha256.New, site)
	mac.Write([]byte("onecard audit log key"))
	return console.AuditKey(mac.Sum(nil))
}

func (s *server) openDesk() error {
	audit, err := console.OpenAudit(s.config.Data.Directory, AuditKey(s.opened.site), time.UnixMicro(s.clock.micros()))
	if err != nil {
		return err
	}
	engine, store := s.opened.engine, s.opened.store
	c := console.New(console.Config{
		Core: engine, Store: store, NoEntry: pebblestore.ErrNoEntry, Audit: audit, Clock: s.clock.micros, Zone: engine.State().Site().ZoneSeconds, Version: s.options.Version,
		Events: s.deskEvents(), Settlement: settlements{s}, Bank: s.deskBank(), TakesAutomatic: s.config.takesAutomatic(), LoadAutomatically: s.loadAutomaticallyNow,
		Channels: channelDesk{s}, Reconciliations: reconciliations{s}, Banks: bankDesk{s}, Questions: s.reader, Days: deskDays{DaysOf(s.config.Data.Directory)},
		Prove: func(ctx context.Context, sequence uint64) (any, error) { return s.prove(ctx, sequence) },
		Names: func(table, key string) string { return NameOf(store, table, key) },
	})
	s.desk = &desk{audit: audit}
	stopping := func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "交换机正在停止 / the switch is stopping", http.StatusServiceUnavailable)
	}
	s.desk.handler = s.desk.gate.through(c.Handler(), stopping)
	s.desk.notifications = s.desk.gate.through(http.HandlerFunc(s.answerNotification), stopping)
	return nil
}

// deskDays hands out the signed statements of days.
type deskDays struct{ days Days }

// List is every day that has a statement.
func (d deskDays) List(context.Context) ([]string, error) {
	list, err := d.days.List()
	names := make([]string, len(list))
	for i, day := range list {
		names[i] = day.String()
	}
	return names, err
}

// Statement is a day's file as it is: its signature is over the bytes.
func (d deskDays) Statement(_ context.Context, day string) (any, error) {
	var of proof.Day
	if err := of.UnmarshalText([]byte(day)); err != nil {
		return nil, console.ErrNoEntry
	}
	file, err := os.ReadFile(d.days.Path(of))
	if errors.Is(err, fs.ErrNotExist) {
		err = console.ErrNoEntry
	}
	return json.RawMessage(file), err
}

func (d *desk) close() error {
	d.gate.close()
	return d.audit.Close()
}

func (s *server) deskEvents() console.Events {
	return console.Events{
		Asked: s.metrics.DeskAsked,
		Unidentified: func(rule, operator, address string) {
			s.metrics.DeskUnidentified(rule)
			s.log.Warn("柜台接口拒绝了令牌 / the desk API did not accept a token", zap.String("rule", rule), zap.String("operator", operator), zap.String("address", address))
		},
		Failed: func(act string, err error) {
			s.log.Error("柜台接口内部错误 / an error inside the desk API", zap.String("act", act), zap.Error(err))
		},
	}
}
