package iso8583

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/subtle"
	"fmt"

	"github.com/emmansun/gmsm/sm4"
)

// MACMode is how a terminal's messages are authenticated, chosen when it is registered (wire handbook 3.7). Values are stored.
type MACMode uint8

const (
	MACCUPDES  MACMode = iota // CUP ECB with single DES: malleable, legacy terminals only
	MACCUP3DES                // CUP ECB with 3DES: malleable, legacy terminals only
	MACX919                   // ANSI X9.19 (ISO 9797-1 algorithm 3)
	MACCUPSM4                 // CUP ECB with SM4: malleable, legacy terminals only
	MACSM4CBC                 // CBC-MAC with SM4, left eight bytes
	MACAESCMAC                // AES-CMAC (NIST SP 800-38B, RFC 4493), left eight bytes: the default
	macModeCount
)

var macModeNames = [macModeCount]string{"cup-ecb-des", "cup-ecb-3des", "x9.19", "cup-ecb-sm4", "sm4-cbc", "aes-cmac"}

func (m MACMode) String() string {
	if m >= macModeCount {
		return "unknown"
	}
	return macModeNames[m]
}

// ParseMACMode reads what String prints.
func ParseMACMode(name string) (MACMode, error) {
	for m, n := range macModeNames {
		if n == name {
			return MACMode(m), nil
		}
	}
	return 0, fmt.Errorf("MAC mode %q: write one of %v", name, macModeNames)
}

// Legacy modes follow published vectors and do not bind a reply to its request.
func (m MACMode) Legacy() bool { return m < MACSM4CBC }

// MACSize is the number of bytes of F64.
const MACSize = 8

// MAC computes and checks the MACs of one session. Key schedules and scratch are kept inside, so a message allocates nothing; it is not
// for use by several goroutines at once.
type MAC struct {
	mode    MACMode
	block   cipher.Block // the cipher, or its left half for X9.19
	right   cipher.Block // X9.19 only
	k1, k2  [16]byte     // CMAC subkeys
	scratch [48]byte
}

// NewMAC prepares a key: 8 or 16 bytes for the DES modes, 16 for the others.
func NewMAC(mode MACMode, key []byte) (*MAC, error) {
	m := &MAC{mode: mode}
	var err error
	switch {
	case mode == MACCUPDES && (len(key) == 8 || len(key) == 16):
		m.block, err = des.NewCipher(key[:8])
	case mode == MACCUP3DES && len(key) == 16:
		m.block, err = tripleDES(key)
	case mode == MACX919 && len(key) == 16:
		if m.block, err = des.NewCipher(key[:8]); err == nil {
			m.right, err = des.NewCipher(key[8:])
		}
	case (mode == MACCUPSM4 || mode == MACSM4CBC) && len(key) == 16:
		m.block, err = sm4.NewCipher(key)
	case mode == MACAESCMAC && len(key) == 16:
		if m.block, err = aes.NewCipher(key); err == nil {
			m.subkeys()
		}
	default:
		return nil, fmt.Errorf("MAC mode %s does not take a key of %d bytes", mode, len(key))
	}
	if err != nil {
		return nil, fmt.Errorf("preparing the key for MAC mode %s: %w", mode, err)
	}
	return m, nil
}

// tripleDES takes a double-length key: K1 K2 K1.
func tripleDES(key []byte) (cipher.Block, error) {
	return des.NewTripleDESCipher(append(append(make([]byte, 0, 24), key...), key[:8]...))
}

// Near reads what a Sum will need, so that it lies in the processor's caches. What it returns says nothing.
func (m *MAC) Near() byte { return byte(m.mode) ^ m.k2[0] ^ m.scratch[len(m.scratch)-1] }

// Sum computes F64 over mab. binding is F64 of the request when mab is a reply: in the modes that are not legacy it stands before mab, so
// that a recorded reply answers only the request it was made for. It is nil for requests.
func (m *MAC) Sum(binding, mab []byte) [MACSize]byte {
	if m.mode.Legacy() {
		binding = nil
	}
	switch m.mode {
	case MACCUPDES, MACCUP3DES, MACCUPSM4:
		return m.cupECB(mab)
	case MACX919:
		return m.x919(mab)
	case MACSM4CBC:
		return m.cbc(binding, mab)
	}
	return m.cmac(binding, mab)
}

