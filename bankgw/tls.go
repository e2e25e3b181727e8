package bankgw

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
)

// TLSConfig is how links are secured. The MAC on every message stays: it binds the message, TLS the line.
type TLSConfig struct {
	// Enabled uses TLS 1.2 or newer.
	Enabled bool `yaml:"enabled"`
	// CAFile holds the certificates that the bank's must come from, PEM; empty: the system's.
	CAFile string `yaml:"ca_file"`
	// ServerName is the name in the bank's certificate; empty: the host of the address.
	ServerName string `yaml:"server_name"`
	// CertificateFile and KeyFile are ours, PEM, for banks that want to see one.
	CertificateFile string `yaml:"certificate_file"`
	KeyFile         string `yaml:"key_file"`
}

func (c *TLSConfig) validate(f *keyFaults) {
	if !c.Enabled {
		if *c != (TLSConfig{}) {
			f.wrong("tls.enabled", "给出了 TLS 的其它键但未启用 / other keys of tls are given, and it is not enabled")
		}
		return
	}
	if (c.CertificateFile == "") != (c.KeyFile == "") {
		f.wrong("tls.key_file", "证书与私钥须同时给出 / certificate and key go together")
		return
	}
	if _, err := c.config(); err != nil {
		f.list = append(f.list, err)
	}
}

// config reads the files.
func (c *TLSConfig) config() (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if c.CAFile != "" {
		text, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, KeyError{"tls.ca_file", "读不出 / cannot be read: " + err.Error()}
		}
		if t.RootCAs = x509.NewCertPool(); !t.RootCAs.AppendCertsFromPEM(text) {
			return nil, KeyError{"tls.ca_file", "其中没有证书 / there is no certificate in " + c.CAFile}
		}
	}
	if c.CertificateFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertificateFile, c.KeyFile)
		if err != nil {
			return nil, KeyError{"tls.certificate_file", "证书或私钥不可用 / certificate or key cannot be used: " + err.Error()}
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// over puts TLS over what dial connects.
func (c *TLSConfig) over(dial DialFunc) (DialFunc, error) {
	if !c.Enabled {
		return dial, nil
	}
	config, err := c.config()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		ofLink := config
		if ofLink.ServerName == "" {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				host = address
			}
			ofLink = config.Clone()
			ofLink.ServerName = host
		}
		secured := tls.Client(conn, ofLink)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("TLS: %w", err)
		}
		return secured, nil
	}, nil
}
