package channelsim

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

type bodyKey struct{}

func withBody(ctx context.Context, body []byte) context.Context {
	return context.WithValue(ctx, bodyKey{}, body)
}

func bodyOf(ctx context.Context) []byte { body, _ := ctx.Value(bodyKey{}).([]byte); return body }

func digestOf(parts ...string) []byte {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n") + "\n"))
	return sum[:]
}

func nonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	return strings.ToUpper(hex.EncodeToString(b[:]))
}

// sign signs a body of the channel's.
func (s *Sim) sign(h http.Header, body []byte, at time.Time) {
	stamp, once := strconv.FormatInt(at.Unix(), 10), nonce()
	signature, err := rsa.SignPKCS1v15(nil, s.config.Key, crypto.SHA256, digestOf(stamp, once, string(body)))
	if err != nil {
		panic(err) // a key that cannot sign
	}
	h.Set("Wechatpay-Timestamp", stamp)
	h.Set("Wechatpay-Nonce", once)
	h.Set("Wechatpay-Serial", s.config.Serial)
	h.Set("Wechatpay-Signature", base64.StdEncoding.EncodeToString(signature))
}

// identify checks a merchant's signature.
func (s *Sim) identify(r *http.Request, body []byte) error {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "WECHATPAY2-SHA256-RSA2048 ")
	if !ok {
		return errors.New("no Authorization")
	}
	fields := map[string]string{}
	for _, match := range regexp.MustCompile(`([a-z_]+)="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		fields[match[1]] = match[2]
	}
	if fields["mchid"] != s.config.Merchant || fields["serial_no"] != s.config.MerchantSerial {
		return errors.New("another merchant")
	}
	seconds, err := strconv.ParseInt(fields["timestamp"], 10, 64)
	if age := s.config.Clock().Sub(time.Unix(seconds, 0)); err != nil || age.Abs() > 5*time.Minute {
		return errors.New("a timestamp of another time")
	}
	signature, err := base64.StdEncoding.DecodeString(fields["signature"])
	if err != nil {
		return err
	}
	return rsa.VerifyPKCS1v15(s.config.MerchantKey, crypto.SHA256, digestOf(r.Method, r.URL.RequestURI(), fields["timestamp"], fields["nonce_str"], string(body)), signature)
}

// seal encrypts a notification's resource.
func (s *Sim) seal(plain []byte) (once, ciphertext string) {
	block, err := aes.NewCipher([]byte(s.config.Secret))
	if err != nil {
		panic(err) // New has looked at its length
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	once = nonce()[:12]
	return once, base64.StdEncoding.EncodeToString(gcm.Seal(nil, []byte(once), plain, []byte("transaction")))
}
