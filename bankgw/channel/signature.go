package channel

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Headers of a message that the channel has signed; the message is
//
//	timestamp LF nonce LF body LF
//
// under RSASSA-PKCS1-v1_5 with SHA-256. What we sign is
//
//	method LF path and query LF timestamp LF nonce LF body LF
const (
	headerTimestamp = "Wechatpay-Timestamp"
	headerNonce     = "Wechatpay-Nonce"
	headerSerial    = "Wechatpay-Serial"
	headerSignature = "Wechatpay-Signature"
	scheme          = "WECHATPAY2-SHA256-RSA2048"
)

// replayWindow is how far a signed message's time may be from ours: an old one cannot be sent again later.
const replayWindow = 5 * time.Minute

// Reasons for which a message is not believed.
var (
	errNotSigned = errors.New("签名字段不全 / a header of the signature is missing")
	errSerial    = errors.New("证书序列号不符 / signed under another certificate")
	errStale     = errors.New("时间戳超出 5 分钟 / the timestamp is more than 5 minutes off")
	errSignature = errors.New("签名不符 / the signature is wrong")
)

// verify says whether the channel has signed a body, now.
func (k Keys) verify(serial string, header http.Header, body []byte, now time.Time) error {
	stamp, nonce, signature := header.Get(headerTimestamp), header.Get(headerNonce), header.Get(headerSignature)
	if stamp == "" || nonce == "" || signature == "" || len(nonce) > 64 {
		return errNotSigned
	}
	if header.Get(headerSerial) != serial {
		return errSerial
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return errNotSigned
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > replayWindow || age < -replayWindow {
		return errStale
	}
	raw, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return errSignature
	}
	digest := sha256.New()
	_, _ = fmt.Fprintf(digest, "%s\n%s\n%s\n", stamp, nonce, body)
	if rsa.VerifyPKCS1v15(k.channel, crypto.SHA256, digest.Sum(nil), raw) != nil { // compares in constant time
		return errSignature
	}
	return nil
}

// authorize signs a request of ours.
func (k Keys) authorize(r *http.Request, c *Config, body []byte, now time.Time, random io.Reader) error {
	var nonce [16]byte
	if _, err := io.ReadFull(random, nonce[:]); err != nil {
		return fmt.Errorf("drawing a nonce: %w", err)
	}
	text := hex.EncodeToString(nonce[:])
	digest := sha256.New()
	_, _ = fmt.Fprintf(digest, "%s\n%s\n%d\n%s\n%s\n", r.Method, r.URL.RequestURI(), now.Unix(), text, body)
	signature, err := rsa.SignPKCS1v15(rand.Reader, k.merchant, crypto.SHA256, digest.Sum(nil))
	if err != nil {
		return fmt.Errorf("signing a request: %w", err)
	}
	r.Header.Set("Authorization", fmt.Sprintf(`%s mchid="%s",nonce_str="%s",signature="%s",timestamp="%d",serial_no="%s"`,
		scheme, c.Merchant, text, base64.StdEncoding.EncodeToString(signature), now.Unix(), c.MerchantSerial))
	return nil
}

// open decrypts the resource of a notification: AES-256-GCM.
func (k Keys) open(nonce, associated, ciphertext string) ([]byte, error) {
	sealed, err := base64.StdEncoding.DecodeString(ciphertext)
	if err != nil {
		return nil, fmt.Errorf("a notification's ciphertext: %w", err)
	}
	block, err := aes.NewCipher(k.secret)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	if len(nonce) != gcm.NonceSize() {
		return nil, errors.New("a notification's nonce has the wrong length")
	}
	return gcm.Open(nil, []byte(nonce), sealed, []byte(associated))
}
