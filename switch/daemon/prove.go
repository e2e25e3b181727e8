package daemon

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"onecard/ledger/pebblestore"
	"onecard/switch/proof"
	"onecard/switch/transaction"
)

// LoadSigningKey reads the key that the roots of a ledger's days are signed with: DIR/signing.key, 64 hexadecimal digits that only their
// owner can read. It is drawn when it is first asked for. Unlike the site key it opens nothing: a ledger without it goes on, under another
// public key that has to be made known again.
func LoadSigningKey(directory string) (ed25519.PrivateKey, error) {
	if !HasLedger(directory) {
		return nil, fmt.Errorf("%s: %w", directory, pebblestore.ErrNoLedger)
	}
	path := filepath.Join(directory, "signing.key")
	seed, err := readKeyFile(path, ed25519.SeedSize)
	if errors.Is(err, fs.ErrNotExist) {
		if err = drawSigningKey(path); err == nil {
			seed, err = readKeyFile(path, ed25519.SeedSize)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("签名密钥不可用 / the signing key cannot be used: %w", err)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// drawSigningKey puts a whole new key in place, on disk before anything is signed with it. When two draw at once the first one's stays.
func drawSigningKey(path string) error {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := rand.Read(seed); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "signing.key.*") // made with 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(hex.EncodeToString(seed) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// prover makes proofs from an open ledger.
type prover struct {
	store *pebblestore.Store
	days  Days
	key   ed25519.PrivateKey
	look  func(context.Context, func(*transaction.State)) error // lets the state be read
}

func (v prover) prove(ctx context.Context, sequence uint64) (proof.Proof, error) {
	p, err := proof.Make(ctx, v.store, sequence, v.key)
	if err != nil {
		return proof.Proof{}, err
	}
	if err := v.underDayEnd(&p); err != nil {
		return proof.Proof{}, err
	}
	c, err := p.Contents()
	if err != nil {
		return proof.Proof{}, err
	}
	line, _ := transaction.ReadEntry(c.Sequence, c.Day, &c.Entry)
	err = v.look(ctx, func(state *transaction.State) {
		p.Record.ZoneSeconds = state.Site().ZoneSeconds
		if line.Card != 0 {
			p.Names.Card = state.Card(line.Card - 1).Number.String()
		}
		if line.Terminal != 0 {
			p.Names.Terminal = state.Terminal(line.Terminal).Code.String()
		}
	})
	return p, err
}

// underDayEnd hangs the proof under the root that the day-end has signed. A root that differs from it is no proof: one of the two is wrong.
func (v prover) underDayEnd(p *proof.Proof) error {
	signed, err := v.days.Statement(p.Record.Day)
	if errors.Is(err, ErrNoStatement) {
		return nil
	}
	if err != nil {
		return err
	}
	root := signed.Statement.Root
	if !bytes.Equal(root.Root, p.Signed.Root) || root.TreeSize != p.Signed.TreeSize || !bytes.Equal(root.LastBlock, p.Signed.LastBlock) {
		return fmt.Errorf("%s 的账与日结签名的日根不符,请运行 verify / the books of %[1]s do not have the root that its day-end was signed with: run onecard verify", p.Record.Day)
	}
	p.Signed = root
	return nil
}

// Prove makes the proof of a record of a ledger that no switch has open, and leaves the ledger as it is. doubts are the reasons for which a
// switch would not start on it: the day of the record has been checked all the same, but unless another day follows it its end may be
// missing, and its root is signed as provisional.
func Prove(ctx context.Context, c *Config, sequence uint64) (p proof.Proof, doubts []error, err error) {
	key, err := LoadSigningKey(c.Data.Directory)
	if err != nil {
		return proof.Proof{}, nil, err
	}
	store, err := pebblestore.Inspect(pebblestore.Options{Dir: c.Data.Directory, WALDir: c.Data.WALDirectory, ArchiveDir: c.Archive.Directory})
	if err != nil {
		return proof.Proof{}, nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	engine, err := transaction.Open(ctx, transaction.Config{Journal: store, Checkpoints: store}, 0)
	if err != nil {
		return proof.Proof{}, store.Doubts(), err
	}
	v := prover{store: store, days: DaysOf(c.Data.Directory), key: key}
	v.look = func(_ context.Context, look func(*transaction.State)) error { look(engine.State()); return nil }
	p, err = v.prove(ctx, sequence)
	return p, store.Doubts(), err
}

// answerProof makes a proof while the switch runs: the blocks of the day are read beside the owner, who is asked for two names.
func (s *server) answerProof(w http.ResponseWriter, r *http.Request) {
	sequence, err := strconv.ParseUint(r.PathValue("record"), 10, 64)
	if err != nil {
		answerJSON(w, http.StatusBadRequest, Answer{Error: err.Error()})
		return
	}
	p, err := s.prove(r.Context(), sequence)
	if err != nil {
		answerJSON(w, http.StatusUnprocessableEntity, Answer{Error: err.Error()})
		return
	}
	answerJSON(w, http.StatusOK, Answer{Proof: &p})
}

// prove makes a proof from the ledger that is served.
func (s *server) prove(ctx context.Context, sequence uint64) (proof.Proof, error) {
	key, err := LoadSigningKey(s.config.Data.Directory)
	if err != nil {
		return proof.Proof{}, err
	}
	return prover{store: s.opened.store, days: DaysOf(s.config.Data.Directory), key: key, look: s.opened.engine.Look}.prove(ctx, sequence)
}

// Prove asks for the proof of a record.
func (c *Client) Prove(ctx context.Context, sequence uint64) (proof.Proof, error) {
	var a Answer
	if err := c.call(ctx, http.MethodGet, "/proof/"+strconv.FormatUint(sequence, 10), nil, &a); err != nil {
		return proof.Proof{}, err
	}
	if a.Error != "" || a.Proof == nil {
		return proof.Proof{}, errors.New(a.Error)
	}
	return *a.Proof, nil
}
