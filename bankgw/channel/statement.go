package channel

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"onecard/ledger/money"
)

// Line is one line of a channel's file: a payment, or a refund when Refund names one.
type Line struct {
	Order       string // our number
	Transaction string
	Refund      string // our number of the refund; "" a payment
	Amount      money.Fen
	At          int64
}

// Statement is a channel's file of one day. Its summary has been held against its lines.
type Statement struct {
	Day      string // 2026-11-26
	Lines    []Line
	Payments money.Fen
	Refunds  money.Fen
	Fees     money.Fen
}

// Columns of the file that are read, by their names in the first line; others are left alone.
const (
	columnTime         = "交易时间"
	columnMerchant     = "商户号"
	columnTransaction  = "微信订单号"
	columnOrder        = "商户订单号"
	columnState        = "交易状态"
	columnCurrency     = "货币种类"
	columnAmount       = "订单金额"
	columnRefund       = "商户退款单号"
	columnRefundAmount = "申请退款金额"
	columnFee          = "手续费"
)

// Columns of the summary.
const (
	summaryCount   = "总交易单数"
	summaryAmount  = "订单总金额"
	summaryRefunds = "申请退款总金额"
	summaryFees    = "手续费总金额"
)

// row is one line of the file, by the names of its columns, each without the backtick before it.
type row map[string]string

// rowOf puts names to the fields of a line.
func rowOf(names, fields []string) (row, error) {
	if len(fields) != len(names) {
		return nil, fmt.Errorf("%d fields, the first line names %d", len(fields), len(names))
	}
	r := row{}
	for i, name := range names {
		text, ok := strings.CutPrefix(fields[i], "`")
		if !ok {
			return nil, fmt.Errorf("field %s has no backtick before it", name)
		}
		r[name] = text
	}
	return r, nil
}

// ReadStatement reads a file of the day: a line of names, lines of fields that each begin with a backtick, and two lines of summary. A file
// that is cut off or does not add up is refused whole.
func ReadStatement(r io.Reader, day, merchant string, zone *time.Location) (*Statement, error) {
	reader := csv.NewReader(r)
	reader.FieldsPerRecord, reader.LazyQuotes, reader.ReuseRecord = -1, true, false
	lines, err := reader.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("对账文件 / the file of %s: %w", day, err)
	}
	if len(lines) < 3 {
		return nil, fmt.Errorf("对账文件 %s 不完整 / the file is cut off", day)
	}
	lines[0][0] = strings.TrimPrefix(lines[0][0], "\ufeff")
	s := &Statement{Day: day}
	var fees int64 // hundred-thousandths of a yuan
	for i, fields := range lines[1 : len(lines)-2] {
		line, fee, err := readLine(lines[0], fields, merchant, zone)
		if err == nil && time.UnixMicro(line.At).In(zone).Format(time.DateOnly) != day {
			err = errors.New("it is of another day")
		}
		if err != nil {
			return nil, fmt.Errorf("对账文件 %s 第 %d 行 / the file, line %[2]d: %w", day, i+2, err)
		}
		if line.Refund == "" {
			s.Payments += line.Amount
		} else {
			s.Refunds += line.Amount
		}
		fees += fee
		s.Lines = append(s.Lines, line)
	}
	s.Fees = money.Fen(fees / feeUnits)
	return s, s.agrees(lines[len(lines)-2], lines[len(lines)-1], fees)
}

// feeUnits are how many hundred-thousandths of a yuan a fen has: fees come with five decimals.
const feeUnits = 1000

func readLine(names, fields []string, merchant string, zone *time.Location) (l Line, fee int64, err error) {
	r, err := rowOf(names, fields)
	if err != nil {
		return l, 0, err
	}
	for _, name := range []string{columnTime, columnTransaction, columnOrder, columnState, columnAmount} {
		if r[name] == "" {
			return l, 0, fmt.Errorf("%s is missing", name)
		}
	}
	at, err := time.ParseInLocation(time.DateTime, r[columnTime], zone)
	if err != nil {
		return l, 0, err
	}
	l = Line{Order: r[columnOrder], Transaction: r[columnTransaction], At: at.UnixMicro()}
	amount := columnAmount
	switch r[columnState] {
	case "SUCCESS":
	case "REFUND":
		l.Refund, amount = r[columnRefund], columnRefundAmount
		if l.Refund == "" {
			return l, 0, errors.New("a refund without its number")
		}
	default:
		return l, 0, fmt.Errorf("state %q", r[columnState])
	}
	if r[columnMerchant] != merchant || r[columnCurrency] != currency {
		return l, 0, fmt.Errorf("of merchant %q in %q", r[columnMerchant], r[columnCurrency])
	}
	if l.Amount, err = money.Parse(r[amount]); err == nil && l.Amount <= 0 {
		err = fmt.Errorf("amount %s", r[amount])
	}
	if err != nil {
		return l, 0, err
	}
	fee, err = parseFee(r[columnFee])
	return l, fee, err
}