// Verify compares in constant time.
func (m *MAC) Verify(binding, mab, got []byte) bool {
	want := m.Sum(binding, mab)
	return subtle.ConstantTimeCompare(want[:], got) == 1
}

// cupECB: XOR of all blocks, printed as hexadecimal; its first half enciphered, XORed with its second half, enciphered again; the first
// eight hexadecimal digits of that.
func (m *MAC) cupECB(mab []byte) [MACSize]byte {
	size := m.block.BlockSize()
	folded := m.scratch[32 : 32+size]
	clear(folded)
	for ; len(mab) > size; mab = mab[size:] {
		subtle.XORBytes(folded, folded, mab[:size])
	}
	subtle.XORBytes(folded, folded, mab)
	digits := m.scratch[:2*size]
	for i, b := range folded {
		digits[2*i], digits[2*i+1] = hexDigit(b>>4), hexDigit(b&0x0F)
	}
	m.block.Encrypt(folded, digits[:size])
	subtle.XORBytes(folded, folded, digits[size:])
	m.block.Encrypt(folded, folded)
	var sum [MACSize]byte
	for i := range 4 {
		sum[2*i], sum[2*i+1] = hexDigit(folded[i]>>4), hexDigit(folded[i]&0x0F)
	}
	return sum
}

func hexDigit(n byte) byte { return "0123456789ABCDEF"[n] }

// x919: CBC-MAC with the left half, then decipher with the right half and encipher with the left.
func (m *MAC) x919(mab []byte) [MACSize]byte {
	sum := m.cbc(nil, mab)
	block := m.scratch[:copy(m.scratch[:], sum[:])]
	m.right.Decrypt(block, block)
	m.block.Encrypt(block, block)
	return [MACSize]byte(block)
}

// cbc is CBC with a zero vector and zero padding.
func (m *MAC) cbc(binding, mab []byte) [MACSize]byte {
	x, n := m.chain(binding, mab)
	if n == 0 {
		return [MACSize]byte{}
	}
	m.block.Encrypt(x, x)
	return [MACSize]byte(x)
}

// chain is CBC with a zero vector over binding and mab, but for enciphering the last block: it returns what is to be enciphered, and how many
// bytes of it came. binding is at most one block.
//
// The cipher of one block waits for the one before, so only what stands between two of them can be saved. One XOR in place is the least:
// crypto/cipher's CBC costs as much per block and a call more for the first and the last, and with two XORs of eight bytes the cipher's load of
// sixteen waits until both are in memory.
func (m *MAC) chain(binding, mab []byte) (x []byte, last int) {
	x = m.scratch[:m.block.BlockSize()]
	clear(x)
	last = copy(x, binding)
	n := copy(x[last:], mab)
	last += n
	for mab = mab[n:]; len(mab) > 0; mab = mab[last:] {
		m.block.Encrypt(x, x)
		last = subtle.XORBytes(x, x, mab)
	}
	return x, last
}

// subkeys of CMAC: the enciphered zero block, doubled once and twice in GF(2^128).
func (m *MAC) subkeys() {
	m.block.Encrypt(m.k1[:], m.k1[:])
	double(&m.k1)
	m.k2 = m.k1
	double(&m.k2)
}

func double(b *[16]byte) {
	carry := b[0] >> 7
	for i := range 15 {
		b[i] = b[i]<<1 | b[i+1]>>7
	}
	b[15] = b[15]<<1 ^ carry*0x87
}

// cmac over binding and mab: all blocks but the last are chained, the last is masked with a subkey. binding is empty or eight bytes.
func (m *MAC) cmac(binding, mab []byte) [MACSize]byte {
	x, n := m.chain(binding, mab)
	key := &m.k1
	if n < len(key) {
		key = &m.k2
		x[n] ^= 0x80
	}
	subtle.XORBytes(x, x, key[:])
	m.block.Encrypt(x, x)
	return [MACSize]byte(x)
}
