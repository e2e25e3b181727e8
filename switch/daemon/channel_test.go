package daemon_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"onecard/bankgw/channel"
)

// withChannel tells the campus's configuration of a payment channel that nobody answers for.
func (c *campus) withChannel(t *testing.T) {
	t.Helper()
	folder := t.TempDir()
	file := func(name string, contents []byte) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, contents, 0o600))
		return path
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	of := channel.Config{}
	of.Name, of.URL, of.Application, of.Merchant, of.NotifyURL = "wechat", "http://127.0.0.1:1", "app", "1900000001", "https://127.0.0.1/channels/wechat/notify"
	of.MerchantKeyFile = file("merchant.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	of.ChannelKeyFile = file("platform.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
	of.NotifySecretFile = file("v3.key", []byte("0123456789abcdef0123456789ABCDEF\n"))
	of.MerchantSerial, of.ChannelSerial = "M1", "C1"
	c.config.Channels = append(c.config.Channels, of)
}
