package channel

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
)

// Keys are what one channel and we know each other by. They are never printed.
type Keys struct {
	merchant *rsa.PrivateKey
	channel  *rsa.PublicKey
	secret   []byte // AES-256, of notifications
}

// String hides them.
func (Keys) String() string { return "[REDACTED]" }

// GoString hides them.
func (Keys) GoString() string { return "[REDACTED]" }

const (
	rsaBitsMin  = 2048
	secretBytes = 32
	keyFileMax  = 64 << 10
)

// NewKeys puts keys together. REQUIRES: both RSA keys have 2,048 bits or more, secret is 32 bytes.
func NewKeys(merchant *rsa.PrivateKey, channel *rsa.PublicKey, secret []byte) Keys {
	return Keys{merchant, channel, secret}
}

// LoadKeys reads the key files of a channel. Errors are KeyErrors.
func LoadKeys(c Config) (Keys, error) {
	var k Keys
	block, err := readPEM(c.MerchantKeyFile, true)
	if err != nil {
		return k, KeyError{"merchant_key_file", err.Error()}
	}
	if k.merchant, err = parsePrivate(block); err != nil {
		return k, KeyError{"merchant_key_file", err.Error()}
	}
	if block, err = readPEM(c.ChannelKeyFile, false); err != nil {
		return k, KeyError{"channel_key_file", err.Error()}
	}
	if k.channel, err = parsePublic(block); err != nil {
		return k, KeyError{"channel_key_file", err.Error()}
	}
	text, err := readKeyFile(c.NotifySecretFile, true)
	if err != nil {
		return k, KeyError{"notify_secret_file", err.Error()}
	}
	if k.secret = bytes.TrimSpace(text); len(k.secret) != secretBytes {
		return k, KeyError{"notify_secret_file", fmt.Sprintf("须为 %d 个字符 / must hold %d characters", secretBytes, secretBytes)}
	}
	return k, nil
}

func readKeyFile(path string, private bool) ([]byte, error) {
	if path == "" {
		return nil, fmt.Errorf("须给出 / must be given")
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("读不出 / cannot be read: %w", err)
	}
	if info.Size() > keyFileMax || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("不是密钥文件 / is no key file: %s", path)
	}
	if private && info.Mode().Perm()&fs.FileMode(0o077) != 0 {
		return nil, fmt.Errorf("%s 只能由其所有者读取,请 chmod 600 / may be readable by its owner only: chmod 600", path)
	}
	return os.ReadFile(path)
}

func readPEM(path string, private bool) (*pem.Block, error) {
	text, err := readKeyFile(path, private)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s 不是 PEM / is no PEM", path)
	}
	return block, nil
}

func parsePrivate(block *pem.Block) (*rsa.PrivateKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		if parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
			return nil, fmt.Errorf("不是 RSA 私钥 / is no RSA private key")
		}
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok || key.N.BitLen() < rsaBitsMin {
		return nil, fmt.Errorf("须为 %d 位以上的 RSA 私钥 / must be an RSA private key of %d bits or more", rsaBitsMin, rsaBitsMin)
	}
	return key, nil
}

func parsePublic(block *pem.Block) (*rsa.PublicKey, error) {
	var parsed any
	if block.Type == "CERTIFICATE" {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("证书不可用 / the certificate cannot be used: %w", err)
		}
		parsed = certificate.PublicKey
	} else if key, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
		parsed = key
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok || key.N.BitLen() < rsaBitsMin {
		return nil, fmt.Errorf("须为 %d 位以上的 RSA 公钥或证书 / must be an RSA public key or certificate of %d bits or more", rsaBitsMin, rsaBitsMin)
	}
	return key, nil
}
