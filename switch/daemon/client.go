package daemon

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"syscall"

	"onecard/switch/directory"
)

// Client talks to the control socket of a running switch.
type Client struct{ http http.Client }

// NewClient makes a client for the switch that has the data folder open.
func NewClient(directory string) *Client {
	path := ControlPath(directory)
	return &Client{http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}}}
}

// ErrNotRunning says that no switch has the data folder open.
var ErrNotRunning = errors.New("没有交换机在此数据目录上运行 / no switch is running on this data folder")

// nobodyThere are the errors of a socket that no switch listens at; the last is a path too long for one. Others, such as a folder that may
// not be entered, say nothing of a switch.
var nobodyThere = []syscall.Errno{syscall.ENOENT, syscall.ENOTDIR, syscall.ECONNREFUSED, syscall.EINVAL}

func (c *Client) call(ctx context.Context, method, path string, body []byte, answer any) error {
	r, err := http.NewRequestWithContext(ctx, method, "http://switch"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := c.http.Do(r)
	if err != nil {
		return unreachable(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		return fmt.Errorf("reading the switch's answer (%s): %w", response.Status, err)
	}
	return nil
}

// unreachable says what an error of a call that got no answer means: that nobody is there, or something else.
func unreachable(err error) error {
	var number syscall.Errno
	if errors.As(err, &number) && slices.Contains(nobodyThere, number) {
		return fmt.Errorf("%w (%w)", ErrNotRunning, number)
	}
	return fmt.Errorf("控制套接字 / the control socket: %w", err)
}

// Status asks how the switch is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.call(ctx, http.MethodGet, "/status", nil, &s)
}

// ChangeCard moves a card to another state. An empty operator is the user who runs this program.
func (c *Client) ChangeCard(ctx context.Context, change CardChange) error {
	if change.Operator == "" {
		change.Operator = operatorName()
	}
	body, err := json.Marshal(change)
	if err != nil {
		return err
	}
	var a Answer
	if err := c.call(ctx, http.MethodPost, "/cards/state", body, &a); err != nil {
		return err
	}
	if a.Error != "" {
		return errors.New(a.Error)
	}
	return nil
}

// Import sends the CSV files of a folder.
func (c *Client) Import(ctx context.Context, folder fs.FS) (Imported, []directory.Problem, error) {
	var body bytes.Buffer
	w := zip.NewWriter(&body)
	for _, file := range directory.Files {
		name := file.Name
		contents, err := fs.ReadFile(folder, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Imported{}, nil, err
		}
		f, err := w.Create(name)
		if err != nil {
			return Imported{}, nil, err
		}
		if _, err := f.Write(contents); err != nil {
			return Imported{}, nil, err
		}
	}
	if err := w.Close(); err != nil {
		return Imported{}, nil, err
	}
	var a Answer
	if err := c.call(ctx, http.MethodPost, "/import", body.Bytes(), &a); err != nil {
		return Imported{}, nil, err
	}
	switch {
	case a.Error != "":
		return Imported{}, nil, errors.New(a.Error)
	case a.Imported == nil:
		return Imported{}, a.Problems, nil
	}
	return *a.Imported, nil, nil
}
