package main

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed peers
var peerFiles embed.FS

// errNotInstalled says that a peer is not on this machine.
var errNotInstalled = errors.New("没有安装:make peers 会安装,需要 root / not installed: make peers installs it, as root")

// postgres is a PostgreSQL server of this run alone: its own folder, its own port, and gone at the end.
type postgres struct {
	folder  string // of its data alone
	keep    bool   // leave it behind
	server  *peerProcess
	url     string
	version string
	clients []*sqlClient
}

// postgresSettings are durable, and generous where the default holds a benchmark back: no checkpoint falls into the run, and plans are made
// once. Left to itself the planner saw the journal empty and read all of it for each purchase later: 850 us in place of 350.
var postgresSettings = []string{
	"listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=on", "synchronous_commit=on", "full_page_writes=on", "max_connections=640",
	"shared_buffers=512MB", "max_wal_size=8GB", "min_wal_size=1GB", "checkpoint_timeout=1h", "wal_buffers=16MB", "jit=off", "plan_cache_mode=force_generic_plan", "enable_seqscan=off", "enable_bitmapscan=off", "enable_hashjoin=off", "enable_mergejoin=off", "work_mem=4MB", "logging_collector=off", "log_min_messages=warning",
}

// postgresTools finds where initdb and postgres are: in the path, or where Debian keeps them, the newest.
func postgresTools() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is good
	if len(found) == 0 {
		return "", fmt.Errorf("postgresql: %w", errNotInstalled)
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		return n
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return cmp.Compare(version(a), version(b)) })), nil
}

// servant is whom a server runs as when this program is root, which PostgreSQL refuses to be.
func servant(folder string) (*syscall.SysProcAttr, error) {
	attributes := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		return attributes, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err, err2, os.Chown(folder, int(uid), int(gid))); err != nil {
			return nil, fmt.Errorf("giving %s to %s: %w", folder, name, err)
		}
		attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return attributes, nil
	}
	return nil, errors.New("没有用户 postgres 或 nobody / there is no user postgres or nobody for PostgreSQL to run as")
}

