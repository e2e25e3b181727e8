package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"

	"go.uber.org/zap"

	"onecard/ledger/pebblestore"
)

// BackupOrder asks a running switch for a backup into a folder, named by its absolute path: the switch has a working folder of its own.
type BackupOrder struct {
	Folder string `json:"folder"`
}

// makeBackup answers when the backup is on disk. It is stopped with the switch, or when whoever asked hangs up.
func (s *server) makeBackup(w http.ResponseWriter, r *http.Request) {
	var asked BackupOrder
	if !takeFolderOrder(w, r, &asked, &asked.Folder) {
		return
	}
	made, err := backUp(r.Context(), s.opened.store, asked.Folder)
	if err != nil {
		s.log.Error("备份失败 / a backup failed", zap.String("folder", asked.Folder), zap.Error(err))
		answerJSON(w, http.StatusUnprocessableEntity, Answer{Error: err.Error()})
		return
	}
	s.log.Info("备份完成 / backup made", zap.String("folder", asked.Folder), zap.Uint64("sequence", made.Sequence), zap.Int64("bytes", made.Bytes))
	answerJSON(w, http.StatusOK, Answer{Backup: &made})
}

// takeFolderOrder reads an order that names a folder, and refuses one that cannot be followed.
func takeFolderOrder(w http.ResponseWriter, r *http.Request, order any, folder *string) bool {
	err := json.NewDecoder(io.LimitReader(r.Body, 8192)).Decode(order)
	if err == nil && !filepath.IsAbs(*folder) {
		err = fmt.Errorf("%q: 须为绝对路径 / an absolute path is needed", *folder)
	}
	if err != nil {
		answerJSON(w, http.StatusBadRequest, Answer{Error: err.Error()})
	}
	return err == nil
}

func backUp(ctx context.Context, store *pebblestore.Store, folder string) (pebblestore.Backup, error) {
	if _, err := store.Backup(ctx, filepath.Clean(folder)); err != nil {
		return pebblestore.Backup{}, err
	}
	return pebblestore.ReadBackup(nil, folder)
}

// Backup asks the switch for a backup into a folder (absolute path).
func (c *Client) Backup(ctx context.Context, folder string) (pebblestore.Backup, error) {
	body, err := json.Marshal(BackupOrder{folder})
	if err != nil {
		return pebblestore.Backup{}, err
	}
	var a Answer
	if err := c.call(ctx, http.MethodPost, "/backup", body, &a); err != nil {
		return pebblestore.Backup{}, err
	}
	if a.Error != "" || a.Backup == nil {
		return pebblestore.Backup{}, errors.New(a.Error)
	}
	return *a.Backup, nil
}

// Backup backs up the ledger of a data folder: through the switch that runs on it, or without one. It needs no site key.
func Backup(ctx context.Context, c *Config, folder, version string) (made pebblestore.Backup, err error) {
	if !HasLedger(c.Data.Directory) {
		return pebblestore.Backup{}, fmt.Errorf("%s: %w", c.Data.Directory, pebblestore.ErrNoLedger)
	}
	folder, err = filepath.Abs(folder)
	if err != nil {
		return pebblestore.Backup{}, err
	}
	if made, err = NewClient(c.Data.Directory).Backup(ctx, folder); !errors.Is(err, ErrNotRunning) {
		return made, err
	}
	store, err := openStopped(c, version)
	if err != nil {
		return pebblestore.Backup{}, err
	}
	made, err = backUp(ctx, store, folder)
	return made, errors.Join(err, store.Close())
}
