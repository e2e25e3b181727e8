package bankgw_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onecard/bankgw"
	"onecard/switch/transaction"
)

// authority signs certificates for a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	var err error
	a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	require.NoError(t, err)
	a.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) write(name, kind string, der []byte) string {
	path := filepath.Join(a.dir, name)
	require.NoError(a.t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return path
}

// sign returns the files of a certificate for a name and its key.
func (a *authority) sign(name string) (certificate, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	require.NoError(a.t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(a.t, err)
	return a.write(name+".pem", "CERTIFICATE", der), a.write(name+".key", "PRIVATE KEY", keyDER)
}

// listen is a bank that wants to see a certificate.
func (a *authority) listen(l net.Listener) net.Listener {
	pair, err := tls.LoadX509KeyPair(a.sign("bank.example"))
	require.NoError(a.t, err)
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert})
}

// TestOverTLS takes a load over TLS with certificates of both sides, by the name in the bank's.
func TestOverTLS(t *testing.T) {
	a := newAuthority(t)
	certificate, key := a.sign("campus.example")
	w := newWorld(t, worldOptions{tcp: true, secure: a.listen, change: func(g *bankgw.Config) {
		g.TLS = bankgw.TLSConfig{Enabled: true, CAFile: filepath.Join(a.dir, "ca.pem"), ServerName: "bank.example", CertificateFile: certificate, KeyFile: key}
	}})
	t.Cleanup(w.bury)
	w.awaitLinks(t, 2)
	w.ask(transaction.KindLoad, 1, 1000)
	require.Equal(t, transaction.Approved, await(t, "answer", w.heard, func(transaction.Decision) bool { return true }).Code)
	w.end()
	require.Equal(t, 2, w.bank.Stats().SignOffs)
}

// TestTLSRefuses: a bank with another name, a bank of another authority, and a bank that our certificate is missing for are not signed on to.
func TestTLSRefuses(t *testing.T) {
	for name, change := range map[string]func(*bankgw.TLSConfig, *authority){
		"another name":      func(c *bankgw.TLSConfig, _ *authority) { c.ServerName = "other.example" },
		"address as name":   func(c *bankgw.TLSConfig, _ *authority) { c.ServerName = "" },
		"another authority": func(c *bankgw.TLSConfig, other *authority) { c.CAFile = filepath.Join(other.dir, "ca.pem") },
		"no certificate":    func(c *bankgw.TLSConfig, _ *authority) { c.CertificateFile, c.KeyFile = "", "" },
	} {
		t.Run(name, func(t *testing.T) {
			a, other := newAuthority(t), newAuthority(t)
			certificate, key := a.sign("campus.example")
			w := newWorld(t, worldOptions{tcp: true, secure: a.listen, change: func(g *bankgw.Config) {
				g.TLS = bankgw.TLSConfig{Enabled: true, CAFile: filepath.Join(a.dir, "ca.pem"), ServerName: "bank.example", CertificateFile: certificate, KeyFile: key}
				change(&g.TLS, other)
				g.Links, g.ReconnectMin, g.ReconnectMax = 1, time.Millisecond, time.Millisecond
			}})
			t.Cleanup(w.bury)
			for range 3 { // it tries again and again
				await(t, "try", w.states, func(s string) bool { return s == "down" })
			}
			require.Zero(t, w.bank.Stats().SignOns)
			require.Contains(t, w.life.gateway.Status().Links[0].LastError, "tls")
		})
	}
}
