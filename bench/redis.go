package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/rueidis"
)

// redis is a Redis server of this run alone: its own folder, its own port, and gone at the end.
type redis struct {
	server  *peerProcess
	client  rueidis.Client
	version string
	day     string
	clients []*redisClient
}

// startRedis makes a server in a folder and waits until it answers.
func startRedis(ctx context.Context, folder string, connections int) (*redis, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("redis-server: %w", errNotInstalled)
	}
	data, err := filepath.Abs(filepath.Join(folder, "redis"))
	if err != nil {
		return nil, fmt.Errorf("making Redis's folder: %w", err)
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("making Redis's folder: %w", err)
	}
	address, err := freePort()
	if err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(address, ":")
	command := exec.CommandContext(
		ctx, program, "--port", port, "--bind", "127.0.0.1", "--dir", data, "--daemonize", "no", "--save", "", "--appendonly", "yes", "--appendfsync", "always",
		"--auto-aof-rewrite-percentage", "0", "--maxclients", "4096",
	)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	r := &redis{day: time.Now().Format("20060102")}
	if r.server, err = startPeer(command, "redis", filepath.Join(folder, "redis.log"), syscall.SIGTERM); err != nil {
		return nil, err
	}
	if err := r.server.await(ctx, func() error {
		var err error
		r.client, err = rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{address}, DisableCache: true, ForceSingleClient: true, BlockingPoolSize: connections + 1, ConnWriteTimeout: time.Minute})
		return err
	}); err != nil {
		r.close()
		return nil, err
	}
	r.version = r.says(ctx, "redis_version")
	return r, nil
}

func (r *redis) close() {
	for _, c := range r.clients {
		c.cancel()
	}
	if r.client != nil {
		r.client.Close()
	}
	r.server.stop()
}

// says reads a line of INFO.
func (r *redis) says(ctx context.Context, key string) string {
	info, _ := r.client.Do(ctx, r.client.B().Info().Build()).ToString() // "" when it does not say
	_, rest, _ := strings.Cut(info, "\n"+key+":")
	line, _, _ := strings.Cut(rest, "\r\n")
	return line
}

// load loads the function and puts the campus in.
func (r *redis) load(ctx context.Context, w *peerWork) error {
	code, _ := peerFiles.ReadFile("peers/purchase.lua") // embedded
	if err := r.client.Do(ctx, r.client.B().FunctionLoad().Replace().FunctionCode(string(code)).Build()).Error(); err != nil {
		return fmt.Errorf("loading Redis's function (Redis 7 or newer): %w", err)
	}
	var commands rueidis.Commands
	send := func(most int) error {
		if len(commands) <= most {
			return nil
		}
		for _, answer := range r.client.DoMulti(ctx, commands...) {
			if err := answer.Error(); err != nil {
				return fmt.Errorf("filling Redis: %w", err)
			}
		}
		commands = commands[:0]
		return nil
	}
	for i := range w.terminals {
		commands = append(commands, r.client.B().Arbitrary("HSET").Keys(redisTerminal(i)).Args("merchant", strconv.Itoa(i%w.merchants+1), "open", "1").Build())
	}
	expires, rich := time.Now().AddDate(5, 0, 0).Format("20060102"), strconv.Itoa(richFen)
	for i, card := range w.cards {
		commands = append(commands, r.client.B().Arbitrary("HSET").Keys(redisCard(card)).Args(
			"state", "0", "expires", expires, "balance", rich, "counted", r.day, "day_count", "0", "day_amount", "0", "most_count", strconv.Itoa(countMost), "most_amount", rich, "holder", strconv.Itoa(-i-1),
		).Build())
		if err := send(2000); err != nil {
			return err
		}
	}
	return send(0)
}

func redisCard(card uint64) string   { return "c:" + strconv.FormatUint(card, 10) }
func redisTerminal(index int) string { return "t:" + strconv.Itoa(index) }

// connect opens as many connections as a shape has, each for one terminal alone.
func (r *redis) connect(n int) {
	for len(r.clients) < n {
		c := &redisClient{buyer: buyer{terminal: len(r.clients)}, redis: r}
		c.conn, c.cancel = r.client.Dedicate()
		r.clients = append(r.clients, c)
	}
}

// audit counts what the answers said it would hold.
func (r *redis) audit(ctx context.Context) (string, error) {
	journal, err := r.client.Do(ctx, r.client.B().Llen().Key("journal").Build()).AsInt64()
	if err != nil {
		return "", fmt.Errorf("counting Redis's journal: %w", err)
	}
	told, spent := int64(0), int64(0)
	for _, c := range r.clients {
		told += c.approved
		spent += c.spent
	}
	shops, err := r.client.Do(ctx, r.client.B().Hvals().Key("merchants").Build()).AsIntSlice()
	if err != nil {
		return "", fmt.Errorf("counting what Redis's merchants have: %w", err)
	}
	for _, balance := range shops {
		spent -= balance
	}
	line := fmt.Sprintf("Redis       日志 journal %d  应答 answers %d %s  商户差 merchants' difference %d %s", journal, told, verdict(journal == told), spent, verdict(spent == 0))
	if journal != told || spent != 0 {
		return line, errFound
	}
	return line, nil
}

// redisClient is one connection.
type redisClient struct {
	buyer
	redis    *redis
	conn     rueidis.DedicatedClient
	cancel   func()
	commands rueidis.Commands
	amounts  []int64
	spent    int64
}

// pipelined asks so many one behind another and then reads all answers.
func (c *redisClient) pipelined(ctx context.Context, w *peerWork, random *rand.Rand, depth int) (int, error) {
	c.commands, c.amounts = c.commands[:0], c.amounts[:0]
	for range depth {
		r := c.next(w, random)
		c.commands = append(c.commands, c.command(r))
		c.amounts = append(c.amounts, r.amount)
	}
	for i, answer := range c.conn.DoMulti(ctx, c.commands...) {
		code, _, err := redisAnswer(answer)
		if err == nil {
			err = c.told(code)
		}
		if err != nil {
			return 0, err
		}
		c.spent += c.amounts[i]
	}
	return depth, nil
}

func (c *redisClient) command(r wish) rueidis.Completed {
	identity, amount := fmt.Sprintf("%d:%d:%d", c.terminal, c.batch, r.trace), strconv.FormatInt(r.amount, 10)
	return c.conn.B().Arbitrary("FCALL", "purchase", "5").Keys("a:"+identity, redisTerminal(c.terminal), redisCard(r.card), "journal", "references").
		Args(amount, c.redis.day, identity+":"+strconv.FormatUint(r.card, 10)+":"+amount).Build()
}

func (c *redisClient) ask(ctx context.Context, r wish) (code int, reference int64, err error) {
	return redisAnswer(c.conn.Do(ctx, c.command(r)))
}

// redisAnswer takes "code|reference|balance" apart; 94 stands alone.
func redisAnswer(answer rueidis.RedisResult) (code int, reference int64, err error) {
	said, err := answer.ToString()
	if err != nil {
		return 0, 0, err
	}
	head, rest, _ := strings.Cut(said, "|")
	if code, err = strconv.Atoi(head); err != nil || rest == "" {
		return code, 0, err
	}
	number, _, _ := strings.Cut(rest, "|")
	reference, err = strconv.ParseInt(number, 10, 64)
	return code, reference, err
}