// startPostgres makes a server with a folder of its own and waits until it answers.
func startPostgres(ctx context.Context, folder string, keep bool) (*postgres, error) {
	tools, err := postgresTools()
	if err != nil {
		return nil, err
	}
	data, err := postgresFolder(folder)
	if err != nil {
		return nil, err
	}
	p := &postgres{folder: data, keep: keep}
	if err := p.start(ctx, tools, filepath.Join(folder, "postgresql.log")); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// postgresFolder makes a folder for the data, beside the others if whoever the server runs as can get there: a home of root's is closed to
// everybody else, and then it is one for temporary files, if that is on the same disk.
func postgresFolder(beside string) (string, error) {
	beside, err := filepath.Abs(beside)
	if err != nil {
		return "", fmt.Errorf("making PostgreSQL's folder: %w", err)
	}
	for _, place := range []string{beside, os.TempDir(), "/var/tmp"} {
		if os.Geteuid() != 0 || enterable(place) && sameDisk(place, beside) {
			data, err := os.MkdirTemp(place, "postgresql-")
			if err != nil {
				return "", fmt.Errorf("making PostgreSQL's folder: %w", err)
			}
			return data, nil
		}
	}
	return "", fmt.Errorf("PostgreSQL 不以 root 运行,进不了 %s:用 --work 换一个他人可进入的文件夹 / PostgreSQL does not run as root and cannot enter %[1]s: name another folder with --work", beside)
}

// enterable says whether everybody may go through a folder and all above it.
func enterable(folder string) bool {
	for {
		info, err := os.Stat(folder)
		if err != nil || info.Mode()&0o001 == 0 {
			return false
		}
		above := filepath.Dir(folder)
		if above == folder {
			return true
		}
		folder = above
	}
}

func sameDisk(a, b string) bool {
	var first, second syscall.Stat_t
	return syscall.Stat(a, &first) == nil && syscall.Stat(b, &second) == nil && first.Dev == second.Dev
}

// start makes the database, starts the server and waits until it answers. It stands in the root folder: whoever it runs as may not be let into
// the one that this program stands in.
func (p *postgres) start(ctx context.Context, tools, logPath string) error {
	attributes, err := servant(p.folder)
	if err != nil {
		return err
	}
	initdb := exec.CommandContext(ctx, filepath.Join(tools, "initdb"), "-D", p.folder, "-U", "bench", "--auth=trust", "--no-locale", "-E", "UTF8", "--no-sync", "--no-instructions")
	initdb.SysProcAttr, initdb.Dir = attributes, "/"
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	address, err := freePort()
	if err != nil {
		return err
	}
	_, port, _ := strings.Cut(address, ":")
	args := []string{"-D", p.folder, "-p", port}
	for _, setting := range postgresSettings {
		args = append(args, "-c", setting)
	}
	command := exec.CommandContext(ctx, filepath.Join(tools, "postgres"), args...)
	command.SysProcAttr, command.Dir = attributes, "/"
	p.url = "postgres://bench@" + address + "/postgres?sslmode=disable"
	if p.server, err = startPeer(command, "postgresql", logPath, syscall.SIGINT); err != nil {
		return err
	}
	return p.server.await(ctx, func() error {
		c, err := pgx.Connect(ctx, p.url)
		if err == nil {
			err = errors.Join(c.QueryRow(ctx, "select split_part(version(), ' ', 2)").Scan(&p.version), c.Close(ctx))
		}
		return err
	})
}

func (p *postgres) close() {
	for _, c := range p.clients {
		c.close()
	}
	if p.server != nil {
		p.server.stop()
	}
	if !p.keep {
		_ = os.RemoveAll(p.folder)
	}
}

// load makes the tables and puts the campus in.
func (p *postgres) load(ctx context.Context, w *peerWork) error {
	schema, _ := peerFiles.ReadFile("peers/purchase.sql") // embedded
	c, err := pgx.Connect(ctx, p.url)
	if err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer func() { _ = c.Close(ctx) }()
	if _, err := c.Exec(ctx, string(schema)); err != nil {
		return fmt.Errorf("making PostgreSQL's tables: %w", err)
	}
	today := time.Now()
	for _, table := range []struct {
		name    string
		columns []string
		rows    int
		row     func(i int) []any
	}{
		{"terminal", []string{"id", "merchant", "open"}, w.terminals, func(i int) []any { return []any{i, i%w.merchants + 1, true} }},
		{"merchant", []string{"id", "balance"}, w.merchants, func(i int) []any { return []any{i + 1, 0} }},
		{"holder", []string{"id", "state", "balance", "counted", "day_count", "day_amount", "most_count", "most_amount"}, len(w.cards), func(i int) []any {
			return []any{i + 1, 0, richFen, today, 0, 0, countMost, richFen}
		}},
		{"card", []string{"number", "holder", "state", "expires"}, len(w.cards), func(i int) []any { return []any{int64(w.cards[i]), i + 1, 0, today.AddDate(5, 0, 0)} }},
	} {
		source := pgx.CopyFromSlice(table.rows, func(i int) ([]any, error) { return table.row(i), nil })
		if _, err := c.CopyFrom(ctx, pgx.Identifier{table.name}, table.columns, source); err != nil {
			return fmt.Errorf("filling PostgreSQL's table %s: %w", table.name, err)
		}
	}
	_, err = c.Exec(ctx, "vacuum analyze")
	return err
}

// connect opens as many connections as a shape has.
func (p *postgres) connect(ctx context.Context, n int) error {
	for len(p.clients) < n {
		c, err := pgx.Connect(ctx, p.url)
		if err == nil {
			_, err = c.Prepare(ctx, "purchase", "select code, reference, balance from purchase($1, $2, $3, $4, $5, $6)")
		}
		if err != nil {
			return fmt.Errorf("connecting to PostgreSQL: %w", err)
		}
		p.clients = append(p.clients, &sqlClient{conn: c, buyer: buyer{terminal: len(p.clients)}})
	}
	return nil
}

// audit counts what the answers said it would hold.
func (p *postgres) audit(ctx context.Context) (string, error) {
	c, err := pgx.Connect(ctx, p.url)
	if err != nil {
		return "", fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer func() { _ = c.Close(ctx) }()
	var entries, approved, difference int64
	err = c.QueryRow(ctx, "select (select count(*) from journal), (select count(*) from journal where code = 0), (select coalesce(sum(debit) - sum(credit), 0) from posting)").Scan(&entries, &approved, &difference)
	if err != nil {
		return "", fmt.Errorf("counting PostgreSQL's journal: %w", err)
	}
	told := int64(0)
	for _, client := range p.clients {
		told += client.approved
	}
	line := fmt.Sprintf("PostgreSQL  日志 journal %d  批准 approved %d  应答 answers %d %s  借贷差 sum %d %s", entries, approved, told, verdict(approved == told), difference, verdict(difference == 0))
	if approved != told || difference != 0 {
		return line, errFound
	}
	return line, nil
}

// sqlClient is one connection.
type sqlClient struct {
	buyer
	conn *pgx.Conn
	hot  bool
}

func (c *sqlClient) close() { _ = c.conn.Close(context.Background()) }

// one asks and waits.
func (c *sqlClient) one(ctx context.Context, w *peerWork, random *rand.Rand) (int, error) {
	code, _, err := c.ask(ctx, c.next(w, random))
	if err != nil {
		return 0, err
	}
	return 1, c.told(code)
}

func (c *sqlClient) ask(ctx context.Context, r wish) (code int, reference int64, err error) {
	var balance int64
	err = c.conn.QueryRow(ctx, "purchase", c.terminal, c.batch, r.trace, int64(r.card), r.amount, c.hot).Scan(&code, &reference, &balance)
	return code, reference, err
}

// batched asks so many in one transaction: the cards in order, or two batches may wait for each other. The merchant is credited by postings
// alone, for the same reason.
func (c *sqlClient) batched(ctx context.Context, w *peerWork, random *rand.Rand, depth int) (int, error) {
	wishes := make([]wish, depth)
	for i := range wishes {
		wishes[i] = c.next(w, random)
	}
	slices.SortFunc(wishes, func(a, b wish) int { return cmp.Compare(a.card, b.card) })
	var batch pgx.Batch
	for _, r := range wishes {
		batch.Queue("purchase", c.terminal, c.batch, r.trace, int64(r.card), r.amount, false)
	}
	results := c.conn.SendBatch(ctx, &batch)
	for range wishes {
		var code int16
		var reference, balance int64
		if err := results.QueryRow().Scan(&code, &reference, &balance); err != nil {
			return 0, errors.Join(err, results.Close())
		}
		if err := c.told(int(code)); err != nil {
			return 0, errors.Join(err, results.Close())
		}
	}
	return depth, results.Close()
}

// pipelined asks so many one behind another without waiting, each a transaction of its own.
func (c *sqlClient) pipelined(ctx context.Context, w *peerWork, random *rand.Rand, depth int) (int, error) {
	p := c.conn.PgConn().StartPipeline(ctx)
	for range depth {
		r := c.next(w, random)
		text := func(n int64) []byte { return strconv.AppendInt(nil, n, 10) }
		p.SendQueryPrepared("purchase", [][]byte{text(int64(c.terminal)), text(int64(c.batch)), text(int64(r.trace)), text(int64(r.card)), text(r.amount), []byte(strconv.FormatBool(c.hot))}, nil, nil)
		p.SendPipelineSync()
	}
	if err := p.Flush(); err != nil {
		return 0, errors.Join(err, p.Close())
	}
	for range depth {
		answer, err := p.GetResults()
		if err != nil {
			return 0, errors.Join(err, p.Close())
		}
		if err := c.readCode(answer); err != nil {
			return 0, errors.Join(err, p.Close())
		}
		if _, err := p.GetResults(); err != nil { // the sync
			return 0, errors.Join(err, p.Close())
		}
	}
	return depth, p.Close()
}
