package pebblestore

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// DirectoryRow is personal data beside the ledger: it can be changed and erased, which entries in blocks cannot.
type DirectoryRow struct {
	Kind  byte
	Key   string
	Value []byte // nil erases the row
}

func directoryKey(kind byte, key string) []byte { return append([]byte{prefixDirectory, kind}, key...) }

// PutDirectory writes rows, durably and together.
func (s *Store) PutDirectory(rows []DirectoryRow) error {
	batch := s.db.NewBatch()
	defer func() { _ = batch.Close() }()
	for _, row := range rows {
		var err error
		if row.Value == nil {
			err = batch.Delete(directoryKey(row.Kind, row.Key), nil)
		} else {
			err = batch.Set(directoryKey(row.Kind, row.Key), row.Value, nil)
		}
		if err != nil {
			return fmt.Errorf("directory row %s: %w", row.Key, err)
		}
	}
	if err := batch.Commit(pebble.Sync); err != nil {
		return fmt.Errorf("writing the directory: %w", err)
	}
	return nil
}

// Directory reads one row; nil when there is none.
func (s *Store) Directory(kind byte, key string) ([]byte, error) {
	value, closer, err := s.db.Get(directoryKey(kind, key))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("directory row %s: %w", key, err)
	}
	return bytes.Clone(value), closer.Close()
}
