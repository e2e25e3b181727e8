package dayend

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"onecard/switch/proof"
)

// domain sets these signatures apart from anything else that the key may ever sign.
const domain = "onecard day statement v1\n"

// A signed statement is a file of two parts. The statement is canonical JSON: keys in the order of the type, no white space, numbers without
// a fraction. What is signed with Ed25519 is the domain, the public key, and the SHA-256 over those bytes. White space that a person's editor
// adds between the tokens does no harm; anything else does.
type signedFile struct {
	Statement json.RawMessage `json:"statement"`
	PublicKey proof.Hex       `json:"public_key"`
	Signature proof.Hex       `json:"signature"`
}

// ErrDoesNotHold says that a file is not a statement that the site has signed.
var ErrDoesNotHold = errors.New("日结单不成立 / the day's statement does not hold")

func doesNotHold(text string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDoesNotHold, fmt.Errorf(text, args...))
}

// Sign returns the file, and the hash that the signature is over.
func Sign(s *Statement, key ed25519.PrivateKey) (file []byte, hash [sha256.Size]byte, err error) {
	canonical, err := json.Marshal(s)
	if err != nil {
		return nil, hash, err
	}
	hash = sha256.Sum256(canonical)
	public := key.Public().(ed25519.PublicKey)
	out, err := json.Marshal(signedFile{canonical, proof.Hex(public), ed25519.Sign(key, message(public, hash))})
	if err != nil {
		return nil, hash, err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, out, "", " "); err != nil {
		return nil, hash, err
	}
	return append(pretty.Bytes(), '\n'), hash, nil
}

func message(public ed25519.PublicKey, hash [sha256.Size]byte) []byte {
	return append(append([]byte(domain), public...), hash[:]...)
}

// maxFileBytes bounds what is read: a terminal or a merchant takes some 200 bytes of a statement.
const maxFileBytes = 64 << 20

// Read reads a signed file without asking who signed it: the statement, the hash that the signature is over, and the key that it names.
func Read(file io.Reader) (s Statement, hash [sha256.Size]byte, public ed25519.PublicKey, err error) {
	text, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return s, hash, nil, fmt.Errorf("reading the statement: %w", err)
	}
	if len(text) > maxFileBytes {
		return s, hash, nil, doesNotHold("超过 %d 字节 / more than %[1]d bytes", maxFileBytes)
	}
	var signed signedFile
	if err := strictly(text, &signed); err != nil {
		return s, hash, nil, err
	}
	if err := strictly(signed.Statement, &s); err != nil {
		return s, hash, nil, err
	}
	if s.Format != Format {
		return s, hash, nil, doesNotHold("格式为 %q,应为 %q / the format is %[1]q, not %[2]q", s.Format, Format)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, signed.Statement); err != nil {
		return s, hash, nil, doesNotHold("%w", err)
	}
	canonical, err := json.Marshal(&s)
	if err != nil {
		return s, hash, nil, err
	}
	if !bytes.Equal(canonical, compact.Bytes()) {
		return s, hash, nil, doesNotHold("不是规范形式 / it is not in canonical form")
	}
	hash, public = sha256.Sum256(canonical), ed25519.PublicKey(signed.PublicKey)
	if len(public) != ed25519.PublicKeySize || !ed25519.Verify(public, message(public, hash), signed.Signature) {
		return s, hash, public, doesNotHold("%s 的签名不对 / the signature of %[1]s is wrong", s.Day)
	}
	return s, hash, public, nil
}

// strictly decodes one JSON value with nothing unknown in it and nothing behind it.
func strictly(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return doesNotHold("文件不全或已改动 / the file is cut off or changed: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return doesNotHold("日结单之后还有内容 / something follows the statement")
	}
	return nil
}

// Verify reads a signed file and holds it to the site's public key: its own signature, and that of the day's root.
func Verify(file io.Reader, site ed25519.PublicKey) (Statement, [sha256.Size]byte, error) {
	s, hash, public, err := Read(file)
	switch {
	case err != nil:
		return s, hash, err
	case !site.Equal(public):
		return s, hash, doesNotHold("由另一把密钥签名:%x,不是所给的 %x / signed by another key: %[1]x, not the one given, %[2]x", []byte(public), []byte(site))
	case s.Root.Day != s.Day || !s.Root.Complete || s.Root.TreeSize != s.Entries || s.Last-s.First+1 != s.Entries:
		return s, hash, doesNotHold("日根与日结单不是同一天的 / the root is not that of the statement's day")
	}
	if err := s.Root.Check(site); err != nil {
		return s, hash, doesNotHold("%w", err)
	}
	return s, hash, nil
}