// parseFee reads a fee of up to five decimals, "-0.06000", in hundred-thousandths of a yuan.
func parseFee(text string) (int64, error) {
	digits, negative := strings.CutPrefix(text, "-")
	whole, decimals, _ := strings.Cut(digits, ".")
	if len(whole) == 0 || len(whole) > 9 || len(decimals) > 5 {
		return 0, fmt.Errorf("fee %q", text)
	}
	fee, err := strconv.ParseUint(whole+decimals+strings.Repeat("0", 5-len(decimals)), 10, 62)
	if err != nil {
		return 0, fmt.Errorf("fee %q", text)
	}
	if negative {
		return -int64(fee), nil
	}
	return int64(fee), nil
}

// agrees holds the summary against the lines.
func (s *Statement) agrees(names, fields []string, fees int64) error {
	r, err := rowOf(names, fields)
	if err != nil {
		return fmt.Errorf("对账文件 %s 汇总行 / the file's summary: %w", s.Day, err)
	}
	count, err := strconv.Atoi(r[summaryCount])
	payments, err2 := money.Parse(r[summaryAmount])
	refunds, err3 := money.Parse(r[summaryRefunds])
	total, err4 := parseFee(r[summaryFees])
	if err := errors.Join(err, err2, err3, err4); err != nil {
		return fmt.Errorf("对账文件 %s 汇总行 / the file's summary: %w", s.Day, err)
	}
	if count != len(s.Lines) || payments != s.Payments || refunds != s.Refunds || total != fees {
		return fmt.Errorf("对账文件 %s 汇总不符:%d 笔 %s 退 %s,逐行为 %d 笔 %s 退 %s / the file's summary does not agree with its lines",
			s.Day, count, payments, refunds, len(s.Lines), s.Payments, s.Refunds)
	}
	return nil
}

// Statement fetches the file of a day: its place and digest come in a signed answer, and only a file with that digest is read.
func (c *Client) Statement(ctx context.Context, day string) (*Statement, error) {
	var bill struct {
		Type   string `json:"hash_type"`
		Digest string `json:"hash_value"`
		URL    string `json:"download_url"`
	}
	err := c.call(ctx, http.MethodGet, "/v3/bill/tradebill?bill_type=ALL&bill_date="+url.QueryEscape(day), nil, &bill)
	if isCode(err, "NO_STATEMENT_EXIST") {
		return &Statement{Day: day}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("asking for the file of %s: %w", day, err)
	}
	want, err := hex.DecodeString(bill.Digest)
	if err != nil || bill.Type != "SHA256" {
		return nil, fmt.Errorf("the file of %s comes with a digest of type %q", day, bill.Type)
	}
	file, err := c.download(ctx, bill.URL)
	if err != nil {
		return nil, fmt.Errorf("fetching the file of %s: %w", day, err)
	}
	if sum := sha256.Sum256(file); subtle.ConstantTimeCompare(sum[:], want) != 1 {
		return nil, fmt.Errorf("对账文件 %s 与通道签名的摘要不符 / the file is not the one that the channel has signed", day)
	}
	return ReadStatement(bytes.NewReader(file), day, c.config.Merchant, c.config.zone())
}

// downloadTimeout is how long a file may take.
const downloadTimeout = 5 * time.Minute

// download fetches a file from the channel's own host.
func (c *Client) download(ctx context.Context, from string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	u, err := url.Parse(from)
	base, _ := url.Parse(c.config.URL)
	if err != nil || u.Scheme != base.Scheme || u.Host != base.Host {
		return nil, fmt.Errorf("it is not at the channel's own host: %q", from)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	if err := c.keys.authorize(r, &c.config, nil, c.clock(), rand.Reader); err != nil {
		return nil, err
	}
	response, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(response.Status)
	}
	file, err := io.ReadAll(io.LimitReader(response.Body, statementMax+1))
	if err == nil && len(file) > statementMax {
		err = fmt.Errorf("it is longer than %d bytes", statementMax)
	}
	return file, err
}
